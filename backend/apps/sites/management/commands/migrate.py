"""``manage.py migrate``, the one way to change the database: provision, migrate, hand over, check."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import connections

from apps.core.connection_budget import Processes, budget_warning, connections_offered
from apps.core.waiting import Need, StillMissing, wait_for
from apps.sites import provision, roles
from apps.sites.catalogue import catalogue_faults

# Within Railway's 300 s for a health check, so that this one says what is wrong before Railway gives up.
WAIT_S = 240


class Command(migrate.Command):
    help = (
        "Makes the database logins, runs migrations as posx_migrator under a cluster-wide lock, hands new objects to "
        "their owner and checks that row security is in force. Several replicas may start it at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--wait",
            type=int,
            default=WAIT_S,
            metavar="SECONDS",
            help="how long to wait for a server that does not answer (%(default)s)",
        )

    def get_check_kwargs(self, options: dict[str, Any]) -> dict[Any, Any]:
        # Not the database's own checks: on a first run there is no app login to ask them as, and a release that died
        # before handing over must be able to go on. What they ask is asked at the end.
        return {**super().get_check_kwargs(options), "databases": None}

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check_unapplied"] or options["plan"]:
            super().handle(*args, **options)
            return
        try:
            server = Need("PostgreSQL", provision.server_missing)
            wait_for([server], say=self._say, timeout_s=options["wait"])
            with provision.cluster_lock():
                self.stdout.write(provision.provision_roles())
                self._log_in_as_migrator()
                super().handle(*args, **options)
                connections["default"].close()
                provision.hand_over()
                self._refuse_faults()
        except (provision.CannotProvision, StillMissing) as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()  # a pipe keeps lines back, and this one is about now

    def _log_in_as_migrator(self) -> None:
        connection = connections["default"]
        connection.close()
        migrator = provision.migrator_database()
        connection.settings_dict.update(
            {name: migrator[name] for name in ("USER", "PASSWORD", "HOST", "PORT", "NAME")},
            # A request's statement timeout would cut a long migration in two; a lock is still not waited for long.
            OPTIONS={
                **{
                    key: value
                    for key, value in connection.settings_dict["OPTIONS"].items()
                    if key != "options"
                },
                "options": "-c lock_timeout=10s",
            },
        )

    def _refuse_faults(self) -> None:
        with closing(provision.admin_connection()) as connection, connection.cursor() as cursor:
            faults = catalogue_faults(cursor)
            offered = connections_offered(cursor, roles.APP)
        if faults:
            raise CommandError("Row security is not sound:\n- " + "\n- ".join(faults))
        self.stdout.write(self.style.SUCCESS("Row security is in force on every table of a site."))
        few = budget_warning(Processes(**settings.PROCESSES), offered)
        if few and not settings.DATABASE_IS_POOLED:
            self.stdout.write(self.style.WARNING(f"Warning: {few}"))
