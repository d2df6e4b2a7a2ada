"""What a local stack keeps in its state directory, and the one environment that all of its processes share."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from devstack.ports import HOST, pick_port, require_port
from devstack.processes import start_time

BACKEND = Path(__file__).resolve().parents[1]
REPOSITORY = BACKEND.parent
AUDIENCE = "https://api.posx.localhost"
# The first port tried for each server; a taken one is passed over.
PREFERRED_PORTS = {
    "web": 8000,
    "stripe": 8010,
    "fireblocks": 8020,
    "issuer": 8030,
    "postgres": 15432,
    "redis": 16379,
}
# How a user asks for a certain port; a taken one is then an error.
PORT_VARIABLES = {
    "web": "PORT",
    "stripe": "STRIPE_SANDBOX_PORT",
    "fireblocks": "FIREBLOCKS_SANDBOX_PORT",
    "issuer": "ISSUER_PORT",
    "postgres": "POSTGRES_PORT",
    "redis": "REDIS_SERVER_PORT",
}

# What a user may say of a local stack in the environment of `make up`; anything else of ours is the stack's own.
PASSED_ON = {"WEB_CONCURRENCY", "THREADS", "WORKER_CONCURRENCY", "ADMIN_SECOND_FACTOR"}


@dataclass(frozen=True)
class State:
    """The directory of one stack. Files that hold a secret are readable by their owner only."""

    directory: Path

    def read(self, name: str) -> dict[str, Any]:
        """A JSON file of the directory; empty when there is none."""
        path = self.directory / name
        content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return content

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace a JSON file in one step."""
        self.write_text(name, json.dumps(content, indent=1) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Replace a private file in one step: a reader never sees half of it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        fresh = self.directory / f".{name}.{os.getpid()}"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        fresh.replace(self.directory / name)

    def remove(self, name: str) -> None:
        """Delete a file when it is there."""
        (self.directory / name).unlink(missing_ok=True)


def state_directory() -> Path:
    """`.devstack` of the repository, or POSX_STATE_DIR."""
    return Path(os.environ.get("POSX_STATE_DIR") or REPOSITORY / ".devstack").resolve()


def choose_ports(state: State, requested: Mapping[str, str]) -> dict[str, int]:
    """A port for each server: the one asked for, else last time's, else a usual one, else any free one.

    `requested` is the user's environment. Raises PortTakenError or ValueError for what was asked for.
    """
    last = state.read("ports.json")
    chosen: dict[str, int] = {}
    for name, variable in PORT_VARIABLES.items():
        if text := requested.get(variable):
            chosen[name] = require_port(text, variable=variable)
    for name, usual in PREFERRED_PORTS.items():
        if name not in chosen:
            chosen[name] = pick_port(preferred=int(last.get(name, usual)), avoid=chosen.values())
    state.write("ports.json", chosen)
    return chosen


def keep_secrets(state: State) -> dict[str, str]:
    """The secrets of this stack: made once, then read. Nothing of them is in the repository."""
    kept = state.read("secrets.json")
    if not kept:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        kept = {
            "SECRET_KEY": secrets.token_urlsafe(64),
            "STRIPE_SECRET_KEY": f"sk_test_{secrets.token_hex(16)}",
            "STRIPE_WEBHOOK_SECRETS": f"whsec_{secrets.token_hex(24)}",
            "FIREBLOCKS_API_KEY": str(uuid4()),
            "FIREBLOCKS_PRIVATE_KEY": key.private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            ).decode(),
        }
        state.write("secrets.json", kept)
    return kept


def application_variables(
    *, ports: Mapping[str, int], kept: Mapping[str, str], database_url: str, redis_url: str
) -> dict[str, str]:
    """What config/env.py reads, each value on one line."""
    issuer, fireblocks = f"http://{HOST}:{ports['issuer']}", f"http://{HOST}:{ports['fireblocks']}"
    return {
        **kept,
        "FIREBLOCKS_PRIVATE_KEY": kept["FIREBLOCKS_PRIVATE_KEY"].replace("\n", "\\n"),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "AUTH0_DOMAIN": "issuer.localhost",
        "AUTH0_AUDIENCE": AUDIENCE,
        "AUTH0_ISSUER": f"{issuer}/",
        "AUTH0_JWKS_URL": f"{issuer}/.well-known/jwks.json",
        "STRIPE_API_BASE": f"http://{HOST}:{ports['stripe']}",
        "FIREBLOCKS_API_BASE": fireblocks,
        "FIREBLOCKS_JWKS_URL": f"{fireblocks}/.well-known/jwks.json",
        "LOG_LEVEL": "INFO",
    }


def process_environment(variables: Mapping[str, str], *, web_port: int, state: State) -> dict[str, str]:
    """The whole environment of a process: the user's, without its own idea of our variables, plus `variables`."""
    from config.env import VARIABLES

    foreign = {row.name for row in VARIABLES} - PASSED_ON
    foreign |= {"PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"}
    foreign |= {"REDISHOST", "REDISPORT", "REDISUSER", "REDISPASSWORD"}
    foreign |= {"REDIS_HOST", "REDIS_PORT", "REDIS_USER", "REDIS_PASSWORD", "GUNICORN_CMD_ARGS"}
    mine = {name: value for name, value in os.environ.items() if name not in foreign}
    return {
        **mine,
        **variables,
        "PORT": str(web_port),
        "BIND_ADDRESS": HOST,  # demo passwords and tokens are for this machine only
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "POSX_STATE_DIR": str(state.directory),
        "PYTHONPATH": str(BACKEND),
        "PYTHONUNBUFFERED": "1",
        # The Procfile says `gunicorn` and `celery`: those of this virtual environment.
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
    }


@dataclass(frozen=True)
class Stack:
    """A running stack as others see it. `seed` is what `manage.py seed_demo --json` printed."""

    state: State
    web_url: str
    stripe_url: str
    fireblocks_url: str
    issuer_url: str
    variables: dict[str, str]
    seed: dict[str, Any]

    @property
    def api_url(self) -> str:
        """The API's address with a trailing slash."""
        return f"{self.web_url}/api/v1/"

    @property
    def docs_url(self) -> str:
        """Pages about the API."""
        return f"{self.web_url}/api/v1/docs/"

    @property
    def admin_url(self) -> str:
        """The staff's pages."""
        return f"{self.web_url}/admin/"

    def environment(self) -> dict[str, str]:
        """What a process needs to belong to this stack."""
        port = int(self.web_url.rpartition(":")[2])
        return process_environment(self.variables, web_port=port, state=self.state)

    def mint(self, subject: str, *, hours: int = 12) -> str:
        """A bearer token of the local issuer for `subject`."""
        answer = requests.post(
            f"{self.issuer_url}/_sandbox/token", json={"subject": subject, "ttl_s": hours * 3600}, timeout=10
        )
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def announce(self) -> None:
        """Write down that this process runs the stack: `stack.json` for tools, `env` for manage.py."""
        description = {name: getattr(self, name) for name in _PUBLISHED}
        mark = {"pid": os.getpid(), "started_at": start_time(os.getpid())}
        self.state.write("stack.json", {**mark, **description})
        self.state.write_text("env", "".join(f"{name}={value}\n" for name, value in self.variables.items()))

    def withdraw(self) -> None:
        """The stack is about to stop."""
        self.state.remove("stack.json")


_PUBLISHED = ("web_url", "stripe_url", "fireblocks_url", "issuer_url", "variables", "seed")


def running_stack(directory: Path | None = None) -> Stack | None:
    """The stack that runs on this state directory (default: the usual one), or None."""
    state = State(directory or state_directory())
    found = state.read("stack.json")
    if not found or start_time(int(found["pid"])) != found["started_at"]:
        return None
    return Stack(state=state, **{name: found[name] for name in _PUBLISHED})


def as_shell(stack: Stack) -> str:
    """Lines for `eval "$(python -m devstack env)"`."""
    variables = {**stack.variables, "DJANGO_SETTINGS_MODULE": "config.settings.local"}
    variables["POSX_STATE_DIR"] = str(stack.state.directory)
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
