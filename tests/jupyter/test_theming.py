"""Text of saved HTML has a contrast of 4.5 at least (WCAG 1.4.3) on the light and on the dark pages of JupyterLab."""

from __future__ import annotations

import re

import pytest

from jupyter_ext import theming
from jupyter_ext.table import COLOURS

Colour = tuple[float, ...]
# Colour and opacity of text, and the grounds that cells, rows of tables and rows under the pointer have.
THEMES: dict[str, tuple[Colour, float, list[Colour]]] = {
    "light": ((0, 0, 0), 0.87, [(255, 255, 255), (245, 245, 245), (225, 245, 254)]),
    "dark": ((255, 255, 255), 1.0, [(17, 17, 17), (33, 33, 33), (14, 47, 63)]),
}
TONES = {**{str(status): style for status, style in COLOURS.items()}, "wrong": theming.WRONG, "waits": theming.WAITS}


def luminance(colour: Colour) -> float:
    parts = [one / 255 for one in colour]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def over(colour: Colour, alpha: float, ground: Colour) -> Colour:
    return tuple(a * alpha + b * (1 - alpha) for a, b in zip(colour, ground, strict=True))


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("tone", TONES)
def test_toned_text_can_be_read(theme: str, tone: str) -> None:
    text, alpha, grounds = THEMES[theme]
    found = re.fullmatch(r"color:color-mix\(in srgb,currentColor (\d+)%,rgb\((\d+),(\d+),(\d+)\)\)", TONES[tone])
    assert found is not None
    share, hue = int(found[1]) / 100, tuple(map(float, found.groups()[1:]))
    whole = alpha * share + (1 - share)
    mixed = tuple((a * alpha * share + b * (1 - share)) / whole for a, b in zip(text, hue, strict=True))
    for ground in grounds:
        assert contrast(over(mixed, whole, ground), ground) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_small_print_can_be_read(theme: str) -> None:
    text, alpha, grounds = THEMES[theme]
    faint = float(theming.SMALL.removeprefix("opacity:"))
    for ground in grounds:
        assert contrast(over(text, alpha * faint, ground), ground) >= 4.5
