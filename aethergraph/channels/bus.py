"""Which channel a message goes to, and who is asked a question."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..engine import Asker, LeftOpen
from ..errors import BadAnswer, NoOneToAsk, ServiceUnavailable, known
from ..record import schema
from ..record.schema import Question
from ..storage import uploads
from ..storage.store import Store
from . import scripted
from .adapter import Adapter, Factory, Recorded
from .console import Console
from .files import TextFile
from .scripted import Asked, Script, ScriptedChannel

DEFAULT, INTERACTIVE = "AETHERGRAPH_CHANNEL", "AETHERGRAPH_INTERACTIVE"


_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def said_interactive(environ: Mapping[str, str] = os.environ) -> bool | None:
    """What AETHERGRAPH_INTERACTIVE says: whether somebody is there to answer; None where it says nothing.

    Raises:
        ValueError: it is none of the words for yes and no.
    """
    said = environ.get(INTERACTIVE, "").strip()
    if not said:
        return None
    if said.lower() not in _WORDS:
        raise ValueError(
            f"{INTERACTIVE}={said!r} says neither yes nor no: 1 (or true, yes, on) where somebody is there to answer, "
            f"0 (or false, no, off) where nobody is; without it that is found out"
        )
    return _WORDS[said.lower()]


def at_terminal() -> bool:
    """Whether a person sits at the standard input and output."""
    streams = (sys.stdin, sys.stdout)
    return all(stream is not None and not stream.closed and stream.isatty() for stream in streams)


class Route(msgspec.Struct, frozen=True):
    """Where a key leads. `adapter` is None where nobody is there: messages are recorded and nobody can be asked.

    key: as it is recorded and told; without what is secret in it.
    """

    key: str
    adapter: Adapter | None

    @property
    def stores(self) -> bool:
        """Whether a message is only its record."""
        return self.adapter is None or bool(getattr(self.adapter, "stores", False))


class Bus:
    """The channels of a runtime.

    notebook: set by the notebook side; whether a front end that can show a question is there now. None: no kernel.
    scripts: further sources of scripted answers, asked anew each time (papermill's parameter `answers`).
    """

    def __init__(
        self, environ: Mapping[str, str] = os.environ, terminal: Callable[[], bool] = at_terminal, **adapters: Adapter
    ) -> None:
        self.notebook: Callable[[], bool] | None = None
        self.scripts: list[Callable[[], Mapping[str, Any] | None]] = []
        self._environ, self._terminal = environ, terminal
        self._default = ""
        self._aliases: dict[str, str] = {}
        recorded = Recorded()
        self._adapters: dict[str, Adapter] = {
            "notebook": recorded,
            "inbox": recorded,
            "console": Console(),
            **adapters,
        }
        self._factories: dict[str, Factory] = {
            "file": TextFile,
            "webhook": self._webhook,
        }
        self._made: dict[str, Adapter] = {}  # by factories, by full key

    def _webhook(self, url: str) -> Adapter:
        from .webhook import SECRET, Webhook  # what speaks HTTP is slow to load

        return Webhook(url, secret=self._environ.get(SECRET, ""))

    # ------------------------------------------------------------------ keys

    @property
    def default(self) -> str:
        """The key that is used where none is named, or "" where that is found out each time."""
        return self._default or self._environ.get(DEFAULT, "")

    def set_default_channel(self, key: str) -> None:
        """Use `key` where none is named; "" finds out each time."""
        self._default = key

    def set_alias(self, alias: str, key: str) -> None:
        """Let `alias` stand for `key`, which may be an alias itself.

        Raises:
            ValueError: it would stand for itself.
        """
        if not alias or alias == self._meant(key, alias):
            raise ValueError(f"the alias {alias!r} for {key!r} would stand for itself, or has no name")
        self._aliases[alias] = key

    def _meant(self, key: str, until: str = "") -> str:
        """What `key` stands for; with `until`, no further than that."""
        while key in self._aliases and key != until:
            key = self._aliases[key]
        return key

    def register(self, name: str, adapter: Adapter) -> None:
        """Let `name`, and keys of the form `name:...`, lead to `adapter`."""
        self.register_factory(name, lambda _: adapter)

    def register_factory(self, name: str, factory: Factory) -> None:
        """Let `name`, and keys of the form `name:...`, lead to what `factory` makes: one adapter for each key."""
        if not isinstance(name, str) or not name or ":" in name:
            raise ValueError(f"a channel's name has no colon and is not empty, got {name!r}")
        self._adapters.pop(name, None)
        for key in [key for key in self._made if key.partition(":")[0] == name]:
            del self._made[key]
        self._factories[name] = factory

    def route(self, key: str = "") -> Route:
        """Where `key` leads; "" is the default.

        Raises:
            ServiceUnavailable: no such channel.
        """
        script = scripted.active()
        if script is not None and key in ("", "scripted"):
            return Route("scripted", script)
        if not isinstance(key, str):
            raise TypeError(f"a channel is named by a text such as 'console', got {type(key).__name__}: {key!r}")
        wanted = key or self.default or self._detected()
        wanted = self._meant(wanted)
        if wanted in ("", "scripted"):
            return Route(wanted, None)
        adapter = self._adapter(wanted)
        return Route(getattr(adapter, "shown", wanted), adapter)

    def _adapter(self, key: str) -> Adapter:
        name, _, address = key.partition(":")
        found = self._adapters.get(name) or self._made.get(key)
        if found is not None:
            return found
        factory = self._factories.get(name)
        if factory is None:
            names = known([*self._adapters, *self._factories, *self._aliases, "scripted"])
            raise ServiceUnavailable(
                "channel", f"there is no channel {key!r} (there are: {names}); `register_channel_adapter` adds one"
            )
        return self._made.setdefault(key, factory(address))

    def _detected(self) -> str:
        forced = said_interactive(self._environ)
        if forced is False:
            return ""
        if self.notebook is not None and (forced or self.notebook()):
            return "notebook"
        return "console" if forced or self._terminal() else ""

    # ------------------------------------------------------------------ questions

    def leaves_open(self, key: str) -> bool:
        """Whether a question on this channel waits in the store for whoever answers it, from anywhere.

        `key` may be a recorded one, of a process that had other channels: of what is not here it is not known.
        """
        try:
            route = self.route(key) if key else Route("", None)
        except (ServiceUnavailable, ValueError):
            return False
        if route.adapter is None or route.key == "notebook" or isinstance(route.adapter, ScriptedChannel):
            return False
        return route.adapter.ask is None

    def asker(self, question: Question, key: str, run_id: str, store: Store) -> Asker | None:
        """Who gets the answer; None where it comes through the store.

        A scripted answer comes first wherever there is one. Then the channel. Where nobody can be asked, the
        question's default is the answer; without one the asker raises NoOneToAsk. A scripted answer that does not fit
        is a BadAnswer at once: asking the script again would not end. Where no person is asked, only a script that
        answers by name or prompt has a say.
        """
        sources = self._sources(question)
        if question.by_person:
            route = self.route(key)
            last = self._last(route, run_id)
            if not sources and not isinstance(route.adapter, ScriptedChannel):
                return last
        else:
            last = None
            sources = [script for script in sources if isinstance(script.answers, Mapping)]
            if not sources:
                return None
        current = scripted.active()

        async def ask(question: Question, token: str, refused: str) -> Any:
            asked = Asked(question, token, run_id)
            if current is not None and refused:
                raise BadAnswer(f"the script's answer to {question.prompt!r} was refused: {refused}", token=token)
            if current is not None:
                current.questions.append(asked)
            for script in () if refused else sources:
                answer = script.answer(asked, store)
                if answer is not None:
                    return await _fitting(question, answer, token, store)
            if last is not None:
                return await last(question, token, refused)
            raise LeftOpen  # a list in a script ran out, and the channel's answers come through the store

        return ask

    def _sources(self, question: Question) -> list[Script]:
        found: list[Script] = []
        current = scripted.active()
        if current is not None:
            found.append(current.script)
        else:
            found += [Script(answers) for source in self.scripts if (answers := source()) is not None]
            outside = scripted.from_environment(self._environ.get(scripted.VARIABLE, ""))
            found += [outside] if outside is not None else []
        return [script for script in found if script.knows(question)]

    def _last(self, route: Route, run_id: str) -> Asker | None:
        """The asker of the channel itself."""
        adapter = route.adapter
        if isinstance(adapter, ScriptedChannel):
            return _nobody(run_id, "the ScriptedChannel has no answer to it")
        if (adapter is None or route.key == "notebook") and self.notebook is None and _in_kernel():
            return _nobody(run_id, "this notebook shows questions once `%load_ext aethergraph` has been run in it")
        if adapter is None:
            return _nobody(run_id, "there is neither a notebook nor a terminal nor a scripted answer")
        if route.key == "notebook" and not self._has_notebook():
            return _nobody(run_id, "no notebook front end is there to show it")
        ask = adapter.ask
        return None if ask is None else _until_closed(ask, route.key, run_id)

    def _has_notebook(self) -> bool:
        forced = said_interactive(self._environ)
        return forced is not False and self.notebook is not None and (forced or self.notebook())


def _in_kernel() -> bool:
    """Whether this process is a Jupyter kernel: asked of what is loaded, so that nothing of it is needed."""
    app = getattr(sys.modules.get("ipykernel.kernelapp"), "IPKernelApp", None)
    return app is not None and bool(app.initialized())


def _nobody(run_id: str, why: str) -> Asker:
    async def ask(question: Question, token: str, refused: str) -> Any:
        if question.has_default and not refused:
            return question.default
        raise NoOneToAsk(question.prompt, token, run_id, question.name or None, why)

    return ask


def _until_closed(ask: Asker, key: str, run_id: str) -> Asker:
    async def asking(question: Question, token: str, refused: str) -> Any:
        try:
            return await ask(question, token, refused)
        except EOFError as error:
            return await _nobody(run_id, f"the {key} is closed: {error}")(question, token, "")

    return asking


async def _fitting(question: Question, answer: Any, token: str, store: Store) -> Any:
    try:
        if question.kind in (schema.FILES, schema.FORM):  # files are read, and may be large
            answer = await asyncio.to_thread(uploads.take_in, store, question, answer)
        schema.check(question, answer)
    except BadAnswer as error:
        raise BadAnswer(f"the scripted answer to {question.prompt!r} does not fit: {error.why}", token=token) from None
    return answer
