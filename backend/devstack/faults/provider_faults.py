"""Faults of the providers: their sandboxes are told what goes wrong, for one sale or for everybody; and the chain."""

from __future__ import annotations

import time
from dataclasses import dataclass

import requests

from devstack.faults.place import Place
from devstack.faults.sale import Sale
from devstack.faults.scene import Scene
from devstack.fireblocks_sandbox.transactions import FORGETS_EXTERNAL_ID

# More than the 300 s that Stripe's signatures may be old or new.
CLOCK_OFFSET_S, CLOCK_OFF_S = 310, 8.0
REORG_DEPTH = 3
_MINED_WITHIN_S = 1.5


@dataclass(frozen=True)
class ProviderFault:
    """The sandbox's word for it; ``times`` is for how many requests or events."""

    kind: str
    seconds: float = 0.0
    times: int = 1


PROVIDER_FAULTS = {
    "provider-timeout": ProviderFault("hang_before", seconds=20.0),
    "provider-hangs": ProviderFault("accept_then_hang", seconds=20.0),
    "provider-500": ProviderFault("error_500_after"),
    # 8 s until the caller gives up, and 6 more.
    "provider-late": ProviderFault("late_accept", seconds=14.0),
    "provider-429": ProviderFault("rate_limit", seconds=3.0),
    "webhooks-twice": ProviderFault("duplicate_webhooks", times=12),
    "webhooks-reordered": ProviderFault("delay_webhooks", seconds=3.0),
    "webhooks-lost": ProviderFault("drop_webhooks", times=12),
    "webhooks-forged": ProviderFault("forge_webhooks", times=12),
}
# Of each step: the provider and the operation that it is.
_WHERE = {
    "stripe-create": ("stripe", "payment_intents.create"),
    "event-claimed": ("stripe", "payment_intents.retrieve"),
    "send-counted": ("fireblocks", "transactions.create"),
    "custody-asked": ("fireblocks", "transactions.by_external_id"),
    "webhook-arrives": ("stripe", "*"),
    "custody-event": ("fireblocks", "*"),
}


def order_fault(sandbox_url: str, sale: Sale, fault: ProviderFault) -> None:
    """Tell the sandbox at this address that the sale's next request or events at its step go wrong."""
    operation = _WHERE[sale.case.step][1]
    body = {
        "fault": fault.kind,
        "operation": operation,
        "seconds": fault.seconds,
        "times": fault.times,
        "about": _name_of(sale, operation),
    }
    requests.post(f"{sandbox_url}/_sandbox/faults", json=body, timeout=5).raise_for_status()


def custody_forgets(place: Place) -> None:
    """From now on the custody provider accepts an external id that it has accepted before."""
    body = {"fault": FORGETS_EXTERNAL_ID, "operation": "transactions.create", "times": 10**6}
    url = f"{place.sandboxes.url('fireblocks')}/_sandbox/faults"
    requests.post(url, json=body, timeout=5).raise_for_status()


def provider_of(step: str) -> str:
    """Whose sandbox makes the faults of that step."""
    return _WHERE[step][0]


def clocks_off(scene: Scene) -> None:
    """Both providers' clocks are wrong: their signatures are too old, and ours too new for them."""
    _set_clocks(scene, -CLOCK_OFFSET_S)
    scene.meanwhile(lambda: _set_clocks(scene, 0), after_s=CLOCK_OFF_S)


def chain_reorg(scene: Scene) -> None:
    """The last blocks are replaced by empty ones, with the transfers that were just mined in them."""
    scene.pass_all()
    time.sleep(_MINED_WITHIN_S)
    scene.place.chain.rpc("anvil_reorg", REORG_DEPTH, [])


def _name_of(sale: Sale, operation: str) -> str:
    """What names the sale in a request, or in an event."""
    match operation:
        case "payment_intents.create":
            return sale.site.site_id
        case "transactions.by_external_id":
            return sale.site.site_id.replace("-", "")
    return sale.intent_id if provider_of(sale.case.step) == "stripe" else sale.address


def _set_clocks(scene: Scene, offset_s: int) -> None:
    for name in ("stripe", "fireblocks"):
        url = f"{scene.place.sandboxes.url(name)}/_sandbox/clock"
        requests.put(url, json={"offset_s": offset_s}, timeout=5).raise_for_status()
