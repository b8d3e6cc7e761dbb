"""Cookies (RFC 6265): a jar, what it may take and give, and files that keep it."""
