"""Run the first notebook in a real kernel, kill that kernel while a question is open, resume, and tell what happened.

`make demo` calls this: `demo.py NOTEBOOK [FOLDER]`, with `.demo` as the folder where none is named. The answers are
scripted: the first kernel knows only some of them, so it is left with an open question; the second kernel knows all.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from aethergraph import load_run, waits
from aethergraph.lifecycle import hub
from aethergraph.record.facts import AnyFact, AttemptFailed, NodeDone, NodeRan, NodeStarted, RunOpened, WaitOpened
from aethergraph.record.schema import decode
from aethergraph.storage.codec import about

ROOT = Path(__file__).resolve().parent.parent
ANSWERS = {"keep": "mlp", "model name": "digits-v1"}
KNOWN_AT_FIRST = ("keep",)
RESUME = "%load_ext aethergraph\n%aether resume --wait"
PATIENCE_S = 300.0


class Failed(Exception):
    """The demo did not do what it is there to show."""


def new_folder(parent: Path) -> Path:
    """A folder of its own for each demo, so that two never share a store."""
    folder = parent / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True)
    return folder


def kernel_env(folder: Path, answers: dict[str, str]) -> dict[str, str]:
    """What both kernels share: the store and the notebook's name; and what differs: the answers they know."""
    return {
        **os.environ,
        "AETHERGRAPH_HOME": str(folder / "store"),
        "AETHERGRAPH_CHANNEL": "inbox",  # a question without a scripted answer stays open in the store
        "AETHERGRAPH_ANSWERS": json.dumps(answers),
        "JPY_SESSION_NAME": str(folder / "notebook.ipynb"),
    }


def client_for(notebook: nbformat.NotebookNode, folder: Path) -> NotebookClient:
    """A kernel of this environment, started in `folder`."""
    place = {"metadata": {"path": str(folder)}}
    quiet = ["--IPKernelApp.log_level=ERROR"]
    return NotebookClient(notebook, kernel_name="python3", timeout=None, resources=place, extra_arguments=quiet)


async def run_until_killed(notebook: nbformat.NotebookNode, folder: Path) -> tuple[str, str, int]:
    """Run all cells; kill the kernel when a question waits. The run, the question, and the kernel's process id."""
    client = client_for(notebook, folder)
    known = {name: ANSWERS[name] for name in KNOWN_AT_FIRST}
    cells = asyncio.create_task(client.async_execute(env=kernel_env(folder, known)))
    run_id, prompt = await open_question(cells)
    provisioner = client.km.provisioner
    pid = provisioner.pid
    await provisioner.kill()
    with suppress(DeadKernelError):
        await cells
    return run_id, prompt, pid


async def open_question(cells: asyncio.Task[Any]) -> tuple[str, str]:
    """Wait until a question that the kernel cannot answer is open in the store, which is read here while it writes it.

    One that it can answer is open there, too, for a moment.
    """
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if cells.done():
            cells.result()
            raise Failed("the notebook ended without leaving a question open")
        for wait in waits():
            if wait.schema.name not in KNOWN_AT_FIRST:
                return wait.run_id, wait.prompt
        await asyncio.sleep(0.2)
    cells.cancel()
    raise Failed(f"no question came up within {PATIENCE_S:g} s")


async def resume(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """In a new kernel, run a resume cell and the cells that were not reached; no other cell."""
    cells = notebook.cells
    left = [i for i, cell in enumerate(cells) if cell.cell_type == "code" and cell.execution_count is None]
    first = left[0] if left else len(cells)
    cells.insert(first, nbformat.v4.new_code_cell(RESUME, id="resumed"))
    client = client_for(notebook, folder)
    async with client.async_setup_kernel(env=kernel_env(folder, ANSWERS)):
        for index in [first, *(i + 1 for i in left)]:
            await client.async_execute_cell(cells[index], index)


# The account


def show(name: str, *lines: str) -> None:
    """One entry of the account; further lines are aligned under the first."""
    for n, line in enumerate(lines or ("none",)):
        print(f"  {name if n == 0 else '':<10} {line}")


def halves(facts: list[AnyFact]) -> tuple[set[int], set[int]]:
    """The nodes that were done before the last process took the run up, and those that ran after it."""
    opened = max(i for i, fact in enumerate(facts) if isinstance(fact, RunOpened))
    before = {fact.no for fact in facts[:opened] if isinstance(fact, NodeDone | NodeRan)}
    after = {fact.no for fact in facts[opened:] if isinstance(fact, NodeStarted | NodeDone | NodeRan)}
    return before, after


def answers(facts: list[AnyFact]) -> Iterator[str]:
    """Each question with its answer."""
    asked = {fact.no: decode(fact.question) for fact in facts if isinstance(fact, WaitOpened)}
    for fact in facts:
        if isinstance(fact, NodeDone) and fact.no in asked:
            yield f"{asked[fact.no].prompt} {about(fact.value)}"


def retries(facts: list[AnyFact]) -> Iterator[str]:
    """Each attempt that failed and was made again."""
    names = {fact.no: fact.node_id for fact in facts if isinstance(fact, NodeStarted)}
    for fact in facts:
        if isinstance(fact, AttemptFailed):
            yield f"{names[fact.no]}, after attempt {fact.attempt}: {fact.error.qualname}: {fact.error.message}"


def artifacts(run_id: str) -> Iterator[str]:
    """Each artifact and where its content lies."""
    blobs = hub.current().store.blobs
    for artifact in load_run(run_id).artifacts:
        yield f"{artifact.name} ({artifact.kind}, {artifact.size:,} bytes): {blobs.path(artifact.sha256)}"


def account(run_id: str, prompt: str, pid: int, notebook: Path) -> None:
    """Print what happened, from the store alone.

    Raises:
        Failed: the run is not done, or something that was done before the kill ran again.
    """
    run = load_run(run_id)
    facts: list[AnyFact] = []
    run.follow(facts.extend)()
    before, after = halves(facts)
    print(f"\n{run.name} {run_id}: {run.status}")
    show("kill", f"kernel {pid} was killed (SIGKILL) while it asked: {prompt}")
    show("nodes", f"{len(before | after)}: {len(after)} run in the second kernel, {len(before - after)} reused")
    show("retried", *retries(facts))
    show("answers", *answers(facts))
    show("outputs", *(f"{key}: {value}" for key, value in (run.outputs or {}).items()))
    show("artifacts", *artifacts(run_id))
    show("notebook", str(notebook))
    if run.status != "done":
        raise Failed(f"run {run_id} is {run.status}, not done: {run.error}")
    if before & after or not before:
        raise Failed("nodes that were done before the kill ran again")


def main(path: Path, parent: Path = ROOT / ".demo") -> int:
    """Play it all in a new folder in `parent`; 0 when the run ended as it should."""
    folder = new_folder(parent)
    os.environ["AETHERGRAPH_HOME"] = str(folder / "store")  # this process reads what the kernels write
    executed = folder / path.name
    notebook = nbformat.read(path, as_version=4)
    try:
        print(f"running {path.name} in a kernel that cannot answer its last question ...", flush=True)
        run_id, prompt, pid = asyncio.run(run_until_killed(notebook, folder))
        print(f"kernel {pid} is killed; resuming in a new kernel ...", flush=True)
        asyncio.run(resume(notebook, folder))
        nbformat.write(notebook, executed)
        account(run_id, prompt, pid, executed)
    except (Failed, CellExecutionError) as failed:
        nbformat.write(notebook, executed)
        print(f"demo: {failed}\nThe notebook as far as it came: {executed}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*(Path(word).resolve() for word in sys.argv[1:])))
