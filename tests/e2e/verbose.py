"""`ringfence` with every logger at its most verbose and no warning left out: what the service then writes is what it
would ever write."""

import logging
import warnings
from typing import Any

from rag.cli import main

__all__ = ["main"]

_basic_config = logging.basicConfig


def _everything(**given: Any) -> None:
    _basic_config(**{**given, "level": logging.NOTSET + 1})


logging.basicConfig = _everything
warnings.simplefilter("default")
