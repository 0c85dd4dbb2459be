"""A model that is trained in place, in the body and by a tool."""

from __future__ import annotations

from typing import Any

from aethergraph import graph_fn, tool


class Model:
    """Learns by changing."""

    def __init__(self) -> None:
        self.weights = [0.0, 0.0]

    def fit(self, x: float) -> None:
        """One step."""
        self.weights = [w * 2 + x for w in self.weights]


@tool(outputs=["model"])
async def make() -> Model:
    return Model()


@tool(outputs=["loss"])
def train(model: Model, x: float) -> float:
    model.fit(x)
    return -model.weights[0]


@tool(outputs=["score"])
async def evaluate(model: Model) -> float:
    return sum(model.weights)


@graph_fn
async def trained_by_a_tool() -> dict[str, Any]:
    model = (await make()).model
    told = []
    for x in (1.0, 2.0, 3.0):
        told += [(await train(model, x)).loss, (await evaluate(model)).score]
    return {"told": told, "weights": model.weights}


@graph_fn
async def trained_in_the_body() -> dict[str, Any]:
    model = (await make()).model
    told = []
    for x in (1.0, 2.0, 3.0):
        model.fit(x)
        told.append((await evaluate(model)).score)
    return {"told": told, "weights": model.weights}
