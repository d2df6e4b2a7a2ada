"""What the database says about the system's state, by few and cheap questions as the app login.

Each costs the same however many rows there are: counts come from the catalogue, ages from the first entry of a
partial index. None enters a site.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext as _

from apps.core.needs import pending_migrations, reason_of
from apps.operations.probes import Answers, Check, logger
from apps.sites.postgresql.base import UnsafeLogin
from apps.sites.siteless import SITELESS

STATEMENT_TIMEOUT_MS = 250
WORKER_SILENT_S = 20  # four heartbeats of config/worker.py
BEAT_LATE_S = 30  # three rounds of the quickest entries
WORK_LATE_S = 60  # six rounds of the sweepers

_UNGUARDED = """
SELECT count(*), count(*) FILTER (WHERE NOT (relrowsecurity AND relforcerowsecurity)) FROM pg_catalog.pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> ALL (%s)
"""
_WORKERS = """
SELECT count(*) FILTER (WHERE age_s < %(limit_s)s), min(age_s),
       coalesce(array_agg(DISTINCT version) FILTER (WHERE age_s < %(limit_s)s), '{}')
FROM (SELECT version, extract(epoch FROM clock_timestamp() - seen_at)::float AS age_s FROM core_worker_heartbeat) w
"""
_BEAT = """
SELECT EXISTS (SELECT FROM core_beat_lease WHERE name = 'beat' AND expires_at > clock_timestamp()),
       (SELECT extract(epoch FROM max(clock_timestamp() - coalesce(t.last_run_at, t.date_changed)
                                      - (i.every || ' ' || i.period)::interval))::float
        FROM django_celery_beat_periodictask t JOIN django_celery_beat_intervalschedule i ON i.id = t.interval_id
        WHERE t.enabled)
"""
_INBOX = """
SELECT extract(epoch FROM now() - min(next_attempt_at))::float FROM webhooks_inboxevent
WHERE status IN ('received', 'failed')
"""
_PAYOUTS = "SELECT extract(epoch FROM now() - min(oldest_due_at))::float FROM public.due_sites_payouts(1)"


def migrations(cursor: Any) -> Check:
    """Every migration of this build is applied."""
    pending = pending_migrations(cursor)
    reason = _("%d migrations are not applied; run manage.py migrate") % len(pending) if pending else ""
    return Check(not pending, reason, {"pending": len(pending)})


def row_security(cursor: Any) -> Check:
    """Enabled and forced on every table of a site; that this login is bound by it, the connection has asked."""
    cursor.execute(_UNGUARDED, [list(SITELESS)])
    tables, unguarded = cursor.fetchone()
    if not tables:
        return Check(False, _("there are no tables yet"))
    reason = _("off for %d tables; run manage.py check --database default") % unguarded if unguarded else ""
    return Check(not unguarded, reason, {"tables": tables})


def worker(cursor: Any) -> Check:
    """A worker that takes tasks has said so lately."""
    cursor.execute(_WORKERS, {"limit_s": WORKER_SILENT_S})
    alive, age_s, versions = cursor.fetchone()
    if alive:
        return Check(True, "", {"alive": alive, "age_s": round(age_s, 1), "versions": versions})
    reason = _("no worker has ever been heard") if age_s is None else _("the last was heard %d s ago") % age_s
    return Check(False, reason, {"alive": 0})


def beat(cursor: Any) -> Check:
    """A beat leads, and sends on time."""
    cursor.execute(_BEAT)
    leads, late_s = cursor.fetchone()
    late = max(0.0, late_s or 0.0)
    if not leads:
        return Check(False, _("no beat leads"), {"late_s": round(late, 1)})
    if late_s is None:
        return Check(False, _("the schedule is empty"))
    return Check(late <= BEAT_LATE_S, _late(late, BEAT_LATE_S), {"late_s": round(late, 1)})


def inbox(cursor: Any) -> Check:
    """No event of a provider has been due for long."""
    cursor.execute(_INBOX)
    return _oldest(cursor.fetchone()[0])


def payouts(cursor: Any) -> Check:
    """No payout of any active site has been due for long."""
    cursor.execute(_PAYOUTS)
    return _oldest(cursor.fetchone()[0])


QUESTIONS: dict[str, Callable[[Any], Check]] = {
    "migrations": migrations,
    "row_security": row_security,
    "worker": worker,
    "beat": beat,
    "inbox": inbox,
    "payouts": payouts,
}
NAMES = ("database", *QUESTIONS)


def ask_database(answers: Answers) -> None:
    """All questions over a connection of their own, whose timeouts are short."""
    connection = _impatient_connection()
    try:
        ask_over(connection, answers)
    finally:
        connection.close()


def ask_over(connection: BaseDatabaseWrapper, answers: Answers) -> None:
    """The same over that connection, each question by itself: one that fails leaves the others."""
    try:
        connection.ensure_connection()
    except UnsafeLogin as exc:
        logger.error("readiness: %s", exc)
        answers["database"] = Check(True)
        answers["row_security"] = Check(False, _("the login of this process is not bound by row security"))
        return
    except (DatabaseError, InterfaceError) as exc:
        _failed(answers, NAMES, exc)
        return
    answers["database"] = Check(True)
    for name, question in QUESTIONS.items():
        try:
            with connection.cursor() as cursor:
                answers[name] = question(cursor)
        except (DatabaseError, InterfaceError) as exc:
            _failed(answers, (name,), exc)


def _failed(answers: Answers, names: tuple[str, ...], exc: Exception) -> None:
    # The driver's words name hosts and logins: they go to the log, not to the page.
    logger.warning("readiness, %s: %s", names[0], reason_of(exc))
    state = getattr(exc.__cause__, "pgcode", None)
    words = {
        "57014": _("no answer within %d ms") % STATEMENT_TIMEOUT_MS,
        "55P03": _("locked by somebody, a migration for example"),
        "42P01": _("not migrated yet"),
        "42883": _("not migrated yet"),
        "42501": _("not granted yet; migrate has not ended"),
    }
    for name in names:
        answers[name] = Check(False, words.get(state or "", _("the database is away or refuses the login")))


def _oldest(age_s: float | None) -> Check:
    late = max(0.0, age_s or 0.0)
    return Check(late <= WORK_LATE_S, _late(late, WORK_LATE_S), {"oldest_due_s": round(late, 1)})


def _late(late_s: float, limit_s: int) -> str:
    return (
        _("%(late)d s late, more than %(limit)d") % {"late": late_s, "limit": limit_s}
        if late_s > limit_s
        else ""
    )


def _impatient_connection() -> BaseDatabaseWrapper:
    connection = connections["default"].copy()
    given = connection.settings_dict["OPTIONS"]
    connection.settings_dict["OPTIONS"] = {
        **given,
        # The last one of a name counts, so these go behind the process' own.
        "options": f"{given.get('options', '')} -c statement_timeout={STATEMENT_TIMEOUT_MS} "
        f"-c lock_timeout={STATEMENT_TIMEOUT_MS}",
        "connect_timeout": 2,  # libpq's least
        "application_name": "posx-ready",
        # A host that vanished ends the thread that waits for it within seconds.
        "keepalives_idle": 2,
        "keepalives_interval": 1,
        "keepalives_count": 3,
        "tcp_user_timeout": 3000,
    }
    return connection
