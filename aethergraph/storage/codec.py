"""Values as bytes and back. The first byte of a payload says how to read it:

`m` plain data as msgpack; `t` a tree with types of our own (`tagged`); `p` a signed pickle; `b` a reference to a blob
that holds a payload; `o` outputs, each with a payload of its own; `h` the place of an output that could not be stored.
Only pickles can run code, and only those that this user's key signed are ever loaded.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import pickle
import socket
import struct
import sys
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import msgspec

from ..errors import AetherGraphError, DamagedRecord, NotLoadable, NotStorable, Untrusted
from ..values import tagged
from ..values.canonical import canonical, canonical_call, plain
from ..values.outputs import Loader, Outputs
from ..values.preview import LIMIT, Text, about_value, cut
from ..values.tagged import LONG
from .keyring import MAC_SIZE, Keyring
from .store import Blobs
from .uploads import is_upload

__all__ = [
    "Codec",
    "Packed",
    "about",
    "about_outputs",
    "about_value",
    "canonical",
    "canonical_call",
    "plain",
    "preview_args",
]

PICKLE_ROLE = "pickle"
ARGS_LIMIT = 256  # bytes of arguments kept in a fact
PATH_LIMIT = 4096  # characters; a longer text names no file

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_read_about = tagged.AboutReader().read

File = tuple[str, int, int]  # path, size, mtime in ns
Namespace = Callable[[], Mapping[str, Any]]
Loaded = Callable[[str, Any, bytes], None]

# What reading altered bytes can raise before a checksum tells (a payload is checked as part of its row).
_DAMAGE = (msgspec.DecodeError, struct.error, ValueError, TypeError, AttributeError, LookupError, ArithmeticError)


class Packed(msgspec.Struct, frozen=True):
    """Outputs as they are kept.

    hashes: 16 bytes of content hash per key; none for a key that could not be stored.
    volatile: why the node has to run again on resume; names node, key and type. Empty where all was stored.
    files: what the outputs name as paths of existing files.
    """

    payload: bytes
    hashes: dict[str, bytes]
    volatile: str = ""
    files: list[File] = []


class Codec:
    """Makes and reads payloads. `namespace` gives the run's own definitions, by name, for classes of its cells."""

    def __init__(self, blobs: Blobs, keyring: Keyring, namespace: Namespace | None = None) -> None:
        self._blobs, self._keyring = blobs, keyring
        self._namespace: Namespace = namespace or dict
        self._reader = tagged.Reader(self._leaf_value, self._find)

    about = staticmethod(lambda payload: about(payload))
    about_outputs = staticmethod(lambda payload: about_outputs(payload))

    def dump(self, value: Any, what: str = "value") -> bytes:
        """The payload of `value`; large parts go to the blobs.

        Raises:
            NotStorable: it can be neither taken apart nor pickled (an open file, a live connection).
        """
        return self._fitted(self._payload(value, what), value)

    def dump_whole(self, value: Any, what: str = "value") -> bytes:
        """As `dump`, but all in one piece, however large: for what is to be a blob itself."""
        return _Whole(self._blobs, self._keyring, self._namespace).dump(value, what)

    def load(self, payload: bytes, what: str = "value") -> Any:
        """The value of a payload.

        Raises:
            Untrusted: it holds a pickle that this user's key did not sign.
            DamagedRecord: the payload or a blob is damaged.
            NotLoadable: a class or package is missing here.
        """
        kind, body = payload[:1], memoryview(payload)[1:]
        try:
            if kind == b"m":
                return _decode(body)
            if kind == b"t":
                return self._reader.read(body)
            if kind == b"p":
                return self._unpickled(*_decode(body))
            if kind == b"b":
                return self.load(self._blobs.get(_decode(body)[0]), what)
            if kind == b"o":
                return self.load_outputs(payload)
            if kind == b"h":
                raise NotStorable(*_decode(body))
        except AetherGraphError:
            raise  # NotLoadable is a LookupError too
        except _DAMAGE as error:
            raise DamagedRecord(f"a {what}", str(error)) from error
        raise DamagedRecord(f"a {what}", f"it begins with {kind!r}")

    def dump_outputs(self, outputs: Mapping[str, Any], where: str) -> Packed:
        """The outputs of node `where`. A value that cannot be stored leaves a hole and makes the node volatile."""
        hashes: dict[str, bytes] = {}
        for key, value in outputs.items():
            if not plain(value):
                return self._mixed(outputs, where)
            try:
                form = canonical(value).data
            except UnicodeEncodeError:
                return self._mixed(outputs, where)
            hashes[key] = hashlib.blake2b(form, digest_size=16).digest()
        try:
            payload = b"m" + _encode(dict(outputs))
        except (UnicodeEncodeError, RecursionError):
            return self._mixed(outputs, where)
        if len(payload) > LONG:
            return self._mixed(outputs, where)
        return Packed(payload, hashes, "", _files(outputs))

    def load_outputs(self, payload: bytes, loaded: Loaded | None = None) -> Outputs:
        """The outputs that `dump_outputs` wrote; what is not plain is read when it is first used.

        `loaded` is told key, value and content hash of each value that is read then.
        """
        if payload[:1] == b"m":
            return Outputs(self.load(payload, "node's outputs"))
        if payload[:1] == b"b":
            return self.load_outputs(self._blobs.get(self._body(payload)[0]), loaded)
        loaders: dict[str, Loader] = {}
        ready: dict[str, Any] = {}
        parts = self._body(payload)
        if payload[:1] != b"o" or not isinstance(parts, dict):
            raise DamagedRecord("a node's outputs", f"they begin with {payload[:1]!r}")
        for key, part in parts.items():
            loaders[key] = functools.partial(self._load_output, key, part, loaded)
            if part[:1] == b"m":
                ready[key] = loaders[key]()
        return Outputs.lazy(loaders, ready)

    def _load_output(self, key: str, part: bytes, loaded: Loaded | None) -> Any:
        value = self.load(part, f"output {key!r}")
        if loaded is not None:
            loaded(key, value, hashlib.blake2b(self._content(value, part), digest_size=16).digest())
        return value

    def _body(self, payload: bytes) -> Any:
        try:
            return _decode(memoryview(payload)[1:])
        except msgspec.DecodeError as error:
            raise DamagedRecord("a node's outputs", str(error)) from error

    def _mixed(self, outputs: Mapping[str, Any], where: str) -> Packed:
        parts: dict[str, bytes] = {}
        hashes: dict[str, bytes] = {}
        lost: list[str] = []
        for key, value in outputs.items():
            try:
                parts[key] = self.dump(value, f"output {key!r} of {where}")
            except NotStorable as error:
                lost.append(str(error))
                parts[key] = b"h" + _encode([error.what, error.type_name, error.why])
            else:
                hashes[key] = hashlib.blake2b(self._content(value, parts[key]), digest_size=16).digest()
        payload = self._fitted(b"o" + _encode(parts), outputs)
        return Packed(payload, hashes, "; ".join(lost), _files(outputs))

    @staticmethod
    def _content(value: Any, payload: bytes) -> bytes:
        """What the hash of an output is made of: where dicts and sets could differ by order, their canonical form."""
        return canonical(value).data if plain(value) else payload

    def _payload(self, value: Any, what: str) -> bytes:
        try:
            if plain(value):
                return b"m" + _encode(value)
            writer = tagged.Writer(self._leaf, functools.partial(self._pickled_leaf, what), self._find)
            return b"t" + tagged.pack(writer.tree(value))
        except (tagged.NotATree, UnicodeEncodeError, RecursionError):
            return b"p" + _encode([about_value(value), self._pickled(value, what)])

    def _fitted(self, payload: bytes, value: Any) -> bytes:
        if len(payload) <= LONG:
            return payload
        shown = about_value(value)
        return b"b" + _encode([self._blobs.put(payload), len(payload), shown])

    def _leaf(self, code: int, data: bytes, shown: str) -> Any:
        if len(data) <= LONG // 4:
            return tagged.Ext(code, _encode([shown, data]))
        return tagged.Ext(tagged.BLOB, _encode([self._blobs.put(data), len(data), code, shown]))

    def _leaf_value(self, code: int, parts: list[Any]) -> Any:
        if code == tagged.BLOB:
            digest, _, code, shown = parts
            parts = [shown, self._blobs.get(digest)]
        shown, data = parts
        if code == tagged.PICKLE:
            return self._unpickled(shown, data)
        if code == tagged.ARRAY:
            return tagged.load_npy(data)
        if code in (tagged.PANDAS, tagged.POLARS):
            return tagged.load_frame(code, data)
        return data.decode() if code == tagged.STR else data

    def _pickled_leaf(self, what: str, value: Any) -> Any:
        return self._leaf(tagged.PICKLE, self._pickled(value, what), about_value(value))

    def _pickled(self, value: Any, what: str) -> bytes:
        file = io.BytesIO()
        try:
            _Pickler(file).dump(value)
        except Exception as error:  # pickling runs the value's own code
            raise NotStorable(what, _named(type(value)), str(error) or type(error).__name__) from error
        data = file.getvalue()
        return self._keyring.sign(PICKLE_ROLE, data) + data

    def _unpickled(self, shown: str, signed: bytes) -> Any:
        mac, data = signed[:MAC_SIZE], signed[MAC_SIZE:]
        if not self._keyring.verify(PICKLE_ROLE, data, mac):
            raise Untrusted(f"a pickled {shown}")
        try:
            return pickle.loads(data)
        except AetherGraphError:
            raise
        except Exception as error:  # unpickling runs the value's own code
            raise NotLoadable(shown, f"{type(error).__name__}: {error}") from error

    def _find(self, name: str) -> type:
        """The class `module:qualname`, among what is loaded or the run's own definitions; nothing is imported."""
        module, _, qualname = name.partition(":")
        loaded = vars(sys.modules[module]) if module in sys.modules else {}
        own = self._namespace()
        for names in (own, loaded) if module == "__main__" or not loaded else (loaded, own):
            found = _walk(names, qualname)
            if isinstance(found, type):
                return found
        if module == "__main__":
            raise NotLoadable(qualname, f"no cell of this kernel defines {qualname!r}: run the cell that does")
        how = f"{module} has no {qualname} now" if loaded else f"run `import {module}` and read it again"
        raise NotLoadable(qualname, how)


class _Whole(Codec):
    """Puts nothing elsewhere."""

    def _fitted(self, payload: bytes, value: Any) -> bytes:
        return payload

    def _leaf(self, code: int, data: bytes, shown: str) -> Any:
        return tagged.Ext(code, _encode([shown, data]))


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle, but what is alive only in this process is refused rather than copied as something else."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, (io.IOBase, socket.socket)) and not isinstance(value, (io.BytesIO, io.StringIO)):
            raise pickle.PicklingError(f"it holds an open {type(value).__name__}")
        return super().reducer_override(value)


def _walk(names: Mapping[str, Any], qualname: str) -> Any:
    first, *rest = qualname.split(".")
    found = names.get(first)
    for name in rest:
        found = getattr(found, name, None)
    return found


def _named(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _files(outputs: Mapping[str, Any]) -> list[File]:
    found: dict[str, File] = {}
    for value in outputs.values():
        kind = type(value)
        inner = value.values() if kind is dict else value if kind in (list, tuple) else (value,)
        for item in inner:
            if isinstance(item, PurePath) or (type(item) is str and _looks_like_path(item)):
                _add_file(found, str(item))
    return list(found.values())


def _looks_like_path(text: str) -> bool:
    return len(text) <= PATH_LIMIT and ("/" in text or os.sep in text) and "\n" not in text and "\0" not in text


def _add_file(found: dict[str, File], path: str) -> None:
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return  # it names nothing here
    if os.path.isfile(path) and not is_upload(path):
        found[path] = (path, stat.st_size, stat.st_mtime_ns)


def preview_args(args: tuple[Any, ...] | list[Any], kwargs: Mapping[str, Any], *, flat: bool = False) -> bytes:
    """The arguments of a call for its fact: `m` and msgpack of both where plain and small, else `t` and a text.

    flat: it is known that all are numbers, None or short texts.
    """
    values = (args, kwargs) if flat else [list(args), dict(kwargs)]
    if flat or plain(values):
        try:
            packed: bytes = _encode(values)
        except (UnicodeEncodeError, RecursionError):
            packed = b" " * (ARGS_LIMIT + 1)
        if len(packed) <= ARGS_LIMIT:
            return b"m" + packed
    shown = [about_value(arg) for arg in args] + [f"{name}={about_value(arg)}" for name, arg in kwargs.items()]
    return b"t" + cut(", ".join(shown)).encode("utf-8", "replace")


def about(payload: bytes) -> str:
    """What a payload holds, in at most 200 characters, without loading anything or needing trust."""
    kind, body = payload[:1], memoryview(payload)[1:]
    try:
        if kind == b"m":
            return about_value(_decode(body))
        if kind == b"t":
            return about_value(_read_about(body))
        if kind == b"p":
            return cut(str(_decode(body)[0]))
        if kind == b"b":
            return cut(str(_decode(body)[2]))
        if kind == b"o":
            return about_value({key: Text(about(part)) for key, part in _decode(body).items()})
        if kind == b"h":
            return cut(f"{_decode(body)[1]} (not stored)", LIMIT)
    except (AetherGraphError, *_DAMAGE):
        return "(damaged)"
    return "(unknown kind of value)"


def about_outputs(payload: bytes) -> dict[str, str]:
    """`about` for each output."""
    try:
        body = _decode(memoryview(payload)[1:])
    except msgspec.DecodeError:
        return {}
    if payload[:1] == b"m" and isinstance(body, dict):
        return {key: about_value(value) for key, value in body.items()}
    if payload[:1] == b"o":
        return {key: about(part) for key, part in body.items()}
    return {"": about(payload)}
