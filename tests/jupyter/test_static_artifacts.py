"""What a run saved, as it stays in the notebook."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aethergraph.storage.blobs import DiskBlobs
from jupyter_ext import static_copy
from jupyter_ext.static_artifacts import HEADS, ROOM, saved
from jupyter_ext.static_copy import bundle
from tests.story import PROBE, Story


def test_names_are_told_with_the_heads_of_tables_and_texts() -> None:
    story = Story()
    load = story.tool("load")
    story.save(load, "curve.png")
    about = {"metrics": {"loss": 0.5}, "tags": ["final"], "rows": 9}
    story.save(load, "t.csv", mime="text/csv", preview="name,n\nsvm,1\nmlp,2\n", **about)
    story.save(load, "notes.md", mime="text/markdown", preview="# A title")
    names, table, text = saved(story.picture())
    assert "curve.png, t.csv, notes.md" in names
    assert table.endswith(">7 more rows</div></details>") and table.count("text-align:right") == 3
    assert table.count("<tr>") == 3 and ">svm</td>" in table and ">n</th>" in table
    assert "figure \u00b7 loss 0.5 \u00b7 final" in table
    assert "# A title</pre>" in text and table in bundle(story.picture())["text/html"]


def test_nothing_that_was_saved_is_markup() -> None:
    story = Story()
    load = story.tool("load")
    for mime in ("text/csv", "text/html"):
        story.save(load, PROBE, mime=mime, preview=f"{PROBE},{PROBE}\n{PROBE},x\n", tags=[PROBE], metrics={PROBE: 1})
    html = "".join(saved(story.picture()))
    assert "<img" not in html and "<script" not in html and "&lt;img" in html


def test_of_many_the_last_heads_are_told() -> None:
    story = Story()
    load = story.tool("load")
    for number in range(200):
        story.save(load, f"{number}.txt", mime="text/plain", preview=f"text {number}")
    names, *heads = saved(story.picture())
    assert "and 150 more" in names and len(heads) == HEADS and "text 199" in heads[-1]
    assert saved(Story().picture()) == []


def picture(side: int, kind: str = "PNG", seed: int = 1) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (side, 2 * side, 3), np.uint8)
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def keep(story: Story, blobs: DiskBlobs, name: str, data: bytes, mime: str = "image/png") -> str:
    digest = blobs.put(data)
    story.save(0, name, digest=digest, mime=mime, size=len(data))
    return digest


def images(html: str) -> list[tuple[str, bytes]]:
    found = re.findall(r'src="data:([\w/+]+);base64,([^"]+)"', html)
    return [(mime, base64.b64decode(data)) for mime, data in found]


def test_pictures_are_shown_the_large_ones_made_small(tmp_path: Path) -> None:
    blobs, story = DiskBlobs(tmp_path), Story()
    story.save(0, "t.csv", mime="text/csv", preview="name,n\nsvm,1\n")
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    kept = {"little.png": picture(30), "big.tiff": picture(600, "TIFF"), "drawn.svg": svg}
    for name, data in kept.items():
        keep(story, blobs, name, data, {"svg": "image/svg+xml"}.get(name[-3:], f"image/{name[-3:]}"))
    names, _, little, big, drawn = saved(story.picture(), blobs)
    assert "t.csv, little.png, big.tiff, drawn.svg" in names
    assert images(little) == [("image/png", kept["little.png"])] and 'alt="little.png"' in little
    assert images(drawn) == [("image/svg+xml", svg)]
    ((mime, data),) = images(big)
    assert mime == "image/jpeg" and Image.open(io.BytesIO(data)).size == (320, 160) and len(data) < 32_000
    html = bundle(story.picture(), blobs=blobs)["text/html"]
    assert big in html and html == bundle(story.picture(), blobs=blobs)["text/html"]
    assert "<img" not in bundle(story.picture(), blobs=blobs, small=True)["text/html"]
    assert "<img" not in bundle(story.picture())["text/html"]


def test_pictures_have_a_room_of_their_own_the_last_ones_first(tmp_path: Path) -> None:
    blobs, story = DiskBlobs(tmp_path), Story()
    for seed in range(8):
        keep(story, blobs, f"noise-{seed}.png", picture(400, seed=seed))
    names, *shown = saved(story.picture(), blobs)
    assert "noise-0.png" in names and 1 < len(shown) < HEADS
    assert 'alt="noise-7.png"' in shown[-1] and sum(map(len, shown)) <= ROOM


def test_a_picture_that_was_sent_too_is_shown_once(tmp_path: Path) -> None:
    blobs, story = DiskBlobs(tmp_path), Story()
    data = picture(30)
    digest = keep(story, blobs, "curve.png", data)
    story.send("image", title="", alt="", filename="c.png", mime="image/png", sha256=digest, size=len(data))
    assert images(bundle(story.picture(), blobs=blobs)["text/html"]) == [("image/png", data)]


def test_a_picture_that_cannot_be_shown_says_why(tmp_path: Path) -> None:
    blobs, story = DiskBlobs(tmp_path), Story()
    story.save(0, "gone.png")
    keep(story, blobs, "broken.png", picture(300)[:20_000])
    keep(story, blobs, "text.png", b"text")
    keep(story, blobs, "large.svg", b"<svg>" + b" " * 20_000, "image/svg+xml")
    _, gone, broken, text, large = saved(story.picture(), blobs)
    assert "the file is gone" in gone and "too large for a saved copy" in large
    assert "no image that can be read" in broken and "no image that can be read" in text
    assert not images(gone + broken + text + large)


def test_pictures_give_way_to_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs, story = DiskBlobs(tmp_path), Story()
    story.tool("load")
    keep(story, blobs, "noise.png", picture(60))
    assert len(images(bundle(story.picture(), blobs=blobs)["text/html"])) == 2
    monkeypatch.setattr(static_copy, "LIMIT", 6_000)
    ((mime, _),) = images(bundle(story.picture(), blobs=blobs)["text/html"])
    assert mime == "image/svg+xml"
