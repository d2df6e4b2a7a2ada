"""The processes of the product, each started again after it dies, as a platform does it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from devstack.environment import REPOSITORY
from devstack.processes import spawn, stop_group

RESTART_AFTER_S = 1.0
_POLL_S = 0.1


class Program:
    """One command line in a session of its own."""

    def __init__(self, name: str, command: str, *, environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._died_at_s = 0.0

    def start(self) -> None:
        """Start it once; a Procfile's line is a shell's."""
        with self.log.open("ab") as log:
            self._process = spawn(
                ["/bin/sh", "-c", self._command], output=log, env=self._environment, cwd=REPOSITORY
            )

    def tend(self) -> None:
        """Start it again when it has been dead for a moment."""
        if self._process is None or self._process.poll() is None:
            self._died_at_s = 0.0
            return
        now_s = time.monotonic()
        self._died_at_s = self._died_at_s or now_s
        if now_s - self._died_at_s >= RESTART_AFTER_S:
            self._died_at_s = 0.0
            self.start()

    @property
    def pid(self) -> int | None:
        """The main process, while it lives."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def children(self) -> list[int]:
        """The main process' own children."""
        try:
            return [child.pid for child in psutil.Process(self.pid).children()] if self.pid else []
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """kill -9 of the main process and all its children at once, as a lost machine does."""
        if self._process is not None:
            stop_group(self._process.pid, signals=((signal.SIGKILL, 5.0),))

    def kill_main(self) -> None:
        """kill -9 of the main process only."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL."""
        if self._process is not None:
            stop_group(self._process.pid, signals=((signal.SIGTERM, 8.0), (signal.SIGKILL, 5.0)))


class Keeper:
    """Starts programs and keeps them running. The thread that starts one must outlive it: hence a thread for all."""

    def __init__(self) -> None:
        self._programs: dict[str, Program] = {}
        self._asked: list[tuple[Program, threading.Event]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._thread.start()

    def keep(self, program: Program) -> Program:
        """Start it and keep it running."""
        started = threading.Event()
        with self._lock:
            self._asked.append((program, started))
        started.wait(30)
        return program

    def let_go(self, name: str) -> None:
        """Stop a program for good; unknown names are passed over."""
        with self._lock:
            program = self._programs.pop(name, None)
        if program is not None:
            program.stop()

    def programs(self, role: str) -> list[Program]:
        """Those whose name begins with this word."""
        with self._lock:
            return [program for name, program in self._programs.items() if name.startswith(role)]

    def stop(self) -> None:
        """Stop everything at once."""
        with self._lock:
            programs = list(self._programs.values())
            self._programs.clear()
        threads = [threading.Thread(target=program.stop) for program in programs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._stopping.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping.wait(_POLL_S):
            with self._lock:
                asked, self._asked = self._asked, []
                for program, started in asked:
                    self._programs[program.name] = program
                    program.start()
                    started.set()
                for program in self._programs.values():
                    program.tend()


def pids_of_connections(ends: Collection[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """The process at the near end of each connection, by (its local port, the remote one).

    By the local port alone it might be a stranger: the kernel gives one to several connections with other far ends.
    """
    found = {}
    for connection in psutil.net_connections("tcp"):
        if connection.pid and connection.laddr and connection.raddr:
            ends_of_it = (int(connection.laddr.port), int(connection.raddr.port))
            if ends_of_it in ends:
                found[ends_of_it] = int(connection.pid)
    return found
