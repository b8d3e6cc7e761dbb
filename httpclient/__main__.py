"""``python -m httpclient URL``: see :mod:`httpclient.cli`."""

from __future__ import annotations

import gc
import sys

from .cli import main

if __name__ == "__main__":
    status = main()
    # Everything ends here: to look for garbage in it, as Python does at the end, would take a tenth of the time.
    gc.freeze()
    sys.exit(status)
