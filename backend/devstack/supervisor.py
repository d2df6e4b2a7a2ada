"""The Procfile's processes, each a honcho process: its lines prefixed by its name, all ended together."""

from __future__ import annotations

import functools
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import honcho.colour
import honcho.environ
import honcho.process
from honcho.printer import Message, Printer

from devstack.processes import die_with_parent, stop_group

TAIL_LINES = 15
STOP_TIMEOUT_S = 12.0


def procfile_commands(path: Path) -> dict[str, str]:
    """Name and command line of each process, as honcho reads them."""
    return dict(honcho.environ.parse_procfile(path.read_text()).processes)


class TextOutput(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> int: ...

    def flush(self) -> None: ...

    def isatty(self) -> bool: ...


class _Process(honcho.process.Process):  # type: ignore[misc]
    """honcho's process, ended by the kernel when this process dies without stopping it."""

    def run(self, events: queue.Queue[Message]) -> None:
        # Made in the thread that forks: the child's life hangs on it.
        self._child_ctor = functools.partial(honcho.process.Popen, preexec_fn=die_with_parent(signal.SIGTERM))
        super().run(events)


class Supervisor:
    """Starts, prints, watches and stops. `pump` is to be called by one thread only."""

    def __init__(
        self,
        commands: Mapping[str, str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        output: TextOutput,
    ) -> None:
        self._events: queue.Queue[Message] = queue.Queue()
        self._printer = Printer(output, width=max(map(len, commands)))
        self._tails: dict[str, deque[str]] = {name: deque(maxlen=TAIL_LINES) for name in commands}
        self._pids: dict[str, int] = {}
        self._ended: dict[str, int] = {}
        colours = honcho.colour.get_colours()
        self._processes = {
            name: _Process(
                command, name=name, colour=next(colours), env=dict(environment), cwd=str(directory)
            )
            for name, command in commands.items()
        }

    def start(self) -> None:
        """Start every process, each read by its own thread."""
        for name, process in self._processes.items():
            threading.Thread(target=process.run, args=[self._events], name=name, daemon=True).start()

    def pump(self, timeout_s: float = 0.2) -> dict[str, int]:
        """Print what has arrived within `timeout_s`; returns the exit codes of processes that ended."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            try:
                self._take(self._events.get(timeout=left))
            except queue.Empty:
                break
        return dict(self._ended)

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> bool:
        """Pump until `ready` answers true; False when a process ends first or the time is over."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.pump(0.1):
                return False
            if ready():
                return True
        return False

    def tail(self, name: str) -> str:
        """The last lines of a process."""
        return "\n".join(self._tails[name])

    def stop(self) -> None:
        """SIGTERM to all at once, SIGKILL to what is left; prints their last lines."""
        living = {name: pid for name, pid in self._pids.items() if name not in self._ended}
        threads = [threading.Thread(target=_end_group, args=[pid]) for pid in living.values()]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self.pump(0.1)
        self.pump(0.1)

    def _take(self, message: Message) -> None:
        if message.type == "start":
            self._pids[message.name] = message.data["pid"]
        elif message.type == "stop":
            self._ended[message.name] = message.data["returncode"]
        else:
            self._tails[message.name].append(message.data.decode(errors="replace").rstrip("\n"))
            self._printer.write(message)


def _end_group(pid: int) -> None:
    stop_group(pid, signals=((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, 5.0)))
