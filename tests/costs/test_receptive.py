"""Receptive fields and coverage against what impulses really reach."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

from convcli.costs import receptive
from convcli.costs.receptive import Positions, Seen, count, receptive_fields
from convcli.networks.assembly import assemble
from convcli.networks.file import from_text
from convcli.networks.layers import Layer
from convcli.networks.placed import Flow, Placed, place_layer
from convcli.ops import tensors

SIDE = 23


def seen(*layers: str) -> Seen:
    """What an output of the last layer of a network sees."""
    text = "input: 64x64x1\nlayers:\n" + "".join(f"  - {layer}\n" for layer in layers)
    return receptive_fields(assemble(from_text(text)).layers)[-1]


def reached(chain: list[Placed]) -> Seen:
    """The same by running the layers: every channel is an impulse at another place of the input."""
    x = np.eye(SIDE * SIDE).reshape(SIDE, SIDE, -1)
    for placed in chain:
        kernel: Any = placed.kernel
        x = kernel.replace(weights=tensors.of_array(np.ones(kernel.taps)), groups=1).apply(x, "yxc")
    best = Seen((0, 0), None)
    for output in x.reshape(-1, SIDE * SIDE):
        rows, columns = np.divmod(np.flatnonzero(output > 1e-9), SIDE)
        if rows.size:
            field = (int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1)
            actual = Seen(field, rows.size / (field[0] * field[1]))
            best = max(best, actual, key=lambda s: (s.field[0] * s.field[1], s.coverage or 0))
    return best


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_impulses_reach_what_is_said(data: st.DataObject) -> None:
    chain: list[Placed] = []
    size: tuple[int, ...] = (SIDE, SIDE)
    for number in range(data.draw(st.integers(1, 3))):
        kind = data.draw(st.sampled_from(["dense", "dense", "transposed"]))
        pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
        layer = Layer(
            type=kind, channels_out=1, taps=data.draw(pair), dilation=data.draw(pair),
            stride=data.draw(st.sampled_from([(1, 1), (2, 2), (1, 2)])),
        )  # fmt: skip
        placed = place_layer(layer, Flow(size=size, channels=1), str(number))
        chain.append(Placed(**{**vars(placed), "inputs": (number - 1,)}))
        size = placed.size_out
    said = receptive_fields(chain)[-1]
    assume(max(said.field) <= SIDE // 2)  # so that the border cuts nothing off for the outputs in the middle
    real = reached(chain)
    assert said.field == real.field
    assert said.coverage == pytest.approx(real.coverage)


@pytest.mark.parametrize(
    ("rates", "field", "percent"),
    [((2, 2, 2), 13, 29), ((1, 2, 5), 17, 100), ((1, 2, 9), 25, 71), ((1, 2, 4), 15, 100)],
)
def test_stacked_dilations(rates: tuple[int, ...], field: int, percent: int) -> None:
    """Wang et al. 2018, arXiv:1702.08502: rates with a common factor leave holes."""
    actual = seen(*(f"{{dense: 1, dilation: {rate}}}" for rate in rates))
    assert actual.field == (field, field)
    assert round(100 * (actual.coverage or 0)) == percent


def test_branches_are_joined() -> None:
    """Parallel rates of 1, 6 and 12 on 3x3 taps: 25x25 samples from first to last, of which 9 + 8 + 8 are read."""
    actual = seen("{concat: [[{dense: 1}], [{dense: 1, dilation: 6}], [{dense: 1, dilation: 12}]]}")
    assert actual.field == (25, 25)
    assert actual.coverage == pytest.approx((9 + 8 + 8) / 625)


def test_a_short_cut_adds_nothing_that_its_branch_does_not_see() -> None:
    assert seen("{add: [[{dense: 1}, {dense: 1}], []]}") == Seen((5, 5), 1.0)
    assert seen("{dense: 1, name: early}", "{dense: 1, dilation: 2}", "{add: early}") == Seen((7, 7), 1.0)


def test_enlarging_and_shrinking() -> None:
    assert seen("{upsample: 2}") == Seen((1, 1), 1.0)
    assert seen("{upsample: 2}", "{dense: 1}") == Seen((2, 2), 1.0)
    assert seen("{upsample: 2, bilinear: true}") == Seen((2, 2), 1.0)
    assert seen("{pool: max}", "{pool: max}", "{dense: 1}") == Seen((12, 12), 1.0)
    assert seen("{transposed: 1, stride: 2}") == Seen((2, 2), 1.0)
    assert seen("{transposed: 1, kernel_size: 4, stride: 2}") == Seen((2, 2), 1.0)
    assert seen("{dense: 1, kernel_size: 1, stride: 2}", "{dense: 1}") == Seen((5, 5), 9 / 25)


def test_many_branches_give_the_coverage_up_and_keep_the_field() -> None:
    branches = ", ".join(f"[{{dense: 1, dilation: {rate}}}]" for rate in range(1, 40))
    assert seen(f"{{concat: [{branches}]}}") == Seen((79, 79), None)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_where_positions_lie_far_apart_the_field_is_kept(data: st.DataObject) -> None:
    """As said where every position is followed, for kernels without holes."""
    numbers = st.integers(1, 4)
    layers = [f"{{dense: 1, kernel_size: {data.draw(numbers)}}}" for _ in range(data.draw(st.integers(1, 4)))]
    layers.insert(data.draw(st.integers(0, len(layers))), f"{{upsample: {data.draw(numbers)}}}")
    layers.append(f"{{concat: [[{{dense: 1}}], [{{dense: 1, kernel_size: {data.draw(numbers)}}}]]}}")
    with pytest.MonkeyPatch.context() as patch:
        exact = seen(*layers)
        patch.setattr(receptive, "SPAN_LIMIT", 0)
        assert seen(*layers) == Seen(exact.field, None)


def far_apart(far: int) -> tuple[Seen, Seen]:
    strided = f"{{dense: 1, stride: {far}}}"
    sides = (f"[[{before}, {far - before}], 1]" for before in (far, 0))
    branches = ", ".join(f"[{{dense: 1, padding: {side}}}]" for side in sides)
    return seen(strided, "{dense: 1}", "{transposed: 1, stride: 2}", strided), seen(f"{{concat: [{branches}]}}")


def test_positions_that_lie_far_apart_take_no_memory() -> None:
    assert [actual.field for actual in far_apart(8)] == [(4 * 8 + 3,) * 2, (8 + 3, 3)]
    far = 1 << 31
    tracemalloc.start()
    actual = far_apart(far)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert actual == (Seen((4 * far + 3,) * 2, None), Seen((far + 3, 3), None))


def test_a_layer_takes_no_more_work_the_more_layers_come_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions are moved once a layer, axis and phase, behind short cuts and enlargements, too."""
    moves = 0
    repeated = receptive._repeated

    def counted(positions: Positions, times: int, step: int) -> Positions:
        nonlocal moves
        moves += 1
        return repeated(positions, times, step)

    monkeypatch.setattr(receptive, "_repeated", counted)

    def work(blocks: int) -> int:
        nonlocal moves
        moves = 0
        seen("{upsample: 2}", *["{add: [[{dense: 1, kernel_size: 5}], []]}", "{dense: 1, dilation: 2}"] * blocks)
        return moves

    assert work(40) - work(20) == 2 * (work(20) - work(10))
    assert work(20) < 20 * 25


def line(low: int, bits: int) -> Positions:
    return Positions(low, low + bits.bit_length() - 1, bits)


def test_count_of_overlapping_blocks() -> None:
    """A plus sign: a row and a column of 5 that share a sample; and a third block that shares nothing."""
    point, five = line(0, 1), line(-2, 0b11111)
    assert count([(point, five), (five, point)]) == 9
    assert count([(point, five), (five, point), (line(10, 0b101), line(10, 0b11))]) == 13


@pytest.mark.parametrize(
    "layers",
    [
        "[{dense: 4, stride: 2}, {upsample: 9000}, {dense: 4, stride: 2}, {pool: max}, {global_pool: max}]",
        "[{dense: 4}, {pool: max}, {global_pool: average}, {fc: 3}, {upsample: 1500}, {fc: 2}]",
        "[{transposed: 3, kernel_size: 5, stride: 1500}, {dense: 4, kernel_size: 7, dilation: 9}, {global_pool: max}]",
    ],
)
def test_of_more_phases_than_are_followed_the_ends_are(layers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The field is the one of all phases; which share of it is read is not told."""
    placed = assemble(from_text(f"input: 9x8x3\nlayers: {layers}")).layers
    fields = [seen.field for seen in receptive.receptive_fields(placed)]
    assert receptive.receptive_fields(placed)[-1].coverage is None
    monkeypatch.setattr(receptive, "FOLLOWED_LIMIT", 1 << 20)
    assert [seen.field for seen in receptive.receptive_fields(placed)] == fields
