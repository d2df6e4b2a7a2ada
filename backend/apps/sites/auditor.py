"""Looking at all sites: the one way to the database alias ``auditor``, whose login reads every site and writes none.

Nothing is read there outside ``auditor_look()``. Whoever opens it has recorded who looks at what before
(apps/accounts/platform.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import connections, transaction

ALIAS = "auditor"

_looking: ContextVar[bool] = ContextVar("posx_auditor_look", default=False)


class AuditorLookMissing(RuntimeError):
    """The auditor's connection was used outside a recorded look."""


class AuditorOnlyReads(RuntimeError):
    """Something was to be written over the auditor's connection."""


@contextmanager
def auditor_look() -> Iterator[None]:
    """Open a read-only transaction over all sites; its connection ends with it."""
    token = _looking.set(True)
    try:
        with transaction.atomic(using=ALIAS, durable=True):
            yield
    finally:
        _looking.reset(token)
        connections[ALIAS].close()


def require_look() -> None:
    """Raises AuditorLookMissing outside ``auditor_look()``."""
    if not _looking.get():
        raise AuditorLookMissing("Rows of all sites are only read inside a recorded look.")


class AuditorRouter:
    """Migrations belong to the default alias: both aliases are one database."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return False if db == ALIAS else None
