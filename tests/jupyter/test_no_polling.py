"""Fault 8 of the peers: polling the kernel for widget events broke with each of its releases. Here nobody polls."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .kernels import ROOT, Ran, kernel, older

SETUP = """
import os
os.environ["AETHERGRAPH_KEY_FILE"], os.environ["AETHERGRAPH_INTERACTIVE"] = os.path.abspath("key"), "1"
%load_ext aethergraph
from aethergraph import graph_fn, start

polls = []
def counting(kind, name):
    before = getattr(kind, name)
    def counted(*args, **kwargs):
        polls.append(name)
        return before(*args, **kwargs)
    setattr(kind, name, counted)

# ipykernel 6 has these; 7 has not, so that there is nothing to count
for kind in type(get_ipython().kernel).__mro__:
    for name in ("do_one_iteration", "flush_shell_queue"):
        if name in vars(kind):
            counting(kind, name)

@graph_fn
async def agent(*, context):
    return await context.channel().ask_text("What name?")
"""
AWAITS = """
run = start(agent)
async for _ in run.events():
    if run.waits:
        break
print("token", run.waits[0].token)
print("got", dict(await run), polls)
"""
POLLING = re.compile(r"do_one_iteration|jupyter_ui_poll|ui_events|\.flush\(zmq|get_msgs\(|process_one\(")


@pytest.mark.parametrize("folder", [None, *older()], ids=lambda folder: folder.name if folder else "installed")
def test_peers_8_a_click_reaches_the_cell_that_awaits_and_nothing_polled_for_it(
    folder: Path | None, tmp_path: Path
) -> None:
    ran, sent, views = Ran(), list[str](), list[str]()
    with kernel(tmp_path, folder) as running:
        client = running.client

        def say(comm: str, **content: Any) -> None:
            data = {"comm_id": comm, "data": {"method": "custom", "content": content}}
            client.shell_channel.send(client.session.msg("comm_msg", data))

        def hear(message: dict[str, Any]) -> None:
            ran.hear(message)
            if message["msg_type"] == "comm_open" and "run_view.RunView" in json.dumps(message["content"]["data"]):
                views.append(message["content"]["comm_id"])
            token = re.search(r"token (\S+)\n", ran.text)
            if token and views and not sent:
                sent.append(token[1])
                say(views[0], kind="answer", token=token[1], value="Ada", answer_id="1")

        running.run(SETUP)
        client.execute_interactive(AWAITS, timeout=60, output_hook=hear)
    assert len(sent) == 1 and "got {'result': 'Ada'} []" in ran.text, ran.text


@pytest.mark.parametrize("package", ["jupyter_ext", "aethergraph"])
def test_peers_8_no_line_of_ours_turns_the_kernels_own_loop(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert len(files) > 20
    found = [path.name for path in files if POLLING.search(path.read_text(encoding="utf-8"))]
    assert not found, f"{found} take messages from the kernel by themselves"
