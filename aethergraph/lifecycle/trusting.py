"""Accepting the code that is stored with a run and that this user's key did not sign."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ..code import definitions
from ..errors import DamagedRecord, Untrusted
from ..storage.keyring import MAC_SIZE
from ..views.labels import clean
from . import hub


def accept(run_id: str, ask: Callable[[str], str] | None, *, resume: str = "%aether resume") -> bool:
    """Print the code, ask for a yes (`ask` None: do not ask), and sign it; False where the answer was no.

    Only the code of the agent is signed. Values of the run that were pickled under another key stay unread. `resume`:
    how it is gone on with where this is read.

    Raises:
        UnknownRun: there is no such run.
        DamagedRecord: its code is gone or altered.
    """
    runtime = hub.current()
    digest = _definition_digest(run_id)
    if not digest:
        print(f"no code is stored with {run_id}")
        return True
    try:
        definitions.load_definition(runtime.store, runtime.keyring, digest)
    except Untrusted:
        definition = _unsigned(digest)
    else:
        print(f"the code of {run_id} is trusted already")
        return True
    print("\n".join(clean(row) for row in definition.source.split("\n")))
    if ask is not None and ask(f"Run this code when {run_id} is resumed? [y/N] ").strip().lower() not in ("y", "yes"):
        print("nothing was changed")
        return False
    definitions.save(runtime.store, definition, runtime.keyring)
    print(f"trusted; `{resume} {run_id}` goes on")
    return True


def _definition_digest(run_id: str) -> str:
    started = hub.current().load(run_id).flow().started
    return started.definition if started is not None else ""


def _unsigned(digest: str) -> definitions.Definition:
    row = hub.current().store.get(f"d:{digest}") or b""
    what = f"the source {digest[:12]} of an agent"
    try:
        found = msgspec.msgpack.decode(row[MAC_SIZE:], type=definitions.Definition)
    except msgspec.DecodeError as error:
        raise DamagedRecord(what, str(error)) from None
    if found.digest != digest:
        raise DamagedRecord(what, "it does not have its checksum")
    return found
