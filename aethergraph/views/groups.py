"""Which nodes are drawn as one box: fan-outs and chains of one callee in one scope."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..record.status import NodeStatus

FOLD = 5  # so many nodes alike become one box
_WIDER = {10**n for n in range(1, 7)}  # counts at which a box needs room for one more digit

_ORDER = (
    NodeStatus.FAILED,
    NodeStatus.WAITING,
    NodeStatus.RUNNING,
    NodeStatus.READY,
    NodeStatus.PENDING,
    NodeStatus.CANCELLED,
    NodeStatus.SKIPPED,
    NodeStatus.DONE,
    NodeStatus.REUSED,
)
_OVER = frozenset({NodeStatus.DONE, NodeStatus.REUSED, NodeStatus.SKIPPED, NodeStatus.CANCELLED})


@dataclass(slots=True, eq=False)
class Group:
    """Nodes of one callee, one scope and the same parents; or that follow each other. One box from `FOLD` on.

    parents: nodes of other groups that these depend on; of a folded group only its first node, so that this stays
        short however many members both have.
    """

    callee: str
    scope: int
    members: list[int] = field(default_factory=list)
    before: set[int] = field(default_factory=set)  # first nodes of the groups of the parents
    parents: dict[int, None] = field(default_factory=dict)
    counts: Counter[NodeStatus] = field(default_factory=Counter)
    wide: Group | None = None  # all nodes of this callee and scope

    @property
    def first(self) -> int:
        """The lowest number, which names the group."""
        return self.members[0]

    @property
    def folded(self) -> bool:
        """Whether it is drawn as one box."""
        return len(self.members) >= FOLD

    def move(self, old: NodeStatus | None, new: NodeStatus) -> None:
        """A member went from one status to another; `old` is None for a new one."""
        for group in (self, self.wide):
            if group is not None:
                group.counts[new] += 1
                if old is not None:
                    group.counts[old] -= 1


class Groups:
    """The groups of a run, kept up to date node by node."""

    def __init__(self) -> None:
        self.of: dict[int, Group] = {}
        self.within: dict[int, list[Group]] = {}  # scope -> groups in order of their first nodes
        self.wide: dict[int, dict[str, Group]] = {}  # scope -> callee -> all its nodes, for graphs too big to draw
        self._alike: dict[tuple[str, int, frozenset[int]], Group] = {}

    def add(self, no: int, callee: str, scope: int, parents: Iterable[int]) -> bool:
        """Take a new node in; return whether the picture's shape changed (and not only a count)."""
        known = [(p, self.of[p]) for p in parents if p in self.of]
        mine = next((group for _, group in known if group.callee == callee and group.scope == scope), None)
        before = {group.first for _, group in known if group is not mine}
        if mine is None:
            key = (callee, scope, frozenset(before))
            mine = self._alike.get(key)
            if mine is None:
                wide = self.wide.setdefault(scope, {}).setdefault(callee, Group(callee, scope))
                mine = self._alike[key] = Group(callee, scope, wide=wide)
                self.within.setdefault(scope, []).append(mine)
        same_edges = before <= mine.before
        mine.members.append(no)
        mine.before |= before
        mine.parents.update({(g.first if g.folded else p): None for p, g in known if g is not mine})
        self.of[no] = mine
        if mine.wide is not None:
            mine.wide.members.append(no)
            mine.wide.parents.update({g.wide.first: None for _, g in known if g.wide not in (None, mine.wide)})
        count = len(mine.members)
        return not same_edges or count <= FOLD or count in _WIDER


def overall(counts: Counter[NodeStatus]) -> NodeStatus:
    """One status for many nodes: trouble first, then what goes on, then what is over."""
    present = [status for status in _ORDER if counts.get(status, 0) > 0]
    if not present:
        return NodeStatus.PENDING
    if present[0] in (NodeStatus.READY, NodeStatus.PENDING) and any(status in _OVER for status in present):
        return NodeStatus.RUNNING
    return present[0]


def finished(counts: Counter[NodeStatus]) -> int:
    """How many came to a good end."""
    return counts[NodeStatus.DONE] + counts[NodeStatus.REUSED]
