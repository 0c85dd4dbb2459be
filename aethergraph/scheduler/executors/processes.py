"""A pool of worker processes, spawned and never forked, each of which can be killed or crash for itself."""

from __future__ import annotations

import atexit
import io
import linecache
import os
import pickle
import signal
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

from ... import errors
from ...errors import NotSendable, WorkerDied
from . import worker


class _Worker:
    """One process. Used by one thread at a time; `kill` by any."""

    def __init__(self) -> None:
        boot = worker.BOOT.format(path=[path or os.getcwd() for path in sys.path])
        self._process = subprocess.Popen(
            [sys.executable, "-c", boot], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ
        )
        self._killed = ""

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def run(self, task: bytes, told: Callable[[str, bool], object], who: str) -> bytes:
        """Run a task; `told(text, err)` gets what it prints.

        Raises:
            WorkerDied: the process ended before it answered.
        """
        tasks, answers = self._process.stdin, self._process.stdout
        assert tasks is not None and answers is not None
        try:
            worker.write(tasks, task)  # type: ignore[arg-type]
            while (answer := worker.read(answers))[:1] == worker.OUT:  # type: ignore[arg-type]
                told(answer[2:].decode(), answer[1:2] == b"2")
        except (EOFError, OSError):
            code = self._process.wait()
            raise WorkerDied(who, self._killed or _how(code)) from None
        return answer

    def kill(self, why: str) -> None:
        """End it now, whatever it does."""
        self._killed = why
        self._process.kill()

    def close(self) -> None:
        """Let go of it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was still to be written goes nowhere
                    continue


def _how(code: int) -> str:
    if code < 0:
        try:
            return f"it was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"it was ended by signal {-code}"
    return f"it exited with code {code}"


class Processes:
    """The workers of this process. One that is free is used again; one that died is replaced when it is needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._kept = os.cpu_count() or 1

    def call(self, call: Call) -> Any:
        """Run `call` in a worker and wait for it.

        Raises:
            WorkerDied: the process ended before it answered: it crashed, or the call was stopped.
            NotSendable: function or arguments cannot be sent.
        """
        task = _pack(call)
        one = self._take()
        try:
            if not call.begin(one):
                raise WorkerDied(call.who, call.stopped)
            answer = one.run(task, call.told, call.who)
        except BaseException:
            self._drop(one)
            raise
        call.end()
        self._give_back(one)
        return worker.unpack(answer)

    def _take(self) -> _Worker:
        while (one := self._pop()) is not None:
            if one.alive:
                return one
            self._drop(one)  # it died while nobody used it: its pipes are still open here
        made = _Worker()
        with self._lock:
            self._all.add(made)
        return made

    def _pop(self) -> _Worker | None:
        with self._lock:
            return self._free.pop() if self._free else None

    def _give_back(self, one: _Worker) -> None:
        with self._lock:
            if one.alive and len(self._free) < self._kept:
                self._free.append(one)
                return
        self._drop(one)

    def _drop(self, one: _Worker) -> None:
        with self._lock:
            self._all.discard(one)
        one.close()

    def close(self) -> None:
        """End them all."""
        with self._lock:
            every, self._all, self._free = list(self._all), set(), []
        for one in every:
            one.close()


class Call:
    """One function to be run in a worker. `stop` may come from any thread, before it has begun and after it has ended.

    who: the node, for messages. told: gets what it prints, and whether that went to standard error.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        who: str,
        told: Callable[[str, bool], object],
    ) -> None:
        self.fn, self.args, self.kwargs, self.who, self.told = fn, tuple(args), dict(kwargs), who, told
        self.stopped = ""
        self._worker: _Worker | None = None
        self._lock = threading.Lock()

    def begin(self, one: _Worker) -> bool:
        """`one` runs it from now on; False where it was stopped before."""
        with self._lock:
            self._worker = one
            return not self.stopped

    def end(self) -> None:
        """Its worker has answered, and will do other work."""
        with self._lock:
            self._worker = None

    def stop(self, why: str) -> None:
        """Kill the process that runs it."""
        with self._lock:
            self.stopped = why
            if self._worker is not None:
                self._worker.kill(why)


def _pack(call: Call) -> bytes:
    """A task: the function by value, with source and name of its cells, so that tracebacks show lines."""
    try:
        made = _dumps((call.fn, call.args, call.kwargs))
    except Exception as error:
        raise NotSendable(call.who, f"{type(error).__name__}: {error}") from error
    sources = _sources(call.fn)
    named = errors.cell_name
    names = {file: named(file) for file in sources} if named is not None else {}
    return pickle.dumps((sources, names, made))


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle, which takes the file name away from code: without it no traceback can show a line."""

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, types.CodeType):
            return super().reducer_override(obj)
        make, parts = cloudpickle.Pickler.dispatch_table[types.CodeType](obj)
        return make, tuple(obj.co_filename if part == "<dynamic-code>" else part for part in parts)


def _dumps(value: Any) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream).dump(value)
    return stream.getvalue()


def _sources(fn: Any) -> dict[str, Any]:
    """The lines of cells that `fn` and the functions that it uses were defined in."""
    found: dict[str, Any] = {}
    todo, seen = [fn], set[int]()
    while todo:
        one = todo.pop()
        code = getattr(one, "__code__", None)
        if code is None:
            inner = getattr(one, "__wrapped__", None)
            todo += [inner] if inner is not None else []
            continue
        if id(code) in seen:
            continue
        seen.add(id(code))
        file = code.co_filename
        if file in linecache.cache and not os.path.exists(file):
            entry = linecache.cache[file]
            found[file] = (entry[0], None, *entry[2:]) if len(entry) > 1 else entry
        names = one.__globals__
        todo += [names[name] for name in code.co_names if callable(names.get(name))]
    return {file: entry for file, entry in found.items() if len(entry) > 1}


POOL = Processes()
atexit.register(POOL.close)
