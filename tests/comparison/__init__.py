"""What this client, requests, httpx and curl do with the same servers: probes that ``scripts/comparison`` runs.

:mod:`.jobs` says what a client is asked to do, :mod:`.worker` does it with a Python client in a process of its own,
:mod:`.curl` with the command, :mod:`.lab` brings servers and clients together, and the probes are in modules named
after their subjects; :mod:`.report` writes docs/comparison.md.
"""
