"""The vesting curve drawn for a terminal."""

from datetime import UTC, datetime, timedelta

from devstack.curve import Point, draw

START = datetime(2027, 1, 31, tzinfo=UTC)


def rising(count: int, step: int = 10) -> list[Point]:
    return [
        Point(START + timedelta(days=30 * k), step * (k + 1), f"{step * (k + 1)} TOK") for k in range(count)
    ]


def test_every_line_fits_the_width_and_the_rows_are_as_asked() -> None:
    lines = draw(rising(12), width=60, height=8).splitlines()
    assert len(lines) == 8 + 2
    assert max(map(len, lines)) <= 60


def test_the_axes_are_labelled_with_the_callers_words() -> None:
    lines = draw(rising(12), width=60, height=8).splitlines()
    assert lines[0].startswith("120 TOK ┤")
    assert lines[-3].lstrip().startswith("0 ┤")
    assert "2027-01-31" in lines[-1] and "2027-12-27" in lines[-1]


def test_the_curve_ends_on_the_top_row_and_never_falls() -> None:
    lines = draw(rising(12), width=60, height=8).splitlines()
    columns = zip(*(f"{line:60}"[9:] for line in lines[:8]), strict=True)
    heights = [
        max((8 - row for row, cell in enumerate(column) if cell != " "), default=0) for column in columns
    ]
    assert heights == sorted(heights)
    assert heights[-1] == 8


def test_amounts_beyond_floats_are_drawn() -> None:
    assert "┤" in draw(rising(3, step=2**250), width=60, height=5)


def test_one_point_and_none_are_drawn_too() -> None:
    assert "10 TOK ┤" in draw(rising(1))
    assert draw([]) == ""
