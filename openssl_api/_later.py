"""The public names that most programs don't use: their modules are imported when they are first asked for."""

from __future__ import annotations

#: The module of each.
LATER = {
    "DEFAULT_BLOCK_SIZE": "openssl",
    "TgoOpenSSL": "openssl",
    "TgoOpenSSLData": "openssl",
    "TgoOpenSSLNotify": "openssl",
    "TgoSSLHelper": "openssl",
}
