"""`%aether` in a real IPython, over a real store."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from aethergraph import Run, Runtime, graph_fn
from aethergraph.code import definitions
from aethergraph.errors import AlreadyAnswered, BudgetExceeded, UnknownRun
from aethergraph.record.facts import WaitOpened
from aethergraph.record.forms import Field
from aethergraph.record.schema import make
from aethergraph.record.status import RunStatus
from aethergraph.storage.keyring import Keyring
from jupyter_ext import cells, commands, notebook, run_view
from jupyter_ext.commands import keeping
from jupyter_ext.commands import runs as running
from jupyter_ext.commands.answering import meant
from jupyter_ext.magics import AetherMagics
from jupyter_ext.patches import head
from jupyter_ext.settings import Settings
from jupyter_ext.static_copy import bundle


@graph_fn
async def study(x: int = 3, *, context: Any) -> dict[str, Any]:
    name = await context.channel("inbox").ask_choice("Which one?", ["svm", "tree"], name="which")
    return {"y": 2 * x, "name": name}


@graph_fn
async def broken() -> dict[str, Any]:
    raise ValueError("<b>no</b>")


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    monkeypatch.setenv("AETHERGRAPH_INTERACTIVE", "1")
    runtime = Runtime(tmp_path / "store", keyring=Keyring(tmp_path / "key"), durability="process")
    with runtime.use():
        yield runtime
    runtime.close()


@pytest.fixture
def ip(shell: InteractiveShell, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> InteractiveShell:
    monkeypatch.setattr(keeping, "settings", Settings())
    shell.register_magics(AetherMagics)
    return shell


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose view was opened."""
    ids: list[str] = []
    monkeypatch.setattr(run_view, "open_view", lambda run: ids.append(run.run_id))
    return ids


def asking(runtime: Runtime, x: int = 3) -> Run:
    """A run whose question is open."""
    run, asked = runtime.start(study, study.bind((x,), {})), threading.Event()
    run.follow(lambda facts: asked.set() if any(isinstance(fact, WaitOpened) for fact in facts) else None)
    assert asked.wait(30)
    return run


def paused(runtime: Runtime, x: int = 3) -> str:
    run = asking(runtime, x)
    run.pause("its kernel went away")
    ended(run)
    return run.run_id


def failed(runtime: Runtime) -> str:
    run = runtime.start(broken, {})
    ended(run)
    return run.run_id


def ended(run: Run) -> None:
    assert run.future.exception(30) is not None


def do(ip: InteractiveShell, line: str) -> None:
    ip.run_line_magic("aether", line)


def test_alone_it_lists_the_runs(ip: InteractiveShell, runtime: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = paused(runtime), failed(runtime)
    do(ip, "")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 runs"
    assert lines[2].startswith(second) and "✗ failed: " in lines[2] and f"%aether resume {second}" in lines[2]
    assert lines[3].startswith(first) and "‖ paused" in lines[3] and "1 answer" in lines[3]


def test_resume_shows_the_plan_and_returns_at_once(
    ip: InteractiveShell, runtime: Runtime, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "live", lambda: True)
    run_id = paused(runtime)
    ip.user_ns["study"] = study
    do(ip, f"resume {run_id}")
    assert f"resuming {run_id}: 1 runs" in capsys.readouterr().out
    run = runtime.live[run_id]
    do(ip, f"answer {run_id} tree")
    assert run.result(30) == {"y": 6, "name": "tree"}


def test_resume_without_a_run_takes_the_only_one_of_this_notebook(
    ip: InteractiveShell, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "live", lambda: True)
    run_id = paused(runtime)
    do(ip, "resume")
    assert list(runtime.live) == [run_id]


def test_resume_starts_nothing_where_several_fit(
    ip: InteractiveShell, runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = paused(runtime), paused(runtime)
    do(ip, "resume")
    said = capsys.readouterr().out
    assert "2 runs of this notebook fit; say which one" in said
    assert f"%aether resume {first}" in said and f"%aether resume {second}" in said
    assert not runtime.live


def test_resume_starts_nothing_of_another_notebook(
    ip: InteractiveShell, runtime: Runtime, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = paused(runtime)
    monkeypatch.setattr(notebook, "session", lambda: "another.ipynb")
    do(ip, "resume")
    said = capsys.readouterr().out
    assert "none of these runs was started in this notebook" in said and f"%aether resume {run_id}" in said
    assert not runtime.live


def test_resume_with_nothing_to_resume_says_so(ip: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    do(ip, "resume")
    assert capsys.readouterr().out == "no unfinished run in this store\n"


def test_resume_of_a_live_run_shows_it(ip: InteractiveShell, runtime: Runtime, opened: list[str]) -> None:
    run = asking(runtime)
    do(ip, f"resume {run.run_id}")
    assert opened == [run.run_id]


def test_resume_of_a_run_that_is_just_leaving_goes_on_with_it(
    ip: InteractiveShell, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(notebook, "live", lambda: True)
    ip.user_ns["study"] = study
    run = asking(runtime)
    entered, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        let_go.wait(30)

    run.execution.host.call(hold)  # type: ignore[union-attr]
    assert entered.wait(30)
    run.pause("it was told to")
    threading.Timer(0.2, let_go.set).start()
    do(ip, f"resume {run.run_id}")
    assert "already" not in capsys.readouterr().out
    again = runtime.live[run.run_id]
    assert again is not run and again.live
    again.answer("svm")
    assert again.result(30) == {"y": 6, "name": "svm"}


def test_resume_of_a_done_run_names_what_to_do_instead(ip: InteractiveShell, runtime: Runtime) -> None:
    run_id = done(runtime)
    with pytest.raises(UsageError, match=f"{run_id} is done already; `%aether show {run_id}`"):
        do(ip, f"resume {run_id}")


@graph_fn
async def tiring() -> dict[str, Any]:
    await asyncio.sleep(3600)
    return {}


@pytest.mark.parametrize("given", ["--budget", "--budget soon", "--budget 0", "--budget -3"])
def test_a_budget_that_is_none_is_told_with_how_one_is_written(
    ip: InteractiveShell, runtime: Runtime, given: str
) -> None:
    run_id = paused(runtime)
    with pytest.raises(UsageError, match="write seconds at work, above 0, as in `%aether resume RUN --budget 120`"):
        do(ip, f"resume {run_id} {given}")
    assert runtime.load(run_id).status is RunStatus.PAUSED


def test_what_was_paused_for_its_budget_says_that_it_needs_another_one(
    ip: InteractiveShell, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "live", lambda: True)
    ip.user_ns["tiring"] = tiring
    run_id = paused(runtime)
    assert head(runtime.load(run_id).picture(), 0.0, live=False)["needs"] == ""
    run = runtime.start(tiring, {}, budget=0.05)
    assert isinstance(run.future.exception(30), BudgetExceeded)
    picture = run.picture()
    assert head(picture, 0.0, live=False)["needs"] == " --budget SECONDS"
    for text in bundle(picture, live=False).values():
        assert f"%aether resume {run.run_id} --budget SECONDS" in text
    with pytest.raises(UsageError, match=r"its budget is used up: \S+ of 0.05 seconds at work"):
        do(ip, f"resume {run.run_id}")
    do(ip, f"resume {run.run_id} --budget 3600")
    again = runtime.live[run.run_id]
    assert again.live
    do(ip, f"resume {run.run_id} --budget 3600")
    with pytest.raises(UsageError, match="goes on in this process, with a budget of 3600 seconds"):
        do(ip, f"resume {run.run_id} --budget 7")
    again.cancel()
    ended(again)


def done(runtime: Runtime) -> str:
    run = asking(runtime)
    run.answer("svm")
    run.result(30)
    return run.run_id


def test_where_nobody_looks_resume_waits_for_the_end(
    ip: InteractiveShell, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "live", lambda: False)
    run_id = paused(runtime)
    monkeypatch.setenv("AETHERGRAPH_ANSWERS", '{"which": "svm"}')
    do(ip, f"resume {run_id}")
    assert runtime.load(run_id).outputs == {"y": 6, "name": "svm"}


def test_but_not_for_answers_that_come_from_elsewhere(
    ip: InteractiveShell, runtime: Runtime, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "live", lambda: False)
    monkeypatch.setattr(running, "PARKED_S", 0.01)
    run_id = paused(runtime)
    do(ip, f"resume {run_id}")
    assert f"{run_id} waits for: Which one?" in capsys.readouterr().out


def test_show_opens_the_view(ip: InteractiveShell, runtime: Runtime, opened: list[str]) -> None:
    first, second = done(runtime), done(runtime)
    do(ip, f"show {first}")
    do(ip, "show")
    assert opened == [first, second]


def test_waits_lists_open_questions(ip: InteractiveShell, runtime: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    run = asking(runtime)
    do(ip, "waits")
    shown = capsys.readouterr().out
    token = run.waits[0].token
    assert f"%aether answer {token[:8]} ..." in shown and token not in shown  # enough of it to be typed


@pytest.mark.parametrize("value", ["tree", "2", "TREE"])
def test_answer_takes_a_token_or_its_beginning(ip: InteractiveShell, runtime: Runtime, value: str) -> None:
    run = asking(runtime)
    do(ip, f"answer {run.waits[0].token[:8]} {value}")
    assert run.result(30)["name"] == "tree"


def test_answer_takes_paths_and_a_form_as_json(tmp_path: Path) -> None:
    (tmp_path / "my table.csv").write_text("x")
    files = make("files", "Data?", multiple=True)
    assert meant(files, str(tmp_path / "my table.csv")) == [str(tmp_path / "my table.csv")]
    assert meant(files, "a.csv b.csv") == meant(files, '["a.csv", "b.csv"]') == ["a.csv", "b.csv"]
    form = make("form", "Which?", form=[Field("name")])
    assert meant(form, '{"name": "svm"}') == {"name": "svm"}
    with pytest.raises(UsageError, match="is not JSON"):
        meant(form, "{name")


def test_answers_that_are_not_taken_say_why(ip: InteractiveShell, runtime: Runtime) -> None:
    run, other = asking(runtime), asking(runtime)
    token = run.waits[0].token
    for line, why in (
        (f"answer {token} oak", "'oak' is none of 'svm', 'tree'; the question is still open"),
        ("answer nosuch x", "no question 'nosuch'"),
        ("answer ask x", "2 questions fit 'ask'; say which one:"),
        ("answer ask x", f"  {token[:8]}  Which one?"),
        ("answer", "write `%aether answer TOKEN value`"),
    ):
        with pytest.raises(UsageError, match=why):
            do(ip, line)
    do(ip, f"answer {token} svm")
    with pytest.raises(UsageError) as caught:
        do(ip, f"answer {token} tree")
    assert isinstance(caught.value.__cause__, AlreadyAnswered)
    other.cancel()


def test_cancel_is_final(ip: InteractiveShell, runtime: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    run = asking(runtime)
    do(ip, f"cancel {run.run_id}")
    ended(run)
    assert capsys.readouterr().out == f"cancelled {run.run_id}\n"
    with pytest.raises(UsageError, match="is cancelled already"):
        do(ip, f"cancel {run.run_id}")


def test_retry_is_for_failed_runs(ip: InteractiveShell, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "live", lambda: True)
    run_id, other = failed(runtime), done(runtime)
    ip.user_ns["broken"] = broken
    do(ip, "retry")
    assert runtime.load(run_id).flow().opened.epoch == 2  # type: ignore[union-attr]
    with pytest.raises(UsageError, match=f"{other} is done, not failed; `%aether show {other}` shows it"):
        do(ip, f"retry {other}")


@pytest.mark.parametrize("command", ["retry", "resume", "resume --wait", "fork RUN"])
def test_an_error_of_a_step_is_not_told_as_one_of_the_line(
    ip: InteractiveShell, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(notebook, "live", lambda: False)
    run_id = failed(runtime)
    ip.user_ns["broken"] = broken
    with pytest.raises(ValueError, match="<b>no</b>") as caught:  # and no UsageError, which has no traceback
        do(ip, command.replace("RUN", run_id))
    assert caught.traceback[-1].name == "broken"


def test_load_binds_outputs(ip: InteractiveShell, runtime: Runtime) -> None:
    run_id = done(runtime)
    do(ip, f"load {run_id} name")
    assert ip.user_ns["name"] == "svm" and "y" not in ip.user_ns
    do(ip, f"load {run_id}")
    assert ip.user_ns["y"] == 6
    with pytest.raises(UsageError, match="has no output z; it has: y, name"):
        do(ip, f"load {run_id} z")
    unfinished = paused(runtime)
    with pytest.raises(UsageError, match="is paused and has no outputs yet"):
        do(ip, f"load {unfinished}")


def test_config_sets_and_shows(ip: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    do(ip, "config echo=on static=small")
    assert capsys.readouterr().out == "echo=on  (off | on)\nstatic=small  (full | small | off)\n"
    for line, why in (("config echo", "key=value"), ("config echo=loud", "echo is one of off, on; got 'loud'")):
        with pytest.raises(UsageError, match=why):
            do(ip, line)


def test_doctor_says_what_a_report_needs(
    ip: InteractiveShell, runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    do(ip, "doctor")
    said = capsys.readouterr().out
    for part in ("python", "IPython", "express lane", "not installed", str(runtime.store.folder), "kB"):
        assert part in said


def test_trust_shows_the_code_and_signs_it(
    ip: InteractiveShell,
    runtime: Runtime,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_id = paused(runtime)
    started = runtime.load(run_id).flow().started
    assert started is not None
    stored = definitions.Definition("import os\n\x1b[2Jprint(1)\n", "study")
    runtime.keyring, own = Keyring(tmp_path / "foreign"), runtime.keyring
    digest = definitions.save(runtime.store, stored, runtime.keyring)
    runtime.keyring = own
    monkeypatch.setattr("aethergraph.lifecycle.trusting._definition_digest", lambda run_id: digest)
    monkeypatch.setattr("builtins.input", lambda prompt: "n")
    do(ip, f"trust {run_id}")
    assert capsys.readouterr().out == "import os\nprint(1)\n\nnothing was changed\n"
    do(ip, f"trust {run_id} --yes")
    assert definitions.load_definition(runtime.store, own, digest) == stored
    capsys.readouterr()
    do(ip, f"trust {run_id}")
    assert "is trusted already" in capsys.readouterr().out


def test_what_it_does_not_know_names_what_it_knows(ip: InteractiveShell) -> None:
    with pytest.raises(UsageError, match="no 'resme'; did you mean `%aether resume`\\? It knows: runs, resume, show"):
        do(ip, "resme")
    for line in ("cancel", "load", "trust", "show a b", "resume a b"):
        with pytest.raises(UsageError, match="write `%aether"):
            do(ip, line)
    with pytest.raises(UsageError, match="no run 'nosuch'") as caught:
        do(ip, "show nosuch")
    assert isinstance(caught.value.__cause__, UnknownRun)


@pytest.mark.parametrize("line", ['fork "study', 'gc "study', "config 'static"])
def test_a_quotation_mark_that_is_not_closed_is_shown(ip: InteractiveShell, line: str) -> None:
    with pytest.raises(UsageError, match=f"a quotation mark is not closed in {line.split()[1]}"):
        do(ip, line)


@pytest.mark.parametrize("line", ["waits study", "doctor study", "runs 3"])
def test_words_that_a_command_does_not_know_are_not_passed_over(ip: InteractiveShell, line: str) -> None:
    word, rest = line.split()
    with pytest.raises(UsageError, match=f"`%aether {word}` takes nothing more, got '{rest}'"):
        do(ip, line)


@pytest.mark.parametrize("line", ["resume --wiat", "show --all", "gc --y", "load --all", "fork --at", "trust -y"])
def test_an_option_that_does_not_exist_is_not_taken_for_a_run(ip: InteractiveShell, line: str) -> None:
    word, option = line.split()
    with pytest.raises(UsageError, match=f"`%aether {word}` has no option {option}"):
        do(ip, line)


@pytest.mark.parametrize("word", ["help", "--help", "-h", "?"])
def test_help_tells_of_every_command(ip: InteractiveShell, capsys: pytest.CaptureFixture[str], word: str) -> None:
    do(ip, word)
    told = capsys.readouterr().out
    assert [name for name in commands.COMMANDS if f"%aether {name}" not in told] == []
    assert told.strip() in inspect.cleandoc(ip.find_line_magic("aether").__doc__), "so does `%aether?`"


def test_the_table_has_a_name_too(ip: InteractiveShell, runtime: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = done(runtime)
    do(ip, "runs")
    assert run_id in capsys.readouterr().out


def test_an_answer_to_a_run_that_asks_nothing_says_so(ip: InteractiveShell, runtime: Runtime) -> None:
    run_id = done(runtime)
    with pytest.raises(UsageError, match=f"{run_id} asks nothing now: it is done"):
        do(ip, f"answer {run_id} svm")


def test_an_error_is_one_line_and_fails_the_cell(ip: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    assert not ip.run_cell("%aether show nosuch").success
    said = capsys.readouterr()
    assert (said.out + said.err).startswith("UsageError: no run 'nosuch'")


def test_tab_completes(ip: InteractiveShell, runtime: Runtime) -> None:
    run_id, other = paused(runtime), done(runtime)

    def offered(line: str) -> list[str]:
        symbol = ip.Completer.splitter.split_line(line)  # the part of a word that IPython would replace
        return commands.complete(ip, SimpleNamespace(line=line, text_until_cursor=line, symbol=symbol))

    assert "resume" in offered("%aether ") and "resume" in offered("%aether res")
    assert "resume" in offered("%aether\t") and offered("%aether") == []
    assert offered("%aether resume ") == [run_id]
    assert offered("%aether load stu") == [other] and offered("%aether load nosuch") == []
    for typed in range(1, len(other)):  # also behind its dash, where a word ends for IPython
        line = f"%aether load {other[:typed]}"
        kept = line[: len(line) - len(ip.Completer.splitter.split_line(line))]
        assert [kept + word for word in offered(line)] == [f"%aether load {other}"]
    assert offered("%aether config e")[0] == "echo=off" and offered("%aether config echo=o") == ["off", "on"]
    assert offered("%aether answer ") == [runtime.waits()[0].token]
    assert offered("%aether resume x y ") == [] and offered("%aether doctor ") == []


def test_the_cell_magics_define_when_called_as_such(ip: InteractiveShell) -> None:
    ip.input_transformers_cleanup.append(
        lambda lines: cells.transform(lines, ip.input_transformer_manager.transform_cell)
    )
    ip.run_cell_magic("tool", "double(x) -> y", "y = 2 * x")
    assert ip.user_ns["double"].fn(4) == {"y": 8}
    run = ip.run_cell_magic("graph_fn", "--run four(x=4) -> y", "y = x")
    assert run.result(30) == {"y": 4}
    with pytest.raises(SyntaxError, match="needs a name"):
        ip.run_cell_magic("tool", "", "y = 1")
    assert "The cell is the body of an agent" in (AetherMagics.graph_fn.__doc__ or "")


def test_fork_starts_a_run_with_other_inputs_or_another_answer(
    ip: InteractiveShell, runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    run = asking(runtime)
    run.answer("svm")
    run.result(30)
    ip.run_line_magic("aether", f"fork {run.run_id} at=ask answer=2")
    assert f"is a fork of {run.run_id} at ask" in capsys.readouterr().out
    fork = runtime.load(runtime.runs()[0].run_id)
    assert fork.result(30) == {"y": 6, "name": "tree"}
    ip.run_line_magic("aether", f"fork {run.run_id} x=5")
    other = runtime.load(runtime.runs()[0].run_id)
    assert other.result(30) == {"y": 10, "name": "svm"}


def test_fork_says_what_does_not_fit(ip: InteractiveShell, runtime: Runtime) -> None:
    run = asking(runtime)
    with pytest.raises(UsageError, match="no node 'ak' in run"):
        ip.run_line_magic("aether", f"fork {run.run_id} at=ak")
    with pytest.raises(UsageError, match="got 'x'"):
        ip.run_line_magic("aether", f"fork {run.run_id} x")
    with pytest.raises(UsageError, match="is a question and has no inputs"):
        ip.run_line_magic("aether", f"fork {run.run_id} at=ask x=1")


def test_gc_shows_first_and_deletes_only_when_told(
    ip: InteractiveShell, runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = failed(runtime)
    kept = failed(runtime)
    ip.run_line_magic("aether", "gc keep=1")
    told = capsys.readouterr().out
    assert "would delete 1 run" in told and run_id in told and "delete it with: %aether gc keep=1 --yes" in told
    assert {info.run_id for info in runtime.runs()} == {run_id, kept}
    ip.run_line_magic("aether", "gc keep=1 --yes")
    assert "\n  " + run_id in capsys.readouterr().out
    assert {info.run_id for info in runtime.runs()} == {kept}
    ip.run_line_magic("aether", f"gc {kept} --yes")
    assert runtime.runs() == []
    with pytest.raises(UsageError, match=r"got 'older_than=3'"):
        ip.run_line_magic("aether", "gc older_than=3")


def test_the_table_of_runs_tells_how_large_the_store_is_and_once_that_it_is_too_large(
    ip: InteractiveShell, runtime: Runtime, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed(runtime)
    ip.run_line_magic("aether", "")
    told = capsys.readouterr().out
    assert f"store: {runtime.store.folder} (" in told and "grown large" not in told
    monkeypatch.setattr(running, "ROOMY", 1000)
    for expected in (1, 0):
        ip.run_line_magic("aether", "")
        assert capsys.readouterr().out.count("`%aether gc older_than=30d` tells") == expected


def test_export_writes_an_agent_and_proves_it_by_its_last_run(
    ip: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ip.run_cell("from aethergraph import graph_fn, tool\n\n\n@tool(outputs=['y'])\ndef twice(x):\n    return 2 * x")
    ip.run_cell(
        "@graph_fn(outputs=['y'])\nasync def doubled(x: int = 3):\n    out = await twice(x)\n    return {'y': out.y}"
    )
    ip.run_cell("run = __import__('aethergraph').run(doubled, x=4)")
    ip.run_line_magic("aether", "export doubled -o made/doubled.py --verify")
    told = capsys.readouterr().out
    assert "doubled is written to made/doubled.py" in told.replace("\\", "/")
    assert "all 2 equal" in told
    assert "def doubled(x: int = 3):" in (tmp_path / "made" / "doubled.py").read_text()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("export", "write `%aether export NAME"),
        ("export nothing", "there is no agent 'nothing' here"),
        ("export study extra", "got 'extra'"),
        ("export study --verify", "no run of study that is done"),
    ],
)
def test_export_tells_what_is_wrong(ip: InteractiveShell, line: str, says: str) -> None:
    ip.user_ns["study"] = study
    with pytest.raises(UsageError, match=says):
        ip.run_line_magic("aether", line)
