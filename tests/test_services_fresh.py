"""`docs/services.md` is as new as the docstrings that it is made from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MAKER = Path(__file__).resolve().parent.parent / "docs" / "make_services.py"


def test_the_page_is_what_the_docstrings_say() -> None:
    done = subprocess.run([sys.executable, MAKER, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr  # it names the command to type
