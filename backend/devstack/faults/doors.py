"""Doors between the processes and what they talk to: everything passes, until a step is watched and its traffic held.

All doors live in one thread. Whoever watches, waits and decides does so from another.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from enum import StrEnum

from devstack.faults.steps import Moment, Step
from devstack.faults.wire import COMMIT, ROLLBACK, SERIALIZATION_FAILURE, HttpRequests, Transaction
from devstack.ports import HOST, free_port

_CHUNK = 64 * 1024
Name = tuple[str, str]  # who asks, whom


class Verdict(StrEnum):
    """What becomes of held traffic."""

    PASS = "pass"  # noqa: S105 - the word for letting through
    DROP = "drop"  # never arrives; both ends see the connection end
    REFUSE = "refuse"  # a COMMIT only: undone, and answered with a serialization failure


class Held:
    """Traffic of one sale that stands still at its step."""

    def __init__(self, watch: Watch, ends: tuple[int, int], loop: asyncio.AbstractEventLoop) -> None:
        """``ends``: the ports of the connection, its process' own and the door's."""
        self.watch = watch
        self.ends = ends
        self.since_s = time.monotonic()
        self._loop = loop
        self._verdict: asyncio.Future[Verdict] = loop.create_future()

    async def wait(self) -> Verdict:
        return await self._verdict

    def release(self, verdict: Verdict) -> None:
        """Decide, from any thread; a second decision changes nothing."""

        def decide() -> None:
            if not self._verdict.done():
                self._verdict.set_result(verdict)

        self._loop.call_soon_threadsafe(decide)


class Watch:
    """One step of one sale. ``is_about`` says whether bytes are the sale's; ``held`` is what stands still.

    Once ``open`` is False nothing more is held, but a watch with ``verdict`` still applies it to what comes next, once.
    """

    def __init__(self, step: Step, is_about: Callable[[bytes], bool]) -> None:
        self.step = step
        self.is_about = is_about
        self.held: list[Held] = []

    def fits(self, text: bytes) -> bool:
        """Whether this is the traffic that the watch waits for."""
        return self.step.pattern.search(text) is not None and self.is_about(text)


class Doors:
    """Every door of a stack."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="doors", daemon=True)
        self._lock = threading.Lock()
        self._watches: dict[Name, list[Watch]] = {}
        # Of whom the next COMMIT through a door to PostgreSQL is refused.
        self._refused: list[Callable[[bytes], bool]] = []
        self._crossings: dict[Name, set[_Crossing]] = {}
        self._servers: list[asyncio.Server] = []
        self._thread.start()

    def add(self, name: Name, target_port: int) -> int:
        """A new open door to 127.0.0.1:``target_port``; its port."""
        port = free_port()
        crossings = self._crossings.setdefault(name, set())

        async def admit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            crossing = _Crossing(self, name, reader, writer)
            crossings.add(crossing)
            try:
                await crossing.run(target_port)
            finally:
                crossings.discard(crossing)

        async def listen() -> asyncio.Server:
            return await asyncio.start_server(admit, HOST, port, limit=_CHUNK)

        self._servers.append(asyncio.run_coroutine_threadsafe(listen(), self._loop).result(10))
        return port

    def watch(self, watches: Iterable[Watch]) -> None:
        """Hold the traffic of these steps from now on."""
        with self._lock:
            for watch in watches:
                self._watches.setdefault(watch.step.door, []).append(watch)

    def watch_nothing(self) -> None:
        """Let everything pass again; what is held stays so until it is released."""
        with self._lock:
            self._watches.clear()

    def refuse_next_commit(self, is_about: Callable[[bytes], bool]) -> None:
        """The next transaction about this ends in a serialization failure."""
        with self._lock:
            self._refused.append(is_about)

    def cut(self, servers: Iterable[str]) -> None:
        """End every connection to these servers, by name."""
        wanted = set(servers)

        def cut_all() -> None:
            for name, crossings in self._crossings.items():
                if name[1] in wanted:
                    for crossing in list(crossings):
                        crossing.cut()

        self._loop.call_soon_threadsafe(cut_all)

    def close(self) -> None:
        """Shut every door."""

        async def stop() -> None:
            for server in self._servers:
                server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    # Called by crossings, in the thread of the doors.

    def held_at(
        self, name: Name, moments: tuple[Moment, ...], text: bytes, ends: tuple[int, int]
    ) -> Held | None:
        """The traffic is somebody's whose step this is: it is held."""
        with self._lock:
            for watch in self._watches.get(name, ()):
                if watch.step.moment in moments and watch.fits(text):
                    held = Held(watch, ends, self._loop)
                    watch.held.append(held)
                    return held
        return None

    def expects(self, name: Name, moment: Moment, text: bytes) -> bool:
        """Whether what comes back now is to be held."""
        with self._lock:
            return any(
                watch.step.moment is moment and watch.fits(text) for watch in self._watches.get(name, ())
            )

    def takes_refusal(self, text: bytes) -> bool:
        """Whether this transaction is to be refused; True once for each time it was asked for."""
        with self._lock:
            for is_about in self._refused:
                if is_about(text):
                    self._refused.remove(is_about)
                    return True
        return False


class _Crossing:
    """One connection through a door."""

    def __init__(
        self, doors: Doors, name: Name, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._doors, self._name = doors, name
        self._reader, self._writer = reader, writer
        client, door = (int(writer.get_extra_info(end)[1]) for end in ("peername", "sockname"))
        self._ends = (client, door)
        self._server: asyncio.StreamWriter | None = None
        # The text whose answer is to be held, and an answer that is swallowed (a ROLLBACK of ours).
        self._answer_of = b""
        self._answer_moment = Moment.ANSWER
        self._swallow: asyncio.Future[None] | None = None

    async def run(self, target_port: int) -> None:
        """Forward both ways until one side ends."""
        try:
            server_reader, self._server = await asyncio.open_connection(HOST, target_port, limit=_CHUNK)
        except OSError:
            self.cut()
            return
        up = self._up_postgres if self._name[1] == "postgres" else self._up
        if self._name[1] in ("stripe", "fireblocks", "chain", "web"):
            up = self._up_http
        ways = [asyncio.ensure_future(up()), asyncio.ensure_future(self._down(server_reader))]
        _done, left = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for writer in (self._writer, self._server):
            writer.close()  # after what was written last has left
        for way in left:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)

    def cut(self) -> None:
        """End both connections."""
        for writer in (self._writer, self._server):
            if writer is not None:
                with contextlib.suppress(OSError, RuntimeError):
                    writer.transport.abort()

    async def _up(self) -> None:
        while data := await self._reader.read(_CHUNK):
            await self._to_server(data)

    async def _up_http(self) -> None:
        requests = HttpRequests()
        while data := await self._reader.read(_CHUNK):
            for request in requests.feed(data):
                if not await self._passes((Moment.REQUEST,), request):
                    return
                if self._doors.expects(self._name, Moment.ANSWER, request):
                    self._answer_of, self._answer_moment = request, Moment.ANSWER
                await self._to_server(request)

    async def _up_postgres(self) -> None:
        transaction = Transaction()
        while data := await self._reader.read(_CHUNK):
            if not transaction.feed(data):
                await self._to_server(data)
                continue
            text = transaction.text
            transaction.end()
            verdict = await self._verdict((Moment.COMMIT,), text)
            if verdict is Verdict.DROP:
                return
            if verdict is Verdict.REFUSE or self._doors.takes_refusal(text):
                await self._refuse_commit()
                continue
            if self._doors.expects(self._name, Moment.COMMITTED, text):
                self._answer_of, self._answer_moment = text, Moment.COMMITTED
            await self._to_server(COMMIT)

    async def _refuse_commit(self) -> None:
        self._swallow = asyncio.get_running_loop().create_future()
        await self._to_server(ROLLBACK)
        await self._swallow
        self._swallow = None
        self._writer.write(SERIALIZATION_FAILURE)
        await self._writer.drain()

    async def _down(self, server_reader: asyncio.StreamReader) -> None:
        while data := await server_reader.read(_CHUNK):
            if self._swallow is not None:
                if not self._swallow.done():
                    self._swallow.set_result(None)
                continue
            if text := self._answer_of:
                self._answer_of = b""
                if not await self._passes((self._answer_moment,), text):
                    return
            self._writer.write(data)
            await self._writer.drain()

    async def _passes(self, moments: tuple[Moment, ...], text: bytes) -> bool:
        return await self._verdict(moments, text) is not Verdict.DROP

    async def _verdict(self, moments: tuple[Moment, ...], text: bytes) -> Verdict:
        held = self._doors.held_at(self._name, moments, text, self._ends)
        return await held.wait() if held is not None else Verdict.PASS

    async def _to_server(self, data: bytes) -> None:
        assert self._server is not None
        self._server.write(data)
        await self._server.drain()
