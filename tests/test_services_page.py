"""`docs/services.md` is what the docstrings say; each method that is promised is there, and some test calls it."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from aethergraph.context import NodeContext
from aethergraph.services.runs import Runs
from aethergraph.services.service import Service

ROOT = Path(__file__).resolve().parent.parent
TESTS = {
    path: path.read_text(encoding="utf-8")
    for path in (ROOT / "tests").rglob("*.py")
    if path != Path(__file__).resolve() and path.parent.name != "typing"
}

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


@pytest.mark.parametrize(("service", "method"), ALL)
def test_some_test_calls_it(service: str, method: str) -> None:
    """In tests of services that name it, or right behind its accessor (`context.kv().get(`); two words: anywhere."""
    called = re.compile(rf"(\.|def ){method}\(")
    if service in ("", "Service") or "_" in method:
        assert any(called.search(text) for text in TESTS.values()), f"no test calls {method}"
        return
    own = [text for path, text in TESTS.items() if path.parent.name == "services" and service.rstrip("s") in text]
    behind = re.compile(rf"\.{service}\([^()]*\)\.{method}\(")
    assert any(map(called.search, own)) or any(map(behind.search, TESTS.values())), f"no test calls {service}.{method}"
