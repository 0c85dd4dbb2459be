"""Each numbered rule of the semantics, and each fault that was seen in the peers, has tests that name it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
RULES = 34
_NUMBERED = re.compile(r"def test_((?:\d+_)+)\w*\(")

# What happened to others, and the tests that show that it does not happen here.
FAULTS = {
    "two answers to one question both count": (
        "test_1_of_two_answers_from_two_processes_one_counts_and_is_acted_on_once"
    ),
    "an unknown id runs the node again": "test_1_an_unknown_id_is_an_error_and_runs_nothing",
    "what came before a question runs again": (
        "test_1_what_came_before_a_question_does_not_run_again_when_it_is_answered"
    ),
    "a waiting node is renamed and its wait is gone": (
        "test_2_the_tool_that_waits_is_renamed_and_says_what_became_of_its_question"
    ),
    "an edit leaves the answer unread": (
        "test_2_any_other_edit_while_it_waits_leaves_the_question_open_and_its_answer_is_read"
    ),
    "a question holds up its siblings": "test_3_the_question_of_one_branch_holds_up_no_other",
    "parallel tools share one id": "test_3_questions_of_one_tool_that_are_open_at_once_get_each_its_own_answer",
    "a result that cannot be stored has no name": (
        "test_4_a_result_that_cannot_be_stored_is_named_with_node_key_and_type_and_the_run_goes_on"
    ),
    "an argument is dropped from the cache key": (
        "test_4_an_argument_that_cannot_be_compared_is_never_left_out_of_a_cache_key"
    ),
    "reading runs a pickle": "test_5_reading_a_store_runs_no_code_that_somebody_put_there",
    "a retry runs for ever": "test_6_a_retried_tool_with_a_bug_runs_as_often_as_it_says",
    "a tool in a closure hangs the run": "test_6_a_tool_in_a_closure_does_not_hang_the_run_which_goes_on_after_a_kill",
    "a failed tool's exception is lost": "test_6_the_exception_of_a_failed_tool_is_never_lost_whoever_asks_for_it",
    "a run id with other inputs gives the old outputs": "test_6_the_same_run_id_with_other_inputs_is_refused",
    "a kill repeats finished nodes": "test_6_a_kill_repeats_no_finished_node_and_keeps_the_token_and_the_answer_to_it",
    "setup runs twice and the answer vanishes": (
        "test_6_setup_runs_once_and_the_answer_to_its_token_counts_however_often_the_kernel_dies"
    ),
    "a sync tool blocks the loop": "test_6_a_sync_tool_does_not_hold_up_the_loop",
    "caps do not hold for a graph_fn": (
        "test_29_the_cap_of_an_agent_holds_at_top_level_and_where_it_is_one_node_of_another"
    ),
    "an input reference iterates the keys of a dict": (
        "test_6_an_input_reference_is_not_iterated_even_if_the_input_will_be_a_dict"
    ),
    "a handle as an input is not resolved": "test_6_a_handle_that_is_passed_as_an_input_gives_its_value",
    "nobody to ask waits for ever": "test_6_nobody_to_ask_is_an_error_and_no_wait_for_ever",
    "a line for each node fills the cell": "test_6_no_line_is_logged_or_printed_for_a_node",
    "a picture needs a web service": "test_pictures_are_made_offline",
    "widget events are polled for": "test_peers_8_a_click_reaches_the_cell_that_awaits_and_nothing_polled_for_it",
}


@cache
def _text() -> str:
    return "\n".join(file.read_text("utf-8") for file in sorted(HERE.rglob("test_*.py")) if file != Path(__file__))


@pytest.mark.parametrize("rule", range(1, RULES + 1))
def test_each_rule_has_a_test_that_bears_its_number(rule: int) -> None:
    cited = {int(number) for found in _NUMBERED.findall(_text()) for number in found.split("_") if number}
    assert rule in cited, f"no test is called test_{rule}_..."


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_the_peers_has_its_test(fault: str) -> None:
    assert f"def {FAULTS[fault]}(" in _text(), f"{fault}: no test {FAULTS[fault]}"
