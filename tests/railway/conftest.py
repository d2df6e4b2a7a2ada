"""One build for the whole test run, shared by its workers; a database and a Redis of its own for each test."""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from devstack.railway.build import Image, build_image
from devstack.railway.nixpacks import plan_of
from devstack.railway.project import Project, postgres_variables, redis_variables
from tests.servers import REPOSITORY, SERVERS_DIRECTORY, clone_template, database_url

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LAYERS = REPOSITORY / ".devstack" / "railway-layers"


@pytest.fixture(scope="session")
def image() -> Image:
    """What the Nixpacks phases build from this repository."""
    home = Path(os.environ[SERVERS_DIRECTORY]) / "railway"
    home.mkdir(exist_ok=True)
    with (home / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        built = home / "image.pickle"
        if not built.exists():
            made = build_image(
                REPOSITORY,
                home / "build",
                plan_of(REPOSITORY),
                variables={"RAILWAY_GIT_COMMIT_SHA": COMMIT},
                layers=LAYERS,
            )
            built.write_bytes(pickle.dumps(made))
        found: Image = pickle.loads(built.read_bytes())  # noqa: S301 - written above
        return found


@pytest.fixture
def own_secrets() -> dict[str, str]:
    """What an operator sets by hand: this test run's values, with the sandboxes' addresses."""
    names = [
        *("SECRET_KEY", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRETS", "FIREBLOCKS_API_KEY"),
        *("FIREBLOCKS_PRIVATE_KEY", "AUTH0_DOMAIN", "AUTH0_AUDIENCE", "AUTH0_ISSUER", "AUTH0_JWKS_URL"),
        *("STRIPE_API_BASE", "FIREBLOCKS_API_BASE", "FIREBLOCKS_JWKS_URL"),
    ]
    return {name: os.environ[name] for name in names}


@pytest.fixture
def empty_url(database: None, admin_connection: Any) -> Iterator[str]:
    """An empty database, as a new PostgreSQL service has it: superuser, password, TCP."""
    name = f"railway_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with admin_connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{name}"')
    yield database_url(name)
    with admin_connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def migrated_url(database: None, admin_connection: Any) -> Iterator[str]:
    """A database as the deployment before left it."""
    name = clone_template(f"railway_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
    yield database_url(name)
    with admin_connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def own_redis_url(redis_url: str) -> Iterator[str]:
    """This worker's Redis; nobody else's worker listens to the queue of this database number."""
    base, _, number = redis_url.rpartition("/")
    url = f"{base}/{int(number) + 32}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture
def start_project(image: Image, tmp_path: Path, own_redis_url: str) -> Iterator[Callable[..., Project]]:
    """A project with PostgreSQL at the given URL; every container is gone afterwards."""
    projects: list[Project] = []

    def start(url: str, **shared: str) -> Project:
        offered = {"Postgres": postgres_variables(url), "Redis": redis_variables(own_redis_url)}
        projects.append(Project(image, tmp_path, offered=offered, shared=shared, commit=COMMIT))
        return projects[-1]

    yield start
    for project in projects:
        project.stop()
