"""Cells of the admin's lists and pages: amounts in whole tokens, and states as badges."""

from __future__ import annotations

from collections.abc import Callable, Collection
from operator import attrgetter
from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from apps.core.amounts import format_base_units

Cell = Callable[[Any], str]


def whole_tokens(field: str, *, asset: str, label: Any = None) -> Cell:
    """A cell "1.5 ABC" over its base units. ``asset`` is the dotted way to the asset; select it with the row."""
    asset_of = attrgetter(asset)

    @admin.display(description=label or _("amount"), empty_value="-")
    def tokens(row: Any) -> str:
        amount, token = getattr(row, field), asset_of(row)
        return format_html(
            '<span class="posx-amount">{} {}</span> <small class="posx-base-units">{}</small>',
            format_base_units(amount, token.decimals),
            token.code,
            amount,
        )

    tokens.__name__ = f"{field}_in_tokens"
    return tokens


def badge(
    field: str = "status",
    *,
    good: Collection[str] = (),
    busy: Collection[str] = (),
    bad: Collection[str] = (),
    label: Any = None,
) -> Cell:
    """A state as a small coloured word; states that are named nowhere are grey."""

    @admin.display(description=label or _("status"))
    def state(row: Any) -> str:
        value = getattr(row, field)
        tone = next(
            (t for t, named in (("good", good), ("busy", busy), ("bad", bad)) if value in named), "idle"
        )
        shown = getattr(row, f"get_{field}_display")()
        return format_html('<span class="posx-badge posx-badge-{}">{}</span>', tone, shown)

    state.__name__ = f"{field}_badge"
    state.stands_for = field  # type: ignore[attr-defined]
    return state


@admin.display(description="id")
def short_id(row: Any) -> str:
    """The end of an id: the beginning of a time-ordered UUID is the same for all rows of a day."""
    return format_html('<code title="{}">…{}</code>', row.pk, str(row.pk)[-12:])
