"""What a tool or agent gives: a dict whose keys are also attributes.

Outputs read from the store load key by key. A key that was not read yet holds a placeholder; the class `_Lazy` makes
sure that nobody ever gets it: single reads load one value, everything that looks at the whole dict loads all. Once
nothing is left to load the object becomes a plain `Outputs`, so the care costs nothing from then on. Overriding
`__iter__` is what sends CPython's own fast paths (`dict(x)`, `{**x}`, `f(**x)`, `d.update(x)`) through our methods.
C libraries that walk a dict without asking it (msgspec, orjson) meet the placeholder and raise TypeError: never a hole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from typing import Any

from ..errors import AetherGraphError

Loader = Callable[[], Any]


class _Unread:
    """Stands in a lazy dict for a value that was not read yet."""

    __slots__ = ()


_UNREAD = _Unread()
_placing = threading.Lock()  # two threads may load a value at once; both must get the same object


class Outputs(dict[str, Any]):
    """Named outputs. `out["y"]` and `out.y` are the same; awaiting it gives itself; it hashes by identity."""

    __slots__ = ("__weakref__", "_loaders")
    _loaders: dict[str, Loader]

    __hash__ = object.__hash__  # type: ignore[assignment]

    @classmethod
    def lazy(cls, loaders: Mapping[str, Loader], ready: Mapping[str, Any] | None = None) -> Outputs:
        """Outputs of the keys of `loaders`, in that order; each loader is called when its value is first needed.

        `ready` holds values that need no loader; its keys keep their place where `loaders` names them too, and come
        last where it does not.
        """
        ready = ready or {}
        made = _Lazy(dict.fromkeys(loaders, _UNREAD))
        made._loaders = {key: loader for key, loader in loaders.items() if key not in ready}
        made.update(ready)
        if not made._loaders:
            made.__class__ = Outputs  # type: ignore[assignment]
        return made

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(f"there is no output {name!r}; the outputs are: {', '.join(self) or 'none'}")

    def __await__(self) -> Generator[Any, None, Outputs]:
        return self
        yield  # makes this a generator, as `await` wants

    def __reduce__(self) -> tuple[Any, ...]:
        return Outputs, (dict(self),)

    def __copy__(self) -> Outputs:
        return Outputs(self)

    def __repr__(self) -> str:
        return f"Outputs({dict.__repr__(self)})"


class _Lazy(Outputs):
    """Outputs of which some values are still in the store."""

    __slots__ = ()

    def _load(self, key: str) -> Any:
        loaded = self._loaders[key]()
        with _placing:
            current = dict.get(self, key, _UNREAD)
            if current is not _UNREAD:
                return current
            dict.__setitem__(self, key, loaded)
            return loaded

    def _fill(self) -> None:
        for key, value in list(dict.items(self)):
            if value is _UNREAD:
                self._load(key)
        self.__class__ = Outputs  # type: ignore[assignment]

    def __getitem__(self, key: str) -> Any:
        value = dict.__getitem__(self, key)
        return self._load(key) if value is _UNREAD else value

    def get(self, key: str, default: Any = None) -> Any:
        value = dict.get(self, key, default)
        return self._load(key) if value is _UNREAD else value

    def setdefault(self, key: str, default: Any = None) -> Any:
        value = dict.setdefault(self, key, default)
        return self._load(key) if value is _UNREAD else value

    def pop(self, key: str, *default: Any) -> Any:
        if key in self:
            self[key]  # loads it
        return dict.pop(self, key, *default)

    def __repr__(self) -> str:
        """As `Outputs`, but a value that cannot be loaded is named instead of spoiling the whole display."""
        shown = []
        for key in dict.keys(self):
            try:
                shown.append(f"{key!r}: {self[key]!r}")
            except AetherGraphError as error:
                shown.append(f"{key!r}: <not loaded: {error}>")
        return f"Outputs({{{', '.join(shown)}}})"


def _filled(name: str) -> Callable[..., Any]:
    """The method `name` of a plain dict, for a lazy one: everything is loaded first."""

    def method(self: _Lazy, *args: Any) -> Any:
        self._fill()
        return getattr(Outputs, name)(self, *args)

    method.__name__ = name
    return method


_WHOLE = ["__iter__", "__reversed__", "__eq__", "__ne__", "__or__", "__ror__", "__reduce__", "__copy__"]
for _name in [*_WHOLE, "values", "items", "copy", "popitem"]:
    setattr(_Lazy, _name, _filled(_name))


def reserved(name: str) -> bool:
    """Whether `name` cannot be an output, because it is a method or attribute of every dict of outputs."""
    return hasattr(Outputs, name)
