"""Windows of parts that stick out of a picture: `remap` continues them as the border rule does, or they are copied."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from convcli.engine.borders import read_window
from convcli.engine.sampled.parts import FINE, WINDOWS, Fit, Part, rounding
from convcli.engine.sampled.smooth import Settled
from convcli.engine.sampled.warp import Outside, Windows, read_pixels

#: Ranges along an axis of 5 samples: inside, over an edge, over both, far outside, beyond all of it.
RANGES = [(0, 5), (1, 3), (-2, 3), (2, 8), (-4, 5), (-9, 14), (3, 21), (-7, -2), (6, 11), (-1, 1), (4, 9)]


class _Every:
    """Reads each sample of a part's own window, counted from the corner of another one."""

    def __init__(self, own: Part, window: Part) -> None:
        places = [
            np.arange(start, stop, dtype=np.float32) - first
            for (start, stop), (first, _) in zip(own.window, window.window, strict=True)
        ]
        self._grid = [np.ascontiguousarray(part[None, None]) for part in np.meshgrid(*places, indexing="ij")]
        self.shape, self.step = (1, 1, 1, len(places[0]), len(places[1])), 1

    def taps(self, group: int, some: slice) -> list[np.ndarray]:
        return self._grid


@pytest.mark.parametrize("border", ["reflect", "symmetric", "replicate", "wrap", "zero", "7"])
@pytest.mark.parametrize(("dtype", "channels"), [(np.float32, 1), (np.uint8, 3), (np.float32, 4)])
def test_windows_show_what_the_border_rule_shows(border: str, dtype: type, channels: int) -> None:
    image = np.random.default_rng(0).integers(1, 200, (5, 5, channels)).astype(dtype)
    within = 0
    for down, right in itertools.product(RANGES, RANGES):
        own = Part(slice(0, down[1] - down[0]), slice(0, right[1] - right[0]), (down, right))
        part = Fit(image.shape[:2], border).settled(own)
        assert part
        within += all(0 <= start < stop <= 5 for start, stop in part.window)
        for compact in (True, False):
            window = Windows(image, border, dtype).of(part, checked=True, compact=compact)
            assert window is not None
            out = np.zeros((own.rows.stop, own.columns.stop, channels), dtype)
            read_pixels(window, Settled(_Every(own, part)), out, Outside.of(border))
            np.testing.assert_array_equal(out, read_window(image, own.window, border, np.dtype(dtype)))
    # Two of the ranges lie outside; what is repeated needs all of an axis, or a mirror that is near.
    assert within == {"wrap": 4, "reflect": 5, "symmetric": 7}.get(border, 9) ** 2


def test_rounding_is_half_of_each_step_of_float32() -> None:
    """Below the last sample of a window; and the windows that parts are made for are the largest of their kinds."""
    for length in (2, 3, 17, 65, 66, 129, 130, 257, 300, 513):
        step = np.spacing(np.nextafter(np.float32(length - 1), np.float32(0)))
        assert rounding([length, 2]) == pytest.approx(step / 2 + np.spacing(np.nextafter(np.float32(1), 0)) / 2)
    for tall, wide in WINDOWS:
        assert rounding([tall, wide]) <= FINE < min(rounding([tall + 1, wide]), rounding([tall, wide + 1]))
