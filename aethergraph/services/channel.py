"""Talking to a person: messages, questions, progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from ..record import schema
from ..record.schema import Question
from . import expecting, uploads
from .progress import Bar
from .scope import Scope, clean
from .sending import Sending
from .streaming import Stream

if TYPE_CHECKING:
    from ..record.uploads import FileRef

M = TypeVar("M")  # a pydantic model
ANYTHING = "Your message?"  # what is asked where nothing in particular is


class Channel(Sending):
    """`context.channel(key)`: each method takes `channel=` to go elsewhere once.

    A message to the notebook or the inbox is its record in the run: it happens exactly once. A message to the outside
    is sent under a stable id after its intent is on disk; a kill between the sending and its record sends it again
    under the same id.
    """

    def __init__(self, scope: Scope, key: str | None = None) -> None:
        self._scope, self._key = scope, key or ""

    def __repr__(self) -> str:
        return f"<channel {self._key or 'default'}>"

    def stream(self, *, channel: str | None = None) -> Stream:
        """`async with channel.stream() as s: await s.delta("...")`: a message that grows."""
        return Stream(self, channel, Bar(self._scope, "writing", 0, drawn=False))

    def progress(self, title: str = "", total: float = 0, *, channel: str | None = None) -> Bar:
        """`async with channel.progress("training", total=10) as p: await p.update(inc=1, subtitle="...")`."""
        return Bar(self._scope, title, total, channel or self._key)

    # ------------------------------------------------------------------ questions

    async def ask_text(
        self,
        prompt: str,
        *,
        name: str | None = None,
        timeout_s: float | None = None,
        default: str | None = None,
        silent: bool = False,
        channel: str | None = None,
    ) -> str:
        """Ask for a text. `silent`: the answer is not shown (it is stored like any other).

        Raises:
            NoOneToAsk: nobody is there and there is no default; the question stays open.
            WaitTimeout: nobody answered within `timeout_s` seconds and there is no default.
        """
        question = self._question("text", prompt, name, timeout_s, default, channel, silent=silent)
        return cast(str, await self._ask(question, channel))

    async def wait_text(
        self,
        *,
        name: str | None = None,
        timeout_s: float | None = None,
        default: str | None = None,
        channel: str | None = None,
    ) -> str:
        """Wait for the next text that the person writes, without asking anything in particular. See `ask_text`."""
        return await self.ask_text(ANYTHING, name=name, timeout_s=timeout_s, default=default, channel=channel)

    async def ask_approval(
        self,
        prompt: str,
        options: Sequence[str] = ("Approve", "Reject"),
        *,
        name: str | None = None,
        timeout_s: float | None = None,
        default: str | bool | None = None,
        channel: str | None = None,
    ) -> dict[str, Any]:
        """Ask for consent: `{"approved": bool, "choice": str}`.

        Approved: the first option was chosen, or one that reads yes, ok, approve, accept, proceed or continue.
        """
        question = self._question("approval", prompt, name, timeout_s, default, channel, options=options)
        return cast(dict[str, Any], await self._ask(question, channel))

    @overload
    async def ask_choice(
        self,
        prompt: str,
        options: Sequence[str],
        *,
        multiple: Literal[False] = ...,
        name: str | None = ...,
        timeout_s: float | None = ...,
        default: str | None = ...,
        channel: str | None = ...,
    ) -> str: ...

    @overload
    async def ask_choice(
        self,
        prompt: str,
        options: Sequence[str],
        *,
        multiple: Literal[True],
        name: str | None = ...,
        timeout_s: float | None = ...,
        default: Sequence[str] | None = ...,
        channel: str | None = ...,
    ) -> list[str]: ...

    async def ask_choice(
        self,
        prompt: str,
        options: Sequence[str],
        *,
        multiple: bool = False,
        name: str | None = None,
        timeout_s: float | None = None,
        default: str | Sequence[str] | None = None,
        channel: str | None = None,
    ) -> str | list[str]:
        """Ask for one of `options`; with `multiple` for any number of them, given in the order of `options`."""
        question = self._question(
            "choice", prompt, name, timeout_s, default, channel, options=options, multiple=multiple
        )
        return cast("str | list[str]", await self._ask(question, channel))

    async def ask_number(
        self,
        prompt: str,
        min: float | None = None,
        max: float | None = None,
        step: float | None = None,
        *,
        name: str | None = None,
        timeout_s: float | None = None,
        default: float | None = None,
        channel: str | None = None,
    ) -> int | float:
        """Ask for a number between `min` and `max`, both included; an int where `step` and `min` are whole."""
        question = self._question("number", prompt, name, timeout_s, default, channel, min=min, max=max, step=step)
        return cast("int | float", await self._ask(question, channel))

    async def ask_files(
        self,
        prompt: str,
        accept: str | Sequence[str] | None = None,
        multiple: bool = True,
        *,
        max_size: int | None = None,
        max_files: int | None = None,
        name: str | None = None,
        timeout_s: float | None = None,
        default: Any = None,
        channel: str | None = None,
    ) -> dict[str, Any]:
        """Ask for files: `{"text": str, "files": [FileRef]}`, with what was said along with them as `text`.

        Their contents are in the store before the answer is taken. What does not fit is refused with the reason, and
        the question stays open.

        Args:
            accept: endings and types of what is taken, such as `[".csv", "image/*"]`; a type is found by the ending.
            max_size: bytes of the largest file that is taken.
            max_files: how many are taken.
            default: a path, or several; read when nobody answered in time.

        Raises:
            NoOneToAsk, WaitTimeout: as for `ask_text`.
        """
        question = self._question(
            "files", prompt, name, timeout_s, uploads.default(default), channel,
            multiple=multiple, accept=accept, max_size=max_size, max_files=max_files,
        )  # fmt: skip
        return await self.files_of(await self._ask(question, channel))

    async def ask_file(
        self,
        prompt: str,
        accept: str | Sequence[str] | None = None,
        *,
        max_size: int | None = None,
        name: str | None = None,
        timeout_s: float | None = None,
        default: Any = None,
        channel: str | None = None,
    ) -> FileRef:
        """Ask for one file. See `ask_files`."""
        answer = await self.ask_files(
            prompt, accept, multiple=False, max_size=max_size, name=name, timeout_s=timeout_s, default=default,
            channel=channel,
        )  # fmt: skip
        return cast("FileRef", answer["files"][0])

    async def ask_form(
        self,
        model: type[M],
        prompt: str | None = None,
        *,
        name: str | None = None,
        timeout_s: float | None = None,
        default: M | Mapping[str, Any] | None = None,
        channel: str | None = None,
    ) -> M:
        """Ask for all fields of a pydantic model at once; gives an instance of it.

        The answer is a dict by the names of the fields (their aliases, where they have some), or an instance. What the
        fields or the model's validators do not take is refused with the names of the fields. It is recorded as plain
        data.

        Args:
            prompt: what is asked; the model's docstring where it is not given.
            default: an instance or such a dict, taken when nobody answered in time.

        Raises:
            TypeError: the model has a field of a type that no form has.
            NoOneToAsk, WaitTimeout: as for `ask_text`.
        """
        from . import forms  # which is asked for seldom

        id, fields, whole = forms.register(model)
        said = asked = prompt or forms.prompt(model, whole)
        while True:
            question = self._question(
                "form", asked, name, timeout_s, forms.plain(default), channel, form=fields, model=id
            )
            answer = await self._ask(question, channel)
            wrong = forms.problems(model, answer)
            if not wrong:
                return cast(M, forms.made(model, answer))
            # Answered where the model is not loaded, or the model was edited since.
            listed = "; ".join(f"{field}: {why}" if field else why for field, why in wrong)
            asked = f"{said}\n(What was answered does not fit: {clean(listed)})"

    async def files_of(self, answer: dict[str, Any]) -> dict[str, Any]:
        """What `ask_files` gives for a recorded answer; for tools that wait with `WaitSpec(kind="files")`."""
        return await uploads.given(self._scope, answer)

    async def get_latest_uploads(self, *, clear: bool = True, channel: str | None = None) -> list[FileRef]:
        """The files that came with answers of this run and were not fetched here before, oldest first.

        With `clear` they are not given again. Without `channel` those of all channels.
        """
        key = channel or self._key
        return await uploads.latest(self._scope, self._scope.bus.route(key).key if key else "", clear=clear)

    async def get_last_uploads(self, *, clear: bool = True, channel: str | None = None) -> list[FileRef]:
        """The same as `get_latest_uploads`."""
        return await self.get_latest_uploads(clear=clear, channel=channel)

    def _question(
        self,
        kind: str,
        prompt: str,
        name: str | None,
        timeout_s: float | None,
        default: Any,
        channel: str | None,
        *,
        options: Sequence[str] = (),
        **more: Any,
    ) -> Question:
        method = f"channel().ask_{kind}"
        return schema.make(
            kind,
            clean(prompt) if isinstance(prompt, str) else prompt,
            name=clean(name or ""),
            options=[clean(one) for one in expecting.texts(self._scope.desk, method, "options", options)],
            timeout_s=timeout_s,
            default=default,
            channel=self._scope.bus.route(channel or self._key).key,
            **more,
        )

    async def _ask(self, question: Question, channel: str | None) -> Any:
        scope = self._scope
        desk = scope.desk
        asker = scope.bus.asker(question, channel or self._key, desk.run_id, desk.store)
        return await desk.ask(question, asker)
