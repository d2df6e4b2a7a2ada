"""Core's own tables: who may send the periodic tasks, and which workers are alive."""

from django.db import models


class BeatLease(models.Model):
    """One row a role. Whoever holds it before `expires_at`, in database time, is the only sender.

    Not under row security: it belongs to no site.
    """

    name = models.CharField(max_length=50, primary_key=True)
    holder = models.CharField(max_length=200)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "core_beat_lease"

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"


class WorkerHeartbeat(models.Model):
    """One row a worker process that takes tasks; written by itself every few seconds, in database time.

    Not under row security: it belongs to no site.
    """

    name = models.CharField(max_length=200, primary_key=True)
    version = models.CharField(max_length=64)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        db_table = "core_worker_heartbeat"

    def __str__(self) -> str:
        return self.name
