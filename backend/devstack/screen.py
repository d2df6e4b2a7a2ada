"""What `make up` shows: the steps while it starts, and one screen when everything answers."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from devstack.environment import Stack

_BAR_WIDTH = 24


class Progress:
    """Steps: a bar that redraws itself on a terminal, one line for each finished step elsewhere.

    It is also a text stream for the processes' lines, which appear above the bar.
    """

    def __init__(self, output: TextIO, *, steps: int) -> None:
        self._output = output
        self._steps = steps
        self._done = 0
        self._label = ""
        self._partial = ""
        self._bar = output.isatty()

    @contextmanager
    def step(self, label: str) -> Iterator[None]:
        """Show `label` while the block runs, and its time when it is done."""
        started = time.monotonic()
        self._label = label
        self._draw()
        try:
            yield
        finally:
            self._erase()
            self._label = ""
        self._done += 1
        self._output.write(f"  [{self._done}/{self._steps}] {label} ({time.monotonic() - started:.1f} s)\n")
        self._output.flush()

    def write(self, text: str) -> int:
        """Write above the bar, whole lines only: a bar drawn into half a line would wipe it out."""
        self._partial += text
        if text.endswith("\n"):
            self._erase()
            self._output.write(self._partial)
            self._partial = ""
            self._draw()
        return len(text)

    def flush(self) -> None:
        """Pass on what was written."""
        self._output.flush()

    def isatty(self) -> bool:
        """Whether colours and redrawing make sense."""
        return self._bar

    def _draw(self) -> None:
        if self._bar and self._label:
            filled = _BAR_WIDTH * self._done // self._steps
            bar = "#" * filled + "." * (_BAR_WIDTH - filled)
            width = shutil.get_terminal_size().columns - 1
            self._output.write(f"\r  [{bar}] {self._done}/{self._steps} {self._label} ..."[:width])
            self._output.flush()

    def _erase(self) -> None:
        if self._bar and self._label:
            self._output.write("\r\033[K")


def welcome(stack: Stack) -> str:
    """The one screen: addresses, admin login, tokens, and what to try next."""
    seed = stack.seed
    tokens = {f"buyer ({seed['buyer_subject']})": stack.mint(seed["buyer_subject"])}
    for role, subject in seed["staff"].items():
        tokens[f"{role} ({subject})"] = stack.mint(subject)
    rule = "=" * 78
    lines = [rule, " POSX is running. Ctrl-C stops it; the data stays.", rule, ""]
    lines += _rows(
        {
            "API": stack.api_url,
            "API pages": stack.docs_url,
            "Admin": stack.admin_url,
            "  user": seed["admin_username"],
            "  password": seed["admin_password"],
            "Stripe sandbox": f"{stack.stripe_url}/",
            "Fireblocks sandbox": f"{stack.fireblocks_url}/",
            "Site": f"{seed['site_code']} (header X-Site-Code)",
        }
    )
    lines += ["", "Bearer tokens (12 hours)", ""]
    for owner, token in tokens.items():
        lines += [f"  {owner}", f"    {token}", ""]
    lines += ["Try next, in a second terminal", "", *_commands(stack), "", rule]
    return "\n".join(lines)


def _rows(rows: dict[str, str]) -> list[str]:
    width = max(map(len, rows)) + 2
    return [f"  {name:<{width}}{value}" for name, value in rows.items()]


def _commands(stack: Stack) -> list[str]:
    code, buyer = stack.seed["site_code"], stack.seed["buyer_subject"]
    token = f"""TOKEN=$(curl -s {stack.issuer_url}/_sandbox/token -d '{{"subject": "{buyer}"}}' """
    token += f"""| {sys.executable} -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')"""
    return [
        f"  curl -s -H 'X-Site-Code: {code}' {stack.api_url}tiers/",
        f"  {token}",
        f"  curl -s -H 'X-Site-Code: {code}' -H \"Authorization: Bearer $TOKEN\" -X POST {stack.api_url}me/",
        "  make demo          one sale from checkout to tokens paid out, step by step",
    ]
