"""Calls on a dask cluster: on the `distributed.Client` that the user has made, which is the current one."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import ServiceUnavailable

EXTRA = 'it needs the extra: pip install "aethergraph-jupyter[dask]"'


def is_there() -> bool:
    """Whether dask is installed."""
    return importlib.util.find_spec("distributed") is not None


def call(
    fn: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    who: str,
    stoppable: Callable[[Callable[[str], object]], object],
) -> Any:
    """Run `fn` on the cluster and wait for it; `stoppable` is given what cancels it.

    Raises:
        ServiceUnavailable: there is no client.
    """
    distributed = importlib.import_module("distributed")
    try:
        client = distributed.default_client()
    except ValueError:
        raise ServiceUnavailable("dask", f"{who} runs on dask: make a `distributed.Client(...)` first") from None
    future = client.submit(fn, *args, **kwargs, pure=False)
    stoppable(lambda why: future.cancel())
    return future.result()
