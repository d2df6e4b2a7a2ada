"""A whole stack on one machine: servers, sandboxes, database, seed, and the Procfile's processes."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, TextIO

from celery import Celery

from devstack.environment import (
    BACKEND,
    PORT_VARIABLES,
    REPOSITORY,
    Stack,
    State,
    application_variables,
    choose_ports,
    keep_secrets,
    process_environment,
)
from devstack.given_servers import given_database, given_redis, place_of
from devstack.ports import HOST, free_port
from devstack.postgres import PostgresServer
from devstack.postgres_place import remove_data
from devstack.redis_server import RedisServer
from devstack.sandbox_process import SandboxesFailedError, SandboxProcess, answers, tail
from devstack.screen import Progress
from devstack.supervisor import Supervisor, procfile_commands

DATABASE = "posx"
READY_TIMEOUT_S = 60.0
STEPS = 7


class StackFailedError(Exception):
    """The stack cannot start or go on; the message says which part and shows its last lines."""


class LocalStack:
    """One stack on one state directory. `start`, then `watch` or `serve_in_background`, then `stop`."""

    def __init__(
        self,
        state: State,
        *,
        output: TextIO,
        lines: TextIO | None = None,
        requested_ports: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        servers: Mapping[str, str] | None = None,
    ) -> None:
        """Steps are shown on `output`, and so are the processes' lines unless they go to `lines`.

        ``variables`` replaces what the processes would have in their environment. ``servers`` may hold DATABASE_URL
        and REDIS_URL: those are used instead of servers of the stack's own, and left running.
        """
        self._state = state
        self._progress = Progress(output, steps=STEPS)
        self._lines = lines or self._progress
        self._requested = requested_ports or {}
        self._replaced = dict(variables or {})
        self._given = servers or {}
        self._postgres: PostgresServer | None = None
        self._redis: RedisServer | None = None
        self._cleanup = ExitStack()

    def start(self) -> Stack:
        """Start everything and wait until it answers; what was started is stopped when a step fails."""
        try:
            return self._start()
        except BaseException:
            # Also for Ctrl-C in the middle: nothing may be left running.
            self.stop()
            raise

    def watch(self) -> str:
        """Print the processes' lines until one ends; returns what is to be told about it."""
        while not (ended := self._supervisor.pump(0.5)) and not self._dead_server():
            pass
        return self._story(ended)

    def serve_in_background(self) -> None:
        """Keep reading the processes' lines in a thread, so that their pipes never fill."""
        stopping = threading.Event()

        def pump() -> None:
            while not stopping.is_set():
                self._supervisor.pump(0.2)

        thread = threading.Thread(target=pump, name="devstack-lines", daemon=True)
        thread.start()
        self._cleanup.callback(thread.join, 5)
        self._cleanup.callback(stopping.set)

    def stop(self) -> None:
        """Processes first, then sandboxes, Valkey and PostgreSQL."""
        self._cleanup.close()

    def _start(self) -> Stack:
        self._state.directory.mkdir(parents=True, exist_ok=True)
        self._cleanup.callback(_lock(self._state).close)
        self._ports = choose_ports(self._state, self._requested)
        kept = keep_secrets(self._state)
        with self._progress.step(self._label("DATABASE_URL", "PostgreSQL")):
            database_url = self._start_postgres()
        with self._progress.step(self._label("REDIS_URL", "Valkey (speaks Redis' protocol)")):
            redis_url = self._start_redis()
        variables = application_variables(
            ports=self._ports, kept=kept, database_url=database_url, redis_url=redis_url
        )
        own = process_environment(variables, web_port=self._ports["web"], state=self._state)
        self._environment = own | self._replaced
        with self._progress.step("Stripe, Fireblocks and token sandboxes"):
            self._start_sandboxes()
        with self._progress.step("logins and migrations"):
            self._manage("migrate", "--noinput")
        with self._progress.step("demo site"):
            seed = self._seed()
        with self._progress.step("web, worker and beat"):
            self._start_processes()
        with self._progress.step("web and worker answer"):
            self._wait_ready(redis_url)
        stack = Stack(
            state=self._state,
            web_url=self._url("web"),
            stripe_url=self._url("stripe"),
            fireblocks_url=self._url("fireblocks"),
            issuer_url=self._url("issuer"),
            variables=variables,
            seed=seed,
        )
        self._cleanup.callback(stack.withdraw)
        stack.announce()
        return stack

    def _start_postgres(self) -> str:
        if url := given_database(self._given):
            return url
        self._postgres = PostgresServer(self._state.directory / "postgres", port=self._ports["postgres"])
        self._cleanup.callback(self._postgres.stop)
        self._postgres.start()
        return self._postgres.ensure_database(DATABASE)

    def _start_redis(self) -> str:
        if url := given_redis(self._given):
            return url
        self._redis = RedisServer(self._state.directory / "redis", port=self._ports["redis"])
        self._cleanup.callback(self._redis.stop)
        return self._redis.start()

    def _label(self, variable: str, own: str) -> str:
        url = self._given.get(variable, "").strip()
        return f"{variable}: {place_of(url)}" if url else own

    def _start_sandboxes(self) -> None:
        home = self._state.directory / "sandboxes"
        self._sandboxes = SandboxProcess(home, self._state.directory / "sandboxes.log", self._ports)
        self._cleanup.callback(self._sandboxes.stop)
        try:
            self._sandboxes.start(self._environment, webhook_base_url=self._url("web"))
        except SandboxesFailedError as error:
            raise StackFailedError(str(error)) from error

    def _manage(self, *words: str) -> str:
        return manage(self._environment, *words)

    def _seed(self) -> dict[str, object]:
        printed = json.loads(self._manage("seed_demo", "--json").splitlines()[-1])
        # A later run need not print again what it cannot know any more, such as the admin's password.
        # Another database has another administrator.
        given = self._given.get("DATABASE_URL", "").strip()
        name = f"seed-{sha256(given.encode()).hexdigest()[:8]}.json" if given else "seed.json"
        seed = {**self._state.read(name), **{k: v for k, v in printed.items() if v}}
        self._state.write(name, seed)
        return seed

    def _start_processes(self) -> None:
        # Local settings serve static files from the packages; WhiteNoise warns without the directory.
        (BACKEND / "staticfiles").mkdir(exist_ok=True)
        self._supervisor = Supervisor(
            procfile_commands(REPOSITORY / "Procfile"),
            environment=self._environment,
            directory=REPOSITORY,
            output=self._lines,
        )
        self._cleanup.callback(self._supervisor.stop)
        self._supervisor.start()

    def _wait_ready(self, redis_url: str) -> None:
        health = f"{self._url('web')}/health/"
        bus = Celery("devstack", broker=redis_url, set_as_current=False)
        checks: list[Callable[[], bool]] = [
            lambda: answers(health),
            lambda: bool(bus.control.ping(timeout=0.5, limit=1)),
        ]
        for check in checks:
            if not self._supervisor.wait_until(check, READY_TIMEOUT_S):
                raise StackFailedError(self._story(self._supervisor.pump(0.2)))
        bus.close()

    def _dead_server(self) -> str:
        """The name of a server that is no longer there, or nothing."""
        alive = {
            "PostgreSQL": self._postgres is None or self._postgres.running(),
            "Valkey": self._redis is None or self._redis.running(),
            "sandboxes": self._sandboxes.running(),
        }
        return next((name for name, lives in alive.items() if not lives), "")

    def _story(self, ended: Mapping[str, int]) -> str:
        for name, code in ended.items():
            return f"{name} ended (exit code {code}). Its last lines:\n{self._supervisor.tail(name)}"
        if dead := self._dead_server():
            return f"{dead} ended. Logs are in {self._state.directory}"
        return f"web and worker did not answer within {READY_TIMEOUT_S:.0f} s."

    def _url(self, name: str) -> str:
        return f"http://{HOST}:{self._ports[name]}"


def manage(environment: Mapping[str, str], *words: str, given: str | None = None) -> str:
    """Run a command of manage.py with ``given`` on its stdin; returns its stdout. Raises StackFailedError."""
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(
        command, cwd=BACKEND, env=dict(environment), capture_output=True, text=True, check=False, input=given
    )
    if done.returncode:
        raise StackFailedError(f"manage.py {' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def start_temporary(
    output: TextIO = sys.stderr, *, variables: Mapping[str, str] | None = None
) -> Iterator[Stack]:
    """A throw-away stack on free ports; `output` shows its steps, and its processes' last lines when it fails."""
    with tempfile.TemporaryDirectory(prefix="posx-stack-") as name, ExitStack() as cleanup:
        directory = Path(name)
        directory.chmod(0o711)  # root's PostgreSQL runs as another user; the files themselves are private
        lines = cleanup.enter_context((directory / "processes.log").open("w"))
        requested = {variable: str(free_port()) for variable in PORT_VARIABLES.values()}
        local = LocalStack(
            State(directory), output=output, lines=lines, requested_ports=requested, variables=variables
        )
        cleanup.callback(remove_data, directory / "postgres")
        cleanup.callback(local.stop)
        try:
            stack = local.start()
        except StackFailedError:
            lines.flush()
            output.write(tail(directory / "processes.log", 60) + "\n")
            raise
        local.serve_in_background()
        yield stack


def _lock(state: State) -> IO[str]:
    """Held as long as the stack lives; the kernel frees it however the process ends."""
    handle = (state.directory / "lock").open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        found = state.read("stack.json")
        place = f" at {found['web_url']} (pid {found['pid']})" if found else ""
        raise StackFailedError(f"A stack already runs on {state.directory}{place}.") from None
    return handle
