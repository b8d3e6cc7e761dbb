"""HTTP/2 (RFC 9113): a session of libnghttp2, its streams, and a connection that many requests share."""
