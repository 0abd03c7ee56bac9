"""What people type first, as other programs want it, and the answer each gets: one that works as it stands."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from convcli import errors
from convcli.cli import words as command_words
from convcli.spec import words
from convcli.spec.fillings import FILLINGS
from tests.support import SAMPLES, noise, run, save

#: What is typed behind `convcli`, and what the hint says to type instead: a line each of guesses.txt, under headings.
GUESSES = [
    line.split(" => ")
    for line in (Path(__file__).parent / "guesses.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
#: Nothing else can be said than where the options are told.
OPEN = [
    "apply a.jpg -k sharpen -o b.jpg --frobnicate",
    "compare --zzz",
    "compare --stride 2",
    "frobnicate",
    "apply -k sharpen -o b.jpg",
    "apply",
    "apply a.jpg -k sharpen -o b.jpg --depth 12",
    "apply a.jpg -charcoal 2 -k sharpen -o b.jpg",
    "apply a.jpg -negate -k sharpen -o b.jpg",
    "apply a.jpg -resize 640x480 -k sharpen -o b.jpg",
]
#: Files that are not there, nor any of such a name: no line would work.
MISSING = [
    "apply nowhere.jpg -k sharpen -o b.jpg",
    "apply nowhere.jpg -k sharpen",
    "blur nowhere.jpg b.jpg",
    "nowhere.jpg -k sharpen -o b.jpg",
    "diff nowhere.jpg a.jpg",
    "diff a.jpg nowhere.jpg --csv",
    "draw sheet nowhere.jpg -k box -o s.png",
    "apply a2.jpg -k sharpen -o b.jpg",  # another number is no slip
]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photo, a picture with alpha and a folder of pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "photos").mkdir()
    save(folder / "a.jpg", noise(32, 40, 3))
    np.save(folder / "f.npy", noise(20, 30, 3).astype(np.float32))
    save(folder / "picture.jpg", noise(32, 40, 3, seed=3))
    save(folder / "c.png", noise(32, 40, 4, seed=1))
    save(folder / "photos" / "one.png", noise(24, 24, 3, seed=2))
    shutil.copy(SAMPLES / "pond.png", folder / "photos" / "two.png")
    (folder / "mine.yaml").write_text("weights: [[.25, .5, .25]]\n")
    return folder


@pytest.mark.parametrize(("guess", "answer"), GUESSES, ids=[guess for guess, _ in GUESSES])
def test_the_hint_is_a_line_that_works(
    guess: str, answer: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(pictures, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    wrong = run(*shlex.split(guess))
    assert (wrong.code in (1, 2), wrong.out, len(wrong.errors())) == (True, b"", 1), wrong.err
    assert {path.name for path in tmp_path.iterdir()} == before, "a wrong line writes nothing"
    hint = re.search(r"^  hint: convcli (.*)$", wrong.err, re.MULTILINE)
    assert hint, wrong.err
    assert hint[1] == answer
    right = run(*shlex.split(hint[1]))
    assert right.code == 0, right.err


def test_a_file_whose_name_begins_with_a_dash(here: Path) -> None:
    save(Path("-dash.png"), noise(6, 5))
    wrong = run("apply", "-dash.png", "-k", "box", "-o", "b.png")
    assert wrong.code == 2 and wrong.err.splitlines()[1] == "  hint: convcli apply ./-dash.png -k box -o b.png"
    assert run("apply", "./-dash.png", "-k", "box", "-o", "b.png").code == 0


@pytest.mark.parametrize(
    "arguments, hint",
    [
        (["-k", "gaussian:sigma=2,5"], "a list stands in brackets: stride=[2,1]; decimals have a point: sigma=2.5"),
        (["-k", "{weights: [[1]], rate: 2}"], "that is dilation here"),
        (["-k", "{weights: [[1]], padding_mode: circular}"], "that is border here"),
        (
            ["-k", "{type: deformable, weights: [[1]]}"],
            "offsets: {swirl: {angle: 90}}, offsets: FILE.npy, or offsets: {branch: ...}",
        ),
        (["-k", "box", "--channels", "Y"], "--channels luma is the brightness alone"),
    ],
)
def test_words_inside_kernels_and_channels(here: Path, arguments: list[str], hint: str) -> None:
    save(Path("a.png"), noise(6, 5, 3))
    wrong = run("apply", "a.png", *arguments, "-o", "b.png")
    assert (wrong.code, wrong.err.splitlines()[-1]) == (2, f"  hint: {hint}")


def test_a_hint_does_not_lead_to_a_drawing_of_no_format(here: Path) -> None:
    """What can't be put right is told first."""
    wrong = run("draw", "kernel", "gausian", "-o", "a.ng")
    assert (wrong.code, wrong.err.splitlines()[0]) == (2, "Error: a.ng: .ng is no format of drawings")


def test_a_folder_that_is_not_there_is_made_by_the_hint(here: Path) -> None:
    wrong = run("draw", "steps", "box", "-o", "my steps/{frame}.png")
    assert wrong.code == 1 and wrong.err.splitlines()[1] == "  hint: mkdir -p 'my steps'"


def test_a_kernel_of_zeros_is_told_of(here: Path) -> None:
    save(Path("a.png"), noise(6, 5, 3))
    result = run("apply", "a.png", "-k", "[[0, 0], [0, 0]]", "-o", "b.png")
    assert (result.code, result.err) == (0, "Warning: a.png: all weights of inline are 0\n")


@pytest.mark.parametrize("guess", OPEN)
def test_where_nothing_is_near_nothing_is_guessed(guess: str) -> None:
    wrong = run(*shlex.split(guess))
    assert wrong.code == 2
    assert "did you mean" not in wrong.err
    hint = re.search(r"^  hint: convcli (.*)$", wrong.err, re.MULTILINE)
    assert hint, wrong.err
    assert run(*shlex.split(hint[1])).code == 0


@pytest.mark.parametrize("guess", MISSING)
def test_no_hint_names_a_file_that_is_not_there(guess: str, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pictures)
    wrong = run(*shlex.split(guess))
    assert wrong.code in (1, 2) and wrong.out == b""
    assert "hint" not in wrong.err and "no such file" in wrong.err, wrong.err


@pytest.mark.parametrize("ending", [".yaml", ".npy", ".csv"])
def test_a_file_without_its_ending(ending: str, here: Path) -> None:
    Path("mine.yaml").write_text("weights: [[1]]\n")
    Path("mine.csv").write_text("1\n")
    np.save("mine.npy", np.ones((3, 3)))
    for other in {".yaml", ".npy", ".csv"} - {ending}:
        Path(f"mine{other}").unlink()
    assert f"hint: for the file write mine{ending}\n" in run("show", "mine").err
    assert run("show", f"mine{ending}").code == 0


def test_every_brace_of_the_table_is_filled() -> None:
    every = {**vars(command_words), **vars(words)}
    tables = [value for name, value in every.items() if name.isupper() and isinstance(value, tuple)]
    rows = [row for table in tables for row in table if isinstance(row, words.Word)]
    assert len(rows) > 100
    for row in rows:
        assert set(re.findall(r"{(\w+)}", row.answer)) <= {"name", *FILLINGS}, row


def test_words_longer_than_any_name_are_compared_with_none(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    slips = errors._slips
    monkeypatch.setattr(errors, "_slips", lambda word, name: compared.append(name) or slips(word, name))
    assert errors.closest("xyzzy" * 6000, ["gaussian", "sobel-x"]) == ""
    assert errors.closest("gaussian:" + "x" * 30_000, ["gaussian", "sobel-x"]) == "gaussian"
    assert not compared
    assert errors.closest("gausian", ["box", "gaussian"]) == "gaussian"
    assert compared == ["gaussian"]


def test_words_longer_than_names_of_files(here: Path) -> None:
    long = "x" * 5000
    save(here / "a.jpg", noise(8, 8, 3))
    apply = ["apply", "a.jpg", "-k", "box", "-o", "b.png"]
    lines = [
        [long], [long, "-k", "sharpen"], ["diff", long, long], ["diff", "a.jpg", long], ["draw", long], ["show", long],
        ["show", f"gaussian:sigma={long}"], ["list", long], ["help", long], ["compare", f"--{long}"],
        ["compare", "--columns", long], ["compare", "-o", long], ["import", long, "-o", "n.yaml"],
        ["draw", "box", "-o", long], ["schema", long], [*apply, "-k", f"[[1, 2, 1], [{long}]]"],
        *([*apply, option, long] for option in ("--border", "--stride", "--where", "--region", "--amount", "--layout",
          "--channels", "--background", "-O", "--shard", "--range", "--report-file", "--quality", "-o", "--format")),
    ]  # fmt: skip
    for arguments in lines:
        result = run(*arguments)
        assert result.code in (1, 2), arguments[:6]
        assert result.err.startswith("Error: ") and len(result.errors()) == 1
        assert all(len(line) < 1200 for line in result.err.splitlines()), arguments[:6]
