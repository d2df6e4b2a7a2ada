"""Where a fault strikes: the stack, the sales that are under way, and their traffic that stands still."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from devstack.faults.doors import Held, Verdict
from devstack.faults.keeper import pids_of_connections
from devstack.faults.place import Place
from devstack.faults.sale import Sale


class Scene:
    """What a fault may look at and decide about. Everything that is held passes in the end, unless it is dropped."""

    def __init__(self, place: Place, held: dict[Sale, list[Held]], sales: Sequence[Sale]) -> None:
        self.place, self.sales = place, sales
        self.by_sale = held
        self.held = [one for several in held.values() for one in several]
        ends = {one.ends for one in self.held}
        self._pids = pids_of_connections(ends) if ends else {}
        self._undo: list[Callable[[], None]] = []
        self._threads: list[threading.Thread] = []

    def pid_of(self, held: Held) -> int | None:
        """The process whose traffic it is."""
        return self._pids.get(held.ends)

    def drop(self, is_gone: Callable[[Held], bool]) -> None:
        """What is held of this kind never arrives: who sent it, or who was to get it, is gone."""
        for one in self.held:
            if is_gone(one):
                one.release(Verdict.DROP)

    def pass_all(self) -> None:
        """Let everything go on about which nothing else was decided."""
        for one in self.held:
            one.release(Verdict.PASS)

    def keep_from_passing(self, held: Sequence[Held]) -> None:
        """Whoever asks for this releases it later."""
        self.held = [one for one in self.held if one not in held]

    def meanwhile(self, do: Callable[[], None], *, after_s: float = 0.0) -> None:
        """Do it in a thread of its own, after a while; the stroke is not over before it is done."""

        def wait() -> None:
            time.sleep(after_s)
            do()

        thread = threading.Thread(target=wait, daemon=True)
        self._threads.append(thread)
        thread.start()

    def undo_at_the_end(self, do: Callable[[], None]) -> None:
        """Once all sales are through or given up."""
        self._undo.append(do)

    def end(self) -> None:
        """The stroke is over: take away what the fault left standing."""
        for thread in self._threads:
            thread.join()
        for undo in reversed(self._undo):
            undo()
