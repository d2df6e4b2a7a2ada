"""Subscriptions: made, changed, given another secret, tried; and deliveries that are asked for again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.core.doorbells import ring
from apps.core.problems import Problem, invalid
from apps.core.remote import refuse_inside_transaction
from apps.sites.scope import require_scope, site_scope
from apps.subscriptions.catalogue import EVENT_TYPES, TEST_EVENT
from apps.subscriptions.destination import Refused, port_of, public_addresses, split_url
from apps.subscriptions.models import URL_LENGTH, Delivery, DeliveryStatus, OutgoingEvent, Subscription
from apps.subscriptions.sealing import Unreadable, seal, unseal
from apps.subscriptions.signing import new_secret

Made = TypeVar("Made")
SWEEP_TASK = "apps.subscriptions.tasks.sweep_deliveries"
# As long as a receiver may take to learn a new secret.
OLD_SECRET_LIFE = timedelta(hours=24)
LIMIT_A_SITE = 20
RESEND_LIMIT = 1000


def subscription_create(
    *, name: str, url: str, event_types: Sequence[str], is_active: bool = True
) -> Subscription:
    """ENTRY: a subscription of the bound site with a secret of its own.

    Where the host's name leads is asked by ``url_check`` before, and again for each request. Raises Problem 400 with
    the fault of the address (see destination.py) or of the event types, 409 subscription_name_taken,
    subscription_limit.
    """
    wanted = _known(event_types)
    _url_form(url)
    with site_scope():
        if is_full():
            raise Problem(
                "subscription_limit",
                409,
                _("A site has at most %(limit)d subscriptions: change one.") % {"limit": LIMIT_A_SITE},
            )
        return _write(
            lambda: Subscription.objects.create(
                name=name,
                url=url,
                event_types=wanted,
                is_active=is_active,
                secret_sealed=seal(new_secret()),
            )
        )


def is_full() -> bool:
    """STEP: whether the site has as many subscriptions as it may."""
    return Subscription.objects.filter(site_id=require_scope()).count() >= LIMIT_A_SITE


def subscription_change(*, subscription_id: UUID, **changes: Any) -> Subscription:
    """ENTRY: change ``name``, ``url``, ``event_types`` or ``is_active``; switching it on again forgets its failures.

    Raises what subscription_create raises, 404 not_found.
    """
    if "url" in changes:
        _url_form(changes["url"])
    if "event_types" in changes:
        changes["event_types"] = _known(changes["event_types"])
    if changes.get("is_active"):
        changes |= {"stopped_code": "", "failures_in_a_row": 0, "quiet_until": None}
    with site_scope():
        row = _locked(subscription_id)
        for field, value in changes.items():
            setattr(row, field, value)
        _write(lambda: row.save(update_fields=list(changes)))
        ring(SWEEP_TASK)
    return row


def secret_rotate(*, subscription_id: UUID) -> Subscription:
    """ENTRY: a new secret; the old one signs beside it for OLD_SECRET_LIFE. Raises Problem 404."""
    with site_scope():
        row = _locked(subscription_id)
        row.old_secret_sealed, row.secret_sealed = row.secret_sealed, seal(new_secret())
        row.old_secret_until = timezone.now() + OLD_SECRET_LIFE
        row.secret_version += 1
        row.save(update_fields=["old_secret_sealed", "secret_sealed", "old_secret_until", "secret_version"])
    return row


def subscription_try(*, subscription_id: UUID) -> Delivery:
    """ENTRY: send a test event to it, whatever it has subscribed to. Raises Problem 404."""
    with site_scope():
        row = _locked(subscription_id)
        now = timezone.now()
        event = OutgoingEvent.objects.create(
            event_type=TEST_EVENT, object_id=row.id, data={"id": str(row.id)}, occurred_at=now
        )
        delivery = Delivery.objects.create(subscription=row, event=event, asked_at=now, next_attempt_at=now)
        ring(SWEEP_TASK)
    return delivery


def deliveries_resend(*, delivery_ids: Sequence[UUID]) -> int:
    """ENTRY: send these again from the first attempt on, delivered ones too; says how many.

    A subscription that is switched off gets nothing: its deliveries are given up again. Raises Problem 404 when the
    bound site has not all of them.
    """
    with site_scope() as site_id:
        found = Delivery.objects.filter(site_id=site_id, id__in=delivery_ids)
        if found.count() != len(set(delivery_ids)):
            raise Problem("not_found", 404, _("There is no such delivery."))
        return _ask_again(found)


def deliveries_resend_failed(*, subscription_id: UUID) -> int:
    """ENTRY: send again what was given up, the oldest RESEND_LIMIT of it; says how many. Raises Problem 404."""
    with site_scope() as site_id:
        # Not locked: deliveries come before their subscription (docs/locking.md), as a worker takes them.
        if not Subscription.objects.filter(id=subscription_id).exists():
            raise _unknown()
        failed = Delivery.objects.filter(
            site_id=site_id, subscription_id=subscription_id, status=DeliveryStatus.FAILED
        ).order_by("id")
        return _ask_again(Delivery.objects.filter(site_id=site_id, id__in=failed.values("id")[:RESEND_LIMIT]))


def _ask_again(rows: QuerySet[Delivery]) -> int:
    receivers = list(rows.values_list("subscription_id", flat=True).distinct())
    asked = rows.update(
        status=DeliveryStatus.PENDING, attempts=0, asked_at=Now(), next_attempt_at=Now(), delivered_at=None
    )
    # Whoever asks knows that the receiver is back.
    Subscription.objects.filter(id__in=receivers).update(failures_in_a_row=0, quiet_until=None)
    ring(SWEEP_TASK)
    return asked


def secret_of(subscription: Subscription) -> str:
    """The secret as the receiver has to keep it. Raises Problem 409 secret_unreadable."""
    try:
        return unseal(subscription.secret_sealed)
    except Unreadable as error:
        raise Problem(
            "secret_unreadable",
            409,
            _("SECRET_KEY was changed and the old one is not in SECRET_KEY_FALLBACKS. Rotate this secret."),
        ) from error


def url_check(url: str) -> None:
    """Raise Problem 400 on the field ``url`` when nothing may be sent there. It looks the name up: no transaction."""
    refuse_inside_transaction()
    _url_form(url)
    parts = split_url(url)
    with _as_problem():
        public_addresses(parts.hostname or "", port_of(parts))


def _url_form(url: str) -> None:
    with _as_problem():
        if len(url) > URL_LENGTH:
            raise Refused("url_too_long", f"An address has at most {URL_LENGTH} characters.")
        split_url(url)


@contextmanager
def _as_problem() -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        raise invalid([{"field": "url", "code": refused.code, "detail": str(refused)}]) from refused


def _known(event_types: Sequence[str]) -> list[str]:
    wanted = list(dict.fromkeys(event_types))
    unknown = [each for each in wanted if each not in EVENT_TYPES]
    if unknown or not wanted:
        detail = _("Choose from: %(types)s.") % {"types": ", ".join(EVENT_TYPES)}
        raise invalid([{"field": "event_types", "code": "event_type_unknown", "detail": detail}])
    return wanted


def _locked(subscription_id: UUID) -> Subscription:
    row = Subscription.objects.select_for_update().filter(id=subscription_id).first()
    if row is None:
        raise _unknown()
    return row


def _unknown() -> Problem:
    return Problem("not_found", 404, _("There is no such subscription."))


def _write(write: Callable[[], Made]) -> Made:
    try:
        with transaction.atomic():
            return write()
    except IntegrityError as error:
        if "subscription_name_once" not in str(error):
            raise
        raise Problem(
            "subscription_name_taken", 409, _("The site has a subscription of this name.")
        ) from error
