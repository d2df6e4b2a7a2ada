"""For `manage.py collectstatic` while an image is built: a build has no secrets, and none is needed.

Everything unset falls back to its development value, so nothing may serve requests with this module.
"""

from config.settings.base import *  # noqa: F403
