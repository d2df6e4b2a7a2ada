"""A statement as a page to read and to print: figures, curves and releases, with the hash of its document."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from apps.core.amounts import format_base_units
from apps.vesting.curve_drawing import draw_svg
from apps.vesting.schedule import NEVER
from apps.vesting.statement_curves import pictures_of
from apps.vesting.statement_document import SUMS, sha256_of

# It loads and runs nothing: neither what stands in it by mistake nor what somebody put there.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page_response(statement: dict[str, Any]) -> HttpResponse:
    """The page of ``statements.statement_of``'s answer, in the reader's language; inside its scope."""
    # draw_svg escapes every text that it writes.
    curves = [mark_safe(draw_svg(picture)) for picture in pictures_of(statement)]  # noqa: S308
    context = {
        "statement": statement,
        "sha256": sha256_of(statement),
        "assets": [(asset, _tokens(asset)) for asset in statement["assets"]],
        "curves": curves,
        "allocations": [(row, _tokens(row), _releases(row)) for row in statement["allocations"]],
    }
    page = HttpResponse(render_to_string("vesting/statement.html", context))
    page["Content-Security-Policy"] = _POLICY
    return page


def _tokens(row: dict[str, Any]) -> list[str]:
    return [format_base_units(int(row["base_units"][name]), row["decimals"]) for name in SUMS]


def _releases(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            **release,
            "tokens": format_base_units(int(release["amount_base_units"]), row["decimals"]),
            "waits": datetime.fromisoformat(release["unlock_at"]) == NEVER,
        }
        for release in row["releases"]
    ]
