"""The command line: `aether run module.py:agent`, `aether runs`, `aether answer ...`; `aether --help` tells the rest.

Exit codes, for scripts: see `codes`.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main", "script"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say (those of the process where left out); the exit code."""
    from .app import call

    return call(list(sys.argv[1:] if arguments is None else arguments))


def script() -> NoReturn:
    """What `aether` does in a shell: `main`, and the end of the process.

    A thread may still read the terminal for a question that was left open. It cannot be stopped, and some C libraries
    (glibc 2.43 is one) wait at the end of a process until nobody reads its standard input: then that end is cut short.
    """
    code = main()
    if any(thread.name == "aether-console" for thread in threading.enumerate()):
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
    sys.exit(code)
