"""``python -m httpclient URL``: see :mod:`httpclient.cli`."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
