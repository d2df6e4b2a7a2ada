"""Curves as SVG: exact, bounded and always the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest

from apps.vesting.curve_drawing import Picture, Series, draw_svg
from apps.vesting.curve_layout import BOTTOM, LEFT, RIGHT, TOP, layout_of

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def _picture(*points: tuple[datetime, int], shape: str = "step", decimals: int = 0) -> Picture:
    series = Series("Vested", list(points), shape=shape)  # type: ignore[arg-type]
    return Picture("Vesting <of> one", [series], decimals=decimals, unit="TOK")


def _curve(picture: Picture) -> list[tuple[int, int]]:
    return list(layout_of(picture).paths[-1].points)


def test_a_step_holds_until_the_next_instant_and_a_line_goes_straight() -> None:
    points = ((START, 0), (START + 5 * DAY, 50), (START + 10 * DAY, 100))
    middle, half = (LEFT + RIGHT) // 2, (TOP + BOTTOM) // 2

    assert _curve(_picture(*points)) == [
        (LEFT, BOTTOM),
        (middle, BOTTOM),
        (middle, half),
        (RIGHT, half),
        (RIGHT, TOP),
    ]
    assert _curve(_picture(*points, shape="line")) == [(LEFT, BOTTOM), (middle, half), (RIGHT, TOP)]


def test_of_one_column_the_end_is_drawn() -> None:
    blink = timedelta(microseconds=5)
    points = ((START, 50), (START + DAY, 0), (START + DAY + blink, 50), (START + 2 * DAY, 100))

    assert _curve(_picture(*points)) == [
        (LEFT, (TOP + BOTTOM) // 2),
        (RIGHT, (TOP + BOTTOM) // 2),
        (RIGHT, TOP),
    ]


def test_the_same_picture_gives_the_same_text_and_it_is_xml() -> None:
    points = ((START, 1), (START + DAY, 2**256 - 1))
    text = draw_svg(_picture(*points, decimals=18))

    # Then
    assert draw_svg(_picture(*points, decimals=18)) == text
    assert ElementTree.fromstring(text).findtext("{http://www.w3.org/2000/svg}title") == "Vesting <of> one"  # noqa: S314
    assert "1.157e59" in text


def test_ten_thousand_releases_are_a_few_corners() -> None:
    points = [(START + DAY * n, n * 10**30) for n in range(10_000)]

    assert len(_curve(_picture(*points))) < 1_500


def test_amounts_beside_the_axis_are_exact_or_cut() -> None:
    texts = {text.text for text in layout_of(_picture((START, 0), (START + DAY, 3), decimals=1)).texts}

    assert {"0", "0.1", "0.2", "0.3"} <= texts


@pytest.mark.parametrize("points", [(), ((START, 0),), ((START, 5), (START, 7))])
def test_nothing_and_a_single_instant_are_drawn_too(points: tuple[tuple[datetime, int], ...]) -> None:
    assert draw_svg(_picture(*points)).endswith("</svg>\n")


def test_amounts_below_nothing_and_naive_instants_are_refused() -> None:
    with pytest.raises(ValueError, match="from 0 up"):
        draw_svg(_picture((START, -1)))
    with pytest.raises(ValueError, match="aware"):
        draw_svg(_picture((START.replace(tzinfo=None), 1)))
