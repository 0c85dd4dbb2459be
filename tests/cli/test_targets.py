"""`module.py:agent`: what is found, and what is said where nothing is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from aethergraph.cli import targets
from aethergraph.cli.codes import Wrong

SOURCE = "from aethergraph import graph_fn\n@graph_fn\nasync def {name}(): ...\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_an_agent_of_a_file_is_found_by_its_variable(folder: Path) -> None:
    path = write(folder, "of_a_file.py", SOURCE.format(name="study"))
    assert targets.load(f"{path}:study").name == "study"
    assert targets.load("of_a_file.py:study").name == "study"


def test_it_is_found_by_the_name_that_it_gives_itself(folder: Path) -> None:
    write(folder, "own_name.py", SOURCE.replace("@graph_fn", "@graph_fn('the-study')").format(name="study"))
    assert targets.load("own_name.py:the-study").name == "the-study"


def test_the_only_one_need_not_be_named(folder: Path) -> None:
    write(folder, "only_one.py", SOURCE.format(name="alone"))
    assert targets.load("only_one.py").name == "alone"


def test_of_several_the_entry_point_need_not_be_named(folder: Path) -> None:
    first = SOURCE.replace("@graph_fn", "@graph_fn(entrypoint=True)").format(name="first")
    write(folder, "several.py", first + SOURCE.format(name="second"))
    assert targets.load("several.py").name == "first"


def test_of_several_without_entry_point_one_has_to_be_named(folder: Path) -> None:
    write(folder, "which.py", SOURCE.format(name="a") + SOURCE.format(name="b"))
    with pytest.raises(Wrong, match=r"say which: which.py:a, which.py:b"):
        targets.load("which.py")


def test_an_imported_agent_does_not_make_it_two(folder: Path) -> None:
    write(folder, "other_agents.py", SOURCE.format(name="theirs"))
    write(folder, "own_agents.py", "from other_agents import theirs\n" + SOURCE.format(name="ours"))
    assert targets.load("own_agents.py").name == "ours"
    assert targets.load("own_agents.py:theirs").name == "theirs"


def test_a_file_in_a_package_is_imported_as_part_of_it(folder: Path) -> None:
    write(folder, "pack/__init__.py", "")
    write(folder, "pack/helper.py", "NAME = 'inner'\n")
    text = "from .helper import NAME\n" + SOURCE.replace("@graph_fn", "@graph_fn(NAME)").format(name="x")
    write(folder, "pack/inner.py", text)
    assert targets.load("pack/inner.py:x").name == "inner"
    assert targets.load("pack.inner:x").name == "inner"


def test_a_misspelt_agent_is_told_the_near_one(folder: Path) -> None:
    write(folder, "misspelt.py", SOURCE.format(name="study"))
    with pytest.raises(Wrong, match=r"has no 'studdy'; did you mean misspelt.py:study\?"):
        targets.load("misspelt.py:studdy")


def test_what_is_no_agent_is_told_so(folder: Path) -> None:
    write(folder, "noagent.py", "x = 3\n" + SOURCE.format(name="study"))
    with pytest.raises(Wrong, match="x of noagent.py is no agent but int; its agents are: study"):
        targets.load("noagent.py:x")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("missing.py:x", "there is no file missing.py"),
        ("missing_module:x", "there is no module 'missing_module'"),
        ("book.ipynb:x", "is a notebook: write `aether export"),
        ("..:x", "names no module"),
    ],
)
def test_what_is_not_there_is_told(folder: Path, target: str, said: str) -> None:
    with pytest.raises(Wrong) as caught:
        targets.load(target)
    assert said in str(caught.value)


def test_a_file_that_cannot_be_imported_under_its_name_is_refused(folder: Path) -> None:
    write(folder, "my-agents.py", SOURCE.format(name="study"))
    with pytest.raises(Wrong, match="is no name in Python: rename the file"):
        targets.load("my-agents.py:study")


def test_a_file_whose_name_is_taken_is_refused(folder: Path) -> None:
    write(folder, "json.py", SOURCE.format(name="study"))
    with pytest.raises(Wrong, match="another module is called 'json'"):
        targets.load("json.py:study")


def test_a_missing_import_inside_the_module_is_not_taken_for_a_missing_module(folder: Path) -> None:
    write(folder, "imports_much.py", "import not_installed_anywhere\n")
    with pytest.raises(Wrong, match=r"cannot be imported: .* 'not_installed_anywhere' \(.*imports_much.py, line 1\)"):
        targets.load("imports_much:x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n1 / 0\n", r"ZeroDivisionError: division by zero \(.*, line 2\)"),
        ("import sys\nsys.exit(3)\n", r"it ends the process \(.*, line 2\)"),  # no exit code of ours
        ("def f(:\n", r"SyntaxError: .* line 1\)$"),
    ],
)
def test_a_module_that_fails_is_told_with_its_line(folder: Path, text: str, said: str) -> None:
    write(folder, "failing_module.py", text)
    with pytest.raises(Wrong, match=f"failing_module.py cannot be imported: {said}"):
        targets.load("failing_module.py:x")
