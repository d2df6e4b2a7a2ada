"""``manage.py describe_roles``: who may call what as a Markdown table, for docs/roles.md."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apps.operations.endpoints import (
    API_ROOT,
    CALLERS,
    Endpoint,
    admitted,
    api_endpoints,
    is_document,
    is_signed,
)


def roles_table() -> str:
    """One row an operation: method and address, a column for each kind of caller, what it does."""
    head = ["operation", *CALLERS, "what"]
    rows = [_cells(endpoint) for endpoint in api_endpoints()]
    return "\n".join(_row(cells) for cells in (head, ["---"] * len(head), *rows))


def _cells(endpoint: Endpoint) -> list[str]:
    callers = admitted(endpoint)
    marks = ["yes" if caller in callers else "" for caller in CALLERS]
    if is_signed(endpoint):
        marks[0] = "signed"
    what = "The description of this API." if is_document(endpoint) else endpoint.summary
    return [f"`{endpoint.method} {endpoint.route.removeprefix(API_ROOT)}`", *marks, what.replace("|", "\\|")]


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


class Command(BaseCommand):
    help = "Prints who may call which endpoint as a Markdown table."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(roles_table())
