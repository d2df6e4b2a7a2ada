"""A developer's machine. The environment comes from the shell and from the running stack's own file."""

from config.settings.base import *  # noqa: F403
from config.settings.base import EMAIL_READY

if not EMAIL_READY:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"  # into the worker's lines
    EMAIL_READY = True
# Static files straight from the packages: no collectstatic between an edit and a reload.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
