"""Transposed kernels that enlarge as OpenCV's `resize` does: by the nearest sample, or by linear or cubic shares.

`resize` continues a picture by its outermost samples. By another border rule the outputs near the edge are made again
by filters, one for each phase of outputs, which know the rules; narrow pictures are continued first, and what is too
much is cut off. Where a column lies decides on the last bit of a cubic sum: strips along seams between bands are as
wide as the picture, and no bit depends on where it is cut.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from convcli.engine.channel.calls import PlainCall, by_planes
from convcli.engine.channel.direct import one_channel, opencv_layout
from convcli.engine.channel.whole import RULES, floats
from convcli.engine.dtypes import planar
from convcli.engine.memory import results, scratch, scratch_space
from convcli.engine.plan import is_call
from convcli.engine.threads import Cuts, even_cuts
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Call, Floats, Signature
    from convcli.engine.geometry import Scatter
    from convcli.engine.sink import Sink

#: Strides by which `resize` enlarges with exact shares.
EXACT_STRIDES = (2, 4, 8)
#: Pixels of more channels are resized sample by sample.
CHANNELS = 4
#: The slope of OpenCV's cubic shares.
CUBIC = -0.75
#: Columns up to which it takes less time to copy a result than to make strips of it again.
NARROW = 256
#: Samples of the widest vectors of a processor.
VECTOR = 16
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
    """An enlargement of pictures of a `size` (height, width) by `strides`, with OpenCV's number for the `method`.

    Outputs see so many samples around their own as `reach` says; those near the edge see what the `border` shows.
    """

    method: int
    reach: int
    strides: tuple[int, int]
    size: tuple[int, int]
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
        (top, bottom), (height, width), (down, across), r = rows, self.size, self.strides, self.reach
        if self.moves:
            self._resize(one_channel(floats(x[top:bottom], y.dtype, "source")), y)
            return
        low, high = max(0, top - r), min(height, bottom + r)
        source = one_channel(floats(x[low:high], y.dtype, "source"))
        # Of a single row OpenCV makes two, of which one counts 0 times.
        if bottom - top < 3 * r or (not self._follows and width <= max(NARROW, 3 * r)):
            whole = self._resized(one_channel(self._padded(source, r - top + low, r - high + bottom)))
            y[...] = whole[r * down : -r * down, r * across : -r * across].reshape(y.shape)
            return
        self._resize(source[top - low : bottom - low], y)
        size, cut = r * down, (top > 0, bottom < height)
        if cut[0]:
            y[:size] = self._resized(source[: 3 * r])[size : 2 * size]
        if cut[1]:
            y[-size:] = self._resized(source[-3 * r :])[-2 * size : -size]
        ends = not cut[0], not cut[1]
        if not self._follows:
            if any(ends):
                self._continue(source, y, (0, 1), ends, slice(None))
            within = slice((top - low) * down, (bottom - low) * down)
            self._continue(source.swapaxes(0, 1), y.swapaxes(0, 1), (1, 0), (True, True), within)
        elif self.border == "reflect":
            self._mirror(y, 0, ends)
            self._mirror(y, 1, (True, True))

    @property
    def _follows(self) -> bool:
        """Whether outputs at the edge, by the border rule, are those that `resize` makes there, or such beside them:
        what is seen around the outermost sample is the same on both sides."""
        return self.border == "replicate" or (self.reach == 1 and self.border in ("reflect", "symmetric"))

    def _mirror(self, y: Array, axis: int, ends: tuple[bool, bool]) -> None:
        """Of the outputs around the outermost samples those outside are what those inside are."""
        step, last = self.strides[axis], y.shape[axis] - 1
        unmasked: Any = None
        for place in range(step // 2):
            for end, own, other in (
                (ends[0], place, step - 1 - place),
                (ends[1], last - place, last + 1 - step + place),
            ):
                if end and axis:
                    # numpy takes twice as long for a column.
                    cv2.copyTo(y[:, other : other + 1], unmasked, y[:, own : own + 1])
                elif end:
                    y[own] = y[other]

    def _continue(
        self, source: Array, y: Array, order: tuple[int, int], ends: tuple[bool, bool], within: slice
    ) -> None:
        """The first and last rows of outputs, those at the `ends` asked for, from the rows that they see: a filter for
        each phase of outputs along either axis, in the `order` of their strides.

        Of the outputs of all of a row of `source` those `within` are in `y`.
        """
        r, rule, (down, across) = self.reach, RULES[self.border], (self.strides[axis] for axis in order)
        work, size, length = np.promote_types(y.dtype, np.float32), r * down, source.shape[1]
        outermost = np.concatenate([source[: 2 * r], source[-2 * r :]], dtype=work)
        # Of whole vectors alone no bit depends on the length of the rows.
        outermost = cv2.copyMakeBorder(outermost, 0, 0, r, r + -(length + 2 * r) % VECTOR, rule)
        rows = scratch("rows", (2, r, down, *outermost.shape[1:]), work)
        for phase, (taps, anchor) in enumerate(_phases(down, r, work.str)):
            part = cv2.filter2D(outermost, -1, taps[:, None], anchor=(0, anchor), borderType=rule)
            # The inner half saw what no row is beside.
            rows[:, :, phase] = part.reshape(4, r, *rows.shape[3:])[::3]
        rows = rows.reshape(2 * size, *rows.shape[3:])
        parts = [
            cv2.filter2D(rows, -1, taps[None], anchor=(anchor, 0))[:, r : r + length]
            for taps, anchor in _phases(across, r, work.str)
        ]
        edges = cv2.merge(parts).reshape(2 * size, across * length, *source.shape[2:])[:, within]
        if work != y.dtype:
            edges = np.clip(np.rint(edges), 0, np.iinfo(y.dtype).max)
        for end, side, part in zip(ends, (slice(size), slice(-size, None)), (edges[:size], edges[size:]), strict=True):
            if end:
                np.copyto(y[side], part, casting="unsafe")

    def _padded(self, source: Array, above: int, below: int) -> Any:
        """With so many rows above and below, and columns at both sides, that the border rule shows there."""
        r = self.reach
        shape = (len(source) + above + below, source.shape[1] + 2 * r, *source.shape[2:])
        return cv2.copyMakeBorder(source, above, below, r, r, RULES[self.border]).reshape(shape)

    def _resized(self, source: Array) -> Array:
        shape = (self.strides[0] * len(source), self.strides[1] * source.shape[1], source.shape[2])
        strip = scratch("strip", shape, source.dtype)
        self._resize(source, one_channel(strip))
        return strip

    def _resize(self, source: Array, y: Array) -> None:
        cv2.resize(source, (y.shape[1], y.shape[0]), dst=y, interpolation=self.method)


def resized_call(x: Signature, taps: Floats, windows: Sequence[Scatter], border: str) -> Call | None:
    """An enlargement of a small picture at once; None where it is another kernel, or bands are faster."""
    resizing = _resizing(taps, windows, x.shape, border)
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
    height, dtype = x.shape[0], x.dtype if x.native else np.dtype(x.work)
    sides = (length * step for length, step in zip(x.shape, resizing.strides, strict=False))
    shape = (*sides, 1 if x.planes else x.shape[2])

    def filtered(picture: Array, dst: Array | None = None) -> Array:
        y = results(shape, dtype) if dst is None else dst.reshape(shape)
        with scratch_space():
            resizing.fill(picture if picture.ndim == 3 else picture[..., None], (0, height), y)
        return y if picture.ndim == 3 else y[..., 0]

    call = PlainCall(filtered, shape)
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
    strides, size = (windows[0].stride, windows[1].stride), (shape[0], shape[1])
    if any(window.length != n * window.stride for window, n in zip(windows, size, strict=True)):
        return None
    for method, reach in ((cv2.INTER_NEAREST, 0), (cv2.INTER_LINEAR, 1), (cv2.INTER_CUBIC, 2)):
        wide = max(1, 2 * reach)
        alike = all(w.taps == wide * w.stride and w.before == (wide - 1) * w.stride // 2 for w in windows)
        if alike and all(_is_exact(step, n, reach) for step, n in zip(strides, size, strict=True)):
            stamp = np.outer(*(_shares(stride, reach) for stride in strides))
            if np.abs(taps - stamp).max() <= np.finfo(taps.dtype).eps * (reach > 0):
                return Resizing(method=method, reach=reach, strides=strides, size=size, border=border)
    return None


def _is_exact(stride: int, n: int, reach: int) -> bool:
    """Whether `resize` counts the places of `n` samples right: in float32, of moves by the reciprocal in float64."""
    if reach:
        return stride in EXACT_STRIDES
    places = np.arange(n)
    return bool((np.floor(places * stride * (1 / stride)) == places).all())


def _shares(stride: int, reach: int) -> Floats:
    """The shares that a sample has in the outputs around it."""
    if not reach:
        return np.ones(stride)
    d = abs(np.arange(2 * reach * stride) - (2 * reach * stride - 1) / 2) / stride
    if reach == 1:
        return 1 - d
    near, far = ((CUBIC + 2) * d - (CUBIC + 3)) * d * d + 1, ((d - 5) * d + 8) * d * CUBIC - 4 * CUBIC
    return np.where(d < 1, near, far)


@lru_cache(maxsize=16)
def _phases(stride: int, reach: int, dtype: str) -> list[tuple[Floats, int]]:
    """For every phase of outputs the taps that it has on samples, and which of them stands on its own."""
    shares, before = _shares(stride, reach), (2 * reach - 1) * stride // 2
    anchors = [reach - (2 * phase >= stride) for phase in range(stride)]
    return [
        (shares[phase + before + stride * anchor :: -stride][: 2 * reach].astype(dtype), anchor)
        for phase, anchor in enumerate(anchors)
    ]
