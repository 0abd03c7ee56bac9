"""Drawings over pictures: taps where they read, offsets as they are, hues, what is refused."""

from __future__ import annotations

import re
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.drawing import field as receptive_field, offsets
from convcli.drawing.scene import Box, Dot, Path, Picture, Text
from convcli.errors import ConvcliError
from tests.drawing.over import ONE_STAMP, PICTURE, SWIRL, absolute
from tests.support import noise, run, save


@pytest.mark.parametrize(
    "source",
    ["dilated-laplacian", SWIRL, "upsample-bilinear-2x", "downsample-2x", "luma", "jitter", "sobel-x"],
    ids=str,
)
def test_dots_are_where_taps_read(source: Any) -> None:
    kernel, points = convcli.load(source), [(0, 0), (20, 31), (40, 50)]
    scene = convcli.draw.taps(kernel, PICTURE, points).scene
    picture = next(item for item in scene.items if isinstance(item, Picture))
    zoom, drawn = picture.w / 120, []
    for dot in scene.items:
        if isinstance(dot, Dot) and (said := re.fullmatch(r"tap \d+: weight (\S+), reads y (\S+), x (\S+)", dot.note)):
            place = (dot.y - picture.y) / zoom - 0.5, (dot.x - picture.x) / zoom - 0.5
            np.testing.assert_allclose(place, (float(said[2]), float(said[3])), atol=1e-3)
            assert (dot.fill == "pos") is (float(said[1]) > 0)
            drawn.append(place)
    weights = kernel.dense_weights()
    weights = np.abs(weights).mean(axis=(0, 1)) if kernel.channels else weights
    places = np.concatenate([kernel.reads(point, (96, 120))[weights.reshape(-1) != 0] for point in points])
    np.testing.assert_allclose(drawn, places[~np.isnan(places[:, 0])], atol=1e-3)


@pytest.mark.parametrize(
    "source", ["upsample-bilinear-2x", "{type: transposed, weights: {fill: 1, size: [3, 3]}, stride: 2}"]
)
def test_marks_of_outputs_lie_in_the_middle_of_what_they_read(source: str) -> None:
    """Where the middle tap of a transposed kernel meets no sample, too."""
    kernel = convcli.load(source)
    for point in [(20, 30), (20, 31), (21, 30), (21, 31)]:
        scene = convcli.draw.taps(kernel, PICTURE, [point]).scene
        picture = next(item for item in scene.items if isinstance(item, Picture))
        zoom = picture.w / 120
        marks = [item for item in scene.items if isinstance(item, Box) and item.w == 18]
        assert marks
        for mark in marks:
            y, x = (mark.y + 9 - picture.y) / zoom - 0.5, (mark.x + 9 - picture.x) / zoom - 0.5
            height, _ = kernel.taps
            down = (point[0] + kernel.windows((96, 120), "yx")[0].before - (height - 1) / 2) / kernel.stride[0]
            assert y == pytest.approx(down) and x == pytest.approx(point[1] / 2, abs=0.5)


@pytest.mark.parametrize("border", ["zero", "wrap", "reflect", "replicate"])
def test_pixels_outside_a_picture_are_those_of_the_border(border: str) -> None:
    modes = {"zero": "constant", "replicate": "edge"}
    padded = np.pad(PICTURE, ((6, 6), (6, 6), (0, 0)), modes.get(border, border))  # type: ignore[call-overload]
    inset = [
        i for i in convcli.draw.taps(f"box:border={border}", PICTURE, [(1, 2)]).scene.items if isinstance(i, Picture)
    ][1]
    reach = inset.pixels.shape[0] // 2
    np.testing.assert_array_equal(inset.pixels, padded[7 - reach : 8 + reach, 8 - reach : 9 + reach])
    drawn = convcli.draw.field([f"box:border={border}"], PICTURE, (0, 0)).scene
    _, seen, _ = (i for i in drawn.items if isinstance(i, Picture))
    dark = np.rint(padded[1:, 1:][: seen.pixels.shape[0], : seen.pixels.shape[1]] * 0.22)
    np.testing.assert_array_equal(seen.pixels[0], dark[0])


def test_small_kernels_are_enlarged_and_large_ones_are_not() -> None:
    small, large = (convcli.draw.taps(f"dilated-laplacian:dilation={gap}", PICTURE).scene for gap in (1, 20))
    assert [sum(isinstance(i, Picture) for i in scene.items) for scene in (small, large)] == [3, 1]
    letters = [i.text for i in small.items if isinstance(i, Text) and re.match("[A-Z](: around y|$)", i.text)]
    assert [text[0] for text in letters] == ["A", "B", "A", "B"]


def test_the_area_of_an_enlarged_dot_grows_as_its_weight_does() -> None:
    drawn = convcli.draw.taps("binomial-5", PICTURE, [(40, 50)]).scene
    inset = [i for i in drawn.items if isinstance(i, Picture)][1]
    dots = [i.r for i in drawn.items if isinstance(i, Dot) and i.y > inset.y]
    weights = convcli.load("binomial-5").dense_weights().reshape(-1)
    np.testing.assert_allclose(np.square(dots) / max(dots) ** 2, weights / weights.max(), rtol=1e-6)


@pytest.mark.parametrize(("source", "tap"), [("lens", 0), ("smooth-edges", 0), (SWIRL, 4)], ids=str)
def test_offsets_are_those_of_the_middle_tap_where_it_moves(source: Any, tap: int) -> None:
    default, asked = (convcli.draw.offsets(source, PICTURE, **one).svg() for one in ({}, {"tap": tap}))
    assert default == asked
    assert "longest offset 0.0" not in default


@pytest.mark.parametrize("stride", [1, 2])
def test_offsets_are_the_kernels(stride: int) -> None:
    size = 96 // stride, 120 // stride
    array = np.random.default_rng(0).uniform(-9, 9, (6, *size))
    kernel = convcli.load({"type": "deformable", "weights": [[1, 2, 1]], "offsets": array, "stride": stride})
    for tap in range(3):
        down, right = offsets.field(kernel, (96, 120), tap)  # type: ignore[arg-type]
        np.testing.assert_array_equal((down, right), array[2 * tap : 2 * tap + 2])
        said = [item.note for item in convcli.draw.offsets(kernel, PICTURE, tap=tap).scene.items if item.note]
        assert len(said) > 100
        for note in said:
            y, x, dy, dx = map(float, re.fullmatch(r"y (\d+), x (\d+): (\S+) down, (\S+) right", note).groups())  # type: ignore[union-attr]
            assert (dy, dx) == pytest.approx((down[int(y), int(x)], right[int(y), int(x)]), rel=1e-5)


def test_arrows_lie_on_the_picture_and_say_how_long_the_longest_is() -> None:
    scene = convcli.draw.offsets(SWIRL, PICTURE).scene
    down, right = offsets.field(convcli.load(SWIRL), (96, 120), 4)  # type: ignore[arg-type]
    assert f"longest offset {np.hypot(down, right).max():.1f} pixels" in scene.about
    picture = next(item for item in scene.items if isinstance(item, Picture))
    for item in scene.items:
        if isinstance(item, Path) and item.arrow:
            assert all(picture.x <= x <= picture.x + picture.w and picture.y <= y <= picture.y + picture.h + 1e-9
                       for x, y in item.points)  # fmt: skip


def test_arrows_that_are_cut_keep_their_direction() -> None:
    array = np.stack([np.full((96, 120), -40.0), np.full((96, 120), 90.0)])
    kernel = {"type": "deformable", "weights": [[1]], "offsets": array}
    arrows = [i for i in convcli.draw.offsets(kernel, PICTURE).scene.items if isinstance(i, Path) and i.arrow]
    assert len(arrows) > 100
    for arrow in arrows:
        (ax, ay), (bx, by) = arrow.points
        assert (by - ay) * 90 == pytest.approx((bx - ax) * -40)


def test_hues_of_equal_lengths_are_equally_light() -> None:
    angles = np.linspace(0, 2 * np.pi, 64)
    rgb = offsets.hues(np.sin(angles)[None], np.cos(angles)[None], 1.0)[0] / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    light = linear @ (0.2126, 0.7152, 0.0722)
    assert light.max() / light.min() < 1.45
    assert (offsets.hues(np.zeros((1, 1)), np.zeros((1, 1)), 1.0) > 240).all()


EDGES = [
    [SWIRL, "box"],
    [SWIRL, "gaussian:sigma=1,border=wrap", "sharpen:border=replicate"],
    ["gaussian:sigma=1,border=zero", "{weights: {fill: 1, size: [5, 5]}, border: symmetric}"],
    ["box:border=zero", "{weights: {fill: 1, size: [3, 3]}, stride: 2, border: zero}", "box:border=reflect"],
]


@pytest.mark.parametrize("point", [(0, 0), (5, 3), (11, 0)], ids=str)
@pytest.mark.parametrize("sources", EDGES, ids=str)
def test_fields_at_edges_are_what_impulses_answer(sources: list[Any], point: tuple[int, int]) -> None:
    """What a kernel shows beyond the edges of another's result is a part of that result, or nothing."""
    size = 12, 13
    kernels = [convcli.load(source) for source in sources]
    kernels[0] = kernels[0].replace(border="zero")
    end = point[0] // (1 + (kernels[1].stride[0] > 1)), point[1]
    grid, (top, left) = receptive_field.counts(receptive_field.placed(kernels, size), end)
    plain = [kernel.replace(weights=absolute(kernel)) if hasattr(kernel, "weights") else kernel for kernel in kernels]  # type: ignore[call-arg]
    answers, inside = np.zeros(size), np.zeros(size)
    for place in np.ndindex(size):
        x = np.zeros(size)
        x[place] = 1
        for kernel in plain:
            x = np.asarray(kernel.apply(x, "yx"))
        answers[place] = x[end]
        r, c = place[0] - top, place[1] - left
        inside[place] = grid[r, c] if 0 <= r < grid.shape[0] and 0 <= c < grid.shape[1] else 0
    np.testing.assert_allclose(inside, answers, atol=1e-5)


@pytest.mark.parametrize(
    ("draw", "fact"),
    [
        (lambda: convcli.draw.taps("sharpen", PICTURE, [(500, 10)]), "500,10 lies outside the output of 96x120"),
        (lambda: convcli.draw.taps("gaussian:sigma=9", PICTURE), "has 5,329 taps"),
        (lambda: convcli.draw.taps("[1, 2, 1]", PICTURE), "moves along x"),
        (lambda: convcli.draw.offsets("sharpen", PICTURE), "kernel 'sharpen' is not deformable: it has no offsets"),
        (lambda: convcli.draw.offsets("swirl", PICTURE, tap=1), "tap 1 of a kernel with 1"),
        (lambda: convcli.draw.field(["box", "brush"], PICTURE), "depend on the picture"),
        (lambda: convcli.draw.field(["[1, 2, 1]"], PICTURE), "moves along x"),
        (lambda: convcli.draw.field(["sharpen"], PICTURE, (96, 0)), "96,0 lies outside the output of 96x120"),
        (lambda: convcli.draw.taps(ONE_STAMP, PICTURE, [(1, 1)]), "reads nothing"),
        (lambda: convcli.draw.field([], PICTURE), "no kernels"),
        (lambda: convcli.draw.field([ONE_STAMP], PICTURE, (1, 1)),
         "sees zeros alone"),
        (lambda: convcli.draw.taps("sharpen", np.zeros((3, 4, 5, 6))), "no picture"),
        (lambda: convcli.draw.offsets(
            {"type": "deformable", "weights": [[1]], "offsets": np.zeros((2, 5, 5))}, PICTURE), "has shape (2, 5, 5)"),
    ],
)  # fmt: skip
def test_what_can_not_be_drawn_is_refused(draw: Any, fact: str) -> None:
    with pytest.raises(ConvcliError) as error:
        draw()
    assert fact in str(error.value)


def test_a_photograph_inside_an_svg_is_a_jpeg_of_twice_its_drawn_size() -> None:
    import base64

    from tests.support import read

    text = convcli.draw.offsets(SWIRL, noise(750, 1000, 3)).svg()
    data = re.search(r"data:image/jpeg;base64,([^\"]+)", text)
    assert data and read(base64.b64decode(data[1])).shape == (660, 880, 3)


def test_the_wheel_of_hues_is_round_on_any_paper() -> None:
    wheel = [item for item in convcli.draw.offsets(SWIRL, PICTURE).scene.items if isinstance(item, Picture)][-1]
    assert (wheel.pixels[0, 0, 3], wheel.pixels[60, 60, 3]) == (0, 255)
    for name, paper in (("light", 255), ("dark", 13)):
        drawing = convcli.draw.offsets(SWIRL, PICTURE, theme=name, scale=1)
        pixels = drawing.pixels()[0]
        assert pixels[round(wheel.y) + 1, round(wheel.x) + 1, 0] == paper


@pytest.mark.parametrize("source", [*convcli.names(), "{weights: [[0]]}", "{axes: y, weights: [1, 2]}", ONE_STAMP])
def test_every_kernel_is_drawn_or_refused_in_a_line(source: str) -> None:
    picture, drawn = PICTURE[:24, :30], 0
    for figure in (convcli.draw.taps, convcli.draw.offsets, convcli.draw.difference):
        for settings in ({}, {"title": "<&>"}):
            try:
                drawn += len(figure(source, picture, **settings).svg()) > 0
            except ConvcliError as error:
                assert error.fact
    try:
        drawn += len(convcli.draw.field([source, "box"], picture).svg()) > 0
    except ConvcliError as error:
        assert error.fact
    assert drawn or "ripple" in source


@pytest.mark.parametrize("name", ["brush", "smooth-edges", "denoise-deformable"])
def test_taps_of_kernels_that_look_are_where_they_read(name: str, tmp_path: FilePath) -> None:
    """As `apply --offsets-out` writes them, of the same picture."""
    picture = np.random.default_rng(3).integers(0, 255, (30, 40, 3), np.uint8)
    save(tmp_path / "in.png", picture)
    out = tmp_path / "offsets.npy"
    words = ["apply", tmp_path / "in.png", "-k", name, "-o", tmp_path / "out.png", "--offsets-out", out, "--quiet"]
    assert run(*map(str, words)).code == 0
    written, kernel = np.load(out), convcli.load(name)
    with pytest.raises(ConvcliError, match="depend on the picture"):
        kernel.reads((12, 17), (30, 40))
    guided = kernel.guided(picture, 255.0)
    places = guided.reads((12, 17), (30, 40))
    moved = written[:, 12, 17].reshape(-1, 2)
    plain = [(12 + y, 17 + x) for y, x in np.ndindex(*kernel.taps)] - np.array([(k - 1) // 2 for k in kernel.taps])
    assert np.abs(places - plain - moved).max() < 1e-4
    convcli.draw.taps(name, picture).save(tmp_path / "taps.svg")
    assert (tmp_path / "taps.svg").stat().st_size > 1000
