"""The deployment: settings, addresses, and the Celery application that `celery -A config` finds here."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
