"""Why an order cannot be made, seen or cancelled: the refusals that callers are told about."""

from __future__ import annotations

from django.utils.translation import gettext as _

from apps.core.problems import Problem
from apps.core.remote import RemoteError

RETRY_AFTER_S = 5


def order_unknown() -> Problem:
    """No such order in this site, or somebody else's: both look alike."""
    return Problem("unknown_order", 404, _("There is no such order."))


def wallet_not_usable() -> Problem:
    """Unknown, inactive or somebody else's."""
    return Problem("wallet_not_usable", 409, _("This is not your active wallet."))


def currency_not_accepted() -> Problem:
    """The tier's currency has left the site's allow-list."""
    return Problem(
        "currency_not_accepted", 409, _("This site does not take payments in the tier's currency.")
    )


def order_too_large() -> Problem:
    """More than can be charged in one payment."""
    return Problem("order_too_large", 422, _("This is more than one payment can be. Order fewer units."))


def payment_refused() -> Problem:
    """Stripe will not take this payment in any way; the order is closed."""
    return Problem(
        "payment_refused", 422, _("The payment provider does not take this payment. The order was closed.")
    )


def payment_provider_unavailable(error: RemoteError) -> Problem:
    """Nobody knows what Stripe did: the same request again finds out."""
    return Problem(
        "payment_provider_unavailable",
        503,
        _("The payment provider did not answer. Send the same request again."),
        retry_after_s=error.retry_after_s or RETRY_AFTER_S,
    )


def order_already_paid() -> Problem:
    """Cancelling came after the money."""
    return Problem("order_already_paid", 409, _("The order is paid and cannot be cancelled."))


def payment_in_progress() -> Problem:
    """The buyer's bank is at it; a PaymentIntent cannot be cancelled then."""
    return Problem("payment_in_progress", 409, _("A payment is in progress. Wait for its outcome."))


def order_closed() -> Problem:
    """Nothing is left to cancel."""
    return Problem("order_closed", 409, _("The order is closed already."))


def order_under_review() -> Problem:
    """What Stripe says does not fit the order: a person looks at it."""
    return Problem("order_under_review", 409, _("The order's payment is being reviewed."))


def order_not_refundable() -> Problem:
    """Nothing was paid for it, or everything was given back."""
    return Problem("order_not_refundable", 409, _("Only a paid order can be refunded."))


def order_disputed() -> Problem:
    """Stripe refuses refunds of a payment that the bank is about to take back."""
    return Problem("order_disputed", 409, _("The payment is disputed. Wait for the bank's decision."))


def refund_exceeds_payment() -> Problem:
    """More than is left of the payment, refunds under way included."""
    return Problem("refund_exceeds_payment", 409, _("This is more than is left of the payment."))


def refund_requested() -> Problem:
    """The same page was sent twice."""
    return Problem(
        "refund_requested", 409, _("This refund was asked for already. Look at the order's refunds.")
    )
