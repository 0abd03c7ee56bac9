"""Kernel files: numbers, forms that mean the same, files beside them, overrides and names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.errors import KernelError
from tests.support import KERNELS, ROOT, SAMPLES


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
