from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations

# Units of orders that were refunded before the column was there went back when every token was revoked.
_BACK = """
SELECT set_config('app.actor_kind', 'migration', true), set_config('app.actor_id', 'orders.0004', true);
UPDATE orders_order o SET units_taken_back = true
WHERE o.status = 'refunded' AND o.allocation_id IS NOT NULL AND NOT o.units_taken_back AND NOT EXISTS (
    SELECT FROM vesting_release r WHERE r.site_id = o.site_id AND r.allocation_id = o.allocation_id
    AND r.status NOT IN ('revoked', 'replaced'));
"""
_NOT_BACK = """
SELECT set_config('app.actor_kind', 'migration', true), set_config('app.actor_id', 'orders.0004', true);
UPDATE orders_order SET units_taken_back = false WHERE units_taken_back;
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_ledger"), ("vesting", "0003_ledger")]

    operations = [
        # The rows were written without the lock that adding a checked constraint holds.
        ValidateConstraint(model_name="order", name="order_units_back_when_refunded"),
        ValidateConstraint(model_name="order", name="order_open_is_due"),
        migrations.RunSQL(_BACK, _NOT_BACK),
    ]
