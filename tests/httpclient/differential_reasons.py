"""Why other clients make something else of a response: each difference, and the rule that decides it here."""

# ruff: noqa: E501

from __future__ import annotations

from typing import NamedTuple


class Explanation(NamedTuple):
    """One reason, and what it explains.

    :ivar reason: what the rule is, and who does what instead.
    :ivar cases: the cases that it explains, by client; names without their group.
    """

    reason: str
    group: str
    cases: dict[str, tuple[str, ...]]


EXPLANATIONS: tuple[Explanation, ...] = (
    Explanation(
        "RFC 9112 section 2.2 is about servers, and some servers send an empty line too many after a body. Up to eight bytes of them are forgiven before a response; they don't stand for one.",
        "status line",
        {
            "http.client, urllib3, httpx": (
                "an empty line in front",
                "two empty lines in front",
            ),
        },
    ),
    Explanation(
        "Bytes that aren't HTTP are refused as such, and at once. h11 waits for a line's end and reports the connection's.",
        "bad status line",
        {
            "httpx": ("HTTP/0.9",),
        },
    ),
    Explanation(
        "RFC 9112 section 2.3: a response in another major version than was asked for can't be read as HTTP/1.1. h11 takes any version of one digit, a dot and another digit.",
        "bad status line",
        {
            "httpx": ("HTTP/2.0",),
        },
    ),
    Explanation(
        "RFC 9112 section 2.3: the version of an HTTP/1.x message is 1.x.",
        "bad status line",
        {
            "http.client, urllib3, httpx": ("HTTP/0.9 as a version",),
        },
    ),
    Explanation(
        "RFC 9112 section 4: the status line is taken apart at any white space by http.client, which strips it and looks at little else. Here it has to follow the grammar.",
        "bad status line",
        {
            "http.client, urllib3": (
                "HTTP/1.10",
                "two spaces before the status",
                "a tab before the status",
                "a tab after the status",
                "a space in front",
                "NUL in the reason",
                "a control in the reason",
                "CR in the reason",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 4: the reason phrase has no control characters.",
        "bad status line",
        {
            "httpx": ("a control in the reason",),
        },
    ),
    Explanation(
        "A head is limited to 64 KiB here, and to 100 KiB in httpcore.",
        "bad status line",
        {
            "httpx": ("a line of 100,000 bytes",),
        },
    ),
    Explanation(
        "RFC 9112 section 5.1: white space around a value isn't part of it. http.client leaves it at the end.",
        "fields",
        {
            "http.client, urllib3": ("white space around the value",),
        },
    ),
    Explanation(
        "RFC 9112 section 5.1: white space around a value isn't part of it. http.client leaves it at the end.",
        "length",
        {
            "http.client, urllib3": ("white space",),
        },
    ),
    Explanation(
        "RFC 9110 section 5.3: all are there in either; urllib3 puts fields of the same name together.",
        "fields",
        {
            "urllib3": ("duplicates",),
        },
    ),
    Explanation(
        "RFC 9110 section 5.5: bytes above 127 are opaque. They are Latin-1 here, whatever they are, which keeps every byte; httpx guesses.",
        "fields",
        {
            "httpx": ("UTF-8",),
        },
    ),
    Explanation(
        "256 fields are allowed here, and 100 in http.client. RFC 9110 section 5.4 sets no limit.",
        "many fields",
        {
            "http.client, urllib3": (
                "150 fields",
                "255 fields",
            ),
        },
    ),
    Explanation(
        "A head is limited to 64 KiB and 256 fields here, so that a hostile server can't fill the memory (RFC 9110 section 5.4).",
        "many fields",
        {
            "httpx": (
                "300 fields",
                "a value of 70,000 bytes",
            ),
            "http.client, urllib3": ("a head of 200,000 bytes",),
        },
    ),
    Explanation(
        "RFC 9112 section 5.2: the line ends of a folded value become spaces before it is used. http.client keeps them, and urllib3 the spaces.",
        "folding",
        {
            "http.client": (
                "a space",
                "a tab",
                "several",
                "an empty first line",
                "an empty last line",
                "of the length",
            ),
            "urllib3": (
                "an empty first line",
                "an empty last line",
                "of the length",
            ),
        },
    ),
    Explanation(
        'RFC 9112 section 5.2: a folded value is one value with a space in it. http.client doesn\'t find "chunked" in it.',
        "folding",
        {
            "http.client, urllib3": ("of the coding",),
        },
    ),
    Explanation(
        "RFC 9112 sections 2.2 and 5.2: white space before the first field is refused, and a folded value is one value. http.client drops the lines or doesn't find the value.",
        "bad folding",
        {
            "http.client, urllib3": (
                "before the first field",
                "a tab before the first field",
                "in the digits of the length",
                "in chunked",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 5.2: the line ends of a folded value become spaces before it is used.",
        "bare LF",
        {
            "http.client, urllib3": ("throughout, and folded",),
        },
    ),
    Explanation(
        "RFC 9112 section 2.2: a bare LF may end a line. A head that mixes both ends is refused, because another reader on the way may see other fields in it.",
        "bare LF",
        {
            "http.client": (
                "after the status line",
                "after one field",
                "after the last field",
                "as the empty line",
                "hides a length",
            ),
            "urllib3, httpx": (
                "after the status line",
                "after one field",
                "after the last field",
                "as the empty line",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 5 and RFC 9110 section 5.5: invalid names, white space before a colon, lines without one, CR, NUL and other controls are refused. http.client keeps what it can and drops the rest; urllib3 logs that.",
        "bad fields",
        {
            "http.client, urllib3": (
                "a space before the colon",
                "a tab before the colon",
                "a space before the colon of the length",
                "a space before the colon of the coding",
                "a space in the name",
                "no colon",
                "no colon, with a space",
                "no name",
                "nothing but a colon",
                "NUL in the value",
                "NUL in the name",
                "NUL after the length",
                "a control in the value",
                "DEL in the value",
                "a form feed in the value",
                "a vertical tab before the length",
                "CR in the value",
                "CR CR LF",
                "CR at the end of the name",
                "a bracket in the name",
                "Latin-1 in the name",
                "a slash in the name",
                "a quote in the name",
                "another status line",
            ),
        },
    ),
    Explanation(
        "RFC 9110 section 5.5: controls are invalid in a value. h11 refuses NUL, CR and LF only.",
        "bad fields",
        {
            "httpx": (
                "a control in the value",
                "DEL in the value",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 2.2: a bare CR is invalid. http.client ends the line there, and follows a length that others don't see.",
        "bad fields",
        {
            "http.client": ("CR before a length",),
        },
    ),
    Explanation(
        "RFC 9110 section 8.6: several equal values are one length. They stay there as they came; h11 keeps one of them.",
        "length",
        {
            "httpx": ("twice the same",),
        },
    ),
    Explanation(
        "RFC 9110 section 8.6: a list of equal values is one length. The field stays as it came; h11 rewrites it, and http.client ignores it and reads until the connection ends.",
        "length",
        {
            "httpx": ("a list of the same",),
        },
    ),
    Explanation(
        "RFC 9112 section 6.3, rule 5: an invalid or contradictory length is an error that can't be recovered from. http.client ignores one that isn't a number and reads until the connection ends, and takes the first of several.",
        "bad length",
        {
            "http.client": (
                "negative",
                "a plus",
                "hexadecimal",
                "a float",
                "an exponent",
                "an underscore",
                "letters",
                "empty",
                "a space inside",
                "superscript",
                "a comma at the end",
                "a semicolon",
                "5,000 digits",
                "two",
                "two, the smaller first",
                "a list of two",
                "one of two isn't any",
            ),
            "urllib3": (
                "negative",
                "a plus",
                "hexadecimal",
                "a float",
                "an exponent",
                "an underscore",
                "letters",
                "empty",
                "a space inside",
                "superscript",
                "a comma at the end",
                "a semicolon",
                "5,000 digits",
                "one of two isn't any",
            ),
        },
    ),
    Explanation(
        "A length beyond 18 digits is an error of the package here; http.client ends with an OverflowError.",
        "bad length",
        {
            "http.client, urllib3": (
                "2 to the 64th",
                "2 to the 64th, and 5",
                "2 to the 63rd",
            ),
        },
    ),
    Explanation(
        "A length beyond 18 digits is refused at once; h11 waits for the bytes.",
        "bad length",
        {
            "httpx": (
                "2 to the 64th",
                "2 to the 64th, and 5",
                "2 to the 63rd",
            ),
        },
    ),
    Explanation(
        "What is missing is the rest of the line: that the connection ended is the cause, and is what is reported.",
        "cut off",
        {
            "http.client, urllib3": ("in the status line",),
        },
    ),
    Explanation(
        "RFC 9112 section 8: a head that is cut off is incomplete. http.client takes the end of the stream for its empty line.",
        "cut off",
        {
            "http.client, urllib3": (
                "after the status line",
                "in a field",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 8: a chunked body without its last chunk and the empty line after it is incomplete. http.client doesn't ask for the empty line.",
        "cut off",
        {
            "http.client, urllib3": (
                "in the last chunk",
                "in the size of the last chunk",
                "in a trailer",
            ),
        },
    ),
    Explanation(
        'RFC 2616 knew a coding "identity" that does nothing. It is taken as such, the body ends with the connection; h11 refuses it.',
        "until the end",
        {
            "httpx": (
                "identity",
                "identity and a length",
            ),
        },
    ),
    Explanation(
        "The field stays as it came; h11 rewrites it.",
        "Transfer-Encoding",
        {
            "httpx": (
                "CHUNKED",
                "Chunked, and blanks",
            ),
        },
    ),
    Explanation(
        'RFC 9110 section 5.6.1: coding names have no case, and empty members of a list are ignored. http.client looks for "chunked" alone, and h11 refuses an empty member.',
        "Transfer-Encoding",
        {
            "http.client, urllib3": (
                "Chunked, and blanks",
                "an empty member",
            ),
            "httpx": ("an empty member",),
        },
    ),
    Explanation(
        "RFC 9112 section 6.3, rule 4: a coding that wasn't asked for, or chunked that isn't last, leaves nothing to find the end by. http.client takes the body as it is, with its framing in it.",
        "odd Transfer-Encoding",
        {
            "http.client, urllib3": (
                "gzip, chunked",
                "chunked, gzip",
                "gzip",
                "chunked twice",
                "two lines",
                "identity, chunked",
                "two lines, identity first",
                "xchunked",
                "a parameter",
                "in quotes",
                "empty",
                "a vertical tab",
            ),
        },
    ),
    Explanation(
        "RFC 9112 sections 6.1 and 6.3: Transfer-Encoding overrides the length, and such a connection ought to be closed after it.",
        "both framings",
        {
            "http.client, urllib3": (
                "the length last",
                "the length first",
                "a bad length",
                "two lengths",
                "and keep-alive",
            ),
            "httpx": (
                "the length last",
                "the length first",
                "and keep-alive",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 6.3, rule 3: Transfer-Encoding overrides the length, whatever that is. h11 refuses the length first.",
        "both framings",
        {
            "httpx": (
                "a bad length",
                "two lengths",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 7.1.1: white space before an extension is bad white space, which has to be taken; h11 refuses it.",
        "chunks",
        {
            "httpx": ("blanks before an extension",),
        },
    ),
    Explanation(
        "RFC 9110 section 6.5.1: framing fields in a trailer section have no effect. They are kept there and never merged; h11 refuses them.",
        "chunks",
        {
            "httpx": ("trailers that frame",),
        },
    ),
    Explanation(
        "RFC 9112 section 7.1: an invalid size is refused as such. http.client reports it as data that is missing.",
        "bad chunks",
        {
            "http.client, urllib3": (
                "no size",
                "letters",
                "a blank inside",
                "a comma",
                "Arabic digits",
                "CR after the size",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 7.1: a size is hexadecimal digits. http.client calls int(), and ends with a ValueError.",
        "bad chunks",
        {
            "http.client, urllib3": ("a negative size",),
        },
    ),
    Explanation(
        "RFC 9112 section 7.1: a size is hexadecimal digits. http.client calls int(), which takes a sign, 0x, underscores and white space.",
        "bad chunks",
        {
            "http.client, urllib3": (
                "a plus",
                "0x",
                "an underscore",
                "a blank in front",
                "a tab in front",
                "a vertical tab",
            ),
        },
    ),
    Explanation(
        "A size beyond 60 bits is refused at once. h11 waits for the bytes, and http.client ends with an OverflowError.",
        "bad chunks",
        {
            "http.client, urllib3, httpx": (
                "17 digits",
                "16 digits",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 7.1: a recipient has to look out for large numbers; sizes have 16 digits at most here, zeros in front included.",
        "bad chunks",
        {
            "http.client, urllib3, httpx": ("20 digits that are 5",),
        },
    ),
    Explanation(
        "RFC 9112 section 7.1: the lines of a chunked body end in CRLF. Section 2.2 lets a bare LF pass in heads only.",
        "bad chunks",
        {
            "http.client, urllib3": (
                "LF after the size",
                "LF after the data",
                "LF throughout",
                "LF in an extension",
                "LF in the trailers",
            ),
            "httpx": (
                "LF throughout",
                "LF in the trailers",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 7.1: controls and lines that are no fields are refused, and extensions and trailers are limited. http.client skips them.",
        "bad chunks",
        {
            "http.client, urllib3": (
                "CR in an extension",
                "NUL in an extension",
                "30,000 bytes of extensions",
                "no colon in a trailer",
                "NUL in a trailer",
                "300 trailers",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 7.1.1: extensions and trailers are limited, because they cost and give nothing; controls in them are invalid.",
        "bad chunks",
        {
            "httpx": (
                "CR in an extension",
                "NUL in an extension",
                "an extension of 100,000 bytes",
                "30,000 bytes of extensions",
                "300 trailers",
                "100,000 bytes of trailers",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 7.1: data has to end where its size says. http.client doesn't look at the two bytes after it, and fails later, if at all.",
        "bad chunks",
        {
            "http.client, urllib3": (
                "nothing after the data",
                "more data than the size",
                "less data than the size",
            ),
        },
    ),
    Explanation(
        "RFC 9110 section 8.6: a 204 has no length. None is waited for, and the connection isn't trusted with another response.",
        "no body",
        {
            "http.client, urllib3, httpx": ("204, length 5",),
        },
    ),
    Explanation(
        "RFC 9112 section 6.3, rule 1: no body follows, whatever the fields say. http.client waits for a chunk.",
        "no body",
        {
            "http.client, urllib3": (
                "204, chunked",
                "304, chunked",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 6.3: a connection with bytes that nobody asked for isn't used again. http.client keeps it; bytes that it has read ahead are lost with its buffer, and what arrives later is taken for the next answer.",
        "HEAD with a body",
        {
            "http.client, urllib3": (
                "length 5",
                "chunked",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 6.3: a connection with bytes that nobody asked for isn't used again. http.client keeps it; bytes that it has read ahead are lost with its buffer, and what arrives later is taken for the next answer.",
        "surplus",
        {
            "http.client, urllib3": (
                "another response",
                "another response after chunks",
                "another response after 204",
                "another response after 304",
                "a line end",
                "a byte",
                "a body after 204",
                "a body after 304",
                "a second last chunk",
                "garbage",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 6.3: a connection with bytes that nobody asked for isn't used again. httpx keeps it where the bytes came with the end of a response that h11 had left in its buffer, and the next request fails.",
        "HEAD with a body",
        {
            "httpx": (
                "length 5",
                "chunked",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 6.3: a connection with bytes that nobody asked for isn't used again. httpx keeps it where the bytes came with the end of a response that h11 had left in its buffer, and the next request fails.",
        "surplus",
        {
            "httpx": (
                "another response",
                "another response after chunks",
                "another response after 204",
                "another response after 304",
                "a line end",
                "a byte",
                "a body after 204",
                "a body after 304",
                "a second last chunk",
                "garbage",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 6.3, rule 1: no body follows, so the length doesn't matter; h11 refuses it.",
        "HEAD with a body",
        {
            "httpx": ("a bad length",),
        },
    ),
    Explanation(
        "RFC 9110 section 15.2: any number of interim responses is read over. http.client skips 100 alone, and takes others for the final one.",
        "interim",
        {
            "http.client, urllib3": (
                "102",
                "103",
                "103 twice",
                "199",
                "102, 100 and 103",
                "15 of them",
            ),
        },
    ),
    Explanation(
        "RFC 9110 section 15.2.2: 101 is final for HTTP/1.1. It is returned, and the connection is closed; httpcore refuses it where no upgrade was asked for.",
        "odd interim",
        {
            "httpx": (
                "101 that nobody asked for",
                "101 and bytes",
            ),
        },
    ),
    Explanation(
        "Sixteen interim responses are allowed, so that a server can't keep a client reading for ever (RFC 9110 section 15.2 sets no limit).",
        "odd interim",
        {
            "http.client, urllib3, httpx": (
                "1,000 of them",
                "1,000 of 103",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 9.3: what nobody has asked for makes a connection unfit. The others skip an interim response that is in front of the next one, or never see it.",
        "surplus",
        {
            "http.client, urllib3, httpx": ("an interim response",),
        },
    ),
    Explanation(
        "RFC 9110 section 5.3: several lines are one list. http.client looks at the first.",
        "Connection",
        {
            "http.client, urllib3": ("close in the second line",),
        },
    ),
    Explanation(
        'RFC 9112 section 9.3: the option is "close", and another word isn\'t. http.client looks for the letters.',
        "Connection",
        {
            "http.client, urllib3": ("closed",),
        },
    ),
    Explanation(
        "RFC 9112 section 9.3: a connection of HTTP/1.0 persists if it says keep-alive; h11 doesn't use that.",
        "Connection",
        {
            "httpx": (
                "HTTP/1.0, keep-alive",
                "HTTP/1.0, Keep-Alive in a list",
                "HTTP/1.0, 204, keep-alive",
            ),
        },
    ),
    Explanation(
        "RFC 9112 section 9.3: a connection of HTTP/1.0 persists if Connection says keep-alive. http.client takes the field Keep-Alive for that.",
        "Connection",
        {
            "http.client, urllib3": ("HTTP/1.0, Keep-Alive only",),
        },
    ),
    Explanation(
        "RFC 9110 section 8.4: http.client leaves content codings to its caller.",
        "codings",
        {
            "http.client": (
                "gzip",
                "x-gzip",
                "GZIP",
                "deflate",
                "deflate without its wrapper",
                "br",
                "gzip of nothing",
                "two members",
                "gzip and zeros",
                "gzip and garbage",
                "deflate and garbage",
                "gzip, gzip",
                "deflate, gzip",
                "br, gzip",
                "two lines",
                "gzip, identity",
                "gzip in chunks",
            ),
        },
    ),
    Explanation(
        "RFC 9110 section 8.4: http.client leaves content codings to its caller.",
        "broken codings",
        {
            "http.client": (
                "not gzip",
                "not deflate",
                "not br",
                "gzip without its end",
                "gzip without its last byte",
                "gzip cut in the middle",
                "nothing but a gzip header",
                "deflate without its last byte",
                "br without its last byte",
                "a wrong checksum",
                "a wrong size",
                "a wrong zlib checksum",
                "a second member that is broken",
                "br and garbage",
                "six of them",
            ),
        },
    ),
    Explanation(
        "RFC 9110 section 8.4.1.3: x-gzip is gzip; httpx doesn't know the name.",
        "codings",
        {
            "httpx": ("x-gzip",),
        },
    ),
    Explanation(
        "RFC 1952 section 2.2: a gzip file has any number of members; httpx stops after the first.",
        "codings",
        {
            "httpx": ("two members",),
        },
    ),
    Explanation(
        "RFC 9110 section 12.5.3: identity stands for no coding; urllib3 doesn't know it in a list.",
        "codings",
        {
            "urllib3": ("gzip, identity",),
        },
    ),
    Explanation(
        "RFC 9110 section 8.4: what was applied before an unknown coding was undone can't be had. The body stays as it came, and the field says what it is; the others undo the ones that they know.",
        "codings",
        {
            "urllib3, httpx": ("an unknown one and gzip",),
        },
    ),
    Explanation(
        "RFC 9110 section 14.2: a part is cut out of the coded form, and can't be decoded by itself. It stays as it came; the others make something of its beginning.",
        "codings",
        {
            "urllib3, httpx": ("gzip of a part",),
        },
    ),
    Explanation(
        "RFC 9110 section 8.4: a body that is cut off in the middle of its coding is incomplete, and nobody is told by the others.",
        "broken codings",
        {
            "urllib3, httpx": (
                "gzip without its end",
                "gzip without its last byte",
                "gzip cut in the middle",
                "nothing but a gzip header",
                "deflate without its last byte",
                "br without its last byte",
                "a second member that is broken",
            ),
        },
    ),
    Explanation(
        "Five codings at most are undone, because each multiplies what a few bytes can become; httpx has no limit.",
        "broken codings",
        {
            "httpx": ("six of them",),
        },
    ),
    Explanation(
        "Python codecs that aren't charsets aren't used for one; httpx ends with an exception of Python's, or takes what the codec makes of it.",
        "charsets",
        {
            "httpx": (
                "a codec that is no charset",
                "rot13",
                "unicode_escape",
            ),
        },
    ),
    Explanation(
        "The WHATWG Encoding standard and RFC 8259 let a byte order mark decide, and it isn't part of the text.",
        "charsets",
        {
            "httpx": (
                "a mark for UTF-8",
                "a mark that contradicts",
                "a mark for UTF-16",
            ),
        },
    ),
)
