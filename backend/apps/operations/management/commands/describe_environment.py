"""``manage.py describe_environment``: the table of variables as Markdown, for docs/RAILWAY_ENV_VARIABLES.md."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from config.env import VARIABLES, Variable


def environment_table() -> str:
    """One row a variable: name, whether a deployment must set it, its default, whether it is secret, what for."""
    rows = [_row(variable) for variable in VARIABLES]
    return "\n".join(
        ["| variable | set by you | default | secret | what for |", "|---|---|---|---|---|", *rows]
    )


def _row(variable: Variable) -> str:
    default = f"`{variable.default}`" if variable.default else ""
    must = "yes" if variable.default is None else ""
    secret = "yes" if variable.secret else ""
    return (
        f"| `{variable.name}` | {must} | {default} | {secret} | {variable.help.replace('|', chr(92) + '|')} |"
    )


class Command(BaseCommand):
    help = "Prints every environment variable as a Markdown table."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(environment_table())
