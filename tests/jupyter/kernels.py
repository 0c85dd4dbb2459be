"""Real kernels, driven as a front end would."""

from __future__ import annotations

import os
import queue
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client import BlockingKernelClient, KernelManager
from jupyter_client.kernelspec import KernelSpec

ROOT = Path(__file__).parents[2]
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Ran:
    """What one cell gave: its whole text, the displayed bundles, and "ok" or "error"."""

    status: str = ""
    text: str = ""
    shown: list[dict[str, Any]] = field(default_factory=list)

    def hear(self, message: dict[str, Any]) -> None:
        """Take one message of the kernel's output channel."""
        content = message["content"]
        match message["msg_type"]:
            case "stream":
                self.text += content["text"]
            case "display_data" | "execute_result" | "update_display_data":
                self.shown.append(content["data"])
                self.text += content["data"].get("text/plain", "") + "\n"
            case "error":
                self.text += COLOURS.sub("", "\n".join(content["traceback"])) + "\n"


class Kernel:
    """A running kernel. `run` executes a cell and waits for its end."""

    def __init__(self, client: BlockingKernelClient, manager: KernelManager) -> None:
        self.client, self.manager = client, manager

    def run(self, cell: str, type_in: Callable[[str], str] | None = None, *, fails: bool = False) -> Ran:
        """Execute `cell`; `type_in(prompt)` is the person at its input line, None: there is none."""
        ran = Ran()

        def stdin(message: dict[str, Any]) -> None:
            assert type_in is not None
            self.client.input(type_in(message["content"]["prompt"]))

        reply = self.client.execute_interactive(
            cell,
            timeout=60,
            output_hook=ran.hear,
            stdin_hook=stdin,
            allow_stdin=type_in is not None,
            stop_on_error=False,
        )
        ran.status = reply["content"]["status"]
        assert (ran.status == "error") is fails, ran.text
        return ran

    def run_and_interrupt(self, cell: str, when: Callable[[], bool]) -> Ran:
        """Execute `cell`, interrupt the kernel once `when()` holds, and wait for the cell's end."""
        ran = Ran()
        sent = self.client.execute(cell, allow_stdin=False, stop_on_error=False)
        interrupted = False
        while True:
            if not interrupted and when():
                self.manager.interrupt_kernel()
                interrupted = True
            try:
                message = self.client.get_iopub_msg(timeout=0.05)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != sent:
                continue
            ran.hear(message)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                ran.status = self.client.get_shell_msg(timeout=30)["content"]["status"]
                return ran


@contextmanager
def kernel(cwd: Path, ipykernel: Path | None = None) -> Iterator[Kernel]:
    """A kernel that works in `cwd`; `ipykernel`: a folder with another version of it (`pip install --target`)."""
    manager = KernelManager()
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=argv, language="python", display_name="test")
    paths = [str(path) for path in (ipykernel, ROOT) if path is not None]
    manager.start_kernel(cwd=str(cwd), env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)})
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield Kernel(client, manager)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def older() -> list[Path]:
    """Folders of further ipykernels, as AETHERGRAPH_KERNELS lists them."""
    return [Path(folder) for folder in os.environ.get("AETHERGRAPH_KERNELS", "").split(os.pathsep) if folder]
