"""The constants of the unit.

Delphi: Grijjy.SocketPool.Linux
"""

from __future__ import annotations

#: Size in bytes of the blocks that the original reads with; see :data:`READ_BLOCK_SIZE` for ours.
#: Delphi: Grijjy.SocketPool.Linux.DEFAULT_BLOCK_SIZE
DEFAULT_BLOCK_SIZE = 4096

#: Size in bytes of the blocks that workers and blocking callers read with: large and few, because a read costs
#: a system call and a trip through Python whatever its size. What is never read into takes no memory.
READ_BLOCK_SIZE = 1024 * 1024

#: The argument of ``epoll_create``, which the kernel ignores but wants positive.
#: Delphi: Grijjy.SocketPool.Linux.IGNORED
IGNORED = 1

#: How many events a worker takes from the kernel at once.
#: Delphi: Grijjy.SocketPool.Linux.MAX_EVENTS
MAX_EVENTS = 100

#: How many calls that other threads have asked for a worker makes before it looks at its sockets again.
MAX_CALLS = 250

#: How many connections it begins to open meanwhile. Of thousands that are asked for at once, the first are through
#: before the last take any memory: a TLS handshake needs several times what it leaves behind.
MAX_OPENINGS = 16

#: Seconds after which the original looks for released connections to free. Here each has a timer of its own,
#: and this is how long a connection that is being closed may take to send what it still has queued.
#: Delphi: Grijjy.SocketPool.Linux.INTERVAL_CLEANUP
INTERVAL_CLEANUP = 10.0

#: Seconds that a released connection stays open to be used again.
#: Delphi: Grijjy.SocketPool.Linux.INTERVAL_FREE
INTERVAL_FREE = 5.0

#: Seconds that looking up, connecting and the TLS handshake may take together, where nothing else is said.
CONNECT_TIMEOUT = 20.0

#: Bytes that may wait in one connection's send queue before :meth:`TgoSocketConnection.send` refuses more.
SEND_QUEUE_LIMIT = 16 * 1024 * 1024
