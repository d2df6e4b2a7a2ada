"""What stands around the services of an emulated project: PostgreSQL, Redis, the edge, and the providers' sandboxes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg2

from apps.sites.provision import LOCK_KEY
from devstack.environment import (
    PORT_VARIABLES,
    Stack,
    State,
    application_variables,
    keep_secrets,
    process_environment,
)
from devstack.ports import free_port
from devstack.postgres import PostgresServer
from devstack.postgres_place import remove_data
from devstack.railway.build import Image
from devstack.railway.checks import CheckFailed
from devstack.railway.edge import Edge
from devstack.railway.project import DOMAIN, Project, postgres_variables, redis_variables
from devstack.redis_server import RedisServer
from devstack.sandbox_process import SandboxProcess

COMMIT = "0" * 40
POLL_S = 0.1


class Surroundings:
    """Started below `home`; `cleanup` ends it. `stack` is what a story needs, `by_hand` what an operator sets."""

    def __init__(self, home: Path, image: Image, cleanup: ExitStack) -> None:
        home.chmod(0o711)  # root's PostgreSQL runs as another user; the files themselves are private
        state = State(home)
        ports = {name: free_port() for name in PORT_VARIABLES}
        postgres = PostgresServer(home / "postgres", port=ports["postgres"])
        cleanup.callback(remove_data, home / "postgres")
        cleanup.callback(postgres.stop)
        postgres.start()
        redis = RedisServer(home / "redis", port=ports["redis"])
        cleanup.callback(redis.stop)
        redis_url = redis.start()
        self.edge = Edge(DOMAIN, ports["web"])
        cleanup.callback(self.edge.stop)
        self.edge.start()
        self.database_url = postgres.ensure_database("railway")
        variables = application_variables(
            ports=ports,
            kept=keep_secrets(state),
            database_url=self.database_url,
            redis_url=redis_url,
        )
        sandboxes = SandboxProcess(home / "sandboxes", home / "sandboxes.log", ports)
        cleanup.callback(sandboxes.stop)
        sandboxes.start(
            process_environment(variables, web_port=ports["web"], state=state),
            webhook_base_url=self.edge.url,
        )
        urls = {f"{name}_url": sandboxes.url(name) for name in ("stripe", "fireblocks", "issuer")}
        self.stack = Stack(state=state, web_url=self.edge.url, variables=variables, seed={}, **urls)
        self.by_hand = {
            name: value for name, value in variables.items() if name not in {"DATABASE_URL", "REDIS_URL"}
        }
        offered = {"Postgres": postgres_variables(self.database_url), "Redis": redis_variables(redis_url)}
        self.project = Project(image, home, offered=offered, commit=COMMIT)
        cleanup.callback(self.project.stop)

    @contextmanager
    def roles_held(self) -> Iterator[Callable[[int, float], None]]:
        """Hold the lock under which releases migrate; what is yielded waits until so many stand before it,
        or raises CheckFailed."""
        with closing(psycopg2.connect(self.database_url, dbname="postgres")) as holder:
            holder.autocommit = True
            cursor = holder.cursor()
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])

            def stand(count: int, timeout_s: float) -> None:
                deadline = time.monotonic() + timeout_s
                waiting = 0
                while waiting != count:
                    if time.monotonic() > deadline:
                        raise CheckFailed(f"{waiting} of {count} stand before the lock")
                    time.sleep(POLL_S)
                    cursor.execute(
                        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                    )
                    (waiting,) = cursor.fetchone() or (0,)

            yield stand
