"""The servers of a test run, as an early pytest plugin (`-p tests.servers`), before settings are imported.

The controller (or the only process) starts PostgreSQL and Valkey in a temporary directory and migrates a
template database. Every process that runs tests clones the template once and takes its own Redis
database, so that xdist workers never meet. What a child process needs travels in environment variables.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil  # type: ignore[import-untyped]
import psycopg2
import pytest

from devstack.ports import HOST, free_port
from devstack.postgres import PostgresServer
from devstack.postgres_place import remove_data
from devstack.redis_server import RedisServer

REPOSITORY = Path(__file__).resolve().parents[1]
BACKEND = REPOSITORY / "backend"
TEMPLATE = "posx_test_template"
DIRECTORY_PREFIX = "posx-test-"
# Set by the controller for its xdist workers.
SERVERS_DIRECTORY, SUPERUSER_URL, REDIS_SERVER_URL = "POSX_TEST_DIR", "POSX_TEST_POSTGRES", "POSX_TEST_REDIS"
MIGRATE_FAILURE = "POSX_TEST_MIGRATE_FAILURE"
APP_PORT = "POSX_TEST_APP_PORT"  # where `app_server` listens and the sandboxes send webhooks
# Ports that are named at the start of a run and listened to much later. Among those that everybody else takes at once,
# one of them would sooner or later be somebody's server just then.
NAMED_PORTS = (12_000, 20_000)
_CLONE_LOCK = (
    7_306_118  # an advisory lock of the database `postgres`: the template takes one cloner at a time
)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """Before pytest-django imports the settings: servers, database, environment."""
    options = early_config.known_args_namespace
    if not (options.help or options.version):
        prepare(controls_workers=bool(getattr(options, "numprocesses", None) or getattr(options, "tx", None)))
    return (yield)


def pytest_unconfigure() -> None:
    """Stop what this process started, also after Ctrl-C."""
    stop_all()


def prepare(*, controls_workers: bool) -> None:
    """Give this process its servers and variables. `controls_workers`: it runs no tests itself."""
    _clear_environment()
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker:
        os.environ.pop(MIGRATE_FAILURE, None)
        _start_servers()
    os.environ.update(_process_environment())
    (BACKEND / "staticfiles").mkdir(exist_ok=True)  # WhiteNoise warns without it
    # A controller opens no database: it names one only so that settings can be read.
    runs_tests = bool(worker) or not controls_workers
    database = clone_template(f"posx_test_{worker or 'main'}") if runs_tests else TEMPLATE
    os.environ["DATABASE_URL"] = database_url(database)
    os.environ["REDIS_URL"] = f"{os.environ[REDIS_SERVER_URL]}/{_worker_number(worker)}"


def database_url(name: str) -> str:
    """The superuser's URL of a database on the server of this run."""
    return urlunsplit(urlsplit(os.environ[SUPERUSER_URL])._replace(path=f"/{name}"))


def clone_template(name: str) -> str:
    """Make the database `name` anew from the migrated template; returns its name."""
    connection = psycopg2.connect(os.environ[SUPERUSER_URL])
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_CLONE_LOCK])
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"')
        if MIGRATE_FAILURE in os.environ:
            return name  # the logins may not exist
        # A clone takes everything but the rights on the database itself (apps/sites/provision.py).
        cursor.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
        cursor.execute(f'GRANT CONNECT ON DATABASE "{name}" TO posx_migrator, posx_app, posx_auditor')
    return name


def stop_all() -> None:
    """Run what was registered for the end, last first; a second call does nothing."""
    while _at_end:
        _at_end.pop()()


_at_end: list[Callable[[], None]] = []
atexit.register(stop_all)


def _start_servers() -> None:
    _remove_abandoned()
    # The controller's pid is in the name: a later run sees by it whether the directory was abandoned.
    directory = Path(tempfile.mkdtemp(prefix=f"{DIRECTORY_PREFIX}{os.getpid()}-"))
    directory.chmod(0o711)  # the server of root runs as another user
    _at_end.append(lambda: shutil.rmtree(directory, ignore_errors=True))
    postgres = PostgresServer(directory / "postgres", durable=False)
    _at_end.append(lambda: remove_data(directory / "postgres"))
    _at_end.append(postgres.stop)
    redis = RedisServer(directory / "redis", durable=False)
    _at_end.append(redis.stop)
    os.environ[SUPERUSER_URL] = postgres.start()
    os.environ[REDIS_SERVER_URL] = redis.start().rpartition("/")[0]
    os.environ[SERVERS_DIRECTORY] = str(directory)
    os.environ["FIREBLOCKS_PRIVATE_KEY"] = _throw_away_key()
    _migrate_template(postgres.ensure_database(TEMPLATE))


def _migrate_template(url: str) -> None:
    environment = {
        **os.environ,
        **_process_environment(),
        "DATABASE_URL": url,
        "REDIS_URL": f"{os.environ[REDIS_SERVER_URL]}/0",
        "PYTHONPATH": str(BACKEND),
    }
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    done = subprocess.run(command, cwd=BACKEND, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        # Tests without a database still run; `database` fails every other one with this text.
        os.environ[MIGRATE_FAILURE] = f"manage.py migrate failed:\n{done.stdout}{done.stderr}"


def _process_environment() -> dict[str, str]:
    """Values of the other variables of config/env.py; the sandboxes' addresses are started when needed."""
    application, stripe, fireblocks, issuer = (free_port(among=NAMED_PORTS) for _ in range(4))
    return {
        APP_PORT: str(application),
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "SECRET_KEY": "test-only-secret-key-0123456789abcdefghijklmnopqrstuvwxyzABCDEF",
        "AUTH0_DOMAIN": "issuer.test",
        "AUTH0_AUDIENCE": "https://api.posx.test",
        "AUTH0_ISSUER": f"http://{HOST}:{issuer}/",
        "AUTH0_JWKS_URL": f"http://{HOST}:{issuer}/.well-known/jwks.json",
        "STRIPE_SECRET_KEY": "sk_test_posx",
        "STRIPE_WEBHOOK_SECRETS": "whsec_test_current,whsec_test_previous",
        "STRIPE_API_BASE": f"http://{HOST}:{stripe}",
        "FIREBLOCKS_API_KEY": "00000000-0000-4000-8000-000000000001",
        "FIREBLOCKS_API_BASE": f"http://{HOST}:{fireblocks}",
        "FIREBLOCKS_JWKS_URL": f"http://{HOST}:{fireblocks}/.well-known/jwks.json",
    }


def _clear_environment() -> None:
    """Drop the caller's values: a developer's shell must not point the tests at another server."""
    # Imported here: the table of variables is only readable once pytest has put backend/ on the path.
    from config.env import VARIABLES

    own = {"FIREBLOCKS_PRIVATE_KEY"} if os.environ.get("PYTEST_XDIST_WORKER") else set()
    for name in {row.name for row in VARIABLES} - own:
        os.environ.pop(name, None)


def _throw_away_key() -> str:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _worker_number(worker: str) -> int:
    return int(worker.removeprefix("gw")) + 1 if worker else 0


def _remove_abandoned() -> None:
    """Directories of runs that were killed; their servers ended with them (see devstack.processes)."""
    for directory in Path(tempfile.gettempdir()).glob(f"{DIRECTORY_PREFIX}*"):
        pid = directory.name.removeprefix(DIRECTORY_PREFIX).partition("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)) and directory.stat().st_uid == os.getuid():
            remove_data(directory / "postgres")
            shutil.rmtree(directory, ignore_errors=True)
