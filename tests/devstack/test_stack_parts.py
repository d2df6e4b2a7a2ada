"""Ports, kept secrets and the supervisor of the Procfile's processes."""

from __future__ import annotations

import io
import os
import socket
import stat
from pathlib import Path

import pytest

from devstack.environment import (
    PORT_VARIABLES,
    Stack,
    State,
    as_shell,
    choose_ports,
    keep_secrets,
    running_stack,
)
from devstack.ports import PortTakenError
from devstack.processes import is_running
from devstack.supervisor import Supervisor, procfile_commands
from tests.servers import REPOSITORY


def test_a_taken_port_that_was_asked_for_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        with pytest.raises(PortTakenError, match=f"Port {port} .PORT={port}. is already in use"):
            choose_ports(State(tmp_path), {"PORT": str(port)})


def test_a_taken_port_that_nobody_asked_for_is_avoided(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        State(tmp_path).write("ports.json", {"web": taken})

        chosen = choose_ports(State(tmp_path), {})

    assert taken not in chosen.values()
    assert len(set(chosen.values())) == len(PORT_VARIABLES)


def test_ports_and_secrets_are_the_same_at_the_next_start(tmp_path: Path) -> None:
    state = State(tmp_path)

    assert choose_ports(state, {}) == choose_ports(state, {})
    assert keep_secrets(state) == keep_secrets(state)
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_what_is_no_port_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="PORT='http' is not a port number"):
        choose_ports(State(tmp_path), {"PORT": "http"})


def test_a_running_stack_is_found_until_it_withdraws(tmp_path: Path) -> None:
    stack = _stack(tmp_path)
    assert running_stack(tmp_path) is None

    stack.announce()
    assert running_stack(tmp_path) == stack
    assert "export REDIS_URL='a b'" in as_shell(stack)

    stack.withdraw()
    assert running_stack(tmp_path) is None


def test_a_stack_whose_process_is_gone_does_not_run(tmp_path: Path) -> None:
    stack = _stack(tmp_path)
    stack.announce()
    # The same pid, given to another process later.
    stack.state.write("stack.json", {**stack.state.read("stack.json"), "started_at": 1.0})

    assert running_stack(tmp_path) is None


def test_the_procfile_holds_the_three_services() -> None:
    assert list(procfile_commands(REPOSITORY / "Procfile")) == ["web", "worker", "beat"]


def test_a_process_that_dies_early_is_named_with_its_last_lines(tmp_path: Path) -> None:
    output = io.StringIO()
    supervisor = _supervisor({"good": "exec sleep 30", "bad": "echo about to fail; exit 3"}, tmp_path, output)
    supervisor.start()

    assert not supervisor.wait_until(lambda: False, 10)

    assert supervisor.pump() == {"bad": 3}
    assert supervisor.tail("bad") == "about to fail"
    supervisor.stop()
    assert "bad  | about to fail" in output.getvalue()


def test_stopping_ends_whole_process_groups(tmp_path: Path) -> None:
    command = f"sleep 40 & echo $! > {tmp_path}/child; echo ready; wait"
    supervisor = _supervisor({"parent": command}, tmp_path, io.StringIO())
    supervisor.start()
    assert supervisor.wait_until(lambda: supervisor.tail("parent") == "ready", 10)
    child = int((tmp_path / "child").read_text())
    assert is_running(child)

    supervisor.stop()

    assert not is_running(child)


def _supervisor(commands: dict[str, str], directory: Path, output: io.StringIO) -> Supervisor:
    return Supervisor(commands, environment=os.environ, directory=directory, output=output)


def _stack(directory: Path) -> Stack:
    url = "http://127.0.0.1:1"
    return Stack(
        state=State(directory),
        web_url=url,
        stripe_url=url,
        fireblocks_url=url,
        issuer_url=url,
        variables={"REDIS_URL": "a b"},
        seed={"site_code": "DEMO"},
    )
