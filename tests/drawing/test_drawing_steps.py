"""What an animation shows is what the engine computes: every number, sum, frame and tap."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.drawing import Drawing
from convcli.drawing.scene import Box, Dot, Group, Text
from convcli.errors import ConvcliError
from tests.drawing.parsed import notes, value

CASES: list[dict[str, Any]] = [
    {"weights": np.arange(1, 10).reshape(3, 3), "padding": "valid", "border": "zero"},
    {"weights": [[1, -2, 3], [4, 5, -6], [7, 8, 9]], "padding": 1, "stride": 2, "border": "zero"},
    {"weights": [[1, 2], [3, 4]], "padding": [[0, 1], [2, 0]], "border": "reflect", "bias": [3]},
    {"weights": [[1, 2, 3]], "dilation": 2, "border": "wrap"},
    {"weights": [[1, 2, 1]] * 3, "dilation": [2, 1], "stride": [1, 2], "padding": 1, "border": "symmetric"},
    {"weights": [[1, 2], [3, -4]], "flip": True, "divisor": 2, "border": "replicate"},
    {"type": "separable", "taps": {"y": [1, 2, 1], "x": [-1, 0, 1]}, "border": "zero"},
    {"type": "transposed", "weights": [[1, 2, 3], [4, 5, 6], [7, 8, 9]], "stride": 2, "padding": 1,
     "output_padding": 1, "border": "zero"},
    {"type": "transposed", "weights": [[1, 2], [3, 4]], "stride": 3, "padding": "valid", "dilation": 2,
     "border": "zero"},
    {"type": "transposed", "weights": [[1, 2, 1], [2, 4, 2], [1, 2, 1]], "divisor": 4, "stride": 2, "padding": 1},
    {"type": "transposed", "weights": [[1, 2, 1], [2, 4, 2], [1, 2, 1]], "stride": [1, 2]},
    {"weights": [[1, -2, 3], [4, 5, -6], [7, 8, -9]], "stride": 2, "padding": "same_lower", "activation": "relu"},
    {"weights": [[1, -2], [3, -4]], "stride": 2, "padding": "same_upper", "activation": {"leaky_relu": 0.1}},
    {"type": "transposed", "weights": [[1, 2], [3, 4]], "stride": 2, "output_shape": [9, 11], "border": "zero"},
    {"type": "deformable", "weights": [[1, 0, 2], [1, 1, -1]], "offsets": {"swirl": {"angle": 60}}, "bias": [1]},
]  # fmt: skip
BANKS: list[dict[str, Any]] = [
    {"weights": np.arange(-10, 26).reshape(3, 2, 2, 3), "border": "zero", "bias": [1, 2, 3]},
    {"weights": np.arange(-8, 8).reshape(4, 1, 2, 2), "groups": 2, "padding": "valid"},
    {"type": "transposed", "weights": np.arange(-6, 6).reshape(2, 3, 1, 2), "stride": 2, "border": "zero"},
    {"type": "transposed", "weights": np.arange(-6, 6).reshape(2, 3, 1, 2), "stride": 2, "groups": 2},
    {"type": "depthwise_separable", "depthwise": [[1, 2], [3, 4]], "pointwise": [[1, -2], [3, 1], [0, 1]]},
    {"type": "separable", "taps": np.arange(1, 13).reshape(2, 2, 3), "border": "reflect"},
]

STAMPED: dict[str, Any] = {"type": "transposed", "weights": {"fill": 1, "size": [3, 3]}, "stride": 2}


def samples(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(3).integers(-4, 9, shape).astype(float)


def sums(drawing: Drawing) -> list[str]:
    """The sum that each frame says, which is the only text of its size."""
    return [
        next(i.text for i, _, _ in drawing.scene.visible(frame) if isinstance(i, Text) and i.size == 14)
        for frame in range(drawing.frames)
    ]


def check(drawing: Drawing, result: Any) -> None:
    """The output's cells and the sums of the frames are `result`, (h, w)."""
    drawn = notes(drawing, "output")
    assert drawing.frames == result.size
    assert len(drawn) == result.size
    for place, expected in np.ndenumerate(result):
        assert drawn[place] == pytest.approx(expected, rel=1e-5, abs=1e-9)
    scale = max(1.0, float(np.abs(result).max()))
    for text, expected in zip(sums(drawing), result.reshape(-1), strict=True):
        left, sign, right = text.rpartition("= " if "=" in text else "≈ ")
        assert value(right) == pytest.approx(expected, rel=0.006)
        if "…" not in left:
            activated = re.fullmatch(r"([a-z_]+)( [\d.]+)?\((.*)\) ", left)
            left = activated[3] if activated else left
            terms = [np.prod([value(f) for f in term.split("·")]) for term in left.strip().split(" + ")]
            total = sum(terms)
            if activated and total < 0:
                total *= float(activated[2] or 0)
            assert total == pytest.approx(expected, abs=1e-9 if sign == "= " else 0.03 * scale)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_numbers_sums_and_frames_are_the_engines(case: dict[str, Any]) -> None:
    kernel, x = convcli.load(case), samples(5, 6)
    check(convcli.draw.steps(kernel, values=x), kernel.apply(x, "yx", dtype=np.float64))


@pytest.mark.parametrize("case", BANKS, ids=str)
def test_filters_of_banks_are_the_engines(case: dict[str, Any]) -> None:
    kernel, x = convcli.load(case), samples(4, 5, 2)
    expected = kernel.apply(x, "yxc", dtype=np.float64)
    for number in range(expected.shape[-1]):
        check(convcli.draw.steps(kernel, values=x, filter=number), expected[..., number])


@pytest.mark.parametrize("padding", ["same", "valid", [[2, 0]]])
def test_lines_are_the_engines(padding: Any) -> None:
    kernel, x = convcli.load({"weights": [1, 2, -1], "padding": padding, "border": "zero"}), samples(7)
    check(convcli.draw.steps(kernel, values=x), kernel.apply(x, "x", dtype=np.float64)[None])


@pytest.mark.parametrize("border", ["reflect", "symmetric", "replicate", "wrap", "zero"])
def test_border_cells_show_what_the_rule_shows_there(border: str) -> None:
    names = {"reflect": "reflect", "symmetric": "symmetric", "replicate": "edge", "wrap": "wrap", "zero": "constant"}
    x = samples(3, 4)
    drawn = notes(convcli.draw.steps({"weights": {"fill": 1, "size": [5, 3]}, "border": border}, values=x), "input")
    padded = np.pad(x, ((2, 2), (1, 1)), names[border])  # type: ignore[call-overload]
    assert drawn == {(r - 2, c - 1): v for (r, c), v in np.ndenumerate(padded)}


@pytest.mark.parametrize("border", ["zero", "reflect"])
def test_cells_of_a_transposed_input_are_named_by_their_samples(border: str) -> None:
    x, kernel = samples(3, 4), convcli.load({**STAMPED, "border": border})
    drawing = convcli.draw.steps(kernel, values=x)
    drawn = notes(drawing, "input")
    padded = np.pad(x, 1, "reflect" if border == "reflect" else "constant")  # type: ignore[call-overload]
    assert {place: drawn[place] for place in np.ndindex(x.shape)} == dict(np.ndenumerate(x))
    assert all(padded[r + 1, c + 1] == value for (r, c), value in drawn.items())
    assert drawing.svg().count("<title>put between the samples = 0</title>") > 10


GROUPED = {
    "type": "deformable", "weights": np.arange(1, 13).reshape(1, 4, 1, 3), "border": "replicate", "bias": [2],
    "offsets": np.random.default_rng(5).uniform(-1.4, 1.4, (12, 4, 5)),
    "mask": np.random.default_rng(6).uniform(0, 1, (6, 4, 5)),
}  # fmt: skip


def test_taps_of_each_channel_lie_where_the_offsets_of_its_group_take_them() -> None:
    kernel, x = convcli.load(GROUPED), samples(4, 5, 4)
    drawing = convcli.draw.steps(kernel, values=x)
    check(drawing, kernel.apply(x, "yxc", dtype=np.float64)[..., 0])
    groups = [item for item in drawing.scene.items if isinstance(item, Group) and isinstance(item.items[0], Dot)]
    cells = [item for item in drawing.scene.items if isinstance(item, Box) and item.fill == "input"]
    assert len(groups) == 12 and len(cells) == 80
    for number, group in enumerate(groups):
        plane, tap = divmod(number, 3)
        first, dot = min(cells[20 * plane : 20 * plane + 20], key=lambda box: (box.y, box.x)), group.items[0]
        for frame, (r, c) in enumerate(np.ndindex(4, 5)):
            down, right = GROUPED["offsets"][6 * (plane // 2) + 2 * tap :][:2, r, c]  # type: ignore[index]
            dx, dy = group.moves[frame]
            place = (dot.y + dy - first.y - first.h / 2) / 44, (dot.x + dx - first.x - first.w / 2) / 44
            assert place == pytest.approx((r + down, c + tap - 1 + right), abs=1e-4)


def test_of_the_border_only_what_taps_read_is_drawn_and_rows_that_none_reads_are_left_out() -> None:
    offsets = np.zeros((2, 4, 5))
    offsets[0, 1:], offsets[1, :, 3:] = -11.5, 20.25
    kernel, x = convcli.load({"type": "deformable", "weights": [[2]], "offsets": offsets}), samples(4, 5)
    drawing = convcli.draw.steps(kernel, values=x)
    check(drawing, kernel.apply(x, "yx", dtype=np.float64))
    for frame, point in enumerate(np.ndindex(4, 5)):
        still = drawing.frame(frame + 1)
        (y, x_), displayed = kernel.reads(point, (4, 5))[0], notes(still, "input")
        read = {(int(r), int(c)) for r in (np.floor(y), np.ceil(y)) for c in (np.floor(x_), np.ceil(x_))}
        assert {place for place in displayed if not (0 <= place[0] < 4 and 0 <= place[1] < 5)} == read - set(
            np.ndindex(4, 5)
        )
        assert len(displayed) == 20 + len(read - set(np.ndindex(4, 5)))
        # The dot lies on the cells of what it mixes, as much on each as it takes of it.
        boxes = {i.note.split(" = ")[0]: i for i in still.scene.items if isinstance(i, Box) and i.note}
        (dot,) = (i for i in still.scene.items if isinstance(i, Dot) and i.note.startswith("tap"))
        first = boxes[f"input[{int(np.floor(y))}, {int(np.floor(x_))}]"]
        shares = (dot.y - first.y - first.h / 2) / 44, (dot.x - first.x - first.w / 2) / 44
        assert shares == pytest.approx((y - np.floor(y), x_ - np.floor(x_)), abs=1e-6)
    left_out = {i.note for i in drawing.scene.items if isinstance(i, Dot) and "no tap" in i.note}
    assert left_out == {"7 rows that no tap reads", "18 columns that no tap reads"}
    assert drawing.scene.width < convcli.draw.steps("[[2]]", values=samples(4, 5)).scene.width + 8 * 44


def test_one_step_alone_shows_what_it_reads() -> None:
    source = {"type": "deformable", "weights": {"fill": 1, "size": [3, 3]}, "offsets": {"jitter": {"amplitude": 25}}}
    with pytest.raises(ConvcliError) as error:
        convcli.draw.steps(source, (9, 9))
    assert "places along an axis" in str(error.value) and "--frame N" in error.value.hint
    still = convcli.draw.steps(source, (9, 9), frame=41)
    assert sum(isinstance(i, Box) and i.dashed for i in still.scene.items) <= 36


@pytest.mark.parametrize("name", ["smooth-edges", "denoise-deformable", "brush"])
def test_offsets_that_follow_from_the_samples_are_drawn_for_them(name: str) -> None:
    kernel, x = convcli.load(name), samples(5, 6) + 30
    drawing = convcli.draw.steps(kernel, values=x)
    check(drawing, kernel.apply(x, "yx", dtype=np.float64))
    reads = kernel.guided(x[..., None], 0.0).reads((2, 3), (5, 6))
    moving = [item for item in drawing.scene.items if isinstance(item, Group) and isinstance(item.items[0], Dot)]
    drawn = np.array([group.moves[2 * 6 + 3] for group in moving])[:, ::-1] / 44
    np.testing.assert_allclose(drawn - drawn[0], reads - reads[0], atol=1e-3)


@pytest.mark.parametrize("case", CASES[:7], ids=str)
def test_taps_lie_where_the_kernel_reads(case: dict[str, Any]) -> None:
    """The group of taps is moved to the places of `Kernel.reads`, which impulses prove (tests/ops/test_reads.py)."""
    kernel = convcli.load(case)
    scene = convcli.draw.steps(kernel, (5, 6)).scene
    group = next(item for item in scene.items if isinstance(item, Group))
    cells = [item for item in group.items if isinstance(item, Box) and item.fill == "tap"]
    input_ = [item for item in scene.items if isinstance(item, Box) and item.fill == "input"]
    left, top = min(box.x for box in input_), min(box.y for box in input_)
    outputs = kernel.output_shape((5, 6))
    for frame, place in enumerate(np.ndindex(*outputs)):
        dx, dy = group.moves[frame]
        drawn = [((box.y + dy - top) / 34, (box.x + dx - left) / 34) for box in cells]
        np.testing.assert_allclose(drawn, kernel.reads(place, (5, 6)), atol=1e-9)


@pytest.mark.parametrize("case", [case for case in CASES if case.get("type") == "transposed"], ids=str)
def test_stamps_add_up_to_what_the_engine_computes(case: dict[str, Any]) -> None:
    kernel, x = convcli.load({**case, "border": "zero"}), samples(3, 4)
    drawing = convcli.draw.steps(kernel, values=x, stamps=True)
    assert drawing.frames == x.size
    last = drawing.frame(drawing.frames)
    drawn = notes(last, "output")
    for place, expected in np.ndenumerate(kernel.apply(x, "yx", dtype=np.float64)):
        assert drawn.get(place, 0) == pytest.approx(expected, rel=1e-5)


def test_stamps_count_how_many_met() -> None:
    kernel = convcli.load({"type": "transposed", "weights": {"fill": 1, "size": [3, 3]}, "stride": 2, "border": "zero"})
    counted = notes(convcli.draw.steps(kernel, (3, 3), stamps=True).frame(9), "stamps on output")
    biased = kernel.replace(bias=convcli.load({"weights": [[1]], "bias": [5]}).bias)
    assert notes(convcli.draw.steps(biased, (3, 3), stamps=True).frame(9), "stamps on output") == counted
    for place, expected in np.ndenumerate(kernel.apply(np.ones((3, 3)), "yx")):
        assert counted.get(place, 0) == expected


@pytest.mark.parametrize(
    ("source", "settings", "fact"),
    [
        ("sharpen", {"size": (30, 30)}, "30x30 outputs make 900 steps; at most 400 can be followed"),
        ("sharpen", {"size": (128, 128)}, "128x128 outputs make 16,384 steps"),
        ("sharpen", {"size": (60, 60), "frame": 1}, "62 places along an axis; at most 40"),
        ("sharpen", {"size": (5,)}, "no size for it"),
        ("sharpen", {}, "an input to move over is missing"),
        ("sharpen", {"size": (5, 5), "frame": 26}, "frame 26 of 25"),
        ("sharpen", {"size": (5, 5), "filter": 1}, "filter 1 of a kernel with 1"),
        ("sharpen", {"size": (5, 5), "stamps": True}, "is not transposed"),
        ("sharpen", {"values": [[1, float("nan")]]}, "not finite"),
        ("luma", {"values": [[1, 2], [3, 4]]}, "the values have shape (2, 2); kernel 'luma' takes (2, 2, 3)"),
        ("brush", {"size": (5, 5)}, "the offsets of kernel 'brush' follow from the samples, and there are none"),
        ({"type": "deformable", "weights": [[1]], "offsets": np.zeros((4, 3, 3))}, {"size": (3, 3)},
         "has offsets for 2 groups of channels, and runs on each channel alone"),
        ({"axes": "zyx", "weights": {"fill": 1, "size": [3, 3, 3]}}, {"size": (4, 4, 4)}, "of rank 3"),
        (STAMPED, {"values": [[1]], "stamps": True}, "border reflect"),
        (STAMPED, {"size": (3, 3), "stamps": True}, "border reflect"),
        ({**STAMPED, "border": "zero", "bias": [1]}, {"values": [[1]], "stamps": True}, "has a bias or an activation"),
        ({**STAMPED, "border": "zero", "activation": "relu"}, {"values": [[1]], "stamps": True}, "an activation"),
        ("sharpen", {"size": (10**9, 10**9), "frame": 1}, "1000000002 places along an axis; at most 40"),
        ("swirl", {"size": (10**5, 10**5), "frame": 1}, "100000 places along an axis; at most 40"),
    ],
)  # fmt: skip
def test_what_can_not_be_followed_is_refused(source: Any, settings: dict[str, Any], fact: str) -> None:
    with pytest.raises(ConvcliError) as error:
        convcli.draw.steps(source, **settings)
    assert fact in str(error.value)


def test_one_of_many_steps_can_be_drawn() -> None:
    still = convcli.draw.steps("sharpen", (30, 30), frame=452)
    assert still.frames == 1
    assert "animation" not in still.svg()


def test_taps_of_weight_0_look_unlike_others() -> None:
    plain = convcli.draw.steps([[0, 1], [1, 0]], (2, 2)).scene
    group = next(item for item in plain.items if isinstance(item, Group))
    opacities = [item.opacity for item in group.items if isinstance(item, Box) and item.fill == "tap"]
    assert opacities[0] == opacities[3] < opacities[1] == opacities[2]
    assert any(isinstance(item, Text) and item.text == "pale taps: weights of 0" for item in plain.items)
    source = {"type": "deformable", "weights": [[0, 1]], "offsets": {"jitter": {"amplitude": 0.4}}}
    moving = [item.items[0] for item in convcli.draw.steps(source, (2, 3)).scene.items if isinstance(item, Group)]
    assert [dot.fill for dot in moving if isinstance(dot, Dot)] == ["", "tap"]


@pytest.mark.parametrize(
    ("shape", "groups", "filter", "line"),
    [
        ((1, 3, 1, 1), 1, 0, "its filter reads channels 0 to 2"),
        ((4, 1, 2, 2), 2, 3, "filter 3 of 0 to 3 reads channel 1"),
    ],
)
def test_figures_say_which_channels_a_filter_reads(shape: Any, groups: int, filter: int, line: str) -> None:
    source = {"weights": np.ones(shape), "groups": groups}
    scene = convcli.draw.steps(source, (2, 2), filter=filter).scene
    assert line in [item.text for item in scene.items if isinstance(item, Text)]
