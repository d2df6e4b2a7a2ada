"""All three sandboxes in one process: python -m devstack.sandboxes. Flags win over environment variables."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from devstack.fireblocks_sandbox import FireblocksSandbox
from devstack.issuer import LocalIssuer
from devstack.stripe_sandbox import StripeSandbox

_DEFAULT_STATE_DIR = Path(__file__).resolve().parents[2] / ".devstack"
Sandbox = StripeSandbox | FireblocksSandbox | LocalIssuer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 2 when something is missing or a port is taken."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    options = _parser().parse_args(arguments)
    started: list[Sandbox] = []
    try:
        for name, sandbox, port in _sandboxes(options):
            try:
                sandbox.start()
            except OSError as error:
                print(f"{name} sandbox: cannot listen on 127.0.0.1:{port}: {error}", file=sys.stderr)
                return 2
            started.append(sandbox)
            print(f"{name} sandbox at {sandbox.base_url}", flush=True)
        print("sandboxes ready", flush=True)
        stop.wait()
    except ValueError as error:
        print(f"sandboxes: {error}", file=sys.stderr)
        return 2
    finally:
        _stop_all(started)
    return 0


def _stop_all(started: Sequence[Sandbox]) -> None:
    # At once: each may wait for a webhook that is under way, and whoever stops us waits only so long.
    stoppers = [threading.Thread(target=sandbox.stop) for sandbox in started]
    for stopper in stoppers:
        stopper.start()
    for stopper in stoppers:
        stopper.join()


def _parser() -> argparse.ArgumentParser:
    env = os.environ.get
    parser = argparse.ArgumentParser(prog="python -m devstack.sandboxes", description=__doc__)
    add = parser.add_argument
    add("--state-dir", type=Path, default=Path(env("POSX_STATE_DIR") or _DEFAULT_STATE_DIR))
    add("--stripe-port", type=int, default=int(env("STRIPE_SANDBOX_PORT") or 12111))
    add("--fireblocks-port", type=int, default=int(env("FIREBLOCKS_SANDBOX_PORT") or 12112))
    add("--issuer-port", type=int, default=int(env("ISSUER_PORT") or 12113))
    add("--webhook-base-url", default=env("WEBHOOK_BASE_URL") or "http://127.0.0.1:8000")
    add("--stripe-secret-key", default=env("STRIPE_SECRET_KEY") or "")
    add("--stripe-webhook-secret", default=(env("STRIPE_WEBHOOK_SECRETS") or "").split(",")[0].strip())
    add("--fireblocks-api-key", default=env("FIREBLOCKS_API_KEY") or "")
    add(
        "--fireblocks-client-public-key",
        default=env("FIREBLOCKS_CLIENT_PUBLIC_KEY") or "",
        help="PEM or path",
    )
    add("--fireblocks-step-s", type=float, default=float(env("FIREBLOCKS_STEP_S") or 0.2))
    add("--issuer", default=env("AUTH0_ISSUER") or None, help="iss claim; default: the issuer's own address")
    add("--audience", default=env("AUTH0_AUDIENCE") or "")
    return parser


def _sandboxes(options: argparse.Namespace) -> list[tuple[str, Sandbox, int]]:
    needed = {
        "STRIPE_SECRET_KEY": options.stripe_secret_key,
        "STRIPE_WEBHOOK_SECRETS": options.stripe_webhook_secret,
        "FIREBLOCKS_API_KEY": options.fireblocks_api_key,
        "AUTH0_AUDIENCE": options.audience,
    }
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise ValueError(f"missing: {', '.join(missing)} (environment variable or flag)")
    state_dir: Path = options.state_dir
    webhooks = f"{options.webhook_base_url.rstrip('/')}/api/v1/webhooks"
    stripe = StripeSandbox(
        state_dir / "stripe_sandbox.sqlite3",
        options.stripe_port,
        options.stripe_secret_key,
        f"{webhooks}/stripe/",
        options.stripe_webhook_secret,
    )
    fireblocks = FireblocksSandbox(
        state_dir / "fireblocks_sandbox.sqlite3",
        options.fireblocks_port,
        options.fireblocks_api_key,
        _client_public_key(options.fireblocks_client_public_key),
        f"{webhooks}/fireblocks/",
        step_s=options.fireblocks_step_s,
    )
    issuer = LocalIssuer(state_dir / "issuer.sqlite3", options.issuer_port, options.issuer, options.audience)
    return [
        ("stripe", stripe, options.stripe_port),
        ("fireblocks", fireblocks, options.fireblocks_port),
        ("issuer", issuer, options.issuer_port),
    ]


def _client_public_key(given: str) -> str:
    """The PEM given, in a file or literally; else the public half of FIREBLOCKS_PRIVATE_KEY."""
    if given:
        return given.replace("\\n", "\n") if "BEGIN" in given else Path(given).read_text()
    private = (os.environ.get("FIREBLOCKS_PRIVATE_KEY") or "").replace("\\n", "\n")
    if not private:
        raise ValueError("missing: FIREBLOCKS_CLIENT_PUBLIC_KEY or FIREBLOCKS_PRIVATE_KEY")
    key = serialization.load_pem_private_key(private.encode(), password=None)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


if __name__ == "__main__":
    sys.exit(main())
