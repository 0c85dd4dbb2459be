"""Lines of a node's log."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.services.fake_desk import FakeDesk, room


@pytest.fixture
def both(tmp_path: Path) -> tuple[logging.LoggerAdapter[logging.Logger], FakeDesk]:
    context, desk = room(tmp_path).context()
    return context.logger(), desk


def test_a_line_is_noted_and_carries_where_it_comes_from(
    both: tuple[logging.LoggerAdapter[logging.Logger], FakeDesk], caplog: pytest.LogCaptureFixture
) -> None:
    log, desk = both
    log.warning("%d rows", 3, extra={"mine": 1})
    assert desk.notes == [("log", {"level": "WARNING", "text": "3 rows"})]
    (record,) = caplog.records
    assert (record.name, record.getMessage()) == ("aethergraph.run", "3 rows")
    assert [getattr(record, name) for name in ("run_id", "graph_id", "node_id", "mine")] == [
        "study-1",
        "study",
        "fit",
        1,
    ]
    assert record.funcName == "test_a_line_is_noted_and_carries_where_it_comes_from"


def test_info_is_noted_whatever_the_standard_logger_shows(
    both: tuple[logging.LoggerAdapter[logging.Logger], FakeDesk],
) -> None:
    log, desk = both
    log.info("shown")
    log.debug("hidden")
    assert [data["text"] for _, data in desk.notes] == ["shown"]


def test_debug_is_noted_where_it_is_enabled(
    both: tuple[logging.LoggerAdapter[logging.Logger], FakeDesk], caplog: pytest.LogCaptureFixture
) -> None:
    log, desk = both
    with caplog.at_level(logging.DEBUG, "aethergraph.run"):
        log.debug("shown")
    assert [data for _, data in desk.notes] == [{"level": "DEBUG", "text": "shown"}]


def test_an_exception_brings_its_traceback(both: tuple[logging.LoggerAdapter[logging.Logger], FakeDesk]) -> None:
    log, desk = both
    try:
        raise KeyError("gone")
    except KeyError as error:
        log.exception("it broke")
        log.error("again", exc_info=error)
    for _, data in desk.notes:
        assert data["level"] == "ERROR"
        assert "Traceback" in data["text"] and "KeyError: 'gone'" in data["text"]


def test_a_wrong_format_stops_nothing(
    both: tuple[logging.LoggerAdapter[logging.Logger], FakeDesk], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, desk = both
    monkeypatch.setattr(log.logger, "propagate", False)  # the standard handlers would complain to the error stream
    log.info("%d rows", "three")
    assert desk.notes == [("log", {"level": "INFO", "text": "%d rows ('three',)"})]


def test_warnings_make_no_noise_in_a_process_that_set_up_no_logging(
    both: tuple[logging.LoggerAdapter[logging.Logger], FakeDesk],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    both[0].warning("quiet")
    assert capsys.readouterr().err == ""
