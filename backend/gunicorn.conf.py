"""Gunicorn reads this file by itself. Its own lines go where Django's go: stderr would show as errors on
Railway, and the access line is written by RequestIdMiddleware, with the request id."""

import logging
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from config.env import RAILWAY, profile_of
from config.logs import logging_settings

_is_railway = profile_of(os.environ.get("DJANGO_SETTINGS_MODULE", "")) == RAILWAY

logconfig_dict = logging_settings(
    level=os.environ.get("LOG_LEVEL") or "INFO", formatter="json" if _is_railway else "lines"
)
logging.captureWarnings(True)
graceful_timeout = 25  # a request ends within the statement timeout; then the worker may go
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - heartbeats must not wait for a disk
control_socket_disable = True  # it would sit in the home directory, one for every stack of this user
