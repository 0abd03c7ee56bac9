"""The table of rules that make weights: gaussian, box, disk, ..., each with its shape and its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from convcli.ops.rules import Parameter, Rule
from convcli.records import late

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
else:
    np = late("numpy")

# Shapes --------------------------------------------------------------------------------------------------------------


def _sized(p: Mapping[str, Any], stride: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(p["size"])


def _reach(sigmas: Sequence[float], radius: Sequence[int] | None) -> tuple[int, ...]:
    radii = radius if radius is not None else [int(4 * sigma + 0.5) for sigma in sigmas]
    return tuple(2 * r + 1 for r in radii)


def _sigma_shape(p: Mapping[str, Any], stride: tuple[int, ...]) -> tuple[int, ...]:
    return _reach(p["sigma"], p["radius"])


def _difference_shape(p: Mapping[str, Any], stride: tuple[int, ...]) -> tuple[int, ...]:
    return _reach([sigma * p["ratio"] for sigma in p["sigma"]], p["radius"])


def _gabor_shape(p: Mapping[str, Any], stride: tuple[int, ...]) -> tuple[int, ...]:
    longest = p["sigma"] / min(p["aspect"], 1.0)
    radius = p["radius"] if p["radius"] is not None else int(3 * longest + 0.5)
    return (2 * radius + 1,) * 2


def _motion_shape(p: Mapping[str, Any], stride: tuple[int, ...]) -> tuple[int, ...]:
    steep, reach, slope = _motion_line(p)
    along, across = 2 * reach + 1, 2 * math.ceil(round(reach * abs(slope), 9)) + 1
    return (along, across) if steep else (across, along)


def _motion_line(p: Mapping[str, Any]) -> tuple[bool, int, float]:
    """Whether the line is steep, how many taps it reaches along its longer side, its slope (rightwards and down)."""
    angle = math.radians(p["angle"])
    rise, run = -math.sin(angle), math.cos(angle)
    steep = abs(rise) > abs(run)
    longer = p["length"] * max(abs(rise), abs(run))
    return steep, math.ceil(round((longer - 1) / 2, 9)), (run / rise if steep else rise / run)


def _antialias_shape(p: Mapping[str, Any], stride: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(2 * (s * s // 2) + 1 for s in stride)


def _disk_shape(p: Mapping[str, Any], stride: tuple[int, ...]) -> tuple[int, ...]:
    return (2 * math.ceil(p["radius"]) + 1,) * 2


def _triangle_shape(p: Mapping[str, Any], stride: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(2 * s - s % 2 for s in stride)


def _cubic_shape(p: Mapping[str, Any], stride: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(4 * s - s % 2 for s in stride)


# Numbers -------------------------------------------------------------------------------------------------------------


def _outer(factors: Sequence[Array]) -> Array:
    product: Array = np.ones(())
    for factor in factors:
        product = product[..., None] * factor
    return product


def _centred(length: int) -> Array:
    """The positions of `length` taps, 0 in the middle.

    Formed on integers so that both sides mirror exactly.
    """
    return (2 * np.arange(length) - (length - 1)) / 2.0


def _bell(length: int, sigma: float) -> Array:
    bell: Array = np.exp(-0.5 * (_centred(length) / sigma) ** 2) if sigma else (_centred(length) == 0).astype(float)
    bell /= bell.sum()
    return bell


def _fill(p: Mapping[str, Any], shape: tuple[int, ...], stride: tuple[int, ...]) -> Array:
    return np.full(shape, float(p["fill"]))


def _box(p: Mapping[str, Any], shape: tuple[int, ...], stride: tuple[int, ...]) -> Array:
    return np.full(shape, 1 / math.prod(shape))


def _gaussian(p: Mapping[str, Any], shape: tuple[int, ...], stride: tuple[int, ...]) -> Array:
    return _outer([_bell(length, sigma) for length, sigma in zip(shape, p["sigma"], strict=True)])


def _binomial(p: Mapping[str, Any], shape: tuple[int, ...], stride: tuple[int, ...]) -> Array:
    rows = [[math.comb(length - 1, i) / 2 ** (length - 1) for i in range(length)] for length in shape]
    return _outer([np.array(row) for row in rows])


def _derivative_of_gaussian(p: Mapping[str, Any], shape: tuple[int, ...], stride: tuple[int, ...]) -> Array:
    slopes = [_centred(length) / sigma**2 for length, sigma in zip(shape, p["sigma"], strict=True)]
    bells = [_bell(length, sigma) for length, sigma in zip(shape, p["sigma"], strict=True)]
    return _outer([*bells[:-1], slopes[-1] * bells[-1]])


def _laplacian_of_gaussian(p: Mapping[str, Any], shape: tuple[int, ...], stride: tuple[int, ...]) -> Array:
    bells = [_bell(length, sigma) for length, sigma in zip(shape, p["sigma"], strict=True)]
    total: Any = 0.0
    for axis, (length, sigma) in enumerate(zip(shape, p["sigma"], strict=True)):
        second = bells[axis] * ((_centred(length) / sigma) ** 2 - 1) / sigma**2
        total = total + _outer([*bells[:axis], second, *bells[axis + 1 :]])
    # Cut at a finite radius the taps leave a small sum; taking it off in proportion to the bell keeps flat areas at 0.
    balanced: Array = total - total.sum() * _outer(bells)
    return balanced


def _difference(p: Mapping[str, Any], shape: tuple[int, ...], stride: tuple[int, ...]) -> Array:
    wide = {"sigma": [sigma * p["ratio"] for sigma in p["sigma"]]}
    return _gaussian(p, shape, stride) - _gaussian(wide, shape, stride)


def _gabor(p: Mapping[str, Any], shape: tuple[int, ...], stride: tuple[int, ...]) -> Array:
    angle, phase = math.radians(p["theta"]), math.radians(p["phase"])
    y, x = _centred(shape[0])[:, None], _centred(shape[1])[None, :]
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    envelope = np.exp(-0.5 * (along**2 + (p["aspect"] * across) ** 2) / p["sigma"] ** 2)
    wave = envelope * np.cos(2 * math.pi * along / p["wavelength"] + phase)
    wave -= envelope * (wave.sum() / envelope.sum())
    gabor: Array = wave / np.abs(wave).sum()
    return gabor


def _motion(p: Mapping[str, Any], shape: tuple[int, ...], stride: tuple[int, ...]) -> Array:
    steep, reach, slope = _motion_line(p)
    steps = np.arange(-reach, reach + 1)
    # What the line covers of each pixel along its longer side, shared between the two nearest pixels across it.
    longer = p["length"] / math.hypot(1, slope)
    cover = np.clip(longer / 2 + 0.5 - abs(steps), 0, 1)
    height, width = shape if not steep else shape[::-1]
    place = steps * slope + height // 2
    near = np.floor(place + 1e-9).astype(int)
    share = np.clip(place - near, 0, 1)
    taps = np.zeros((height + 1, width))
    taps[near, steps + reach] = cover * (1 - share)
    taps[near + 1, steps + reach] = cover * share
    line = taps[:height].T if steep else taps[:height]
    motion: Array = np.ascontiguousarray(line / line.sum())
    return motion


def _disk(p: Mapping[str, Any], shape: tuple[int, ...], stride: tuple[int, ...]) -> Array:

    # The share of each pixel that the disk covers, from 16 x 16 points in it.
    fine = 16
    y = _centred(shape[0] * fine)[:, None] / fine
    x = _centred(shape[1] * fine)[None, :] / fine
    inside = (y**2 + x**2 <= max(p["radius"], 0.5) ** 2).astype(float)
    cover = inside.reshape(shape[0], fine, shape[1], fine).mean(axis=(1, 3))
    disk: Array = cover / cover.sum()
    return disk


def _nearest(p: Mapping[str, Any], shape: tuple[int, ...], stride: tuple[int, ...]) -> Array:
    return np.ones(shape)


def _bilinear(p: Mapping[str, Any], shape: tuple[int, ...], stride: tuple[int, ...]) -> Array:
    return _outer([1 - np.abs(_centred(length)) / s for length, s in zip(shape, stride, strict=True)])


def _cubic(p: Mapping[str, Any], shape: tuple[int, ...], stride: tuple[int, ...]) -> Array:
    a = p["a"]

    def curve(t: Array) -> Array:
        near = (a + 2) * t**3 - (a + 3) * t**2 + 1
        far = a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a
        return np.where(t <= 1, near, np.where(t < 2, far, 0.0))

    return _outer([curve(np.abs(_centred(length)) / s) for length, s in zip(shape, stride, strict=True)])


_SIGMA = Parameter("standard deviation in pixels", low=0.0, high=1000, per_axis=True)
_RADIUS = Parameter(
    "taps on each side of the middle; follows from sigma", low=0, per_axis=True, whole=True, optional=True
)
_ONE_RADIUS = Parameter("taps on each side of the middle; follows from sigma", low=0, whole=True, optional=True)
_SIZE = Parameter("taps per axis", low=1, per_axis=True, whole=True)
_POSITIVE_SIGMA = Parameter("standard deviation in pixels", low=0.1, high=1000, per_axis=True)

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            name="fill", about="The same number at every tap.",
            parameters={"fill": Parameter("the number"), "size": _SIZE}, shape=_sized, values=_fill,
        ),
        Rule(
            name="box", about="A mean: equal taps that sum to 1.",
            parameters={"size": _SIZE}, shape=_sized, values=_box,
        ),
        Rule(
            name="gaussian", about="A Gaussian, sampled; sums to 1; radius int(4 sigma + 0.5) as in scipy.ndimage.",
            parameters={"sigma": _SIGMA, "radius": _RADIUS}, shape=_sigma_shape, values=_gaussian,
        ),
        Rule(
            name="binomial", about="Binomial coefficients, the integer Gaussian; sums to 1.",
            parameters={"size": _SIZE}, shape=_sized, values=_binomial,
        ),
        Rule(
            name="antialias", about="Blurs for the kernel's stride: binomial, sigma about half of it; sums to 1.",
            parameters={}, shape=_antialias_shape, values=_binomial,
        ),
        Rule(
            name="derivative_of_gaussian", about="The slope of a Gaussian along the last axis; the taps sum to 0, and a"
            " ramp of 1 a pixel becomes 1; radius as of gaussian.",
            parameters={"sigma": _POSITIVE_SIGMA, "radius": _RADIUS}, shape=_sigma_shape,
            values=_derivative_of_gaussian,
        ),
        Rule(
            name="laplacian_of_gaussian", about="The Laplacian of a Gaussian (Marr & Hildreth 1980); sums to 0.",
            parameters={"sigma": _POSITIVE_SIGMA, "radius": _RADIUS}, shape=_sigma_shape, values=_laplacian_of_gaussian,
        ),
        Rule(
            name="difference_of_gaussians", about="A Gaussian less one `ratio` times as wide; sums to 0.",
            parameters={
                "sigma": _POSITIVE_SIGMA, "radius": _RADIUS,
                "ratio": Parameter("width of the second Gaussian over the first", default=1.6, low=1.01, high=100),
            },
            shape=_difference_shape, values=_difference,
        ),
        Rule(
            name="gabor", about="A wave under a Gaussian (Daugman 1985); sums to 0, absolute values to 1.",
            parameters={
                "sigma": Parameter("standard deviation of the envelope in pixels", low=0.1, high=1000),
                "wavelength": Parameter("pixels per wave", low=0.5),
                "theta": Parameter("direction in which the wave travels, in degrees from x towards y", default=0.0),
                "phase": Parameter("degrees; 0 is even, 90 odd", default=0.0),
                "aspect": Parameter("width of the envelope along the wave over across", default=0.5, low=0.05, high=20),
                "radius": _ONE_RADIUS,
            },
            shape=_gabor_shape, values=_gabor, ranks=(2,),
        ),
        Rule(
            name="motion", about="The trail of a straight movement; sums to 1.",
            parameters={
                "length": Parameter("pixels", low=1, high=4095),
                "angle": Parameter("degrees, anticlockwise from the right", default=0.0),
            },
            shape=_motion_shape, values=_motion, ranks=(2,),
        ),
        Rule(
            name="disk", about="A disk with smooth rim, as an out-of-focus lens draws a point; sums to 1.",
            parameters={"radius": Parameter("pixels", low=0.0, high=255)}, shape=_disk_shape, values=_disk, ranks=(2,),
        ),
        Rule(
            name="nearest", about="Enlarges by the kernel's stride, each sample repeated.",
            parameters={}, shape=lambda p, stride: stride, values=_nearest,
        ),
        Rule(
            name="bilinear", about="Enlarges by the kernel's stride with straight lines between samples.",
            parameters={}, shape=_triangle_shape, values=_bilinear,
        ),
        Rule(
            name="cubic", about="Enlarges by the kernel's stride with Keys' cubic (1981).",
            parameters={"a": Parameter("-0.75 as PyTorch and OpenCV, -0.5 Catmull-Rom", default=-0.75, low=-3, high=0)},
            shape=_cubic_shape, values=_cubic,
        ),
    )
}  # fmt: skip
