"""Kernel files: what each mistake gets, told at its line and column; hostile files; what valid ones mean."""

from __future__ import annotations

import re
import shutil
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import convcli
from convcli.errors import ConvcliError, KernelError, printable
from tests.support import KERNELS, ROOT, SAMPLES, run, spawn

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
    shown, caret = more[:2]
    assert caret.strip() == "^"
    character = printable(lines[line - 1][column - 1 : column].replace("\t", " "))[:1]
    if name != "yaml-tab-indent.yaml":  # where the line begins with the mistake, and is shown without its tab
        assert shown[caret.index("^") :][:1] == character


def test_every_message_says_what_and_not_how_the_program_works() -> None:
    for name, text in EXPECTED.items():
        for word in ("Traceback", "Exception", "<class", "NoneType", "None", "object at", "dict", "tuple", "list'"):
            assert word not in text.replace("a list", ""), name


# --- hostile files ----------------------------------------------------------------------------------------------------


def nested(levels: int) -> dict[str, str]:
    return {
        "brackets": "weights: " + "[" * levels,
        "closed brackets": "weights: " + "[" * levels + "]" * levels,
        "braces": "{a: " * levels,
        "dashes": "weights:\n  " + "- " * levels + "1\n",
        "keys": "".join(f"{' ' * level}a:\n" for level in range(min(levels, 3000))),
        "questions": "? " * levels,
    }


@pytest.mark.parametrize("form", nested(1))
def test_deep_nesting_is_refused_at_once(form: str, tmp_path: Path) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text(nested(200_000)[form])
    started = time.process_time()
    with pytest.raises(KernelError, match="nested more than 32 levels deep"):
        convcli.load(path)
    assert time.process_time() - started < 0.1


def test_deep_nesting_does_not_kill_the_process(tmp_path: Path) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text("weights: " + "[" * 200_000)
    result = spawn("apply", "absent.png", "-k", path, "-o", tmp_path / "out.png")
    assert result.code == 2
    # libyaml may get there first: from 1,000 levels on it refuses, and it looks ahead.
    assert re.match(rf"Error: {re.escape(str(path))}:1:(41|10\d\d): nested more than 32 levels deep\n", result.err)


def test_a_bomb_of_aliases_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 60)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join([*lines, "weights: *a59"]))
    started = time.process_time()
    with pytest.raises(KernelError, match="anchors and aliases"):
        convcli.load(path)
    assert time.process_time() - started < 0.1


def test_a_very_large_file_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text("weights: [[" + "1, " * 6_000_000 + "1]]")
    started = time.process_time()
    with pytest.raises(KernelError, match=r"more than .*\n  hint: keep large weights in a \.npy file"):
        convcli.load(path)
    assert time.process_time() - started < 0.5


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(KernelError, match=r"inline kernel:1:3: not valid YAML: the character U\+DCFF"):
        convcli.load("[[\udcff]]")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "exploded",)

    np.save(tmp_path / "w.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "w.npz", w=np.array([Bomb()], dtype=object))
    for name in ("w.npy", "w.npz"):
        (tmp_path / "k.yaml").write_text(f"weights: {name}\n")
        with pytest.raises(KernelError, match="not real numbers"):
            convcli.load(tmp_path / "k.yaml")
    assert not (tmp_path / "exploded").exists()


ALPHABET = st.sampled_from(
    [*" \n\t:,-[]{}#&*!|>'\"%@`?~<0123456789.eE", "weights", "taps", "type", "dense", "separable", "stride", "gaussian"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ALPHABET, max_size=40).map("".join))
def test_any_text_is_a_kernel_or_an_error_of_our_own(text: str) -> None:
    try:
        convcli.load(text + "\n")
    except ConvcliError as error:
        assert str(error)


SOURCES = [path.read_text(encoding="utf-8") for path in sorted(KERNELS.glob("*.yaml")) if path.stem != "ripple"]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SOURCES), st.data())
def test_a_damaged_kernel_is_a_kernel_or_an_error_of_our_own(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(start + 12, len(text))))
    try:
        convcli.load(text[:start] + data.draw(st.lists(ALPHABET, max_size=4).map("".join)) + text[stop:] + "\n")
    except ConvcliError as error:
        assert str(error)


# --- what valid files mean --------------------------------------------------------------------------------------------


def weights(text: str) -> list[Any]:
    kernel = convcli.load(text if "\n" in text or text[0] in "[{" else text + "\n")
    (part,) = (part for name, part in kernel.parts().items() if name in ("weights", "stamp"))
    return part.tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("1e-3", 0.001), ("1e3", 1000), ("1.e2", 100), (".5", 0.5), ("-.5e1", -5), ("+1", 1), ("012", 12), ("0", 0),
        ("00.50", 0.5), ("1E2", 100), ("-0", 0), ("9007199254740993", 9007199254740992),
    ],
)  # fmt: skip
def test_numbers_are_those_of_yaml_1_2(written: str, number: float) -> None:
    assert weights(f"weights: [[{written}]]") == [[number]]
    assert convcli.load(f"about: a\nweights: [[2]]\ndivisor: {number or 1}\n").divisor == (number or 1)


def test_text_that_looks_like_something_else() -> None:
    for text in ("on", "1:30", "no", "2026-11-23", "0x10", "1_000", "'12'", '"~"', "yes"):
        assert convcli.load(f"about: {text}\nweights: [[1]]\n").about == text.strip("'\"")


def test_forms_that_mean_the_same() -> None:
    rows = [[0.0, -1.0, 0.0], [-1.0, 5.0, -1.0], [0.0, -1.0, 0.0]]
    for text in (
        "weights:\n  - [0, -1, 0]\n  - [-1, 5, -1]\n  - [0, -1, 0]\n",
        "[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]",
        "- [0, -1, 0]\n- [-1, 5, -1]\n- [0, -1, 0]\n",
        "{weights: [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]}",
        "type: dense\r\nweights: [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]\r\n",
        "\ufeffweights: [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]\n",
        "%YAML 1.2\n---\nweights: [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]\n...\n",
        '"weights": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]\n',
    ):
        assert weights(text) == rows
    assert weights("weights: {fill: 1, size: [1, 2]}\ndivisor: sum\n") == [[0.5, 0.5]]
    assert weights("weights: {size: [1, 2], fill: 1}\ndivisor: sum\n") == [[0.5, 0.5]]
    assert weights("weights: {fill: {fill: 1, size: [1, 2]}}\ndivisor: 2\n") == [[0.5, 0.5]]


def test_a_byte_order_mark_is_no_part_of_the_first_field(tmp_path: Path) -> None:
    path = tmp_path / "k.yaml"
    path.write_bytes(b"\xef\xbb\xbfabout: a\nweights: [[1]]\n")
    assert convcli.load(path).about == "a"


def test_arrays_are_looked_up_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernels").mkdir()
    (tmp_path / "elsewhere").mkdir()
    expected = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.save(tmp_path / "kernels" / "w.npy", expected.astype(">i2"))
    np.save(tmp_path / "w.npy", np.zeros((2, 2)))
    np.savez_compressed(tmp_path / "kernels" / "all.npz", a=np.asfortranarray(expected), b=-expected)
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name, sign in (("w.npy", 1), ("all.npz::a", 1), ("all.npz::b", -1), (f"{tmp_path}/kernels/w.npy", 1)):
        (tmp_path / "kernels" / "k.yaml").write_text(f"weights: {name}\n")
        kernel = convcli.load(Path("../kernels/k.yaml"))
        assert np.array_equal(kernel.parts()["weights"], sign * expected)
    np.save("beside-me.npy", expected)  # inline kernels and overrides: in the working folder
    assert convcli.load("{weights: beside-me.npy}").taps == (2, 2)
    np.save("offsets.npy", np.zeros((2, 4, 4)))
    assert convcli.load("swirl:offsets=offsets.npy").offset_groups == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", sorted([*KERNELS.glob("*.yaml"), *(SAMPLES / "kernels").glob("*.yaml")]))
def test_every_kernel_of_the_project_loads(path: Path) -> None:
    kernel = convcli.load(path)
    assert (kernel.name, bool(kernel.about)) == (path.stem, True)


@pytest.mark.parametrize("name", ["x" * 300, "x" * 5000, "? " * 50_000, "no\0name"])
def test_a_name_that_no_file_can_have(name: str) -> None:
    with pytest.raises(KernelError, match="unknown kernel '") as caught:
        convcli.load(name)
    assert len(str(caught.value)) < 3000


# --- overrides --------------------------------------------------------------------------------------------------------


def test_overrides() -> None:
    kernel = convcli.load("gaussian:sigma=[1,2],border=wrap , stride=[2, 1],bias=3")
    assert (kernel.taps, kernel.border, kernel.stride) == ((9, 17), "wrap", (2, 1))
    assert kernel.bias is not None and kernel.bias.array.tolist() == [3]
    assert convcli.load("upsample-bilinear-2x:stride=3").taps == (5, 5)
    assert convcli.load("sharpen:weights=[[2]],flip=true").taps == (1, 1)
    assert convcli.load(f"{ROOT}/kernels/box.yaml:size=7").taps == (7, 7)
    assert convcli.load("swirl:angle=-30,radius=0.5").taps == (1, 1)
    assert convcli.load("difference-of-gaussians:weights={box: {size: [3, 5]}}").taps == (3, 5)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("gausian", "unknown kernel 'gausian'\n  hint: did you mean 'gaussian'?"),
        ("zzz", "unknown kernel 'zzz'\n  hint: 'convcli list' shows all names; a file's name ends in .yaml"),
        ("", "an empty kernel name\n  hint: 'convcli list' shows the names"),
        ("  ", "an empty kernel name\n  hint: 'convcli list' shows the names"),
        ("absent.yaml", "absent.yaml: no such file or directory\n  hint: 'convcli list' shows kernels by name"),
        ("s/sharpen.yaml", "s/sharpen.yaml: no such file or directory\n  hint: the shipped kernel is sharpen, without"
         " an ending"),
        ("photo.JPG", "photo.JPG is a picture, no kernel\n  hint: pictures stand before -k, kernels behind it"),
        ("net.pkl", "net.pkl: .pkl files are not read\n  hint: in Python numpy.save('weights.npy', weights)"),
        ("./absent", "absent: no such file or directory"),
        ("gaussian:sigma", "unknown kernel 'gaussian:sigma'\n  hint: did you mean 'gaussian'?"),
        ("gaussian:sigma=", "kernel 'gaussian:sigma=': 'sigma=' is not of the form field=value"),
        ("gaussian:sigma=2,,", "kernel 'gaussian:sigma=2,,': '' is not of the form field=value"),
        ("gaussian:sigma=2,sigma=3", "kernel 'gaussian:sigma=2,sigma=3': 'sigma' is given twice"),
        (
            "gaussian:sgima=2",
            "kernel 'gaussian:sgima=2', sgima: kernel 'gaussian' has no field or parameter 'sgima'\n"
            "  hint: did you mean 'sigma'?",
        ),
        ("gaussian:sigma=-2", "kernel 'gaussian:sigma=-2', sigma: 'sigma' is -2; it must be at least 0"),
        ("gaussian:sigma=wide", "kernel 'gaussian:sigma=wide', sigma: 'sigma' must be a number, not 'wide'"),
        ("sharpen:stride=0", "kernel 'sharpen:stride=0', stride: 'stride' is 0; it must be at least 1"),
        (
            "sharpen:border=mirror",
            "kernel 'sharpen:border=mirror', border: 'border' must be one of reflect, symmetric, replicate, wrap, zero,"
            " or a number, not 'mirror'\n  hint: that is reflect here",
        ),
        ("laplacian:divisor=sum", "kernel 'laplacian:divisor=sum', divisor: the weights sum to 0: nothing to divide by"
         "\n  hint: leave the divisor out"),
        ("sharpen:type=separable", "kernel 'sharpen:type=separable', type: kernel 'sharpen' has no field or parameter"
         " 'type'\n  hint: fields of type dense: weights, groups, bias, activation, axes, stride, dilation,"
         " padding, border, divisor, flip, rotate, amount, threshold, unsharp"),
        ("swirl:offsets=no.npy", "kernel 'swirl:offsets=no.npy', offsets: no.npy: no such file or directory"),
    ],
)  # fmt: skip
def test_wrong_names_and_overrides(source: str, message: str) -> None:
    with pytest.raises(KernelError) as caught:
        convcli.load(source)
    assert str(caught.value) == message


def test_a_file_with_the_name_of_a_kernel_is_hinted_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine").write_text("weights: [[1]]\n")
    Path("yours.yaml").write_text("weights: [[1]]\n")
    with pytest.raises(KernelError, match=r"for the file of that name write \./mine"):
        convcli.load("mine")
    with pytest.raises(KernelError, match=r"for the file write yours\.yaml"):
        convcli.load("yours")
    assert convcli.load("./mine").taps == (1, 1)


def test_the_name_of_a_kernel_file_may_hold_colons_and_equal_signs(tmp_path: Path) -> None:
    path = tmp_path / "a=b:c,d.yaml"
    path.write_text("weights: [[1, 1]]\n")
    assert convcli.load(str(path)).taps == (1, 2)
    assert convcli.load(f"{path}:stride=2").stride == (2, 2)
