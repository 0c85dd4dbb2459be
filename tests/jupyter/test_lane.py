"""Answers reach a cell that awaits, on the installed ipykernel and, where one is given, on older ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_ext import lane

from .kernels import Ran, kernel, older

ASK = """
import asyncio, comm, ipykernel
from jupyter_ext import lane
print(lane.install(get_ipython().kernel, ipykernel.__version__))
heard = asyncio.get_running_loop().create_future()
link = comm.create_comm(target_name="probe")
link.on_msg(lambda message: heard.set_result(message["content"]["data"]))
lane.OWN.add(link.comm_id)
print("id", link.comm_id)
print("heard", await heard)
"""

BLOCK = """
import comm, threading
from jupyter_ext import lane
heard = threading.Event()
link = comm.create_comm(target_name="probe")
link.on_msg(lambda message: heard.set())
lane.keep_route(link)
print("id", link.comm_id)
print("heard", heard.wait(20))
"""


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    lane.uninstall()


class FakeStream:
    """A ZMQ stream that hands on what it is given."""

    def __init__(self) -> None:
        self.receive: Any = None

    def on_recv(self, receive: Any, copy: bool) -> None:
        self.receive = receive


class FakeKernel:
    """As much of ipykernel 6 as the lane touches; a message is (header, content) as JSON."""

    def __init__(self) -> None:
        self.session, self.comm_manager, self.shell_stream = self, self, FakeStream()
        self.queued: list[list[bytes]] = []
        self.handled: list[Any] = []
        self.statuses: list[str] = []

    def dispatch_shell(self, frames: Any) -> None:
        raise AssertionError("only queued")

    def schedule_dispatch(self, dispatch: Any, frames: list[bytes]) -> None:
        self.queued.append(frames)

    def feed_identities(self, frames: list[bytes], copy: bool) -> tuple[list[bytes], list[bytes]]:
        return [], frames

    def deserialize(self, frames: list[bytes], content: bool, copy: bool) -> dict[str, Any]:
        if frames[0] == b"forged":
            raise ValueError("Invalid Signature")
        return {"frames": frames}

    def comm_msg(self, stream: Any, ids: Any, message: Any) -> None:
        self.handled.append(message["frames"])

    def _publish_status(self, status: str, channel: str, parent: Any) -> None:
        self.statuses.append(status)


def message(kind: str, comm_id: str, signature: bytes = b"ok") -> list[bytes]:
    return [signature, f'{{"msg_type": "{kind}"}}'.encode(), b"{}", b"{}", f'{{"comm_id": "{comm_id}"}}'.encode()]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeKernel:
    monkeypatch.setattr(lane, "OWN", {"ours"})
    fake = FakeKernel()
    lane.install(fake, "6.29.5")
    return fake


def test_messages_for_our_views_are_handled_at_once(fake: FakeKernel) -> None:
    fake.shell_stream.receive(message("comm_msg", "ours"))
    assert fake.handled == [message("comm_msg", "ours")]
    assert (fake.queued, fake.statuses) == ([], ["busy", "idle"])


@pytest.mark.parametrize(
    "frames",
    [
        message("comm_msg", "theirs"),
        message("comm_open", "ours"),
        message("execute_request", "ours"),
        message("comm_msg", "ours", b"forged"),
        [b"ok", b"no json"],
        [],
    ],
)
def test_everything_else_goes_its_way_unchanged(fake: FakeKernel, frames: list[bytes]) -> None:
    fake.shell_stream.receive(frames)
    assert (fake.queued, fake.handled) == ([frames], [])


def test_uninstalling_gives_the_kernel_its_own_way_back(fake: FakeKernel) -> None:
    lane.uninstall()
    fake.shell_stream.receive(message("comm_msg", "ours"))
    assert (fake.handled, len(fake.queued)) == ([], 1)
    assert lane.state() == "not installed"


def test_a_kernel_that_differs_is_left_alone() -> None:
    said = lane.install(object(), "6.99.0")
    assert said.startswith("could not be opened (ipykernel 6.99.0: AttributeError")
    assert lane.state() == said


@pytest.mark.parametrize("version", ["7.4.0", "7.10.1", "8.0.0rc1"])
def test_newer_kernels_need_no_lane(version: str) -> None:
    assert lane.install(object(), version) == f"not needed (ipykernel {version})"


@pytest.mark.parametrize("folder", [None, *older()], ids=lambda folder: folder.name if folder else "installed")
def test_a_real_cell_that_awaits_hears_its_answer(folder: Path | None, tmp_path: Path) -> None:
    ran = Ran()
    with kernel(tmp_path, folder) as running:
        client = running.client

        def hear(reply: dict[str, Any]) -> None:
            ran.hear(reply)
            found = re.search(r"id (\w+)\n", ran.text)
            if found and reply["msg_type"] == "stream" and "heard" not in ran.text:
                data = {"comm_id": found[1], "data": {"value": 42}}
                client.shell_channel.send(client.session.msg("comm_msg", data))

        client.execute_interactive(ASK, timeout=30, output_hook=hear)
    assert "heard {'value': 42}" in ran.text


def test_a_real_cell_that_blocks_hears_what_is_sent_to_a_subshell(tmp_path: Path) -> None:
    """The cell itself spoke last on the comm, and ipykernel 7.4 would send the message to it."""
    with kernel(tmp_path) as running:
        client, ran = running.client, Ran()
        client.control_channel.send(client.session.msg("create_subshell_request"))
        subshell = client.get_control_msg(timeout=30)["content"]["subshell_id"]
        sent = client.execute(BLOCK)
        while not re.search(r"heard \w", ran.text):  # what is printed may come in pieces
            message = client.get_iopub_msg(timeout=30)
            if message["parent_header"].get("msg_id") != sent:
                continue
            ran.hear(message)
            if "heard" not in ran.text and (link := re.search(r"id (\w+)", ran.text)):
                told = client.session.msg("comm_msg", {"comm_id": link[1], "data": {}})
                told["header"]["subshell_id"] = subshell
                client.shell_channel.send(told)
        assert "heard True" in ran.text
