"""The five services as Railway's infrastructure as code: `railway config plan` shows, `railway config apply` applies.

What is left out of this file is deleted on Railway, and a key that the SDK does not know is dropped in silence:
tests/railway evaluates the file and checks the whole graph. A service has one owner, this file or railway.json
(docs/RAILWAY_DEPLOYMENT_GUIDE.md).
"""

from __future__ import annotations

from typing import Any

from railway_sdk import define_railway, github, image, postgres, preserve, project, service, volume

REPOSITORY = "posx/posx-official-backend"  # owner/name of your copy on GitHub
BRANCH = "main"
MB = 1_000_000

# The same lines as in the Procfile; a test compares. Gunicorn itself reads WEB_CONCURRENCY, and ends when it is set
# but empty.
WEB = (
    "cd backend && exec env WEB_CONCURRENCY=${WEB_CONCURRENCY:-2} gunicorn config.wsgi:application "
    "--bind ${BIND_ADDRESS:-0.0.0.0}:${PORT:-8000} --threads ${THREADS:-2} --timeout ${GUNICORN_TIMEOUT:-60}"
)
WORKER = (
    "cd backend && exec celery -A config worker --loglevel=${CELERY_LOG_LEVEL:-info} "
    "--concurrency=${WORKER_CONCURRENCY:-2} --max-tasks-per-child=${WORKER_MAX_TASKS:-100}"
)
BEAT = (
    "cd backend && exec celery -A config beat --loglevel=${CELERY_LOG_LEVEL:-info} "
    "--scheduler django_celery_beat.schedulers:DatabaseScheduler"
)
# No password, no Redis: an unset one would open it to the whole private network. Below the memory limit there is
# room for the copy that is made while the append-only file is rewritten.
REDIS = (
    "exec docker-entrypoint.sh redis-server --requirepass ${REDIS_PASSWORD:?is not set} --bind 0.0.0.0 :: "
    "--maxmemory 128mb --maxmemory-policy noeviction --appendonly yes --appendfsync everysec --dir /data"
)

# Set by hand on the service `backend`, once; the other two refer to it. An unset one arrives there as an empty
# string, which counts as missing. Every variable of backend/config/env.py is here or below; a test compares.
KEPT_ON_BACKEND = (
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "DATABASE_APP_URL",
    "DATABASE_VOLUME_GB",
    "ALLOWED_HOSTS",
    "CSRF_TRUSTED_ORIGINS",
    "AUTH0_DOMAIN",
    "AUTH0_AUDIENCE",
    "AUTH0_ISSUER",
    "AUTH0_JWKS_URL",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRETS",
    "STRIPE_API_BASE",
    "FIREBLOCKS_API_KEY",
    "FIREBLOCKS_PRIVATE_KEY",
    "FIREBLOCKS_API_BASE",
    "FIREBLOCKS_JWKS_URL",
    "FIREBLOCKS_WEBHOOK_PUBLIC_KEYS",
    "CUSTODY_CALLS_A_MINUTE",
    "EVM_KEYS",
    "EVM_RPC_URLS",
    "EVM_MAX_FEE_GWEI",
    "WEBHOOK_PRIVATE_HOSTS",
    "EMAIL_URL",
    "EMAIL_FROM",
    "METRICS_TOKEN",
    "LOG_LEVEL",
    "ORDER_HOLD_MINUTES",
    "IDEMPOTENCY_KEEP_HOURS",
    "ADMIN_SECOND_FACTOR",
    # How many processes and threads: for the start commands, and for the connection budget.
    "WEB_CONCURRENCY",
    "THREADS",
    "WEB_REPLICAS",
    "WORKER_CONCURRENCY",
    "WORKER_REPLICAS",
    # For the start commands alone.
    "BIND_ADDRESS",
    "GUNICORN_TIMEOUT",
    "CELERY_LOG_LEVEL",
    "WORKER_MAX_TASKS",
)


def limits(memory_mb: int) -> dict[str, Any]:
    """The memory at which Railway kills the container."""
    return {"containers": {"memoryBytes": memory_mb * MB}}


def deploy(memory_mb: int, **more: Any) -> dict[str, Any]:
    """What the services of our code share: restarts, and time to finish after SIGTERM (Railway gives 0)."""
    return {
        "restartPolicyType": "ALWAYS",
        "drainingSeconds": 60,
        "limitOverride": limits(memory_mb),
        **more,
    }


@define_railway
def main(ctx: Any = None) -> Any:
    """PostgreSQL, Redis, backend, celery-worker, celery-beat."""
    source = github(REPOSITORY, branch=BRANCH)
    build = {
        "builder": "RAILPACK",
        "watchPatterns": ["backend/**", "requirements/**", "Procfile", "railpack.json"],
    }
    database = postgres("Postgres")
    # Not redis(): that helper takes neither a start command nor variables, and drops them in silence.
    queue_data = volume("redis-data")
    queue = service(
        "Redis",
        source=image("redis:8.2-alpine"),
        start=REDIS,
        deploy={"restartPolicyType": "ALWAYS", "drainingSeconds": 10, "limitOverride": limits(256)},
        volumeMounts={"/data": queue_data},
        env={
            "REDIS_PASSWORD": preserve(),
            "REDISHOST": "${{RAILWAY_PRIVATE_DOMAIN}}",
            "REDISPORT": "6379",
            "REDISUSER": "default",
            "REDISPASSWORD": "${{REDIS_PASSWORD}}",
            "REDIS_URL": "redis://default:${{REDIS_PASSWORD}}@${{RAILWAY_PRIVATE_DOMAIN}}:6379",
        },
    )
    addresses = {
        "DJANGO_SETTINGS_MODULE": "config.settings.railway",
        "DATABASE_URL": database.env.DATABASE_URL,
        "REDIS_URL": queue.env.REDIS_URL,
        "CELERY_BROKER_URL": queue.env.REDIS_URL,
        "CELERY_RESULT_BACKEND": queue.env.REDIS_URL,
    }
    backend = service(
        "backend",
        source=source,
        build=build,
        start=WEB,
        preDeploy="cd backend && python manage.py migrate --noinput",
        healthcheck="/health/",
        healthcheckTimeout=300,
        deploy=deploy(512, overlapSeconds=20),
        env={**addresses, **{name: preserve() for name in KEPT_ON_BACKEND}},
    )
    shared = {**addresses, **{name: backend.env[name] for name in KEPT_ON_BACKEND}}
    # No health check: neither listens to HTTP, and a check would fail every deployment.
    worker = service(
        "celery-worker", source=source, build=build, start=WORKER, deploy=deploy(512), env=shared
    )
    beat = service("celery-beat", source=source, build=build, start=BEAT, deploy=deploy(256), env=shared)
    return project("posx", resources=[database, queue_data, queue, backend, worker, beat])
