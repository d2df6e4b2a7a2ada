"""A bar for work that a person waits for. In a pipe or a log there is none: its redrawing would be noise."""

from __future__ import annotations

import sys
from typing import NoReturn, TextIO

from tqdm import tqdm


def progress_bar(
    *, total: int | None, label: str, unit: str = "", stream: TextIO | None = None
) -> tqdm[NoReturn]:
    """A context manager with ``update(n)``; drawn on a terminal's standard error only.

    ``total`` None: how much there is to do is not known beforehand.
    """
    return tqdm(
        total=total,
        desc=label,
        unit=f" {unit}" if unit else "",
        file=stream or sys.stderr,
        disable=None,  # by isatty()
        dynamic_ncols=True,
        leave=False,
    )
