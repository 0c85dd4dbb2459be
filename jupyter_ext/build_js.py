"""Bundles `js/` into `static/`, which is what a kernel sends to the browser. Run it after a change: `npm run build`.

The bundle starts with the digest of its sources, so that a forgotten build is found without building.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
UPLOT = HERE.parent / "node_modules" / "uplot"  # draws the charts; MIT
SOURCES, BUILT = HERE / "js", HERE / "static"
PLOTTING = "plotting.js"  # sent to views that have something to draw
BANNER = "// sources sha256: "


def digest() -> str:
    """Of all sources: names and contents, line ends apart."""
    found = hashlib.sha256()
    for path in sorted([*SOURCES.glob("*.js"), *SOURCES.glob("*.css")]):
        text = path.read_text(encoding="utf-8")
        found.update(f"{path.name}\0{len(text)}\0{text}".encode())
    return found.hexdigest()


def fresh() -> bool:
    """Whether the bundle was built from the sources as they are."""
    bundle = BUILT / "run_view.js"
    return bundle.exists() and bundle.read_text(encoding="utf-8").startswith(BANNER + digest())


def build(npx: str = "") -> None:
    """Write the bundle with esbuild, which `npm install` has put into `node_modules`."""
    npx = npx or shutil.which("npx") or "npx"
    BUILT.mkdir(exist_ok=True)
    _bundle(npx, SOURCES / "main.js", "run_view.js", "--format=esm", f"--banner:js={BANNER}{digest()}")
    _bundle(npx, SOURCES / "run_view.css", "run_view.css")
    notice = "--banner:js=// contains uPlot, (c) Leon Sorokin, MIT: see uPlot.LICENSE.txt"
    _bundle(npx, SOURCES / "plotting.js", PLOTTING, "--format=esm", "--loader:.css=text", notice)
    # uPlot can set titles and labels as HTML. Ours are set as text elsewhere; here it is made sure of.
    plotting = BUILT / PLOTTING
    plotting.write_text(plotting.read_text(encoding="utf-8").replace(".innerHTML=", ".textContent="), encoding="utf-8")
    shutil.copyfile(UPLOT / "LICENSE", BUILT / "uPlot.LICENSE.txt")


def _bundle(npx: str, entry: Path, built: str, *options: str) -> None:
    command = [npx, "--no-install", "esbuild", str(entry), "--bundle", "--minify", "--charset=utf8"]
    command += ["--target=es2022", f"--outfile={BUILT / built}", "--log-level=warning", *options]
    subprocess.run(command, check=True, cwd=HERE.parent)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(
            0 if fresh() else "jupyter_ext/static is older than jupyter_ext/js: run `npm install && npm run build`"
        )
    build()
