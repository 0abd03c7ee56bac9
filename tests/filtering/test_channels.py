"""Bands are filtered as they are, each like a picture of its own; premultiplied colours as straight ones are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convcli import load
from convcli.channels import MOST, Channels
from convcli.errors import ShapeError, UsageError
from convcli.filtering import paging, steps
from convcli.filtering.chain import Chain
from convcli.filtering.picture import Outline, Picture
from convcli.filtering.steps import filter_pixels, filtered
from convcli.filtering.treatment import Treatment

Pixels = Any
MODES = ("clip", "abs", "offset", "rescale", "float")
PREMULTIPLIED = Channels(colours=3, extra=("premultiplied",))
KERNELS = ("gaussian:sigma=1.5", "sharpen", "sobel-x")


def noise(*shape: int, dtype: str = "uint8") -> Pixels:
    rng = np.random.default_rng(shape[-1])
    return rng.random(shape).astype(dtype) if dtype[0] == "f" else rng.integers(0, 200, shape).astype(dtype)


def premultiplied(dtype: str, *, alpha: str = "mixed") -> tuple[Pixels, Pixels]:
    """A picture of floats with premultiplied alpha, and the same with straight alpha, in a dtype that holds both."""
    rng = np.random.default_rng(5)
    top = 1.0 if dtype[0] == "f" else float(np.iinfo(dtype).max)
    share = rng.integers(1, 6, (23, 31, 1)) / 5
    if alpha == "holes":
        share[5:14, 7:20] = 0
    elif alpha == "full":
        share[:] = 1
    colour = np.rint(rng.random((23, 31, 3)) * 51) * 5 * top / 255 * (share > 0)
    both = [np.concatenate([x, share * top], 2) for x in (colour * share, colour)]
    return tuple((np.rint(x) if dtype[0] == "u" else x).astype(dtype) for x in both)  # type: ignore[return-value]


def left(pixels: Pixels, chain: Chain, treatment: Treatment, channels: Channels, *, straight: bool) -> tuple[Any, Any]:
    picture = Picture(Outline(shape=pixels.shape, dtype=pixels.dtype, channels=channels), chain, treatment)
    picture.premultiplied &= not straight
    means = picture.channels
    return filtered(picture, pixels).array, means


@pytest.mark.parametrize("count", [2, 3, 4, 5, 13, MOST])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64"])
@pytest.mark.parametrize("mode", ["clip", "offset", "float"])
def test_bands_are_filtered_as_alone(count: int, dtype: str, mode: str) -> None:
    pixels = noise(19, 26, count, dtype=dtype)
    chain = Chain([load("gaussian:sigma=2"), load("sharpen")], mode)
    together = filter_pixels(pixels, chain, channels=Channels.bands(count)).array
    for band in range(count):
        alone = filter_pixels(np.ascontiguousarray(pixels[..., band : band + 1]), chain).array
        # So many channels may go another way, which rounds elsewhere.
        error = 1e-3 if mode == "float" and dtype[0] != "f" else 1e-5 if dtype[0] == "f" else 1
        assert np.abs(together[..., band : band + 1].astype(float) - alone).max() <= error
        assert (together[..., band : band + 1] != alone).mean() < 0.01 or dtype[0] == "f" or mode == "float"


@pytest.mark.parametrize("channels", [Channels.of(4), Channels.of(2), PREMULTIPLIED])
def test_alpha_that_is_none(channels: Channels) -> None:
    pixels, chain = noise(19, 26, channels.count), Chain([load("sharpen")], "clip")
    result, means = left(pixels, chain, Treatment(alpha="none"), channels, straight=False)
    assert np.array_equal(result, filter_pixels(pixels, chain, channels=Channels.bands(channels.count)).array)
    assert means == channels


def test_what_bands_have_not() -> None:
    pixels, chain, bands = noise(9, 8, 4), Chain([load("sharpen")], "clip"), Channels.bands(4)
    for treatment, part in (
        (Treatment(channels=("r",)), "4 bands have no channel 'r'"),
        (Treatment(channels=("luma",)), "4 bands have no channel 'luma'"),
        (Treatment(channels=("alpha",)), "4 bands have no channel 'alpha'"),
        (Treatment(linear=True), "4 bands have no linear light"),
    ):
        with pytest.raises(ShapeError, match=part):
            filter_pixels(pixels, chain, treatment, channels=bands)
    with pytest.raises(UsageError, match="--background uses alpha up, --alpha none"):
        Treatment(alpha="none", background=(1.0, 1.0, 1.0))


def test_colours_beside_bands() -> None:
    pixels, chain = noise(9, 8, 5), Chain([load("gaussian")], "clip")
    means = Channels(colours=3, extra=("band", "band"))
    result = filter_pixels(pixels, chain, Treatment(channels=("r", "b")), channels=means).array
    whole = filter_pixels(pixels, chain, channels=means).array
    for place, band in enumerate((whole, pixels, whole, pixels, pixels)):
        assert np.array_equal(result[..., place], band[..., place])


@pytest.mark.parametrize("into", [1, 2, 3, 4, 7])
def test_what_a_bank_makes_are_bands_or_colours(into: int) -> None:
    bank = load({"weights": np.ones((into, 3, 1, 1)) / 3})
    for channels, expected in ((Channels.of(3), Channels.bands(into)), (Channels.bands(3), Channels.bands(into))):
        wanted = Channels(colours=3) if into == 3 and channels == Channels.of(3) else expected
        outline = Outline(shape=(6, 7, 3), dtype=np.uint8, channels=channels)
        assert Picture(outline, Chain([bank], "clip")).channels == wanted


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "float32", "float64"])
@pytest.mark.parametrize("mode", ["clip", "abs", "float"])
def test_identity_changes_no_premultiplied_sample(dtype: str, mode: str) -> None:
    """Not even of colours that are brighter than their alpha, as lights are."""
    pixels = noise(13, 17, 4, dtype=dtype)
    pixels[3:6, :, 3] = 0
    result, means = left(pixels, Chain([load("identity")], mode), Treatment(), PREMULTIPLIED, straight=False)
    assert means == PREMULTIPLIED
    assert np.array_equal(result, pixels.astype(result.dtype))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("alpha", ["mixed", "holes", "full"])
@pytest.mark.parametrize("treatment", [
    Treatment(), Treatment(linear=True), Treatment(channels=("luma",)), Treatment(channels=("r", "b")),
    Treatment(alpha="keep"), Treatment(alpha="drop"), Treatment(background=(0.2, 0.5, 1.0)),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_as_the_straight_picture(kernel: str, mode: str, alpha: str, treatment: Treatment, dtype: str) -> None:
    """What leaves straight is what the straight picture gives; what leaves premultiplied is that times alpha."""
    stored, straight = premultiplied(dtype, alpha=alpha)
    chain = Chain([load(kernel)], mode)
    wanted, _ = left(straight, chain, treatment, Channels.of(4), straight=True)
    divided, _ = left(stored, chain, treatment, PREMULTIPLIED, straight=True)
    scale = 1.0 if dtype[0] == "f" else 65535.0
    error = 2e-5 * scale + (dtype[0] == "u")
    assert divided.shape == wanted.shape
    seen = (
        wanted[..., 3:] > scale / 100 if divided.shape[2] == 4 else np.True_
    )  # what is nearly transparent has any colour
    assert (np.abs(divided.astype(float) - wanted) * seen).max() <= 4 * error  # divided by alphas of a quarter and more
    result, means = left(stored, chain, treatment, PREMULTIPLIED, straight=False)
    if means.alpha:
        assert means == PREMULTIPLIED
        share = wanted[..., 3:].astype(float) / scale
        floats, _ = left(straight, Chain([load(kernel)], mode), treatment, Channels.of(4), straight=True)
        inside = seen & (np.abs(floats[..., :3].astype(float) - scale / 2) < scale / 2)  # neither is cut off
        difference = np.abs(result[..., :3] - floats[..., :3] * share)
        assert np.where(inside, difference, 0).max() <= 2 * error
        assert np.array_equal(result[..., 3], divided[..., 3])


@pytest.mark.skipif(not paging.available(), reason="this system gives no memory back")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("treatment", [Treatment(), Treatment(alpha="keep"), Treatment(linear=True)], ids=str)
@pytest.mark.parametrize("channels", [PREMULTIPLIED, Channels.bands(7)], ids=str)
def test_in_steps_as_at_once(
    mode: str, treatment: Treatment, channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "GRAIN", 4096)
    monkeypatch.setattr(steps, "_STEP_BYTES", 1 << 16)
    if channels.has_bands and treatment.linear:
        treatment = Treatment()
    pixels = noise(210, 133, channels.count, dtype="uint16")
    pixels[90:140, :, -1] = 0
    results = []
    for in_rows in (True, False):
        monkeypatch.setattr(steps, "goes_in_rows", lambda picture, pixels, answer=in_rows: answer)
        chain = Chain([load("gaussian:sigma=2"), load("sharpen")], mode)
        results.append(left(pixels.copy(), chain, treatment, channels, straight=False)[0])
    assert np.array_equal(*results)
