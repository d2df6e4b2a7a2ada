"""The progress display: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io

from devstack.screen import Progress


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_elsewhere_each_finished_step_is_one_plain_line() -> None:
    output = io.StringIO()
    progress = Progress(output, steps=2)

    with progress.step("first"):
        progress.write("a line of a process\n")

    assert output.getvalue().startswith("a line of a process\n  [1/2] first (")
    assert "\r" not in output.getvalue()


def test_on_a_terminal_the_bar_does_not_wipe_out_a_line_printed_in_pieces() -> None:
    output = _Terminal()
    progress = Progress(output, steps=2)

    with progress.step("first"):
        print("a line", file=progress)

    assert "\r\033[Ka line\n\r  [" in output.getvalue()
