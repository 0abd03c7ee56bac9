"""How far a batch is: a bar on a terminal, plain lines elsewhere, nothing where nobody wants it."""

from __future__ import annotations

import io
import re
import threading
from pathlib import Path

import pytest

from convcli.reports.progress import Bar, Plain, Tally
from tests.support import noise, on_terminal, run, save

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for number in range(20):
        save(Path(f"{number:02d}.png"), noise(60, 50, 3))
    return tmp_path


def names() -> list[Path]:
    return sorted(Path().glob("*.png"))


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_bar_on_a_terminal(here: Path, columns: int) -> None:
    Path("07.png").write_text("<html></html>")
    Path("[").mkdir()
    Path("08.png").rename("[/red]\x1b[31m\n.png")
    inputs = [*names(), Path("[/red]\x1b[31m\n.png"), "[/red]absent\x1b[31m\n.png"]
    code, seen = on_terminal("apply", *inputs, "-k", "identity", "-o", "out/", "-j2", columns=columns)
    assert code == 1
    assert "\x1b[31m\n" not in seen
    plain = ESCAPES.sub("", seen)
    assert re.search(r"\d+/21 .*/s, .* MP/s .*0:00:\d\d left", plain)
    assert "Error: 07.png: not an image (looks like HTML)\n" in plain
    assert "Error: [/red]absent\\x1b[31m\\n.png: no file matches this pattern\n" in plain
    assert re.fullmatch(r"19 done, 2 failed in .* s \(.*/s, .* MP/s\)", plain.rstrip("\n").splitlines()[-1])
    assert all(len(line) <= columns for part in plain.split("\r") for line in part.splitlines() if "━" in line)


def test_quiet_and_json_show_no_bar(here: Path) -> None:
    code, seen = on_terminal("apply", *names(), "-k", "identity", "-o", "quiet/", "-q", "-j2")
    assert (code, seen) == (0, "")
    code, seen = on_terminal("apply", *names(), "-k", "identity", "-o", "json/", "--json", "-j2")
    assert (code, "\x1b" in seen, len(seen.splitlines())) == (0, False, 20)


def test_reports_of_a_batch_stand_above_the_bar(here: Path) -> None:
    _, seen = on_terminal("apply", *names(), "-k", "identity", "-o", "out/", "--report", "-j2")
    lines = [line for line in ESCAPES.sub("", seen).replace("\r", "\n").splitlines() if " -> out/" in line]
    assert [line.split()[0] for line in lines] == [str(name) for name in names()]


def test_a_short_batch_says_nothing_where_nobody_watches(here: Path) -> None:
    result = run("apply", *names(), "-k", "identity", "-o", "out/", "-j1")
    assert (result.code, result.err) == (0, "")


def test_plain_lines_every_ten_seconds() -> None:
    now = 100.0
    out, tally = io.StringIO(), Tally(1000, clock=lambda: now)
    plain = Plain(tally, out)
    for second in range(35):
        now = 100.0 + second
        for number in range(20):
            tally.add("failed" if second == 12 and not number else "done", 0.5)
        plain.update()
    assert out.getvalue() == (
        "220 of 1000, 22/s, 11 MP/s, 0:00:35 left\n"
        "420 of 1000, 1 failed, 21/s, 10.5 MP/s, 0:00:28 left\n"
        "620 of 1000, 1 failed, 20.7/s, 10.3 MP/s, 0:00:18 left\n"
    )
    assert tally.summary() == "699 done, 1 failed in 34.0 s (20.6/s, 10.3 MP/s)"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    before, out, now = threading.active_count(), Terminal(), 5.0
    tally = Tally(10, clock=lambda: now)
    bar = Bar(tally, out)
    tally.add("done", 1.0)
    bar.update()
    tally.add("failed", 0.0)
    now = 6.0
    bar.update()
    assert "2/10 2/s, 1 MP/s 0:00:04 left 1 failed" in ESCAPES.sub("", out.getvalue())
    assert threading.active_count() == before
    bar.say("Error: x\n")
    bar.close()
    bar.say("the end\n")
    assert "Error: x\n" in out.getvalue() and out.getvalue().endswith("the end\n")
