"""A real JupyterLab on loopback and a real Chromium in front of it, for as long as a `with` lasts."""

from __future__ import annotations

import itertools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from playwright.sync_api import Browser, sync_playwright

from .page import NotebookPage

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "docmanager-extension/plugin": {"autosave": False},
}
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
STARTED = "is running at:"
PATIENCE_S = 60.0


def chromium() -> str:
    """The browser that `dev.py` found (`CHROMIUM`), else one on the path."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        raise RuntimeError("no Chromium: set CHROMIUM to its path, or run the tests with `python3 dev.py test`")
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        try:
            yield opened
        finally:
            opened.close()


class Lab:
    """A JupyterLab server of its own: own settings, own runtime files, own kernels, own folder of notebooks.

    Args:
        folder: everything lies in here.
        env: of the server and of the kernels.
        kernels: name of a kernelspec -> folders that go first on its PYTHONPATH.
    """

    def __init__(
        self, folder: Path, chromium: Browser, env: Mapping[str, str], kernels: Mapping[str, Sequence[Path]]
    ) -> None:
        self.folder, self.chromium = folder, chromium
        self.notebooks = folder / "notebooks"
        self.token = secrets.token_hex(16)
        self.env = {
            **env,
            "JUPYTER_TOKEN": self.token,
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        }
        self.url = ""
        self._count = itertools.count(1)
        self._write_settings()
        for name, paths in kernels.items():
            self._write_kernel(name, paths)

    def _write_settings(self) -> None:
        self.notebooks.mkdir(parents=True)
        (self.folder / "config").mkdir()
        server = {"allow_root": True, "open_browser": False, "root_dir": str(self.notebooks), "port_retries": 0}
        config = {"ServerApp": server, "LabApp": {"expose_app_in_browser": True, "extension_manager": "readonly"}}
        (self.folder / "config" / "jupyter_server_config.json").write_text(json.dumps(config))
        for name, settings in SETTINGS.items():
            path = self.folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(settings))

    def _write_kernel(self, name: str, paths: Sequence[Path]) -> None:
        spec = self.folder / "data" / "kernels" / name
        spec.mkdir(parents=True)
        path = os.pathsep.join([*map(str, paths), self.env.get("PYTHONPATH", "")])
        argv = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        text = {"argv": argv, "display_name": name, "language": "python", "env": {"PYTHONPATH": path}}
        (spec / "kernel.json").write_text(json.dumps(text))

    def __enter__(self) -> Lab:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
        self._process = subprocess.Popen(
            command,
            env=self.env,
            cwd=self.notebooks,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._started = threading.Event()
        self._reader = threading.Thread(target=self._keep_log, name="lab-log")
        self._reader.start()
        if not self._started.wait(PATIENCE_S) or self._process.poll() is not None:
            self.__exit__()
            raise RuntimeError(f"JupyterLab did not start:\n{self.log.read_text()[-3_000:]}")
        return self

    @property
    def log(self) -> Path:
        """What the server has written."""
        return self.folder / "server.log"

    def _keep_log(self) -> None:
        assert self._process.stdout
        with self._process.stdout as lines, self.log.open("w") as log:
            for line in lines:
                log.write(line)
                log.flush()
                if STARTED in line:
                    self._started.set()
        self._started.set()  # it ended: nobody should wait any longer

    def __exit__(self, *_: object) -> None:
        kernels = self._descendants()
        self._process.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs([psutil.Process(self._process.pid), *kernels], timeout=10)
        for process in left:
            process.kill()
        self._process.wait()
        self._reader.join()

    def _descendants(self) -> list[psutil.Process]:
        try:
            return list(psutil.Process(self._process.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return []

    def kernel_process(self, kernel_id: str) -> psutil.Process:
        """The process of a kernel, by the connection file on its command line."""
        for process in self._descendants():
            if any(f"kernel-{kernel_id}.json" in word for word in process.cmdline()):
                return process
        raise LookupError(f"no process runs the kernel {kernel_id}")

    def request(self, method: str, path: str) -> Any:
        """Ask the server's API."""
        headers = {"Authorization": f"token {self.token}"}
        call = urllib.request.Request(f"{self.url}/api/{path}", method=method, headers=headers)
        with urllib.request.urlopen(call, timeout=PATIENCE_S) as reply:
            body = reply.read()
        return json.loads(body) if body else None

    @contextmanager
    def open(self, cells: Sequence[str], *, kernel: str) -> Iterator[NotebookPage]:
        """A notebook of these cells (`md:` begins a Markdown cell) in a page, folder and store of its own."""
        with self.show(as_notebook(cells, kernel), kernel=kernel) as notebook:
            yield notebook

    @contextmanager
    def show(self, content: Mapping[str, Any], *, kernel: str) -> Iterator[NotebookPage]:
        """A notebook of this content. JupyterLab trusts what it has saved itself, and no other outputs.

        Jupyter gives the session of a path to whoever opens that path, so each notebook has a new name.
        """
        folder = self.notebooks / f"n{next(self._count)}"
        folder.mkdir()
        path = folder / f"{folder.name}-{kernel}.ipynb"
        path.write_text(json.dumps(content))
        context = self.chromium.new_context(viewport={"width": 1300, "height": 950})
        notebook = NotebookPage(self, context.new_page(), path, next(self._count))
        try:
            notebook.open()
            yield notebook
        finally:
            context.close()
            for session in self.request("GET", "sessions"):
                if session["path"].endswith(path.name):
                    self.request("DELETE", f"sessions/{session['id']}")


def as_notebook(cells: Sequence[str], kernel: str) -> dict[str, Any]:
    """nbformat 4.5 of cell sources."""
    spec = {"name": kernel, "display_name": kernel, "language": "python"}
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": spec},
        "cells": [as_cell(source, f"cell-{number}") for number, source in enumerate(cells)],
    }


def as_cell(source: str, name: str) -> dict[str, Any]:
    """One cell; a source that begins with `md:` is Markdown."""
    if source.startswith("md:"):
        return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source.removeprefix("md:")}
    code: dict[str, Any] = {"execution_count": None, "outputs": [], "source": source.strip("\n")}
    return {"cell_type": "code", "id": name, "metadata": {}, **code}
