"""The agent `study`.

Exported from 01_first_agent.ipynb as of run study-j5a2t by `%aether export study` on
2026-11-29.
"""

import json
import sys
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from aethergraph import graphify, run, tool
from aethergraph.tools import ask_choice, ask_text, send_text


@tool(outputs=["images", "labels"], retries=2, retry_on=(ConnectionError,), backoff_s=0.2)
def load(context):
    """1,797 handwritten digits, 8 x 8 pixels each."""
    if context.attempt == 1:
        raise ConnectionError("the download broke off (staged, so that you see a retry)")
    digits = load_digits()
    return digits.images / 16, digits.target


@tool(outputs=["rows", "per_digit"])
def profile(images, labels, context):
    """How many of each digit there are, and what the first ones look like."""
    fig = Figure(figsize=(6, 1.2))
    for axes, image, label in zip(fig.subplots(1, 8), images, labels, strict=False):
        axes.imshow(image, cmap="gray_r")
        axes.set_title(int(label), fontsize=8)
        axes.axis("off")
    context.artifacts().save_figure(fig, name="first digits")
    return len(images), [int(n) for n in np.bincount(labels)]


@tool(outputs=["train_x", "train_y", "test_x", "test_y"])
def split(images, labels):
    """A quarter is kept aside for testing."""
    train_x, test_x, train_y, test_y = train_test_split(images, labels, test_size=0.25, stratify=labels, random_state=0)
    return train_x, train_y, test_x.reshape(-1, 64), test_y


@tool(outputs=["x", "y"])
def nudge(images, labels):
    """Five times as many training rows: each image as it is, and moved by one pixel in four directions."""
    moves = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
    moved = [np.roll(images, move, axis=(1, 2)) for move in moves]
    return np.concatenate(moved).reshape(-1, 64), np.tile(labels, len(moves))


def train(name, model, one_round, test_x, test_y, rounds, context):
    with context.channel().progress(title=f"training {name}", total=rounds) as bar:
        for step in range(rounds):
            one_round()
            accuracy = float(model.score(test_x, test_y))
            context.viz().scalar(f"accuracy/{name}", step, accuracy)
            bar.update(inc=1, subtitle=f"accuracy {accuracy:.3f}")
    return model, accuracy


@tool(outputs=["model", "accuracy"])
def fit_linear(x, y, test_x, test_y, rounds, context):
    model = SGDClassifier(loss="log_loss", random_state=0)
    return train("linear", model, partial(model.partial_fit, x, y, classes=range(10)), test_x, test_y, rounds, context)


@tool(outputs=["model", "accuracy"])
def fit_mlp(x, y, test_x, test_y, rounds, context):
    model = MLPClassifier((128, 64), batch_size=64, random_state=0)
    return train("mlp", model, partial(model.partial_fit, x, y, classes=range(10)), test_x, test_y, rounds, context)


@tool(outputs=["model", "accuracy"])
def fit_forest(x, y, test_x, test_y, rounds, context):
    model = RandomForestClassifier(n_estimators=4, warm_start=True, random_state=0)

    def a_dozen_more_trees():
        model.n_estimators += 12
        model.fit(x, y)

    return train("forest", model, a_dozen_more_trees, test_x, test_y, rounds, context)


@tool(outputs=["matrix"])
def confusion(model, test_x, test_y):
    """Row: the true digit. Column: the digit that was read."""
    return confusion_matrix(test_y, model.predict(test_x))


@tool(outputs=["recall", "worst"])
def per_digit(matrix):
    recall = matrix.diagonal() / matrix.sum(axis=1)
    return [round(float(share), 3) for share in recall], int(recall.argmin())


@tool(outputs=["table", "best"])
def compare(names, accuracies, worst):
    rows = sorted(zip(accuracies, names, worst, strict=True), reverse=True)
    table = "\n".join(f"{name}: {accuracy:.3f} right, weakest on the digit {digit}" for accuracy, name, digit in rows)
    return table, rows[0][1]


@tool(outputs=["uri"])
def save_model(model, name, context):
    return context.artifacts().save_object(model, name=name).uri


@tool(outputs=["uri"])
def save_picture(matrix, name, context):
    fig = Figure(figsize=(4, 4), layout="tight")
    axes = fig.subplots()
    axes.imshow(np.log1p(matrix), cmap="Blues")
    axes.set(xlabel="read as", ylabel="is", xticks=range(10), yticks=range(10), title=name)
    return context.artifacts().save_figure(fig, name=f"{name} confusion").uri


@tool(outputs=["uri"])
def save_report(name, kept, table, recall, context):
    report = {"name": name, "kept": kept, "models": table.splitlines(), "share read right, by digit": recall}
    return context.artifacts().save_json(report, name=f"{name} report").uri


MODELS = ["linear", "forest", "mlp"]


@graphify(outputs=["matrix", "recall", "worst"])
def evaluate(model, test_x, test_y):
    seen = confusion(model, test_x, test_y)
    digits = per_digit(seen.matrix)
    return {"matrix": seen.matrix, "recall": digits.recall, "worst": digits.worst}


@tool(outputs=["text"])
def make_text(rows):
    return f"{rows} digits; training on the same ones moved about a little."


@tool(outputs=["accuracy", "model", "matrix", "recall"])
def pick_best_and_view(kept, accuracies, models, matrixes, recalls):
    best, view = MODELS.index(kept), MODELS.index(kept)
    return accuracies[best], models[best], matrixes[view], recalls[view]


@tool(outputs=["text"])
def make_text_2(name):
    return f"{name} is saved."


@graphify(outputs=["name", "kept", "accuracy"])
def study(rounds: int = 40):
    digits = load()
    about = profile(digits.images, digits.labels)
    parts = split(digits.images, digits.labels)
    text = make_text(about.rows, _after=parts)
    said = send_text(text)
    more = nudge(parts.train_x, parts.train_y, _after=said)
    data = (more.x, more.y, parts.test_x, parts.test_y, rounds)
    fits = [fit_linear(*data), fit_forest(*data), fit_mlp(*data)]
    views = [evaluate(one.model, parts.test_x, parts.test_y, _after=fits) for one in fits]
    result = compare(MODELS, [one.accuracy for one in fits], [view.worst for view in views])
    said_2 = send_text(result.table)
    kept = ask_choice("Which model shall I keep?", options=MODELS, name="keep", _after=said_2)
    name = ask_text("Under which name shall I save it?", name="model name", _after=kept)
    picked = pick_best_and_view(
        kept,
        [one.accuracy for one in fits],
        [one.model for one in fits],
        [one.matrix for one in views],
        [one.recall for one in views],
        _after=name,
    )
    save_model_done = save_model(picked.model, name)
    save_picture_done = save_picture(picked.matrix, name)
    save_report_done = save_report(name, kept, result.table, picked.recall)
    text_2 = make_text_2(name, _after=[save_model_done, save_picture_done, save_report_done])
    send_text(text_2)
    return {"name": name, "kept": kept, "accuracy": picked.accuracy}


if __name__ == "__main__":
    # inputs are JSON: python MODULE.py '{"name": value}'
    inputs = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    print(run(study, inputs))
