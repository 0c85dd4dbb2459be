"""A logger whose lines belong to a node."""

from __future__ import annotations

import logging
import traceback
from collections.abc import MutableMapping
from typing import Any

from .scope import Scope, clean

NAME = "aethergraph.run"

_logger = logging.getLogger(NAME)
# Without any handler, Python prints warnings to the error stream; these lines are in the run view already.
_logger.addHandler(logging.NullHandler())


class RunLogger(logging.LoggerAdapter[logging.Logger]):
    """`context.logger()`: lines show in the run view and go to the standard logger "aethergraph.run".

    Records carry run_id, graph_id and node_id. From INFO up all lines are noted, whatever level the standard logger
    has; DEBUG where that is enabled for it.
    """

    def __init__(self, scope: Scope) -> None:
        own = scope.desk
        super().__init__(_logger, {"run_id": own.run_id, "graph_id": own.graph_id, "node_id": own.node_id})
        self._scope = scope

    def isEnabledFor(self, level: int) -> bool:
        """Whether a line of this level goes anywhere."""
        return level >= logging.INFO or self.logger.isEnabledFor(level)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Add where the line comes from; the caller's own `extra` is kept."""
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **(self.extra or {})}
        return msg, kwargs

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Note the line, then hand it to the standard logger."""
        if not self.isEnabledFor(level):
            return
        text = _text(msg, args) + _raised(kwargs.get("exc_info"))
        self._scope.desk.note("log", {"level": logging.getLevelName(level), "text": clean(text)})
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # this method is not where the line comes from
        super().log(level, msg, *args, **kwargs)


def _text(msg: object, args: tuple[object, ...]) -> str:
    try:
        return logging.LogRecord(NAME, 0, "", 0, msg, args, None).getMessage()
    except (TypeError, ValueError, KeyError):  # a wrong format must not stop the node, as it never does in logging
        return f"{msg} {args!r}"


def _raised(exc_info: Any) -> str:
    if not exc_info:
        return ""
    if isinstance(exc_info, BaseException):
        return "\n" + "".join(traceback.format_exception(exc_info)).rstrip()
    if isinstance(exc_info, tuple):
        return "\n" + "".join(traceback.format_exception(*exc_info)).rstrip()
    return "\n" + traceback.format_exc().rstrip()
