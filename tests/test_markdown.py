"""Markdown of messages: what people write, and nothing that could act."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aethergraph.views import markdown
from aethergraph.views.markdown import TAGS, parse


def html(parts: list[Any]) -> str:
    """The parts as somebody would write them, to compare with."""
    drawn = ""
    for part in parts:
        if isinstance(part, str):
            drawn += part
        else:
            tag, attributes, children = part
            told = "".join(f' {name}="{value}"' for name, value in attributes.items())
            drawn += f"<{tag}{told}>{html(children)}</{tag}>"
    return drawn


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hello", "<p>hello</p>"),
        ("a\nb\n\nc", "<p>a\nb</p><p>c</p>"),
        ("a  \nb", "<p>a<br></br>b</p>"),
        ("# One\n## Two ##\n###no", "<h1>One</h1><h2>Two</h2><p>###no</p>"),
        ("*a* _b_ **c** __d__ ~~e~~ `f*g*`", "<p><em>a</em> <em>b</em> <strong>c</strong> <strong>d</strong> "
         "<del>e</del> <code>f*g*</code></p>"),
        ("**a *b* c**", "<p><strong>a <em>b</em> c</strong></p>"),
        ("2 * 3 * 4, snake_case_name, 5*", "<p>2 * 3 * 4, snake_case_name, 5*</p>"),
        (r"\*a\* \# \`", "<p>*a* # `</p>"),
        ("``a`b``", "<p><code>a`b</code></p>"),
        ("[the *paper*](https://example.org/a_(b)_c \"t\")",
         '<p><a href="https://example.org/a_(b)_c">the <em>paper</em></a></p>'),
        ("see https://example.org/x_y_z. <mailto:a@b.org>",
         '<p>see <a href="https://example.org/x_y_z">https://example.org/x_y_z</a>. '
         '<a href="mailto:a@b.org">a@b.org</a></p>'),
        ("![plot](https://example.org/p.png)", '<p><a href="https://example.org/p.png">plot</a></p>'),
        ("- a\n- b\n  - c\n  - d\n- e", "<ul><li>a</li><li>b<ul><li>c</li><li>d</li></ul></li><li>e</li></ul>"),
        ("1. a\n2. b\n\nafter", "<ol><li>a</li><li>b</li></ol><p>after</p>"),
        ("3) a", '<ol start="3"><li>a</li></ol>'),
        ("- a\n\n  b", "<ul><li>a<p>b</p></li></ul>"),
        ("> a\n> b\n\nc", "<blockquote><p>a\nb</p></blockquote><p>c</p>"),
        ("```python\nif x:\n    *y*\n```\nz", "<pre><code>if x:\n    *y*</code></pre><p>z</p>"),
        ("~~~\nnever closed", "<pre><code>never closed</code></pre>"),
        ("a\n\n---\n\n* * *", "<p>a</p><hr></hr><hr></hr>"),
        ("| a | b |\n|---|--:|\n| 1 | `x\\|y` |",
         '<table><thead><tr><th>a</th><th class="n">b</th></tr></thead><tbody><tr><td>1</td>'
         '<td class="n"><code>x|y</code></td></tr></tbody></table>'),
        ("a | b\nno divider", "<p>a | b\nno divider</p>"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_people_write(text: str, shown: str) -> None:
    assert html(parse(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>)",
        "[x](JaVaScRiPt:alert)",
        "<javascript:alert(1)>",
        "[x](file:///etc/passwd)",
    ],
)
def test_what_could_act_is_text(text: str) -> None:
    assert html(parse(text)) == f"<p>{text}</p>"


def check(parts: list[Any], depth: int = 0) -> None:
    assert depth < 40
    for part in parts:
        if isinstance(part, str):
            continue
        tag, attributes, children = part
        assert tag in TAGS
        assert set(attributes) <= {"href", "class", "start"}
        assert attributes.get("href", "https://").lower().startswith(("http://", "https://", "mailto:"))
        check(children, depth + 1)


PIECES = ["*", "**", "_", "`", "```", "~~", "[", "](", ")", "\n", "\n\n", " ", "  ", "- ", "1. ", "> ", "# ", "|"]
PIECES += ["|-|", "a", "\\", "https://x.org", "<", ">", "javascript:x", "\t", "\u2028", "日本"]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_any_text_gives_a_harmless_tree(text: str) -> None:
    check(parse(text))


@given(st.text(alphabet="abc .,", max_size=60))
def test_text_without_marks_keeps_its_words(text: str) -> None:
    assert "".join(texts(parse(text))).split() == text.split()


def texts(parts: list[Any]) -> list[str]:
    return [word for part in parts for word in ([part] if isinstance(part, str) else texts(part[2]))]


@pytest.mark.parametrize(
    "piece", [*PIECES, "*a ", "**a", "[a", "`a", "> - ", "- - ", "a|", "|-", "# #", "_a_b", "*_~~"]
)
@pytest.mark.parametrize("length", [1_990, 9_990, 200_000])
def test_no_text_takes_long(piece: str, length: int) -> None:
    """The worst of 200,000 characters, which is what is taken at most, in paragraphs of this length."""
    paragraph = piece * (length // len(piece))
    began = time.thread_time()
    check(parse(f"{paragraph}\n\n" * (200_000 // length)))
    assert time.thread_time() - began < 2


def test_an_overlong_paragraph_is_plain_text() -> None:
    text = "*a* " * markdown.LONG
    assert parse(text) == [["p", {}, [text.rstrip()]]]
