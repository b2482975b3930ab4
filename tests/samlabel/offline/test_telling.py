"""A line every few seconds where there is no terminal, a bar where there is one."""

from __future__ import annotations

import io
import threading

import pytest

from samlabel.offline import telling as module
from samlabel.offline.telling import Status, telling

HANG_S = 20.0


class Lines(io.StringIO):
    """A file, or a terminal, that says when something was written."""

    def __init__(self, terminal: bool = False) -> None:
        super().__init__()
        self.terminal = terminal
        self.heard = threading.Event()

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        written = super().write(text)
        self.heard.set()
        return written


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.EVERY_S < 5.0, "what users were told"
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    monkeypatch.setattr(module, "BAR_EVERY_S", 0.01)


def test_a_line_says_what_how_much_and_how_long() -> None:
    assert Status("reading labels").line(7.2) == "7 s: reading labels"
    assert Status("training", 0.0, 10).line(5) == "5 s: training, 0 %"
    assert Status("training", 2.5, 10).line(5) == "5 s: training, 25 %, about 15 s left"
    assert Status("training", 1, 100).line(60) == "60 s: training, 1 %, about 99 min left"


def test_a_file_gets_lines_of_what_was_told_or_seen_last() -> None:
    for look in (None, lambda: Status("case 2", 1, 4)):
        file = Lines()
        with telling("loading", look, file) as tell:
            tell(Status("case 2", 1, 4))
            assert file.heard.wait(HANG_S)
        assert "case 2, 25 %" in file.getvalue().splitlines()[-1]


def test_of_two_the_inner_one_speaks() -> None:
    outer, inner = Lines(), Lines()
    with telling("outside", stream=outer):
        with telling("inside", stream=inner):
            assert inner.heard.wait(HANG_S)
            before = outer.getvalue()
            inner.heard.clear()
            assert inner.heard.wait(HANG_S) and outer.getvalue() == before
        outer.heard.clear()
        assert outer.heard.wait(HANG_S) and "outside" in outer.getvalue()


def test_a_terminal_gets_a_bar() -> None:
    screen = Lines(terminal=True)
    with telling("loading", stream=screen) as tell:
        tell(Status("case 2", 1, 4))
        while "case 2" not in screen.getvalue():
            screen.heard.clear()
            assert screen.heard.wait(HANG_S)
    assert " s: " not in screen.getvalue()
