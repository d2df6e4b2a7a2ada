from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class VestingConfig(AppConfig):
    name = "apps.vesting"
    label = "vesting"
    verbose_name = _("Vesting")
