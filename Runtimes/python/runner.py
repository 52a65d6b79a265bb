"""Runs a Python function inside a worker: `python3 -I -S -E runner.py [stem | zygote]`. See the package beside it."""

import sys

# Isolated, the interpreter does not look beside the program.
sys.path.insert(0, __file__.rpartition("/")[0])
if sys.argv[1:] == ["zygote"]:
    from weir_runner.forking import main

    del sys.path[0]
    main()
else:
    from weir_runner.serving import main

    del sys.path[0]
    main(sys.argv[1:] == ["stem"])
