"""Pictures, files, buttons and rich text: recorded once, sent once, refused where they are none."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aethergraph import Button
from aethergraph.channels.adapter import KINDS, Message
from aethergraph.channels.console import Console
from aethergraph.services.channel import Channel
from tests.services.fake_desk import FakeDesk, Room, room

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(40))
PICTURES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0 jpeg",
    "image/gif": b"GIF89a gif",
    "image/webp": b"RIFF....WEBPVP8 ",
    "image/svg+xml": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
}


class Gallery:
    """An outside channel that takes everything."""

    capabilities = KINDS
    ask = None

    def __init__(self) -> None:
        self.got: list[tuple[Message, str]] = []

    async def send(self, message: Message, id: str) -> None:
        self.got.append((message, id))


@pytest.fixture
def place(tmp_path: Path) -> Room:
    return room(tmp_path)


@pytest.fixture
def gallery(place: Room) -> Gallery:
    made = Gallery()
    place.bus.register("gallery", made)
    return made


def channel(place: Room, desk: FakeDesk | None = None, key: str | None = None) -> tuple[Channel, FakeDesk]:
    context, desk = place.context(desk)
    return context.channel(key), desk


def sent(place: Room, gallery: Gallery, call: Any) -> Message:
    """What arrives of `call(channel)`."""
    said, _ = channel(place, key="gallery")
    asyncio.run(call(said))
    return gallery.got[-1][0]


def value(desk: FakeDesk) -> Any:
    (data,) = desk.journal.effects.values()
    return msgspec.msgpack.decode(data)


def test_a_picture_is_stored_once_under_its_content_and_recorded_by_reference(place: Room) -> None:
    said, desk = channel(place)
    asyncio.run(said.send_image(file_bytes=PNG, title="The loss", filename="plot.png"))
    digest = hashlib.sha256(PNG).hexdigest()
    assert value(desk) == {
        "title": "The loss",
        "alt": "The loss",
        "filename": "plot.png",
        "mime": "image/png",
        "sha256": digest,
        "size": len(PNG),
    }
    assert place.store.blobs.get(digest) == PNG
    assert PNG not in b"".join(desk.journal.effects.values())
    assert desk.journal.names == ["send_image"]


@pytest.mark.parametrize("mime", PICTURES)
def test_a_picture_is_known_by_what_is_in_it(place: Room, gallery: Gallery, mime: str, tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(PICTURES[mime])
    by_bytes = sent(place, gallery, lambda c: c.send_image(file_bytes=PICTURES[mime]))
    assert by_bytes.data["mime"] == mime
    assert by_bytes.data["filename"] == f"image.{mime.partition('/')[2].removesuffix('+xml')}"
    by_path = sent(place, gallery, lambda c: c.send_image(path=tmp_path / "x.bin"))
    assert (by_path.data["mime"], by_path.data["filename"]) == (mime, "x.bin")


def test_an_adapter_gets_the_content_as_a_file(place: Room, gallery: Gallery) -> None:
    message = sent(place, gallery, lambda c: c.send_file(file_bytes=b"a,b\n1,2\n", filename="t.csv", title="Table"))
    assert message.path is not None and message.path.read_bytes() == b"a,b\n1,2\n"
    assert message.text == "Table: t.csv (file, 8 B)"
    assert message.data["mime"] == "text/csv"


def test_a_picture_of_the_web_travels_as_its_address(place: Room, gallery: Gallery) -> None:
    message = sent(place, gallery, lambda c: c.send_image("https://example.org/a/plot%201.png?x=1"))
    assert message.text == "plot 1.png (image) https://example.org/a/plot%201.png?x=1"
    assert (message.data["filename"], message.data["mime"], message.path) == ("plot 1.png", "image/png", None)
    assert "sha256" not in message.data
    assert sent(place, gallery, lambda c: c.send_image("https://example.org")).data["filename"] == "image"


def test_a_file_is_kept_as_it_was_when_it_was_sent(place: Room, tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    path.write_text("one")
    said, desk = channel(place)
    asyncio.run(said.send_file(path=path))
    path.unlink()
    again, _ = channel(place, desk.again())
    asyncio.run(again.send_file(path=path))  # replayed: the file is not looked at
    assert place.store.blobs.get(value(desk)["sha256"]) == b"one"
    assert value(desk)["filename"] == "report.md"


def test_an_artifact_is_sent_without_being_stored_again(place: Room, gallery: Gallery) -> None:
    context, _ = place.context()

    async def body() -> None:
        saved = await context.artifacts().save_bytes(PNG, "figure.png")
        await context.channel("gallery").send_image(saved)
        await context.channel("gallery").send_file(saved.uri, filename="copy.png")

    asyncio.run(body())
    picture, file = (message for message, _ in gallery.got)
    assert picture.data["filename"] == "figure.png" and file.data["filename"] == "copy.png"
    assert picture.path == file.path == place.store.blobs.path(hashlib.sha256(PNG).hexdigest())


def test_everything_that_is_sent_is_sent_once_under_an_id_of_its_own(place: Room, gallery: Gallery) -> None:
    async def body(said: Channel) -> None:
        for _ in range(2):
            await said.send_image(file_bytes=PNG)
            await said.send_file(file_bytes=PNG)
            await said.send_buttons("Go on?", ["Yes"])
            await said.send_rich("Table", [{"a": 1}])

    said, desk = channel(place, key="gallery")
    asyncio.run(body(said))
    asyncio.run(body(channel(place, desk.again(), "gallery")[0]))
    assert [message.kind for message, _ in gallery.got] == ["image", "file", "buttons", "rich"] * 2
    assert len({id for _, id in gallery.got}) == 8
    assert desk.journal.intents == desk.journal.names
    after_a_kill, _ = channel(place, FakeDesk(place.store), key="gallery")  # its records were lost
    asyncio.run(body(after_a_kill))
    ids = [id for _, id in gallery.got]
    assert ids[:8] == ids[8:]


def test_buttons_are_plain_data_and_a_text_of_them(place: Room, gallery: Gallery) -> None:
    given = ["Yes", Button("No", value="n", style="danger"), {"label": "Docs", "url": "https://example.org"}]
    message = sent(place, gallery, lambda c: c.send_buttons("Go on?", given))
    assert message.data["buttons"] == [
        {"label": "Yes", "value": "Yes", "style": "default", "url": ""},
        {"label": "No", "value": "n", "style": "danger", "url": ""},
        {"label": "Docs", "value": "", "style": "default", "url": "https://example.org"},
    ]
    assert message.text == "Go on?\n  [Yes]\n  [No]\n  [Docs] https://example.org"


def test_an_event_is_sent_by_the_method_of_its_kind(place: Room, gallery: Gallery) -> None:
    async def body(said: Channel) -> None:
        await said.send({"kind": "text", "text": "one"})
        await said.send({"type": "phase", "phase": "fit"})
        await said.send({"kind": "image", "file_bytes": PNG, "title": "two"})
        await said.send({"kind": "buttons", "text": "three", "buttons": ["x"]}, channel="gallery")

    said, _ = channel(place, key="gallery")
    asyncio.run(body(said))
    assert [message.kind for message, _ in gallery.got] == ["text", "phase", "image", "buttons"]


def test_the_console_prints_what_it_cannot_show_and_where_it_lies(
    place: Room, capsys: pytest.CaptureFixture[str]
) -> None:
    place.bus.register("console", Console())
    said, _ = channel(place, key="console")
    asyncio.run(said.send_image(file_bytes=PNG, title="Loss"))
    asyncio.run(said.send_rich("Scores", [{"model": "svm", "score": 0.5}, {"model": "forest", "score": 12}]))
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "Loss: image.png (image, 48 B) (sent as text: no pictures are shown here)"
    assert Path(shown[1].strip()).read_bytes() == PNG
    assert shown[2:] == ["Scores", "model   score", "------  -----", "svm       0.5", "forest     12"]


@pytest.mark.parametrize(
    ("call", "error", "why"),
    [
        (lambda c: c.send_image(), TypeError, "one of url, path= and file_bytes=, got none"),
        (lambda c: c.send_file("https://x.org/a", file_bytes=b"a"), TypeError, "got 2 of them"),
        (lambda c: c.send_image(file_bytes=b"no picture"), ValueError, "is no PNG, JPEG, GIF, WebP or SVG; send_file"),
        (lambda c: c.send_image(file_bytes=b"<html><script>"), ValueError, "is no PNG"),
        (lambda c: c.send_image(file_bytes=b""), ValueError, "is empty"),
        (lambda c: c.send_image(file_bytes="text"), TypeError, "file_bytes are bytes, got str; .*by path="),
        (lambda c: c.send_image("javascript:alert(1)"), ValueError, "begins with http: or https:"),
        (lambda c: c.send_file("plot.png"), ValueError, "a file of this machine is given by path="),
        (lambda c: c.send_file(path="nowhere/x.csv"), FileNotFoundError, "send_file: there is no file 'nowhere/x.csv'"),
        (lambda c: c.send_file(path="."), Exception, "folder|no name"),
        (lambda c: c.send_file("aether://sha256/" + "0" * 64), LookupError, "has no content"),
        (lambda c: c.send_file(file_bytes=b"a", filename="../.."), ValueError, "is no name for a file"),
        (lambda c: c.send_buttons("x", []), ValueError, "1 to 25 buttons, got 0"),
        (lambda c: c.send_buttons("x", "Yes"), TypeError, r"write \[Button\('Yes'\)\]"),
        (lambda c: c.send_buttons("x", ["a", "a"]), ValueError, "the same label: 'a'"),
        (lambda c: c.send_buttons("x", [1]), TypeError, "a Button, a text or a dict, got int"),
        (lambda c: c.send_buttons("x", [{"text": "a"}]), TypeError, "has label, value, style and url"),
        (lambda c: c.send_buttons("x", [{"label": "a", "url": "javascript:x"}]), ValueError, "begins with http"),
        (lambda c: c.send_buttons("x", [{"label": "a", "style": "big"}]), ValueError, "none of: default, primary"),
        (
            lambda c: c.send_buttons("x", [{"label": "a", "value": "b", "url": "http://x"}]),
            ValueError,
            "answer or lead",
        ),
        (lambda c: c.send_rich("x", object()), TypeError, "has no form in JSON"),
        (lambda c: c.send_rich("x", {"markdown": "x" * 200_001}), ValueError, "up to 200,000 characters, got 200,001"),
        (lambda c: c.send({"kind": "smoke"}), ValueError, "kind='smoke' is none of: buttons, file, image"),
        (lambda c: c.send({"kind": "text", "txt": "a"}), TypeError, "'kind': 'text'.*txt"),
        (lambda c: c.send("text"), TypeError, "send takes a dict"),
    ],
)
def test_what_cannot_be_sent_is_refused_and_not_recorded(
    place: Room, call: Any, error: type[Exception], why: str
) -> None:
    said, desk = channel(place)
    with pytest.raises(error, match=why):
        asyncio.run(call(said))
    assert desk.journal.names == []


def test_a_path_is_taken_in_the_place_of_a_url(place: Room, gallery: Gallery, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"a\n1\n")
    message = sent(place, gallery, lambda c: c.send_file(file))
    assert (message.data["filename"], message.data["size"]) == ("a.csv", 4)
