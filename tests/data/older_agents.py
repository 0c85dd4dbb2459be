from aethergraph import NodeContext, graph_fn, tool


@tool(outputs=["n"])
async def double(x: int) -> int:
    return 2 * x


@graph_fn
async def asking(x: int = 3, *, context: NodeContext) -> dict:
    n = (await double(x)).n
    await context.artifacts().save_text(str(n), name="n.txt")
    answer = await context.channel("inbox").ask_text("Go on?")
    return {"n": (await double(n)).n, "answer": answer}
