"""What a call may say besides method and URL: the keyword arguments of all request methods.

For type checkers; at run time the options are a dictionary.
"""

from __future__ import annotations

#: The names of :class:`RequestOptions`.
OPTIONS = frozenset((
    "headers", "params", "data", "json", "files", "cookies", "auth", "timeout", "send_timeout", "pool_timeout", "retry",
))  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, TypedDict

    from .authentication.schemes import Authentication
    from .content.body import BodyInput
    from .content.forms import FieldsInput
    from .content.multipart import FilesInput
    from .retrying import RetryPolicy

    HeaderInput = Mapping[str, str] | Iterable[tuple[str, str]]
    AuthenticationInput = Authentication | tuple[str, str]

    class RequestOptions(TypedDict, total=False):
        """See :meth:`TgoHttpClient.request` for what they mean."""

        headers: HeaderInput | None
        params: FieldsInput | str | bytes | None
        data: BodyInput | FieldsInput | None
        json: Any
        files: FilesInput | None
        cookies: Mapping[str, str] | None
        auth: AuthenticationInput | None
        timeout: float | None
        send_timeout: float | None
        pool_timeout: float | None
        retry: RetryPolicy | int | None
