"""How one environment variable becomes a value. Each raises ValueError with a reason that shows no secret."""

import re
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)
_HOST = re.compile(r"\.?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?|\[[0-9a-fA-F:]+\]")


def text(value: str) -> str:
    """Any text without control characters (a stray line break is a pasting accident)."""
    if not value.isprintable():
        raise ValueError("it holds a line break or another control character")
    return value


def optional(parse: Callable[[str], str]) -> Callable[[str], str]:
    """Marks a variable that may be empty; the reader never parses an empty one."""
    return parse


def secret_key(value: str) -> str:
    """Django's own rule (security.W009): 50 characters, 5 different ones, no placeholder."""
    if len(value) < 50 or len(set(value)) < 5 or value.startswith("django-insecure"):
        raise ValueError("it is too short or a placeholder")
    return value


def secret_keys(value: str) -> list[str]:
    """Secret keys by commas."""
    return [secret_key(word) for word in comma_list(value)]


def _split(value: str) -> SplitResult:
    parts = urlsplit(text(value))
    if parts.port is not None and not 0 < parts.port < 65536:
        raise ValueError("its port is out of range")
    return parts


def postgres_url(value: str) -> str:
    """postgresql://user:password@host:port/name"""
    parts = _split(value)
    if parts.scheme not in {"postgres", "postgresql"} or not parts.hostname or not parts.path.strip("/"):
        raise ValueError("it is not of the form postgresql://user:password@host:port/name")
    if not parts.username or not parts.password:
        raise ValueError("it has no user or no password, and the app login's password is derived from that")
    return value


def app_url(value: str) -> str:
    """The same, or a pooler's address without user and password."""
    if "@" not in value:
        scheme, _, rest = value.partition("://")
        postgres_url(f"{scheme}://user:password@{rest}")
        return value
    return postgres_url(value)


def redis_url(value: str) -> str:
    """redis://default:password@host:port, or rediss:// for TLS."""
    parts = _split(value)
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
        raise ValueError("it is not of the form redis://default:password@host:port")
    return value


def http_url(value: str) -> str:
    """An address with scheme, without a query."""
    parts = _split(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
        raise ValueError("it is not of the form https://host/path")
    return value


def mail_url(value: str) -> str:
    """A mail server's address; name and password are percent-encoded in it."""
    parts = _split(value)
    if parts.scheme not in {"smtp", "smtps", "smtp+starttls"} or not parts.hostname or parts.path.strip("/"):
        raise ValueError("it is not of the form smtp+starttls://user:password@host:587")
    return value


def mail_address(value: str) -> str:
    """One plain mail address."""
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", value):
        raise ValueError("it is not of the form name@host")
    return value


def host(value: str) -> str:
    """A host name, without scheme or path; a leading dot admits its subdomains."""
    if not _HOST.fullmatch(value):
        raise ValueError("it is not a bare host name")
    return value


def comma_list(value: str) -> list[str]:
    """Words by commas, spaces around them dropped."""
    words = [text(word.strip()) for word in value.split(",") if word.strip()]
    if not words:
        raise ValueError("it lists nothing")
    return words


def hosts(value: str) -> list[str]:
    """Host names by commas; the wildcard is refused, it would turn the check off."""
    return [host(word) for word in comma_list(value)]


def origins(value: str) -> list[str]:
    """Origins (scheme and host, nothing after) by commas."""
    words = comma_list(value)
    for word in words:
        if urlsplit(http_url(word)).path:
            raise ValueError("an origin ends after the host name")
    return words


def pem(value: str) -> str:
    """One PEM document; Railway's form and a shell file carry line breaks as a literal backslash n."""
    documents = pem_list(value)
    if len(documents) != 1:
        raise ValueError("it holds more than one PEM document")
    return documents[0]


def pem_list(value: str) -> list[str]:
    """PEM documents one after another."""
    found = [match.group(0) + "\n" for match in _PEM.finditer(value.replace("\\n", "\n"))]
    if not found:
        raise ValueError("it holds no PEM document (-----BEGIN ...)")
    return found


def commit(value: str) -> str:
    """A Git object id, whole or shortened; hexadecimal, so that it can be shown anywhere."""
    if not re.fullmatch(r"[0-9a-fA-F]{7,64}", value):
        raise ValueError("it is not the id of a commit")
    return value.lower()


def log_level(value: str) -> str:
    """A level's name, in any case."""
    if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
        raise ValueError("it is not a level of logging")
    return value.upper()


def second_factor(value: str) -> str:
    """Whether everybody in the admin needs one."""
    if value.lower() not in {"required", "off"}:
        raise ValueError("it is neither `required` nor `off`")
    return value.lower()


def positive_int(value: str) -> int:
    """A whole number from 1 on."""
    if not (value.isascii() and value.isdecimal() and 0 < int(value) < 10**6):
        raise ValueError("it is not a whole number above 0")
    return int(value)


def whole_number(value: str) -> int:
    """A whole number from 0 on."""
    return 0 if value == "0" else positive_int(value)


def calls_a_minute(value: str) -> int:
    """A whole number from 10 on: with less, a look at a payout and its send would never fit together."""
    if positive_int(value) < 10:
        raise ValueError("it is less than 10")
    return int(value)


class Hidden(dict[str, str]):
    """Words with secrets; shows only the words, so that no traceback or debugger's line holds a secret."""

    def __repr__(self) -> str:
        return f"Hidden({', '.join(self)})"

    __str__ = __repr__


# Keys of secp256k1 lie below its order (SEC 2, 2.4.1).
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")


def evm_keys(value: str) -> Hidden:
    """Site code and private key by commas: NA:0x...,ASIA:0x... One key serves one site."""
    keys = Hidden()
    for word in comma_list(value):
        code, _, secret = word.partition(":")
        match = _KEY.fullmatch(secret.strip())
        if not code.strip() or code.strip() in keys or match is None or not 0 < int(match[1], 16) < _ORDER:
            raise ValueError("it is not of the form SITE:0x<64 hexadecimal digits>, a site once")
        keys[code.strip()] = f"0x{match[1].lower()}"
    if len(set(keys.values())) != len(keys):
        # Two sites would hand out the same wallet's nonces without knowing of each other.
        raise ValueError("two sites share a key")
    return keys


def rpc_urls(value: str) -> Hidden:
    """Chain id and a node's address by commas: 1=https://...,31337=http://..."""
    urls = Hidden()
    for word in comma_list(value):
        chain_id, _, url = word.partition("=")
        if not (chain_id.isascii() and chain_id.isdecimal()) or chain_id in urls:
            raise ValueError("it is not of the form 1=https://..., a chain once")
        parts = _split(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"the address of chain {chain_id} is not of the form https://host/path")
        urls[str(int(chain_id))] = url
    return urls


# What an empty variable is, where it is not an empty text.
MAPPINGS: frozenset[Callable[[str], Hidden]] = frozenset({evm_keys, rpc_urls})
LISTS: frozenset[Callable[[str], list[str]]] = frozenset({comma_list, hosts, origins, pem_list, secret_keys})


def empty_of(parse: Callable[[str], object]) -> object:
    """The value of a variable that is empty and may be."""
    if parse in MAPPINGS:
        return Hidden()
    return [] if parse in LISTS else ""
