"""A graph that shows itself in a notebook."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, TypeVar

Self = TypeVar("Self", bound="Pictured")


class Pictured:
    """What can be drawn, and is shown as that."""

    def to_svg(self) -> str:
        """A picture that stands alone."""
        raise NotImplementedError

    def visualize(self: Self) -> Self:
        """The graph itself, which shows itself in a notebook as a picture."""
        return self

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """An image: a front end shows that in an untrusted notebook too, where it strips SVG elements."""
        from html import escape

        data = b64encode(self.to_svg().encode()).decode()
        html = f'<img alt="{escape(repr(self))}" src="data:image/svg+xml;base64,{data}">'
        return {"text/html": html, "text/plain": repr(self)}
