"""What must never reach a log: tokens, provider keys, PEM keys, passwords inside addresses, values of rows, mail
addresses; and the values of this process' own secret variables, whatever their shape."""

import re
from collections.abc import Iterable

HIDDEN = "[redacted]"
SHORTEST_VALUE = 8  # shorter ones are words of ordinary lines too
_NAMES = r"passw(?:or)?d|passphrase|secret|api_?-?key|private_?-?key|(?:access|refresh)_?-?token|authorization|cookie"
_SECRET_NAME = re.compile(rf"(?i){_NAMES}")
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        HIDDEN,
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (
        re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
        HIDDEN,
    ),  # a JWT without its header
    (re.compile(r"\b(sk|rk)_(test|live)_\w+|\bwhsec_\w+"), HIDDEN),
    (re.compile(r"\b((?:pi|seti|cs)_\w+?)_secret_\w+"), rf"\1_secret_{HIDDEN}"),
    # PostgreSQL quotes rows and statements in its errors, and psycopg2 writes parameters into the statement.
    (re.compile(r"(?m)^(\s*(?:DETAIL|CONTEXT|QUERY|LINE \d+):).*$"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s/@]+(?:@[^\s/@]+)*@"), rf"\1:{HIDDEN}@"),
    # Named as what it is: password=..., "private_key": "..."; a hexadecimal key alone looks as a transaction's hash.
    (
        re.compile(
            rf"(?i)\b(\w*(?:{_NAMES})[\\\"']*\s*[=:]\s*[\\\"']*)(?!\[redacted\])[^\s\\\"',;&)}}\]]{{4,}}"
        ),
        rf"\1{HIDDEN}",
    ),
    # Celery names its workers celery@host; an address before a host is no person's either.
    (re.compile(r"(?<![\w.+/:-])(?!celery@)[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b"), "[mail address]"),
)
_values: tuple[str, ...] = ()


def hide_values(values: Iterable[str]) -> None:
    """From now on these very texts are hidden, in whatever they occur; replaces those of the last call."""
    global _values
    # The longest first: one may hold another.
    _values = tuple(sorted({one for one in values if len(one) >= SHORTEST_VALUE}, key=len, reverse=True))


def redact(text: str) -> str:
    """The text without secrets that are known by their value or can be told by their shape or name."""
    for value in _values:
        if value in text:
            text = text.replace(value, HIDDEN)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def is_secret_name(name: str) -> bool:
    """Whether what goes by this name is hidden whatever it is."""
    return _SECRET_NAME.search(name) is not None
