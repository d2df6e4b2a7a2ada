from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class VestingConfig(AppConfig):
    name = "apps.vesting"
    label = "vesting"
    verbose_name = _("Vesting")

    def ready(self) -> None:
        # Models can be imported only now; the payouts room must not know this one.
        from apps.payouts.outcomes import register
        from apps.vesting.payout_link import releases_follow

        register(releases_follow)
