"""Access tokens as an attacker would make them, with real keys; each lacks one thing that makes a token good."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt

from tests.http_peers import jwk, private_pem, public_pem, rsa_key

ISSUER, AUDIENCE, KID = "https://issuer.example/", "https://api.posx.example", "main"
KEY, THIEF = rsa_key("doors issuer"), rsa_key("doors thief")
Forger = Callable[[str], str]


def claims(subject: str, **changes: object) -> dict[str, Any]:
    """Good claims with changes; None removes one."""
    now_s = int(time.time())
    good: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "iat": now_s,
        "exp": now_s + 600,
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def token(subject: str, *, key: Any = KEY, headers: Any = None, **changes: Any) -> str:
    """Signed with RS256; good unless something is changed."""
    payload = json.dumps(claims(subject, **changes)).encode()
    return jwt.api_jws.encode(
        payload, private_pem(key), algorithm="RS256", headers={"kid": KID} | (headers or {})
    )


def handmade(header: dict[str, Any], payload: dict[str, Any], secret: bytes) -> str:
    """Put together without a library that would refuse to; unsigned when there is no secret."""
    parts = [_b64(json.dumps(part).encode()) for part in (header, payload)]
    signature = hmac.new(secret, ".".join(parts).encode(), hashlib.sha256).digest() if secret else b""
    return ".".join([*parts, _b64(signature)])


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unsigned(algorithm: str) -> Forger:
    return lambda subject: handmade({"alg": algorithm, "typ": "JWT", "kid": KID}, claims(subject), b"")


def _secret_of(secret: bytes) -> Forger:
    return lambda subject: handmade({"alg": "HS256", "typ": "JWT", "kid": KID}, claims(subject), secret)


def _changed(**changes: Any) -> Forger:
    return lambda subject: token(subject, **changes)


def _headed(key: Any = KEY, **headers: Any) -> Forger:
    return lambda subject: token(subject, key=key, headers=headers)


def _after(seconds: int, *names: str) -> Forger:
    return lambda subject: token(subject, **{name: int(time.time()) + seconds for name in names})


def _resigned(subject: str) -> str:
    """A good token's signature under another person's claims."""
    header, _payload, signature = token("somebody else").split(".")
    return ".".join([header, _b64(json.dumps(claims(subject)).encode()), signature])


# name -> (how it is made, the code of its 401)
FORGERIES: dict[str, tuple[Forger, str]] = {
    **{f"algorithm {a!r}": (_unsigned(a), "token_algorithm_refused") for a in ("none", "None", "nOnE", "")},
    "HS256 with the public key as PEM": (_secret_of(public_pem(KEY).encode()), "token_algorithm_refused"),
    "HS256 with the public key, stripped": (
        _secret_of(public_pem(KEY).strip().encode()),
        "token_algorithm_refused",
    ),
    "HS256 with the published modulus": (
        _secret_of(str(jwk(KEY, KID)["n"]).encode()),
        "token_algorithm_refused",
    ),
    "another key under the known kid": (_headed(THIEF), "token_signature_wrong"),
    "another token's signature": (_resigned, "token_signature_wrong"),
    "wrong issuer": (_changed(iss="https://evil.example/"), "token_issuer_wrong"),
    "issuer without its slash": (_changed(iss=ISSUER.rstrip("/")), "token_issuer_wrong"),
    "wrong audience": (_changed(aud="https://other.example"), "token_audience_wrong"),
    "not in the list of audiences": (_changed(aud=["https://other.example"]), "token_audience_wrong"),
    "expired": (_after(-600, "exp"), "token_expired"),
    "not yet valid": (_after(600, "nbf"), "token_not_yet_valid"),
    "issued in the future": (_after(600, "iat"), "token_not_yet_valid"),
    "never ends": (_changed(exp=10**30), "token_malformed"),
    **{f"without {c}": (_changed(**{c: None}), "token_claim_missing") for c in ("iss", "aud", "exp", "iat")},
    "without sub": (lambda _subject: token("", sub=None), "token_claim_missing"),
    "empty sub": (lambda _subject: token(""), "token_subject_invalid"),
    "sub is a number": (_changed(sub=7), "token_subject_invalid"),
    "sub with a line break": (lambda subject: token(f"{subject}\n"), "token_subject_invalid"),
    "unknown kid": (_headed(THIEF, kid="other"), "token_key_unknown"),
    **{
        f"kid {kid!r}": (_headed(THIEF, kid=kid), "token_key_unknown")
        for kid in (
            "../../../../dev/null",
            "/etc/passwd",
            "main\x00",
            "http://evil.example/key",
            "' UNION SELECT 'x",
        )
    },
    "no kid": (_headed(kid=""), "token_kid_missing"),
    "endless kid": (_headed(kid="k" * 300), "token_kid_missing"),
    "jku": (_headed(THIEF, jku="https://evil.example/jwks.json"), "token_header_refused"),
    "jku with a good signature": (_headed(jku="https://evil.example/jwks.json"), "token_header_refused"),
    "x5u": (_headed(THIEF, x5u="https://evil.example/cert.pem"), "token_header_refused"),
    "jwk": (_headed(THIEF, jwk=jwk(THIEF, KID)), "token_header_refused"),
    "x5c": (_headed(THIEF, x5c=["MIIB"]), "token_header_refused"),
    "not a token": (lambda _subject: "x", "token_malformed"),
    "too long": (lambda _subject: "x" * 9000, "token_too_long"),
}
