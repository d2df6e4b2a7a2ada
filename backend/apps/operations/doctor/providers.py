"""Stripe, custody and the chains' nodes, each asked one cheap question, all at once and for a few seconds at most."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connections
from django.http.request import validate_host

from apps.core.remote import RemoteError
from apps.operations.doctor.findings import Finding, fine, found
from apps.orders.stripe_gateway import StripeCredentialsRefused, StripeGateway
from apps.payouts.custody.base import CustodyCredentialsRefused
from apps.payouts.custody.evm.rpc import Node
from apps.payouts.custody.fireblocks import FireblocksCustody

WAIT_S = 5.0
STRIPE = "https://api.stripe.com"
_WEBHOOK_PATH = "/api/v1/webhooks/stripe/"


def examine_providers() -> Iterator[Finding]:
    """Only what has a usable key is asked, and a live key goes to Stripe alone."""
    questions: list[tuple[str, Callable[[], Finding]]] = [("custody.unreachable", _custody)]
    if stripe_may_be_asked():
        questions.append(("stripe.unreachable", _stripe))
    questions += [
        ("node.unreachable", lambda chain_id=chain_id, url=url: _node(chain_id, url))  # type: ignore[misc]
        for chain_id, url in settings.EVM_RPC_URLS.items()
    ]
    answers: dict[int, Finding] = {}
    threads = [
        threading.Thread(target=_ask, args=[answers, number, question], daemon=True)
        for number, (_, question) in enumerate(questions)
    ]
    for thread in threads:
        thread.start()
    deadline_s = time.monotonic() + WAIT_S
    for number, (thread, (silent, _)) in enumerate(zip(threads, questions, strict=True)):
        # A thread that is left behind ends by its client's own timeout.
        thread.join(max(0.0, deadline_s - time.monotonic()))
        yield answers.get(number) or found(silent, f"no answer within {WAIT_S:g} s")


def stripe_may_be_asked() -> bool:
    """Whether the key is one, and belongs to the host that it would be sent to."""
    key: str = settings.STRIPE_SECRET_KEY
    return key.startswith(("sk_", "rk_")) and ("_live_" not in key or is_stripes_host())


def is_stripes_host() -> bool:
    """Whether calls go to Stripe itself."""
    return bool(settings.STRIPE_API_BASE.rstrip("/") == STRIPE)


def _ask(answers: dict[int, Finding], number: int, question: Callable[[], Finding]) -> None:
    try:
        answers[number] = question()
    finally:
        connections.close_all()  # of this thread


def _custody() -> Finding:
    host = urlsplit(settings.FIREBLOCKS_API_BASE).netloc
    try:
        # Without the shared pace: one call more, and a minute that is used up must not look as an outage.
        FireblocksCustody(
            settings.FIREBLOCKS_API_KEY,
            settings.FIREBLOCKS_PRIVATE_KEY.replace("\\n", "\n"),
            settings.FIREBLOCKS_API_BASE,
        ).require_answer()
    except ValueError as error:
        return found("custody.key", str(error))
    except CustodyCredentialsRefused as error:
        return found("custody.refused", f"{host}: {error.detail}")
    except RemoteError as error:
        return found("custody.unreachable", f"{host}: {error}")
    return fine("custody", f"{host} answers and takes the key")


def _stripe() -> Finding:
    host = urlsplit(settings.STRIPE_API_BASE).netloc
    gateway = StripeGateway.from_settings()
    try:
        gateway.list_events(["payment_intent.succeeded"], datetime.now(UTC))
    except StripeCredentialsRefused as error:
        return found("stripe.refused", f"{host}: {error.detail}")
    except RemoteError as error:
        return found("stripe.unreachable", f"{host}: {error}")
    mode = "live" if "_live_" in settings.STRIPE_SECRET_KEY else "test"
    try:
        urls = gateway.webhook_urls()
    except RemoteError:
        # Safe: a restricted key need not see endpoints; everything else of it was just found to work.
        return fine("stripe's side", f"{host} takes the key, which may not see webhook endpoints")
    if not any(map(_leads_here, urls)):
        return found(
            "stripe.webhook_endpoint", f"no enabled endpoint of {mode} mode ends at {_WEBHOOK_PATH} here"
        )
    return fine("stripe's side", f"{host} takes the key, and its {mode} mode sends events here")


def _leads_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.path == _WEBHOOK_PATH and validate_host(parts.hostname or "", settings.ALLOWED_HOSTS)


def _node(chain_id: str, url: str) -> Finding:
    try:
        answered = Node(url, budget_s=WAIT_S).number("eth_chainId")
    except RemoteError as error:
        return found("node.unreachable", f"chain {chain_id}: {error.code}")
    if answered != int(chain_id):
        return found("node.wrong_chain", f"the node of chain {chain_id} is of chain {answered}")
    return fine(f"node {chain_id}", "answers, of its chain")
