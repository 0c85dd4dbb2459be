"""`tool.map(items)`: one node that opens into one node per item; its outputs are lists."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..engine import HERE
from ..graphs.references import refuse
from ..record import facts as f
from ..record.failures import ITEM
from ..scheduler.calls import Call, handle_of
from ..scheduler.slots import checked_cap
from ..values.outputs import Outputs
from ..values.preview import about_value
from ..values.shapes import RESULT
from .building import BUILDING

if TYPE_CHECKING:  # a tool has its map
    from .tooling import Tool

_NO_ITEMS = (str, bytes, dict)
_TOLD = 5  # other items that failed, by name; of more only the number
_ITEM_CHARS = 60


class Map:
    """A tool, called for each item of a list. `tool.map(items, other=1)`: items go to its first parameter.

    `max_concurrency=` says how many items are worked on at once. Items may be a reference to a list that is not known
    yet. All items are tried before the first failure is raised, unchanged but for a note that says which item it was of
    and which others failed; a resumed run tries again those that failed, and reuses the others.
    """

    kind = f.GRAPH
    pure = False
    staged = False
    is_async = True
    context_name = ""

    def __init__(self, tool: Tool, max_concurrency: int | None = None) -> None:
        self.max_concurrency = max_concurrency
        self.tool, self.name, self.outputs, self.inputs = tool, f"{tool.name}.map", tool.outputs, tool.inputs
        self.signature = _signature(tool)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """In a body: a node. Elsewhere it runs now; a map of an async tool gives an awaitable of its outputs."""
        if "max_concurrency" in kwargs and "max_concurrency" not in self.tool.signature.parameters:
            return Map(self.tool, checked_cap(kwargs.pop("max_concurrency")))(*args, **kwargs)
        items, kwargs = self._items(args, kwargs)
        builder = BUILDING.get()
        if builder is not None:
            return builder.call(self, (items,), kwargs)
        place: Any = HERE.get()
        if place is not None and place.in_body:
            return Call(place.run.dispatch.call(place, self, (items,), kwargs))
        listed = self._listed(items)
        if self.tool.is_async:
            return self._later(listed, kwargs)
        return Outputs(self._lists([self._plain(listed, no, kwargs) for no in range(len(listed))]))

    def _items(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The items, which may be given by the name of the parameter that they go to, and the other keywords."""
        first, *others = self.signature.parameters
        if not args and first in kwargs:
            return kwargs[first], {name: value for name, value in kwargs.items() if name != first}
        if len(args) == 1:
            return args[0], kwargs
        shared = f"; what all items share goes by name: {', '.join(f'{name}=...' for name in others)}" if others else ""
        what = (
            f"{self.name} takes one list, whose items go to {first}, got {len(args)} arguments without a name{shared}"
        )
        if BUILDING.get() is not None:
            refuse(what)
        raise TypeError(what)

    def _plain(self, items: list[Any], no: int, kwargs: dict[str, Any]) -> Any:
        try:
            return self.tool(items[no], **kwargs)
        except Exception as error:
            self._note(error, items, [no])
            raise

    async def _later(self, items: list[Any], kwargs: dict[str, Any]) -> Outputs:
        async def one(no: int) -> Any:
            try:
                return await self.tool(items[no], **kwargs)
            except Exception as error:
                self._note(error, items, [no])
                raise

        return Outputs(self._lists(await asyncio.gather(*map(one, range(len(items))))))

    async def fn(self, items: Any, **kwargs: Any) -> dict[str, Any]:
        """The body of the node."""
        listed = self._listed(items)
        calls = [handle_of(self.tool(item, **kwargs)) for item in listed]
        futures = [call.future for call in calls if call is not None]
        if futures:
            await asyncio.wait(futures)
        failed = {no: error for no, future in enumerate(futures) if (error := future.exception()) is not None}
        for error in failed.values():
            self._note(error, listed, list(failed))
            raise error  # the others stay unretrieved, so that a resume tries them again, too
        return self._lists([future.result() for future in futures])

    def _note(self, error: BaseException, items: list[Any], failed: list[int]) -> None:
        """Say in the notes of `error`, which the first of `failed` raised, which item that was, and name the others."""
        first = next(iter(self.signature.parameters))
        told = [f"[{no}] {first}={about_value(items[no], _ITEM_CHARS)}" for no in failed[: _TOLD + 1]]
        more = ""
        if others := len(failed) - 1:
            names = ", ".join(told[1:]) + (", ..." if others > _TOLD else "")
            more = f"; {others} other{'s' if others > 1 else ''} failed, too: {names}"
        note = f"{ITEM}{told[0]} of the {len(items)} items of {self.name}{more}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raises TypeError: what is given as items has none."""
        for items in args[:1]:
            self._listed(items)

    def _listed(self, items: Any) -> list[Any]:
        if isinstance(items, _NO_ITEMS) or not isinstance(items, Iterable):
            raise TypeError(f"{self.name}(...) takes a list of items, got {type(items).__name__}: {items!r:.80}")
        return list(items)

    def _lists(self, results: list[Any]) -> dict[str, Any]:
        names = self.outputs
        if names is None:
            names = tuple(dict.fromkeys(name for outputs in results for name in outputs)) or (RESULT,)
        return {name: [outputs.get(name) for outputs in results] for name in names}

    def validity(self) -> bytes:
        """That of the tool."""
        return self.tool.validity()

    def __repr__(self) -> str:
        return f"<map of {self.tool!r}>"


def _signature(tool: Tool) -> inspect.Signature:
    """The items, and by name what else the tool takes."""
    own = [p for name, p in tool.signature.parameters.items() if name != tool.context_name]
    items = inspect.Parameter(own[0].name if own else "items", inspect.Parameter.POSITIONAL_ONLY)
    others = [p for p in own[1:] if p.kind is not p.VAR_POSITIONAL]
    return inspect.Signature(
        [items, *(p if p.kind is p.VAR_KEYWORD else p.replace(kind=p.KEYWORD_ONLY) for p in others)]
    )
