"""Forms in runs: answered, refused, killed, resumed, replayed. Semantics 7, 13."""

from __future__ import annotations

import json

import pytest

from aethergraph.errors import BadAnswer
from aethergraph.record import facts as f
from aethergraph.record import forms
from aethergraph.testing import ScriptedChannel

from .lab import LIMIT_S, Lab

AGENT = """
from pydantic import BaseModel, Field, field_validator

class Fit(BaseModel):
    "Which model?"
    name: str
    rows: int = Field(10, ge=1)

    @field_validator("name")
    @classmethod
    def known(cls, value):
        if value == "none":
            raise ValueError("is not known")
        return value

@graph_fn
async def fit(*, context: NodeContext):
    got = await context.channel().ask_form(Fit, name="fit")
    ran(type(got).__name__)
    await context.channel().ask_text("Go on?")
    return {"name": got.name, "rows": got.rows}
"""


def test_a_form_is_answered_with_a_dict_and_gives_an_instance_also_after_a_kill(lab: Lab) -> None:
    lab.cell(AGENT)
    run = lab.start("fit")
    token = lab.asked(run, "Which model?")
    for answer, why in (
        ({"rows": 0}, "name: is needed; rows: 0 is below 1; the question is still open"),
        ({"name": "none"}, "name: is not known"),
    ):
        with pytest.raises(BadAnswer, match=why):
            lab.runtime.answer(token, answer)
    lab.runtime.answer(token, {"name": "svm"})
    lab.asked(run, "Go on?")
    lab.kill()
    run = lab.resume(run)
    lab.answer(run, "Go on?", "yes")
    assert run.result(LIMIT_S) == {"name": "svm", "rows": 10}
    assert lab.took() == ["Fit", "Fit"]  # an instance on replay, too
    answers = [fact.value for fact in lab.facts(run) if isinstance(fact, f.NodeDone) and b"svm" in fact.value]
    assert [value[:1] for value in answers] == [b"m"]  # plain data
    entry = next(entry for entry in run.picture().transcript if entry.text == "Which model?")
    assert entry.more == "name: svm, rows: 10"


def test_what_only_the_model_refuses_is_asked_again_with_the_reason(lab: Lab) -> None:
    """It may be answered where the model is not loaded."""
    lab.cell(AGENT)
    run = lab.start("fit")
    token = lab.asked(run, "Which model?")
    forms.models.clear()
    lab.runtime.answer(token, {"name": "none"})
    again = "Which model?\n(What was answered does not fit: name: is not known)"
    lab.asked(run, again)
    lab.kill()
    run = lab.resume(run)
    lab.answer(run, again, {"name": "svm", "rows": 3})
    lab.answer(run, "Go on?", "yes")
    assert run.result(LIMIT_S) == {"name": "svm", "rows": 3}


def test_scripts_answer_with_dicts_and_instances(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.cell(AGENT)
    with ScriptedChannel({"fit": lab.cells["Fit"](name="a", rows=2), "Go on?": "yes"}):
        assert lab.run("fit") == {"name": "a", "rows": 2}
    with ScriptedChannel({"fit": {"name": "none"}}), pytest.raises(BadAnswer, match="name: is not known"):
        lab.run("fit")
    monkeypatch.setenv("AETHERGRAPH_ANSWERS", json.dumps({"fit": {"name": "b"}, "Go on?": "yes"}))
    assert lab.run("fit") == {"name": "b", "rows": 10}
