"""AetherGraph in Jupyter: `%load_ext aethergraph` (or `%load_ext jupyter_ext`)."""

from __future__ import annotations

from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """Called by `%load_ext`."""
    from .extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Called by `%unload_ext`."""
    from .extension import unload

    unload()
