"""Tools that ask and tell, for static graphs and anywhere a tool is called: each is one node.

They are dual-stage: while a question is open, nothing of it is in memory but the record of it. What they ask is shown
and answered as what `context.channel()` asks.

@graphify
def plan(topic):
    name = ask_text(prompt="What shall I call it?")
    go = ask_approval(prompt="Shall I go on?", _after=name)
    return {"name": name.text, "approved": go.approved}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .authoring.staging import WaitSpec
from .authoring.tooling import tool
from .context import NodeContext
from .record.uploads import FileRef
from .services.artifact import Artifact
from .services.channel import ANYTHING
from .services.sendable import Button

__all__ = [
    "ask_approval",
    "ask_choice",
    "ask_files",
    "ask_number",
    "ask_text",
    "get_latest_uploads",
    "send_buttons",
    "send_file",
    "send_image",
    "send_phase",
    "send_text",
    "wait_text",
]


@tool(outputs=["text"])
async def ask_text(
    prompt: str,
    *,
    silent: bool = False,
    name: str = "",
    timeout_s: float | None = None,
    default: str | None = None,
    channel: str = "",
) -> WaitSpec:
    """Ask for a text. `silent`: the answer is not shown. See `Channel.ask_text`."""
    return WaitSpec(prompt, "text", silent=silent, name=name, timeout_s=timeout_s, default=default, channel=channel)


@tool(outputs=["text"])
async def wait_text(
    *, name: str = "", timeout_s: float | None = None, default: str | None = None, channel: str = ""
) -> WaitSpec:
    """Wait for the next text that the person writes, without asking anything in particular."""
    return WaitSpec(ANYTHING, "text", name=name, timeout_s=timeout_s, default=default, channel=channel)


@tool(outputs=["approved", "choice"])
async def ask_approval(
    prompt: str,
    options: Sequence[str] = ("Approve", "Reject"),
    *,
    name: str = "",
    timeout_s: float | None = None,
    default: str | bool | None = None,
    channel: str = "",
) -> WaitSpec:
    """Ask for consent. See `Channel.ask_approval`."""
    return WaitSpec(
        prompt, "approval", options=options, name=name, timeout_s=timeout_s, default=default, channel=channel
    )


@tool(outputs=["choice"])
async def ask_choice(
    prompt: str,
    options: Sequence[str],
    *,
    multiple: bool = False,
    name: str = "",
    timeout_s: float | None = None,
    default: Any = None,
    channel: str = "",
) -> WaitSpec:
    """Ask for one of `options`, or with `multiple` for a list of some. See `Channel.ask_choice`."""
    return WaitSpec(
        prompt,
        "choice",
        options=options,
        multiple=multiple,
        name=name,
        timeout_s=timeout_s,
        default=default,
        channel=channel,
    )


@tool(outputs=["number"])
async def ask_number(
    prompt: str,
    min: float | None = None,
    max: float | None = None,
    step: float | None = None,
    *,
    name: str = "",
    timeout_s: float | None = None,
    default: float | None = None,
    channel: str = "",
) -> WaitSpec:
    """Ask for a number between `min` and `max`, both included. See `Channel.ask_number`."""
    return WaitSpec(
        prompt, "number", min=min, max=max, step=step, name=name, timeout_s=timeout_s, default=default, channel=channel
    )


@tool(outputs=["text", "files"])
async def ask_files(
    prompt: str,
    accept: str | Sequence[str] | None = None,
    multiple: bool = True,
    *,
    max_size: int | None = None,
    max_files: int | None = None,
    name: str = "",
    timeout_s: float | None = None,
    default: Any = None,
    channel: str = "",
) -> WaitSpec:
    """Ask for files; `files` is a list of `FileRef`, `text` what was said along with them. See `Channel.ask_files`."""
    return WaitSpec(
        prompt, "files", accept=accept, multiple=multiple, max_size=max_size, max_files=max_files, name=name,
        timeout_s=timeout_s, default=default, channel=channel,
    )  # fmt: skip


@ask_files.on_resume
async def _files(payload: dict[str, Any], *, context: NodeContext) -> dict[str, Any]:
    return await context.channel().files_of(payload)


@tool(outputs=["files"])
async def get_latest_uploads(
    *, clear: bool = True, channel: str = "", context: NodeContext
) -> dict[str, list[FileRef]]:
    """The files that came with answers of this run and were not fetched before. See `Channel.get_latest_uploads`."""
    return {"files": await context.channel(channel or None).get_latest_uploads(clear=clear)}


@tool(outputs=["ok"])
async def send_text(text: str, *, channel: str = "", context: NodeContext) -> dict[str, bool]:
    """Say `text`; `ok` is True once it is said."""
    await context.channel(channel or None).send_text(text)
    return {"ok": True}


@tool(outputs=["ok"])
async def send_phase(
    phase: str, status: str = "active", *, detail: str = "", channel: str = "", context: NodeContext
) -> dict[str, bool]:
    """Say that a phase of the work is now "pending", "active", "done", "failed" or what you call it."""
    await context.channel(channel or None).send_phase(phase, status, detail=detail)
    return {"ok": True}


@tool(outputs=["ok"])
async def send_image(
    url: str | Artifact | FileRef = "",
    *,
    file_bytes: bytes | None = None,
    path: str = "",
    title: str = "",
    alt: str = "",
    filename: str = "",
    channel: str = "",
    context: NodeContext,
) -> dict[str, bool]:
    """Show a picture: one of the web, an artifact, bytes, or a file. See `Channel.send_image`."""
    await context.channel(channel or None).send_image(
        url or None, file_bytes=file_bytes, path=path or None, title=title, alt=alt, filename=filename
    )
    return {"ok": True}


@tool(outputs=["ok"])
async def send_file(
    url: str | Artifact | FileRef = "",
    *,
    path: str = "",
    file_bytes: bytes | None = None,
    filename: str = "",
    title: str = "",
    channel: str = "",
    context: NodeContext,
) -> dict[str, bool]:
    """Hand over a file: one of the web, an artifact, a file of this machine, or bytes. See `Channel.send_file`."""
    await context.channel(channel or None).send_file(
        url or None, path=path or None, file_bytes=file_bytes, filename=filename, title=title
    )
    return {"ok": True}


@tool(outputs=["ok"])
async def send_buttons(
    text: str, buttons: Sequence[Button | str | Mapping[str, Any]], *, channel: str = "", context: NodeContext
) -> dict[str, bool]:
    """Say `text` with buttons under it. See `Channel.send_buttons`."""
    await context.channel(channel or None).send_buttons(text, buttons)
    return {"ok": True}
