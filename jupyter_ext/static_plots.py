"""The plots of a run as standing pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from aethergraph.views.labels import cut, line
from aethergraph.views.plots import Track, thin

_WIDE, _HIGH, _LEFT, _RIGHT, _TOP, _BOTTOM = 420, 200, 48, 10, 24, 22
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#3f8fc4", "#55606b")
_POINTS = 160  # of one line
_CHARTS = 12

Line = tuple[str, list[tuple[float, float]]]


def charts(tracks: dict[str, Track]) -> dict[str, list[Line]]:
    """`loss/svm` and `loss/forest` are lines of one chart, `loss`."""
    found: dict[str, list[Line]] = {}
    for name, track in tracks.items():
        chart, _, series = name.partition("/")
        steps, values = (column.tolist() for column in thin(track.steps, track.values, _POINTS))
        points = [(step, value) for step, value in zip(steps, values, strict=True) if math.isfinite(value)]
        if points:
            found.setdefault(chart, []).append((series or chart, points))
    return found


def plots(tracks: dict[str, Track]) -> Iterator[tuple[str, str, int]]:
    """(name, SVG, width in pixels) of each chart."""
    for name, lines in list(charts(tracks).items())[:_CHARTS]:
        yield f"plot of {name}", *chart(name, lines)


def chart(name: str, lines: list[Line]) -> tuple[str, int]:
    """SVG of lines of finite points by step, and its width in pixels."""
    steps = [step for _, points in lines for step, _ in points]
    values = [value for _, points in lines for _, value in points]
    left, right = _room(min(steps), max(steps), 0.0)
    bottom, top = _room(min(values), max(values), 0.06)

    def x(step: float) -> float:
        return _LEFT + (step - left) / (right - left) * (_WIDE - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HIGH - _BOTTOM - (value - bottom) / (top - bottom) * (_HIGH - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDE + 150}" height="{_HIGH}" '
        f'viewBox="0 0 {_WIDE + 150} {_HIGH}" font-family="system-ui,sans-serif" font-size="10.5" fill="#667078">'
        f'<rect width="100%" height="100%" fill="#fff"/>'
        f'<text x="{_LEFT}" y="14" font-size="12" font-weight="600" fill="#1f2328">{escape(cut(name, 300))}</text>'
    ]
    for value in _ticks(bottom, top, 4):
        parts.append(f'<path d="M{_LEFT} {y(value):.1f}H{_WIDE - _RIGHT}" stroke="#dfe3e8"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(value) + 3.5:.1f}" text-anchor="end">{value:.4g}</text>')
    for step in _ticks(left, right, 6):
        parts.append(f'<text x="{x(step):.1f}" y="{_HIGH - 6}" text-anchor="middle">{step:.4g}</text>')
    for i, (series, points) in enumerate(lines):
        colour = _COLOURS[i % len(_COLOURS)]
        if len(points) == 1:
            parts.append(f'<circle cx="{x(points[0][0]):.1f}" cy="{y(points[0][1]):.1f}" r="2.5" fill="{colour}"/>')
        else:
            data = "L".join(f"{x(step):.1f} {y(value):.1f}" for step, value in points)
            parts.append(f'<path d="M{data}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        if i < 11:
            at = _TOP + 10 + i * 15
            label = escape(f"{cut(line(series), 90, 10.5)} {points[-1][1]:.4g}")
            parts.append(f'<rect x="{_WIDE + 4}" y="{at - 5}" width="12" height="3" fill="{colour}"/>')
            parts.append(f'<text x="{_WIDE + 21}" y="{at}">{label}</text>')
    return "".join(parts) + "</svg>", _WIDE + 150


def _room(low: float, high: float, share: float) -> tuple[float, float]:
    if low == high:
        return low - (abs(low) * 0.1 or 1.0), high + (abs(high) * 0.1 or 1.0)
    return low - (high - low) * share, high + (high - low) * share


def _ticks(low: float, high: float, count: int) -> list[float]:
    power = 10.0 ** math.floor(math.log10((high - low) / count))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= (high - low) / count)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
