"""How many connections to PostgreSQL all processes may open together, by their numbers, and whether it has as many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# While a deployment's processes start, those of the one before still finish their work.
DEPLOYMENTS_AT_ONCE = 2
# Beside the one of each thread: readiness asks over its own, an administrator looks at all sites over another.
OWN_OF_A_WEB_PROCESS = 2
OWN_OF_A_WORKER = 1  # its heartbeat
BEATS = 2  # one leads, one stands by or takes over
OF_MIGRATE = 3  # the lock, the superuser's, the migrator's
FOR_PEOPLE = 3  # psql, a shell, the doctor

_OFFERED = """
SELECT least(
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(nullif(current_setting('reserved_connections', true), ''), '0')::int,
    (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()),
    (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = %s))
"""


@dataclass(frozen=True)
class Processes:
    """How many of each the deployment runs, from WEB_CONCURRENCY, THREADS and their like."""

    web_replicas: int
    web_processes: int
    web_threads: int
    worker_replicas: int
    worker_processes: int

    def connections(self) -> int:
        """The most that can be open at once, while a deployment replaces another."""
        web = self.web_replicas * self.web_processes * (self.web_threads + OWN_OF_A_WEB_PROCESS)
        workers = self.worker_replicas * (self.worker_processes + OWN_OF_A_WORKER)
        return DEPLOYMENTS_AT_ONCE * (web + workers) + BEATS + OF_MIGRATE + FOR_PEOPLE


def connections_offered(cursor: Any, login: str) -> int:
    """How many PostgreSQL gives to `login`: without those kept for superusers, within its and the database's limits."""
    cursor.execute(_OFFERED, [login])
    return int(cursor.fetchone()[0])


def budget_warning(processes: Processes, offered: int) -> str:
    """One sentence with what to do when they may need more than there are, or nothing."""
    needed = processes.connections()
    if needed <= offered:
        return ""
    return (
        f"{needed} connections may be needed at once, and PostgreSQL offers {offered}: {processes.web_replicas} web "
        f"replica(s) of {processes.web_processes} processes with {processes.web_threads} threads, "
        f"{processes.worker_replicas} worker(s) of {processes.worker_processes} processes, twice while a deployment "
        "replaces another. Lower WEB_CONCURRENCY, THREADS or WORKER_CONCURRENCY, raise max_connections, or put "
        "PgBouncer between (docs/connections.md)."
    )
