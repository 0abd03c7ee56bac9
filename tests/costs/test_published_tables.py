"""Figures that papers publish, under the convention with which each comes out: the comment beside says which.

Parameters are weights and biases where `bias` stands in the file, weights alone elsewhere; MACs are those of
convolutions and fully connected layers. "M" in a paper may be rounded or cut off.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from convcli.costs.comparison import Comparison, Lineup, Subject, compare
from convcli.costs.cost import Cost
from convcli.costs.counts import cost, operations
from convcli.costs.facts import taps_per_output
from convcli.costs.subjects import Request, subjects
from convcli.networks.assembly import assemble
from convcli.networks.file import from_text, load
from convcli.networks.layers import Layer
from convcli.networks.network import Network
from convcli.networks.placed import Flow, place_layer
from convcli.ops.transposed import Transposed
from tests.support import SAMPLES

NETWORKS = SAMPLES / "networks"


def sample(name: str, **changes: Any) -> Network:
    network = load(str(NETWORKS / f"{name}.yaml"))
    assert network is not None
    return network.changed(**changes)


def compared(network: Network) -> Comparison:
    assembled = assemble(network)
    return compare(Lineup(subjects=(Subject(name="network", layers=assembled.layers, network=assembled),)))


@cache
def total(name: str, **changes: Any) -> Cost:
    return compared(sample(name, **changes)).rows[0]


def layer(kind: str, channels: int, out: int, side: int, **fields: Any) -> Cost:
    output = Layer(type=kind, channels_out=out, **fields)
    return cost(place_layer(output, Flow(size=(side, side), channels=channels), ""))


def millions(number: float, digits: int = 1) -> float:
    return round(number / 1e6, digits)


def test_the_heart_of_the_textbook_table() -> None:
    """3 -> 128 channels of 3x3: 3,456 weights, or 411 depthwise separable: 27 + 384."""
    actual = {subject.name: cost(subject.layers[0]) for subject in subjects(Request()).subjects}
    assert {name: each.params_weights for name, each in actual.items()} == {
        "standard": 3456,
        "spatially separable": (3 + 3) * 3 * 128,
        "depthwise separable": 411,
        "dilated 2": 3456,
        "transposed 2x": 3456,
        "deformable v1": 3456 + 9 * 3 * 18,
        "deformable v2": 3456 + 9 * 3 * 27,
        "pointwise 1x1": 384,
    }
    assert (actual["deformable v1"].params_biases, actual["deformable v2"].params_biases) == (18, 27)
    assert actual["standard"].macs == 3456 * 224 * 224
    assert actual["transposed 2x"].macs == 3456 * 224 * 224  # at the input: not 448 x 448
    assert actual["transposed 2x"].size_out == (448, 448)


def test_mobilenet_table_2() -> None:
    """Shares by kind of operation, weights only. The paper's 1.19 % of MACs for the 3x3 layer is a slip for 1.91 %."""
    actual = operations(assemble(sample("mobilenet")).layers)
    weights, macs = (sum(pair[i] for pair in actual.values()) for i in (0, 1))
    shares = {name: (round(100 * m / macs, 2), round(100 * w / weights, 2)) for name, (w, m) in actual.items()}
    assert shares == {
        "1x1": (94.86, 74.59),
        "3x3 depthwise": (3.06, 1.06),
        "3x3": (1.91, 0.02),
        "fully connected": (0.18, 24.33),
    }


@pytest.mark.parametrize(
    ("kind", "width", "side", "macs", "params", "published"),
    [
        ("dense", 1.0, 14, 462.42, 2.359, (462, 2.36)),
        ("depthwise_separable", 1.0, 14, 52.28, 0.267, (52.3, 0.27)),
        ("depthwise_separable", 0.75, 14, 29.58, 0.151, (29.6, 0.15)),
        ("depthwise_separable", 0.75, 10, 15.09, 0.151, (15.1, 0.15)),  # resolution 0.714: 14 -> 10
    ],
)
def test_mobilenet_table_3(
    kind: str, width: float, side: int, macs: float, params: float, published: tuple[float, float]
) -> None:
    text = f"input: 14x14x{int(512 * width)}\nlayers: [{{{kind}: 512}}]"
    network = from_text(text).changed(width=width, resolution=None if side == 14 else 0.714)
    actual = compared(network).rows[0]
    assert actual.size_out == (side, side)
    assert (millions(actual.macs, 2), millions(actual.params_weights, 3)) == (macs, params)
    assert actual.macs / 1e6 == pytest.approx(published[0], rel=2e-3)
    assert actual.params_weights / 1e6 == pytest.approx(published[1], abs=5e-3)


def test_mobilenet_table_4() -> None:
    """Published 4866M, 29.3M and 569M, 4.2M; the first is without the fully connected layer."""
    full, separable = total("mobilenet-full"), total("mobilenet")
    assert (millions(full.macs), millions(full.macs - 1024 * 1000, 2)) == (4867.3, 4866.27)
    assert (millions(full.params_weights, 2), full.params_biases) == (29.28, 0)
    assert (millions(separable.macs, 2), millions(separable.params_weights, 2)) == (568.74, 4.21)


def test_mobilenet_as_dense_is_its_full_twin() -> None:
    """--as dense gives the same layers that the other file writes out."""
    swapped, full = total("mobilenet", swap="dense"), total("mobilenet-full")
    assert (swapped.macs, swapped.params_weights) == (full.macs, full.params_weights)


def test_mobilenet_table_5() -> None:
    """Shallow: without the 5 layers of 14x14x512 (307M, 2.9M); narrow: width 0.75 (325M, 2.6M)."""
    text = (NETWORKS / "mobilenet.yaml").read_text()
    shallow = compared(from_text(text.replace("  - {depthwise_separable: 512, repeat: 5}\n", ""))).rows[0]
    assert (millions(shallow.macs), millions(shallow.params_weights, 2)) == (307.3, 2.88)
    narrow = total("mobilenet", width=0.75)
    assert (millions(narrow.macs), millions(narrow.params_weights, 2)) == (325.4, 2.57)


@pytest.mark.parametrize(
    ("width", "macs", "params", "published"),
    [(0.75, 325.4, 2.57, (325, 2.6)), (0.5, 149.5, 1.32, (149, 1.3)), (0.25, 41.0, 0.46, (41, 0.5))],
)
def test_mobilenet_table_6(width: float, macs: float, params: float, published: tuple[float, float]) -> None:
    actual = total("mobilenet", width=width)
    assert (millions(actual.macs), millions(actual.params_weights, 2)) == (macs, params)
    assert abs(actual.macs / 1e6 - published[0]) < 1
    assert round(actual.params_weights / 1e6, 1) == published[1]


@pytest.mark.parametrize(
    ("side", "factor", "macs", "published"),
    [(192, 0.857, 418.1, 418), (160, 0.714, 290.7, 290), (128, 0.571, 186.4, 186)],
)
def test_mobilenet_table_7(side: int, factor: float, macs: float, published: int) -> None:
    """Published figures are cut off, not rounded: 290.7 is 290."""
    network = sample("mobilenet", resolution=factor)
    assert network.input_size == (side, side)
    assert millions(total("mobilenet", resolution=factor).macs) == macs
    assert int(macs) == published


def test_vgg_16() -> None:
    """138,357,544 parameters with biases, 15.5 GMACs."""
    actual = total("vgg16")
    assert actual.params == 138_357_544
    assert round(actual.macs / 1e9, 3) == 15.470


def test_alexnet() -> None:
    """60 million parameters: 60,965,224 with biases, two groups and an input of 227; 724.4M MACs."""
    actual = total("alexnet")
    assert actual.params == 60_965_224
    assert millions(actual.macs) == 724.4


@pytest.mark.parametrize(
    ("name", "params", "published", "view", "field"),
    [
        ("deeplab-7x7", 134_346_581, 134.3, 224, 419),
        ("deeplab-4x4", 65_140_565, 65.1, 128, 323),
        ("deeplab-4x4-r8", 65_140_565, 65.1, 224, 419),
        ("deeplab-largefov", 20_505_429, 20.5, 224, 419),
    ],
)
def test_deeplab_table(name: str, params: int, published: float, view: int, field: int) -> None:
    """21 classes, biases. The paper's field of view is nominal, (k-1) * rate * 8 + 32; ours is the true one."""
    comparison = compared(sample(name))
    actual = comparison.rows[0]
    assert actual.params == params
    assert millions(actual.params) == published
    assert actual.receptive_field == (field, field)
    (fc6,) = (each for each in comparison.layers if each.name == "fc6")
    assert (fc6.extent[0] - 1) * 8 + 32 == view


def test_inception_factorisations() -> None:
    """5x5 as two 3x3 saves 28 %; 3x3 as 3x1 and 1x3 saves 33 % (Szegedy et al. 2016, arXiv:1512.00567)."""
    five, three = (layer("dense", 64, 64, 17, taps=(k, k)).macs for k in (5, 3))
    assert round(100 * (1 - 2 * three / five)) == 28
    column, row = (layer("dense", 64, 64, 17, taps=taps).macs for taps in ((3, 1), (1, 3)))
    assert round(100 * (1 - (column + row) / three)) == 33
    assert layer("separable", 64, 64, 17).macs == column + row


def test_deformable_offset_branch() -> None:
    """3 layers of 512 channels with 1 offset group: 3 * (9*512*18 + 18) parameters (Dai et al. 2017)."""
    actual = total("deformable-resnet-stage")
    assert actual.branch_weights + actual.branch_biases == 248_886 == 3 * (9 * 512 * 18 + 18)
    assert actual.params_biases == actual.branch_biases
    assert actual.macs_branch == 3 * 9 * 512 * 18 * 14 * 14
    assert actual.macs_sampling == 3 * 4 * 512 * 9 * 14 * 14


def test_ultraface() -> None:
    """52 convolutions; what batch norms, ReLU and softmax add to other counters' 192.8 M is none of theirs."""
    actual = total("ultraface-rfb-320")
    assert (actual.macs, actual.params_weights + actual.params_biases) == (100_418_560, 271_484)


def test_transposed_is_counted_at_its_input() -> None:
    """k4 s2: a quarter of what counters say that use the output's size."""
    actual = layer("transposed", 16, 8, 10, taps=(4, 4), stride=(2, 2))
    assert actual.macs * 4 == actual.params_weights * 20 * 20


@pytest.mark.parametrize(("taps", "counts"), [(3, [1, 2, 4]), (4, [4])])
def test_taps_that_reach_an_output_of_a_transposed_kernel(taps: int, counts: list[int]) -> None:
    """Odena, Dumoulin & Olah 2016: 3x3 at stride 2 is a checkerboard, 4x4 is even."""
    kernel = Layer(type="transposed", channels_out=1, taps=(taps, taps), stride=(2, 2)).kernel(1, {}, "")
    assert isinstance(kernel, Transposed)
    assert taps_per_output(kernel) == counts
    assert layer("transposed", 1, 1, 8, taps=(taps, taps), stride=(2, 2)).taps_per_output == tuple(counts)


# The figures of Dumoulin & Visin's conv_arithmetic: input, taps, stride, padding -> output; and back, transposed.
ARITHMETIC = [
    (4, 3, 1, 0, 2), (5, 4, 1, 2, 6), (5, 3, 1, 1, 5), (5, 3, 1, 2, 7), (5, 3, 2, 0, 2), (5, 3, 2, 1, 3),
    (6, 3, 2, 1, 3),
]  # fmt: skip


@pytest.mark.parametrize(("i", "k", "s", "p", "o"), ARITHMETIC)
def test_conv_arithmetic(i: int, k: int, s: int, p: int, o: int) -> None:
    fields: dict[str, Any] = {"taps": (k, k), "stride": (s, s), "padding": ((p, p), (p, p))}
    assert layer("dense", 1, 1, i, **fields).size_out == (o, o)
    extra = (i + 2 * p - k) % s
    back = layer("transposed", 1, 1, o, **fields, output_padding=(extra, extra))
    assert back.size_out == (i, i)
    assert extra == (1 if i == 6 else 0)


def test_conv_arithmetic_with_dilation() -> None:
    assert layer("dense", 1, 1, 7, dilation=(2, 2), padding=((0, 0), (0, 0))).size_out == (3, 3)


def test_unet() -> None:
    """Not published as a number; by hand: 9 pairs of 3x3 layers, four 2x2 ones that enlarge, 1x1 at the end."""
    widths = [64, 128, 256, 512, 1024]
    hand = sum(9 * a * b + b + 9 * b * b + b for a, b in zip([1, *widths], widths, strict=False))
    hand += sum(4 * 2 * c * c + c + 9 * 2 * c * c + c + 9 * c * c + c for c in widths[:-1])
    assert total("unet").params == hand + 64 * 2 + 2 == 31_030_658
