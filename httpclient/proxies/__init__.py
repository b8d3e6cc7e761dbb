"""The way to an origin: which proxy for which URL, and how to get through it (CONNECT, SOCKS 5, Unix sockets)."""
