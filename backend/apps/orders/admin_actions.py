"""What staff ask for about an order in the admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.core import signing
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.core.ids import uuid7
from apps.orders.models import Order, OrderStatus
from apps.orders.queries import refund_left_minor
from apps.orders.services import order_check_now, refund_request
from apps.sites.scoped_admin.actions import EntryAction
from apps.sites.scoped_admin.place import StaffPlace


class LookAtStripe(EntryAction):
    """A worker asks Stripe; this only makes the order due and rings."""

    name = "look-at-stripe"
    title = _("Look at Stripe now")

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        found = sum(order_check_now(order_id=order_id) for order_id in ids)
        return gettext("%(count)d orders are being looked at.") % {"count": found}


class RefundForm(forms.Form):
    """``once`` names the refund that this page asks for, signed for its order: sent twice, it is the same one."""

    amount_minor = forms.IntegerField(label=_("Amount (minor units)"), min_value=1)
    reason = forms.CharField(label=_("Reason"), max_length=500)
    once = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, data: Any, *, order: Order) -> None:
        self._salt = f"refund-of-{order.id}"
        first = {"once": signing.dumps(str(uuid7()), salt=self._salt)}
        super().__init__(data, initial={**first, "amount_minor": refund_left_minor(order)})

    def clean_once(self) -> UUID:
        """The refund's id. One that nobody signed could be that of another site's row."""
        try:
            return UUID(signing.loads(self.cleaned_data["once"], salt=self._salt))
        except (signing.BadSignature, ValueError):
            raise forms.ValidationError(_("Open this page again.")) from None


class RefundOrder(EntryAction):
    """For approvers; a worker takes it to Stripe, and unreleased tokens are revoked in proportion."""

    name = "refund"
    title = _("Refund")
    one_only = True

    def allowed(self, place: StaffPlace) -> bool:
        return place.may_approve

    def fits(self, row: Order) -> bool:
        return row.status == OrderStatus.PAID

    def facts(self, rows: Sequence[Order]) -> list[tuple[Any, Any]]:
        order = rows[0]
        return [
            (gettext("Order"), order.id),
            (gettext("Buyer"), order.buyer),
            (gettext("Paid (minor units)"), f"{order.amount_minor} {order.currency}"),
            (gettext("Left to refund (minor units)"), f"{refund_left_minor(order)} {order.currency}"),
            (gettext("Status"), order.get_status_display()),
        ]

    def form(self, rows: Sequence[Order], data: Any = None) -> forms.Form:
        return RefundForm(data, order=rows[0])

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        refund_request(
            order_id=ids[0],
            refund_id=data["once"],
            amount_minor=data["amount_minor"],
            reason=data["reason"],
            requested_by_id=place.member_id,
        )
        return gettext("Asked for. A worker takes it to Stripe.")
