"""Settings of a worker that forgets external ids: the negative control of test_worker_killed.py."""

from config.settings.test import *  # noqa: F403

CELERY_IMPORTS = ("tests.journeys.forgetful_worker",)
