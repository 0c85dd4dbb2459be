"""Random agents: each is exported, run in a new process, and compared with its reactive run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aethergraph import Run, Runtime
from aethergraph.exporting.module import module
from aethergraph.exporting.verifying import Proof, verify_all
from aethergraph.testing import ScriptedChannel
from tests.cells import notebook
from tests.export.programs import ANSWER, PRELUDE, programs

AT_ONCE = 15
ROUNDS = 20 if os.environ.get("AETHERGRAPH_LONG") == "1" else 2


@settings(
    max_examples=ROUNDS,
    phases=[Phase.explicit, Phase.generate],  # the failing program is small; to shrink it would take an hour
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(cells=st.lists(programs(), min_size=AT_ONCE, max_size=AT_ONCE))
def test_a_random_agent_and_its_module_do_the_same(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    folder = tmp_path_factory.mktemp("programs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("AETHERGRAPH_KEY_FILE", str(folder / "key"))
        runtime = Runtime(store=folder / "store", durability="process")
        try:
            orders = [_order(runtime, folder / f"agent_{number}.py", cell) for number, cell in enumerate(cells)]
            proofs = verify_all(orders)
        finally:
            runtime.close()
    for (path, _, _), proof, cell in zip(orders, proofs, cells, strict=True):
        shown = f"{cell}\n{path.read_text()}"
        assert isinstance(proof, Proof), f"{proof}\n{shown}"
        assert proof.equal, f"{proof}\n{shown}"


def _order(runtime: Runtime, path: Path, cell: str) -> tuple[Path, str, Run]:
    with notebook(PRELUDE, cell) as cells, runtime.use(), ScriptedChannel(lambda asked: ANSWER):
        agent = cells["agent"]
        path.write_text(module(agent), encoding="utf-8")
        run = runtime.start(agent, agent.bind((), {}))
        run.result(60)
    return path, "agent", run
