"""Signatures against the specification's own example, and secrets at rest."""

from __future__ import annotations

import base64

import pytest
from pytest_django import Settings

from apps.subscriptions.sealing import Unreadable, is_sealed_by_the_current_key, seal, unseal
from apps.subscriptions.signing import headers, new_secret, signature

# The example of Svix' and Standard Webhooks' libraries (standard-webhooks/libraries, their tests of `sign`).
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE_ID, TIMESTAMP_S = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
NEW_KEY = "another-secret-key-0123456789abcdefghijklmnopqrstuvwxyz-ABC"


def test_the_published_example() -> None:
    made = signature(secret=SECRET, message_id=MESSAGE_ID, timestamp_s=TIMESTAMP_S, body=BODY)

    assert made == SIGNATURE


def test_during_a_rotation_there_is_a_signature_for_each_secret() -> None:
    other = new_secret()

    made = headers(
        secrets_in_force=[other, SECRET], message_id=MESSAGE_ID, timestamp_s=TIMESTAMP_S, body=BODY
    )

    first, second = made["webhook-signature"].split(" ")
    assert second == SIGNATURE and first != SIGNATURE
    assert (made["webhook-id"], made["webhook-timestamp"]) == (MESSAGE_ID, str(TIMESTAMP_S))


def test_a_secret_has_256_random_bits() -> None:
    secret = new_secret()

    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert new_secret() != secret


def test_what_is_kept_does_not_show_the_secret() -> None:
    sealed = seal(SECRET)

    assert SECRET not in sealed and unseal(sealed) == SECRET


def test_a_new_secret_key_opens_what_the_old_one_sealed(settings: Settings) -> None:
    sealed, settings.SECRET_KEY_FALLBACKS = seal(SECRET), [settings.SECRET_KEY]
    settings.SECRET_KEY = NEW_KEY

    assert unseal(sealed) == SECRET
    assert not is_sealed_by_the_current_key(sealed)
    assert is_sealed_by_the_current_key(seal(SECRET))


def test_without_the_old_key_it_stays_closed(settings: Settings) -> None:
    sealed = seal(SECRET)
    settings.SECRET_KEY = NEW_KEY

    with pytest.raises(Unreadable):
        unseal(sealed)
