"""Transposed kernels that enlarge as OpenCV's `resize` does: by the nearest sample, or by linear or cubic shares.

`resize` continues a picture by its outermost samples. By another border rule the outputs near the edge are made again
(`edges`), or the picture is continued first, and what is too much is cut off. Where a column lies decides on the last
bit of a cubic sum: strips along seams between bands are as wide as the picture, and no bit depends on where it is cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from convcli.engine.channel.calls import by_planes
from convcli.engine.channel.direct import one_channel, opencv_layout
from convcli.engine.channel.edges import Framed, Mirrored, shares
from convcli.engine.channel.plain_call import PlainCall
from convcli.engine.channel.whole import RULES, floats
from convcli.engine.dtypes import planar
from convcli.engine.geometry import even_cuts
from convcli.engine.memory import results, scratch
from convcli.engine.plan import is_call
from convcli.engine.threads import Cuts
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Call, Floats, Signature
    from convcli.engine.geometry import Scatter
    from convcli.engine.sink import Sink

#: Strides by which `resize` enlarges with exact shares.
EXACT_STRIDES = (2, 4, 8)
#: Pixels of more channels are resized sample by sample.
CHANNELS = 4
#: Nanoseconds to copy a byte of a result; to make its frame anew, and for each sample of its outermost row and column,
#: of integers and of floats.
COPIED, FRAME, OUTERMOST = 0.06, 30_000, (23, 13)
#: Nanoseconds on one core for an output sample, about, by how many samples outputs see on each side of their own.
RESIZED = (0.1, 0.2, 0.3)
#: Bytes of the floats that a band makes. Each makes strips and pads them: short ones cost more than the cache gives.
BAND_BYTES = 1 << 23
#: The same of all of a picture, where samples are made floats, and results integers, by one thread beside it.
CONVERTED_BYTES = 1 << 24
#: Dtypes of which `resize` moves samples.
_MOVED = frozenset(map(np.dtype, ("u1", "i1", "u2", "i2", "i4", "f4", "f8")))


@record(eq=False)
class Resizing:
    """An enlargement of pictures of a `size` (height, width, channels) by `strides`, with OpenCV's number for the
    `method`.

    Outputs see so many samples around their own as `reach` says; those near the edge see what the `border` shows.
    """

    method: int
    reach: int
    strides: tuple[int, int]
    size: tuple[int, int, int]
    border: str

    @property
    def moves(self) -> bool:
        """Whether samples are moved, and nothing is computed."""
        return not self.reach

    def bears(self, dtype: np.dtype[Any]) -> bool:
        """Whether `resize` makes of samples of `dtype` what rounding half to even makes of the floats: not of bytes by
        linear shares, whose half it rounds up, or by shares that are not whole parts of 2048."""
        bytes_ = self.reach > 1 and max(self.strides) <= 4
        return dtype in _MOVED if self.moves else dtype == np.uint16 or (dtype == np.uint8 and bytes_)

    def fill(self, x: Array, rows: tuple[int, int], y: Array) -> None:
        """The outputs of the input `rows` of `x` `(h, w, channels)`, into `y`, whose pixels lie side by side."""
        (top, bottom), height, down, r = rows, self.size[0], self.strides[0], self.reach
        low, high = max(0, top - r), min(height, bottom + r)
        source = one_channel(floats(x[low:high], y.dtype, "source"))
        if self._is_padded(y.dtype):
            self._cut(source, r - top + low, r - high + bottom, y)
            return
        self._resize(source[top - low : bottom - low], y)
        size = r * down
        if top > low:
            y[:size] = self._resized(source[: 3 * r])[size : 2 * size]
        if bottom < high:
            y[-size:] = self._resized(source[-3 * r :])[-2 * size : -size]
        if self._edges:
            within = slice((top - low) * down, (bottom - low) * down)
            self._edges.fill(source, y, (top == 0, bottom == height), within)

    def enlarger(self, dtype: np.dtype[Any]) -> Callable[[Array, Array], None]:
        """What enlarges all of a picture of `dtype` into an array of it; both may lack the axis of a single channel."""
        edges, ends = self._edges, (True, True)
        if self._is_padded(dtype):
            return lambda picture, y: self._cut(picture, self.reach, self.reach, y)
        if edges is None:
            return self._resize

        def enlarge(picture: Array, y: Array) -> None:
            self._resize(picture, y)
            edges.fill(picture, y, ends, slice(None))

        return enlarge

    @cached_property
    def _edges(self) -> Mirrored | Framed | None:
        """What makes of the outputs at the edge those by the border rule; None where they are what `resize` makes:
        what is seen around the outermost sample is the same on both sides."""
        if self.moves or self.border == "replicate" or (self.reach == 1 and self.border == "symmetric"):
            return None
        if self.reach == 1 and self.border == "reflect":
            return Mirrored(strides=self.strides)
        return Framed(strides=self.strides, reach=self.reach, border=self.border)

    def _is_padded(self, dtype: np.dtype[Any]) -> bool:
        """Whether a picture of `dtype` is continued first, and what is too much cut off: that takes less time than to
        make a frame again, or there is none to be made."""
        height, width, channels = self.size
        if min(height, width) < 3 * self.reach:
            return True
        if not isinstance(self._edges, Framed):
            return False
        copied = COPIED * math.prod((*self.strides, *self.size)) * dtype.itemsize
        return copied < FRAME + OUTERMOST[dtype.kind == "f"] * (height + width) * channels

    def _cut(self, source: Array, above: int, below: int, y: Array) -> None:
        """With so many rows above and below, and columns at both sides, that the border rule shows there."""
        r, (down, across) = self.reach, self.strides
        padded = cv2.copyMakeBorder(source, above, below, r, r, RULES[self.border])
        every = results((down * padded.shape[0], across * padded.shape[1], *source.shape[2:]), y.dtype)
        self._resize(padded, every)
        np.copyto(y, every[r * down : -r * down, r * across : -r * across])

    def _resized(self, source: Array) -> Array:
        shape = (self.strides[0] * len(source), self.strides[1] * source.shape[1], source.shape[2])
        strip = scratch("strip", shape, source.dtype)
        self._resize(source, one_channel(strip))
        return strip

    def _resize(self, source: Array, y: Array) -> None:
        cv2.resize(source, (y.shape[1], y.shape[0]), dst=y, interpolation=self.method)


def resized_call(x: Signature, taps: Floats, windows: Sequence[Scatter], border: str) -> Call | None:
    """An enlargement of a small picture at once; None where it is another kernel, or bands are faster."""
    resizing = _resizing(taps, windows, (*x.shape[:-1], 1) if x.planes else x.shape, border)
    if resizing is None:
        return None
    # OpenCV starts threads for it, which wait less than those of bands.
    count = math.prod((*resizing.strides, *x.shape))
    as_read = x.native or x.dtype == x.work
    alone = x.threaded and (as_read or count * np.dtype(x.work).itemsize <= CONVERTED_BYTES)
    if not alone and not is_call(RESIZED[resizing.reach] * count):
        return None
    if (x.native and not resizing.bears(x.dtype)) or (resizing.moves and not x.native):
        return None
    dtype = x.dtype if x.native else np.dtype(x.work)
    shape = (*(length * step for length, step in zip(x.shape, resizing.strides, strict=False)), resizing.size[2])
    enlarge = resizing.enlarger(dtype)

    def filtered(picture: Array, dst: Array | None = None) -> Array:
        y = results(shape[: picture.ndim], dtype) if dst is None else dst
        enlarge(picture, y)
        return y

    call = PlainCall(filtered, shape)
    call = call if as_read else call.of_floats(x.work)
    if x.planes:
        return lambda picture, out: by_planes(call, picture, out)
    return call if x.shape[2] <= CHANNELS else None


def resized_cuts(x: Array, taps: Floats, windows: Sequence[Scatter], border: str, sink: Sink) -> Cuts | None:
    """An enlargement in bands of rows; None where it is another kernel.

    Samples stay of their dtype where `resize` bears that and the sink keeps them so.
    """
    if planar(x):
        parts = [resized_cuts(x[..., c : c + 1], taps, windows, border, sink.channel(c)) for c in range(x.shape[-1])]
        joined = [part for part in parts if part is not None]
        return Cuts.joined(joined) if len(joined) == len(parts) else None
    resizing = _resizing(taps, windows, x.shape, border)
    if resizing is None or x.shape[2] > CHANNELS:
        return None
    native = resizing.bears(x.dtype) and sink.keeps(x.dtype, cut=resizing.reach > 1)
    dtype = x.dtype if native else taps.dtype
    there = (native or sink.target(dtype) is not None) and opencv_layout(one_channel(sink.out))
    (height, width, channels), (down, across) = x.shape, resizing.strides

    def band(x: Array, sink: Sink, cut: tuple[int, int]) -> None:
        outputs, rows = slice(*cut), (cut[0] // down, cut[1] // down)
        if there:
            resizing.fill(one_channel(x), rows, one_channel(sink.out)[outputs])
            sink.store(sink.out[outputs], outputs.start)
            return
        y = scratch("resized", (outputs.stop - outputs.start, across * width, channels), dtype)
        resizing.fill(one_channel(x), rows, y)
        sink.store(y, outputs.start)

    row = down * across * width * channels * np.dtype(dtype).itemsize
    count = 2 * -(-height // (2 * max(BAND_BYTES // row, 8 * (resizing.reach + 1))))
    # Strips at the ends of a band lie within it.
    count = count if height >= count * max(1, 3 * resizing.reach) else 1
    cuts = [(down * start, down * stop) for start, stop in even_cuts(height, count)]
    return Cuts.on(x, sink, band, cuts)


def _resizing(taps: Floats, windows: Sequence[Scatter], shape: Sequence[int], border: str) -> Resizing | None:
    """What `resize` is to do for a stamp of these taps; None where it does something else."""
    if taps.ndim != 2 or len(shape) != 3 or border not in RULES or any(window.dilation != 1 for window in windows):
        return None
    strides, size = (windows[0].stride, windows[1].stride), (shape[0], shape[1], shape[2])
    if any(window.length != n * window.stride for window, n in zip(windows, size, strict=False)):
        return None
    for method, reach in ((cv2.INTER_NEAREST, 0), (cv2.INTER_LINEAR, 1), (cv2.INTER_CUBIC, 2)):
        wide = max(1, 2 * reach)
        alike = all(w.taps == wide * w.stride and w.before == (wide - 1) * w.stride // 2 for w in windows)
        if alike and all(_is_exact(step, n, reach) for step, n in zip(strides, size, strict=False)):
            stamp = np.outer(*(shares(stride, reach) for stride in strides))
            if np.abs(taps - stamp).max() <= np.finfo(taps.dtype).eps * (reach > 0):
                return Resizing(method=method, reach=reach, strides=strides, size=size, border=border)
    return None


def _is_exact(stride: int, n: int, reach: int) -> bool:
    """Whether `resize` counts the places of `n` samples right: in float32, of moves by the reciprocal in float64."""
    if reach:
        return stride in EXACT_STRIDES
    places = np.arange(n)
    return bool((np.floor(places * stride * (1 / stride)) == places).all())
