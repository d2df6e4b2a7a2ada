"""A site with a receiver of its own that keeps what it was sent, and checks signatures as a receiver would."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.core.context import acting_as
from apps.core.ids import uuid7
from apps.sites.models import Site
from apps.sites.scope import bind_site
from apps.subscriptions.catalogue import EVENT_TYPES
from apps.subscriptions.delivering import deliveries_round
from apps.subscriptions.models import Delivery, DeliveryTry, OutgoingEvent, Subscription
from apps.subscriptions.services import secret_of
from tests.factories import in_site, make_site, make_subscription
from tests.http_peers import Asked, Peer

ACCEPTED = 204


class Receiver:
    """One subscription of a site whose address is ``peer``."""

    def __init__(self, peer: Peer, code: str = "NA", site: Site | None = None, **fields: Any) -> None:
        self.site = site or make_site(code)
        self.peer = peer
        self.subscription = make_subscription(
            self.site, f"{peer.url}/hook", **{"event_types": EVENT_TYPES, **fields}
        )

    def happens(self, event_type: str = "order.paid", **data: Any) -> Delivery:
        """An event that this receiver is to hear of, due now."""
        with in_site(self.site):
            event = OutgoingEvent.objects.create(
                event_type=event_type, object_id=uuid7(), data=data, occurred_at=timezone.now()
            )
            past = timezone.now() - timedelta(seconds=1)
            return Delivery.objects.create(
                subscription=self.subscription, event=event, asked_at=past, next_attempt_at=past
            )

    @contextmanager
    def working(self) -> Iterator[None]:
        """Bound to the site as a task is; nothing is open."""
        with acting_as("task", "test"), bind_site(self.site.id):
            yield

    def round(self, **options: Any) -> int:
        """What the sweep does for this site."""
        with self.working():
            return deliveries_round(**options)

    def make_due(self, **fields: Any) -> None:
        """The wait is over, for the deliveries and for the receiver."""
        past = timezone.now() - timedelta(seconds=1)
        with in_site(self.site):
            Delivery.objects.filter(status="pending").update(next_attempt_at=past, **fields)
            Subscription.objects.update(quiet_until=None)

    def row(self, delivery: Delivery) -> Delivery:
        with in_site(self.site):
            return Delivery.objects.get(id=delivery.id)

    def tries(self, delivery: Delivery) -> list[tuple[int | None, str]]:
        with in_site(self.site):
            rows = DeliveryTry.objects.filter(delivery=delivery).order_by("id")
            return [(row.http_status, row.error_code) for row in rows]

    def now(self) -> Subscription:
        with in_site(self.site):
            return Subscription.objects.get(id=self.subscription.id)

    def secret(self) -> str:
        return secret_of(self.now())


def believed(asked: Asked, secret: str) -> dict[str, Any]:
    """The message, if one of its signatures is by this secret; written after the specification's text, not our code."""
    key = base64.b64decode(secret.split("_", 1)[1])
    content = b".".join(
        [asked.headers["webhook-id"].encode(), asked.headers["webhook-timestamp"].encode(), asked.body]
    )
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    versions = [each.split(",", 1) for each in asked.headers["webhook-signature"].split(" ")]
    assert ["v1", expected] in versions, "no signature is by this secret"
    return dict(json.loads(asked.body))
