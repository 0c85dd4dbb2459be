"""A pydantic model as a form: its fields, what is refused, the instance that comes of an answer."""

from __future__ import annotations

import datetime
import enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from aethergraph.errors import BadAnswer
from aethergraph.record import forms as record
from aethergraph.record import schema
from aethergraph.record.schema import Question
from aethergraph.services import forms
from aethergraph.storage import uploads


class Kernel(enum.Enum):
    RBF = "rbf"
    LINEAR = "linear"


class Split(BaseModel):
    """How the rows are divided."""

    test: float = Field(0.2, gt=0, lt=1, description="the part that is held out")
    seed: int = 0


class Fit(BaseModel):
    """A model to fit"""

    model_config = ConfigDict(populate_by_name=True)

    name: str = Field(min_length=1, max_length=20, pattern=r"^\w+$")
    rows: int = Field(ge=1, le=1000, multiple_of=5)
    rate: float = 0.1
    shuffle: bool = True
    method: Literal["svm", "forest"] = "svm"
    kernel: Kernel = Kernel.RBF
    day: datetime.date | None = None
    tags: list[str] = Field(default_factory=list, max_length=3)
    depths: list[int] = [1, 2]
    note: str | None = Field(None, title="Remark", alias="remark")
    split: Split = Field(default_factory=Split)

    @field_validator("name")
    @classmethod
    def no_test(cls, value: str) -> str:
        if value.startswith("test"):
            raise ValueError("begins with test")
        return value

    @model_validator(mode="after")
    def linear_svm(self) -> Fit:
        if self.method == "forest" and self.kernel is Kernel.LINEAR:
            raise ValueError("a forest has no kernel")
        return self


def question(model: Any = Fit, **more: Any) -> Question:
    name, fields, whole = forms.register(model)
    return schema.make("form", forms.prompt(model, whole), form=fields, model=name, **more)


def check(answer: Any, model: Any = Fit) -> dict[str, Any]:
    asked = question(model)
    found: dict[str, Any] = schema.check(asked, uploads.take_in(None, asked, answer))  # type: ignore[arg-type]
    return found


def test_each_type_has_its_field() -> None:
    fields = {field.name: field for field in question().form}
    assert {name: field.kind for name, field in fields.items()} == {
        "name": "text", "rows": "number", "rate": "number", "shuffle": "bool", "method": "choice", "kernel": "choice",
        "day": "date", "tags": "texts", "depths": "numbers", "remark": "text", "split": "form",
    }  # fmt: skip
    assert (fields["rows"].min, fields["rows"].max, fields["rows"].step, fields["rows"].whole) == (1, 1000, 5, True)
    assert (fields["name"].shortest, fields["name"].longest, fields["name"].pattern) == (1, 20, r"^\w+$")
    assert (fields["day"].nullable, fields["day"].needed, fields["name"].needed) == (True, False, True)
    assert fields["kernel"].options == ["rbf", "linear"] and fields["kernel"].default == "rbf"
    assert (fields["remark"].title, fields["kernel"].title, fields["rows"].title) == ("Remark", "Kernel", "Rows")
    test, seed = fields["split"].fields
    assert (test.over, test.under, test.help, seed.default) == (0, 1, "the part that is held out", 0)
    assert question().prompt == "A model to fit"


def test_an_answer_becomes_an_instance_with_its_defaults() -> None:
    answer = check({"name": "a", "rows": "10", "day": datetime.date(2026, 3, 31), "kernel": "LINEAR", "split": {}})
    made = forms.made(Fit, answer)
    assert (made.rows, made.day, made.kernel, made.split.test) == (10, datetime.date(2026, 3, 31), Kernel.LINEAR, 0.2)
    assert answer["day"] == "2026-03-31"  # plain data


def test_an_instance_is_an_answer() -> None:
    given = Fit(name="a", rows=5, note="x", tags=["t"])
    assert forms.made(Fit, check(given)) == given


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({}, "name: is needed; rows: is needed"),
        ({"name": "", "rows": 5}, "name: is empty"),
        ({"name": "a b", "rows": 5}, r"name: 'a b' does not match"),
        ({"name": "a", "rows": 1001}, "rows: 1001 is above 1000"),
        ({"name": "a", "rows": 7}, "rows: 7 is no multiple of 5"),
        ({"name": "a", "rows": 5.5}, "rows: 5.5 is not a whole number"),
        ({"name": "a", "rows": True}, "rows: True is not a number"),
        ({"name": "a", "rows": 5, "shuffle": "perhaps"}, "shuffle: 'perhaps' is neither yes nor no"),
        ({"name": "a", "rows": 5, "method": "tree"}, "method: 'tree' is none of 'svm', 'forest'"),
        ({"name": "a", "rows": 5, "day": "31.3."}, "day: '31.3.' is no date: write it as 2026-03-31"),
        ({"name": "a", "rows": 5, "tags": "x"}, "tags: expected a list, got str"),
        ({"name": "a", "rows": 5, "tags": list("abcd")}, "tags: has 4 members, at most 3 are taken"),
        ({"name": "a", "rows": 5, "depths": [1, 2.5]}, "depths: 2. member: 2.5 is not a whole number"),
        ({"name": "a", "rows": 5, "split": {"test": 1}}, "split.test: 1 is not below 1"),
        ({"name": "a", "rows": 5, "split": 3}, "split: expected a dict with 'test', 'seed', got int"),
        ({"name": "a", "rows": 5, "size": 1}, "size: is no field; there are 'name'"),
        ("Ada", "expected a dict with 'name'"),
        # what the model itself says
        ({"name": "test1", "rows": 5}, "name: begins with test"),
        ({"name": "a", "rows": 5, "method": "forest", "kernel": "linear"}, "a forest has no kernel"),
    ],
)
def test_what_does_not_fit_is_named_by_its_field(answer: Any, why: str) -> None:
    with pytest.raises(BadAnswer, match=why.replace("(", r"\(").replace("^", r"\^")):
        check(answer)


def test_where_the_model_is_not_loaded_the_fields_are_checked_all_the_same() -> None:
    asked = question()
    record.models.pop(asked.model)
    with pytest.raises(BadAnswer, match="rows: 1001 is above"):
        schema.check(asked, {"name": "a", "rows": 1001})
    taken = schema.check(asked, {"name": "test1", "rows": 5})  # only the model knows better, when it gets it
    assert forms.problems(Fit, taken) == [("name", "begins with test")]


def test_the_question_is_the_same_after_a_round_trip() -> None:
    asked = question(default={"name": "a", "rows": 5})
    assert schema.decode(schema.encode(asked)) == asked


def test_a_default_that_does_not_fit_is_refused_when_it_is_asked() -> None:
    with pytest.raises(ValueError, match="rows: is needed"):
        question(default={"name": "a"})


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    day: datetime.date
    at: datetime.datetime
    hour: datetime.time
    ratio: int | float
    ports: set[Annotated[int, Field(ge=1)]]
    which: list[Literal["a", "b"]]


def test_a_strict_model_takes_what_a_form_gives() -> None:
    answer = {
        "day": "2026-03-31",
        "at": "2026-03-31T14:30",
        "hour": "14:30",
        "ratio": "2.5",
        "ports": ["1", 2],
        "which": ["b"],
    }
    made = forms.made(Strict, check(answer, Strict))
    assert (made.hour, made.ratio, made.ports, made.which) == (datetime.time(14, 30), 2.5, {1, 2}, ["b"])


class Deep(BaseModel):
    class Middle(BaseModel):
        split: Split

    middle: Middle


class Odd(BaseModel):
    table: dict[str, int]


class Mixed(BaseModel):
    value: int | str


class Empty(BaseModel):
    pass


class Broken(BaseModel):
    x: int

    @field_validator("x")
    @classmethod
    def fail(cls, value: int) -> int:
        raise KeyError("nothing there")


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (Deep, "no form can ask for 'middle.split' of Deep, which is a model inside a model inside a model"),
        (Odd, "'table' of Odd"),
        (Mixed, "'value' of Mixed, which is more than one type"),
        (Empty, "Empty has no fields to ask for"),
        (dict, "takes a pydantic model"),
        (Split(), "takes a pydantic model"),
    ],
)
def test_what_no_form_can_ask_for_is_said_with_its_field(model: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        forms.register(model)


def test_a_form_without_fields_is_no_question() -> None:
    with pytest.raises(ValueError, match=r"'Which\?' has no fields to ask for"):
        schema.make("form", "Which?")


def test_a_validator_that_breaks_is_no_end_of_the_run() -> None:
    assert forms.problems(Broken, {"x": 1}) == [("", "Broken raised KeyError: 'nothing there'")]


def test_an_answer_is_told_in_a_line() -> None:
    assert (
        record.told({"name": "a", "tags": ["x", "y"], "split": {"test": 0.5}}) == "name: a, tags: x, y, split.test: 0.5"
    )
