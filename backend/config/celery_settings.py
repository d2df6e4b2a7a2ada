"""Celery's settings (CELERY_*). Redis only rings: every entry below may be lost or come twice."""

from datetime import timedelta
from typing import Any

from celery.schedules import crontab

CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = 3600

# Late acks, so that a killed worker's message comes back; a message whose task kills its worker must not
# come back for ever, hence reject_on_worker_lost off: its row is found by a sweeper.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# A task that outlives the visibility timeout is delivered a second time while the first copy runs.
CELERY_TASK_SOFT_TIME_LIMIT = 40
CELERY_TASK_TIME_LIMIT = 45
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 60,
    # kombu looks for abandoned messages every interval x throttle seconds; 10 x 10 when left out.
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 25,
}
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {"visibility_timeout": 60}
CELERY_REDIS_SOCKET_TIMEOUT = 5.0
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 5.0
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker, however long that is away
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TASK_SEND_SENT_EVENT = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_DB_REUSE_MAX = 100  # else the worker opens a new database connection for each task

CELERY_BEAT_MAX_LOOP_INTERVAL = 1  # the lease is renewed at each tick
CELERY_BEAT_SYNC_EVERY = 1  # last_run_at is written after each send: who takes over must not repeat it


def _entry(task: str, schedule: Any, interval: timedelta) -> dict[str, Any]:
    """`expire_seconds` is django-celery-beat's word for expires; it drops the latter in silence."""
    return {"task": task, "schedule": schedule, "options": {"expire_seconds": int(interval.total_seconds())}}


def _every(task: str, interval: timedelta) -> dict[str, Any]:
    return _entry(task, interval, interval)


CELERY_BEAT_SCHEDULE = {
    "unlock-vesting-releases": _entry(
        "apps.vesting.tasks.unlock_vesting_releases", crontab(hour="0", minute="0"), timedelta(days=1)
    ),
    "reconcile-stuck-releases": _entry(
        "apps.vesting.tasks.reconcile_stuck_releases", crontab(minute="*/5"), timedelta(minutes=5)
    ),
    "cleanup-old-idempotency-keys": _entry(
        "apps.vesting.tasks.cleanup_old_idempotency_keys", crontab(hour="2", minute="0"), timedelta(days=1)
    ),
    # Each asks one function over a partial index; what a killed process left is found a lease (15 s) and this later.
    "unlock-due": _every("apps.vesting.tasks.unlock_due", timedelta(seconds=10)),
    "sweep-revocations": _every("apps.vesting.tasks.sweep_revocations", timedelta(seconds=10)),
    "sweep-inbox": _every("apps.webhooks.tasks.sweep_inbox", timedelta(seconds=5)),
    "read-missed-events": _every("apps.webhooks.tasks.read_missed_events", timedelta(seconds=30)),
    "sweep-orders": _every("apps.orders.tasks.sweep_orders", timedelta(seconds=5)),
    "sweep-payouts": _every("apps.payouts.tasks.sweep_payouts", timedelta(seconds=5)),
    "sweep-deliveries": _every("apps.subscriptions.tasks.sweep_deliveries", timedelta(seconds=5)),
    "sweep-wallet-changes": _every("apps.accounts.tasks.sweep_wallet_changes", timedelta(seconds=30)),
    "sweep-wallet-notices": _every("apps.accounts.tasks.sweep_wallet_notices", timedelta(seconds=30)),
    "check-three-ways": _every("apps.operations.tasks.check_three_ways", timedelta(minutes=1)),
    "count-states": _every("apps.operations.tasks.count_states", timedelta(seconds=30)),
}
