"""The steps of a sale and of a payout at which a fault may strike, and the traffic by which each is recognised.

A step is a point between two things that are kept: at it, one process has sent (or is about to be told) something
that passes a door of ours (doors.py), and stands still there while the fault strikes. docs/money-flow.md says for
each what covers it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Moment(StrEnum):
    """Which part of an exchange is held back."""

    REQUEST = "request"  # nothing of it has arrived
    ANSWER = "answer"  # it was done, and who asked does not know
    COMMIT = "commit"  # a transaction's statements are done, and it is not committed
    COMMITTED = "committed"  # it is committed, and its process does not know


class Stage(StrEnum):
    """How far a sale has come before the traffic of its step is looked for."""

    JOINED = "joined"
    ORDERED = "ordered"
    UNLOCKED = "unlocked"
    REQUESTED = "requested"


class Custody(StrEnum):
    FIREBLOCKS = "fireblocks"
    EVM = "evm"


@dataclass(frozen=True)
class Step:
    """`door` is (who asks, whom); ``pattern`` is looked for in a whole request, or a transaction's statements.

    ``custody`` None: whichever sends the asset.
    """

    name: str
    stage: Stage
    door: tuple[str, str]
    moment: Moment
    pattern: re.Pattern[bytes]
    custody: Custody | None = None

    @property
    def is_payout(self) -> bool:
        """Whether it belongs to the way of a payout, not to that of the sale."""
        return self.stage in (Stage.UNLOCKED, Stage.REQUESTED)


WEB_POSTGRES, WORKER_POSTGRES = ("web", "postgres"), ("worker", "postgres")
WEB_STRIPE, WORKER_STRIPE = ("web", "stripe"), ("worker", "stripe")
WORKER_FIREBLOCKS, WORKER_CHAIN = ("worker", "fireblocks"), ("worker", "chain")
PROVIDERS_WEB = ("outside", "web")


def _step(
    name: str,
    stage: Stage,
    door: tuple[str, str],
    moment: Moment,
    pattern: bytes,
    custody: Custody | None = None,
) -> Step:
    return Step(name, stage, door, moment, re.compile(pattern, re.DOTALL), custody)


_ORDER = rb'INSERT INTO "orders_order"'
_INTENT = rb"POST /v1/payment_intents HTTP"
_PAID_EVENT = rb"(?:payment_intent|charge)\.succeeded"
_FULFIL = rb'INSERT INTO "vesting_allocation"'
_ATTEMPT = rb'INSERT INTO "payouts_payoutattempt"'
_SEND = rb"POST /v1/transactions HTTP"
_BROADCAST = rb"eth_sendRawTransaction"
_PAID = rb"UPDATE \"payouts_payout\" SET \"status\" = 'paid'"

STEPS: tuple[Step, ...] = (
    _step("order-claimed", Stage.JOINED, WEB_POSTGRES, Moment.COMMIT, _ORDER),
    _step("stripe-create", Stage.JOINED, WEB_STRIPE, Moment.REQUEST, _INTENT),
    _step("stripe-created", Stage.JOINED, WEB_STRIPE, Moment.ANSWER, _INTENT),
    _step(
        "answer-stored",
        Stage.JOINED,
        WEB_POSTGRES,
        Moment.COMMITTED,
        rb'UPDATE "orders_order".*UPDATE "idempotency_idempotencykey"',
    ),
    _step(
        "webhook-arrives",
        Stage.ORDERED,
        PROVIDERS_WEB,
        Moment.REQUEST,
        rb"webhooks/stripe/.*" + _PAID_EVENT,
    ),
    _step(
        "inbox-committed",
        Stage.ORDERED,
        WEB_POSTGRES,
        Moment.COMMITTED,
        rb"INSERT INTO webhooks_inboxevent.*" + _PAID_EVENT,
    ),
    _step("event-claimed", Stage.ORDERED, WORKER_STRIPE, Moment.REQUEST, rb"GET /v1/payment_intents/pi_"),
    _step("order-paying", Stage.ORDERED, WORKER_POSTGRES, Moment.COMMIT, _FULFIL),
    _step("order-paid", Stage.ORDERED, WORKER_POSTGRES, Moment.COMMITTED, _FULFIL),
    _step(
        "unlocking",
        Stage.ORDERED,
        WORKER_POSTGRES,
        Moment.COMMIT,
        rb"UPDATE vesting_release r SET status = 'unlocked'",
    ),
    _step(
        "batch-requested", Stage.UNLOCKED, WEB_POSTGRES, Moment.COMMIT, rb'INSERT INTO "payouts_payoutbatch"'
    ),
    _step(
        "batch-approved",
        Stage.REQUESTED,
        WEB_POSTGRES,
        Moment.COMMITTED,
        rb"UPDATE \"payouts_payoutbatch\" SET \"status\" = 'approved'",
    ),
    _step("payout-claimed", Stage.REQUESTED, WORKER_POSTGRES, Moment.COMMIT, _ATTEMPT),
    _step("attempt-committed", Stage.REQUESTED, WORKER_POSTGRES, Moment.COMMITTED, _ATTEMPT),
    _step("send-counted", Stage.REQUESTED, WORKER_FIREBLOCKS, Moment.REQUEST, _SEND, Custody.FIREBLOCKS),
    _step("custody-accepted", Stage.REQUESTED, WORKER_FIREBLOCKS, Moment.ANSWER, _SEND, Custody.FIREBLOCKS),
    _step(
        "transfer-signed",
        Stage.REQUESTED,
        WORKER_POSTGRES,
        Moment.COMMIT,
        rb'INSERT INTO "payouts_evmtransaction"',
        Custody.EVM,
    ),
    _step("broadcast", Stage.REQUESTED, WORKER_CHAIN, Moment.REQUEST, _BROADCAST, Custody.EVM),
    _step("node-accepted", Stage.REQUESTED, WORKER_CHAIN, Moment.ANSWER, _BROADCAST, Custody.EVM),
    _step(
        "outcome-written",
        Stage.REQUESTED,
        WORKER_POSTGRES,
        Moment.COMMITTED,
        rb"UPDATE \"payouts_payout\" SET \"status\" = 'submitted'",
    ),
    _step(
        "custody-event",
        Stage.REQUESTED,
        PROVIDERS_WEB,
        Moment.REQUEST,
        rb'webhooks/fireblocks/.*"status": "COMPLETED"',
        Custody.FIREBLOCKS,
    ),
    _step(
        "custody-asked",
        Stage.REQUESTED,
        WORKER_FIREBLOCKS,
        Moment.REQUEST,
        rb"GET /v1/transactions/external_tx_id/",
        Custody.FIREBLOCKS,
    ),
    _step("settling", Stage.REQUESTED, WORKER_POSTGRES, Moment.COMMIT, _PAID),
    _step("settled", Stage.REQUESTED, WORKER_POSTGRES, Moment.COMMITTED, _PAID),
)
STEP_NAMES = tuple(step.name for step in STEPS)


def step_named(name: str) -> Step:
    """The step of that name. Raises ValueError."""
    for step in STEPS:
        if step.name == name:
            return step
    raise ValueError(f"there is no step {name!r}; there are {', '.join(STEP_NAMES)}")
