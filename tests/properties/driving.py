"""State machines are driven for so many steps, which are counted: more of them with AETHERGRAPH_LONG=1."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, run_state_machine_as_test

LEAST_STEPS = 2_000  # of each machine
LONG = os.environ.get("AETHERGRAPH_LONG") == "1"


class Counted(RuleBasedStateMachine):
    """A machine that counts its steps over all examples."""

    steps = 0

    @invariant()
    def count(self) -> None:
        """One more step."""
        type(self).steps += 1


def drive(machine: type[Counted], *, examples: int, long: int, steps: int) -> None:
    """Run `examples` stories of up to `steps` steps, `long` of them in the long suite: at least `LEAST_STEPS` in all.

    Where the stories that chance drew were short, as many are told again, three times at most.

    Raises:
        AssertionError: the engine did not do what the model did; the story is told by hypothesis.
    """
    machine.steps = 0
    chosen: Any = settings(
        max_examples=long if LONG else examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    for _ in range(3):
        run_state_machine_as_test(machine, settings=chosen)
        if machine.steps >= LEAST_STEPS:
            break
    print(f"{machine.__name__}: {machine.steps} steps")
    assert machine.steps >= LEAST_STEPS, f"only {machine.steps} steps"
