"""A pydantic model as a form: its fields, what its validators say of an answer, and the instance that comes of it.

All is read from the model's JSON schema, which knows of constraints, aliases, enums and nested models alike. pydantic
is not imported here: whoever has a model has it.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import BadAnswer
from ..record import forms
from ..record.forms import Field

TAKEN = "str, int, float, bool, Literal, Enum, date, datetime, time, lists of them, and models one level deep"
_OWN_WORDS = re.compile("^(Value error|Assertion failed), ")  # what a validator of the user's said comes after it
_MOMENTS = {"date": "date", "date-time": "datetime", "time": "time"}


def register(model: Any) -> tuple[str, list[Field], Mapping[str, Any]]:
    """The name under which `model` checks answers from now on, its fields, and its schema.

    Raises:
        TypeError: this is no model, or a field is of a type that no form has.
    """
    if not isinstance(model, type) or not hasattr(model, "model_json_schema"):
        raise TypeError(f"ask_form takes a pydantic model, a class made from BaseModel, got {model!r:.80}")
    whole = model.model_json_schema()
    digest = hashlib.blake2b(msgspec.json.encode(whole, order="deterministic"), digest_size=8).hexdigest()
    name = f"{model.__module__}:{model.__qualname__}:{digest}"
    reader = _Reader(model.__name__, whole.get("$defs", {}))
    fields = reader.fields(reader.resolved(whole)[0], "")
    forms.models[name] = lambda answer: problems(model, answer)
    return name, fields, whole


def prompt(model: Any, whole: Mapping[str, Any]) -> str:
    """What is asked where nothing else is said: what the class says of itself, else its name."""
    said = inspect.cleandoc(model.__dict__.get("__doc__") or "")
    return said or str(whole.get("title") or model.__name__)


def plain(value: Any) -> Any:
    """An instance as the data of its form; anything else as it is."""
    dump = getattr(value, "model_dump", None)
    return value if dump is None or isinstance(value, type) else dump(mode="json", by_alias=True)


def problems(model: Any, answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name of the field, and what is wrong with it, for all that `model` does not take."""
    try:
        made(model, answer)
    except BadAnswer as error:
        return [("", error.why)]
    except ValueError as error:  # pydantic's ValidationError
        listed: Any = getattr(error, "errors", None)
        if listed is None:
            return [("", str(error))]
        found = listed(include_url=False, include_context=False, include_input=False)
        return [(".".join(map(str, one["loc"])), _OWN_WORDS.sub("", one["msg"])) for one in found]
    except Exception as error:  # noqa: BLE001 (validators are the user's, and may raise anything)
        return [("", f"{model.__name__} raised {type(error).__name__}: {error}")]
    return []


def made(model: Any, answer: Mapping[str, Any]) -> Any:
    """The instance. Left out is what is None and cannot be: then it has a default of its own.

    Raises:
        ValueError: pydantic's ValidationError.
    """
    # As JSON: strict models take a date from it, too.
    return model.model_validate_json(msgspec.json.encode(answer))


class _Reader:
    """Reads fields from a JSON schema. Raises TypeError for what a form cannot have."""

    def __init__(self, model: str, definitions: Mapping[str, Any]) -> None:
        self._model, self._definitions = model, definitions

    def fields(self, schema: Mapping[str, Any], under: str) -> list[Field]:
        """The fields of an object."""
        needed = set(schema.get("required", ()))
        found = schema.get("properties", {})
        if not found:
            raise TypeError(f"{self._model} has no fields to ask for")
        return [self._field(name, one, name in needed, under) for name, one in found.items()]

    def resolved(self, schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
        """What stands behind references, and whether it may be None."""
        nullable = False
        while True:
            options = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
            if "$ref" in schema:
                name = schema["$ref"].rpartition("/")[2]
                schema = {**self._definitions.get(name, {}), **{k: v for k, v in schema.items() if k != "$ref"}}
            elif len(schema.get("allOf", ())) == 1:
                schema = {**schema["allOf"][0], **{k: v for k, v in schema.items() if k != "allOf"}}
            elif options:
                nullable = nullable or len(options) < len(schema["anyOf"])
                if len(options) > 1 and {one.get("type") for one in options} != {"integer", "number"}:
                    return schema, nullable
                chosen = next((one for one in options if one.get("type") == "number"), options[0])
                schema = {**chosen, **{k: v for k, v in schema.items() if k != "anyOf"}}
            else:
                return schema, nullable

    def _field(self, name: str, given: Mapping[str, Any], needed: bool, under: str) -> Field:
        where = under + name
        schema, nullable = self.resolved(given)
        # A reference is called as its class is; the field has a name of its own.
        title = given.get("title") or name.replace("_", " ").strip().title()
        field = Field(
            name, title=title, help=str(given.get("description") or ""), needed=needed, nullable=nullable,
            default=given.get("default"), has_default="default" in given,
        )  # fmt: skip
        if schema.get("type") == "object" and "properties" in schema:
            if under:
                raise self._none(where, "a model inside a model inside a model")
            return msgspec.structs.replace(field, kind="form", fields=self.fields(schema, where + "."))
        if schema.get("type") == "array":
            return self._list(field, schema, where)
        return msgspec.structs.replace(field, **self._one(schema, where))

    def _list(self, field: Field, schema: Mapping[str, Any], where: str) -> Field:
        members = schema.get("items")
        if not isinstance(members, Mapping) or "prefixItems" in schema:
            raise self._none(where, "a list of no one type")
        found = self._one(self.resolved(members)[0], where)
        kind = {"text": "texts", "number": "numbers", "choice": "choices"}.get(found["kind"])
        if kind is None:
            raise self._none(where, f"a list of {found['kind']}")
        length = {"shortest": schema.get("minItems"), "longest": schema.get("maxItems"), "pattern": ""}
        return msgspec.structs.replace(field, **{**found, **length, "kind": kind})

    def _one(self, schema: Mapping[str, Any], where: str) -> dict[str, Any]:
        if "const" in schema or "enum" in schema:
            return {"kind": "choice", "options": list(schema.get("enum", [schema.get("const")]))}
        kind = schema.get("type")
        if kind == "string" and schema.get("format") in _MOMENTS:
            return {"kind": _MOMENTS[schema["format"]]}
        if kind == "string":
            length = {"shortest": schema.get("minLength"), "longest": schema.get("maxLength")}
            return {"kind": "text", **length, "pattern": _known_pattern(schema.get("pattern"))}
        if kind in ("integer", "number"):
            bounds = {"min": "minimum", "max": "maximum", "over": "exclusiveMinimum", "under": "exclusiveMaximum"}
            found = {ours: schema.get(theirs) for ours, theirs in {**bounds, "step": "multipleOf"}.items()}
            return {"kind": "number", "whole": kind == "integer", **found}
        if kind == "boolean":
            return {"kind": "bool"}
        raise self._none(where, str(kind or "more than one type"))

    def _none(self, where: str, what: str) -> TypeError:
        return TypeError(f"no form can ask for {where!r} of {self._model}, which is {what}: it takes {TAKEN}")


def _known_pattern(pattern: Any) -> str:
    """`pattern` where Python understands it as well; else it is left to the model."""
    try:
        re.compile(pattern or "")
    except re.error:
        return ""
    return str(pattern or "")
