"""All questions, in the order in which faults explain each other."""

from __future__ import annotations

from apps.operations.doctor.database import examine_database
from apps.operations.doctor.findings import Finding
from apps.operations.doctor.providers import examine_providers
from apps.operations.doctor.surroundings import examine_domain, examine_redis, examine_stripe

EXAMINATIONS = (examine_database, examine_redis, examine_domain, examine_stripe, examine_providers)


def examine() -> list[Finding]:
    """Everything that was found, good and bad. Changes nothing."""
    return [finding for examination in EXAMINATIONS for finding in examination()]
