"""`%%graph_fn` and `%%tool` cells in a real IPython."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_ext import cells


@pytest.fixture
def ip(shell: InteractiveShell) -> Iterator[InteractiveShell]:
    shell.input_transformers_cleanup.append(
        lambda lines: cells.transform(lines, shell.input_transformer_manager.transform_cell)
    )
    yield shell


def ran(ip: InteractiveShell, cell: str) -> Any:
    result = ip.run_cell(cell)
    result.raise_error()
    return result.result


def refused(ip: InteractiveShell, cell: str) -> SyntaxError:
    error = ip.run_cell(cell).error_before_exec
    assert isinstance(error, SyntaxError), error
    return error


def text(ip: InteractiveShell, cell: str) -> str:
    return ip.transform_cell(cell)


def test_the_cell_becomes_one_function_line_for_line(ip: InteractiveShell) -> None:
    got = text(ip, "%%graph_fn study(x: int = 3) -> y, z\n\ny = await double(x)\nz = y\n")
    assert got.splitlines()[:5] == [
        "async def study(x: int = 3):",
        "",
        "    y = await double(x)",
        "    z = y",
        '    return {"y": y, "z": z}',
    ]


def test_outputs_come_from_the_variables_of_these_names(ip: InteractiveShell) -> None:
    ran(ip, "%%graph_fn study(x: int = 3) -> y, x\ny = x + 1")
    assert ip.user_ns["study"].outputs == ("y", "x")
    assert ran(ip, "await study.fn(5)") == {"y": 6, "x": 5}


def test_a_body_that_returns_gets_no_second_return(ip: InteractiveShell) -> None:
    ran(ip, "%%graph_fn study(x) -> y\nif x:\n    return 1\nelse:\n    return 2\n")
    assert inspect.getsource(ip.user_ns["study"].fn).count("return") == 2


def test_a_path_that_falls_through_gives_what_was_assigned(ip: InteractiveShell) -> None:
    ran(ip, "%%tool fit(x) -> y, z\nif x:\n    return {'y': 1, 'z': 2}\ny = 3")
    assert ip.user_ns["fit"].fn(0) == {"y": 3}


def test_an_output_that_is_never_assigned_is_named(ip: InteractiveShell) -> None:
    error = refused(ip, "%%graph_fn study(x) -> y, z\ny = x\nfor i in []:\n    pass")
    assert "declares z after ->, but its body never assigns z" in str(error)
    assert error.lineno == 1


@pytest.mark.parametrize(
    ("body", "is_async"), [("y = await f()", True), ("async def g():\n    await f()\ny = 1", False)]
)
def test_a_tool_is_async_if_its_body_awaits(ip: InteractiveShell, body: str, is_async: bool) -> None:
    ran(ip, f"%%tool fit(x) -> y\n{body}")
    assert inspect.iscoroutinefunction(ip.user_ns["fit"].fn) is is_async


def test_an_agent_is_always_async(ip: InteractiveShell) -> None:
    ran(ip, "%%graph_fn study\nreturn 1")
    assert inspect.iscoroutinefunction(ip.user_ns["study"].fn)


def test_context_is_a_parameter_where_the_body_uses_it(ip: InteractiveShell) -> None:
    assert text(ip, "%%graph_fn f(x)\nreturn context.run_id").startswith("async def f(x, *, context):\n")
    assert text(ip, "%%graph_fn f(x)\nreturn x").startswith("async def f(x):\n")


def test_strings_over_several_lines_keep_their_text(ip: InteractiveShell) -> None:
    body = "a = '''one\n two\nthree'''\nb = f'''{a}\nfour {\na}\n'''\nc = 'five\\\nsix'\n"
    expected: dict[str, Any] = {}
    exec(body, expected)
    ran(ip, f"%%tool fit -> a, b, c\n{body}")
    assert ip.user_ns["fit"].fn() == {name: expected[name] for name in "abc"}


def test_ipythons_own_syntax_works_in_the_body(ip: InteractiveShell) -> None:
    ran(ip, "%%tool fit(word) -> out\nout = !echo {word} it\\'s\n%config\n")
    assert "getoutput" in inspect.getsource(ip.user_ns["fit"].fn)


def test_getsource_gives_the_whole_function(ip: InteractiveShell) -> None:
    ran(ip, "%%graph_fn study(x) -> y\n'''Doc.'''\ndef inner():\n    return 1\ny = inner()")
    assert inspect.getsource(ip.user_ns["study"].fn) == (
        "async def study(x):\n    '''Doc.'''\n    def inner():\n        return 1\n    y = inner()\n"
        '    return {"y": y}\n'
    )
    assert ip.user_ns["study"].__doc__ == "Doc."


def test_tracebacks_name_the_line_of_the_cell(ip: InteractiveShell) -> None:
    ran(ip, "%%graph_fn study(x) -> y\n\ny = 1\n\n1 / x")
    error = ip.run_cell("await study.fn(0)").error_in_exec
    assert isinstance(error, ZeroDivisionError)
    assert traceback.extract_tb(error.__traceback__)[-1].lineno == 5


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("y = 1\n\nz = (1,\n  2\nw = 3", 4),
        ("y = 1\ns = '''never\nclosed\n", 3),
        ("y = 1\n'abc\n", 3),
        ("y = 1\nif y:\n    z = 1\n  w = 2", 5),
        ("y = 1\nz = 1 +\n", 3),
        ("y = 1\nfrom os import *", 3),
        ("y = 1\n\nyield y", 4),
    ],
)
def test_a_syntax_error_in_the_body_names_its_line(ip: InteractiveShell, body: str, line: int) -> None:
    assert refused(ip, f"%%graph_fn study(x) -> y\n{body}").lineno == line


def test_a_body_that_is_no_python_defines_nothing(ip: InteractiveShell) -> None:
    refused(ip, "%%graph_fn study(x) -> y\ny = (")
    assert "study" not in ip.user_ns


@pytest.mark.parametrize("above", ["# a note", "x = 1", "'''doc'''", "%%graph_fn other()"])
def test_a_header_that_is_not_first_says_so(ip: InteractiveShell, above: str) -> None:
    error = refused(ip, f"{above}\n%%graph_fn study(x) -> y\ny = 1")
    assert "%%graph_fn must be the first line of its cell" in str(error)
    assert error.lineno == 2


def test_a_header_in_a_string_is_text(ip: InteractiveShell) -> None:
    ran(ip, "s = '''\n%%graph_fn study(x) -> y\n'''")
    assert "study" not in ip.user_ns


def test_another_cell_magic_cannot_stand_inside(ip: InteractiveShell) -> None:
    error = refused(ip, "%%graph_fn study(x) -> y\n\n%%time\ny = 1")
    assert "cannot stand inside" in str(error)
    assert error.lineno == 3


def test_it_works_under_another_cell_magic(ip: InteractiveShell) -> None:
    ran(ip, "%%capture\n%%tool fit(x) -> y\ny = x")
    assert ip.user_ns["fit"].fn(2) == {"y": 2}


def test_run_also_runs(ip: InteractiveShell) -> None:
    assert text(ip, "%%graph_fn --run study(x=2) -> y\ny = x").endswith("\nawait study()\n")


def test_the_line_that_defines_needs_neither_names_nor_jupyter(ip: InteractiveShell) -> None:
    assert text(ip, "%%tool fit(x) -> y\ny = x").splitlines()[3] == (
        "fit = __import__(\"aethergraph\").tool(outputs=['y'])(fit)"
    )
    assert text(ip, "%%graph_fn study\nreturn 1").splitlines()[2] == 'study = __import__("aethergraph").graph_fn(study)'


def test_defining_shows_one_quiet_line(ip: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    ran(ip, "%%graph_fn study(x='<b>') -> y\ny = context")
    assert capsys.readouterr().out == "graph_fn study(x='<b>') -> y\n"


def test_the_users_namespace_gets_the_one_name(ip: InteractiveShell) -> None:
    before = {name for name in ip.user_ns if not name.startswith("_")}
    ran(ip, "%%tool fit(x) -> y\ny = x")
    assert {name for name in ip.user_ns if not name.startswith("_")} - before == {"fit"}


def test_other_cells_are_left_as_they_are() -> None:
    lines = ["x = 1\n", "%matplotlib inline\n"]
    assert cells.transform(lines, str) is lines
    assert cells.transform([], str) == []


GRAPH = "%%graphify twice(x: int = 3) -> y\n\none = double(x)\ny = double(one.y).y"


def test_a_graphify_cell_defines_a_static_graph(ip: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    ran(ip, "%%tool double(x: int) -> y\ny = 2 * x")
    ran(ip, GRAPH)
    assert text(ip, GRAPH).splitlines()[:3] == ["def twice(x: int = 3):", "", "    one = double(x)"]
    assert "graphify twice(x: int = 3) -> y   (twice() draws it)" in capsys.readouterr().out
    assert len(ran(ip, "twice()").nodes) == 2
    assert ran(ip, "from aethergraph import run\nrun(twice, x=1)") == {"y": 4}


def test_a_static_graph_that_awaits_is_refused_with_its_line(ip: InteractiveShell) -> None:
    error = refused(ip, "%%graphify twice(x) -> y\n\ny = (await double(x)).y")
    assert error.lineno == 3 and error.text == "y = (await double(x)).y\n"
    assert "is a static graph: it is written, not run, and awaits nothing; leave out `await`" in str(error)


def test_a_graphify_cell_with_run_runs_it(ip: InteractiveShell) -> None:
    ran(ip, "%%tool double(x: int) -> y\ny = 2 * x")
    assert ran(ip, GRAPH.replace("graphify", "graphify --run")) == {"y": 12}
    assert ran(ip, "twice.last_run.outputs") == {"y": 12}


def test_a_cell_tells_annotations_as_they_were_written(
    ip: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also one that names what is not there, which a Python that evaluates it where it stands takes in quotes."""
    frame = "Frame" if sys.version_info >= (3, 14) else "'Frame'"
    ran(ip, f"import aethergraph\n@aethergraph.tool\ndef f(x: {frame}, n: int = 1): ...")
    cells.say("tool", ip.user_ns["f"])
    assert "tool f(x: 'Frame', n: int = 1)" in capsys.readouterr().out
