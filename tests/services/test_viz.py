"""Points of live plots."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.services.fake_desk import room


def test_a_point_is_noted(tmp_path: Path) -> None:
    context, desk = room(tmp_path).context()
    asyncio.run(context.viz().scalar("loss/svm", np.int64(3), np.float32(0.5)))
    assert desk.notes == [("point", {"track": "loss/svm", "step": 3.0, "value": 0.5})]


@pytest.mark.parametrize(("track", "step", "value"), [("", 1, 1), (3, 1, 1), ("t", "1", 1), ("t", 1, None)])
def test_what_is_no_point_is_refused(tmp_path: Path, track: Any, step: Any, value: Any) -> None:
    context, desk = room(tmp_path).context()
    with pytest.raises(TypeError):
        asyncio.run(context.viz().scalar(track, step, value))
    assert desk.notes == []
