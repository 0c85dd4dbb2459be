"""A file of several MiB on its way from a browser into a run."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from playwright.sync_api import expect

from .agents import LOAD
from .lab import Lab
from .view import RunView

MIB = 1 << 20
AGENT = """
import hashlib
from pathlib import Path
from aethergraph import graph_fn

@graph_fn
async def weigh(*, context):
    got = await context.channel().ask_files(
        "Which measurements shall I read?", accept=[".bin", ".csv"], max_size=20_000_000, max_files=3, name="data"
    )
    digests = [hashlib.sha256(Path(file.path).read_bytes()).hexdigest() for file in got["files"]]
    return {"seen": " ".join([got["text"], *(file.name for file in got["files"]), *digests])}
"""


def test_a_large_file_is_uploaded_by_the_picker_and_read_in_the_body(lab: Lab, tmp_path: Path) -> None:
    large, small = tmp_path / "run 7.bin", tmp_path / "rates.csv"
    large.write_bytes(os.urandom(9 * MIB + 321))
    small.write_text("rate\n1\n")
    with lab.open([LOAD, AGENT, "out = await weigh()\nout.seen"], kernel="new") as notebook:
        notebook.do(0, 1)
        notebook.run(2)
        view = RunView(notebook, 2)
        form = view.question("Which measurements shall I read?")
        notebook.screenshot("uploads-asked", view.root)
        wrong = tmp_path / "notes.txt"
        wrong.write_text("x")
        form.locator("input[type=file]").set_input_files([str(large), str(wrong), str(small)])
        expect(form.locator(".uploads .done")).to_have_count(2, timeout=60_000)
        expect(form.locator(".uploads .refused")).to_contain_text("text/plain")
        notebook.screenshot("uploads-sent", view.root)
        form.get_by_role("button", name="Remove notes.txt").click()
        form.get_by_label("A line to go with it").fill("the seventh run")
        form.get_by_role("button", name="Send").click()
        seen = notebook.finish(2)
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (large, small)]
        assert f"the seventh run run 7.bin rates.csv {digests[0]} {digests[1]}" in seen.replace("\n", "")
        expect(view.transcript()).to_contain_text("the seventh run: run 7.bin (9.4 MB), rates.csv (7 B)")
        notebook.screenshot("uploads-answered", view.root)
        saved = notebook.save()
        assert "run 7.bin (9.4 MB), rates.csv (7 B)" in str(saved["cells"][2]["outputs"])
