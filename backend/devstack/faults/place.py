"""The stack under test: real servers and sandboxes, a chain, and the Procfile's processes behind doors."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis
import requests
from celery import Celery

from apps.payouts.custody.evm.account_library import account_library
from devstack.chain.node import CHAIN_ID, LocalChain
from devstack.environment import (
    BACKEND,
    REPOSITORY,
    State,
    application_variables,
    keep_secrets,
    process_environment,
    state_directory,
)
from devstack.faults.doors import Doors
from devstack.faults.keeper import Keeper, Program
from devstack.faults.plan import SITES
from devstack.faults.steps import Custody
from devstack.ports import HOST, free_port
from devstack.postgres import PostgresServer
from devstack.postgres_place import remove_data
from devstack.redis_server import RedisServer
from devstack.sandbox_process import SandboxProcess, answers
from devstack.stack import DATABASE, StackFailedError, manage
from devstack.supervisor import procfile_commands

READY_TIMEOUT_S = 90.0
WORKERS = 2
# Every step of a stroke in the worker keeps one child busy while it is held.
CHILDREN_A_WORKER = 12
WEB_PROCESSES, WEB_THREADS = 3, 8
BLOCK_TIME_S = 1
CONFIRMATIONS = 4  # deeper than the reorganisations of this campaign
_GAS_WEI, _TOKENS = 10**21, 10**30


@dataclass(frozen=True)
class SaleSite:
    """One site of the campaign: its tier, its asset, and the subjects of its staff's tokens."""

    code: str
    custody: Custody
    site_id: str
    asset_id: str
    tier_id: str
    operator: str
    approver: str
    decimals: int
    contract_address: str


class Place:
    """Start it with `running_place`."""

    def __init__(self, directory: Path, worker_environment: Mapping[str, str]) -> None:
        self.directory = directory
        self._saboteur = dict(worker_environment)
        self._cleanup = ExitStack()
        names = ("web", "postgres", "redis", "stripe", "fireblocks", "issuer")
        self._ports: dict[str, int] = {}
        for name in names:
            self._ports[name] = free_port(self._ports.values())

    def start(self) -> None:
        """Everything, until web and worker answer. Raises StackFailedError and what the servers raise."""
        defer = self._cleanup.callback
        self.doors = Doors()
        defer(self.doors.close)
        self.postgres = PostgresServer(
            self.directory / "postgres", port=self._ports["postgres"], durable=False
        )
        defer(remove_data, self.directory / "postgres")
        defer(self.postgres.stop)
        self.postgres.start()
        self.database_url = self.postgres.ensure_database(DATABASE)
        self.redis = RedisServer(self.directory / "redis", port=self._ports["redis"])
        defer(self.redis.stop)
        self.redis_url = self.redis.start()
        self.chain = LocalChain(state_directory(), self.directory / "chain.log", block_time_s=0)
        defer(self.chain.stop)
        self.chain.start()
        self._keys = {f"E{n + 1:02}": f"0x{secrets.token_hex(32)}" for n in range(SITES[Custody.EVM])}
        self._start_sandboxes()
        manage(self.environment, "migrate", "--noinput")
        self.sites = self._sites_made()
        self.chain.rpc("evm_setIntervalMining", BLOCK_TIME_S)
        self._start_processes()

    def stop(self) -> None:
        """Processes first, then sandboxes, chain, Valkey and PostgreSQL."""
        self._cleanup.close()

    def _start_sandboxes(self) -> None:
        kept = keep_secrets(State(self.directory))
        variables = application_variables(
            ports=self._ports, kept=kept, database_url=self.database_url, redis_url=self.redis_url
        )
        variables |= {
            "EVM_KEYS": ",".join(f"{code}:{key}" for code, key in self._keys.items()),
            "EVM_RPC_URLS": f"{CHAIN_ID}={self.chain.url}",
            "LOG_LEVEL": "WARNING",
        }
        self.secret_key = variables["STRIPE_SECRET_KEY"]
        self.environment = process_environment(
            variables, web_port=self._ports["web"], state=State(self.directory)
        )
        self._outside_web = self.doors.add(("outside", "web"), self._ports["web"])
        self.sandboxes = SandboxProcess(
            self.directory / "sandboxes", self.directory / "sandboxes.log", self._ports
        )
        self._cleanup.callback(self.sandboxes.stop)
        self.sandboxes.start(self.environment, webhook_base_url=self.web_url)

    def _sites_made(self) -> dict[Custody, list[SaleSite]]:
        plans = [*self._fireblocks_plans(), *self._evm_plans()]
        done = subprocess.run(
            [sys.executable, "-m", "devstack.faults.seed"],
            cwd=BACKEND,
            env=self.environment,
            input=json.dumps(plans),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StackFailedError(f"The sites could not be made:\n{done.stderr}")
        made: dict[Custody, list[SaleSite]] = {custody: [] for custody in Custody}
        for site in json.loads(done.stdout.splitlines()[-1]):
            asset = site.pop("asset")
            site.pop("confirmations")
            custody = Custody(asset["custody_provider"])
            made[custody].append(
                SaleSite(
                    **site,
                    custody=custody,
                    decimals=asset["decimals"],
                    contract_address=asset["contract_address"],
                )
            )
        return made

    def _fireblocks_plans(self) -> Iterator[dict[str, Any]]:
        for number in range(SITES[Custody.FIREBLOCKS]):
            asset_id, decimals = (("POSX_TEST", 18), ("POSX_SIX", 6))[number % 2]
            asset = {"decimals": decimals, "chain_id": 1, "contract_address": ""}
            asset |= {"custody_provider": "fireblocks", "custody_asset_id": asset_id, "custody_vault_id": "0"}
            yield {"code": f"F{number + 1:02}", "asset": asset, "confirmations": CONFIRMATIONS}

    def _evm_plans(self) -> Iterator[dict[str, Any]]:
        tokens = [(self.chain.deploy_token(decimals), decimals) for decimals in (18, 6)]
        for number, (code, key) in enumerate(self._keys.items()):
            contract, decimals = tokens[number % 2]
            wallet = str(account_library().from_key(key).address)
            self.chain.give_coins(wallet, _GAS_WEI)
            self.chain.give_tokens(contract, wallet, _TOKENS)
            asset = {"decimals": decimals, "chain_id": CHAIN_ID, "contract_address": contract}
            asset |= {"custody_provider": "evm", "custody_asset_id": code, "custody_vault_id": wallet}
            yield {"code": code, "asset": asset, "confirmations": CONFIRMATIONS}

    def _start_processes(self) -> None:
        (BACKEND / "staticfiles").mkdir(exist_ok=True)
        commands = procfile_commands(REPOSITORY / "Procfile")
        self.keeper = Keeper()
        self._cleanup.callback(self.keeper.stop)
        web = self._environment_of("web") | {
            "WEB_CONCURRENCY": str(WEB_PROCESSES),
            "THREADS": str(WEB_THREADS),
        }
        self._keep("web", commands["web"], web)
        # The last one of an option counts, whatever the Procfile says.
        worker = f"{commands['worker']} --concurrency={CHILDREN_A_WORKER}"
        for number in range(1, WORKERS + 1):
            self._keep(
                f"worker{number}",
                f"{worker} -n worker{number}@%h",
                self._environment_of("worker") | self._saboteur,
            )
        self._beat = commands["beat"]
        self.start_beat("beat1")
        self._wait_ready()

    def start_beat(self, name: str) -> None:
        """A beat, which may be the second one."""
        self._keep(name, self._beat, self._environment_of("beat") | self._saboteur)

    def _keep(self, name: str, command: str, environment: Mapping[str, str]) -> Program:
        program = Program(name, command, environment=environment, log=self.directory / f"{name}.log")
        return self.keeper.keep(program)

    def _environment_of(self, role: str) -> dict[str, str]:
        """The environment of a process whose every connection goes through a door of its role."""
        own = dict(self.environment)
        own["DATABASE_URL"] = self._by_door(role, "postgres", self.database_url)
        own["REDIS_URL"] = self._by_door(role, "redis", self.redis_url)
        own["STRIPE_API_BASE"] = self._by_door(role, "stripe", self.sandboxes.url("stripe"))
        own["FIREBLOCKS_API_BASE"] = self._by_door(role, "fireblocks", self.sandboxes.url("fireblocks"))
        own["EVM_RPC_URLS"] = f"{CHAIN_ID}={self._by_door(role, 'chain', self.chain.url)}"
        return own

    def _by_door(self, role: str, server: str, url: str) -> str:
        parts = urlsplit(url)
        port = self.doors.add((role, server), parts.port or 0)
        login, at, _address = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{login}{at}{HOST}:{port}"))

    def _wait_ready(self) -> None:
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        with Celery("faults", broker=self.redis_url, set_as_current=False) as bus:
            while not (
                answers(f"{self.web_url}/health/") and len(bus.control.ping(timeout=0.5) or ()) >= WORKERS
            ):
                if time.monotonic() > deadline_s:
                    raise StackFailedError(f"Web and workers did not answer; logs are in {self.directory}")

    @property
    def web_url(self) -> str:
        """The web process by way of its door."""
        return f"http://{HOST}:{self._outside_web}"

    @property
    def api_url(self) -> str:
        """The API's address with a trailing slash."""
        return f"{self.web_url}/api/v1/"

    def mint(self, subject: str) -> str:
        """A bearer token for `subject`."""
        answer = requests.post(
            f"{self.sandboxes.url('issuer')}/_sandbox/token",
            json={"subject": subject, "ttl_s": 12 * 3600},
            timeout=10,
        )
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def redis_client(self) -> redis.Redis:
        """A connection to Redis that passes no door."""
        return redis.Redis.from_url(self.redis_url, socket_timeout=10)

    def send_tasks(self, tasks: list[tuple[str, list[str]]]) -> None:
        """Ring for these tasks, past every door."""
        with Celery("faults", broker=self.redis_url, set_as_current=False) as bus:
            for name, arguments in tasks:
                bus.send_task(name, args=arguments, ignore_result=True)


@contextmanager
def running_place(*, worker_environment: Mapping[str, str] | None = None) -> Iterator[Place]:
    """A throw-away stack. ``worker_environment`` replaces variables of workers and beat (a saboteur's settings)."""
    with tempfile.TemporaryDirectory(prefix="posx-faults-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o711)  # root's PostgreSQL runs as another user; the files themselves are private
        place = Place(directory, worker_environment or {})
        try:
            place.start()
            yield place
        finally:
            place.stop()
