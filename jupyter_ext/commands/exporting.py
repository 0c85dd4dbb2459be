"""`%aether export`: an agent as a module, and the proof that it does what the agent did."""

from __future__ import annotations

import dataclasses
from typing import Any

from IPython.core.error import UsageError

from aethergraph import exporting
from aethergraph.authoring.reactive import Agent
from aethergraph.errors import known
from aethergraph.lifecycle import hub
from aethergraph.lifecycle.running import Run
from aethergraph.record.status import RunStatus

from . import words

USAGE = "write `%aether export NAME [-o module.py] [--verify [RUN]]`, with the name of an agent"


@dataclasses.dataclass(slots=True)
class _Order:
    name: str = ""
    path: str = ""
    run: str = ""
    verify: bool = False


def export(shell: Any, rest: str) -> None:
    """Write an agent as a module: `NAME [-o module.py] [--verify [RUN]]`."""
    order = _order(words.split(rest))
    agent = shell.user_ns.get(order.name)
    if not isinstance(agent, Agent):
        agents = [name for name, value in shell.user_ns.items() if isinstance(value, Agent) and name[0] != "_"]
        raise UsageError(f"there is no agent {order.name!r} here; there are: {known(agents)}")
    run = hub.current().load(order.run) if order.run else _last(agent) if order.verify else agent.last_run
    path = exporting.export(agent, order.path or f"{order.name}.py", run=run)
    print(f"{order.name} is written to {path}")
    if order.verify and run is not None:
        proof = exporting.verify(path, order.name, run)
        print(proof)
        proof.check()


def _order(given: list[str]) -> _Order:
    order, rest = _Order(), list(given)
    while rest:
        word = rest.pop(0)
        if word == "--verify":
            order.verify = True
            order.run = rest.pop(0) if rest and not rest[0].startswith("-") and order.name else ""
        elif word == "-o" and rest:
            order.path = rest.pop(0)
        elif word.startswith("-") or order.name:
            raise UsageError(f"{USAGE}; got {word!r}")
        else:
            order.name = word
    if not order.name:
        raise UsageError(USAGE)
    return order


def _last(agent: Agent) -> Run:
    """The last run of an agent that is done."""
    infos = hub.current().runs(RunStatus.DONE, agent.name, 1)
    if not infos:
        raise UsageError(f"there is no run of {agent.name} that is done: run it once, then export it with --verify")
    return hub.current().load(infos[0].run_id)
