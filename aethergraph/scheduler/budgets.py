"""The budget of a run: how many seconds it may be at work, over all processes that take it up.

A run is at work from when a process takes it up until only people, signals, timers of `context.clock()` and other runs
are waited for, and again from when one of these has come. What is used is put on record at these moments, so a kill
loses count of nothing but what came after its last fact. A run that has used up its budget is paused by an alarm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import BudgetExceeded, known
from ..record import facts as f
from ..record.flow import Flow
from ..record.status import RunStatus
from .alarms import Alarm

if TYPE_CHECKING:
    from .execution import Execution

SECONDS = "seconds"
Given: TypeAlias = float | Mapping[str, float] | None  # what `budget=` takes
SLACK_S = 0.001  # what is left of a budget below this is nothing: times since the epoch have not many more digits

_COUNTED = (SECONDS,)
_TYPE = "what is counted is seconds at work: budget=60, or budget={'seconds': 60}"


def checked(budget: Any) -> dict[str, float] | None:
    """A budget as it is kept: by what is counted; empty for one without end, None where none is given.

    Raises:
        TypeError: it is neither a number nor a mapping of numbers.
        ValueError: it is not above 0, or caps what is not counted.
    """
    if budget is None:
        return None
    given = dict(budget) if isinstance(budget, Mapping) else {SECONDS: budget}
    if unknown := [name for name in given if name not in _COUNTED]:
        spends = "; nothing in this version spends tokens or cost" if {"tokens", "cost"} & set(unknown) else ""
        raise ValueError(f"budget={budget!r:.80}: {known(map(str, unknown))} is not counted{spends}; {_TYPE}")
    if not given:
        raise ValueError(f"budget={budget!r}: it caps nothing; {_TYPE}")
    seconds = given[SECONDS]
    if isinstance(seconds, bool) or not isinstance(seconds, Real):
        raise TypeError(f"budget={budget!r:.80}: seconds are a number, got {type(seconds).__name__}; {_TYPE}")
    whole = float(seconds)
    if not whole > 0:  # also where it is no number (nan)
        raise ValueError(f"budget={budget!r:.80}: a budget is above 0; {_TYPE}")
    return {} if math.isinf(whole) else {SECONDS: whole}


# ---------------------------------------------------------------------- on record


def take_up(
    run_id: str,
    flow: Flow,
    batches: Iterable[Iterable[f.AnyFact]],
    whole: dict[str, float] | None,
    *,
    refuse: bool = True,
) -> None:
    """Put into `flow`, whose facts are `batches`, the budget of a run that is to go on (None: as it was) and its use.

    Raises:
        BudgetExceeded: it is used up, and `refuse`.
    """
    if flow.budget or flow.spent:
        flow.spent = {SECONDS: spent(fact for batch in batches for fact in batch)}
    if whole is not None:
        flow.budget = whole
    if refuse and is_used_up(flow):
        raise BudgetExceeded(run_id, flow.spent, flow.budget)


def spent(history: Iterable[f.AnyFact]) -> float:
    """Seconds at work that are on record while there was a budget: of the last opening up to its last fact."""
    total, since, last = 0.0, math.inf, 0.0
    for fact in history:
        if isinstance(fact, f.RunOpened | f.RunStarted):
            total, last = fact.spent.get(SECONDS, 0.0), fact.t
            since = fact.t if fact.budget and isinstance(fact, f.RunOpened) else math.inf
        elif isinstance(fact, f.BudgetUsed):
            total, last = fact.spent.get(SECONDS, 0.0), fact.t
            since = fact.t if fact.works else math.inf
        elif isinstance(fact, f.Forked):
            total, since = 0.0, math.inf
        else:
            last = max(last, getattr(fact, "t", 0.0) + getattr(fact, "took", 0.0))
    return total + max(0.0, last - since)


def is_used_up(flow: Flow) -> bool:
    """Whether nothing is left of the budget of a run, as far as that is on record."""
    return bool(flow.budget) and flow.budget[SECONDS] - flow.spent.get(SECONDS, 0.0) < SLACK_S


def exceeded(run_id: str, flow: Flow) -> BudgetExceeded | None:
    """What a run was paused with, if that was its budget."""
    over = flow.status is RunStatus.PAUSED and is_used_up(flow)
    return BudgetExceeded(run_id, flow.spent, flow.budget) if over else None


def refuse_other(run_id: str, flow: Flow, whole: Mapping[str, float]) -> None:
    """A budget is given for a run that is at work here.

    Raises:
        ValueError: it is not the one that it has.
    """
    if dict(whole) != flow.budget:
        has = f"with a budget of {flow.budget[SECONDS]:g} seconds" if flow.budget else "without a budget"
        raise ValueError(
            f"run {run_id} goes on in this process, {has}; a budget is set when a run is taken up: "
            f"`load_run({run_id!r}).pause()` it first, then `resume({run_id!r}, budget=...)`"
        )


# ---------------------------------------------------------------------- live


class Budget:
    """The budget of a live run. On the loop's thread."""

    def __init__(self, run: Execution) -> None:
        self._run = run
        self._whole = run.flow.budget[SECONDS]
        self._used = run.flow.spent.get(SECONDS, 0.0)  # up to `_since`
        self._since: float | None = None  # it is at work since then
        self._alarm: Alarm | None = None
        self._away = [0, 0]  # attempts, and effects of bodies, that wait for another run
        self.exceeded: BudgetExceeded | None = None

    @property
    def used(self) -> float:
        """Seconds at work up to now."""
        return self._used if self._since is None else self._used + max(0.0, self._run.clock() - self._since)

    def left(self) -> tuple[dict[str, float], str]:
        """For the end of the run's time here: what it has used, and what its row says."""
        return {SECONDS: self.used}, self.exceeded.why if self.exceeded is not None else ""

    def begin(self) -> None:
        """Its body is about to run. One that was parked waits until something has come."""
        if not self._run.rejoined and self._run.flow.opened is not None:
            self._since = self._run.flow.opened.t
            self._arm()

    def close(self) -> None:
        """The run is over here."""
        if self._alarm is not None:
            self._run.alarms.cancel(self._alarm)
            self._alarm = None

    # ------------------------------------------------------------------ going to work, and coming to rest

    def after(self, quiet: Callable[[], None]) -> Callable[[], None]:
        """`quiet`, which is called when the run is quiet, and then a look whether it is at work."""

        def look() -> None:
            quiet()
            if self._run.closed:
                return
            if self._is_at_work():
                self.work()
            else:
                self._rest()

        return look

    def _is_at_work(self) -> bool:
        run = self._run
        attempts, effects = self._away
        busy = run.attempts.busy or run.timers.pending or run.dispatch.busy or run.mailbox.busy or run.asking.arrived
        return bool(busy) or len(run.effects.works) > effects or not (run.asking.open or attempts or effects)

    def work(self) -> None:
        """Something that it waited for has come."""
        run = self._run
        if self._since is not None or run.closed:
            return
        self._since = run.clock()
        run.fact(f.BudgetUsed({SECONDS: self._used}, self._since, True))
        self._arm()

    def _rest(self) -> None:
        if self._since is None:
            return
        if self._stop_if_used_up():
            return
        self._used, self._since = self.used, None
        self.close()
        self._run.fact(f.BudgetUsed({SECONDS: self._used}, self._run.clock(), False))
        self._run.journal.nudge()

    @contextmanager
    def waiting_for_run(self, *, in_body: bool) -> Iterator[None]:
        """While a body or an attempt waits for another run, which has a budget of its own."""
        given_up = False
        self._away[in_body] += 1
        self._run.mailbox.kick()  # it may be the last that happens for now
        try:
            yield
        except GeneratorExit:  # see `Execution.main`
            given_up = True
            raise
        finally:
            self._away[in_body] -= 1
            if not given_up:
                self.work()

    # ------------------------------------------------------------------ its end

    def _arm(self) -> None:
        if not self._stop_if_used_up():
            self._alarm = self._run.alarms.at(self._run.clock() + self._whole - self.used, self._due)

    def _due(self) -> None:
        self._alarm = None
        if not self._run.closed and self._since is not None:
            self._arm()  # the clock may have been put back

    def _stop_if_used_up(self) -> bool:
        if self._whole - self.used >= SLACK_S:
            return False
        self.close()
        self.exceeded = BudgetExceeded(self._run.run_id, {SECONDS: self.used}, self._run.flow.budget)
        self._run.suspend(self.exceeded.why)
        return True
