"""Which run is meant where none is named, and what is shown where that is not clear."""

from __future__ import annotations

from IPython.display import publish_display_data

from aethergraph.lifecycle import hub
from aethergraph.record.status import ENDED, RunStatus
from aethergraph.storage.roster import RunInfo

from .. import notebook
from ..table import Table, run_table
from .words import one_run

LISTED = 50
NONE = {"resume": "no unfinished run in this store", "retry": "no failed run in this store"}


def chosen(words: list[str], command: str) -> str | None:
    """The run that is meant. Where none is named and not exactly one fits: shows a table, gives None."""
    if words:
        return one_run(" ".join(words), command)
    infos, here = hub.current().runs(limit=LISTED), notebook.session()
    ours = [info for info in infos if info.session == here and fits(info, command)]
    if len(ours) == 1 or (ours and command in ("show", "plot")):
        return ours[0].run_id
    candidates = ours or [info for info in infos if fits(info, command)]
    show_table(run_table(candidates, now(), _which(len(ours), len(candidates), command)))
    return None


def fits(info: RunInfo, command: str) -> bool:
    """Whether `command` makes sense for this run."""
    match command:
        case "resume":
            return info.status not in ENDED and not info.live_elsewhere
        case "retry":
            return info.status is RunStatus.FAILED
        case "cancel":
            return info.status not in ENDED
        case "load":
            return info.status is RunStatus.DONE
    return True


def show_table(table: Table) -> None:
    """A table below the cell."""
    publish_display_data(table._repr_mimebundle_())  # type: ignore[no-untyped-call,unused-ignore]


def now() -> float:
    """Seconds since the epoch, by the store's clock."""
    return hub.current().clock.now()


def _which(ours: int, candidates: int, command: str) -> str:
    if not candidates:
        return NONE.get(command, "no runs in this store")
    where = f"{ours} runs of this notebook fit" if ours else "none of these runs was started in this notebook"
    return f"{where}; say which one: `%aether {command} RUN`"
