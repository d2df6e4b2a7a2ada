"""What may happen to PostgreSQL and to the connections to it."""

from __future__ import annotations

import threading
import time
from contextlib import closing, suppress

import psycopg2

from devstack.faults.doors import Verdict
from devstack.faults.scene import Scene
from devstack.faults.steps import Moment

LOCKED_S = 8.0


def restart(scene: Scene) -> None:
    """Stopped as an upgrade does it, and started again."""
    scene.place.postgres.stop()
    scene.place.postgres.start()


def terminate(scene: Scene) -> None:
    """pg_terminate_backend of every connection of the product; what was committed is not told either."""
    with closing(psycopg2.connect(scene.place.database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'posx_app'")
    scene.drop(lambda held: held.watch.step.moment is Moment.COMMITTED)


def serialization(scene: Scene) -> None:
    """The commit that is held, or else the sale's next one, is undone and answered with 40001."""
    for sale in scene.sales:
        commits = [held for held in scene.by_sale.get(sale, ()) if held.watch.step.moment is Moment.COMMIT]
        for held in commits:
            held.release(Verdict.REFUSE)
        if not commits:
            scene.place.doors.refuse_next_commit(sale.is_in)


def lock(scene: Scene) -> None:
    """Somebody's long transaction locks orders and payouts against every change, as a careless migration does."""
    connection = psycopg2.connect(scene.place.database_url, application_name="faults")
    locked = threading.Event()

    def hold() -> None:
        with closing(connection), connection.cursor() as cursor, suppress(psycopg2.Error):
            # Granted when what is held now is through: until then others queue up behind it.
            cursor.execute("LOCK TABLE orders_order, payouts_payout IN SHARE ROW EXCLUSIVE MODE")
            locked.set()
            time.sleep(LOCKED_S)

    scene.meanwhile(hold)
    locked.wait(0.2)
