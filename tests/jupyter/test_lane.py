"""Answers reach a cell that awaits, on the installed ipykernel and, where one is given, on older ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from jupyter_client import BlockingKernelClient, KernelManager
from jupyter_client.kernelspec import KernelSpec

from jupyter_ext import lane

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
def kernel(monkeypatch: pytest.MonkeyPatch) -> FakeKernel:
    monkeypatch.setattr(lane, "OWN", {"ours"})
    kernel = FakeKernel()
    lane.install(kernel, "6.29.5")
    return kernel


def test_messages_for_our_views_are_handled_at_once(kernel: FakeKernel) -> None:
    kernel.shell_stream.receive(message("comm_msg", "ours"))
    assert kernel.handled == [message("comm_msg", "ours")]
    assert (kernel.queued, kernel.statuses) == ([], ["busy", "idle"])


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
def test_everything_else_goes_its_way_unchanged(kernel: FakeKernel, frames: list[bytes]) -> None:
    kernel.shell_stream.receive(frames)
    assert (kernel.queued, kernel.handled) == ([frames], [])


def test_uninstalling_gives_the_kernel_its_own_way_back(kernel: FakeKernel) -> None:
    lane.uninstall()
    kernel.shell_stream.receive(message("comm_msg", "ours"))
    assert (kernel.handled, len(kernel.queued)) == ([], 1)
    assert lane.state() == "not installed"


def test_a_kernel_that_differs_is_left_alone() -> None:
    said = lane.install(object(), "6.99.0")
    assert said.startswith("could not be opened (ipykernel 6.99.0: AttributeError")
    assert lane.state() == said


@pytest.mark.parametrize("version", ["7.4.0", "7.10.1", "8.0.0rc1"])
def test_newer_kernels_need_no_lane(version: str) -> None:
    assert lane.install(object(), version) == f"not needed (ipykernel {version})"


def older() -> list[Path]:
    """Folders of ipykernels (`pip install --no-deps --target FOLDER ipykernel==VERSION`) named in the environment."""
    return [Path(folder) for folder in os.environ.get("AETHERGRAPH_KERNELS", "").split(os.pathsep) if folder]


@contextmanager
def client(folder: Path | None, cwd: Path) -> Iterator[BlockingKernelClient]:
    paths = [str(folder)] * bool(folder) + [str(Path(lane.__file__).parents[1])]
    manager = KernelManager()
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=argv, language="python", display_name="test")
    manager.start_kernel(cwd=str(cwd), env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)})
    kernel_client = manager.client()
    kernel_client.start_channels()
    try:
        kernel_client.wait_for_ready(timeout=60)
        yield kernel_client
    finally:
        kernel_client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("folder", [None, *older()], ids=lambda folder: folder.name if folder else "installed")
def test_a_real_cell_that_awaits_hears_its_answer(folder: Path | None, tmp_path: Path) -> None:
    texts: list[str] = []
    with client(folder, tmp_path) as kernel_client:

        def said(reply: dict[str, Any]) -> None:
            content = reply["content"]
            texts.append(content.get("text", "") if reply["msg_type"] == "stream" else "\n".join(content["traceback"]))
            words = "".join(texts).split()
            if "id" in words[:-1] and "heard" not in words:
                data = {"comm_id": words[words.index("id") + 1], "data": {"value": 42}}
                kernel_client.shell_channel.send(kernel_client.session.msg("comm_msg", data))

        kernel_client.execute_interactive(
            ASK, timeout=30, output_hook=lambda m: said(m) if m["msg_type"] in ("stream", "error") else None
        )
    assert "heard {'value': 42}" in "".join(texts)
