"""HTTP/1.1 (RFC 9112): requests and responses as bytes, and a connection that carries one at a time."""
