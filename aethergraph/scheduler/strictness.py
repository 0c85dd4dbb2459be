"""`Runtime(strict=True)`, for tests: what a run hands on has been stored and loaded, live as on a resume.

Code that works only because the very object that a node made reaches the next one then fails in its first test, not on
the first resume. So does a value that cannot be stored, which otherwise makes its node run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..code.origins import Origins
from ..errors import NotStorable
from ..storage.codec import Codec, Packed
from .calls import CallHandle


class Strict:
    """Makes the copies for one run."""

    def __init__(self, codec: Codec, origins: Origins) -> None:
        self._codec, self._origins = codec, origins

    def argument(self, value: Any) -> Any:
        """What stands for an argument in the call that is given it.

        One that cannot be stored is handed on as it is: arguments are not kept, the code that makes them runs again.
        """
        try:
            copy = self._codec.load(self._codec.dump(value, "an argument"))
        except NotStorable:
            return value
        known = self._origins.known(value)
        if known is not None:  # still the output of that node: calls that are given it are told apart by it
            digest, no = known
            self._origins.add(copy, no, digest)
        return copy

    def arguments(self, handle: CallHandle) -> None:
        """Give a call that is about to run arguments of its own."""
        if not handle.flat:
            handle.args = tuple(map(self.argument, handle.args))
            handle.kwargs = {name: self.argument(value) for name, value in handle.kwargs.items()}

    def outputs(self, packed: Packed, outputs: Mapping[str, Any], where: str) -> dict[str, Any]:
        """What a resume would find of these outputs of node or run `where`.

        Raises:
            NotStorable: one of them cannot be stored.
            NotLoadable: one of them cannot be loaded again.
        """
        if packed.volatile:
            for key, value in outputs.items():
                self._codec.dump(value, f"output {key!r} of {where}")
        return dict(self._codec.load_outputs(packed.payload))
