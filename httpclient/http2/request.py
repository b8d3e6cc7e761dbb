"""Header fields of requests in HTTP/2's form (RFC 9113 section 8.3), ready for nghttp2.

The fields of a request are checked and put into an array that C reads. That costs ten times what sending them costs,
and most requests on a connection differ in their path only, so the arrays are kept: a template.

Delphi: Grijjy.Http.TgoHttpHeaders.AsNgHttp2Array (private there).
"""

from __future__ import annotations

from nghttp2_api.structs import nghttp2_nv

from ..errors import InvalidRequestError
from ..http1.request import check_field_name, check_field_value, check_method, check_target, encode_field_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: RFC 9113 section 8.2.2: these belong to a connection of HTTP/1.1 and would make the request malformed.
_CONNECTION_FIELDS = frozenset(
    ("connection", "host", "http2-settings", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade")
)

#: Bytes that the fields of a request may have, counted as SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113 section
#: 6.5.2). Servers allow less; this keeps a mistake from being sent.
MAX_REQUEST_HEADER_SIZE = 128 * 1024


def check_authority(authority: str) -> str:
    """Return what may be sent as ``:authority`` (RFC 9113 section 8.3.1): host and port, no user information.

    :raises InvalidRequestError: it is empty or has something else in it.
    """
    if (
        not authority
        or not authority.isascii()
        or not authority.isprintable()
        or any(c in authority for c in ' "/?#@\\')
    ):
        raise InvalidRequestError(f"invalid authority (RFC 9113 8.3.1): {authority!a}")
    return authority


def wire_fields(fields: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Return regular fields as HTTP/2 sends them: names in lower case, without those of HTTP/1.1's connections.

    ``Host`` goes too; it is ``:authority`` here.

    :raises InvalidRequestError: a name or value may not be sent.
    """
    dropped = _CONNECTION_FIELDS
    checked = []
    for given_name, given_value in fields:
        name = check_field_name(given_name).lower()
        value = check_field_value(given_value, given_name)
        if name == "connection":
            # RFC 9110 section 7.6.1: the fields that it names are for the connection too.
            dropped = dropped.union(option.strip().lower() for option in value.split(","))
        checked.append((name, value))
    return [
        (name.encode("ascii"), encode_field_value(value))
        for name, value in checked
        if name not in dropped and (name != "te" or value.lower() == "trailers")
    ]


def field_array(fields: list[tuple[bytes, bytes]]) -> Any:
    """Return *fields* as an array of ``nghttp2_nv``, which holds on to the bytes."""
    array = (nghttp2_nv * len(fields))()
    for entry, (name, value) in zip(array, fields, strict=True):
        entry.name = name
        entry.value = value
        entry.namelen = len(name)
        entry.valuelen = len(value)
    return array


class HeaderTemplate:
    """The fields of a request but for its path.

    :param method: sent as it is.
    :param scheme: ``http`` or ``https``; not sent with CONNECT.
    :param authority: what ``:authority`` says where no Host field does.
    :param fields: the regular fields.
    :param protocol: what ``:protocol`` says, for an extended CONNECT (RFC 8441 section 4).
    :raises InvalidRequestError: something in it may not be sent.

    :ivar array: the fields as ``nghttp2_nv``, for ``nghttp2_submit_request``, which copies them.
    :ivar count: how many there are.
    """

    __slots__ = ("_path", "_path_entry", "_room", "array", "authority", "count", "fields", "method", "scheme")

    def __init__(
        self, method: str, scheme: str, authority: str, fields: list[tuple[str, str]], protocol: str = ""
    ) -> None:
        self.method = method
        self.scheme = scheme
        self.authority = authority
        self.fields = fields.copy()
        for name, value in fields:
            if name.lower() == "host":
                authority = check_field_value(value, name)
                break
        head = [(b":method", check_method(method).encode("ascii"))]
        # RFC 9113 section 8.5: CONNECT has neither scheme nor path. An extended one has both.
        connect = method == "CONNECT" and not protocol
        if protocol:
            if method != "CONNECT":
                raise InvalidRequestError(f"a protocol goes with the method CONNECT, not {method!a} (RFC 8441 4)")
            head.append((b":protocol", check_method(protocol).encode("ascii")))  # a token too
        if not connect:
            if scheme not in ("http", "https"):
                raise InvalidRequestError(f"the scheme is {scheme!a}, not http or https")
            head.append((b":scheme", scheme.encode("ascii")))
        head.append((b":authority", check_authority(authority).encode("ascii")))
        path_index = len(head)
        if not connect:
            head.append((b":path", b"/"))
        head += wire_fields(fields)
        self.array = field_array(head)
        self.count = len(head)
        self._path_entry = None if connect else self.array[path_index]
        self._path = "" if connect else "/"
        self._room = MAX_REQUEST_HEADER_SIZE - sum(len(name) + len(value) + 32 for name, value in head)
        if self._room < 0:
            raise InvalidRequestError(f"the header fields are larger than {MAX_REQUEST_HEADER_SIZE} bytes")

    def set_path(self, path: str) -> None:
        """Put *path* into the array: path and query, or ``*``; ignored with CONNECT.

        :raises InvalidRequestError: it may not be sent.
        """
        if path == self._path:
            return
        entry = self._path_entry
        if entry is None:
            return
        # check_target(), the short way: visible ASCII.
        if not (path.isascii() and path.isprintable() and " " not in path):
            check_target(path)
        if path[:1] != "/" and path != "*":
            raise InvalidRequestError(f"invalid path (RFC 9113 8.3.1): {path[:80]!a}")
        size = len(path)
        if size > self._room:
            raise InvalidRequestError(f"path and header fields are larger than {MAX_REQUEST_HEADER_SIZE} bytes")
        entry.value = path.encode("ascii")
        entry.valuelen = size
        self._path = path


class TemplateCache:
    """The templates of one session; those that were not used for longest go first."""

    __slots__ = ("_templates",)

    #: How many are kept.
    KEPT = 32

    def __init__(self) -> None:
        self._templates: dict[tuple[Any, ...], HeaderTemplate] = {}

    def get(self, method: str, scheme: str, authority: str, fields: list[tuple[str, str]]) -> HeaderTemplate:
        """Return the template for these, a new one if need be.

        :raises InvalidRequestError: something may not be sent.
        """
        key = (method, scheme, authority, *fields)
        templates = self._templates
        template = templates.pop(key, None)
        if template is None:
            template = HeaderTemplate(method, scheme, authority, fields)
            if len(templates) >= self.KEPT:
                del templates[next(iter(templates))]
        templates[key] = template
        return template
