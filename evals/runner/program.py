"""The command line of the environment that this runs in, for runs in a process of their own."""

import sys

PROGRAM = (sys.executable, "-m", "rag.cli")
