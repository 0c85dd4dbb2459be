"""Styles of saved HTML that are readable on light and dark pages: of JupyterLab, nbconvert, GitHub and others.

A saved output cannot ask for the theme, and front ends strip different parts of it. So nothing here fixes a ground or
the colour of a text: both are those of the page, and what is toned is mixed into the text's own colour. Whatever is
stripped leaves text in the colour of the page.
"""

from __future__ import annotations

LINE = "rgba(128,128,128,0.4)"  # of borders
SHADE = "rgba(128,128,128,0.12)"  # behind code
SMALL = "opacity:.75"
CARD = f"font:13px/1.45 system-ui,sans-serif;border:1px solid {LINE};border-radius:8px;padding:8px 10px;overflow:auto"
CODE = "background:none;padding:0;color:inherit"  # front ends give code a ground of its own
PRE = "margin:2px 0 6px 14px;padding:0;background:none;color:inherit;white-space:pre-wrap;font-size:12px"
CELL = "text-align:left;border:0;background:none;color:inherit"
WHITE = "background:#ffffff"  # under pictures that may be made for white paper
DRAWN = "aether-drawn"  # class of the pictures that are drawn here, dark on white
# An <img> does not see the theme of the page. JupyterLab drops the rule where a notebook is not trusted: white, then.
RULE = (
    f":is([data-jp-theme-light=false],.theme-dark,.vscode-dark) .{DRAWN}"
    "{filter:invert(.93) hue-rotate(180deg)}"  # light and dark change places, hues stay; white becomes nearly black
)


def toned(red: int, green: int, blue: int) -> str:
    """A style that gives text a hue. The text must inherit the colour of the page, which is mixed in.

    With 40 % of it, all hues of `jupyter_ext` have a contrast of 4.5 to the grounds of both themes of JupyterLab.
    JupyterLab's sanitizer only takes the notation `rgb()`.
    """
    return f"color:color-mix(in srgb,currentColor 40%,rgb({red},{green},{blue}))"


WRONG = toned(217, 52, 43)
WAITS = toned(166, 95, 0)
