"""The second notebook, cell by cell in a kernel, with scripted answers: each service does in it what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.notebooks import code_cells

from .kernels import kernel

NAME = "02_services"
# For each run that asks.
ANSWERS = {"plan": {"neurons": 8, "rounds": 40}, "notes": "tasting notes.txt"}


@pytest.mark.timeout(240)
def test_it_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETHERGRAPH_ANSWERS", json.dumps(ANSWERS))
    with kernel(tmp_path) as lab:
        ran = {name: lab.run(cell) for name, cell in code_cells(NAME).items()}
        assert "'session': 1" in ran["first"].text and "'session': 2" in ran["second"].text
        told = lab.run("print(*tasting.last_run.transcript(), sep='\\n')").text
        assert re.search(r"^Last time: (8|16) neurons, (0\.9\d\d|1\.000) right", told)  # what the first run remembered
        assert "Your notes: tasting notes.txt" in told and "neurons: 8, rounds: 40" in told
        assert "image/png" in ran["plot"].shown[-1]
        kept = "".join(map(str, ran["kept"].shown))
        assert "image/png" in kept and "means by grower.csv" in kept and "malic_acid" in kept
        assert ran["best"].text.count("neurons take the first bottle for") == 1
        table = ran["runs"].text
        assert table.count("tasting") >= 4 and table.count("baseline") >= 4 and "session" in table
        tracks = lab.run("print(*sorted(tasting.last_run.picture().tracks), sep=', ')").text.strip().split(", ")
        assert {"accuracy/8 neurons", "accuracy/16 neurons", "loss/8 neurons"} <= set(tracks)
        parents = lab.run("from aethergraph import runs\nprint([info.parent for info in runs(name='baseline')])").text
        assert parents.count("tasting-") == 2  # the runs in the background are its children
        assert lab.run("print(cellar := len(runs(status='done')))").text.strip() == "5"
