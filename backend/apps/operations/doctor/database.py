"""What is asked of PostgreSQL, over a connection of the doctor's own with the login of every process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections

from apps.core.connection_budget import Processes, budget_warning, connections_offered
from apps.core.needs import reason_of
from apps.operations import database_checks
from apps.operations.doctor.findings import Finding, fine, found
from apps.operations.doctor.processes import PROCESS_QUESTIONS
from apps.operations.doctor.work import WORK_QUESTIONS
from apps.sites.postgresql.base import UnsafeLogin

NEAR_LIMIT = 0.8
SKEW_S = 2.0
GB = 10**9
# libpq gives no SQLSTATE for a connection that was never made; these are the server's own words.
_REFUSALS = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "permission denied for database",
)


def examine_database() -> Iterator[Finding]:
    """Whether it can be used, and if so, everything that it knows."""
    connection = connections["default"].copy()
    try:
        try:
            connection.ensure_connection()
        except UnsafeLogin as error:
            yield found("database.unsafe_login", str(error).partition(",")[0])
            return
        except (DatabaseError, InterfaceError) as error:
            reason = reason_of(error)
            is_refused = any(words in reason for words in _REFUSALS)
            yield found("database.refused" if is_refused else "database.unreachable", reason)
            return
        yield fine("database", f"answers as {connection.settings_dict['USER']}")
        with connection.cursor() as cursor:
            migrated = _migrations(cursor)
            yield migrated
            for question in QUESTIONS if not migrated.severity else QUESTIONS_OF_ANY:
                yield question(cursor)
    finally:
        connection.close()


def _migrations(cursor: Any) -> Finding:
    try:
        check = database_checks.migrations(cursor)
    except DatabaseError:
        return found("database.migrations_pending", "none was ever applied")
    return (
        fine("migrations", "all are applied")
        if check.ok
        else found("database.migrations_pending", f"{check.figures['pending']} are not applied")
    )


def _row_security(cursor: Any) -> Finding:
    check = database_checks.row_security(cursor)
    if check.ok:
        return fine("row security", f"in force on {check.figures['tables']} tables")
    return found("database.row_security_off", check.reason)


def _budget(cursor: Any) -> Finding:
    offered = connections_offered(cursor, cursor.connection.info.user)
    processes = Processes(**settings.PROCESSES)
    said = f"up to {processes.connections()} needed, {offered} offered"
    if budget_warning(processes, offered) and not settings.DATABASE_IS_POOLED:
        return found("database.connections_few", said)
    return fine("connection budget", said)


def _in_use(cursor: Any) -> Finding:
    cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    (used,) = cursor.fetchone()
    offered = connections_offered(cursor, cursor.connection.info.user)
    said = f"{used} of {offered} in use"
    return (
        found("database.connections_near_limit", said)
        if used >= NEAR_LIMIT * offered
        else fine("connections", said)
    )


def _disk(cursor: Any) -> Finding:
    # What this login may see: the tables and indexes. The log (WAL) and temporary files come on top of it.
    cursor.execute(
        "SELECT sum(pg_database_size(oid))::bigint FROM pg_database"
        " WHERE datallowconn AND has_database_privilege(oid, 'CONNECT')"
    )
    (used,) = cursor.fetchone()
    volume_gb = settings.DATABASE_VOLUME_GB
    said = f"the databases take {used / GB:.2f} GB"
    if not volume_gb:
        return fine("disk", f"{said}; not judged, as DATABASE_VOLUME_GB is not set")
    said = f"{said} of {volume_gb} GB"
    return (
        found("database.disk_near_limit", said) if used >= NEAR_LIMIT * volume_gb * GB else fine("disk", said)
    )


def _clock(cursor: Any) -> Finding:
    before_s = time.time()
    cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float")
    (theirs_s,) = cursor.fetchone()
    # The answer was made somewhere between the two; only what lies outside is skew.
    skew_s = max(before_s - theirs_s, theirs_s - time.time(), 0.0)
    said = f"{skew_s:.1f} s from the database's"
    return found("clock.skewed", said) if skew_s > SKEW_S else fine("clock", said)


QUESTIONS_OF_ANY: tuple[Callable[[Any], Finding], ...] = (_budget, _in_use, _disk, _clock)
QUESTIONS: tuple[Callable[[Any], Finding], ...] = (
    _row_security,
    *QUESTIONS_OF_ANY,
    *PROCESS_QUESTIONS,
    *WORK_QUESTIONS,
)
