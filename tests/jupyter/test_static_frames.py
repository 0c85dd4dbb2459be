"""Pictures per step in a saved notebook: small, deterministic, and as harmless as everything in it."""

from __future__ import annotations

import base64
import io
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from aethergraph.storage.blobs import DiskBlobs
from aethergraph.views import frames
from jupyter_ext import static_frames
from jupyter_ext.static_copy import LIMIT, bundle
from jupyter_ext.static_frames import pictures, png
from tests.story import PROBE, Story


def drawn(story: Story, blobs: DiskBlobs | None = None) -> list[str]:
    return list(pictures(story.picture().frames, blobs))


def image(html: str) -> tuple[str, bytes]:
    found = re.search(r'src="data:([\w/+]+);base64,([^"]+)"', html)
    assert found is not None
    return found[1], base64.b64decode(found[2])


def noise(side: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (side, side, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_the_latest_heat_map_is_a_small_image() -> None:
    story = Story()
    for step in range(3):
        matrix = np.arange(12.0).reshape(3, 4) * step
        matrix[0, 0] = math.nan
        story.frame(0, "attention", step, frames.MATRIX, frames.write_array(matrix))
    (html,) = drawn(story)
    assert "step 2, the last of 3" in html and "from 2 (dark) to 22 (light), 3 x 4" in html
    mime, data = image(html)
    picture = imread(io.BytesIO(data))
    assert mime == "image/png" and picture.shape[:2] == (270, 360)
    corner = (picture[0, 0] * 255).round().astype(int).tolist()
    dark, light = (picture[0, 100] * 255).round().astype(int), (picture[-1, -1] * 255).round().astype(int)
    assert corner[3] == 0  # the gap is clear
    assert dark[:3].tolist() == [0, 32, 81] and light[:3].tolist() == [253, 234, 69]


def test_the_png_of_indices_is_read_back() -> None:
    picture = imread(io.BytesIO(png(np.array([[0, 1], [255, 128]], np.uint8))))
    assert picture.shape == (2, 2, 4)


def test_a_matrix_without_numbers_and_one_of_one_value() -> None:
    story = Story()
    story.frame(0, "a", 0, frames.MATRIX, frames.write_array(np.full((2, 2), math.nan)))
    story.frame(0, "b", 0, frames.MATRIX, frames.write_array(np.full((2, 2), 7)))
    assert ["from 0 (dark)" in drawn(story)[0], "from 7 (dark) to 7" in drawn(story)[1]] == [True, True]


def test_a_vector_is_a_chart_and_a_table_is_text() -> None:
    story = Story()
    story.frame(0, "spectrum", 4, frames.VECTOR, frames.write_array(np.sin(np.arange(5_000))))
    story.frame(0, "gaps", 4, frames.VECTOR, frames.write_array(np.full(3, math.nan)))
    rows: list[list[Any]] = [[PROBE, 1 / 3, None]] * 40
    story.frame(0, "scores", 0, frames.TABLE, frames.write_table(["model", "score", "note"], rows, 9_000))
    spectrum, gaps, scores = drawn(story)
    assert image(spectrum)[0] == "image/svg+xml" and len(spectrum) < 12_000
    assert "no values" in gaps
    assert scores.count("<tr>") == 11 and "0.3333" in scores and "the first 10 of 9,000 rows" in scores
    assert "<script" not in scores and "<img src=x" not in scores


def test_a_small_image_is_taken_as_it_is_and_a_large_one_made_small() -> None:
    story = Story()
    story.frame(0, "small", 1, frames.IMAGE, noise(20), mime="image/png")
    story.frame(0, "large", 1, frames.IMAGE, noise(700), mime="image/png")
    small, large = drawn(story)
    assert image(small)[1] == noise(20)
    assert max(imread(io.BytesIO(image(large)[1]), format="jpeg").shape[:2]) == 360
    assert len(large) < static_frames.ROOM


def test_what_is_large_lies_in_the_store(tmp_path: Path) -> None:
    blobs = DiskBlobs(tmp_path)
    story = Story()
    story.frame(0, "attention", 0, frames.MATRIX, b"", blob=blobs.put(frames.write_array(np.eye(5))))
    assert "heat map of attention" in drawn(story, blobs)[0] and "it lies in the store" in drawn(story)[0]
    assert "heat map of attention" in bundle(story.picture(), blobs=blobs)["text/html"]


def test_what_cannot_be_read_is_said_and_what_does_not_fit_is_counted(tmp_path: Path) -> None:
    story = Story()
    story.frame(0, "gone", 0, frames.MATRIX, b"", blob="ab" * 32)
    story.frame(0, "odd", 0, frames.MATRIX, b"x")
    story.frame(0, "later", 0, "volume", b"x")
    for k in range(12):
        story.frame(0, f"noise {k}", 0, frames.IMAGE, noise(80), mime="image/png")
    html = drawn(story, DiskBlobs(tmp_path))
    assert "the file is gone" in html[0] and "no stored array" in html[1]
    assert "more pictures are left out: run.plot() draws all" in html[-1]
    assert sum(map(len, html)) < static_frames.ROOM + 200


@pytest.mark.parametrize("lines", [1, 40])
def test_the_copy_has_them_and_stays_in_its_limit(lines: int) -> None:
    story = Story()
    fit = story.node("fit")
    for k in range(12):
        for line in range(lines):
            for step in range(200):
                story.point(fit, f"chart-{k}/{line}", step, math.sin(step * k + line))
    story.frame(fit, "attention", 1, frames.MATRIX, frames.write_array(np.eye(5)))
    html = bundle(story.picture())["text/html"]
    assert len(html) <= LIMIT and 'alt="plot of chart-0"' in html
    assert ("heat map of attention" in html) == (lines == 1)
    assert html == bundle(story.picture())["text/html"]
    assert "heat map" not in bundle(story.picture(), small=True)["text/html"]
