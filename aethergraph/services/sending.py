"""Messages of a run: text, phases, pictures, files, buttons, tables; each said once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..channels.adapter import Message, fitting
from ..engine import Outcome
from ..errors import known
from ..storage.store import Blobs
from .scope import Scope, clean

if TYPE_CHECKING:
    from ..record.uploads import FileRef
    from .artifact import Artifact
    from .attaching import Source
    from .sendable import Button

_HEAD = 512  # bytes by which the type of a picture is known


class Said(msgspec.Struct, frozen=True):
    """A message that is ready: `data` is what its kind needs, `value` what is recorded of it."""

    text: str
    data: dict[str, Any]
    value: Any = None


class Sending:
    """The messages of a channel. The content of a picture or file is stored once, and travels by its sha256."""

    _scope: Scope
    _key: str

    async def send_text(self, text: str, *, channel: str | None = None) -> None:
        """Say `text`."""
        if not isinstance(text, str):
            raise TypeError(f"send_text takes a text, got {type(text).__name__}: write send_text(str(...))")
        text = clean(text)
        await self._send("text", {"text": text}, Said(text, {"text": text}), channel)

    async def send_phase(
        self, phase: str, status: str = "active", *, detail: str = "", channel: str | None = None
    ) -> None:
        """Say that a phase of the work is now "pending", "active", "done", "failed" or what you call it."""
        phase, status, detail = clean(phase), clean(status), clean(detail)
        line = f"{phase}: {status}" + (f" ({detail})" if detail else "")
        data = {"phase": phase, "status": status, "detail": detail}
        await self._send("phase", data, Said(line, data), channel)

    async def send_image(
        self,
        url: str | Artifact | FileRef | PathLike[str] | None = None,
        *,
        file_bytes: bytes | None = None,
        path: str | PathLike[str] | None = None,
        title: str = "",
        alt: str = "",
        filename: str = "",
        channel: str | None = None,
    ) -> None:
        """Show a picture: one of the web, an artifact (or its uri), an upload, bytes, or a file.

        It is a PNG, JPEG, GIF, WebP or SVG. `title` stands over it,
        `alt` instead of it where it cannot be seen. `filename` is what it is saved as.

        Raises:
            TypeError: none of the four is given, or more than one.
            ValueError: the content is no picture, or the url is no web address.
            FileNotFoundError, LookupError: there is no such file, or no such artifact.
        """
        from . import sendable  # and the other modules that only some messages need: a question is asked without them

        source = self._source("send_image", url, file_bytes, path, filename)
        title, alt = clean(title), clean(alt)

        async def make() -> Said:
            data = {"title": title, "alt": alt or title or source.name or "image"}
            if source.put is None:
                data |= {"filename": source.name or "image", "mime": source.mime, "url": source.url}
            else:
                stored = await source.stored()
                mime = sendable.picture_mime(await asyncio.to_thread(_head, self._blobs.path(stored["sha256"])))
                if not mime:
                    raise ValueError(
                        f"send_image: {source.name or 'file_bytes'} is no PNG, JPEG, GIF, WebP or SVG; "
                        f"send_file takes any file"
                    )
                name = source.name or f"image.{mime.partition('/')[2].partition('+')[0]}"
                data |= stored | {"filename": name, "mime": mime}
            return _drawn("image", data)

        await self._send("image", source.args | {"title": title, "alt": alt}, make, channel)

    async def send_file(
        self,
        url: str | Artifact | FileRef | PathLike[str] | None = None,
        *,
        path: str | PathLike[str] | None = None,
        file_bytes: bytes | None = None,
        filename: str = "",
        title: str = "",
        channel: str | None = None,
    ) -> None:
        """Hand over a file: one of the web, an artifact (or its uri), an upload, a file of this machine, or bytes.

        A file is stored as it is when it is sent; what happens to it later changes nothing.

        Raises:
            TypeError: none of the four is given, or more than one.
            ValueError: the url is no web address, or the filename no name.
            FileNotFoundError, LookupError: there is no such file, or no such artifact.
        """
        source = self._source("send_file", url, file_bytes, path, filename)
        title = clean(title)

        async def make() -> Said:
            data: dict[str, Any] = {"title": title, "filename": source.name or "file.bin", "mime": source.mime}
            data |= {"url": source.url} if source.put is None else await source.stored()
            return _drawn("file", data)

        await self._send("file", source.args | {"title": title}, make, channel)

    async def send_buttons(
        self, text: str, buttons: Iterable[Button | str | Mapping[str, Any]], *, channel: str | None = None
    ) -> None:
        """Say `text` with buttons under it: links, and answers to what the run asks. See `Button`.

        A question with buttons, which waits for one to be pressed, is `ask_approval(prompt, options)`.

        Raises:
            TypeError, ValueError: these are no buttons, too many, or two with the same label.
        """
        from . import sendable

        if not isinstance(text, str):
            raise TypeError(f"send_buttons takes a text, got {type(text).__name__}")
        text, drawn = clean(text), sendable.buttons(buttons)
        data = {"text": text, "buttons": drawn}
        await self._send("buttons", data, _drawn("buttons", data), channel)

    async def send_rich(self, text: str, rich: Any = None, *, channel: str | None = None) -> None:
        """Say `text` with something under it that is more than text: markdown, a table, or JSON.

        rich: a text (markdown), a data frame or a list of dicts (a table), `{"markdown": ...}`, `{"table": ...}`,
            `{"json": ...}`, or any value (JSON). With `rich` left out, `text` is the markdown. The first 200 rows and
            50 columns of a table are kept.

        Raises:
            TypeError: it has no form in JSON.
            ValueError: it is longer than 200,000 characters.
        """
        from . import content as contents
        from . import rich as richly

        if not isinstance(text, str):
            raise TypeError(f"send_rich takes a text and what stands under it, got {type(text).__name__}")
        text, found = ("", richly.data(text)) if rich is None else (clean(text), richly.data(rich))
        data = {"text": text, "rich": found}
        args = {"text": text, "rich": contents.fingerprint(found)}
        await self._send("rich", args, _drawn("rich", data), channel)

    async def send(self, event: Mapping[str, Any], *, channel: str | None = None) -> None:
        """Send what `event` tells: its `kind` (or `type`) is that of a method, the rest are the method's arguments.

        >>> await channel.send({"kind": "image", "path": "plot.png", "title": "The loss"})

        Raises:
            TypeError, ValueError: there is no such kind, or it takes other arguments.
        """
        if not isinstance(event, Mapping):
            raise TypeError(f'send takes a dict such as {{"kind": "text", "text": ...}}, got {type(event).__name__}')
        how = dict(event)
        kind = how.pop("kind", None) or how.pop("type", None)
        methods = {
            name: getattr(self, f"send_{name}") for name in ("text", "phase", "image", "file", "buttons", "rich")
        }
        if kind not in methods:
            raise ValueError(f"send: kind={kind!r} is none of: {known(methods)}")
        try:
            sending = methods[kind](**{"channel": channel, **how})
        except TypeError as error:
            raise TypeError(f"send({{'kind': {kind!r}, ...}}): {error}") from None
        await sending

    # ------------------------------------------------------------------ how

    async def _send(
        self, kind: str, args: dict[str, Any], said: Said | Callable[[], Awaitable[Said]], channel: str | None
    ) -> None:
        scope, key = self._scope, channel or self._key
        # The key as the user wrote it, not where it leads today: a run that is resumed elsewhere is the same run.
        name, args = f"send_{kind}", {"channel": key, **args}
        route, desk = scope.bus.route(key), scope.desk
        adapter, outside = route.adapter, not route.stores
        id = scope.effect_id(name, [args, desk.attempt])

        async def send() -> Outcome:
            ready = said if isinstance(said, Said) else await said()
            if adapter is not None and outside:
                digest = ready.data.get("sha256")
                path = self._blobs.path(digest) if digest else None
                message = Message(kind, ready.text, route.key, desk.run_id, desk.node_id, ready.data, path)
                await adapter.send(fitting(message, adapter), id)
            return Outcome(ready.value)

        # Not `record` for what only goes on record: a run that is resumed where messages do go outside has to find it.
        await desk.effect(name, args, send, intent=outside)

    @property
    def _blobs(self) -> Blobs:
        return self._scope.desk.store.blobs

    def _source(self, method: str, url: Any, file_bytes: Any, path: Any, filename: str) -> Source:
        from . import attaching

        return attaching.source(method, url, file_bytes, path, filename, self._scope.desk.store)


def _drawn(kind: str, data: dict[str, Any]) -> Said:
    from ..views import messages

    return Said(messages.text(kind, data), data, data)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)
