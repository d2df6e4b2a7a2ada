"""The second factor of the admin: codes from a person's phone, and recovery codes for when it is lost."""

from __future__ import annotations

import secrets
from enum import Enum
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice, default_key

from apps.accounts.models import Identity
from apps.accounts.platform import platform_event_add

RECOVERY_CODES = 10
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that are read as another
_CODE_LENGTH = 12  # 59 bits
_STORED_LENGTH = 16  # what otp_static_statictoken holds


class Step(Enum):
    """What a logged-in person still has to do before they work in the admin."""

    NOTHING = "nothing"
    VERIFY = "verify"
    ENROL = "enrol"


def step_of(request: HttpRequest) -> Step:
    """Whoever has a factor is asked for it always; whoever has none sets one up where it is required."""
    person = request.user
    if is_verified(request):
        return Step.NOTHING
    if has_factor(identity_id=UUID(str(person.pk))):
        return Step.VERIFY
    return Step.ENROL if settings.ADMIN_SECOND_FACTOR == "required" else Step.NOTHING


def is_verified(request: HttpRequest) -> bool:
    """Whether this session has given a code; not without OTPMiddleware, which finds the device."""
    return getattr(request.user, "otp_device", None) is not None


def has_factor(*, identity_id: UUID) -> bool:
    """Whether the person has confirmed a device."""
    return bool(TOTPDevice.objects.filter(user_id=identity_id, confirmed=True).exists())


def new_key() -> str:
    """A secret for a device that is not confirmed yet: 160 bits in hex (RFC 4226, section 4, R6)."""
    return str(default_key())


def candidate(*, identity: Identity, key: str) -> TOTPDevice:
    """A device that is not saved; its ``config_url`` is what the person's phone reads."""
    return TOTPDevice(user=identity, name="totp", key=key, confirmed=True)


def factor_enrol(*, identity: Identity, key: str, code: str) -> tuple[TOTPDevice, list[str]] | None:
    """Make the device whose first code is ``code``; entry. Returns it with recovery codes, None for a wrong code.

    None also when the person has a device already: a stolen session must not add a second one.
    """
    with transaction.atomic(durable=True):
        # Two pages at once: the second waits here and finds the first's device.
        Identity.objects.select_for_update().get(pk=identity.pk)
        if has_factor(identity_id=identity.pk):
            return None
        device = candidate(identity=identity, key=key)
        device.save()
        if not device.verify_token(_plain(code)):
            transaction.set_rollback(True)
            return None
        return device, _codes_renew(identity)


def factor_verify(*, identity: Identity, code: str) -> Device | None:
    """The device that the code belongs to, or None; entry. A code is good once, also when it is sent twice at once."""
    plain = _plain(code)
    with transaction.atomic(durable=True):
        for device in TOTPDevice.objects.filter(user=identity, confirmed=True).select_for_update():
            if plain.isdecimal() and device.verify_token(plain):
                return device
        for device in StaticDevice.objects.filter(user=identity, confirmed=True).select_for_update():
            if device.verify_token(_stored(plain)):
                return device
    return None


def recovery_codes_renew(*, identity: Identity) -> list[str]:
    """New recovery codes; the former ones end. Entry."""
    with transaction.atomic(durable=True):
        Identity.objects.select_for_update().get(pk=identity.pk)
        return _codes_renew(identity)


def recovery_codes_left(*, identity: Identity) -> int:
    """How many are not used yet."""
    return int(StaticToken.objects.filter(device__user=identity).count())


def factor_reset(*, identity_id: UUID) -> bool:
    """Forget a person's devices and codes; entry, recorded. Returns whether there were any."""
    with transaction.atomic(durable=True):
        removed = [
            model.objects.filter(user_id=identity_id).delete()[0] for model in (TOTPDevice, StaticDevice)
        ]
        platform_event_add(action="factor.reset", target=str(identity_id))
    return any(removed)


def _codes_renew(identity: Identity) -> list[str]:
    StaticDevice.objects.filter(user=identity).delete()
    device = StaticDevice.objects.create(user=identity, name="recovery", confirmed=True)
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(_CODE_LENGTH)) for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=_stored(code)) for code in codes)
    return ["-".join((code[:4], code[4:8], code[8:])) for code in codes]


def _stored(code: str) -> str:
    """A keyed hash: whoever reads the table learns no code (64 bits of it fit)."""
    digest = salted_hmac("posx.recovery", code, secret=settings.SECRET_KEY, algorithm="sha256")
    return digest.hexdigest()[:_STORED_LENGTH]


def _plain(code: str) -> str:
    """As people write it: with spaces and hyphens, in capitals."""
    return "".join(letter for letter in code.lower() if letter.isascii() and letter.isalnum())
