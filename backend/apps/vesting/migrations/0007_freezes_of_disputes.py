from django.db import migrations

# What disputes froze before there were rows that say so. A UUID of version 7 of now, as the product makes them.
_BEGUN = """
SELECT set_config('app.actor_kind', 'migration', true), set_config('app.actor_id', 'vesting.0007', true);
INSERT INTO vesting_freeze (id, site_id, allocation_id, cause, reason, end_reason)
SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7'
        || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid, t.site_id, t.allocation_id, 'dispute', '', ''
FROM (SELECT DISTINCT site_id, allocation_id FROM vesting_release WHERE status = 'frozen') t;
"""


class Migration(migrations.Migration):
    dependencies = [("vesting", "0006_freezes")]

    operations = [migrations.RunSQL(_BEGUN, migrations.RunSQL.noop)]
