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
    text = (build_js.BUILT / "run_view.js").read_text(encoding="utf-8")
    assert "import(" not in text and "https://" not in text and "innerHTML" not in text
