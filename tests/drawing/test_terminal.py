"""Previews: by the terminal's protocol, read back; half blocks; nothing where there is no terminal."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convcli
from convcli.drawing import terminal
from tests.support import SAMPLES, noise, on_terminal, read, run


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "blocks"),
        ({"TERM": "xterm-256color"}, "blocks"),
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "foot"}, "sixel"),
        ({"WT_SESSION": "1"}, "sixel"),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, "blocks"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, "blocks"),
    ],
    ids=str,
)
def test_terminals_are_known_by_their_environment(environment: dict[str, str], expected: str) -> None:
    assert terminal.protocol(environment) == expected


def test_pictures_of_kitty_and_iterm_are_pngs() -> None:
    pixels = noise(40, 60, 3)
    for protocol, pattern in (("kitty", r"\x1b_G[^;]*;([^\x1b]*)\x1b\\"), ("iterm", r"1337;[^:]*:([^\x07]*)\x07")):
        stream = io.StringIO()
        terminal.show(pixels, stream, protocol)
        data = "".join(re.findall(pattern, stream.getvalue()))
        np.testing.assert_array_equal(read(base64.b64decode(data)), pixels)


MOVING = convcli.draw.steps("[[1, 2]]", values=[[1, 2, 3]])


def test_kitty_gets_all_frames_the_complete_one_first() -> None:
    stream = io.StringIO()
    assert terminal.show_drawing(MOVING, stream, "kitty")
    commands = [
        (dict(key.split("=") for key in keys.split(",")), data)
        for keys, _, data in re.findall(r"\x1b_G([^;\x1b]*)(;([^\x1b]*))?\x1b\\", stream.getvalue())
    ]
    files: list[tuple[dict[str, str], str]] = []
    for keys, data in commands[:-2]:
        if "f" in keys:
            files.append((keys, data))
        else:  # a picture goes on
            assert keys.get("a", "T") == files[-1][0]["a"]
            files[-1] = files[-1][0], files[-1][1] + data
    assert [keys["a"] for keys, _ in files] == ["T", "f", "f"] and len({keys["i"] for keys, _ in files}) == 1
    order = [MOVING.pixels()[k] for k in (2, 0, 1)]
    for (_, data), pixels in zip(files, order, strict=True):
        np.testing.assert_array_equal(read(base64.b64decode(data)), pixels)
    durations = MOVING.scene.durations
    assert [keys["z"] for keys, _ in files[1:]] == [str(duration) for duration in durations[:-1]]
    (first, _), (run_, _) = commands[-2:]
    assert (first["a"], first["r"], first["z"]) == ("a", "1", str(durations[-1]))
    assert (run_["a"], run_["s"], run_["v"]) == ("a", "3", "1")


def test_iterm_gets_a_gif_that_begins_with_the_complete_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM_PROGRAM", "iTerm.app")
    stream = io.StringIO()
    assert terminal.show_drawing(MOVING, stream, "iterm")
    actual = re.search(r"1337;[^:]*:([^\x07]*)\x07", stream.getvalue())
    assert actual
    with Image.open(io.BytesIO(base64.b64decode(actual[1]))) as image:
        assert image.format == "GIF" and getattr(image, "n_frames", 1) == 3
        displayed = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(displayed - MOVING.pixels()[2]).mean() < 1 < np.abs(displayed - MOVING.pixels()[0]).mean()


@pytest.mark.parametrize(
    ("kind", "environment", "expected"),
    [
        ("kitty", {"TERM": "xterm-kitty"}, True),
        ("kitty", {"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, False),
        ("iterm", {"TERM_PROGRAM": "WezTerm"}, True),
        ("iterm", {"TERM_PROGRAM": "vscode"}, False),
        ("sixel", {"TERM": "foot"}, False),
        ("blocks", {}, False),
    ],
)
def test_frames_are_sent_where_they_are_all_shown(kind: str, environment: dict[str, str], expected: bool) -> None:
    assert terminal.moves(kind, environment) is expected


def test_sixels_are_the_picture() -> None:
    pixels = np.zeros((13, 20, 3), np.uint8)
    pixels[2:9, 3:15] = 213, 94, 0
    pixels[5:, 10:] = 0, 114, 178
    text = terminal.sixel(pixels)
    assert text.startswith('\x1bP0;1q"1;1;20;13') and text.endswith("\x1b\\\n")
    colours = {int(k): tuple(map(int, rgb.split(";"))) for k, rgb in re.findall(r"#(\d+);2;([\d;]+)", text)}
    drawn = np.zeros((18, 20, 3))
    body = re.sub(r"#\d+;2;[\d;]+", "", text[len('\x1bP0;1q"1;1;20;13') : -3])
    for band, rows in enumerate(body.split("-")[:-1]):
        for line in rows.split("$"):
            colour, runs = re.fullmatch(r"#(\d+)(.*)", line, re.S).groups()  # type: ignore[union-attr]
            column = 0
            for count, character in re.findall(r"(?:!(\d+))?([?-~])", runs):
                for _ in range(int(count or 1)):
                    for bit in range(6):
                        if (ord(character) - 63) >> bit & 1:
                            drawn[6 * band + bit, column] = colours[int(colour)]
                    column += 1
            assert column == 20
    np.testing.assert_allclose(drawn[:13] * 2.55, pixels, atol=1.3)


@pytest.mark.parametrize("columns", [80, 120])
def test_half_blocks_are_the_filtered_picture(columns: int, tmp_path: Path) -> None:
    flat = tmp_path / "flat.png"
    Image.new("RGB", (2000, 800), (200, 80, 40)).save(flat)
    code, seen = on_terminal("apply", flat, "-k", "sharpen", "-o", "-", columns=columns)
    assert code == 0
    lines = [line for line in seen.splitlines() if "▀" in line]
    assert len(lines) == round(columns * 0.4 / 2)
    assert {line.count("▀") for line in lines} == {columns}
    assert set(tmp_path.iterdir()) == {flat}


def test_weights_are_numbers_on_cells_where_there_are_no_pixels() -> None:
    for arguments in (("draw", "kernel", "sobel-x"), ("show", "--draw", "sobel-x")):
        code, seen = on_terminal(*arguments, columns=80)
        assert code == 0 and "▀" not in seen
        plain = re.sub(r"\x1b\[[\d;]*m", "", seen)
        assert [line.split() for line in plain.splitlines()[-3:]] == [
            ["−1", "0", "1"], ["−2", "0", "2"], ["−1", "0", "1"]
        ]  # fmt: skip
        assert "\x1b[" in seen


def test_animations_are_shown_by_their_last_step() -> None:
    code, seen = on_terminal("draw", "steps", "sharpen", "--size", "3x3", "--terminal", "sixel", columns=80)
    assert code == 0
    assert "\x1bP" in seen and "The last of 9 steps; -o FILE.svg has them all." in seen


def test_animations_move_where_they_fit_and_their_text_is_text() -> None:
    values = ["--values", "[[1, 2, 3], [4, 5, 6]]", "--seconds", "0.01"]
    code, seen = on_terminal("draw", "steps", "[[1, 2]]", *values, columns=60)
    assert code == 0
    steps = re.split(r"\x1b\[\d+A", seen)
    assert len(steps) in (1, 6) and (len(steps) == 6) is ("The last of" not in seen)
    plain = re.sub(r"\x1b\[[\d;]*m", "", steps[-1])
    assert "▀input▀" in plain and "▀output▀" in plain and "6·1 + 5·2 = 16" in plain


def test_no_terminal_no_picture() -> None:
    assert run("draw", "steps", "sharpen").err.splitlines() == [
        "Error: where to?",
        "  hint: convcli draw steps sharpen -o steps.svg",
    ]
    done = run("show", "--draw", "sobel-x")
    assert done.code == 0 and b"\x1b" not in done.out
    assert b"-2  0  2" in done.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["apply", "x.npy", "-k", "sharpen", "-o", "-"],
        ["apply", str(SAMPLES / "scene.jpg"), "-k", "sharpen", "-o", "-", "--format", "png"],
        ["draw", "kernel", "sharpen", "-o", "-", "--format", "svg"],
    ],
    ids=str,
)
def test_bytes_are_not_written_to_a_terminal(arguments: list[str], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", noise(4, 5))
    code, seen = on_terminal(*arguments, cwd=tmp_path)
    assert code == 2 and "won't be written to a terminal" in seen


def test_show_draws_slices_and_refuses_banks() -> None:
    done = run("show", "--draw", "{type: separable, axes: zyx, taps: [1, 2, 1]}")
    assert done.out.decode().count("z = ") == 3
    assert run("show", "--draw", "sharpen:amount=2").out.split()[-5] == b"9"
    assert "is mixed with the picture" in run("show", "--draw", "sharpen:threshold=.1").errors()[0]
    assert run("show", "--draw", "luma").errors() == ["Error: kernel 'luma' is a filter bank"]
    assert run("show", "--draw", "sharpen", "--json").code == 2
    assert convcli.load("luma").channels


@pytest.mark.parametrize("columns", [80, 120])
def test_no_text_of_a_drawing_is_lost_without_a_sign(columns: int) -> None:
    """Lines that are closer than the terminal's are moved, and what is longer than these ends in dots."""
    layers = convcli.draw.layers().scene
    written = terminal._letters(layers, columns, round(columns * layers.height / layers.width / 2), dark=False)
    lines = ["".join(written[place][0] for place in sorted(written) if place[0] == row) for row in range(columns)]
    assert sum("7×7×3" in line for line in lines) == 3  # the sentence above, and both inputs
    lens = convcli.draw.offsets("lens", noise(48, 64, 3)).scene
    cut = terminal._letters(lens, columns, 40, dark=False).values()
    assert ("…" in {letter for letter, _ in cut}) is (columns < 100)
