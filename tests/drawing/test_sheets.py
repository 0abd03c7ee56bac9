"""Sheets, layers and costs show what the engine makes and counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convcli
from convcli.cli import draw_options
from convcli.drawing import sheets
from convcli.drawing.axes import named
from convcli.drawing.parts import heat_pixels, number, width_of
from convcli.drawing.scene import Box, Dot, Picture
from convcli.errors import ConvcliError
from convcli.filtering import Chain, filter_pixels
from convcli.networks import runnable
from tests.drawing.parsed import texts
from tests.support import noise, save

PICTURE = noise(40, 50, 3)


def pictures(drawing: convcli.drawing.Drawing) -> list[Any]:
    return [item.pixels for item in drawing.scene.items if isinstance(item, Picture)]


@pytest.mark.parametrize("mode", ["clip", "abs", "offset", "rescale"])
def test_panels_are_what_apply_makes(mode: str) -> None:
    kernels = [convcli.load(name) for name in ("sharpen", "sobel-x", "downsample-2x", "swirl")]
    first, *others = pictures(convcli.draw.sheet(kernels, PICTURE, range=mode))
    np.testing.assert_array_equal(first, PICTURE)
    for kernel, panel in zip(kernels, others, strict=True):
        np.testing.assert_array_equal(panel, filter_pixels(PICTURE, Chain([kernel], mode)).array)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_pictures_with_alpha_lie_on_white(dtype: str, tmp_path: Path) -> None:
    """By Pillow, to a level; what is hidden is of no colour, in files, too."""
    pixels = noise(6, 7, 4, seed=4)
    pixels[0, :, 3] = 0
    white = Image.new("RGBA", (7, 6), "white")
    white.alpha_composite(Image.fromarray(pixels))
    picture = (pixels * (np.array(257) if dtype == "uint16" else np.array(1))).astype(dtype)
    drawn, *_ = pictures(
        convcli.draw.sheet(["identity"], picture / picture.dtype.type(255) if dtype == "float32" else picture)
    )
    assert np.abs(drawn.astype(int) - np.asarray(white)[..., :3]).max() <= 1
    assert (drawn[0] == 255).all()
    if dtype == "uint8":
        save(tmp_path / "a.png", pixels)
        np.testing.assert_array_equal(draw_options.pixels(str(tmp_path / "a.png")), drawn)


def test_what_sums_to_zero_is_grey_where_it_is_zero() -> None:
    drawing = convcli.draw.sheet(["sharpen", "sobel-x"], np.full((9, 9, 3), 200, np.uint8))
    _, same, grey = pictures(drawing)
    assert (same == 200).all() and (grey == 128).all()
    assert sum(text.startswith("grey: 0, ±") for text in texts(drawing)) == 1
    result = convcli.load("sobel-x").apply(PICTURE.astype(np.float32))
    grey = pictures(convcli.draw.sheet(["sobel-x"], PICTURE))[1].astype(int) - 128
    assert (np.sign(grey) * np.sign(result) >= 0).all()


def test_each_channel_of_a_bank_is_a_panel() -> None:
    kernel = convcli.load({"weights": np.random.default_rng(0).normal(size=(5, 3, 3, 3))})
    _, *panels = pictures(convcli.draw.sheet([kernel], PICTURE, range="clip"))
    result = filter_pixels(PICTURE, Chain([kernel], "clip")).array
    assert len(panels) == 5
    for channel, panel in enumerate(panels):
        np.testing.assert_array_equal(panel, np.repeat(result[..., channel : channel + 1], 3, axis=2))
    assert len(pictures(convcli.draw.sheet(["luma"], PICTURE))) == 2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_pictures_of_any_depth_and_channels(dtype: Any) -> None:
    picture = (PICTURE.astype(float) * (1 / 255 if dtype == np.float32 else np.iinfo(dtype).max / 255)).astype(dtype)
    for shape in (picture, picture[..., 0]):
        assert len(pictures(convcli.draw.sheet(["sharpen", "sobel-x"], shape))) == 3
    np.testing.assert_array_equal(pictures(convcli.draw.sheet(["identity"], picture))[1], PICTURE)


NETWORK = """
about: Two layers.
picture: {channels: rgb, range: unit}
weights: net.npz
layers:
  - {dense: 6, kernel_size: 3, name: conv1, activation: relu}
  - {dense: 3, kernel_size: 1, name: conv2}
"""


@pytest.fixture
def network(tmp_path: Path) -> str:
    random = np.random.default_rng(0)
    arrays = {"conv1.weight": (6, 3, 3, 3), "conv1.bias": (6,), "conv2.weight": (3, 6, 1, 1), "conv2.bias": (3,)}
    np.savez(tmp_path / "net.npz", **{k: random.normal(size=v).astype(np.float32) for k, v in arrays.items()})
    (tmp_path / "net.yaml").write_text(NETWORK)
    return str(tmp_path / "net.yaml")


def test_maps_of_any_layer_are_panels_of_their_own(network: str) -> None:
    drawing = convcli.draw.sheet([f"{network}:until=conv1"], PICTURE)
    loaded = runnable.load(f"{network}:until=conv1")
    assert loaded
    maps = np.asarray(filter_pixels(PICTURE, Chain([loaded], "float")).array)
    assert maps.shape == (40, 50, 6)
    for channel, panel in enumerate(pictures(drawing)[1:]):
        greatest = np.percentile(np.abs(maps[..., channel].astype(float)), 99)
        assert f"±{number(float(f'{greatest:.3g}'))}" in texts(drawing)
        np.testing.assert_array_equal(panel, heat_pixels(maps[..., channel].astype(float), float(greatest)))
    whole = pictures(convcli.draw.sheet([network], PICTURE, range="rescale"))
    assert len(whole) == 2


def test_maps_that_are_not_finite_are_drawn_by_those_that_are() -> None:
    picture = np.full((6, 7, 3), 0.5)
    picture[2, 3] = np.nan
    kernel = convcli.load({"weights": [[1, -1]]})
    panel = pictures(convcli.draw.sheet([kernel], picture))[1]
    assert panel.shape == (6, 7, 3) and (panel == 128).all()
    assert sheets._peak(np.full((2, 2), np.nan)) == 0


def test_difference_is_that_of_the_bytes() -> None:
    drawing = convcli.draw.difference("sharpen", PICTURE)
    before, after, _ = pictures(drawing)
    np.testing.assert_array_equal(after, filter_pixels(PICTURE, Chain([convcli.load("sharpen")])).array)
    mean = np.abs(after.astype(float).mean(axis=2) - before.astype(float).mean(axis=2)).mean()
    assert f"mean of |difference|: {mean:.2f}" in texts(drawing)


@pytest.mark.parametrize(("inputs", "outputs", "taps"), [(3, 128, 3), (1, 1, 1), (5, 8, 5), (8, 2, 7), (512, 40, 3)])
def test_layers_tell_what_both_ways_cost(inputs: int, outputs: int, taps: int) -> None:
    drawing = convcli.draw.layers((9, 8), inputs, outputs, taps)
    weights = taps * taps * inputs * outputs, taps * taps * inputs + inputs * outputs
    places = (10 - taps) * (9 - taps)
    for count in weights:
        assert f"{count:,} weight{'s' * (count > 1)}" in texts(drawing)
        assert f"{count * places:,} MACs" in texts(drawing)


UNTIMED = {"kernel_size": (3, 3), "time_median_s": None, "time_spread_s": None}
REPORT: dict[str, Any] = {
    "title": "3x3 kernels, a -> b",
    "baseline": "one",
    "rows": [
        {"name": "one", "type": "dense", "params_weights": 9, "macs": 900, **UNTIMED},
        {"name": "two <b>", "type": "swirl", "params_weights": 18, "macs": 0, **UNTIMED},
    ],
}


def test_bars_are_as_long_as_counts() -> None:
    drawing = convcli.draw.costs(REPORT)
    bars = {item.note: item.w for item in drawing.scene.items if isinstance(item, Box)}
    assert bars["one: 9 weights"] == pytest.approx(bars["two <b>: 18 weights"] / 2)
    assert {"9", "18", "900", "0", "2×", "3×3 kernels, a → b"} <= set(texts(drawing))
    assert "two <b>" not in drawing.svg()


def test_dots_lie_by_work_and_time() -> None:
    rows = [{**row, "macs": 1000 * 10**k, "time_median_s": 1e-3 * 10**k, "time_spread_s": 1e-4}
            for k, row in enumerate([*REPORT["rows"], REPORT["rows"][0]])]  # fmt: skip
    dots = [i for i in convcli.draw.costs({**REPORT, "rows": rows}).scene.items if isinstance(i, Dot) and i.note]
    x, y = [dot.x for dot in dots], [dot.y for dot in dots]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1]) and y[1] - y[0] == pytest.approx(y[2] - y[1])
    assert x[1] > x[0] and y[1] < y[0]


def test_titles_are_a_line_whatever_is_asked_for() -> None:
    title = "a\nb\x1b[31m " * 40
    for drawing in (
        convcli.draw.layers(title=title), convcli.draw.costs(REPORT, title=title),
        convcli.draw.sheet(["box"], PICTURE, title=title), convcli.draw.kernel("box", title=title),
    ):  # fmt: skip
        (head,) = [text for text in texts(drawing) if text.startswith("a b")]
        assert len(head) <= 116 and head.endswith("…") and "\x1b" not in head
        assert drawing.scene.width < 1300 and drawing.pixels()


@pytest.mark.parametrize("timed", [False, True])
def test_several_sizes_of_a_type_are_a_curve(timed: bool) -> None:
    rows = convcli.compare(*(np.ones((n, n)) for n in (9, 3, 5)))
    rows += convcli.compare(*(f"gaussian:sigma={n}" for n in (1, 2, 4)), size=(32, 32))
    rows = [{**row, "time_median_s": row["params_weights"] * 1e-4 if timed else None} for row in rows]
    drawing = convcli.draw.costs(rows)
    dots = [(i.note, i.x, i.y) for i in drawing.scene.items if isinstance(i, Dot) and i.note]
    dense, separable = dots[:3], dots[3:]
    assert [note.split(": ")[1].split()[0] for note, _, _ in dense] == ["3", "5", "9"]
    assert len(separable) == 3 and {"dense", "separable", "taps along a side"} <= set(texts(drawing))
    (_, x3, y3), (_, x5, y5), (_, x9, y9) = dense
    assert (x9 - x3) / (x5 - x3) == pytest.approx(np.log(3) / np.log(5 / 3))
    assert (y9 - y3) / (y5 - y3) == pytest.approx(np.log(9) / np.log(25 / 9)) and y9 < y5 < y3
    assert (".9 ms" in dense[0][0]) is timed


@pytest.mark.parametrize(
    ("draw", "fact"),
    [
        (lambda: convcli.draw.sheet(["sharpen"] * 101, PICTURE), "more than 100 panels"),
        (lambda: convcli.draw.sheet([{"weights": np.ones((200, 3, 1, 1))}], PICTURE), "at most 100 panels"),
        (lambda: convcli.draw.sheet(["sharpen"], PICTURE, range="far"), "unknown range 'far'"),
        (lambda: convcli.draw.sheet([{"weights": np.ones((2, 4, 1, 1))}], PICTURE), "a filter bank for 4 channels"),
        (lambda: convcli.draw.difference("downsample-2x", PICTURE), "there is no difference of other sizes"),
        (lambda: convcli.draw.layers((7, 99)), "an input of 7x99: layers are drawn of at most 12 cells a side"),
        (lambda: convcli.draw.layers((2, 2)), "there would be no output"),
        (lambda: convcli.draw.layers((70, 7)), "an input of 70x7"),
        (lambda: convcli.draw.costs({**REPORT, "rows": REPORT["rows"] * 31}), "62 rows; at most 60"),
    ],
)  # fmt: skip
def test_what_can_not_be_drawn_is_refused(draw: Any, fact: str) -> None:
    with pytest.raises(ConvcliError) as error:
        draw()
    assert fact in str(error.value)
    assert sheets.MOST == 100


@pytest.mark.parametrize("crowd", [1, 4, 24])
def test_names_of_points_hide_neither_each_other_nor_points(crowd: int) -> None:
    """Of points that lie where others do, too, which a line then leads to."""
    rng = np.random.default_rng(crowd)
    points = [tuple(map(float, at)) for at in [*rng.uniform((150, 80), (600, 320), (12, 2)), *[(300, 200)] * crowd]]
    names = [f"kernel {k}" for k in range(len(points))]
    leaders, texts_ = named(names, points, (80, 60, 720, 380))
    boxes = [(x - 8, y - 8, x + 8, y + 8) for x, y in points]
    for item in texts_:
        left = item.x - {"start": 0, "middle": 0.5, "end": 1}[item.anchor] * width_of(item.text)
        box = left, item.y - 12, left + width_of(item.text), item.y + 3
        assert box[0] >= 80 and box[2] <= 720 and box[1] >= 60 and box[3] <= 380
        assert all(b[2] <= box[0] or box[2] <= b[0] or b[3] <= box[1] or box[3] <= b[1] for b in boxes)
        boxes.append(box)
    assert sorted(item.text for item in texts_) == sorted(names)
    ends = [line.points[0] for line in leaders]
    assert all(end in points for end in ends)
    assert ends.count((300.0, 200.0)) >= crowd - 8
