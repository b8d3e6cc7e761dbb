"""Connections by origin: which one a request gets, who waits for one, and when another is opened."""
