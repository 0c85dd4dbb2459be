"""Processes that tests start."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import AnyStr


@contextmanager
def bounded(process: subprocess.Popen[AnyStr]) -> Iterator[subprocess.Popen[AnyStr]]:
    """`process`, which does not outlive the block.

    Its own `with` waits for its end, for ever where a test has failed whose process waits for that test.
    """
    with process:
        try:
            yield process
        finally:
            process.kill()
