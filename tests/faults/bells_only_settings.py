"""Settings of a stack that nobody sweeps: a bell that is lost is the end of it. For test_negative_control.py."""

from config.settings.local import *  # noqa: F403

CELERY_BEAT_SCHEDULE = {}
