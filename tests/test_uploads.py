"""Files that people give: taken in, handed out, collected. It is checked here, whatever a browser let through."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from aethergraph.errors import BadAnswer, DamagedRecord
from aethergraph.record import schema
from aethergraph.record.schema import Question
from aethergraph.record.uploads import FileRef, limits, told
from aethergraph.storage import contents, uploads
from aethergraph.storage.blobs import DiskBlobs
from aethergraph.storage.codec import Codec
from aethergraph.storage.keyring import Keyring
from aethergraph.storage.store import MemoryStore

ANY = schema.make("files", "Data?", multiple=True)
CSV = schema.make("files", "Data?", accept=[".csv", "image/*"], multiple=True, max_size=100, max_files=2)
ONE = schema.make("files", "Data?", multiple=False)


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    return MemoryStore(tmp_path / "store", DiskBlobs(tmp_path / "store" / "blobs"))


def taken(store: MemoryStore, question: Question, answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = schema.check(question, uploads.take_in(store, question, answer))
    return found


def ref(store: MemoryStore, answer: Any, question: Question = ANY) -> FileRef:
    return uploads.refs(store, taken(store, question, answer)["files"])[0]


def test_a_path_becomes_a_content_and_a_file_under_its_name(store: MemoryStore, tmp_path: Path) -> None:
    source = tmp_path / "run 1.csv"
    source.write_bytes(b"a,b\n1,2\n")
    found = ref(store, str(source))
    digest = hashlib.sha256(b"a,b\n1,2\n").hexdigest()
    assert (found.name, found.size, found.mime, found.sha256) == ("run 1.csv", 8, "text/csv", digest)
    assert found.uri == f"aether://sha256/{digest}"
    assert Path(found.path).name == "run 1.csv" and Path(found.path).read_bytes() == b"a,b\n1,2\n"
    source.write_bytes(b"changed")
    assert Path(ref(store, found).path).read_bytes() == b"a,b\n1,2\n"  # its own copy, for ever
    assert not Path(found.path).stat().st_mode & stat.S_IWUSR


@pytest.mark.parametrize(
    "answer",
    [b"x", ("a.txt", b"x"), {"name": "a.txt", "data": b"x"}, [b"x"], {"text": "", "files": [("a.txt", b"x")]}],
)
def test_bytes_are_files_too(store: MemoryStore, answer: Any) -> None:
    assert Path(ref(store, answer).path).read_bytes() == b"x"


def test_bytes_without_a_name_are_called_as_is_asked_for(store: MemoryStore) -> None:
    assert ref(store, b"a,b", CSV).name == "upload.csv"


def test_what_is_said_along_with_files_is_kept(store: MemoryStore) -> None:
    answer = taken(store, ANY, {"text": "the second run", "files": [("a.txt", b"x"), ("b.txt", b"yy")]})
    assert answer["text"] == "the second run" and [one["name"] for one in answer["files"]] == ["a.txt", "b.txt"]
    assert told(answer) == "the second run: a.txt (1 B), b.txt (2 B)"


@pytest.mark.parametrize("name", ["../../x.csv", "/etc/x.csv", "C:\\x.csv", "..\\x.csv", "a\0/x.csv"])
def test_a_name_cannot_leave_its_folder(store: MemoryStore, name: str) -> None:
    found = ref(store, (name, b"x"), CSV)
    assert found.name == "x.csv"
    assert Path(found.path).parent == store.folder / "uploads" / found.sha256


@pytest.mark.parametrize("name", ["", "..", "\0", "x" * 3 + "/"])
def test_what_is_no_name_is_refused(store: MemoryStore, name: str) -> None:
    with pytest.raises(BadAnswer, match="no name for a file"):
        taken(store, ANY, (name, b"x"))


@pytest.mark.parametrize(
    ("question", "answer", "why"),
    [
        (CSV, [("a.txt", b"x")], r"'a.txt' is text/plain, and .csv or image/\* is asked for"),
        (CSV, [("a.csv.exe", b"x")], "is asked for"),
        (CSV, [("a.csv", b"x" * 101)], "'a.csv' has 101 B, and at most 100 B are taken"),
        (CSV, [("a.csv", b"x")] * 3, "3 files are too many: at most 2 are asked for"),
        (CSV, [], "at least one file is needed"),
        (ONE, [], "a file is needed"),
        (ONE, [("a", b"x"), ("b", b"x")], "2 files are too many: one is asked for"),
        (ANY, 3, "is given by a path, by bytes"),
        (ANY, "/no/such/file.csv", "there is no file '/no/such/file.csv'"),
        (ANY, {"name": "a", "sha256": "0" * 64, "size": 1}, "is not in this store"),
        (ANY, {"name": "a", "sha256": "../../../x", "size": 1}, "is given by a path"),
        (ANY, {"text": 3, "files": [("a", b"x")]}, "is a text, got int"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    store: MemoryStore, question: Question, answer: Any, why: str
) -> None:
    with pytest.raises(BadAnswer, match=why):
        taken(store, question, answer)


def test_a_folder_and_a_file_that_is_too_large_are_refused_before_anything_is_stored(
    store: MemoryStore, tmp_path: Path
) -> None:
    (tmp_path / "big.csv").write_bytes(b"x" * 101)
    with pytest.raises(BadAnswer, match="101 B"):
        taken(store, CSV, tmp_path / "big.csv")
    with pytest.raises(BadAnswer, match="is a folder"):
        taken(store, CSV, tmp_path)
    assert list(store.blobs.all()) == []


def test_the_size_of_a_known_content_is_what_lies_there_and_not_what_is_claimed(store: MemoryStore) -> None:
    digest = store.blobs.put(b"x" * 101)
    with pytest.raises(BadAnswer, match="101 B"):
        taken(store, CSV, {"name": "a.csv", "sha256": digest, "size": 1})
    described = taken(store, ANY, {"name": "a.csv", "sha256": digest, "size": 1, "mime": "text/html"})["files"][0]
    assert (described["size"], described["mime"]) == (101, "text/csv")


def test_a_file_whose_content_is_gone_is_named(store: MemoryStore) -> None:
    described = taken(store, ANY, ("a.csv", b"x"))["files"]
    path = store.blobs.path(described[0]["sha256"])
    path.chmod(0o600)
    path.unlink()
    with pytest.raises(DamagedRecord, match="gone"):
        uploads.refs(store, described)


def test_a_name_that_was_deleted_is_made_again(store: MemoryStore) -> None:
    found = ref(store, ("a.csv", b"x"))
    os.unlink(found.path)
    assert Path(ref(store, found).path).read_bytes() == b"x"
    assert list(Path(found.path).parent.iterdir()) == [Path(found.path)]


def test_where_there_are_no_hard_links_it_is_a_copy(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("not supported")

    monkeypatch.setattr(os, "link", refuse)
    found = ref(store, ("a.csv", b"x"))
    assert Path(found.path).stat().st_nlink == 1 and Path(found.path).read_bytes() == b"x"


def test_a_ref_is_plain_recorded_data(store: MemoryStore, tmp_path: Path) -> None:
    found = ref(store, ("a.csv", b"x"))
    codec = Codec(store.blobs, Keyring(tmp_path / "key"))
    payload = codec.dump({"file": found})
    assert payload[:1] == b"t"  # no pickle: nothing runs when it is read
    assert codec.load(payload) == {"file": found}


def test_the_path_of_an_upload_is_no_file_that_can_change(store: MemoryStore) -> None:
    """Its date changes when the same content is given again; semantics 6 would take that for another file."""
    found = ref(store, ("a.csv", b"x"))
    assert contents.files_in([found.path, str(store.folder)]) == []
    assert not uploads.is_upload(str(store.folder / "uploads" / "x" / "a.csv"))


def test_the_limits_are_told_in_a_few_words() -> None:
    assert limits(CSV) == ".csv, image/*; at most 100 B each; at most 2 files"
    assert limits(ANY) == ""


@pytest.mark.parametrize("wrong", [{"max_size": 0}, {"max_files": True}, {"max_size": 1.5}, {"accept": "a b"}])
def test_limits_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Data\?"):
        schema.make("files", "Data?", multiple=True, **wrong)


# ---------------------------------------------------------------------- pieces


def test_pieces_become_a_content_when_the_last_is_there(store: MemoryStore) -> None:
    part = uploads.Part(store, "k", "a.bin", 5)
    assert part.add(0, b"ab") == 2
    with pytest.raises(BadAnswer, match=r"3 B of 'a.bin' have not arrived"):
        part.finish()
    assert list(store.blobs.all()) == []
    part = uploads.Part(store, "k", "a.bin", 5)  # another process
    assert part.have == 2
    assert part.add(0, b"ab") == 2  # sent twice: the acknowledgement was lost
    assert part.add(4, b"e") == 2  # one that runs ahead
    assert part.add(2, b"cde") == 5
    assert store.blobs.get(part.finish()["sha256"]) == b"abcde"
    assert part.have == 0


def test_more_than_was_announced_is_refused(store: MemoryStore) -> None:
    part = uploads.Part(store, "k", "a.bin", 3)
    with pytest.raises(BadAnswer, match="more came of 'a.bin'"):
        part.add(0, b"abcd")
    assert part.have == 0


def test_an_empty_file_has_no_pieces(store: MemoryStore) -> None:
    assert uploads.Part(store, "k", "a.bin", 0).finish()["size"] == 0


def test_old_parts_and_names_of_contents_that_are_gone_are_swept(store: MemoryStore) -> None:
    part = uploads.Part(store, "k", "a.bin", 5)
    part.add(0, b"ab")
    kept, gone = ref(store, ("kept.txt", b"x")), ref(store, ("gone.txt", b"y"))
    path = store.blobs.path(gone.sha256)
    path.chmod(0o600)
    path.unlink()
    uploads.sweep(store, time.time() - 100)
    assert part.have == 2 and Path(kept.path).exists() and not Path(gone.path).parent.exists()
    assert [size for _, size in uploads.left_over(store, time.time() + 100)] == [2]
    uploads.sweep(store, time.time() + 100)
    assert part.have == 0
