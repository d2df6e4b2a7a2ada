from django.db import migrations, models

_INDEX = (
    'CREATE UNIQUE INDEX CONCURRENTLY "receivable_site_id_key" ON public.vesting_receivable (site_id, id)'
)
_KEY = (
    'ALTER TABLE public.vesting_receivable ADD CONSTRAINT "receivable_site_id_key" '
    'UNIQUE USING INDEX "receivable_site_id_key"'
)
_GONE = 'ALTER TABLE public.vesting_receivable DROP CONSTRAINT "receivable_site_id_key"'


class Migration(migrations.Migration):
    atomic = False  # CREATE INDEX CONCURRENTLY: the table is written while it runs

    dependencies = [("vesting", "0007_freezes_of_disputes")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(_INDEX, migrations.RunSQL.noop),
                migrations.RunSQL(_KEY, _GONE),
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name="receivable",
                    constraint=models.UniqueConstraint(fields=("site", "id"), name="receivable_site_id_key"),
                ),
            ],
        ),
    ]
