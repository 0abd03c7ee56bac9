"""Kernels that read the same input and whose results become one: against scipy, numpy and what each part does alone."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.costs.comparison import compare
from convcli.costs.subjects import Request, subjects
from convcli.errors import ConvcliError, KernelError
from convcli.filtering import Chain, filter_pixels
from tests.support import run

RNG = np.random.default_rng(17)
MODES = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "wrap": "wrap", "zero": "constant"}
RING = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]


def each(function: Any, x: Any) -> Any:
    """A function of planes on each channel."""
    return np.stack([function(x[..., channel]) for channel in range(x.shape[-1])], axis=-1)


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 7, 3), (64, 64, 1), (37, 53, 4)])
@pytest.mark.parametrize("name", ["sobel", "prewitt"])
def test_magnitudes_as_scipy_has_them(name: str, shape: tuple[int, ...], border: str) -> None:
    x = RNG.standard_normal(shape)
    derivative = getattr(ndimage, name)
    expected = each(lambda p: np.hypot(*(derivative(p, axis, mode=MODES[border]) for axis in (0, 1))), x)
    assert np.allclose(convcli.load(f"{name}:border={border}").apply(x), expected, rtol=1e-12, atol=1e-12)


def turned(weights: list[list[int]]) -> list[Any]:
    """A 3x3 matrix in eight directions: its ring moved on, by hand."""
    every = []
    for steps in range(8):
        matrix = np.array(weights)
        for index, place in enumerate(RING):
            matrix[RING[(index + steps) % 8]] = weights[place[0]][place[1]]
        every.append(matrix)
    return every


@pytest.mark.parametrize(
    ("name", "first"),
    [("kirsch", [[5, 5, 5], [-3, 0, -3], [-3, -3, -3]]), ("robinson", [[1, 2, 1], [0, 0, 0], [-1, -2, -1]])],
)
def test_compass_operators_are_the_largest_of_eight_directions(name: str, first: list[list[int]]) -> None:
    x = RNG.integers(0, 256, (40, 51, 3)).astype(np.float64)
    answers = [each(lambda p, w=w: ndimage.correlate(p, w, mode="mirror"), x) for w in turned(first)]
    assert np.array_equal(convcli.load(name).apply(x), np.max(answers, axis=0))


PARTS: dict[str, list[Any]] = {
    "names": ["sobel-x", "sobel-y", "scharr-x"],
    "sizes": [[[1, 2, 1]], "gaussian:sigma=2", [[1], [3]], {"weights": [[1, -1], [2, 0]], "dilation": 3}],
    "axes": [{"weights": [1, 2, -4], "axes": "x"}, {"weights": [2, 1], "axes": "y"}],
    "activations": [{"weights": [[1, -1]], "activation": "abs"}, {"weights": [[1], [-1]], "activation": "relu"}],
    "nested": ["sobel", {"type": "combined", "of": ["box", "disk:radius=2"], "by": "min"}],
    "places": ["swirl", {"weights": [[1]], "border": "replicate"}],
}
COMBINED = {
    "magnitude": lambda parts: np.sqrt(np.sum(np.square(parts), axis=0)),
    "sum": lambda parts: np.sum(parts, axis=0),
    "mean": lambda parts: np.mean(parts, axis=0),
    "difference": lambda parts: parts[0] - np.sum(parts[1:], axis=0),
    "max": lambda parts: np.max(parts, axis=0),
    "min": lambda parts: np.min(parts, axis=0),
}


@pytest.mark.parametrize("by", COMBINED)
@pytest.mark.parametrize("kind", PARTS)
def test_results_are_those_of_the_parts(kind: str, by: str) -> None:
    x = RNG.standard_normal((33, 29, 3))
    alone = [convcli.load({"weights": part} if isinstance(part, list) else part).apply(x) for part in PARTS[kind]]
    y = convcli.load({"type": "combined", "of": PARTS[kind], "by": by}).apply(x)
    assert np.allclose(y, COMBINED[by](np.array(alone)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("by", ["sum", "max"])
@pytest.mark.parametrize("stride", [1, 2, [1, 3]])
@pytest.mark.parametrize("padding", ["same", "same_upper", 3, [[0, 1], [2, 2]]])
def test_fields_beside_the_parts_hold_for_all(by: str, stride: Any, padding: Any) -> None:
    fields = {"stride": stride, "padding": padding, "dilation": 2, "border": "wrap", "flip": True, "divisor": 4}
    matrices = [[[1, 2, 3], [0, -1, 0]], [[4, 0, 1], [0, 1, 1]]]
    x = RNG.standard_normal((17, 23))
    alone = [convcli.load({"weights": weights, **fields}).apply(x) for weights in matrices]
    y = convcli.load({"type": "combined", "of": matrices, "by": by, **fields}).apply(x)
    assert np.allclose(y, COMBINED[by](np.array(alone)), rtol=1e-12, atol=1e-12)


def test_factors_bias_and_activation() -> None:
    x = RNG.standard_normal((20, 20))
    a, b = (convcli.load(name).apply(x) for name in ("gaussian", "box"))
    fields = {"type": "combined", "of": ["gaussian", "box"], "factors": [2, -1]}
    assert np.allclose(convcli.load({**fields, "by": "sum"}).apply(x), 2 * a - b)
    assert np.allclose(convcli.load({**fields, "by": "mean"}).apply(x), 2 * a - b)
    assert np.allclose(convcli.load({**fields, "by": "max", "bias": 3}).apply(x), np.maximum(2 * a, -b) + 3)
    clipped = convcli.load({**fields, "by": "difference", "activation": "relu"}).apply(x)
    assert np.allclose(clipped, np.maximum(2 * a + b, 0))


def test_effects() -> None:
    x = RNG.standard_normal((20, 20))
    for by in ("magnitude", "sum"):
        fields = {"type": "combined", "of": ["box", "disk:radius=2"], "by": by}
        plain = convcli.load(fields).apply(x)
        assert np.allclose(convcli.load({**fields, "amount": 0.25}).apply(x), x + 0.25 * (plain - x))
        softly = convcli.load({**fields, "of": ["box:amount=0.5", "unsharp", "sharpen:amount=2"]}).apply(x)
        parts = [convcli.load(name).apply(x) for name in ("box:amount=0.5", "unsharp", "sharpen:amount=2")]
        assert np.allclose(softly, COMBINED[by](np.array(parts)))


def test_banks_are_combined() -> None:
    x, weights = RNG.standard_normal((12, 14, 3)), RNG.standard_normal((2, 5, 3, 3, 3))
    banks = [{"weights": bank} for bank in weights]
    alone = np.array([convcli.load(bank).apply(x) for bank in banks])
    for by, combine in COMBINED.items():
        y = convcli.load({"type": "combined", "of": banks, "by": by}).apply(x)
        assert np.allclose(y, combine(alone), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("of", "taps", "dilation"),
    [
        (["gaussian:sigma=1", "gaussian:sigma=1.6"], (13, 13), (1, 1)),
        (["identity", "box"], (5, 5), (1, 1)),
        (["dilated-laplacian", "identity"], (3, 3), (2, 2)),
        (["dilated-laplacian", "laplacian"], (5, 5), (1, 1)),
        ([{"weights": [1, 2], "axes": "x"}, {"weights": [1, 2, 1], "axes": "y"}], (3, 2), (1, 1)),
    ],
)
def test_sums_of_linear_kernels_are_one_kernel(of: list[Any], taps: Any, dilation: Any) -> None:
    for by in ("sum", "mean", "difference"):
        kernel = convcli.load({"type": "combined", "of": of, "by": by})
        assert (kernel.type, kernel.taps, kernel.dilation) == ("dense", taps, dilation)
        assert kernel.count((9, 9)).weights == taps[0] * taps[1]


def test_squares_may_be_too_large_or_too_small() -> None:
    for dtype, size in itertools.product((np.float32, np.float64), (1e-30, 1e-18, 1.0, 1e18, 1e30)):
        x = np.zeros((5, 5), dtype)
        x[2, 2] = size
        y = convcli.load("sobel").apply(x)
        assert np.allclose(y / dtype(size), np.hypot(ndimage.sobel(x / size, 0), ndimage.sobel(x / size, 1)), rtol=1e-5)


def test_a_large_picture_in_bands_is_the_whole_one(tmp_path: Path) -> None:
    x = RNG.integers(0, 256, (1500, 1300, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "x.png"), x)
    assert run("apply", tmp_path / "x.png", "-k", "gaussian", "-k", "kirsch", "-o", tmp_path / "y.png").code == 0
    whole = filter_pixels(x[..., ::-1], Chain([convcli.load("gaussian"), convcli.load("kirsch")])).array
    assert np.array_equal(cv2.imread(str(tmp_path / "y.png"))[..., ::-1], whole)
    blurred = convcli.apply(x.astype(np.float32), "gaussian")
    assert np.abs(convcli.apply(blurred, "kirsch").clip(0, 255) - whole[..., ::-1]).max() < 0.501


def test_opacity() -> None:
    """Colours of what is transparent don't show, and equal opacity changes none."""
    x = RNG.integers(0, 256, (40, 40, 4), np.uint8)
    x[..., 3] = 255
    opaque = filter_pixels(x, Chain([convcli.load("sobel")])).array
    x[..., 3] = 85
    even = filter_pixels(x, Chain([convcli.load("sobel")])).array
    assert np.abs(even.astype(int) - opaque)[..., :3].max() <= 1
    assert (even[..., 3] == 85).all()
    x[:, 20:, 3] = 0
    hidden = filter_pixels(x, Chain([convcli.load("kirsch")])).array
    x[:, 20:, :3] = 0
    assert np.array_equal(hidden[:, :20], filter_pixels(x, Chain([convcli.load("kirsch")])).array[:, :20])


def test_what_lies_outside_is_a_number() -> None:
    x = RNG.standard_normal((20, 30))
    kernel = convcli.load("sobel:border=7")
    parts = [ndimage.correlate(x, weights, mode="constant", cval=7) for weights in kernel.parts().values()]
    assert np.allclose(kernel.apply(x), np.hypot(*parts))
    assert {part.border for part in kernel.replace(border="zero").of} == {"zero"}


def test_offsets_of_parts_are_not_written(tmp_path: Path) -> None:
    (tmp_path / "k.yaml").write_text("type: combined\nof: [brush, identity]\nby: mean\n")
    cv2.imwrite(str(tmp_path / "x.png"), RNG.integers(0, 256, (20, 20), np.uint8))
    arguments = ("apply", tmp_path / "x.png", "-k", str(tmp_path / "k.yaml"), "-o", tmp_path / "y.png")
    assert run(*arguments, "--offsets-out", str(tmp_path / "o.npy")).errors() == [
        "Error: --offsets-out is for a kernel alone; 'k' combines several"
    ]
    assert run(*arguments).code == 0


def test_it_is_counted_compared_and_planned() -> None:
    assert convcli.load("kirsch").count((100, 50), 3).total_macs == 8 * 9 * 100 * 50 * 3
    row = compare(subjects(Request(sources=["sobel", "sobel-x"], size="64x64"))).rows[0]
    assert (row.params_weights, row.macs, row.receptive_field) == (12, 12 * 64 * 64 * 3, (3, 3))
    displayed = run("show", "sobel", "--format", "json").out.decode()
    assert '"sobel-x": 6.0' in displayed
    assert "for 2 kernels" in run("show", "--plan", "sobel").out.decode()


def test_kernels_of_the_command_line_are_combined(tmp_path: Path) -> None:
    x = RNG.integers(0, 256, (30, 40), np.uint8)
    cv2.imwrite(str(tmp_path / "x.png"), x)

    def written(*options: str) -> Any:
        done = run("apply", tmp_path / "x.png", *options, "-o", tmp_path / "y.png", "--overwrite")
        assert done.code == 0, done.err
        return cv2.imread(str(tmp_path / "y.png"), cv2.IMREAD_UNCHANGED), done.err

    together, said = written("-k", "sobel-x", "-k", "sobel-y", "--combine", "magnitude", "--border", "wrap")
    assert np.array_equal(together, written("-k", "sobel:border=wrap")[0])
    assert "one after the other" not in said
    assert "--combine magnitude makes one of both" in written("-k", "sobel-x", "-k", "sobel-y")[1]
    done = run("apply", tmp_path / "x.png", "-k", "box", "--combine", "max", "-o", tmp_path / "z.png")
    assert (done.code, done.errors()) == (2, ["Error: --combine takes at least two kernels"])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"of": [], "by": "max"}, "'of' names no kernels"),
        ({"of": "sobel-x", "by": "max"}, "'of' is a list of kernels, not text"),
        ({"of": ["sobel-x", "sobelx"], "by": "max"}, "unknown kernel 'sobelx'"),
        ({"of": ["box"], "by": "norm"}, "hint: that is magnitude here"),
        ({"of": ["box", 3], "by": "max"}, "part 2 is a number, no kernel"),
        ({"of": ["box", "disk"], "by": "mean", "factors": [1, -1]}, "the factors of a mean sum to 0"),
        ({"of": ["box", "disk"], "by": "mean", "factors": [1, 2, 3]}, "3 factors for 2 kernels"),
        ({"of": ["box", "box:padding=valid"], "by": "max"}, "of 240 samples along y kernel 'box' makes 240, 'box' 236"),
        ({"of": ["box", "box:border=wrap"], "by": "max"}, "part 2, 'box', has border wrap, 'box' reflect"),
        ({"of": ["box", {"weights": [[1]], "bias": 2}], "by": "max"}, "part 2, 'part 2', has a bias"),
        ({"of": ["box", "box:threshold=.1"], "by": "max"}, "part 2, 'box', has a threshold"),
        ({"of": ["box", "luma"], "by": "max"}, "other numbers of channels: box each, luma 3 to 1"),
        ({"of": ["sobel-x", "sobel-y"], "by": "max", "divisor": "sum"}, "sum to 0: nothing to divide by"),
        ({"of": ["sobel-x", "sobel-y"], "by": "sum", "divisor": "sum"}, "sum to 0: nothing to divide by"),
        ({"of": ["sobel-x", "sobel-y"], "by": "max", "sigma": 2}, "unknown field 'sigma'"),
    ],
)
def test_what_can_not_be_combined(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(KernelError) as caught:
        convcli.load({"type": "combined", **fields})
    assert said in str(caught.value)


def test_files_that_name_themselves_and_bombs(tmp_path: Path) -> None:
    (tmp_path / "self.yaml").write_text("type: combined\nof: [self.yaml, box]\nby: max\n")
    with pytest.raises(KernelError, match="kernels within kernels"):
        convcli.load(tmp_path / "self.yaml")
    (tmp_path / "0.yaml").write_text("weights: [[1]]\n")
    for level in range(1, 7):
        many = ", ".join([f"./{level - 1}.yaml"] * 20)
        (tmp_path / f"{level}.yaml").write_text(f"type: combined\nof: [{many}]\nby: max\n")
    with pytest.raises(ConvcliError, match="kernels within kernels"):
        convcli.load(tmp_path / "6.yaml")
