"""Names, types and local files, before anything is stored."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aethergraph.record import files


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("run.csv", "text/csv"),
        ("NOTES.MD", "text/markdown"),
        ("a.b/plot.png", "image/png"),
        ("photo.JPG", "image/jpeg"),
        ("frame.parquet", "application/vnd.apache.parquet"),
        ("weights", files.BINARY),
        ("odd.qqq", files.BINARY),
        (".csv", files.BINARY),  # a hidden file without an ending
    ],
)
def test_the_ending_of_a_name_says_the_type(name: str, kind: str) -> None:
    assert files.mime(name) == kind


def test_a_type_that_is_not_known_is_the_callers() -> None:
    assert files.mime("odd.qqq", "text/plain") == "text/plain"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("data.csv", "data.csv"),
        ("../../x", "x"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\x.txt", "x.txt"),
        ("C:\\data\\run.csv", "run.csv"),
        ("c:run.csv", "run.csv"),
        ("\\\\server\\share\\a.txt", "a.txt"),
        ("a\0b.txt", "ab.txt"),
        ("run\n1.csv", "run1.csv"),
        ("gnp\u202egnp.exe", "gnpgnp.exe"),  # bidi override: would read as exe.png
        ("x.txt:stream", "x.txt_stream"),
        ("what?*.csv", "what__.csv"),
        ("report. . ", "report"),
        ("con", "_con"),
        ("NUL.tar.gz", "_NUL.tar.gz"),
        ("com1.log", "_com1.log"),
        ("LPT9", "_LPT9"),
        ("com10.log", "com10.log"),
        ("e\u0301.txt", "\u00e9.txt"),
        (".bashrc", ".bashrc"),
        ("\ud800x.bin", "x.bin"),
    ],
)
def test_a_name_is_made_safe(given: str, name: str) -> None:
    assert files.file_name(given) == name


@pytest.mark.parametrize("given", ["", "   ", ".", "..", "../..", "/", "C:", "\0", "a/", "...", "\u202e"])
def test_what_is_no_name_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="no name for a file"):
        files.file_name(given)


def test_a_name_that_is_too_long_keeps_its_ending() -> None:
    name = files.file_name("ä" * 300 + ".tar.gz")
    assert len(name.encode()) <= files.LONGEST and name.startswith("ää") and name.endswith(".gz")
    assert len(files.file_name("x." + "y" * 300).encode()) <= files.LONGEST


@given(st.text(max_size=400))
def test_no_name_leaves_its_folder(given: str) -> None:
    try:
        name = files.file_name(given)
    except ValueError:
        return
    assert name and name not in (".", "..") and not set(name) & set('/\\:\0<>"|?*') and not name.endswith((".", " "))
    assert len(name.encode()) <= files.LONGEST
    assert files.file_name(name) == name  # safe already


def test_a_safe_name_can_be_made_in_a_folder(tmp_path: Path) -> None:
    for name in ("../../x", "con.txt", "ä" * 300 + ".csv", "a\0b", "x.txt:stream"):
        (tmp_path / files.file_name(name)).write_bytes(b"x")
    assert len(list(tmp_path.iterdir())) == 5


def test_a_readable_file_is_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("x")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert files.readable(str(tmp_path / "a.txt")) == tmp_path / "a.txt"
    assert files.readable("~/a.txt") == tmp_path / "a.txt"


def test_what_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"send_file: there is no file 'gone.csv' \(looked in .*\)"):
        files.readable("gone.csv", "send_file")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        files.readable(tmp_path)
    for wrong in ("", "a\0b"):
        with pytest.raises(ValueError, match="is none"):
            files.readable(wrong)
    with pytest.raises(TypeError, match="named by a path, got int"):
        files.readable(3)  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes in the file system")
def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="no regular file"):
        files.readable(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("accept", "kinds"),
    [
        (None, []),
        ("", []),
        ("*/*", []),
        ("csv", [".csv"]),
        (".CSV, image/*", [".csv", "image/*"]),
        (["*.tar.gz", "text/plain", ".tar.gz"], [".tar.gz", "text/plain"]),
    ],
)
def test_what_is_accepted_is_written_in_one_way(accept: str | list[str] | None, kinds: list[str]) -> None:
    assert files.kinds(accept) == kinds


def test_what_is_no_list_is_refused() -> None:
    with pytest.raises(TypeError, match="accept is a list of endings and types such as .*, got 3"):
        files.kinds(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("accept", ["a b", "image/", ".", "../x", "*/png"])
def test_what_is_neither_ending_nor_type_is_refused(accept: str) -> None:
    with pytest.raises(ValueError, match="neither an ending"):
        files.kinds(accept)
    with pytest.raises(TypeError, match="list of endings"):
        files.kinds([3])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("name", "accept", "fits"),
    [
        ("a.CSV", [".csv"], True),
        ("a.csv.exe", [".csv"], False),
        ("a.tar.gz", [".tar.gz"], True),
        ("a.png", ["image/*"], True),
        ("a.png", ["image/jpeg"], False),
        ("a.txt", ["image/*", "text/plain"], True),
        ("imagexyz", ["image/*"], False),
        ("anything", [], True),
    ],
)
def test_a_file_is_of_an_accepted_kind_by_its_name(name: str, accept: list[str], fits: bool) -> None:
    assert files.is_one_of(name, accept) is fits


def test_an_amount_is_written_for_people() -> None:
    assert [files.amount(n) for n in (0, 999, 12_345, 5 << 20)] == ["0 B", "999 B", "12.3 kB", "5.2 MB"]
