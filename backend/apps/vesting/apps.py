from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class VestingConfig(AppConfig):
    name = "apps.vesting"
    label = "vesting"
    verbose_name = _("Vesting")

    def ready(self) -> None:
        # Models can be imported only now; the payouts room must not know this one.
        from apps.accounts import wallet_followers
        from apps.payouts import outcomes
        from apps.vesting.payout_link import payouts_follow_wallet, releases_follow

        outcomes.register(releases_follow)
        wallet_followers.register(payouts_follow_wallet)
