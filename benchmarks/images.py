"""Kernels on pictures in memory, beside the plain calls of OpenCV that give the same: sizes, dtypes, channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import cv2
import numpy as np

from benchmarks import functions, machine
from benchmarks.functions import noise, ours
from benchmarks.model import US, Array, Contender, Contest, Goal, Scenario
from benchmarks.timing import SETTLE

#: Height and width by the name of the size.
SIZES = {"64x64": (64, 64), "256x256": (256, 256), "512x512": (512, 512), "2 MP": (1250, 1600), "12 MP": (3000, 4000)}
#: From this size up no call may be slower than the plain one; below, it may take as many seconds more.
LARGE = ("512x512", "2 MP", "12 MP")
SLACK = 30e-6
DTYPES, CHANNELS = ("uint8", "uint16", "float32"), (1, 3, 4)
#: Sizes whose calls are short enough that threads of the call before, which wait by spinning, take much of them.
BESIDE_THREADS = ("512x512", "2 MP")
#: Sizes at which only these dtypes and channels are measured.
SOME = {
    "2 MP": (("float32", 1), ("uint8", 1), ("uint8", 3), ("uint16", 4), ("float32", 3)),
    "12 MP": (("float32", 1), ("uint8", 3), ("uint16", 1)),
}
#: What `--quick` takes of each size.
QUICK = {"64x64": ("float32", 1), "512x512": ("uint8", 3), "2 MP": ("uint16", 4)}

#: Rows and columns at which a call is looked at: how it rounds.
SEEN = 256
#: The distance from an exact sum up to which an integer is its nearest, errors of float32 included, and the share of
#: samples that may be further off.
NEAREST, OFTEN = 0.52, 0.01
#: What the name of a call on floats ends in.
IN_FLOATS = ", in floats"

Call = Callable[[Array], Array]


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A kernel, as `convcli.load` takes it, and OpenCV's calls. `group` is whose goal it has, `first` the goal on a
    processor with AVX-512 at 12 megapixels of float32; `largest` is the sum of the weights' magnitudes, and `frame`
    what is not compared at each side."""

    name: str
    group: str
    kernel: str | Mapping[str, Any]
    calls: Mapping[str, Call]
    largest: float = 1
    frame: int = 0
    first: float | None = None
    quick: bool = False


def _dense(taps: int, *, stride: int = 1, first: float | None = None, quick: bool = False) -> Filter:
    """Weights of full rank; with a stride the plain call is `filter2D`, of which every n-th sample is taken."""
    weights = np.random.default_rng(taps).standard_normal((taps, taps)).astype(np.float32)
    weights /= np.abs(weights).sum()
    # Odd numbers of taps: the first window is around the first sample.
    fields = {"weights": weights, "stride": stride, "padding": taps // 2, "border": "reflect"}

    def call(x: Array) -> Array:
        y = cv2.filter2D(x, -1, weights)
        return y if stride == 1 else np.ascontiguousarray(y[::stride, ::stride])

    name = f"strided {taps}x{taps}, stride {stride}" if stride > 1 else f"dense {taps}x{taps}"
    return Filter(
        name=name, group="strided" if stride > 1 else "dense", kernel=fields, calls={"cv2.filter2D": call}, first=first,
        quick=quick,
    )  # fmt: skip


def _separable(taps: int, *, even: bool = True, first: float | None = None, quick: bool = False) -> Filter:
    """A Gaussian whose sigma is a sixth of its taps, or taps that are not symmetric."""
    sigma = taps / 6
    row = cv2.getGaussianKernel(taps, sigma).ravel()
    if not even:
        row = np.random.default_rng(taps).random(taps)
        row /= row.sum()
    calls: dict[str, Call] = {"cv2.sepFilter2D": lambda x: cv2.sepFilter2D(x, -1, row, row)}
    if even:
        calls["cv2.GaussianBlur"] = lambda x: cv2.GaussianBlur(x, (taps, taps), sigma)
    name = f"gaussian {taps}" if even else f"separable {taps}, not symmetric"
    kernel = {"type": "separable", "taps": row.tolist()}
    return Filter(name=name, group="separable", kernel=kernel, calls=calls, first=first, quick=quick)


def _box(height: int, width: int, name: str, *, quick: bool = False) -> Filter:
    kernel = {"weights": np.full((height, width), 1 / (height * width))}
    call = lambda x: cv2.blur(x, (width, height))
    return Filter(name=name, group="box", kernel=kernel, calls={"cv2.blur": call}, quick=quick)


def _enlarged(rule: str, method: int, *, quick: bool = False) -> Filter:
    """A shipped kernel that enlarges: `resize` continues the picture in another way, so its frame is left out."""
    call = lambda x: cv2.resize(x, None, fx=2, fy=2, interpolation=method)
    return Filter(
        name=f"up 2x {rule}", group="up- and downsampling", kernel=f"upsample-{rule}-2x", calls={"cv2.resize": call},
        frame=8, largest=2, quick=quick,
    )  # fmt: skip


#: 3x3 is OpenCV's own ground, from 13x13 on it transforms: what is to be reached on AVX-512 differs.
FILTERS = (
    *(_dense(taps, first=0.9, quick=taps == 3) for taps in (3, 5, 7, 9, 11)),
    *(_dense(taps, first=0.4, quick=taps == 31) for taps in (13, 15, 31, 63)),
    *(
        _separable(taps, first={15: 0.7, 31: 0.45, 63: 0.3}.get(taps), quick=taps == 9)
        for taps in (3, 5, 7, 9, 15, 21, 31, 63, 127)
    ),
    *(_separable(taps, even=False, first={15: 0.7, 31: 0.45}[taps]) for taps in (15, 31)),
    _box(3, 3, "box 3x3"),
    _box(31, 31, "box 31x31", quick=True),
    _box(1, 15, "motion 15"),
    *(_dense(taps, stride=stride, quick=stride == 4) for taps, stride in ((3, 2), (5, 2), (9, 4))),
    Filter(
        name="down 2x", group="up- and downsampling", kernel="downsample-2x", calls={"cv2.pyrDown": cv2.pyrDown},
        quick=True,
    ),
    _enlarged("nearest", cv2.INTER_NEAREST),
    _enlarged("bilinear", cv2.INTER_LINEAR, quick=True),
    _enlarged("cubic", cv2.INTER_CUBIC),
)  # fmt: skip


def scenarios() -> Iterator[Scenario]:
    """Every filter on every size, dtype and number of channels, and on the largest on some."""
    for size, extent in SIZES.items():
        kinds = SOME.get(size) or [(dtype, channels) for dtype in DTYPES for channels in CHANNELS]
        for dtype, channels in kinds:
            for one in FILTERS:
                quick = one.quick and QUICK.get(size) == (dtype, channels)
                yield _scenario(one, size, (*extent, channels), dtype, quick)


def contenders(one: Filter, shape: tuple[int, int, int], dtype: str) -> Contest:
    """A filter and OpenCV's calls on noise (height, width, channels); one channel has no axis.

    A call that rounds integers otherwise than to the nearest is shown, and beside it what gives the same result: the
    call on floats, and its conversions.
    """
    x = noise(*shape, dtype=dtype)
    x = x if shape[2] > 1 else x[..., 0]
    kernel = one.kernel if isinstance(one.kernel, str) else dict(one.kernel)
    runs: dict[str, Callable[[], object] | str] = {US: ours(kernel, x)}
    runs |= {name: partial(call, x) for name, call in one.calls.items()}
    otherwise = {name: _rounds_otherwise(one, x[:SEEN, :SEEN], call) for name, call in one.calls.items()}
    runs |= {f"{name}{IN_FLOATS}": partial(_in_floats, one.calls[name], x) for name, off in otherwise.items() if off}
    contest = functions.contest(runs, x, largest=one.largest, frame=one.frame)
    marked = {
        name: replace(run, otherwise=otherwise.get(name, "")) if isinstance(run, Contender) else run
        for name, run in contest.contenders.items()
    }
    return replace(contest, contenders=marked)


def _rounds_otherwise(one: Filter, x: Array, call: Call) -> str:
    """How far a call on integers is from rounding the exact sums; empty where it rounds them to the nearest, and half
    to even as everything here does."""
    if x.dtype.kind == "f":
        return ""
    exact = np.clip(ours(one.kernel, x.astype(np.float64))(), 0, np.iinfo(x.dtype).max)
    inner = (slice(one.frame or None, -one.frame or None),) * 2
    result = call(x).reshape(exact.shape)
    off = np.abs(result - exact)[inner]
    share = float(np.mean(off > NEAREST))
    if share > OFTEN:
        return f"up to {off.max():.2f} from the exact sums, {share:.1%} not their nearest"
    halves = exact[inner] % 1 == 0.5
    up = (result[inner][halves] > np.rint(exact[inner][halves])).sum() / max(1, halves.sum())
    return f"{up:.0%} of the halves rounded up, away from the even number" if up > OFTEN else ""


def _in_floats(call: Call, x: Array) -> Array:
    y: Any = call(x.astype(np.float32))
    zero: Any = 0.0
    # Of sums that are not negative: magnitudes are what OpenCV makes bytes of the fastest.
    rounded: Any = (
        cv2.convertScaleAbs(y) if x.dtype == np.uint8 else cv2.add(y.reshape(len(y), -1), zero, dtype=cv2.CV_16U)
    )
    whole: Array = rounded.reshape(y.shape)
    return whole


def _scenario(one: Filter, size: str, shape: tuple[int, int, int], dtype: str, quick: bool) -> Scenario:
    return Scenario(
        section="images", name=one.name, conditions=f"{size}, {described(dtype, shape[2])}",
        make=lambda shop: contenders(one, shape, dtype), goals=tuple(_goals(one, size, dtype, shape[2])), quick=quick,
        rounds=9, patience=0.6, settle=SETTLE if size in BESIDE_THREADS else 0,
    )  # fmt: skip


def described(dtype: str, channels: int) -> str:
    """
    >>> described("uint8", 3), described("float32", 1)
    ('uint8 x 3', 'float32')
    """
    return dtype if channels == 1 else f"{dtype} x {channels}"


def _goals(one: Filter, size: str, dtype: str, channels: int) -> Iterator[Goal]:
    large = size in LARGE
    where = "from 512x512 up" if large else "below 512x512, and 30 us"
    against = (*one.calls, *(f"{name}{IN_FLOATS}" for name in one.calls))
    yield Goal(what=f"{one.group}, {where}", against=against, most=1.0, slack=0 if large else SLACK)
    if one.first and machine.wide() and (size, dtype, channels) == ("12 MP", "float32", 1):
        what = one.name.partition(",")[0] if one.group == "separable" else f"dense, at most {one.first:g} of filter2D"
        yield Goal(what=f"AVX-512, 12 MP: {what}", against=tuple(one.calls)[:1], most=one.first)
