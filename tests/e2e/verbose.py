"""Runs `ringfence` with every logger at its most verbose: what the service then writes is what it would ever write."""

import logging
import sys
from typing import Any

from rag.cli import main

_basic_config = logging.basicConfig


def _everything(**given: Any) -> None:
    _basic_config(**{**given, "level": logging.NOTSET + 1})


logging.basicConfig = _everything

if __name__ == "__main__":
    sys.exit(main())
