"""Doors before real servers: traffic of one's own step is held, passed, dropped, or refused; all other passes."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest
import requests

from devstack.faults.doors import Doors, Held, Verdict, Watch
from devstack.faults.keeper import pids_of_connections
from devstack.faults.steps import Moment, Stage, Step
from tests.http_peers import Answer, running_peer
from tests.waiting import wait_until

TABLE = "public.faults_door"


@pytest.fixture
def doors() -> Iterator[Doors]:
    made = Doors()
    yield made
    made.close()


@pytest.fixture
def table(admin_connection: Any) -> Iterator[str]:
    with admin_connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {TABLE} (word text)")
    yield TABLE
    with admin_connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")


def step(server: str, moment: Moment, pattern: bytes) -> Step:
    return Step("step", Stage.JOINED, ("worker", server), moment, re.compile(pattern))


def held_by(watch: Watch) -> Held:
    wait_until(lambda: watch.held, 10, "traffic is held")
    return watch.held[0]


def words(connection: Any) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT word FROM {TABLE} ORDER BY word")
        return [row[0] for row in cursor.fetchall()]


class Insert(threading.Thread):
    """One transaction through the door; `outcome` is how it ended for its own process."""

    def __init__(self, doors: Doors, word: str, port: int) -> None:
        super().__init__(daemon=True)
        parts = urlsplit(os.environ["DATABASE_URL"])
        login = parts.netloc.rpartition("@")[0]
        self._url = urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}"))
        self._word = word
        self.outcome = ""

    def run(self) -> None:
        try:
            with closing(psycopg2.connect(self._url)) as connection:
                with connection, connection.cursor() as cursor:
                    cursor.execute(f"INSERT INTO {TABLE} VALUES (%s)", [self._word])
                self.outcome = "committed"
        except psycopg2.Error as error:
            self.outcome = error.pgcode or "connection lost"


def database_door(doors: Doors) -> int:
    return doors.add(("worker", "postgres"), urlsplit(os.environ["DATABASE_URL"]).port or 0)


def insert_at(doors: Doors, moment: Moment) -> tuple[Watch, Insert]:
    """Somebody whose transaction is held at this moment."""
    port = database_door(doors)
    watch = Watch(step("postgres", moment, rb"INSERT INTO public.faults_door"), lambda text: b"mine" in text)
    doors.watch([watch])
    other = Insert(doors, "other", port)
    other.start()
    other.join(10)
    assert other.outcome == "committed"
    mine = Insert(doors, "mine", port)
    mine.start()
    return watch, mine


@pytest.mark.parametrize(
    ("moment", "verdict", "outcome", "kept"),
    [
        (Moment.COMMIT, Verdict.PASS, "committed", True),
        (Moment.COMMIT, Verdict.DROP, "connection lost", False),
        (Moment.COMMIT, Verdict.REFUSE, "40001", False),
        (Moment.COMMITTED, Verdict.PASS, "committed", True),
        (Moment.COMMITTED, Verdict.DROP, "connection lost", True),
    ],
)
def test_a_transaction_is_held_before_or_after_its_commit(
    doors: Doors,
    table: str,
    admin_connection: Any,
    moment: Moment,
    verdict: Verdict,
    outcome: str,
    kept: bool,
) -> None:
    watch, mine = insert_at(doors, moment)
    held = held_by(watch)
    expected_while_held = ["mine", "other"] if moment is Moment.COMMITTED else ["other"]
    wait_until(lambda: words(admin_connection) == expected_while_held, 5, "what others see meanwhile")

    held.release(verdict)
    mine.join(10)

    assert mine.outcome == outcome
    wait_until(lambda: ("mine" in words(admin_connection)) is kept, 5, "what is kept in the end")


def test_the_next_commit_about_something_is_refused_once(
    doors: Doors, table: str, admin_connection: Any
) -> None:
    port = database_door(doors)
    doors.refuse_next_commit(lambda text: b"mine" in text)

    outcomes = []
    for word in ("other", "mine", "mine"):
        one = Insert(doors, word, port)
        one.start()
        one.join(10)
        outcomes.append(one.outcome)

    assert outcomes == ["committed", "40001", "committed"]


@pytest.mark.parametrize("moment", [Moment.REQUEST, Moment.ANSWER])
def test_a_request_is_held_before_it_arrives_or_its_answer_before_it_returns(
    doors: Doors, moment: Moment
) -> None:
    with running_peer() as peer:
        peer.always(Answer(200, {"ok": True}))
        port = doors.add(("worker", "stripe"), peer.server.server_port)
        watch = Watch(step("stripe", moment, rb"POST /send"), lambda text: b"mine" in text)
        doors.watch([watch])
        assert requests.post(f"http://127.0.0.1:{port}/send", data=b"other", timeout=5).ok
        answers: list[int] = []

        def send() -> None:
            with suppress(requests.ConnectionError):
                answers.append(
                    requests.post(f"http://127.0.0.1:{port}/send", data=b"mine", timeout=10).status_code
                )

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        held = held_by(watch)
        assert len(peer.asked) == (2 if moment is Moment.ANSWER else 1)

        held.release(Verdict.DROP)
        sender.join(10)

        assert answers == []
        assert len(peer.asked) == (2 if moment is Moment.ANSWER else 1)


def test_every_connection_to_a_server_can_be_cut(doors: Doors) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = doors.add(("worker", "redis"), server.getsockname()[1])
        with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as client:
            client.sendall(b"PING")
            inside = server.accept()[0]
            assert inside.recv(4) == b"PING"

            doors.cut(["redis"])

            with suppress(ConnectionResetError):
                assert client.recv(1) == b""
            inside.close()


def test_what_is_held_leads_to_its_process_and_to_no_other(doors: Doors) -> None:
    with running_peer() as peer:
        peer.always(Answer(200, {}))
        port = doors.add(("worker", "stripe"), peer.server.server_port)
        watch = Watch(step("stripe", Moment.REQUEST, rb"POST /send"), lambda _text: True)
        doors.watch([watch])
        command = f"import requests; requests.post('http://127.0.0.1:{port}/send', data=b'x', timeout=10)"
        with subprocess.Popen([sys.executable, "-c", command]) as sender:
            held = held_by(watch)

            assert pids_of_connections({held.ends}) == {held.ends: sender.pid}
            # The same port with another far end is somebody else's.
            assert pids_of_connections({(held.ends[0], held.ends[1] + 1)}) == {}

            held.release(Verdict.PASS)
