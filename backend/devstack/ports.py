"""TCP ports on 127.0.0.1: free ones, remembered ones, and the refusal of a taken one."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection

HOST = "127.0.0.1"
QUIET_PORTS = (20_000, 32_000)  # below what Linux (32768) and macOS (49152) give to outgoing connections
_random = random.SystemRandom()  # also different in processes that were forked


class PortTakenError(Exception):
    """A port that was asked for by name is in use; the message names the port and the variable."""


def port_is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections linger in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(avoid: Collection[int] = (), *, among: tuple[int, int] = QUIET_PORTS) -> int:
    """A random free port, none of `avoid`, that stays free until a server is started on it.

    Not one that the kernel would choose: any outgoing connection may be given that a moment later.
    """
    while True:
        port = _random.randrange(*among)
        if port not in avoid and port_is_free(port):
            return port


def pick_port(*, preferred: int, avoid: Collection[int] = ()) -> int:
    """`preferred` when it is free, else one of the next twenty, else any free one."""
    for port in range(preferred, min(preferred + 20, 65536)):
        if port not in avoid and port_is_free(port):
            return port
    return free_port(avoid)


def require_port(text: str, *, variable: str) -> int:
    """The port that the user asked for in `variable`. Raises PortTakenError, or ValueError."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ValueError(f"{variable}={text!r} is not a port number (1 to 65535).")
    port = int(text)
    if not port_is_free(port):
        raise PortTakenError(
            f"Port {port} ({variable}={port}) is already in use on {HOST}. "
            f"Stop what listens there, or leave {variable} out to have a free port picked."
        )
    return port
