"""`replay`: whether a run's body still does what it did. `settle`: until a run has come to rest."""

from __future__ import annotations

import concurrent.futures
import time
from typing import TYPE_CHECKING

from ..errors import WouldBlock
from ..lifecycle.rehearsing import rehearse
from ..lifecycle.running import Run
from ..values.outputs import Outputs

if TYPE_CHECKING:
    from ..authoring.reactive import Agent
    from ..scheduler.execution import Execution

LOOK_S = 0.005


def replay(run: Run, agent: Agent | None = None, *, timeout_s: float = 30.0) -> Outputs:
    """Run the body of a finished run again against its record, and say where it first differs. Nothing is done.

    What tools, models, people and services gave is taken from the record, in its order; plain Python between them runs
    for real, and so do calls of services of your own that the body itself makes. So it finds what makes a run
    impossible to resume (a set's order, the clock of the machine, a random number that is not `context.random()`), and
    what a change of the code would make run again.

    Args:
        run: one that is done or has failed; also of an earlier day (`load_run`).
        agent: the agent to replay it with; where left out, the one that a resume would go on with: as it is defined in
            this process, else as it was stored.
        timeout_s: how long the body may take, in seconds.

    Returns:
        What the run gave; empty where it failed, and fails again.

    Raises:
        ReplayDiffers: it does something else; an AssertionError that tells the first difference.
        RunPaused: the run has not ended.
    """
    return rehearse(run.runtime, run, agent, timeout_s)


def settle(run: Run, timeout_s: float = 10.0) -> Run:
    """Return once a run only waits (for an answer, a signal, or a time of its clock), or has ended; `run` itself.

    Raises:
        TimeoutError: it goes on after `timeout_s` seconds.
    """
    until = time.monotonic() + timeout_s
    while run.live and not _rests(run):
        if time.monotonic() > until:
            raise TimeoutError(f"{run!r} has not come to rest within {timeout_s:g} s")
        concurrent.futures.wait([run.future], LOOK_S)
    return run


def _rests(run: Run) -> bool:
    """Whether nothing of it moves, once its loop has come round and all that was due has come."""
    execution = run.execution
    if execution is None:
        return not _due(run)
    host = execution.host
    if host.is_current:
        raise WouldBlock("settle(run)", "`await` what the run gives")
    return host.submit(_stands(run, execution)).result() and not _due(run)


async def _stands(run: Run, execution: Execution) -> bool:
    if not run.live:
        return True
    if not (execution.at_rest or (execution.naps > 0 and execution.idle and not execution.mailbox.busy)):
        return False
    await execution.committed()  # a wait has its deadline, and is seen by others, once it is on disk
    return all(one.shown for one in execution.asking.open.values())


def _due(run: Run) -> bool:
    now = run.runtime.clock.now()
    return any(node.wait is not None and 0 < node.wait.deadline <= now for node in run.flow().open_waits)
