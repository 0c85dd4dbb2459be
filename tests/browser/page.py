"""One notebook in one JupyterLab page, as a person uses it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Locator, Page, expect

if TYPE_CHECKING:
    from .lab import Lab

PATIENCE_MS = 30_000.0
expect.set_options(timeout=PATIENCE_MS)

# Cells are read from the notebook's model: JupyterLab keeps only visible cells in the document.
HELPERS = """() => {
  const panel = () => [...window.jupyterapp.shell.widgets('main')].find((w) => w.content?.model?.cells);
  const kernel = () => panel()?.sessionContext.session?.kernel;
  const text = (output) => [output.text, output.ename, output.evalue, ...Object.values(output.data ?? {})]
    .flat(2).filter((part) => typeof part === 'string').join('');
  window.aether = {
    runs: {},
    kernel,
    status: () => kernel()?.status,
    ready: () => !!panel()?.content.isAttached && panel().context.isReady && kernel()?.status === 'idle',
    json: () => panel().content.model.toJSON(),
    outputs: (index) => panel().content.model.cells.get(index).toJSON().outputs ?? [],
    texts: (index) => window.aether.outputs(index).map(text).join('\\n'),
    select: (index) => { panel().content.activeCellIndex = index; panel().content.deselectAll(); },
    run: (index) => {
      window.aether.select(index);
      window.aether.runs[index] = window.jupyterapp.commands.execute('notebook:run-cell');
    },
    command: (name, args) => window.jupyterapp.commands.execute(name, args ?? {}).then(() => null),
    save: () => panel().context.save(),
    reveal: (index) => panel().content.scrollToItem(index, 'smart'),
  };
}"""


class NotebookPage:
    """A notebook that is open in JupyterLab. Cells are numbered from 0."""

    def __init__(self, lab: Lab, page: Page, path: Path, number: int) -> None:
        self.lab, self.page, self.path = lab, page, path
        self.console: list[str] = []
        # A workspace of its own: JupyterLab restores the tabs of a workspace that it has seen before.
        place = path.relative_to(lab.notebooks).as_posix()
        self.url = f"{lab.url}/lab/workspaces/w{number}/tree/{place}"
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.console.append(f"pageerror: {error}"))

    def open(self) -> None:
        """Load the page (again) and wait until its kernel is idle."""
        self.page.goto(f"{self.url}?token={self.lab.token}", wait_until="domcontentloaded")
        self.page.wait_for_function("() => window.jupyterapp?.shell")
        self.page.evaluate(HELPERS)
        self.wait_idle()

    def reload(self) -> None:
        """As the browser's reload button."""
        self.open()

    # The kernel

    def wait_idle(self) -> None:
        """Until the notebook is shown and its kernel has nothing to do."""
        self.page.wait_for_function("() => window.aether.ready()")

    def kernel_pid(self) -> int:
        """The process id of the kernel."""
        return int(self.lab.kernel_process(self.page.evaluate("() => window.aether.kernel().id")).pid)

    def kill_kernel(self) -> None:
        """SIGKILL; then what a person does: close the dialog that says so, and wait for the new kernel."""
        process = self.lab.kernel_process(self.page.evaluate("() => window.aether.kernel().id"))
        process.kill()
        dialog = self.page.locator(".jp-Dialog")
        dialog.get_by_role("button", name="Ok").click()
        expect(dialog).to_have_count(0)
        self.wait_idle()

    def restart_kernel(self) -> None:
        """Restart without being asked whether one is sure."""
        self.page.evaluate("() => window.aether.kernel().restart()")
        self.wait_idle()

    def interrupt_kernel(self) -> None:
        """The square button."""
        self.page.evaluate("() => window.aether.kernel().interrupt()")

    # Cells

    def run(self, index: int) -> None:
        """Start a cell and return; the page stays usable while it runs."""
        self.page.evaluate("(index) => window.aether.run(index)", index)

    def run_all(self) -> None:
        """Run All Cells, and return at once."""
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")

    def finish(self, index: int) -> str:
        """Wait until the cell that `run` started has ended; the text of its outputs."""
        self.page.evaluate("(index) => Promise.resolve(window.aether.runs[index]).then(() => null)", index)
        return self.text(index)

    def do(self, *indexes: int) -> str:
        """Run cells one after the other; the text of the last one's outputs."""
        for index in indexes:
            self.run(index)
            self.finish(index)
        return self.text(indexes[-1])

    def text(self, index: int) -> str:
        """All text of a cell's outputs, from the notebook's model."""
        return str(self.page.evaluate("(index) => window.aether.texts(index)", index))

    def outputs(self, index: int) -> list[dict[str, Any]]:
        """A cell's outputs as nbformat has them."""
        found: list[dict[str, Any]] = self.page.evaluate("(index) => window.aether.outputs(index)", index)
        return found

    def wait_text(self, index: int, part: str) -> None:
        """Until a cell's outputs contain `part`."""
        self.page.wait_for_function("([index, part]) => window.aether.texts(index).includes(part)", arg=[index, part])

    def cell(self, index: int) -> Locator:
        """The cell in the document, scrolled to where one sees it."""
        self.page.evaluate("(index) => window.aether.reveal(index)", index)
        return self.page.locator(f'.jp-Notebook .jp-Cell[data-windowed-list-index="{index}"]')

    def cell_count(self) -> int:
        """How many cells the notebook has now."""
        return len(self.page.evaluate("() => window.aether.json().cells"))

    # The file

    def save(self) -> dict[str, Any]:
        """Save as Ctrl-S does; the notebook that is on disk then."""
        self.page.evaluate("() => window.aether.save()")
        saved: dict[str, Any] = json.loads(self.path.read_text())
        return saved

    def command(self, name: str, **args: Any) -> None:
        """One of JupyterLab's commands, as its palette would do it; returns when it is done."""
        self.page.evaluate("([name, args]) => window.aether.command(name, args)", [name, args])

    def screenshot(self, name: str, of: Locator | None = None) -> Path:
        """A picture of the page, or of one part, beside the notebook and in the folder that AETHERGRAPH_SHOTS names."""
        picture = self.path.parent / f"{name}.png"
        (of or self.page).screenshot(path=picture)
        if shots := os.environ.get("AETHERGRAPH_SHOTS"):
            Path(shots).mkdir(parents=True, exist_ok=True)
            (Path(shots) / picture.name).write_bytes(picture.read_bytes())
        return picture
