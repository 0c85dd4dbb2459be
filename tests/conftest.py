"""What every test gets: a store, a signing key and Jupyter folders of its own, whatever the user's machine has."""

from __future__ import annotations

import faulthandler
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

from aethergraph import Runtime
from aethergraph.storage.keyring import Keyring

KEPT = (
    "AETHERGRAPH_BENCH_PYTHON",
    "AETHERGRAPH_LONG",
    "AETHERGRAPH_SHOTS",
    "AETHERGRAPH_SOAK_S",
    "AETHERGRAPH_SOAK_SEED",
)  # switches of the suite itself

# Read when jupyter_core is imported, here and in every process that a test starts.
os.environ["JUPYTER_PLATFORM_DIRS"] = "1"

# How long an example takes says more about what else the machine does than about the code.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What a test counted is told where it passed, too."""
    for report in terminalreporter.getreports("passed"):
        for name, told in report.user_properties:
            if name == "tally":
                terminalreporter.write_line(f"{report.nodeid}: {told}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Leave out what takes minutes, unless asked for; then many tests try more, and may take longer."""
    long = os.environ.get("AETHERGRAPH_LONG") == "1"
    for item in items:
        if long and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(900))
        elif not long and item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: set AETHERGRAPH_LONG=1"))
    yield
    # Workers that do not see the groups would each start a browser, and measure everything, and nobody would know.
    if config.getoption("loadgroup", False):
        lost = [item.nodeid for item in items if item.get_closest_marker("xdist_group") and "@" not in item.nodeid]
        if lost:
            raise RuntimeError(f"pytest-xdist does not see the groups of {len(lost)} tests, as {lost[0]}")


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """What a test that has failed leaves to be closed may hang, too; pytest and its timer do not look at that."""
    if isinstance(node, pytest.Item):
        patience = float(node.config.getini("faulthandler_timeout"))
        told = node.config.stash[fault_handler_stderr_fd_key]
        if patience > 0:
            faulthandler.dump_traceback_later(patience, exit=True, file=told)  # called off when the test is over


@pytest.fixture(scope="session")
def user_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stands in for the user's home: holds the signing key and Jupyter's folders."""
    return tmp_path_factory.mktemp("user")


@pytest.fixture(scope="session")
def clean_env(user_folder: Path) -> dict[str, str]:
    """The environment for processes that tests start: nothing of the user's settings, no store named."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("AETHERGRAPH_") or key in KEPT}
    return env | {
        "AETHERGRAPH_KEY_FILE": str(user_folder / "key"),
        "IPYTHONDIR": str(user_folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(user_folder / "jupyter" / "config"),
        "JUPYTER_DATA_DIR": str(user_folder / "jupyter" / "data"),
        "JUPYTER_RUNTIME_DIR": str(user_folder / "jupyter" / "runtime"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")])),
    }


@pytest.fixture(autouse=True)
def own_environment(clean_env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test starts from `clean_env`; the runtime that it gets by asking for none is its own, and ends with it."""
    for key in set(os.environ) - set(clean_env):
        if key.startswith("AETHERGRAPH_"):
            monkeypatch.delenv(key)
    for key, value in clean_env.items():
        if os.environ.get(key) != value:
            monkeypatch.setenv(key, value)
    monkeypatch.setenv("AETHERGRAPH_HOME", str(tmp_path / ".aethergraph"))
    yield
    hub = sys.modules.get("aethergraph.lifecycle.hub")
    if hub is not None and hub._current is not None:
        hub._current.close()
        hub._current = None


@pytest.fixture(scope="session")
def old_ipykernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ipykernel 6.29.5; put first on PYTHONPATH it makes any kernel of this environment that old."""
    folder = tmp_path_factory.mktemp("ipykernel-6.29.5")
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--target", str(folder)]
    subprocess.run([*pip, "ipykernel==6.29.5"], check=True)
    return folder


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    """The runtime of the process, with a store of its own, fully durable."""
    made = Runtime(tmp_path / "store", keyring=Keyring(tmp_path / "key"))
    with made.use():
        yield made
    made.close()
