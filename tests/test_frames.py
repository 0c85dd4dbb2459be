"""Pictures per step, as notes hold them and views ask for them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from aethergraph.views import frames
from aethergraph.views.frames import Frames


def note(step: float, **more: Any) -> dict[str, Any]:
    return {"track": "a", "step": step, "kind": "matrix", "data": b"x", "blob": "", "about": {}} | more


def test_pictures_are_found_by_step_and_by_id() -> None:
    track = Frames("a")
    assert [track.add(1, note(step)) for step in (5, 1, 3, 3)] == [0, 1, 2, 3]
    assert [frame.id for frame in track.ordered()] == [1, 2, 3, 0]
    assert [track.at(step).id for step in (None, 0, 2.9, 100)] == [0, 1, 3, 0]  # of two at one step the later
    assert track.find(2) is track.frames[2] and track.find(9) is None


def test_dropping_a_node_keeps_those_of_others() -> None:
    track = Frames("a")
    for no in (1, 2, 1):
        track.add(no, note(no))
    taken = track.take(1)
    assert [frame.id for frame in taken] == [0, 2] and not track.take(1)
    assert [(frame.id, frame.no) for frame in track.frames] == [(1, 2)]
    track.add(1, note(7))
    assert [frame.id for frame in track.frames] == [1, 3]  # an id is never used twice
    track.put_back(taken)
    assert [frame.id for frame in track.frames] == [0, 1, 2, 3]


def test_a_long_track_is_halved_and_says_that_all_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "KEPT", 10)
    track = Frames("a")
    assert [track.add(1, note(step)) for step in range(11)][-1] == 0
    assert [frame.id for frame in track.frames] == [0, 2, 4, 6, 8, 10]


def test_content_lies_in_the_note_or_in_the_store() -> None:
    track = Frames("a")
    track.add(1, note(0))
    track.add(1, note(0, data=b"", blob="ab" * 32))
    assert [frame.content(lambda digest: digest.encode()) for frame in track.frames] == [b"x", b"ab" * 32]


@pytest.mark.parametrize("array", [np.arange(3), np.eye(2, dtype=np.float16), np.array([math.nan, math.inf])])
def test_arrays_come_back(array: Any) -> None:
    np.testing.assert_array_equal(frames.read_array(frames.write_array(array)), array)


def test_no_pickle_is_read() -> None:
    import pickle

    with pytest.raises(ValueError, match="no stored array"):
        frames.read_array(pickle.dumps([1]))


def test_a_coarse_matrix_has_means_and_passes_over_gaps() -> None:
    matrix = np.arange(24.0).reshape(4, 6)
    matrix[0, 0] = math.nan
    matrix[2:, 4:] = math.inf
    coarse = frames.coarse(matrix, 3)
    assert coarse.dtype == np.float32 and coarse.shape == (2, 3)
    np.testing.assert_allclose(coarse[0], [np.mean([1, 6, 7]), np.mean([2, 3, 8, 9]), np.mean([4, 5, 10, 11])])
    assert math.isnan(coarse[1, 2])
    assert frames.coarse(matrix, 6).shape == (4, 6)


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (b"\x89PNG\r\n\x1a\n...", "image/png"),
        (b"RIFF....WEBPVP8 ", "image/webp"),
        (b"RIFF....WAVE", ""),
        (b"<svg xmlns=", ""),
        (b"", ""),
    ],
)
def test_images_are_known_by_their_first_bytes(data: bytes, mime: str) -> None:
    assert frames.image_type(data) == mime
