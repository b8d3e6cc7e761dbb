"""Responses into files: whole, or continued where an earlier attempt has stopped.

What arrives goes into a file beside the one that is wanted, which takes its place in one step when all of it is there:
nobody ever sees half a file under its name. Imported when it is first needed.

To continue, two things are remembered: the bytes, in ``NAME.part``, and in ``NAME.part.json`` what tells whether they
still belong to what the server has (RFC 9110 section 13.1.5). Without a strong validator there is nothing to continue.

No Delphi origin: the original has TgoHttpClient.Range, and leaves the rest to its caller.
"""

from __future__ import annotations

import os
import re

from ..errors import BodyError, HttpClientError, HttpProtocolError, HttpStatusError, InvalidRequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike
    from typing import Any, NoReturn

    from ..client import TgoHttpClient
    from ..headers import TgoHttpHeaders
    from ..response import HttpResponse

    #: ``progress(received, total)``: bytes of the file that are there, and how many it will have, if that is known.
    Progress = Callable[[int, int | None], object]

# RFC 9110 section 14.4.
_match_content_range = re.compile(r"bytes[ \t]+(?:([0-9]{1,18})-([0-9]{1,18})|\*)/([0-9]{1,18}|\*)", re.I).fullmatch
# RFC 9110 section 8.8.3: what is left of it when weak ones don't count.
_match_strong_tag = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*+"').fullmatch

#: Fields that a download makes itself.
_OWN_FIELDS = frozenset(("accept-encoding", "if-range", "range"))

#: An error's own page is read if it is no longer than this, so that it can be looked at.
_ERROR_PAGE = 64 * 1024


def save_response(response: HttpResponse, path: str | PathLike[str]) -> int:
    """Write the body of a response into a file; of a stream, as it arrives.

    Content codings are undone, as in ``HttpResponse.content``. A file of that name is replaced when the body is
    complete; if it doesn't get there, everything stays as it was.

    :param path: where to.
    :return: how many bytes the file has.
    :raises HttpClientError: the body could not be read to its end.
    :raises OSError: the file could not be written.
    """
    name = os.fsdecode(path)
    _refuse_special(name)
    temporary = f"{name}.{os.urandom(6).hex()}.part"
    size = 0
    with open(temporary, "xb", buffering=0) as file:
        try:
            for piece in response.iter_bytes():
                _write(file.fileno(), piece, size)
                size += len(piece)
            os.replace(temporary, name)
        except BaseException:
            os.unlink(temporary)
            raise
    return size


def download(
    client: TgoHttpClient,
    url: str,
    path: str | PathLike[str],
    *,
    resume: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> HttpResponse:
    """GET a URL into a file, which gets its name when it is complete.

    When that fails, ``PATH.part`` is kept if it can be continued by another call with *resume*, and removed
    otherwise. Redirects are followed as the client is told to. The file isn't forced to the disk (``fsync``).

    :param client: always used in the blocking way, by ``client.stream``.
    :param path: where to; what is there is replaced. A symbolic link is replaced, too, not followed.
    :param resume: go on with what an earlier call has left, if the server still has the same (If-Range); start over if
        it hasn't, or can't send parts.
    :param progress: called with the number of bytes that are there, and the number that it will be or ``None``: when
        the response begins, and after each piece. What it raises ends the download, like a failure.
    :param options: for ``client.stream``; without Range, If-Range and Accept-Encoding among the headers.
    :return: the response, whose body is in the file; status 206 where the rest was all that was sent, and 416 where
        it turned out that there was nothing left to send.
    :raises HttpStatusError: the server answers with something other than the file; short answers can be read.
    :raises HttpClientError: the request failed, or the file isn't there in full.
    :raises BodyError: another download to the same file is under way, in this process or another.
    :raises OSError: the file could not be written.
    """
    headers = _given_headers(options.pop("headers", None))
    name = os.fsdecode(path)
    _refuse_special(name)
    partial = _Partial(name, url)

    def ask(fields: list[tuple[str, str]]) -> HttpResponse:
        return client.stream("GET", url, headers=headers + fields, **options)

    try:
        if not resume:
            partial.start_over("", None)
        response = _attempt(ask, partial, progress)
        if response is None:
            partial.start_over("", None)
            response = _attempt(ask, partial, progress)
        assert response is not None  # nobody asked for a part
        partial.complete()
        return response
    finally:
        partial.close()


def _attempt(
    ask: Callable[[list[tuple[str, str]]], HttpResponse], partial: _Partial, progress: Progress | None
) -> HttpResponse | None:
    """Make one request for what is missing, or for everything. ``None`` if what is there can't be continued by it."""
    size = partial.size
    fields = [("Accept-Encoding", "identity")]
    asked = bool(size and partial.validator)
    if asked:
        fields += (("Range", f"bytes={size}-"), ("If-Range", partial.validator))
    with ask(fields) as response:
        status = response.status_code
        if status == 206 and asked:
            total = _continued_total(response.headers, partial)
            if total is None:
                return None
            pieces = response.iter_raw()
        elif status == 416 and asked:
            return response if _total_of(response.headers) == size else None
        elif 200 <= status < 300 and status != 206:
            coded = response.headers.value("content-encoding").strip().lower() not in ("", "identity")
            length = response.headers.value("content-length")
            total = int(length) if length.isascii() and length.isdigit() and not coded else None
            # What was decoded can't be continued: the server counts the coded bytes.
            partial.start_over("" if coded else strong_validator(response.headers), total)
            pieces = response.iter_bytes()
        elif status == 206:
            raise HttpProtocolError(
                "the server sends a part, where it was asked for the whole", url=response.url,
                advice="Look whether the client's range or request_headers ask for one",
            )  # fmt: skip
        else:
            _refuse_status(response)
        _receive(response, pieces, partial, total, progress)
        return response


def _receive(
    response: HttpResponse, pieces: Iterator[bytes], partial: _Partial, total: int | None, progress: Progress | None
) -> None:
    """Write the pieces behind what is there, up to *total*."""
    start = size = partial.size
    if progress is not None:
        progress(size, total)
    for piece in pieces:
        size += len(piece)
        if total is not None and size > total:
            partial.truncate(start)
            raise HttpProtocolError(f"the server sends more than the {total} bytes that it announced", url=response.url)
        partial.append(piece)
        if progress is not None:
            progress(size, total)
    if total is not None and size < total:
        raise HttpProtocolError(
            f"the server sent {size} bytes of {total}", url=response.url,
            advice="Call again with resume=True to get the rest",
        )  # fmt: skip


def _continued_total(headers: TgoHttpHeaders, partial: _Partial) -> int | None:
    """Return how long the file will be, if a part is the one that was asked for (RFC 9110 section 15.3.7)."""
    match = _match_content_range(headers.value("content-range").strip())
    if match is None or match[1] is None:
        return None
    first, last = int(match[1]), int(match[2])
    total = partial.total if match[3] == "*" else int(match[3])
    if total is None or first != partial.size or not first <= last < total:
        return None
    if partial.total is not None and partial.total != total:
        return None
    if headers.value("content-encoding").strip().lower() not in ("", "identity"):
        return None
    length = headers.value("content-length")
    if length and length != str(last - first + 1):
        return None
    # If-Range should have seen to it; not every server knows that.
    name = "etag" if partial.validator.startswith('"') else "last-modified"
    return total if headers.get(name, partial.validator) == partial.validator else None


def _total_of(headers: TgoHttpHeaders) -> int | None:
    """Return what a 416 says about the length of the whole (RFC 9110 section 15.5.17)."""
    match = _match_content_range(headers.value("content-range").strip())
    return None if match is None or match[1] is not None or match[3] == "*" else int(match[3])


def strong_validator(headers: TgoHttpHeaders) -> str:
    """Return what If-Range may be made of (RFC 9110 section 13.1.5); empty if there is nothing.

    An entity tag that isn't weak; or, without any, a Last-Modified at least a second before the response's Date, so
    that there can't have been another version at the same date (section 8.8.2.2).
    """
    tags = headers.get_all("etag")
    if tags:
        return tags[0] if len(tags) == 1 and _match_strong_tag(tags[0]) else ""
    modified, date = headers.value("last-modified"), headers.value("date")
    if not modified or not date:
        return ""
    from email.utils import parsedate_to_datetime

    try:
        apart = (parsedate_to_datetime(date) - parsedate_to_datetime(modified)).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return ""
    return modified if apart >= 1 else ""


def _refuse_status(response: HttpResponse) -> NoReturn:
    """Raise for a status that comes without the file."""
    length = response.headers.value("content-length")
    if length.isascii() and length.isdigit() and len(length) < 10 and int(length) <= _ERROR_PAGE:
        try:
            response.content  # noqa: B018  # kept, for whoever catches the error
        except HttpClientError:
            pass
    if response.status_code >= 400:
        raise HttpStatusError(response)
    raise HttpStatusError(response, f"the server answered {response.status_code} {response.reason}: nothing to save")


def _given_headers(headers: Any) -> list[tuple[str, str]]:
    if headers is None:
        return []
    given = list(headers.items() if hasattr(headers, "items") else headers)
    for name, _ in given:
        if isinstance(name, str) and name.lower() in _OWN_FIELDS:
            raise InvalidRequestError(f"a download makes its {name} field itself")
    return given


def _refuse_special(name: str) -> None:
    """Refuse what can't be replaced, and what mustn't be: nobody means to have a file instead of ``/dev/null``."""
    import errno

    if os.path.isdir(name):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if os.path.exists(name) and not os.path.isfile(name):
        raise OSError(errno.EINVAL, "not a regular file", name)


def _write(descriptor: int, piece: bytes, position: int) -> None:
    """Write all of a piece; the system may take less at once."""
    written = os.pwrite(descriptor, piece, position)
    while written < len(piece):
        written += os.pwrite(descriptor, memoryview(piece)[written:], position + written)


class _Partial:
    """The file that is written to, locked against other downloads, and what is remembered with it.

    :ivar size: how many bytes are there.
    :ivar validator: what they belong to, for If-Range; empty if that isn't known.
    :ivar total: how many there will be, if that was said.
    """

    __slots__ = ("_descriptor", "_name", "_path", "_url_digest", "size", "total", "validator")

    def __init__(self, name: str, url: str) -> None:
        from hashlib import sha256

        self._name = name
        self._path = f"{name}.part"
        self.validator = ""
        self.total: int | None = None
        # Not the URL itself: it may have a password in it.
        self._url_digest = sha256(str(url).encode("utf-8", "surrogatepass")).hexdigest()
        self._descriptor = self._open()
        self.size = os.fstat(self._descriptor).st_size
        if self.size:
            self._remember()

    def _open(self) -> int:
        """Open and lock the file. The lock is the open file's, and ends with it, even if the process is killed."""
        from fcntl import LOCK_EX, LOCK_NB, flock

        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
            try:
                flock(descriptor, LOCK_EX | LOCK_NB)
                mine = os.fstat(descriptor)
                there = os.stat(self._path, follow_symlinks=False)
                if (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino):
                    return descriptor
            except BlockingIOError:
                os.close(descriptor)
                raise BodyError(f"another download to {self._name!a} is under way") from None
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(descriptor)
                raise
            # Between opening and locking, the other download has finished: this is its file now.
            os.close(descriptor)

    def _remember(self) -> None:
        """Find out what the bytes belong to."""
        import json

        try:
            with open(f"{self._path}.json", encoding="utf-8") as file:
                known = json.loads(file.read(65536))
            validator, total, digest = known["validator"], known["total"], known["url"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return
        if not isinstance(validator, str) or not validator.isprintable():
            return
        if digest == self._url_digest and (total is None or type(total) is int):
            self.validator = validator
            self.total = total

    def start_over(self, validator: str, total: int | None) -> None:
        """Forget what is there, and remember what comes."""
        os.ftruncate(self._descriptor, 0)
        self.size = 0
        self.validator = validator
        self.total = total
        self._forget()
        if validator:
            import json

            with open(f"{self._path}.json", "x", encoding="utf-8") as file:
                json.dump({"url": self._url_digest, "validator": validator, "total": total}, file)

    def _forget(self) -> None:
        try:
            os.unlink(f"{self._path}.json")
        except FileNotFoundError:
            pass

    def append(self, piece: bytes) -> None:
        _write(self._descriptor, piece, self.size)
        self.size += len(piece)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)
        self.size = size

    def complete(self) -> None:
        """Give the file its name."""
        self._forget()
        os.replace(self._path, self._name)
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def close(self) -> None:
        """Close the file if it isn't complete, and leave it only if it can be continued."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        try:
            if not (self.size and self.validator):
                os.unlink(self._path)
                self._forget()
        finally:
            os.close(descriptor)
