"""Each mistake in a kernel file has its message, at its place."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.errors import KernelError, printable
from tests.support import run

INVALID = Path(__file__).with_name("data") / "invalid"
NAMES = sorted(path.name for path in INVALID.glob("*.yaml"))
#: What stderr holds for each file of `INVALID`, in blocks with an empty line between them.
EXPECTED = {
    block.removeprefix("Error: ").partition(".yaml")[0] + ".yaml": block + "\n"
    for block in (INVALID / "expected.txt").read_text(encoding="utf-8").rstrip("\n").split("\n\n")
}


def damaged(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 255
    path.write_bytes(data)


def write_arrays(folder: Path) -> None:
    """The array files that the invalid kernels name."""

    def save(name: str, array: Any) -> None:
        np.save(folder / name, array, allow_pickle=True)

    save("good.npy", np.ones((3, 3)))
    whole = (folder / "good.npy").read_bytes()
    (folder / "truncated.npy").write_bytes(whole[:-9])
    (folder / "header.npy").write_bytes(whole[:40])
    (folder / "promises.npy").write_bytes(whole[:128].replace(b"(3, 3), }      ", b"(30000, 30000)}"))
    (folder / "text.npy").write_text("1,2,1\n2,4,2\n")
    (folder / "nothing.npy").write_bytes(b"")
    (folder / "folder.npy").mkdir()
    save("pickled.npy", np.array([{"a": 1}], dtype=object))
    save("nan.npy", np.array([[1, np.nan, np.nan]]))
    save("nan1.npy", np.array([np.nan]))
    save("large.npy", np.array([[1e39]]))
    save("complex.npy", np.ones((3, 3), complex))
    save("strings.npy", np.array([["a", "b"]]))
    save("time.npy", np.zeros((2, 2), "datetime64[s]"))
    save("record.npy", np.zeros(3, [("a", "f8"), ("b", "i4")]))
    save("rank0.npy", np.float64(3))
    save("rank6.npy", np.ones((1,) * 6))
    save("none.npy", np.ones((0, 3)))
    save("offsets-17.npy", np.zeros((17, 5, 5)))
    save("offsets-rank.npy", np.zeros((2, 5)))
    save("offsets-2.npy", np.zeros((2, 5, 5)))
    save("offsets-nan.npy", np.where(np.arange(50).reshape(2, 5, 5) == 13, np.nan, 0.0))
    save("mask-inf.npy", np.where(np.arange(25).reshape(1, 5, 5) < 5, np.inf, 0.0))
    save("mask-size.npy", np.zeros((1, 7, 7)))
    write_archives(folder, whole)


def write_archives(folder: Path, whole: bytes) -> None:
    np.savez(folder / "two.npz", sharpen=np.ones((3, 3)), blur=np.ones((3, 3)))
    np.savez(folder / "pickled.npz", w=np.array([{}], dtype=object))
    np.savez(folder / "nan.npz", w=np.full((3, 3), np.nan))
    np.savez(folder / "damaged.npz", w=np.arange(900.0).reshape(30, 30))
    np.savez(folder / "late.npz", w=np.random.default_rng(0).random((50, 50, 50)))
    damaged(folder / "damaged.npz", 3000)
    damaged(folder / "late.npz", 900_000)
    (folder / "text.npz").write_text("not a zip")
    with zipfile.ZipFile(folder / "none.npz", "w"):
        pass
    with zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w.npy", whole + bytes(50_000_000))


@pytest.fixture(scope="module")
def invalid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the invalid kernels with their array files."""
    folder = tmp_path_factory.mktemp("kernels") / "invalid"
    shutil.copytree(INVALID, folder)
    write_arrays(folder)
    return folder


def test_every_invalid_kernel_has_its_message_and_no_message_is_left_over() -> None:
    assert sorted(EXPECTED) == NAMES
    assert len(NAMES) > 190


@pytest.mark.parametrize("name", NAMES)
def test_a_mistake_is_told_before_any_image_is_read(name: str, invalid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(invalid)
    result = run("apply", "absent.png", "-k", name, "-o", "made/out.png", "--quiet")
    assert (result.code, result.out) == (2, b"")
    assert result.err == EXPECTED[name]
    assert len(result.errors()) == 1
    assert not Path("made/out.png").exists()
    with pytest.raises(KernelError) as caught:
        convcli.load(Path(name))
    assert f"Error: {printable(str(caught.value))}\n" == result.err


@pytest.mark.parametrize("name", NAMES)
def test_the_caret_stands_under_the_column(name: str) -> None:
    first, *more = EXPECTED[name].splitlines()
    place = re.match(rf"Error: {re.escape(name)}:(\d+):(\d+): ", first)
    lines = (INVALID / name).read_bytes().decode("utf-8", "replace").splitlines()
    if place is None:  # of the file as a whole
        assert name in ("empty.yaml", "not-utf-8.yaml", "utf-16.yaml")
        return
    line, column = int(place[1]), int(place[2])
    displayed, caret = more[:2]
    assert caret.strip() == "^"
    character = printable(lines[line - 1][column - 1 : column].replace("\t", " "))[:1]
    if name != "yaml-tab-indent.yaml":  # where the line begins with the mistake, and is shown without its tab
        assert displayed[caret.index("^") :][:1] == character


def test_every_message_says_what_and_not_how_the_program_works() -> None:
    for name, text in EXPECTED.items():
        for word in ("Traceback", "Exception", "<class", "NoneType", "None", "object at", "dict", "tuple", "list'"):
            assert word not in text.replace("a list", ""), name
