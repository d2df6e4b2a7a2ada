"""Amounts over time as SVG: the same picture always gives the same text, byte for byte.

    draw_svg(Picture("Vesting", [Series("Vested", [(start, 0), (end, 10**18)])], decimals=18, unit="TOK"))

Only presentation attributes, no style and no script: it may stand in a page under a strict content policy, and be
opened as a file.
"""

from __future__ import annotations

from html import escape

from apps.vesting.curve_layout import HEIGHT, WIDTH, Layout, Picture, Series, Text, layout_of

__all__ = ["Picture", "Series", "draw_svg"]


def draw_svg(picture: Picture) -> str:
    """A whole ``<svg>`` element of 900 by 420. Raises ValueError for an amount below 0 and for a naive instant."""
    laid = layout_of(picture)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        ' role="img" font-family="Helvetica, Arial, sans-serif">',
        f"<title>{escape(picture.title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *_paths(laid),
        *(_text(text) for text in laid.texts),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _paths(laid: Layout) -> list[str]:
    return [
        f'<polyline fill="none" stroke="{escape(path.colour)}" stroke-width="{path.width}"'
        f' points="{" ".join(f"{x},{y}" for x, y in path.points)}"/>'
        for path in laid.paths
    ]


def _text(text: Text) -> str:
    x, y = text.at
    return (
        f'<text x="{x}" y="{y}" font-size="{text.size}" fill="{escape(text.colour)}"'
        f' text-anchor="{text.anchor}">{escape(text.text)}</text>'
    )
