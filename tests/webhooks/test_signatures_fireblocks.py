"""Fireblocks' webhook signatures, versions 1 and 2."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from pytest_django import Settings

from apps.core.jwks import JwksCache
from apps.webhooks.signatures import (
    BadSignature,
    KeySource,
    KeysUnavailable,
    UnreadableEvent,
    verify_fireblocks,
)
from tests.http_peers import Answer, Peer, jwk, private_pem, public_pem, rsa_key, running_peer

RAW = json.dumps({"id": "evt-1", "eventType": "transaction.status.updated", "resourceId": "tx-1"}).encode()
KEY = rsa_key("fireblocks")
OLD_KEY = rsa_key("fireblocks-old")
V2 = "Fireblocks-Webhook-Signature"
V1 = "Fireblocks-Signature"


@pytest.fixture
def publisher() -> Iterator[Peer]:
    with running_peer() as peer:
        peer.always(Answer(body={"keys": [jwk(KEY, "wh-1")]}))
        yield peer


@pytest.fixture
def keys(publisher: Peer) -> KeySource:
    return KeySource(jwks=JwksCache(publisher.url), v1_keys=(OLD_KEY.public_key(), KEY.public_key()))


def detached(raw: bytes = RAW, key: RSAPrivateKey = KEY, algorithm: str = "RS512", **headers: Any) -> str:
    whole = jwt.api_jws.encode(raw, private_pem(key), algorithm=algorithm, headers={"kid": "wh-1"} | headers)
    head, _, signature = whole.split(".")
    return f"{head}..{signature}"


def classic(raw: bytes = RAW, key: RSAPrivateKey = KEY) -> str:
    return base64.b64encode(key.sign(raw, PKCS1v15(), SHA512())).decode()


def refusal_of(raw: bytes, headers: dict[str, str], keys: KeySource) -> str:
    with pytest.raises(BadSignature) as refusal:
        verify_fireblocks(raw, headers, keys)
    return refusal.value.code


def test_a_detached_signature_is_accepted(keys: KeySource) -> None:
    assert verify_fireblocks(RAW, {V2: detached()}, keys)["resourceId"] == "tx-1"


def test_header_names_ignore_case(keys: KeySource) -> None:
    assert verify_fireblocks(RAW, {V2.upper(): detached()}, keys)
    assert verify_fireblocks(RAW, {V1.lower(): classic()}, keys)


def test_a_classic_signature_of_any_configured_key_is_accepted(keys: KeySource) -> None:
    assert verify_fireblocks(RAW, {V1: classic()}, keys)
    assert verify_fireblocks(RAW, {V1: classic(key=OLD_KEY)}, keys)


def test_a_changed_body_is_refused(keys: KeySource) -> None:
    assert refusal_of(RAW + b" ", {V2: detached()}, keys) == "signature_wrong"
    assert refusal_of(RAW + b" ", {V1: classic()}, keys) == "signature_wrong"


def test_another_key_is_refused(keys: KeySource) -> None:
    thief = rsa_key("thief")
    assert refusal_of(RAW, {V2: detached(key=thief)}, keys) == "signature_wrong"
    assert refusal_of(RAW, {V1: classic(key=thief)}, keys) == "signature_wrong"


def test_a_bad_v2_signature_is_not_saved_by_a_good_v1(keys: KeySource) -> None:
    headers = {V2: detached(key=rsa_key("thief")), V1: classic()}
    assert refusal_of(RAW, headers, keys) == "signature_wrong"


def test_v1_still_serves_where_no_key_set_is_configured() -> None:
    keys = KeySource(v1_keys=(KEY.public_key(),))
    assert verify_fireblocks(RAW, {V2: detached(), V1: classic()}, keys)


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "PS512"])
def test_only_rs512_is_accepted(keys: KeySource, algorithm: str) -> None:
    assert refusal_of(RAW, {V2: detached(algorithm=algorithm)}, keys) == "signature_algorithm_refused"


@pytest.mark.parametrize(("algorithm", "secret"), [("none", ""), ("HS512", public_pem(KEY))])
def test_unsigned_and_symmetric_signatures_are_refused(keys: KeySource, algorithm: str, secret: str) -> None:
    head = (
        base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "wh-1"}).encode()).rstrip(b"=").decode()
    )
    assert refusal_of(RAW, {V2: f"{head}..{'c2ln' if secret else ''}"}, keys) == "signature_algorithm_refused"


@pytest.mark.parametrize(
    "extra", [{"jku": "https://evil.example"}, {"x5u": "https://evil.example"}, {"jwk": jwk(KEY, "x")}]
)
def test_a_header_with_its_own_key_is_refused(
    keys: KeySource, publisher: Peer, extra: dict[str, Any]
) -> None:
    assert refusal_of(RAW, {V2: detached(**extra)}, keys) == "signature_header_refused"
    assert publisher.asked == []


def test_a_missing_or_unknown_kid_is_refused(keys: KeySource) -> None:
    assert refusal_of(RAW, {V2: detached(kid="")}, keys) == "signature_kid_missing"
    assert refusal_of(RAW, {V2: detached(kid="other")}, keys) == "signature_key_unknown"


@pytest.mark.parametrize("signature", ["x", "a.b.c", "..", "e30..", "ü..ü", "e30.e30.e30", "a" * 9000])
def test_noise_in_the_v2_header_is_refused(keys: KeySource, signature: str) -> None:
    assert refusal_of(RAW, {V2: signature}, keys) in {"signature_malformed", "signature_algorithm_refused"}


@pytest.mark.parametrize("signature", ["!!!", "ü", "YQ=", " "])
def test_noise_in_the_v1_header_is_refused(keys: KeySource, signature: str) -> None:
    assert refusal_of(RAW, {V1: signature}, keys) == "signature_malformed"


def test_v1_over_another_hash_is_refused(keys: KeySource) -> None:
    signature = base64.b64encode(KEY.sign(RAW, PKCS1v15(), SHA256())).decode()
    assert refusal_of(RAW, {V1: signature}, keys) == "signature_wrong"


def test_nothing_signed_is_refused(keys: KeySource) -> None:
    assert refusal_of(RAW, {}, keys) == "signature_missing"
    assert refusal_of(RAW, {V1: classic()}, KeySource()) == "signature_missing"


def test_an_outage_of_the_publisher_is_no_bad_signature(keys: KeySource, publisher: Peer) -> None:
    publisher.always(Answer(502))
    with pytest.raises(KeysUnavailable):
        verify_fireblocks(RAW, {V2: detached()}, keys)


@pytest.mark.parametrize("raw", [b"\xff", b"", b"[]", b"nope"])
def test_signed_bytes_that_are_no_event_are_unreadable(keys: KeySource, raw: bytes) -> None:
    with pytest.raises(UnreadableEvent):
        verify_fireblocks(raw, {V2: detached(raw)}, keys)


def test_settings_give_keys_from_pems_with_either_line_end(settings: Settings) -> None:
    settings.FIREBLOCKS_JWKS_URL = ""
    both = [public_pem(OLD_KEY), public_pem(KEY)]
    for configured in (both, "\n".join(both), "".join(both).replace("\n", "\\n")):
        settings.FIREBLOCKS_WEBHOOK_PUBLIC_KEYS = configured
        assert verify_fireblocks(RAW, {V1: classic()}, KeySource.from_settings())


def test_settings_without_pems_give_no_v1_keys(settings: Settings) -> None:
    settings.FIREBLOCKS_JWKS_URL = "http://127.0.0.1:1/jwks.json"
    settings.FIREBLOCKS_WEBHOOK_PUBLIC_KEYS = []
    source = KeySource.from_settings()
    assert source.v1_keys == ()
    assert source.jwks is not None
