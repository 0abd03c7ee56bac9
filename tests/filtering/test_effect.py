"""How much of a filter, from which change on, and where: against the formula in float64, on every way through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.channels import Channels
from convcli.filtering import Chain, Treatment, filter_pixels, paging, steps
from convcli.filtering.effect import Effect, Region
from convcli.filtering.picture import Outline, Picture
from convcli.ops import tensors
from tests.filtering.mixed import RNG, formula, picture, plain

CHAINS = {
    "dense": ["sharpen"], "separable": ["gaussian:sigma=2"], "edges": ["sobel-x"], "several": ["gaussian", "sharpen"],
    "deformable": ["swirl"], "own effect": ["unsharp:amount=2,threshold=3"], "bias": ["{weights: [[1]], bias: 9}"],
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("name", [name for name in CHAINS if name != "own effect"])
def test_the_formula(name: str, dtype: str) -> None:
    x = picture(dtype)
    white = 1.0 if dtype == "float32" else float(np.iinfo(dtype).max)
    y = plain(x, CHAINS[name])
    if name == "edges" and dtype != "float32":
        y = abs(y)  # in its range
    kernels = [convcli.load(kernel) for kernel in CHAINS[name]]
    for amount, threshold in ((0.5, 0), (-1.5, 0), (3, 0.1), (1, 5 / white if dtype == "float32" else 5)):
        done = filter_pixels(x, Chain(kernels, effect=Effect(amount=amount, threshold=threshold))).array
        least = threshold * white if threshold < 1 else threshold
        wanted = formula(x, y, amount, least)
        if dtype != "float32":
            wanted = np.clip(wanted, 0, white)
        # Where a change is the threshold but for rounding, either is right.
        near = abs(abs(y - x) - least) < 1e-4 * white
        off = np.where(near, 0, abs(np.float64(done) - wanted))
        assert off.max() <= (1e-4 if name == "deformable" else 1e-5) * white + 0.5 * (dtype != "float32")


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("channels, alpha, linear, rows", [
    (("all",), 3, False, False), (("all",), 4, False, False), (("all",), 4, True, True), (("r", "b"), 4, True, False),
    (("luma",), 3, False, True), (("alpha",), 4, False, False), (("all",), 2, False, True), (("all",), 1, True, False),
])  # fmt: skip
def test_outside_of_the_mask_every_bit_stays(
    name: str, channels: tuple[str, ...], alpha: int, linear: bool, rows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = picture(channels=alpha)
    if name == "bias" and channels == ("alpha",):
        return  # which belongs to colours
    if alpha in (2, 4):
        x[10:30, 20:40, -1] = 0
    if rows and paging.available():
        monkeypatch.setattr(steps, "goes_in_rows", lambda picture, pixels: True)
        monkeypatch.setattr(steps, "_STEP_BYTES", 1 << 12)
    kernels = [convcli.load(kernel) for kernel in CHAINS[name]]
    mask = np.zeros((60, 70), np.uint8)
    mask[5:25, 30:60] = 255
    mask[40:, :20] = 100
    for effect, inside in (
        (Effect(region=Region.parse("30x20+30+5")), (slice(5, 25), slice(30, 60))),
        (Effect(where=tensors.of_array(mask), amount=2, threshold=0.02), mask > 0),
    ):
        chain = Chain(kernels, effect=effect)
        done = filter_pixels(x, chain, Treatment(channels=channels, linear=linear), channels=Channels.of(alpha)).array
        outside = np.ones((60, 70), bool)
        outside[inside] = False
        assert np.array_equal(done[outside], x[outside]) and not np.array_equal(done, x)
    whole = Effect(region=Region.parse("100%x100%"))
    treatment = Treatment(channels=channels, linear=linear)
    done = filter_pixels(x, Chain(kernels, effect=whole), treatment, channels=Channels.of(alpha)).array
    bare = filter_pixels(x, Chain(kernels), treatment, channels=Channels.of(alpha)).array
    assert abs(done.astype(int) - bare.astype(int)).max() <= 1


@pytest.mark.parametrize("border", ["reflect", "symmetric", "replicate", "wrap", "zero"])
@pytest.mark.parametrize("enlarging", ["upsample-nearest-2x", "upsample-bilinear-2x", "upsample-cubic-2x", "4x4"])
def test_a_region_of_what_is_enlarged_and_halved_again(enlarging: str, border: str) -> None:
    """Is that of all of it, to the edge and of pictures of one row, too; what lies outside stays."""
    stamp = {"type": "transposed", "weights": np.outer([1, 3, 2, 1], [2, 1, 4, 1]), "stride": 2, "divisor": 14}
    kernels = [convcli.load(stamp if enlarging == "4x4" else enlarging), convcli.load("downsample-2x")]
    chained = Chain([kernel.replace(border=border) for kernel in kernels])
    for (height, width), region in {
        (60, 70): "30x20+30+5", (61, 47): "9x8+38+53", (1, 33): "7x1+0+0", (40, 1): "1x5+0+35", (2, 3): "1x2+2+0",
    }.items():  # fmt: skip
        x = RNG.integers(0, 256, (height, width, 3), np.uint8)
        inside = Region.parse(region).inside(height, width)
        expected = x.copy()
        expected[inside] = filter_pixels(x, chained).array[inside]
        done = filter_pixels(x, Chain(chained.kernels, effect=Effect(region=Region.parse(region)))).array
        assert np.abs(done.astype(int) - expected).max() <= 1
        outside = np.ones((height, width), bool)
        outside[inside] = False
        assert np.array_equal(done[outside], x[outside])


@pytest.mark.parametrize("border", ["reflect", "symmetric", "replicate", "wrap", "zero", "40"])
@pytest.mark.parametrize("region", ["9x8+0+0", "20x9+40+48", "12x12+30+20", "70x5+0+30", "3x60+67+0"])
@pytest.mark.parametrize("kernels", [
    ["{weights: [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]}"], ["gaussian:sigma=2", "sharpen:threshold=.1"], ["sobel"],
    ["{weights: [[1], [0], [0], [0], [0], [1]], padding: [[5, 0], 0], divisor: sum}", "box:size=3"], ["swirl"],
])  # fmt: skip
def test_a_part_is_filtered_as_all_of_it_is(
    kernels: list[str], region: str, border: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kernels == ["sobel"] and border == "40":
        border = "zero"
    loaded = [convcli.load(kernel) for kernel in kernels]
    if kernels != ["sobel"]:
        loaded = [kernel.replace(border=border) for kernel in loaded]
    mask = tensors.of_array(RNG.integers(0, 256, (60, 70), np.uint8))
    for number, (fields, channels, treatment) in enumerate([
        ({}, 3, Treatment()), ({"amount": 2, "threshold": 0.05}, 4, Treatment()),
        ({"where": mask}, 4, Treatment(linear=True)), ({"feather": 2}, 1, Treatment()),
        ({"amount": 0.5, "where": mask, "feather": 1.5}, 3, Treatment(channels=("luma",))),
        ({}, 4, Treatment(alpha="drop")), ({}, 2, Treatment(alpha="drop", linear=True)),
        ({"amount": 0.5}, 4, Treatment(alpha="drop", channels=("r", "b"))),
    ]):  # fmt: skip
        x = picture(channels=channels)
        chain = Chain(loaded, effect=Effect(**fields, region=Region.parse(region)))
        part = filter_pixels(x, chain, treatment, channels=Channels.of(channels))
        with monkeypatch.context() as patch:
            patch.setattr("convcli.filtering.part.place_of", lambda *_: None)
            whole = filter_pixels(x, chain, treatment, channels=Channels.of(channels))
        assert np.array_equal(part.array, whole.array), number
        assert (part.below, part.above, part.notes) == (whole.below, whole.above, whole.notes)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("feather", [0, 2])
@pytest.mark.parametrize(
    "spot", [(slice(20, 30), slice(40, 60)), (slice(0, 4), slice(0, 70)), (slice(59, 60), slice(0, 1))]
)
def test_what_a_mask_shows_alone_is_filtered(
    spot: tuple[slice, slice], feather: float, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, mask = picture(dtype), np.zeros((60, 70), np.uint8)
    mask[spot] = RNG.integers(1, 256, mask[spot].shape)
    for kernels in (["gaussian:sigma=2", "sharpen"], ["box:size=3"]):
        effect = Effect(where=tensors.of_array(mask), feather=feather, threshold=0.02, amount=0.7)
        chain = Chain([convcli.load(kernel) for kernel in kernels], effect=effect)
        outlined = Picture(Outline(shape=x.shape, dtype=x.dtype), chain)
        place = outlined.place
        assert place and not np.delete(mask, np.s_[place[0]], 0).any() and not np.delete(mask, np.s_[place[1]], 1).any()
        pixels = (place[0].stop - place[0].start) * (place[1].stop - place[1].start)
        for stage, whole in zip(outlined.computed, outlined.stages, strict=True):
            assert stage.macs * 60 * 70 == whole.macs * pixels and stage.size_in == whole.size_in == (60, 70)
        part = filter_pixels(x, chain).array
        with monkeypatch.context() as patch:
            patch.setattr("convcli.filtering.part.place_of", lambda *_: None)
            whole_array = filter_pixels(x, chain).array
        assert np.abs(part.astype(np.float64) - whole_array).max() <= (1e-6 if dtype == "float32" else 0)


def test_feathers_are_gaussians_of_the_masks_edge() -> None:
    x = picture("float32", 1)
    y = convcli.load("box:size=9").apply(x)
    sharp = np.zeros((60, 70))
    sharp[20:40, 0:35] = 1
    soft = ndimage.gaussian_filter(sharp, 3, mode="nearest", radius=12)
    by_region = Effect(region=Region.parse("35x20+0+20"), feather=3)
    by_mask = Effect(where=tensors.of_array((255 * sharp).astype(np.uint8)), feather=3)
    for effect in (by_region, by_mask):
        done = filter_pixels(x, Chain([convcli.load("box:size=9")], effect=effect)).array
        assert np.abs(done - formula(x, y, 1, 0, soft[..., None])).max() < 1e-5
        assert np.array_equal(done[:8], x[:8])


def test_unsharp_is_imagemagicks_and_pillows_formula() -> None:
    x = picture()
    blurred = np.stack([ndimage.gaussian_filter(np.float64(x[..., c]), 2, mode="mirror") for c in range(3)], -1)
    for amount, threshold in ((1.5, 0.05), (0.5, 3), (1, 0)):
        least = threshold * 255 if threshold < 1 else threshold
        wanted = np.clip(np.rint(x + amount * np.where(abs(x - blurred) >= least, x - blurred, 0)), 0, 255)
        done = convcli.load(f"unsharp:sigma=2,amount={amount},threshold={threshold}").apply(x)
        off = abs(np.float64(done) - wanted)
        assert (off > 1).mean() < 1e-3 and (off > 0).mean() < 0.01


def test_a_plain_amount_is_in_the_weights() -> None:
    x = picture("float64")
    rng = np.random.default_rng(5)
    for fields in (
        {"weights": [[0, 1, 0], [1, -4, 1], [0, 1, 0]]}, {"weights": [[1, 2], [3, 4]], "divisor": "sum", "flip": True},
        {"weights": rng.standard_normal((3, 3, 5, 3))}, {"weights": rng.standard_normal((3, 1, 3, 3)), "groups": 3},
        {"weights": rng.standard_normal((3, 3)), "dilation": 3},
    ):  # fmt: skip
        kernel = convcli.load({**fields, "amount": "40%"})
        assert not kernel.folded.has_effect and kernel.folded.weight_count == kernel.weight_count
        assert kernel.count((60, 70), 3) == kernel.bare.count((60, 70), 3)
        bare = kernel.bare.apply(x)
        assert np.abs(kernel.apply(x) - formula(x, bare, 0.4, 0)).max() < 1e-9 * np.abs(bare).max()
    # These keep their two passes, and their taps do not lie on the sample itself.
    for name in ("gaussian:amount=.4", "{weights: [[1, 2], [3, 4]], dilation: 3, amount: .4}"):
        kernel = convcli.load(name)
        assert kernel.folded.has_effect
        assert np.abs(kernel.apply(x) - formula(x, kernel.bare.apply(x), 0.4, 0)).max() < 1e-9


TYPES = {
    "sums": "box:size=9", "large": "gaussian:sigma=9", "deformable": "swirl", "combined": "sobel",
    "lines": "{axes: x, weights: [1, 3]}", "copies": "identity",
    "transposed": "{type: transposed, weights: [[1, 2, 1], [2, 4, 2], [1, 2, 1]], divisor: sum, padding: 1}",
    "dilated": "{type: separable, taps: {y: [1, 2, 1], x: [1, 1, 1]}, divisor: sum, dilation: 3}",
    "curve": "{weights: [[1, 2], [3, -4]], bias: 3, activation: relu}",
    "volumes": "{axes: zyx, weights: {fill: 1, size: [3, 3, 3]}, divisor: sum}",
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("name", [*TYPES, "bank"])
def test_each_type_is_mixed_as_it_is_stored(name: str, dtype: str) -> None:
    bank = {"weights": np.random.default_rng(1).standard_normal((3, 3, 5, 5)) / 9}
    kernel = convcli.load(bank if name == "bank" else TYPES[name])
    white = 1.0 if dtype.startswith("f") else float(np.iinfo(dtype).max)
    for shape in [(9, 20, 30, 3)] if name == "volumes" else [(60, 70, 3), (1, 1, 3), (30, 300, 3)]:
        axes = "zyxc"[-len(shape) :]
        x = picture(dtype, 3, shape[:-1])
        y = kernel.apply(x.astype(np.float64), axes)
        for amount, threshold in ((1, 0.1), (-1.5, 0.0)):
            mixes = kernel.replace(amount=amount, threshold=threshold)
            wanted = formula(x, y, amount, threshold * white)
            mask = RNG.integers(0, 256, shape[-3:-1], np.uint8)
            effect = Effect(amount=amount, threshold=threshold, where=tensors.of_array(mask))
            masked, alone = (
                filter_pixels(x, chain, axes=axes[:-1]).array
                for chain in (Chain([kernel], "clip", effect=effect), Chain([mixes], "clip"))
            )
            shares = (mask / 255)[..., None]
            results = [
                (mixes.apply(x, axes), wanted), (alone, wanted), (masked, x + shares * (wanted - x)),
                (np.moveaxis(mixes.apply(np.moveaxis(x, -1, 0).copy(), f"c{axes[:-1]}"), 0, -1), wanted),
            ]  # fmt: skip
            near = abs(abs(y - x) - threshold * white) < 1e-4 * white
            for done, exact in results:
                exact = exact if dtype.startswith("f") else np.clip(exact, 0, white)
                off = np.where(near, 0, abs(np.float64(done) - exact))
                scale = max(white, float(abs(y).max()))
                assert off.max() <= 4e-5 * scale + 0.5 * (not dtype.startswith("f"))


def test_what_is_not_finite_stays_inside_of_the_mask() -> None:
    x = picture("float32", 1)
    x[30, 30] = np.nan
    done = filter_pixels(x, Chain([convcli.load("gaussian")], effect=Effect(region=Region.parse("10x10+0+0")))).array
    assert np.array_equal(done[15:], x[15:], equal_nan=True) and np.isfinite(done[:15]).all()


@pytest.mark.parametrize("fields", [{}, {"threshold": 0.05}, {"region": Region.parse("9x9+3+3")}])
def test_nothing_of_a_result_is_the_picture_whatever_the_result_is(fields: dict[str, Any]) -> None:
    x = np.float32(picture()) / 255
    x[5, 5], x[20, 20] = np.nan, np.inf
    for kernel in ("gaussian", "sobel", "swirl"):
        chain = Chain([convcli.load(kernel)], effect=Effect(amount=0.0, **fields))
        np.testing.assert_array_equal(filter_pixels(x, chain).array, x)
