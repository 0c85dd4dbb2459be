"""When a failed attempt is made again."""

from __future__ import annotations

from typing import Any

import pytest

from aethergraph.scheduler.retries import NEVER, RetryPolicy


def test_pauses_double_up_to_the_cap_give_or_take_half() -> None:
    policy = RetryPolicy(max_attempts=9, backoff_first=1.0, backoff_base=2.0, backoff_cap=5.0)
    for attempt, pause in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (500, 5.0)):
        assert 0.5 * pause <= policy.pause(attempt, b"seed") <= 1.5 * pause
    assert policy.pause(1, b"seed") == policy.pause(1, b"seed") != policy.pause(1, b"other")


def test_only_so_often_and_only_what_was_said() -> None:
    policy = RetryPolicy(max_attempts=2, retry_on=ConnectionError)
    assert policy.again(1, ConnectionResetError()) and not policy.again(2, ConnectionResetError())
    assert not policy.again(1, KeyError())
    assert not NEVER.again(1, ConnectionError())


@pytest.mark.parametrize("wrong", [{"max_attempts": 0}, {"backoff_first": -1.0}, {"backoff_base": 0.5}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetryPolicy(**wrong)
