"""Runs a Python function inside a worker: `python3 -I -S -E runner.py [stem]`. See the package beside it."""

import sys

# Isolated, the interpreter does not look beside the program.
sys.path.insert(0, __file__.rpartition("/")[0])
from weir_runner.serving import main  # noqa: E402

del sys.path[0]
main(sys.argv[1:] == ["stem"])
