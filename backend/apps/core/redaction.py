"""What must never reach a log: tokens, provider keys, PEM keys, passwords inside addresses, values of rows."""

import re

_HIDDEN = "[redacted]"
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        _HIDDEN,
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {_HIDDEN}"),
    (
        re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
        _HIDDEN,
    ),  # a JWT without its header
    (re.compile(r"\b(sk|rk)_(test|live)_\w+|\bwhsec_\w+"), _HIDDEN),
    (re.compile(r"\b((?:pi|seti|cs)_\w+?)_secret_\w+"), rf"\1_secret_{_HIDDEN}"),
    # PostgreSQL quotes rows and statements in its errors, and psycopg2 writes parameters into the statement.
    (re.compile(r"(?m)^(\s*(?:DETAIL|CONTEXT|QUERY|LINE \d+):).*$"), rf"\1 {_HIDDEN}"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s/@]+(?:@[^\s/@]+)*@"), rf"\1:{_HIDDEN}@"),
)


def redact(text: str) -> str:
    """The text without secrets that can be told by their shape (Stripe, Auth0, PEM, addresses)."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
