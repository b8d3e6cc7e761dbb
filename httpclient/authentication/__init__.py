"""What to answer to 401 and 407 (RFC 9110 section 11): Basic, Digest, Bearer, and passwords out of netrc."""
