"""The tables that row security does not guard, and why: the one list (docs/tenancy.md shows it).

Everything else in the schema belongs to a site. ``grants`` are the app login's rights.
"""

from __future__ import annotations

from dataclasses import dataclass

_ALL = ("SELECT", "INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True)
class SitelessTable:
    """``auditor``: whether the platform administrator's read-only login may read it; never where secrets lie."""

    grants: tuple[str, ...]
    reason: str
    auditor: bool = False


SITELESS: dict[str, SitelessTable] = {
    "sites_site": SitelessTable(
        ("SELECT", "INSERT", "UPDATE"),
        "The tenants themselves; read before any of them is chosen.",
        auditor=True,
    ),
    "accounts_identity": SitelessTable(
        ("SELECT", "INSERT", "UPDATE"),
        "A person may belong to several sites; holds what a login needs and no personal data.",
    ),
    "accounts_logintry": SitelessTable(
        _ALL, "Failed entries are counted before anybody is known; holds keyed hashes and times only."
    ),
    "accounts_platformevent": SitelessTable(
        ("SELECT", "INSERT"), "What was done or looked at over all sites; append-only."
    ),
    "otp_totp_totpdevice": SitelessTable(
        _ALL, "Second factors of identities, which belong to no site; holds their secrets."
    ),
    "otp_static_staticdevice": SitelessTable(_ALL, "Sets of recovery codes of identities."),
    "otp_static_statictoken": SitelessTable(_ALL, "Recovery codes not used yet, as keyed hashes."),
    "webhooks_inboxevent": SitelessTable(
        _ALL,
        "A provider's event arrives before its site is known; holds ids and a hash, no payload.",
        auditor=True,
    ),
    "webhooks_eventcursor": SitelessTable(
        ("SELECT", "INSERT", "UPDATE"),
        "How far a provider's list of events is read; one row for each provider.",
        auditor=True,
    ),
    "payouts_providerpace": SitelessTable(
        ("SELECT", "INSERT", "UPDATE"),
        "How many calls a custody provider has had; it counts our one API user, whatever the site.",
        auditor=True,
    ),
    "payouts_sweepturn": SitelessTable(
        ("SELECT", "INSERT", "UPDATE"),
        "Which site a sweep served last, so that the next goes on after it.",
        auditor=True,
    ),
    "payouts_sendingfence": SitelessTable(
        ("SELECT", "INSERT", "UPDATE"),
        "Whether new transfers may leave; a restored database has lost those of all sites.",
        auditor=True,
    ),
    "operations_checkcursor": SitelessTable(
        _ALL, "How far the three-way check has looked; a name, a number and times."
    ),
    "operations_straypayment": SitelessTable(
        ("SELECT", "INSERT"), "Money at Stripe that names no site; nothing says whose it is.", auditor=True
    ),
    "core_beat_lease": SitelessTable(_ALL, "Which beat process leads; one row."),
    "core_worker_heartbeat": SitelessTable(_ALL, "Which workers are alive; a name, a version and times."),
    "django_migrations": SitelessTable(("SELECT",), "Django's record of applied migrations."),
    "django_content_type": SitelessTable(("SELECT",), "Names of models."),
    "auth_permission": SitelessTable(("SELECT",), "Names of permissions; rights come from memberships."),
    "auth_group": SitelessTable(("SELECT",), "Unused; Django's auth app creates it."),
    "auth_group_permissions": SitelessTable(("SELECT",), "Unused; Django's auth app creates it."),
    "django_session": SitelessTable(_ALL, "Admin sessions; a person may work in several sites."),
    "django_admin_log": SitelessTable(
        ("SELECT", "INSERT"), "Django's own log of the admin; shown to nobody, the audit table is the record."
    ),
    "django_celery_beat_periodictask": SitelessTable(_ALL, "The schedule of the whole installation."),
    "django_celery_beat_periodictasks": SitelessTable(_ALL, "When the schedule last changed."),
    "django_celery_beat_crontabschedule": SitelessTable(_ALL, "The schedule of the whole installation."),
    "django_celery_beat_intervalschedule": SitelessTable(_ALL, "The schedule of the whole installation."),
    "django_celery_beat_solarschedule": SitelessTable(_ALL, "Unused; django-celery-beat creates it."),
    "django_celery_beat_clockedschedule": SitelessTable(_ALL, "Unused; django-celery-beat creates it."),
}
