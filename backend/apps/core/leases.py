"""The beat lease: renewed, taken over and given up by single statements in database time."""

from django.db import connection

_RENEW = """
INSERT INTO core_beat_lease (name, holder, expires_at)
VALUES (%(name)s, %(holder)s, clock_timestamp() + make_interval(secs => %(lease_s)s))
ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, expires_at = EXCLUDED.expires_at
WHERE core_beat_lease.holder = EXCLUDED.holder OR core_beat_lease.expires_at < clock_timestamp()
"""
_RELEASE = "DELETE FROM core_beat_lease WHERE name = %(name)s AND holder = %(holder)s"


def renew_lease(*, name: str, holder: str, lease_s: int) -> bool:
    """Take or keep the lease for `lease_s` seconds; False while somebody else holds it.

    Database time, because two machines' clocks differ by more than a lease lasts.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, {"name": name, "holder": holder, "lease_s": lease_s})
        return bool(cursor.rowcount == 1)


def release_lease(*, name: str, holder: str) -> None:
    """Give it up, so that the one standing by need not wait for it to run out."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE, {"name": name, "holder": holder})
