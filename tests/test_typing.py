"""What users type is typed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_the_public_surface_has_the_types_that_it_promises(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(HERE / "typing" / "api.py")]
    checked = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
