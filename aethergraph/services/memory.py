"""What a run, a session or a user's runs remember: events, conversations, results, summaries."""

from __future__ import annotations

from typing import Any, NoReturn

from ..errors import ServiceUnavailable
from .event import Event
from .summing import Summing

__all__ = ["Event", "Memory"]


class Memory(Summing):
    """`context.memory(level)`: events in the order in which they were remembered, found by kind, tag, name and words.

    There is one for each run, for each session (in a notebook: the notebook) and for all runs of the store ("user");
    each holds what was remembered at its level, and nothing else. The session's is meant where none is named, here or
    by `level=` of a method. What is written is written once, in the transaction of its record, whatever is killed or
    replayed; what is read is recorded. `gc` deletes what belongs to a run alone with that run.

    Raises:
        ValueError: there is no such level.
    """

    def __repr__(self) -> str:
        return f"<memory of the {self._level}>"

    # ------------------------------------------------------------------ retrieval over documents

    async def rag_bind(self, *args: Any, **kwargs: Any) -> Any:
        """Bind a corpus. Raises ServiceUnavailable."""
        _no_rag("rag_bind")

    async def rag_upsert(self, *args: Any, **kwargs: Any) -> Any:
        """Add documents to a corpus. Raises ServiceUnavailable."""
        _no_rag("rag_upsert")

    async def rag_promote_events(self, *args: Any, **kwargs: Any) -> Any:
        """Add events to a corpus. Raises ServiceUnavailable."""
        _no_rag("rag_promote_events")

    async def rag_remember_events(self, *args: Any, **kwargs: Any) -> Any:
        """Add events to the corpus of this memory. Raises ServiceUnavailable."""
        _no_rag("rag_remember_events")

    async def rag_remember_docs(self, *args: Any, **kwargs: Any) -> Any:
        """Add documents to the corpus of this memory. Raises ServiceUnavailable."""
        _no_rag("rag_remember_docs")

    async def rag_search(self, *args: Any, **kwargs: Any) -> Any:
        """Search a corpus. Raises ServiceUnavailable."""
        _no_rag("rag_search")

    async def rag_search_by_key(self, *args: Any, **kwargs: Any) -> Any:
        """Search the corpus that is bound to a key. Raises ServiceUnavailable."""
        _no_rag("rag_search_by_key")

    async def rag_answer(self, *args: Any, **kwargs: Any) -> Any:
        """Answer from a corpus. Raises ServiceUnavailable."""
        _no_rag("rag_answer")

    async def rag_answer_by_key(self, *args: Any, **kwargs: Any) -> Any:
        """Answer from the corpus that is bound to a key. Raises ServiceUnavailable."""
        _no_rag("rag_answer_by_key")


def _no_rag(method: str) -> NoReturn:
    raise ServiceUnavailable(
        "rag",
        f"memory().{method}() needs it, and this version has no retrieval over documents; `search(query)` finds what "
        "was remembered by its words, or register a service of your own under 'rag'",
    )
