"""`aether artifacts`: listing what runs saved, and getting it out."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UnknownArtifact
from ..lifecycle import hub
from ..record.files import amount
from ..services import artifact
from ..services.artifact import Artifact
from .codes import Wrong
from .document import AsJson, show_json
from .output import clipped, table


def artifacts(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="Of all runs, if left out.")] = None,
    get: Annotated[
        str | None, typer.Option(metavar="ID", help="Write this one out: its id, or its name in RUN.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to; its own name if left out.")] = None,
    as_json: AsJson = False,
) -> int:
    """What runs saved; --get writes one to a file."""
    runtime = hub.current()
    found = runtime.load(run).artifacts if run is not None else artifact.find(runtime.store)
    if get is not None:
        one = _of(found, get)
        path = _write(one, output)
        if as_json:
            show_json({**artifact.record(one), "written_to": str(path)})
        else:
            print(path)
        return 0
    if output is not None:
        raise Wrong("--output says where one artifact goes: say which with --get ID")
    if as_json:
        show_json([artifact.record(one) for one in found])
        return 0
    if not found:
        print("no artifacts")
        return 0
    rows = [
        (one.artifact_id, clipped(one.name, 40), one.kind, amount(one.size), one.run_id, one.node_id) for one in found
    ]
    table(("artifact", "name", "kind", "size", "run", "node"), rows)
    return 0


def _of(found: list[Artifact], wanted: str) -> Artifact:
    """The artifact of that id, else the newest of that name."""
    fit = [one for one in found if wanted in (one.artifact_id, one.uri)] or [one for one in found if one.name == wanted]
    if not fit:
        near = difflib.get_close_matches(wanted, [text for one in found for text in (one.artifact_id, one.name)], 3)
        raise UnknownArtifact(wanted, str(hub.current().store.folder), near)
    return fit[-1]


def _write(one: Artifact, output: Path | None) -> Path:
    target = output if output is not None else Path(Path(one.name).name or one.artifact_id)
    if target.is_dir():
        target /= Path(one.name).name or one.artifact_id
    if target.exists() and output is None:
        raise Wrong(f"{target} exists already; say where to with --output")
    blobs = hub.current().store.blobs
    try:
        with blobs.open(one.sha256) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
    except OSError as error:
        raise Wrong(f"{target} cannot be written: {error.strerror or error}") from None
    return target


COMMANDS = (artifacts,)
