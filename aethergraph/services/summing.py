"""Summaries of memory: made now and then, kept as events, put before a conversation that goes on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .digest import METHOD, digest
from .event import Event
from .recalling import Kinds, Recalling, _kinds

SUMMARY, HYDRATED = "summary", "summary_loaded"
META = "meta"


class Summing(Recalling):
    """What makes and reads summaries. Until a model is there they are plain digests, and say so ("method")."""

    async def distill_long_term(
        self, tag: str = "session", *, kinds: Kinds = None, tags: Iterable[str] = (), max_events: int = 200,
        level: str | None = None,
    ) -> dict[str, Any] | None:  # fmt: skip
        """Sum up the events since the last summary of this `tag`, at most the last `max_events`, and remember that.

        Returns:
            `load_last_summary`, as it is then; None where nothing was new.
        """
        before = await self._summaries(tag, 1, level)
        found = await self.recent(kinds, max_events, tags=tags, level=level)
        told = [event for event in found if event.kind not in (SUMMARY, HYDRATED)]
        new = _after(told, before[0].data["last_event"] if before else "")
        if not new:
            return None
        of = ", ".join(_kinds(kinds)) or "events"
        return await self._keep(tag, digest(new, "events" if of == "events" else f"events ({of})"), new, level)

    async def distill_meta_summary(
        self, tag: str = "session", *, into: str = META, max_summaries: int = 20, level: str | None = None
    ) -> dict[str, Any] | None:
        """Sum up the last summaries of this `tag` under the tag `into`; None where there are none."""
        if into == tag:
            raise ValueError(f"into={into!r}: a summary of summaries needs another tag than theirs")
        found = await self._summaries(tag, max_summaries, level)
        if not found:
            return None
        covered = sum(event.data["events"] for event in found)
        text = "\n\n".join([f"Of {covered} events in {len(found)} summaries:", *(event.text for event in found)])
        return await self._keep(into, text, found, level)

    async def load_last_summary(self, tag: str = "session", *, level: str | None = None) -> dict[str, Any] | None:
        """The last summary of this `tag`: summary (the text), tag, t, events (how many it covers), first_t, last_t,
        last_event, method; None where there is none."""
        found = await self._summaries(tag, 1, level)
        return _plain(found[0]) if found else None

    async def load_recent_summaries(
        self, tag: str = "session", limit: int = 3, *, level: str | None = None
    ) -> list[dict[str, Any]]:
        """The last summaries of this `tag`, oldest first, each as `load_last_summary` gives it."""
        return [_plain(event) for event in await self._summaries(tag, limit, level)]

    async def soft_hydrate_last_summary(
        self, tag: str = "session", *, source: str = "user", level: str | None = None
    ) -> dict[str, Any] | None:
        """Take the last summary of `tag` from the level `source` into this one, once; None where there is none.

        A session that begins then knows what those before it came to.
        """
        last = await self.load_last_summary(tag, level=source)
        if last is None:
            return None
        there = await self._last(1, level, kinds=[HYDRATED], names=[tag])
        if not there or there[0].data != last:
            event = Event("", HYDRATED, 0.0, last, last["summary"], tag, tags=["summary", tag])
            await self._put(event, level)
        return last

    async def chat_history_for_llm(
        self, limit: int = 20, *, include_system_summary: bool = True, tag: str = "session", level: str | None = None
    ) -> dict[str, Any]:
        """The last lines of the conversation as messages for a model.

        Returns:
            "summary": the text of the last summary of `tag`, or ""; "messages": dicts with role and content, the
            oldest first, and before them the summary as a system message, where there is one and it is asked for.
        """
        summary = await self._known(tag, level) if include_system_summary else ""
        messages = [{"role": "system", "content": f"What was before:\n{summary}"}] if summary else []
        lines = await self.recent_chat(limit, level=level)
        return {
            "summary": summary,
            "messages": messages + [{"role": line["role"], "content": line["text"]} for line in lines],
        }

    async def build_prompt_segments(
        self, *, recent_chat_limit: int = 12, include_long_term: bool = True, tag: str = "session",
        max_summaries: int = 3, include_recent_tools: bool = False, tool: str | None = None, tool_limit: int = 10,
        level: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """The parts of a prompt.

        Returns:
            "long_term": the last summaries of `tag` as one text; "recent_chat": as `recent_chat`; "recent_tools": as
            `recent_tool_result_data`, empty where not asked for.
        """
        told = await self.load_recent_summaries(tag, max_summaries, level=level) if include_long_term else []
        texts = [one["summary"] for one in told]
        if include_long_term and not texts:
            texts = [one] if (one := await self._known(tag, level)) else []
        tools = await self.recent_tool_result_data(tool, tool_limit, level=level) if include_recent_tools else []
        chat = await self.recent_chat(recent_chat_limit, level=level)
        return {"long_term": "\n\n".join(texts), "recent_chat": chat, "recent_tools": tools}

    # ------------------------------------------------------------------ their events

    async def _keep(self, tag: str, text: str, of: Sequence[Event], level: str | None) -> dict[str, Any]:
        data = {
            "events": len(of), "first_t": of[0].t, "last_t": of[-1].t, "last_event": of[-1].event_id,
            "method": METHOD,
        }  # fmt: skip
        event = await self._put(Event("", SUMMARY, 0.0, data, text, tag, tags=["summary", tag]), level)
        return _plain(event)

    async def _summaries(self, tag: str, limit: int, level: str | None) -> list[Event]:
        if not isinstance(tag, str) or not tag:
            raise TypeError(f"summaries are kept under a tag, a text like 'session', got {tag!r:.80}")
        return await self._last(limit, level, kinds=[SUMMARY], names=[tag])

    async def _known(self, tag: str, level: str | None) -> str:
        """The text of the last summary, made here or taken over."""
        found = await self._last(1, level, kinds=[SUMMARY, HYDRATED], names=[tag])
        return found[0].text if found else ""


def _after(told: list[Event], event_id: str) -> list[Event]:
    for position, event in enumerate(told):
        if event.event_id == event_id:
            return told[position + 1 :]
    return told


def _plain(event: Event) -> dict[str, Any]:
    return {"summary": event.text, "tag": event.name, "t": event.t, **event.data}
