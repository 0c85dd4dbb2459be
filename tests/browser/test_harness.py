"""The harness itself: what the other browser tests rely on."""

from __future__ import annotations

import os

import pytest

from .lab import Lab


@pytest.mark.parametrize(("kernel", "version"), [("new", "7."), ("old", "6.29.5")])
def test_a_cell_runs_in_the_kernel_that_was_asked_for(lab: Lab, kernel: str, version: str) -> None:
    with lab.open(["import ipykernel, os\nprint(ipykernel.__version__, os.getpid())"], kernel=kernel) as notebook:
        found, pid = notebook.do(0).split()
        assert found.startswith(version)
        assert int(pid) == notebook.kernel_pid()


def test_a_killed_kernel_is_another_process_afterwards(lab: Lab) -> None:
    with lab.open(["x = 1", "print('x' in globals())"], kernel="new") as notebook:
        notebook.do(0)
        before = notebook.kernel_pid()
        notebook.kill_kernel()
        assert notebook.kernel_pid() != before
        assert notebook.do(1).strip() == "False"


def test_a_saved_page_comes_back_after_a_reload(lab: Lab) -> None:
    with lab.open(["print(6 * 7)"], kernel="new") as notebook:
        notebook.do(0)
        assert notebook.save()["cells"][0]["outputs"][0]["text"] == ["42\n"]
        notebook.reload()
        notebook.wait_text(0, "42")
        assert "42" in notebook.cell(0).inner_text()


def test_pictures_go_where_they_are_wanted(
    lab: Lab, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AETHERGRAPH_SHOTS", str(tmp_path))
    with lab.open(["md:# A title"], kernel="new") as notebook:
        picture = notebook.screenshot("title")
    assert picture.stat().st_size > 10_000
    assert os.listdir(tmp_path) == ["title.png"]
