"""Tables, judgements and progress: on a terminal that can be drawn on, and as plain lines."""

import io

import pytest

from wyoming_csm.terminal import judged, passing, progress, table


class Terminal(io.StringIO):
    """A file that says it is one."""

    def isatty(self) -> bool:
        return True


def test_a_plain_table_has_its_numbers_on_the_right() -> None:
    out = io.StringIO()
    table(("server", "ms"), [("a", "5"), ("longer", "1234")], out)
    assert out.getvalue() == "server    ms\na          5\nlonger  1234\n"


def test_a_table_on_a_terminal_has_the_same_cells() -> None:
    pytest.importorskip("rich")
    out = Terminal()
    table(("server", "ms"), [("[b]a", "5")], out)
    assert "[b]a" in out.getvalue(), "no words of a server's are taken for colours"


def test_a_judgement_has_its_cure_below() -> None:
    out = io.StringIO()
    judged("fail", "port", "taken", "end nginx", out)
    assert out.getvalue() == f"fail port        taken\n{'':17}→ end nginx\n"
    lines = io.StringIO()
    judged("ok", "disk", "word " * 30, "", lines, width=60)
    assert max(map(len, lines.getvalue().splitlines())) <= 60
    coloured = Terminal()
    judged("ok", "disk", "full", "", coloured)
    assert coloured.getvalue().startswith("\x1b[32mok  \x1b[0m disk")


def test_lines_that_differ_in_numbers_come_now_and_then() -> None:
    out, now = io.StringIO(), 0.0
    with progress(out, lambda: now) as tell:
        for second in range(25):
            now = float(second)
            tell(f"downloading: {second} of 25 MB")
        tell("unpacking")
        tell("")
    assert out.getvalue().splitlines() == [
        "downloading: 0 of 25 MB", "downloading: 10 of 25 MB", "downloading: 20 of 25 MB",
        "unpacking",
    ]  # fmt: skip


def test_a_bar_is_drawn_on_a_terminal() -> None:
    pytest.importorskip("rich")
    out = Terminal()
    with progress(out) as tell:
        tell("downloading [x]: 5 of 10 MB")
        tell("compiling")
    assert "compiling" in out.getvalue()


def test_passing_words_go_again() -> None:
    out = Terminal()
    passing("loading …", out)
    passing("", out)
    assert out.getvalue() == "\r\x1b[Kloading …\r\x1b[K"
    plain = io.StringIO()
    passing("loading …", plain)
    assert plain.getvalue() == ""
