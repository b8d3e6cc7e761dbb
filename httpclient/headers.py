"""Header fields, as the original has them and as Python users expect them.

Delphi: Grijjy.Http.TgoHttpHeaders
"""

from __future__ import annotations

from .errors import InvalidRequestError
from .http1.request import check_field_name, check_field_value, encode_field_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from nghttp2_api import nghttp2_nv

    HeaderSource = Mapping[str, str] | Iterable[tuple[str, str]]

#: Text in ISO-8859-1, as it goes on the wire. Delphi: Grijjy.Http.ISO8859String
ISO8859String = bytes

#: Fields whose values are secrets, and don't belong in a log.
_SECRET = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie"})


class TgoHttpHeader:
    """One header field. Delphi: Grijjy.Http.TgoHttpHeader

    :param name: the name, in any case.
    :param value: the value.
    """

    __slots__ = ("name", "value")

    def __init__(self, name: str = "", value: str = "") -> None:
        self.name = name
        self.value = value

    @property
    def name_as_iso8859(self) -> ISO8859String:
        """The name in bytes. Delphi: Grijjy.Http.TgoHttpHeader.NameAsISO8859"""
        return encode_field_value(self.name)

    @property
    def value_as_iso8859(self) -> ISO8859String:
        """The value in bytes: Latin-1, or UTF-8 where that can't hold it.

        Delphi: Grijjy.Http.TgoHttpHeader.ValueAsISO8859
        """
        return encode_field_value(self.value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TgoHttpHeader):
            return NotImplemented
        return self.name.lower() == other.name.lower() and self.value == other.value

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __repr__(self) -> str:
        value = "<hidden>" if self.name.lower() in _SECRET else self.value
        return f"TgoHttpHeader({self.name!r}, {value!r})"


class TgoHttpHeaders:
    """Header fields in order, repeated ones included; names are looked up without regard to case.

    A mapping from names to values, except that :meth:`items` and :meth:`values` give every field, also those of the
    same name. ``headers[name]`` joins the values of a repeated field by ``", "`` (RFC 9110 section 5.3), but for
    Set-Cookie, which can't be joined, it is the first; :meth:`get_all` gives each.

    Text is Latin-1 on the wire. What is in here is checked when it is sent, or written with :meth:`as_string`.
    Any thread may read; only one at a time may change it, while no other reads.

    :param headers: fields to begin with: a mapping, pairs, or another object of this class.

    Delphi: Grijjy.Http.TgoHttpHeaders
    """

    __slots__ = ("_fields", "_pairs", "version")

    def __init__(self, headers: HeaderSource | TgoHttpHeaders | None = None) -> None:
        #: Bytes that haven't been looked at yet, and what became of them.
        self._fields: Sequence[tuple[bytes, bytes]] = ()
        self._pairs: list[tuple[str, str]] | None = []
        #: Changes with every change.
        self.version = 0
        if headers is not None:
            self._pairs = pairs_of(headers)

    @classmethod
    def from_fields(cls, fields: Sequence[tuple[bytes, bytes]]) -> TgoHttpHeaders:
        """Make headers of received fields, which are decoded when they are first asked for.

        :param fields: as in ``ResponseHead.fields``; not changed.
        """
        headers = cls.__new__(cls)
        headers._fields = fields
        headers._pairs = None
        headers.version = 0
        return headers

    def _all(self) -> list[tuple[str, str]]:
        pairs = self._pairs
        if pairs is None:
            # The bytes stay: another thread may be reading them, too.
            pairs = self._pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._fields]
        return pairs

    def _changed(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs
        self.version += 1

    # What the original has

    def add_or_set(self, name: str, value: str | None = None) -> None:
        """Set a field: where there are fields of that name, it takes the place of the first, and the others go.

        :param name: the name; or, without *value*, the field in one piece, ``"Name: value"``.
        :param value: the value.
        :raises InvalidRequestError: the field in one piece has no colon.

        Differs from Delphi: a field without a colon is an error, and white space around a value is dropped.
        Delphi: Grijjy.Http.TgoHttpHeaders.AddOrSet
        """
        if value is None:
            name, colon, value = name.partition(":")
            if not colon:
                raise InvalidRequestError("a header field in one piece needs a colon after its name")
            value = value.strip(" \t")
        self._replace(name, [(name, _text(value))])

    def value(self, name: str) -> str:
        """Return the value of the first field of that name; empty where there is none.

        Delphi: Grijjy.Http.TgoHttpHeaders.Value
        """
        lower = name.lower()
        for field, value in self._all():
            if field.lower() == lower:
                return value.lstrip(" \t")
        return ""

    def index_of(self, name: str) -> int:
        """Return the index of the first field of that name; -1 where there is none.

        Delphi: Grijjy.Http.TgoHttpHeaders.IndexOf
        """
        lower = name.lower()
        for index, (field, _) in enumerate(self._all()):
            if field.lower() == lower:
                return index
        return -1

    def as_string(self) -> str:
        """Return the fields as HTTP/1.1 sends them, each line ended by CRLF.

        :raises InvalidRequestError: one may not be sent.

        Delphi: Grijjy.Http.TgoHttpHeaders.AsString
        """
        return "".join(f"{check_field_name(name)}: {check_field_value(value, name)}\r\n" for name, value in self._all())

    def as_ng_http2_array(
        self, headers: Sequence[nghttp2_nv] | ctypes.Array[nghttp2_nv] = ()
    ) -> ctypes.Array[nghttp2_nv]:
        """Return the fields as nghttp2 takes them, names in lower case. The array keeps its bytes alive.

        :param headers: an array to go before them.
        :return: a new array.
        :raises InvalidRequestError: one may not be sent.

        Delphi: Grijjy.Http.TgoHttpHeaders.AsNgHttp2Array
        """
        from nghttp2_api import NGHTTP2_NV_FLAG_NONE, nghttp2_nv

        pairs = self._all()
        before = len(headers)
        array = (nghttp2_nv * (before + len(pairs)))()
        for index in range(before):
            array[index] = headers[index]
        for index, (name, value) in enumerate(pairs, before):
            # A pseudo field's name is a token after its colon (RFC 9113 section 8.3).
            check_field_name(name.removeprefix(":"))
            name_bytes = name.lower().encode("ascii")
            value_bytes = encode_field_value(check_field_value(value, name))
            header = array[index]
            header.name = name_bytes
            header.value = value_bytes
            header.namelen = len(name_bytes)
            header.valuelen = len(value_bytes)
            header.flags = NGHTTP2_NV_FLAG_NONE
        return array

    @property
    def headers(self) -> list[TgoHttpHeader]:
        """The fields, as objects; a copy. Assign fields to replace all.

        Delphi: Grijjy.Http.TgoHttpHeaders.Headers
        """
        return [TgoHttpHeader(name, value) for name, value in self._all()]

    @headers.setter
    def headers(self, value: Iterable[TgoHttpHeader]) -> None:
        self._changed([(header.name, _text(header.value)) for header in value])

    # What Python users expect

    def add(self, name: str, value: str) -> None:
        """Add a field, and keep others of the same name."""
        self._changed([*self._all(), (name, _text(value))])

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return what ``headers[name]`` does, or *default* where there is no such field."""
        values = self.get_all(name)
        if not values:
            return default
        return values[0] if len(values) == 1 or name.lower() == "set-cookie" else ", ".join(values)

    def get_all(self, name: str) -> list[str]:
        """Return the value of each field of that name, in order."""
        lower = name.lower()
        return [value for field, value in self._all() if field.lower() == lower]

    def items(self) -> list[tuple[str, str]]:
        """Return name and value of every field, in order; a copy."""
        return list(self._all())

    def keys(self) -> list[str]:
        """Return each name once, in order, as it was first written."""
        return list({name.lower(): name for name, _ in reversed(self._all())}.values())[::-1]

    def values(self) -> list[str]:
        """Return the value of every field, in order."""
        return [value for _, value in self._all()]

    def update(self, headers: HeaderSource | TgoHttpHeaders) -> None:
        """Set fields; where *headers* repeats a name, all of these are kept.

        :param headers: a mapping, pairs, or another object of this class.
        """
        new: dict[str, list[tuple[str, str]]] = {}
        for name, value in pairs_of(headers):
            new.setdefault(name.lower(), []).append((name, value))
        for group in new.values():
            self._replace(group[0][0], group)

    def setdefault(self, name: str, value: str) -> str:
        """Set a field unless there is one of that name; return what ``headers[name]`` does then."""
        found = self.get(name)
        if found is None:
            self.add(name, value)
            found = _text(value)
        return found

    def remove(self, name: str) -> None:
        """Remove all fields of that name, if there are any."""
        lower = name.lower()
        pairs = self._all()
        rest = [pair for pair in pairs if pair[0].lower() != lower]
        if len(rest) != len(pairs):
            self._changed(rest)

    def clear(self) -> None:
        """Remove all fields."""
        self._changed([])

    def copy(self) -> TgoHttpHeaders:
        """Return headers that can be changed on their own."""
        return TgoHttpHeaders(self)

    __copy__ = copy

    def _replace(self, name: str, new: list[tuple[str, str]]) -> None:
        """Put fields where the first of their name is, or at the end, and remove the others of that name."""
        lower = name.lower()
        index = self.index_of(name)
        pairs = self._all()
        if index < 0:
            self._changed(pairs + new)
        else:
            rest = [pair for pair in pairs[index + 1 :] if pair[0].lower() != lower]
            self._changed(pairs[:index] + new + rest)

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        self._replace(name, [(name, _text(value))])

    def __delitem__(self, name: str) -> None:
        if self.index_of(name) < 0:
            raise KeyError(name)
        self.remove(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.index_of(name) >= 0

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self._all()})

    def __eq__(self, other: object) -> bool:
        """Equal if the same names have the same values in the same order; another mapping is compared likewise."""
        if not isinstance(other, TgoHttpHeaders):
            mapping: Any = other
            if not hasattr(mapping, "keys"):
                return NotImplemented
            try:
                other = TgoHttpHeaders(mapping)
            except (InvalidRequestError, AttributeError, TypeError, ValueError):
                return NotImplemented
        return _grouped(self) == _grouped(other)

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __repr__(self) -> str:
        shown = [(name, "<hidden>" if name.lower() in _SECRET else value) for name, value in self._all()]
        return f"TgoHttpHeaders({shown!r})"


def _text(value: str | bytes | int) -> str:
    """Return a value as text; a number is what a length usually is."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise InvalidRequestError(f"the value of a header field must be text, not {type(value).__name__}")


def pairs_of(headers: HeaderSource | TgoHttpHeaders) -> list[tuple[str, str]]:
    """Return the fields of anything that headers can be made from, in a new list."""
    source: Any = headers
    pairs = []
    # Iterable is all that is asked of the source, so what it gives is looked at.
    for item in source.items() if hasattr(source, "items") else source:
        if isinstance(item, (str, bytes)):
            raise InvalidRequestError("header fields must be pairs of name and value")
        name, value = item
        if name.__class__ is str and value.__class__ is str:
            pairs.append((name, value))
            continue
        if not isinstance(name, (str, bytes)):
            raise InvalidRequestError(f"the name of a header field must be text, not {type(name).__name__}")
        pairs.append((_text(name), _text(value)))
    return pairs


def _grouped(headers: TgoHttpHeaders) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, value in headers.items():
        groups.setdefault(name.lower(), []).append(value)
    return groups
