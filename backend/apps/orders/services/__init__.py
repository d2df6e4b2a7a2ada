"""What happens to orders, one module a verb. Lock order, always: order, tier, the buyer's units."""

from apps.orders.services.cancel import order_cancel
from apps.orders.services.create import OrderAnswer, OrderWish, order_create
from apps.orders.services.due import order_check_now, orders_sweep
from apps.orders.services.process import order_process
from apps.orders.services.refund_request import refund_request

__all__ = [
    "OrderAnswer",
    "OrderWish",
    "order_cancel",
    "order_check_now",
    "order_create",
    "order_process",
    "orders_sweep",
    "refund_request",
]
