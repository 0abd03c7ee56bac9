"""`convcli apply`: what is in its outputs: chains, ranges, floats, alpha, arrays."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.pictures import encoding
from tests.cli.applied import apply
from tests.support import KERNELS, SAMPLES, decoded, noise, read, run, save


def test_a_chain_stays_float(here: Path) -> None:
    pixels = noise(9, 11)
    assert np.array_equal(apply(pixels, "-k", "[[4]]", "-k", "[[0.25]]"), pixels)  # would clip at 255
    assert np.array_equal(apply(pixels, "-k", "[[-1]]", "-k", "[[-1]]"), pixels)  # would clip at 0
    assert np.array_equal(apply(pixels, "-k", "{weights: [[1]], divisor: 256}", "-k", "[[256]]"), pixels)  # would round
    assert np.array_equal(
        apply(pixels, "-k", "{weights: [[1]], bias: -300}", "-k", "{weights: [[1]], bias: 300}"), pixels
    )
    expected = ndimage.correlate1d(pixels.astype(float), [-1, 0, 1], axis=1, mode="mirror")
    expected = ndimage.correlate1d(expected, [-0.5, 0, 0.5], axis=0, mode="nearest")
    x, y = "{weights: [[-1, 0, 1]]}", "{weights: [[-0.5], [0], [0.5]], border: replicate}"
    clipped = apply(pixels, "-k", x, "-k", y, "--range", "clip")
    assert np.array_equal(clipped, np.clip(np.rint(expected), 0, 255))


def test_overrides_by_options(here: Path) -> None:
    pixels = noise(8, 9)
    modes = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "wrap": "wrap", "zero": "constant"}
    for border, mode in modes.items():
        result = apply(pixels, "-k", "[[0, 0, 0, 0, 0, 0, 1]]", "--border", border)
        weights = [[0, 0, 0, 0, 0, 0, 1]]
        assert np.array_equal(result, ndimage.correlate(pixels, np.array(weights), mode=mode))
    assert np.array_equal(apply(pixels, "-k", "identity", "--stride", "[2, 3]"), pixels[::2, ::3])
    assert np.array_equal(apply(pixels, "-k", "[[0, 0, 1]]", "--dilation", "4", "--padding", "valid"), pixels[:, 8:])
    padded = apply(pixels, "-k", "identity", "--padding", "[[1, 2], [0, 3]]", "--border", "zero")
    assert np.array_equal(padded, np.pad(pixels, ((1, 2), (0, 3))))
    # Each kernel of a chain takes those that it has a field for.
    assert apply(pixels, "-k", "identity", "-k", "upsample-nearest-2x", "--stride", "2").shape == (8, 10)


def test_offsets_and_mask_by_options(here: Path) -> None:
    pixels = noise(8, 9)
    offsets = np.zeros((2, 8, 9), np.float32)
    offsets[1] = 1
    np.save("right.npy", offsets)
    np.save("half.npy", np.full((1, 8, 9), 0.5))
    result = apply(pixels, "-k", "swirl", "--offsets", "right.npy", "--mask", "half.npy", "--border", "replicate")
    expected = 0.5 * pixels[:, [*range(1, 9), 8]]
    assert np.array_equal(result, np.rint(expected))
    for option, name, part in (
        ("--offsets", "absent.npy", "no such file"),
        ("--mask", "right.npy", "has shape (2, 8, 9)"),
    ):
        failed = run("apply", "in.png", "-k", "swirl:offsets=right.npy", option, name, "-o", "x.png")
        assert failed.code == 2
        assert failed.err.startswith(f"Error: {option}: ") and part in failed.err
    failed = run("apply", save(Path("other.png"), noise(5, 5)), "-k", "swirl", "--offsets", "right.npy", "-o", "x.png")
    assert failed.code == 1
    assert "other.png: offsets right.npy has shape (2, 8, 9)" in failed.err
    assert "(2, 5, 5)" in failed.err


def test_ranges(here: Path) -> None:
    pixels = np.array([[0, 10, 200, 255, 100]], np.uint8)
    kernel = "{weights: [[-1, 1]], border: zero, padding: [[0, 0], [1, 0]]}"  # differences 0, 10, 190, 55, -155
    for mode, expected in {
        "clip": [0, 10, 190, 55, 0],
        "abs": [0, 10, 190, 55, 155],
        "offset": [128, 138, 255, 183, 0],
        "rescale": [115, 122, 255, 155, 0],  # -155 .. 190 over 0 .. 255: (y + 155) * 255 / 345
    }.items():
        assert apply(pixels, "-k", kernel, "--range", mode).tolist() == [expected], mode
    float_ = apply(pixels, "-k", kernel, "--range", "float", out="out.tif")
    assert (float_.dtype, float_.tolist()) == (np.float32, [[0, 10, 190, 55, -155]])
    wide = (pixels.astype(np.uint16) * 257).astype(np.uint16)
    for mode, values in {
        "clip": [0, 2570, 48830, 14135, 0],
        "abs": [0, 2570, 48830, 14135, 39835],
        "offset": [32768, 35338, 65535, 46903, 0],
    }.items():
        assert apply(wide, "-k", kernel, "--range", mode).tolist() == [values], mode
    rescaled = apply(wide, "-k", kernel, "--range", "rescale").astype(int)
    assert (rescaled.min(), rescaled.max(), rescaled[0, 0]) == (0, 65535, round(155 / 345 * 65535))


def test_rescale_of_a_flat_result_is_black(here: Path) -> None:
    assert not apply(noise(5, 5), "-k", "[[0]]", "--range", "rescale").any()


def test_floats_in_and_out(here: Path) -> None:
    pixels = np.random.default_rng(0).normal(0, 3, (7, 8, 3)).astype(np.float32)
    result = apply(pixels, "-k", "[[-2]]", name="in.tif", out="out.tif")
    assert result.dtype == np.float32
    assert np.array_equal(result, -2 * pixels)
    assert np.array_equal(apply(pixels, "-k", "[[1]]", "--range", "abs", name="in.tif", out="o.tif"), np.abs(pixels))
    assert np.array_equal(
        apply(pixels, "-k", "[[1]]", "--range", "offset", name="in.tif", out="o.tif"), pixels + np.float32(0.5)
    )
    stretched = apply(pixels, "-k", "[[1]]", "--range", "rescale", name="in.tif", out="o.tif")
    assert stretched.min() == 0 and stretched.max() == pytest.approx(1, abs=1e-6)
    failed = run("apply", "in.tif", "-k", "identity", "-o", "o.png")
    assert failed.code == 1
    assert failed.err.startswith("Error: o.png: png can't hold float32 pixels, only uint8, uint16\n  hint: ")
    pixels[2, 3] = np.nan, np.inf, -np.inf
    remaining = apply(pixels, "-k", "identity", name="in.tif", out="o.tif")
    assert np.array_equal(remaining, pixels, equal_nan=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_hidden_colour_does_not_bleed(here: Path, dtype: type) -> None:
    white = np.iinfo(dtype).max
    pixels = np.zeros((8, 12, 4), dtype)
    pixels[:, :6, 0] = white  # red, hidden
    pixels[:, 6:, 1] = white  # green
    pixels[:, 6:, 3] = white  # opaque
    result = apply(pixels, "-k", "box:size=5")
    seen = result[..., 3] > 0
    assert seen[:, 4:].all() and not seen[:, :4].any()
    assert (result[seen][:, :3] == (0, white, 0)).all()
    assert result[0, :, 3].tolist() == [0] * 4 + [round(white * part / 5) for part in (1, 2, 3, 4)] + [white] * 4
    assert (result[~seen][:, :3] == (white, 0, 0)).all()  # hidden colour, filtered on its own


def test_half_transparent_pixels_count_by_half(here: Path) -> None:
    pixels = np.array([[[100, 0, 0, 255], [0, 0, 200, 51], [0, 0, 0, 0]]], np.uint8)
    result = apply(pixels, "-k", "{weights: [[1, 1, 1]], divisor: 3, border: zero}")
    alpha = (1 + 0.2) / 3
    assert result[0, 1].tolist() == [round(100 / 1.2), 0, round(40 / 1.2), round(255 * alpha)]


@pytest.mark.parametrize("kernel", [path.stem for path in KERNELS.glob("*.yaml") if path.stem != "ripple"])
def test_an_opaque_picture_has_the_colours_of_one_without_alpha(here: Path, kernel: str) -> None:
    rgb = noise(12, 10, 3)
    opaque = np.concatenate([rgb, np.full((12, 10, 1), 255, np.uint8)], axis=2)
    with_alpha, without = apply(opaque, "-k", kernel), apply(rgb, "-k", kernel, name="rgb.png", out="rgb-out.png")
    if kernel in ("luma", "grey"):
        pair = decoded("out.png")
        assert pair.shape[2] == 2 and np.array_equal(pair[..., :1], decoded("rgb-out.png"))
        assert (pair[..., 1] == 255).all()
        return
    assert np.array_equal(with_alpha[..., :3], without)
    assert (with_alpha[..., 3] == 255).all()


def test_grey_and_alpha(here: Path) -> None:
    pixels = np.zeros((6, 9, 2), np.uint8)
    pixels[:, :4, 0] = 250  # hidden
    pixels[:, 4:] = 80, 255
    Path("in.png").write_bytes(encoding.encode(pixels, format="png", place=""))
    assert run("apply", "in.png", "-k", "box:size=3", "-o", "out.png", "--quiet").code == 0
    result = decoded("out.png")
    assert result.shape == (6, 9, 2)
    assert (result[:, 3:, 0] == 80).all()
    assert result[0, :, 1].tolist() == [0, 0, 0, 85, 170, 255, 255, 255, 255]


@pytest.mark.parametrize(
    ("layout", "shape"),
    [("x", (20,)), ("xc", (20, 3)), ("yx", (9, 8)), ("yxc", (9, 8, 2)), ("zyx", (6, 7, 8)), ("zyxc", (5, 6, 7, 2)),
     ("cyx", (3, 9, 8)), ("cx", (3, 20)), ("xyz", (5, 6, 7))],
)  # fmt: skip
def test_layouts_of_arrays(here: Path, layout: str, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).normal(0, 1, shape)
    np.save("in.npy", array)
    explicit = [] if layout in ("x", "yx", "yxc", "zyxc") else ["--layout", layout]
    kernel = "{axes: x, weights: [1, 2, 3]}"
    assert run("apply", "in.npy", "-k", kernel, "-o", "out.npy", *explicit).code == 0
    result = np.load("out.npy")
    expected = ndimage.correlate1d(array, [1, 2, 3], axis=layout.index("x"), mode="mirror")
    assert (result.dtype, result.shape) == (np.float64, shape)
    np.testing.assert_allclose(result, expected, atol=1e-12)


def test_layouts_that_do_not_fit(here: Path) -> None:
    np.save("in.npy", np.zeros((4, 5, 6)))
    np.save("signal.npy", np.zeros(9))
    save(Path("in.png"), noise(5, 5, 3))
    for source, options, part in (
        ("in.npy", ["--layout", "yx"], "in.npy: layout 'yx' has 2 axes, the array 3: its shape is (4, 5, 6)"),
        ("signal.npy", [], "signal.npy: kernel 'gaussian' moves along y,x; the array has the axes x and no y"),
        ("in.png", ["--layout", "zyx"], "in.png: an image has the layout yxc, not zyx"),
    ):
        result = run("apply", source, "-k", "gaussian", "-o", "out.npy", *options)
        assert result.code == 1
        assert part in result.err
        assert not Path("out.npy").exists()


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", ">i2", "u2", "<i4", "u4", "i8", "u8", "f2", ">f4", "f4", "f8"])
def test_dtypes_of_arrays(here: Path, dtype: str) -> None:
    array = (np.arange(30).reshape(5, 6) % 2 if dtype == "?" else np.arange(30).reshape(5, 6)).astype(dtype)
    np.save("in.npy", array)
    assert run("apply", "in.npy", "-k", "identity", "-o", "out.npy").code == 0
    result = np.load("out.npy")
    assert result.dtype == np.dtype(dtype).newbyteorder("=")
    assert np.array_equal(result, array)


def test_archives_of_arrays(here: Path) -> None:
    np.savez("two.npz", a=np.ones((5, 6)), b=np.arange(7.0))
    np.savez("one.npz", a=np.ones((5, 6)))
    assert run("apply", "two.npz::a", "one.npz", "-k", "identity", "-o", "out/").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["one.npy", "two-a.npy"]
    result = run("apply", "two.npz", "-k", "identity", "-o", "x.npy")
    assert (result.code, result.err.splitlines()[0]) == (1, "Error: two.npz: it holds 2 arrays: a, b")


def test_pictures_and_arrays_into_each_other(here: Path) -> None:
    pixels = noise(7, 8, 3)
    save(Path("in.png"), pixels)
    assert run("apply", "in.png", "-k", "identity", "-o", "a.npy").code == 0
    assert np.array_equal(np.load("a.npy"), pixels)
    assert run("apply", "a.npy", "-k", "identity", "-o", "b.png").code == 0
    assert np.array_equal(read(Path("b.png")), pixels)
    grey = save(Path("grey.png"), noise(7, 8))
    assert run("apply", grey, "-k", "identity", "-o", "grey.npy").code == 0
    assert np.load("grey.npy").shape == (7, 8)
    result = run("apply", SAMPLES / "features.npy", "-k", "identity", "-o", "c.png")
    assert (result.code, result.err) == (
        1,
        "Error: c.png: png can't hold float32 pixels, only uint8, uint16\n  hint: formats that can: .tif .npy\n",
    )


@pytest.mark.parametrize("kernel", [path.stem for path in KERNELS.glob("*.yaml")])
@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (2, 1, 4), (1, 7)])
def test_tiny_pictures_through_every_shipped_kernel(here: Path, kernel: str, shape: tuple[int, ...]) -> None:
    pixels = noise(*shape)
    source = save(Path("in.png"), pixels)
    result = run("apply", source, "-k", kernel, "-o", "out.png", "--quiet")
    if kernel == "ripple":  # its offsets fit pictures of one size
        assert (result.code, len(result.errors())) == (1, 1)
        return
    assert (result.code, result.err) == (0, "")
    expected = convcli.load(kernel).output_shape(shape[:2])
    assert read(Path("out.png")).shape[:2] == expected


def test_the_report_as_json_is_about_what_was_done(here: Path) -> None:
    save(Path("in.png"), noise(10, 12, 3))
    result = run(
        "apply", "in.png", "absent.png", "-k", "gaussian:sigma=1", "-k", "downsample-2x", "-o", "out/", "--json"
    )
    assert (result.code, result.out) == (1, b"")
    done, failed = (json.loads(line) for line in result.err.splitlines())
    assert (done["input"], done["output"], done["status"]) == ("in.png", "out/in.png", "done")
    assert [stage["kernel"] for stage in done["stages"]] == ["gaussian", "downsample-2x"]
    first, second = done["stages"]
    assert (first["size_in"], first["size_out"], first["weights"]) == ([10, 12], [10, 12], 18)
    assert first["macs"] == 2 * 9 * 10 * 12 * 3 and first["flops"] == 2 * first["macs"]
    assert second["macs"] == 3 * (5 * 10 * 6 + 5 * 5 * 6)  # along x first, at half the width
    assert read(Path("out/in.png")).shape == (5, 6, 3)
    assert (failed["input"], failed["status"], failed["error"]) == ("absent.png", "failed", "absent.png: no such file")


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_nan_and_infinite_results_are_counted(here: Path, kind: type) -> None:
    values = np.zeros((9, 9), kind)
    values[2, 2], values[6, 6] = np.nan, np.inf
    np.save("in.npy", values)
    result = run("apply", "in.npy", "-k", "sharpen", "-o", "out.npy")
    y = np.load("out.npy")
    assert (result.code, np.count_nonzero(~np.isfinite(y))) == (0, 10)
    assert "Warning: in.npy: 10 samples of the result are NaN or infinite" in result.err
