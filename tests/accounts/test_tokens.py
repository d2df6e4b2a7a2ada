"""Access tokens, against a real key server and with every forgery that we know of."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from pytest_django import Settings

from apps.accounts.tokens import KeysUnavailable, TokenInvalid, verify_access_token
from apps.core.jwks import shared_cache
from tests.http_peers import Answer, Peer, jwk, private_pem, public_pem, rsa_key, running_peer

ISSUER = "https://issuer.example/"
AUDIENCE = "https://api.posx.example"
KEY = rsa_key("issuer")


@pytest.fixture
def issuer(settings: Settings) -> Iterator[Peer]:
    with running_peer() as peer:
        peer.always(Answer(body={"keys": [jwk(KEY, "main")]}))
        settings.AUTH0_ISSUER = ISSUER
        settings.AUTH0_AUDIENCE = AUDIENCE
        settings.AUTH0_JWKS_URL = f"{peer.url}/.well-known/jwks.json"
        yield peer
        shared_cache.cache_clear()


def claims(**changes: object) -> dict[str, Any]:
    """Good claims with changes; None removes a claim."""
    now_s = int(time.time())
    good: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "auth0|buyer-1",
        "iat": now_s,
        "exp": now_s + 600,
        "scope": "openid profile",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(headers: dict[str, Any] | None = None, **changes: object) -> str:
    return jwt.encode(
        claims(**changes), private_pem(KEY), algorithm="RS256", headers={"kid": "main"} | (headers or {})
    )


def handmade(header: dict[str, Any], payload: dict[str, Any], secret: bytes) -> str:
    """A token put together without a library that would refuse to."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (header, payload)
    ]
    signature = hmac.new(secret, ".".join(parts).encode(), hashlib.sha256).digest() if secret else b""
    return ".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=").decode()])


def refusal_of(token: str) -> str:
    with pytest.raises(TokenInvalid) as refusal:
        verify_access_token(token)
    return refusal.value.code


def test_a_good_token_gives_its_claims(issuer: Peer) -> None:
    verified = verify_access_token(signed(exp=int(time.time()) + 77))
    assert verified.subject == "auth0|buyer-1"
    assert verified.scope == "openid profile"
    assert 70 < verified.expires_at.timestamp() - time.time() < 80


def test_one_of_several_audiences_is_enough(issuer: Peer) -> None:
    assert verify_access_token(signed(aud=["https://userinfo.example", AUDIENCE]))


def test_clocks_may_differ_by_thirty_seconds(issuer: Peer) -> None:
    now_s = int(time.time())
    assert verify_access_token(signed(iat=now_s + 20, nbf=now_s + 20))
    assert verify_access_token(signed(iat=now_s - 600, exp=now_s - 20))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "https://evil.example/"}, "token_issuer_wrong"),
        ({"iss": [ISSUER]}, "token_issuer_wrong"),
        ({"aud": "https://other.example"}, "token_audience_wrong"),
        ({"aud": [""]}, "token_audience_wrong"),
        ({"exp": int(time.time()) - 600}, "token_expired"),
        ({"nbf": int(time.time()) + 86_400}, "token_not_yet_valid"),
        ({"iat": int(time.time()) + 86_400}, "token_not_yet_valid"),
        ({"exp": 10**30}, "token_malformed"),
        ({"exp": 1e400}, "token_malformed"),
        ({"exp": "soon"}, "token_malformed"),
        ({"sub": 17}, "token_subject_invalid"),
        ({"sub": ""}, "token_subject_invalid"),
        ({"sub": "  "}, "token_subject_invalid"),
        ({"sub": "a\nb"}, "token_subject_invalid"),
        ({"sub": "a\x00b"}, "token_subject_invalid"),
        ({"sub": "x" * 256}, "token_subject_invalid"),
        ({"iss": None}, "token_claim_missing"),
        ({"aud": None}, "token_claim_missing"),
        ({"exp": None}, "token_claim_missing"),
        ({"iat": None}, "token_claim_missing"),
        ({"sub": None}, "token_claim_missing"),
    ],
)
def test_a_claim_that_is_wrong_is_refused(issuer: Peer, changes: dict[str, object], code: str) -> None:
    raw_claims = claims(**changes)
    # PyJWT refuses to encode some of these, an attacker's own code would not.
    token = jwt.api_jws.encode(
        json.dumps(raw_claims).encode(), private_pem(KEY), algorithm="RS256", headers={"kid": "main"}
    )
    assert refusal_of(token) == code


def test_an_unsigned_token_is_refused(issuer: Peer) -> None:
    for algorithm in ("none", "None", "NONE", ""):
        token = handmade({"alg": algorithm, "kid": "main"}, claims(), b"")
        assert refusal_of(token) == "token_algorithm_refused"


def test_a_token_signed_by_the_public_key_as_a_secret_is_refused(issuer: Peer) -> None:
    token = handmade({"alg": "HS256", "kid": "main"}, claims(), public_pem(KEY).encode())
    assert refusal_of(token) == "token_algorithm_refused"


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_other_rsa_algorithms_are_refused(issuer: Peer, algorithm: str) -> None:
    token = jwt.encode(claims(), private_pem(KEY), algorithm=algorithm, headers={"kid": "main"})
    assert refusal_of(token) == "token_algorithm_refused"


def test_another_key_under_the_known_kid_is_refused(issuer: Peer) -> None:
    token = jwt.encode(claims(), private_pem(rsa_key("thief")), algorithm="RS256", headers={"kid": "main"})
    assert refusal_of(token) == "token_signature_wrong"


@pytest.mark.parametrize("place", [0, 1])
def test_a_changed_byte_breaks_the_signature(issuer: Peer, place: int) -> None:
    segments = signed().split(".")
    decoded = base64.urlsafe_b64decode(segments[place] + "==")
    changed = (
        decoded.replace(b'"main"', b'"main" ') if place == 0 else decoded.replace(b"buyer-1", b"buyer-2")
    )
    segments[place] = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
    assert refusal_of(".".join(segments)) == "token_signature_wrong"


@pytest.mark.parametrize(
    "extra",
    [
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIB"]},
        {"jwk": jwk(rsa_key("thief"), "main")},
        {"crit": ["b64"], "b64": True},
    ],
    ids=["jku", "x5u", "x5c", "jwk", "crit"],
)
def test_a_header_that_brings_its_own_key_or_rule_is_refused(issuer: Peer, extra: dict[str, Any]) -> None:
    assert refusal_of(signed(headers=extra)) in {"token_header_refused", "token_malformed"}
    assert issuer.asked == []


def test_a_token_without_kid_is_refused(issuer: Peer) -> None:
    assert refusal_of(jwt.encode(claims(), private_pem(KEY), algorithm="RS256")) == "token_kid_missing"
    assert refusal_of(signed(headers={"kid": ""})) == "token_kid_missing"
    assert refusal_of(signed(headers={"kid": "k" * 201})) == "token_kid_missing"


def test_an_unknown_kid_is_refused_while_the_keys_are_at_hand(issuer: Peer) -> None:
    assert refusal_of(signed(headers={"kid": "other"})) == "token_key_unknown"


def test_an_unknown_kid_during_an_outage_is_neither_good_nor_bad(issuer: Peer) -> None:
    issuer.always(Answer(500))
    with pytest.raises(KeysUnavailable):
        verify_access_token(signed())


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b.c", "e30.e30.", "Bearer x", "ü.ü.ü", "\ud800.a.b", "W10.e30.e30", "a" * 8193],
)
def test_what_is_no_token_is_refused(issuer: Peer, token: str) -> None:
    assert refusal_of(token) in {"token_malformed", "token_too_long", "token_algorithm_refused"}
    assert issuer.asked == []


def test_a_deeply_nested_payload_is_refused(issuer: Peer) -> None:
    token = jwt.api_jws.encode(
        b'{"a":' + b"[" * 2_500 + b"]" * 2_500 + b"}",
        private_pem(KEY),
        algorithm="RS256",
        headers={"kid": "main"},
    )
    assert refusal_of(token).startswith("token_")
