"""Settings of workers that send under a fresh external id on each try. For test_negative_control.py."""

from config.settings.local import *  # noqa: F403

CELERY_IMPORTS = ("tests.journeys.forgetful_worker",)
