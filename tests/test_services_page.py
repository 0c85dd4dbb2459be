"""`docs/services.md` is what the docstrings say; each method that is promised is there, and runs when it is called."""

from __future__ import annotations

import functools
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from aethergraph import Runtime
from aethergraph.context import NodeContext
from aethergraph.services.progress import Bar
from aethergraph.services.runs import Runs
from aethergraph.services.service import Service
from aethergraph.services.streaming import Stream
from aethergraph.services.writer import Writer
from tests.channels.receiver import receiver
from tests.crash import calls, effects

ROOT = Path(__file__).resolve().parent.parent

# By service: "" is the context itself, "Service" the base of a user's own.
PROMISED = {
    "channel": """send_text send_rich send_image send_file send_buttons send_phase send ask_text ask_approval ask_choice
        ask_number ask_form ask_files ask_file wait_text stream progress get_latest_uploads get_last_uploads""",
    "artifacts": """save_file save save_text save_json save_bytes save_figure save_dataframe save_object writer
        ingest_file ingest_dir stage_path stage_dir tmp_path list search best get_by_id pin as_local_file as_local_dir
        to_local_path load_bytes load_text load_json load_bytes_by_id load_text_by_id load_json_by_id load_object
        write_text""",
    "memory": """record record_chat record_chat_user record_chat_assistant record_chat_system record_tool_result
        write_result record_raw recent recent_data recent_chat chat_history_for_llm recent_tool_results
        recent_tool_result_data last_by_name get_last_outputs_for_topic search distill_long_term distill_meta_summary
        load_last_summary load_recent_summaries soft_hydrate_last_summary build_prompt_segments""",
    "kv": """get set delete expire mget mset list_append_unique list_pop_all purge_expired incr compare_and_set""",
    "viz": "scalar vector matrix image_from_bytes image_from_artifact figure table",
    "clock": "now sleep",
    "logger": "info warning error exception",
    "Service": "start close ctx critical run_blocking answer",
    "": """channel artifacts memory kv viz clock logger random progress idempotency_key svc timeout wait_event
        continue_as_new create_continuation wait_for_resume spawn_run wait_run run_and_wait cancel_run""",
}
ALL = [(service, method) for service, methods in PROMISED.items() for method in methods.split()]


@pytest.fixture(scope="module")
def generator() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("make_services", ROOT / "docs" / "make_services.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_each_row_has_a_sentence_and_fits_its_table(generator: ModuleType) -> None:
    rows = [line for line in generator.page().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    for row in rows:
        how, what = re.fullmatch(r"\| `([^`]+)` \| (.+) \|", row).groups()  # type: ignore[union-attr]
        assert "(" in how and len(what) > 8, row


def class_of(generator: ModuleType, service: str) -> type | None:
    if service == "Service":
        return Service
    found: type | None = generator.services().get(service) if service else NodeContext
    return found


@pytest.mark.parametrize(("service", "method"), ALL)
def test_each_method_is_there_documented_and_told(generator: ModuleType, service: str, method: str) -> None:
    kind = class_of(generator, service)
    assert kind is not None, f"a context has no {service!r}"
    fn = getattr(kind, method, None) or getattr(Runs, method, None)
    assert callable(fn) and fn.__doc__, f"{kind.__name__} has no documented {method!r}"
    if service != "logger":  # whose methods are those of `logging`
        assert re.search(rf"[`.| ]{method}\(", generator.page()), f"{method} is not on the page"


INNER = {"stream": Stream, "progress bar": Bar, "writer": Writer}  # what some methods give
ELSEWHERE = {  # beside the table: these need a run that begins or ends
    ("Service", "start"), ("Service", "close"), ("logger", "process"),
}  # fmt: skip
FITTING = ("aethergraph.services.scope", "aethergraph.context")  # where a user's call passes


def watch(
    kind: type, service: str, generator: ModuleType, ran: set[tuple[str, str]], patch: pytest.MonkeyPatch
) -> None:
    """Have each public method of a class tell that code outside of the package called it."""
    for name, _ in generator.methods(kind):
        base = next(base for base in kind.__mro__ if name in vars(base))
        real = vars(base)[name]

        def call(*args: Any, _real: Any = real, _as: str = name, **kwargs: Any) -> Any:
            by = sys._getframe(1).f_globals["__name__"]
            if not by.startswith("aethergraph.") or by in FITTING:
                ran.add((service if isinstance(args[0], kind) else "", _as))
            return _real(*args, **kwargs)

        patch.setattr(base, name, functools.wraps(real)(call))


def documented(generator: ModuleType) -> dict[str, type]:
    """The classes whose methods the page tells, and what their methods give, by a name each."""
    known: dict[str, type] = dict(generator.services())
    return {**known, **INNER, "": NodeContext, "runs": Runs, "Service": Service}


@pytest.fixture(scope="module")
def ran(generator: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[tuple[str, str]]]:
    """The methods that ran when every call of the table was made, in a body, on a real store."""
    found: set[tuple[str, str]] = set()
    folder = tmp_path_factory.mktemp("calls")
    with pytest.MonkeyPatch.context() as patch, receiver() as server:
        for service, kind in documented(generator).items():
            watch(kind, service, generator, found, patch)
        patch.setenv(calls.HOOK, server.url)
        patch.setenv("AETHERGRAPH_KEY_FILE", str(folder / "key"))
        for number, name in enumerate(calls.CALLS):
            own = folder / str(number)
            own.mkdir()
            patch.setenv(calls.FOLDER, str(own))
            patch.setenv(calls.FILE, str(own / "said.txt"))
            effects.live(Runtime(own / "store"), name, "body")
    yield found


def test_each_documented_method_ran_in_a_call_of_the_table(generator: ModuleType, ran: set[tuple[str, str]]) -> None:
    """A method that is new has to get a row, by which it is killed in its middle, too."""
    of_context = set(generator.services())
    told = {(service, name) for service, kind in documented(generator).items() for name, _ in generator.methods(kind)}
    names = {name for _, name in ran}
    missing = {
        one for one in told - ran - ELSEWHERE
        if not (one[0] == "" and (one[1] in of_context or one[1] in names))  # accessors, and what `Runs` and `Waits` do
    }  # fmt: skip
    assert not missing, f"no row of tests/crash/calls.py calls these: {sorted(missing)}"


def test_a_method_that_nobody_calls_is_noticed(generator: ModuleType, ran: set[tuple[str, str]]) -> None:
    assert ("kv", "incr") in ran and ("kv", "cull") not in ran
    assert ("Service", "critical") in ran and ("writer", "write") in ran
