"""Forms with files: ``multipart/form-data`` (RFC 7578), as browsers write it (HTML Standard section 4.10.21.8).

The parts are read while they are sent, so a large file needs little memory. Imported when it is first needed.

No Delphi origin: the original has no forms.
"""

from __future__ import annotations

import re

from ..errors import BodyError, InvalidRequestError
from ..http1.request import check_field_name, check_field_value
from .body import Body, SourceBody, make_body
from .forms import field_pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .body import BodyInput
    from .forms import FieldsInput

    #: What one file may be given as.
    FileInput = (
        BodyInput
        | tuple[str | None, BodyInput]
        | tuple[str | None, BodyInput, str | None]
        | tuple[str | None, BodyInput, str | None, Mapping[str, str] | Iterable[tuple[str, str]]]
    )
    #: Files by the names of their fields.
    FilesInput = Mapping[str, FileInput] | Iterable[tuple[str, FileInput]]

OCTET_STREAM = "application/octet-stream"

# RFC 2046 section 5.1.1, but for the space; and RFC 9110 section 5.6.2: which of these need quotes in a Content-Type.
_match_boundary = re.compile(r"[0-9A-Za-z'()+_,\-./:=?]{1,70}").fullmatch
_match_token = re.compile(r"[0-9A-Za-z'+_\-.]++").fullmatch
# What isn't escaped below, and has no business in a line of a head.
_find_control = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]").search


class MultipartBody(SourceBody):
    """The parts of a form, one after the other.

    :param parts: for each, its name for messages, and its body.
    """

    __slots__ = ("_index", "_parts")

    def __init__(self, parts: list[tuple[str, Body]]) -> None:
        super().__init__()
        self._parts = parts
        self._index = 0
        lengths = [body.length for _, body in parts]
        self.length = None if None in lengths else sum(length or 0 for length in lengths)

    @property
    def repeatable(self) -> bool:  # type: ignore[override]
        return all(body.repeatable for _, body in self._parts)

    def _pull(self, size: int) -> bytes:
        pieces = []
        while self._index < len(self._parts):
            name, body = self._parts[self._index]
            try:
                piece = body.read(size)
            except BodyError as error:
                raise BodyError(f"{name}: {error.what}") from error
            if not piece:
                self._index += 1
                continue
            pieces.append(piece)
            size -= len(piece)
            # What is in memory goes together with what follows it. Somebody may wait for the rest.
            if size <= 0 or type(body) is not Body:
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _has_more(self) -> bool:
        last = self._parts[-1][1]
        return self._index < len(self._parts) - 1 or last._position < len(last.data)

    def rewind(self) -> None:
        for _, body in self._parts[: self._index + 1]:
            body.rewind()
        self._index = 0
        self._position = 0


def multipart_body(
    fields: FieldsInput | None = None, files: FilesInput | None = None, boundary: str = ""
) -> tuple[Body, str]:
    """Return the body of a form with files, and its Content-Type.

    Its length is known if that of all files is; it can be sent again if all files can.

    :param fields: names and values as for :func:`httpclient.content.forms.form_body`; they come first.
    :param files: a mapping, or pairs, of field names and files. A file is its content, or a tuple of file name and
        content, optionally followed by the content type and by further header fields of the part. The content is
        whatever can be a body: bytes, text (the content, not a path), a binary file, a path (``os.PathLike``), or an
        iterable of bytes. Without a file name, that of the file or path is taken, or else the name of the field;
        ``None`` as file name makes an ordinary field of it. Without a content type, Python's table of file extensions
        is asked, and for what isn't in there it is ``application/octet-stream``; an empty one is left out.
    :param boundary: what separates the parts; random by default.
    :raises BodyError: a name, a file or a header field can't be sent.
    """
    if not boundary:
        import os

        boundary = os.urandom(16).hex()
    elif not _match_boundary(boundary):
        raise BodyError(f"the boundary is not one (RFC 2046 5.1.1): {boundary[:80]!a}")
    delimiter = b"--" + boundary.encode("ascii")
    parts: list[tuple[str, Body]] = []
    text: list[bytes] = []  # what is in memory and hasn't become a part yet
    if fields is not None:
        for name, value in field_pairs(fields):
            disposition = b'Content-Disposition: form-data; name="' + _escaped_name(name) + b'"'
            text += (delimiter, b"\r\n", disposition, b"\r\n\r\n", value, b"\r\n")
    for field, file in _file_pairs(files):
        (encoded,) = (pair[0] for pair in field_pairs([(field, "")]))
        shown = f"the file of the field {field!a}"
        head, body = _part(encoded, field, file, shown)
        parts.append((shown, Body(b"".join((*text, delimiter, b"\r\n", head, b"\r\n\r\n")))))
        parts.append((shown, body))
        text = [b"\r\n"]
    parts.append(("the form", Body(b"".join((*text, delimiter, b"--\r\n")))))
    quote = "" if _match_token(boundary) else '"'
    return MultipartBody(parts), f"multipart/form-data; boundary={quote}{boundary}{quote}"


def _file_pairs(files: FilesInput | None) -> list[tuple[Any, Any]]:
    if files is None:
        return []
    source: Any = files
    items = getattr(source, "items", None)
    if callable(items):
        source = items()
    elif isinstance(source, (str, bytes, bytearray, memoryview)) or not hasattr(source, "__iter__"):
        raise BodyError(f"the files are a mapping or pairs of name and file, not {type(source).__name__}")
    elif hasattr(source, "read"):
        raise BodyError("the files are a mapping or pairs of name and file: a file needs the name of its field")
    pairs = []
    for pair in source:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise BodyError("the files are a mapping or pairs of name and file, and one of them is no pair")
        pairs.append((pair[0], pair[1]))
    return pairs


def _part(encoded: bytes, field: object, file: object, shown: str) -> tuple[bytes, Body]:
    """Return the head of a part, without its last line ends, and its body."""
    content, file_name, content_type, extra = file, _name_of(file), None, None
    if isinstance(file, list):
        raise BodyError(f"{shown} is a list: give a pair for each file, or a tuple of file name and content")
    if isinstance(file, tuple):
        if not 2 <= len(file) <= 4:
            raise BodyError(f"{shown} is a tuple of {len(file)}: file name, content, content type and header fields")
        file_name, content, content_type, extra = (*file, None, None)[:4]
    elif file_name is None:
        file_name = field if isinstance(field, (str, bytes)) else str(field)
    lines = [b'Content-Disposition: form-data; name="' + _escaped_name(encoded) + b'"']
    if file_name is not None:
        lines[0] += b'; filename="' + _escaped(_file_name_bytes(file_name, shown), shown) + b'"'
    given = _header_fields(extra, shown)
    if content_type is None and file_name is not None:
        content_type = guess_type(
            file_name if isinstance(file_name, str) else _file_name_bytes(file_name, shown).decode("latin-1")
        )
    if content_type and not any(name.lower() == "content-type" for name, _ in given):
        given.insert(0, ("Content-Type", content_type))
    try:
        lines += [f"{check_field_name(name)}: {check_field_value(value, name)}".encode() for name, value in given]
        body = make_body(content)  # type: ignore[arg-type]
    except (BodyError, InvalidRequestError) as error:
        raise BodyError(f"{shown}: {error.what}") from error
    except UnicodeEncodeError:
        raise BodyError(f"{shown}: a header field with half of a surrogate pair") from None
    return b"\r\n".join(lines), body


def _name_of(file: Any) -> str | bytes | None:
    """Return the name that a file or a path has, without its directories, or ``None``."""
    if isinstance(file, (str, bytes)):
        return None
    name: Any = file if hasattr(file, "__fspath__") and not hasattr(file, "read") else getattr(file, "name", None)
    if hasattr(name, "__fspath__"):
        name = name.__fspath__()
    if isinstance(name, bytes):
        return name.rpartition(b"/")[2] or None
    # Of a descriptor, the name is a number, and of standard input and the like, "<stdin>".
    if not isinstance(name, str) or (name.startswith("<") and name.endswith(">")):
        return None
    return name.rpartition("/")[2] or None


def _header_fields(extra: Any, shown: str) -> list[tuple[str, str]]:
    """Return the further header fields of a part."""
    if extra is None:
        return []
    given = list(extra.items()) if hasattr(extra, "items") else list(extra)
    for pair in given:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not isinstance(pair[0], str):
            raise BodyError(f"{shown}: its header fields are a mapping or pairs of name and value")
        if pair[0].lower() == "content-disposition":
            raise BodyError(f"{shown}: its Content-Disposition is made of the names, and can't be given")
    return given


def _file_name_bytes(name: object, shown: str) -> bytes:
    if isinstance(name, bytes):
        return name
    if not isinstance(name, str):
        raise BodyError(f"{shown}: a file name is text, not {type(name).__name__}")
    try:
        # As the file system has it, where that isn't UTF-8.
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise BodyError(f"{shown}: its name has half of a surrogate pair in it") from None


def _escaped_name(name: bytes) -> bytes:
    # Line ends are made the same in names, but not in file names.
    return _escaped(re.sub(rb"\r\n?|\n", b"\r\n", name), "the name of a field")


def _escaped(name: bytes, shown: str) -> bytes:
    """Return a name as it may stand between quotes (HTML Standard, "multipart/form-data encoding algorithm")."""
    if _find_control(name):
        raise BodyError(f"{shown}: a control character in a name")
    return name.replace(b"\r", b"%0D").replace(b"\n", b"%0A").replace(b'"', b"%22")


def guess_type(file_name: str) -> str:
    """Return the media type that goes with the extension of a file name.

    Files of the system aren't read for it; where the program has done that (``mimetypes.init``), it counts.
    """
    import mimetypes

    base, dot, extension = file_name.rpartition(".")
    if not dot or not base:
        return OCTET_STREAM
    extension = "." + extension.lower()
    if extension in mimetypes.encodings_map:
        # Of "a.tar.gz" the type would be that of the tar, which it isn't before it is unpacked.
        return {".gz": "application/gzip", ".bz2": "application/x-bzip2", ".xz": "application/x-xz"}.get(
            extension, OCTET_STREAM
        )
    return mimetypes.types_map.get(extension, OCTET_STREAM)
