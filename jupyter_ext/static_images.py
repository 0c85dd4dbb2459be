"""Images in a saved notebook: whole where they are small, made small where they are not."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any

from aethergraph.views import frames
from aethergraph.views.labels import line

from .theming import DRAWN, WHITE

WHOLE = 24 << 10  # bytes of an image that is taken as it is
_PIXELS = 60_000_000  # of an image that is opened at all
_SCROLLED = 1600  # pixels
SVG = "image/svg+xml"


def tag(mime: str, data: bytes, alt: str, wide: int, *, drawn: bool = False) -> str:
    """An `<img>` that holds `data`. drawn: by us, dark on white. A very wide one is scrolled."""
    text = base64.b64encode(data).decode("ascii")
    fit = "none" if wide >= _SCROLLED else "100%"
    style = f"width:{wide}px;max-width:{fit};height:auto;{WHITE}"
    kind = f'class="{DRAWN}" ' if drawn else ""
    return f'<div><img {kind}alt="{escape(line(alt))}" src="data:{mime};base64,{text}" style="{style}"></div>'


def small(data: bytes, side: int, whole: int = WHOLE) -> tuple[str, bytes, int]:
    """Type, content and width in pixels of an image, with at most `side` pixels a side if it is over `whole` bytes.

    Raises:
        ValueError: it is no image that can be read.
    """
    try:
        from PIL import Image
    except ImportError:  # comes with matplotlib
        mime = frames.image_type(data)
        if mime and len(data) <= whole:
            return mime, data, side
        raise ValueError("Pillow is not installed, which makes it small") from None
    try:
        with Image.open(io.BytesIO(data)) as image:
            mime = frames.image_type(data)
            if len(data) <= whole and mime:
                return mime, data, min(image.width, side)
            if image.width * image.height > _PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are too many for a small picture")
            image.thumbnail((side, side))
            made = {"image/png": _saved(image.convert("RGBA").quantize(128), "PNG")}
            if not (image.mode.endswith("A") or "transparency" in image.info):
                made["image/jpeg"] = _saved(image.convert("RGB"), "JPEG")
            wide = image.width
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # a broken PNG is a SyntaxError
        raise ValueError(f"no image that can be read: {error}") from error
    mime = min(made, key=lambda one: len(made[one]))
    return mime, made[mime], wide


def _saved(image: Any, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, optimize=True)
    return file.getvalue()
