"""The constants of the unit.

Delphi: Grijjy.Http. Differs from Delphi: durations are in seconds.
"""

from __future__ import annotations

#: Initial capacity of a :class:`~httpclient.buffer.TThreadSafeBuffer`, in bytes.
BUFFER_SIZE = 32768

#: Seconds that connecting may take, name lookup and TLS handshake included.
TIMEOUT_CONNECT = 20.0
#: Seconds of silence after which a peer is given up.
TIMEOUT_RECV = 5.0

S_CONTENT_LENGTH = "content-length"
S_CONTENT_TYPE = "content-type"
S_TRANSFER_ENCODING = "transfer-encoding"
S_CHUNKED = "chunked"
S_CHARSET = "charset"

#: The end of a line in HTTP/1.1.
CRLF = "\r\n"

DEFAULT_HTTP_PORT = 80
DEFAULT_HTTPS_PORT = 443

#: Seconds between two clean-ups in the original. Nothing here polls: what is idle is cleaned up by a timer.
INTERVAL_CLEANUP = 5.0

#: The statuses that redirect, where a Location says where to (RFC 9110 section 15.4).
REDIRECTS = frozenset((301, 302, 303, 307, 308))

#: The statuses that can lead to another request.
FOLLOWED = REDIRECTS | {401, 407, 417, 421}
