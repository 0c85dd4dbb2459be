"""The first line of `%%graph_fn` and `%%tool` cells."""

import re

import pytest

from jupyter_ext.header import Header, parse


def header(line: str) -> Header:
    found = parse(line)
    assert found is not None
    return found


def test_a_full_header() -> None:
    got = header("%%graph_fn --run study(x: int = 3, *, deep=False) -> y, z\n")
    assert got == Header("graph_fn", "study", "x: int = 3, *, deep=False", ("y", "z"), runs=True)


@pytest.mark.parametrize("line", ["%%tool fit", "%%tool fit()", "%%tool   fit ( )  # quick"])
def test_parentheses_and_comments_may_be_left_out(line: str) -> None:
    assert header(line) == Header("tool", "fit", "", (), runs=False)


def test_an_arrow_inside_a_default_is_not_the_arrow() -> None:
    assert header("%%tool fit(way='a -> b', f=(1, 2)) -> out").outputs == ("out",)
    assert header("%%tool fit(way='a -> b')").outputs == ()


@pytest.mark.parametrize("line", ["%%graph_fns x", "%%time", "x = 1", "%%toolbox", ""])
def test_other_lines_are_left_alone(line: str) -> None:
    assert parse(line) is None


@pytest.mark.parametrize(
    ("params", "signature"),
    [
        ("", "f(*, context)"),
        ("x: int = 3", "f(x: int = 3, *, context)"),
        ("x, y,", "f(x, y, *, context)"),
        ("x, /", "f(x, /, *, context)"),
        ("*xs", "f(*xs, context)"),
        ("*, k=1", "f(*, k=1, context)"),
        ("naïve='é', **rest", "f(naïve='é', *, context, **rest)"),
        ("x=2**3, ** kw,", "f(x=2**3, *, context, ** kw)"),
        ("x, context", "f(x, context)"),
    ],
)
def test_context_is_added_where_it_is_missing(params: str, signature: str) -> None:
    got = header(f"%%graph_fn f({params})").signature(context=True)
    assert got == signature
    compile(f"def {got}: pass", "<test>", "exec")


def test_the_signature_stays_as_typed_without_context() -> None:
    assert header("%%tool f(x:int=3)").signature(context=False) == "f(x:int=3)"


@pytest.mark.parametrize(
    ("line", "says", "column"),
    [
        ("%%graph_fn", "needs a name", 11),
        ("%%graph_fn 3d(x)", "'3d' is no name", 12),
        ("%%graph_fn class(x)", "'class' is no name", 12),
        ("%%graph_fn study(x", "must end with )", 19),
        ("%%graph_fn study(x y)", "study(x y) is not a signature", 12),
        ("%%graph_fn study(x): pass; (", "must end with )", 29),
        ("%%graph_fn study(x): pass; f(y)", "is not a signature", 12),
        ("%%graph_fn study(x) ->", "after -> come the names of the outputs", 23),
        ("%%graph_fn study(x) -> y z", "got 'y z'", 23),
        ("%%graph_fn study(x) -> y, y", "named twice", 23),
        ("%%graph_fn --fast study(x)", "no option --fast", 12),
        ("%%graph_fn --run study(x, y=1)", "x has no default", 17),
        ("%%tool --run fit(x=1)", "--run is for agents", 1),
    ],
)
def test_errors_speak_of_the_line_as_typed(line: str, says: str, column: int) -> None:
    with pytest.raises(SyntaxError, match=re.escape(says)) as caught:
        parse(line)
    assert (caught.value.lineno, caught.value.offset, caught.value.text) == (1, column, line + "\n")
