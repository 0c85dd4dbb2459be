"""What a run saved, as it stays in the notebook."""

from __future__ import annotations

from jupyter_ext.static_artifacts import HEADS, saved
from jupyter_ext.static_copy import bundle
from tests.story import PROBE, Story


def test_names_are_told_with_the_heads_of_tables_and_texts() -> None:
    story = Story()
    load = story.tool("load")
    story.save(load, "curve.png")
    story.save(load, "t.csv", mime="text/csv", preview="name,n\nsvm,1\nmlp,2\n", metrics={"loss": 0.5}, tags=["final"])
    story.save(load, "notes.md", mime="text/markdown", preview="# A title")
    names, table, text = saved(story.picture())
    assert "curve.png, t.csv, notes.md" in names
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
