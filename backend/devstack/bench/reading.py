"""``python -m devstack.bench.reading ROUNDS``: median ms of a statement and of a page of releases, one line each.

A process of its own: Django has one database, and the comparison has two.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import django


def main(rounds: int) -> None:
    """Read as one beneficiary after the other."""
    django.setup()
    from apps.core.paging import after
    from apps.sites.scope import site_scope
    from apps.sites.services import site_codes
    from apps.vesting.models import Allocation
    from apps.vesting.queries import releases
    from apps.vesting.statement_document import json_bytes
    from apps.vesting.statements import statement_of

    site_id = sorted(site_codes())[0]
    with site_scope(site_id):
        rows = Allocation.objects.filter(site_id=site_id, source_kind="order").order_by("id")
        members = list(rows.values_list("beneficiary_id", flat=True)[: rounds + 1])

    def statement(place: int) -> bytes:
        return json_bytes(statement_of(beneficiary_id=members[place % len(members)]))

    def page(place: int) -> list[Any]:
        own = releases(beneficiary_id=members[place % len(members)])
        return list(after(own, order=("unlock_at", "id"), cursor=None)[:51])

    # A comparison of empty answers would say that nothing grows.
    with site_scope(site_id):
        if statement(0).count(b'"state"') < 2 or len(page(0)) < 2:
            raise RuntimeError("the beneficiary has no releases")
    ways: dict[str, Callable[[int], object]] = {"a statement": statement, "a page of releases": page}
    for name, way in ways.items():
        spent_ms = []
        for place in range(rounds + 1):
            started_s = time.perf_counter()
            with site_scope(site_id):
                way(place)
            spent_ms.append((time.perf_counter() - started_s) * 1000)
        sys.stdout.write(f"{name}\t{statistics.median(spent_ms[1:])}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
