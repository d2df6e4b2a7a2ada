"""Where a webhook may go: public addresses only, checked for the very connection that is then used.

A name that resolves to a public address when it is saved may resolve to a private one when it is used (DNS
rebinding), so the connection is opened to an address that was looked at, never to a name.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

_PORTS = {"https": 443, "http": 80}
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_LOCAL_NAMES = ("localhost", "local", "internal", "home.arpa")
Address = IPv4Address | IPv6Address


class Refused(Exception):
    """Nothing may be sent there. ``code`` is stable; the text says what to do."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def split_url(url: str) -> SplitResult:
    """The parts of an address that may be tried.

    Raises Refused: url_malformed, url_has_login, url_not_https, host_private.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused("url_malformed", "The address cannot be read.") from error
    if (
        parts.scheme not in _PORTS
        or not parts.hostname
        or port == 0
        or not url.isascii()
        or not url.isprintable()
        or " " in url
    ):
        raise Refused("url_malformed", "Write the address as https://host/path, in ASCII.")
    if parts.username is not None or parts.password is not None:
        raise Refused("url_has_login", "Leave user and password out: requests are signed.")
    if parts.fragment:
        raise Refused("url_malformed", "Leave out the part behind #: it is never sent.")
    _refuse_private_name(parts.hostname)
    if parts.scheme == "http" and not is_private_by_choice(parts.hostname):
        raise Refused("url_not_https", "Only https:// keeps what is sent to yourself.")
    return parts


def _refuse_private_name(hostname: str) -> None:
    """What needs no look-up to be seen: the real check is made for each connection."""
    if is_private_by_choice(hostname):
        return
    name = hostname.lower().rstrip(".")
    try:
        private = not is_public(name)
    except ValueError:
        private = name in _LOCAL_NAMES or name.endswith(tuple(f".{each}" for each in _LOCAL_NAMES))
    if private:
        raise Refused("host_private", "The host is not on the public internet.")


def port_of(parts: SplitResult) -> int:
    """The port that is meant."""
    return parts.port or _PORTS[parts.scheme]


def is_private_by_choice(hostname: str) -> bool:
    """Whether the operator has named this host as one that may be private (WEBHOOK_PRIVATE_HOSTS)."""
    return hostname.lower() in settings.WEBHOOK_PRIVATE_HOSTS


def public_addresses(hostname: str, port: int) -> list[str]:
    """Every address of the host. Raises Refused: host_unknown, or host_private when any of them is not public.

    Any, not all: which of them a connection takes is chance.
    """
    try:
        found = socket.getaddrinfo(hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Refused("host_unknown", "The host name has no address.") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not is_private_by_choice(hostname) and not all(map(is_public, addresses)):
        raise Refused("host_private", "The host has an address that is not on the public internet.")
    return addresses


def is_public(text: str) -> bool:
    """Whether an address is on the public internet, also behind IPv6 forms that stand for an IPv4 one."""
    address: Address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast
