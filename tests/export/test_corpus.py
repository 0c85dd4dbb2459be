"""Each agent of the corpus is exported, imported in a new process, run, and compared with its reactive run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aethergraph import Run, Runtime
from aethergraph.errors import ExportError
from aethergraph.exporting.module import module
from aethergraph.exporting.verifying import Proof, verify_all
from aethergraph.testing import ScriptedChannel
from tests.cells import Notebook, notebook
from tests.export.cases import Case, cases

CASES = cases()
THEMES = sorted({case.theme for case in CASES})


@dataclass
class Exported:
    case: Case
    text: str
    path: Path
    run: Run | None = None
    proof: Proof | ExportError | None = None


@contextmanager
def opened(case: Case) -> Iterator[Notebook]:
    with notebook(*case.cells) as cells:
        yield cells


def started(runtime: Runtime, case: Case, agent: Any) -> Run:
    with ScriptedChannel(case.answers or {}):
        run = runtime.start(agent, agent.bind((), case.inputs or {}))
        run.result(60)
    return run


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Exported]]:
    """All of the corpus that can be exported, run reactively here and statically in one new process."""
    folder = tmp_path_factory.mktemp("modules")
    found: dict[str, Exported] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("AETHERGRAPH_KEY_FILE", str(folder / "key"))
        runtime = Runtime(store=folder / "store", durability="process")
        try:
            for number, case in enumerate(case for case in CASES if case.kind != "refused"):
                with opened(case) as cells, runtime.use():
                    path = folder / f"agent_{number}.py"
                    try:
                        text = module(cells["agent"])
                    except ExportError as error:
                        found[case.id] = Exported(case, f"refused: {error}", path)
                        continue
                    path.write_text(text, encoding="utf-8")
                    one = found[case.id] = Exported(case, text, path)
                    try:
                        one.run = started(runtime, case, cells["agent"])
                    except Exception as error:
                        one.proof = ExportError(f"the agent itself: {error!r}")
            done = [each for each in found.values() if each.run is not None]
            orders = [(each.path, "agent", each.run) for each in done if each.run is not None]
            for each, proof in zip(done, verify_all(orders), strict=True):
                each.proof = proof
        finally:
            runtime.close()
    yield found


@pytest.mark.parametrize("case", [case for case in CASES if case.kind != "refused"], ids=lambda case: case.id)
def test_the_module_does_what_the_agent_did(case: Case, exported: dict[str, Exported]) -> None:
    one = exported[case.id]
    assert isinstance(one.proof, Proof), f"{one.proof}\n{one.text}"
    assert one.proof.equal, f"{one.proof}\n{one.text}"
    assert one.proof.rows
    kept = "# Stays as it is" in one.text
    assert kept == (case.kind == "whole"), one.text
    for part in case.says:
        assert part in one.text, one.text


@pytest.mark.parametrize("case", [case for case in CASES if case.kind == "refused"], ids=lambda case: case.id)
def test_what_would_do_something_else_is_refused(case: Case) -> None:
    with opened(case) as cells, pytest.raises(ExportError) as caught:
        module(cells["agent"])
    for part in case.says:
        assert part in str(caught.value)
