"""The register of everything that the doctor can find. A test breaks each of them for real."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any


class Severity(IntEnum):
    """How bad; the worst is the command's exit code."""

    OK = 0
    WARNING = 1
    BROKEN = 2


@dataclass(frozen=True)
class Trouble:
    """What a finding means, and what to do about it."""

    severity: Severity
    meaning: str
    fix: str


@dataclass(frozen=True)
class Finding:
    """One line of the table. `state` is what was seen; it holds no secret."""

    name: str
    severity: Severity
    state: str
    meaning: str = ""
    fix: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self) | {"severity": self.severity.name.lower()}


_MIGRATE = "python manage.py migrate"
_WORKERS_LOG = "worker and beat first (above); then celery-worker's log for a task that fails or takes long."
TROUBLES = {
    "modules.missing": Trouble(
        Severity.BROKEN,
        "A package of the pinned list is not installed where this Python looks: nothing starts.",
        "pip install --require-hashes -r requirements/production.txt in the service's own environment (/opt/venv or "
        "/app/.venv); on Railway redeploy without the build cache.",
    ),
    "variables.missing": Trouble(
        Severity.BROKEN,
        "Variables are missing, empty or malformed: no process starts. An empty one is often a misspelt reference.",
        "Set each of them on the service (docs/RAILWAY_ENV_VARIABLES.md), then redeploy.",
    ),
    "database.unreachable": Trouble(
        Severity.BROKEN,
        "Nothing listens where DATABASE_URL points; web answers 503, worker and beat wait.",
        "Start the PostgreSQL service, and set DATABASE_URL to a reference to it: ${{Postgres.DATABASE_URL}}.",
    ),
    "database.refused": Trouble(
        Severity.BROKEN,
        "The server answers and refuses the login: another password, or migrate has never run there.",
        f"Set DATABASE_URL=${{{{Postgres.DATABASE_URL}}}} on every service alike, then {_MIGRATE}: it makes the login.",
    ),
    "database.unsafe_login": Trouble(
        Severity.BROKEN,
        "Row security does not bind this login: one site could read another's rows, so nothing starts.",
        "Unset DATABASE_APP_URL, or give it a login that is neither superuser nor owner.",
    ),
    "database.row_security_off": Trouble(
        Severity.BROKEN,
        "Somebody altered tables by hand: rows of one site may be visible to another.",
        "Stop the backend. python manage.py check --database default names the tables; ALTER TABLE ... ENABLE and "
        "FORCE ROW LEVEL SECURITY as their owner.",
    ),
    "database.migrations_pending": Trouble(
        Severity.BROKEN, "This build is newer than the database; worker and beat wait for it.", _MIGRATE
    ),
    "database.connections_few": Trouble(
        Severity.WARNING,
        "During a deployment, processes may be refused a connection.",
        "Lower WEB_CONCURRENCY, THREADS or WORKER_CONCURRENCY, raise max_connections, or put PgBouncer between "
        "(docs/connections.md).",
    ),
    "database.connections_near_limit": Trouble(
        Severity.WARNING,
        "The next processes or shells will be refused a connection.",
        "End sessions that nobody needs: SELECT pid, application_name, state FROM pg_stat_activity as the superuser. "
        "Then docs/connections.md.",
    ),
    "database.disk_near_limit": Trouble(
        Severity.WARNING,
        "A full volume stops every write: no order, no event and no payout is taken.",
        "Grow the volume of the PostgreSQL service (Settings, Volume), and raise DATABASE_VOLUME_GB with it.",
    ),
    "clock.skewed": Trouble(
        Severity.WARNING,
        "This machine's clock and the database's differ: tokens and signatures are refused as too old or too new.",
        "Redeploy the service, so that it moves to another machine; report it to Railway if it stays.",
    ),
    "redis.unreachable": Trouble(
        Severity.BROKEN,
        "Nothing listens there: no task is rung for, rate limits are open. Rows are kept; sweepers find them later.",
        "Start the Redis service, and set the variable to a reference to it: ${{Redis.REDIS_URL}}.",
    ),
    "redis.refused": Trouble(
        Severity.BROKEN,
        "The server answers and refuses the password.",
        "Set the variable to ${{Redis.REDIS_URL}} on every service alike, and redeploy them.",
    ),
    "redis.evicts": Trouble(
        Severity.WARNING,
        "With its memory full it forgets waiting tasks in silence; sweepers find the rows, later.",
        "CONFIG SET maxmemory-policy noeviction, and the same in the service's start command.",
    ),
    "redis.memory_near_limit": Trouble(
        Severity.WARNING,
        "With its memory full it refuses new tasks: bells are lost, and sweepers wait with everybody else.",
        "See what fills it (queue, above; redis-cli --bigkeys), or raise --maxmemory and the service's memory limit.",
    ),
    "queue.growing": Trouble(
        Severity.WARNING,
        "More tasks come than are done; nothing is lost, and everything becomes late.",
        "If worker is fine above: raise WORKER_CONCURRENCY, or run a second celery-worker (WORKER_REPLICAS).",
    ),
    "queue.long": Trouble(
        Severity.WARNING,
        "Work comes faster than it is done.",
        "Raise WORKER_CONCURRENCY, or run a second celery-worker (WORKER_REPLICAS).",
    ),
    "worker.silent": Trouble(
        Severity.BROKEN,
        "No worker takes tasks: they stay PENDING, orders stay unpaid here though Stripe was paid.",
        "Start celery-worker. Its log says what it waits for.",
    ),
    "worker.other_version": Trouble(
        Severity.WARNING,
        "A worker runs another build than this one: it may not know new tasks, or read new rows wrongly.",
        "Redeploy celery-worker from the same commit.",
    ),
    "beat.absent": Trouble(
        Severity.BROKEN,
        "Nobody rings by the clock: releases do not unlock, and what a lost bell left behind is not found.",
        "Start celery-beat. Its log says what it waits for. Several may run; one leads.",
    ),
    "schedule.changed": Trouble(
        Severity.WARNING,
        "Entries of the schedule are disabled, missing, added or not what this build says.",
        "Admin, Periodic tasks: enable them, delete added ones. Restarting celery-beat writes missing and changed ones "
        "again.",
    ),
    "inbox.late": Trouble(
        Severity.BROKEN,
        "Events of Stripe or custody wait: what was paid or sent is not booked.",
        _WORKERS_LOG,
    ),
    "orders.late": Trouble(
        Severity.BROKEN,
        "Orders wait to be looked at: paid ones stay unpaid here, holds do not end.",
        _WORKERS_LOG,
    ),
    "releases.late": Trouble(Severity.BROKEN, "Releases whose day has come are still locked.", _WORKERS_LOG),
    "payouts.late": Trouble(
        Severity.BROKEN,
        "Approved payouts are not sent, or nobody asks what became of them.",
        f"{_WORKERS_LOG} After an outage: python manage.py reconcile_stuck",
    ),
    "payouts.stuck": Trouble(
        Severity.WARNING,
        "Their releases stay in processing until a person decides, or custody says what became of them.",
        "Admin, Payouts, 'Held for a person' (docs/runbook.md, A payout is held); for those that were sent: python "
        "manage.py reconcile_stuck, then the custody provider's own console.",
    ),
    "payouts.fence": Trouble(
        Severity.BROKEN,
        "No payout is sent: the database was away, or is a restored backup, and not every transfer that left meanwhile "
        "is accounted for.",
        "python manage.py after_restore names them (docs/money-flow.md, After a restore).",
    ),
    "custody.unreachable": Trouble(
        Severity.BROKEN,
        "The custody provider gives no usable answer: payouts wait in their rows, nothing is sent twice.",
        "Unset FIREBLOCKS_API_BASE unless it is a sandbox's; else the provider's status page. It goes on by itself.",
    ),
    "custody.refused": Trouble(
        Severity.BROKEN,
        "The custody provider refuses our key: no payout can be sent.",
        "Set FIREBLOCKS_API_KEY and FIREBLOCKS_PRIVATE_KEY of one API user, enabled and with this service's addresses "
        "allowed, then redeploy backend and celery-worker.",
    ),
    "custody.key": Trouble(
        Severity.BROKEN,
        "What is set is no RSA private key: no call to custody can be signed.",
        "Paste the whole PEM of the API user's key into FIREBLOCKS_PRIVATE_KEY; line breaks may be written as \\n.",
    ),
    "node.unreachable": Trouble(
        Severity.BROKEN,
        "The chain's node gives no usable answer: transfers of the hot wallet and checks of evidence wait.",
        "Correct that chain's address in EVM_RPC_URLS, or see the node provider's status page and quota.",
    ),
    "node.wrong_chain": Trouble(
        Severity.BROKEN,
        "The node is of another chain: nothing is signed for it, and nothing found on it.",
        "Correct EVM_RPC_URLS: each address behind the id of its own chain.",
    ),
    "domain.csrf": Trouble(
        Severity.BROKEN,
        "Forms of the admin end in 'CSRF verification failed' on this service's own domain.",
        "Add https://<domain> to CSRF_TRUSTED_ORIGINS, or unset it: then it follows the public domain.",
    ),
    "domain.hosts": Trouble(
        Severity.BROKEN,
        "Requests to a trusted origin's own host are refused with 400.",
        "Add the host to ALLOWED_HOSTS (without scheme). Railway's own domains are added by themselves.",
    ),
    "stripe.key": Trouble(
        Severity.BROKEN,
        "What is set is no secret key of Stripe's API (sk_... or rk_...): no payment can be made.",
        "Copy the secret key from Stripe's dashboard, Developers, API keys, into STRIPE_SECRET_KEY.",
    ),
    "stripe.webhook_secret": Trouble(
        Severity.BROKEN,
        "What is set is no signing secret (whsec_...): every event of Stripe is refused.",
        "Copy the endpoint's signing secret from Stripe's dashboard, Webhooks, into STRIPE_WEBHOOK_SECRETS.",
    ),
    "stripe.unreachable": Trouble(
        Severity.BROKEN,
        "Stripe gives no usable answer: orders cannot be paid, and payments are not booked until it does.",
        "Unset STRIPE_API_BASE unless it is a sandbox's; else status.stripe.com. It goes on by itself.",
    ),
    "stripe.refused": Trouble(
        Severity.BROKEN,
        "Stripe refuses the key: it was rolled, is of another account, or is a restricted one without its rights.",
        "Copy a valid secret key from Stripe's dashboard, Developers, API keys, into STRIPE_SECRET_KEY.",
    ),
    "stripe.webhook_endpoint": Trouble(
        Severity.WARNING,
        "No event of the key's own mode comes here, so STRIPE_WEBHOOK_SECRETS is of another mode or account. Payments "
        "are found in Stripe's list within a minute all the same.",
        "Stripe's dashboard, in the key's mode, Webhooks: add https://<domain>/api/v1/webhooks/stripe/, and copy its "
        "signing secret into STRIPE_WEBHOOK_SECRETS.",
    ),
    "stripe.mode": Trouble(
        Severity.BROKEN,
        "A live key is sent to a host that is not Stripe's.",
        "Unset STRIPE_API_BASE, or use a test key (sk_test_...) there. Roll the live key if the host is not yours.",
    ),
}


def found(name: str, state: str) -> Finding:
    """A trouble of the register, with what was seen."""
    trouble = TROUBLES[name]
    return Finding(name, trouble.severity, state, trouble.meaning, trouble.fix)


def fine(name: str, state: str) -> Finding:
    """Nothing to do."""
    return Finding(name, Severity.OK, state)
