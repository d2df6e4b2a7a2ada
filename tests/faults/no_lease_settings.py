"""Settings of workers that take whatever they find, in somebody's hands or not. For test_negative_control.py."""

from config.settings.local import *  # noqa: F403

CELERY_IMPORTS = ("tests.faults.no_lease_worker",)
