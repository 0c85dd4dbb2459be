"""The command line: `aether run module.py:agent`, `aether runs`, `aether answer ...`; `aether --help` tells the rest.

Exit codes, for scripts: see `codes`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say (those of the process where left out); the exit code."""
    from .app import call

    return call(list(sys.argv[1:] if arguments is None else arguments))
