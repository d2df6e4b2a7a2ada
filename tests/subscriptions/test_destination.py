"""Where webhooks may go: nothing that is not on the public internet, by whatever spelling."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from pytest_django import Settings

from apps.subscriptions.destination import Refused, is_public, public_addresses, split_url

PRIVATE = [
    *("127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *(
        "0.0.0.0",  # noqa: S104 - an address to be refused
        "255.255.255.255",
        "224.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
    ),
    *("fd12:3456::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
    "2001:0:53aa:64c:0:0:80ff:fffe",  # Teredo of 127.0.0.1
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946"])
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433", "0x7f000001", "127.1", "[::1]"])
def test_no_spelling_of_this_machine_is_reached(host: str) -> None:
    """Names and numbers that resolvers read as 127.0.0.1: refused when written, or at the latest when looked up."""
    with pytest.raises(Refused) as refused:
        parts = split_url(f"https://{host}/hook")
        public_addresses(parts.hostname or "", 443)

    assert refused.value.code in {"host_private", "host_unknown"}


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://example.com/hook", "url_not_https"),
        ("ftp://example.com/hook", "url_malformed"),
        ("https:///hook", "url_malformed"),
        ("https://example.com:99999/", "url_malformed"),
        ("https://example.com:0/", "url_malformed"),
        ("https://user:pass@example.com/", "url_has_login"),
        ("https://example.com/#part", "url_malformed"),
        ("https://example.com/a b", "url_malformed"),
        ("https://example.com/a\r\nHost: other", "url_malformed"),
        ("https://bücher.example/", "url_malformed"),
        ("https://metadata.google.internal/", "host_private"),
        ("https://printer.local/", "host_private"),
        ("https://a.localhost/", "host_private"),
        ("https://localhost./", "host_private"),
    ],
)
def test_addresses_that_are_refused_as_they_are_written(url: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        split_url(url)

    assert refused.value.code == code


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(*_args: Any, **_kwargs: Any) -> list[Any]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("93.184.216.34", 443)), (*kind, ("10.0.0.7", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", both)

    with pytest.raises(Refused) as refused:
        public_addresses("rebind.example", 443)
    assert refused.value.code == "host_private"


def test_a_host_that_the_operator_names_may_be_private(settings: Settings) -> None:
    settings.WEBHOOK_PRIVATE_HOSTS = frozenset({"127.0.0.1"})

    assert split_url("http://127.0.0.1:8080/hook").port == 8080
    assert public_addresses("127.0.0.1", 8080) == ["127.0.0.1"]
