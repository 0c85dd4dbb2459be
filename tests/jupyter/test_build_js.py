"""The bundle in the package is the one that the sources give."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jupyter_ext import build_js


def test_the_bundle_was_built_from_these_sources() -> None:
    assert build_js.fresh(), "run `npm install && npm run build`"


def test_a_changed_source_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(build_js.SOURCES, tmp_path / "js")
    monkeypatch.setattr(build_js, "SOURCES", tmp_path / "js")
    assert build_js.fresh()
    (tmp_path / "js" / "main.js").write_text("changed", encoding="utf-8")
    assert not build_js.fresh()


def test_the_bundle_loads_nothing_from_elsewhere() -> None:
    """Save one module, whose text the kernel sends: `import` of an object URL."""
    text = (build_js.BUILT / "run_view.js").read_text(encoding="utf-8")
    assert text.count("import(") == 1 and "https://" not in text and "innerHTML" not in text
    plotting = (build_js.BUILT / build_js.PLOTTING).read_text(encoding="utf-8")
    assert not any(way in plotting for way in ("import(", "https://", "innerHTML", "fetch("))
    assert "Copyright (c) 2" in (build_js.BUILT / "uPlot.LICENSE.txt").read_text(encoding="utf-8")
