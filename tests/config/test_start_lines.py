"""What start commands print becomes log lines."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest

from apps.core.logging import JsonFormatter
from config.start_lines import JsonLines, say_in_signal_handler


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


def written(output: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_each_line_is_one_object_however_it_was_written(output: io.StringIO) -> None:
    lines = JsonLines(output, logger="manage.migrate")

    lines.write("  Applying vesting.0001_initial...")
    lines.flush()
    lines.write(" OK\n\nRunning\n")

    assert [(line["level"], line["logger"], line["message"]) for line in written(output)] == [
        ("info", "manage.migrate", "Applying vesting.0001_initial... OK"),
        ("info", "manage.migrate", "Running"),
    ]


def test_a_line_without_an_end_is_said_when_the_command_ends(output: io.StringIO) -> None:
    lines = JsonLines(output, logger="manage.migrate")
    lines.write("134 static files copied")

    lines.close()

    assert [line["message"] for line in written(output)] == ["134 static files copied"]
    assert not output.closed


def test_a_secret_that_a_command_prints_is_redacted(output: io.StringIO) -> None:
    with JsonLines(output, logger="manage.migrate") as lines:
        lines.write("postgresql://postgres:hunter2hunter2@host/railway refused\n")

    assert "hunter2" not in output.getvalue()
    assert "refused" in output.getvalue()


def test_a_signal_handler_speaks_while_logging_is_locked(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    monkeypatch.setattr(sys, "__stdout__", None)  # the file descriptor itself, which capfd reads

    say_in_signal_handler("worker: Warm shutdown (MainProcess)")

    (line,) = capfd.readouterr().out.splitlines()
    assert (json.loads(line)["level"], json.loads(line)["message"]) == (
        "info",
        "worker: Warm shutdown (MainProcess)",
    )
