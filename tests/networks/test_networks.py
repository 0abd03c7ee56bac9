"""Network files: what they say, what becomes of it on an input, and how a mistake is answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from convcli.costs.schema import network as network_schema
from convcli.errors import KernelError
from convcli.networks.assembly import assemble
from convcli.networks.file import from_text, load
from convcli.networks.network import Assembled
from convcli.networks.swaps import summary
from tests.support import SAMPLES, counted_calls, run

NETWORKS = sorted((SAMPLES / "networks").glob("*.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(network_schema())


def net(*layers: str, size: str = "32x32x3", top: str = "", **changes: Any) -> Assembled:
    lines = "".join(f"  - {layer}\n" for layer in layers)
    return assemble(from_text(f"input: {size}\n{top}layers:\n{lines}").changed(**changes))


def shapes(assembled: Assembled) -> dict[str, tuple[int, ...]]:
    return {placed.name: (*placed.size_out, placed.channels_out) for placed in assembled.layers}


def test_a_chain() -> None:
    actual = net("{dense: 16, kernel_size: 5, stride: 2}", "{pool: max}", "global_pool", "{fc: 10}")
    assert shapes(actual) == {"1": (16, 16, 16), "2": (8, 8, 16), "3": (1, 1, 16), "4": (1, 1, 10)}
    assert [placed.type for placed in actual.layers] == ["dense", "pool max", "pool average", "fc"]
    assert [placed.inputs for placed in actual.layers] == [(-1,), (0,), (1,), (2,)]


def test_every_kind_of_layer() -> None:
    actual = net(
        "{dense: 8}", "{depthwise: 2}", "{pointwise: 6}", "{separable: 4}", "{depthwise_separable: 8}",
        "{transposed: 4, stride: 2}", "{deformable: 6, mask: true, offset_groups: 2}", "{upsample: 2}",
        "{pool: average, kernel_size: 4, stride: 3, padding: 1}", "{global_pool: max}", "{fc: 5}",
        "{add: [[{dense: 2}], [{pointwise: 2}]]}", "{concat: [[], [], []]}",
    )  # fmt: skip
    assert [size[-1] for size in shapes(actual).values()] == [8, 16, 6, 4, 8, 4, 6, 6, 6, 6, 5, 2, 2, 2, 6]
    assert shapes(actual)["9"] == (43, 43, 6)


def test_names_and_repeats() -> None:
    actual = net(
        "{dense: 4, repeat: 2}", "{dense: 4, name: conv}", "{dense: 4, name: conv}",
        "{dense: 4, name: body, repeat: 2}",
        "{block: pair}", "{block: pair, name: stage, repeat: 2}", "{layers: [{dense: 4}, {dense: 4}], repeat: 2}",
        "{add: [[{dense: 4}, {dense: 4, name: last}], []], name: join}",
        top="blocks: {pair: [{dense: 4}, {pointwise: 4, name: mix}]}\n",
    )  # fmt: skip
    assert list(shapes(actual)) == [
        *("1", "2", "conv", "conv.2", "body.1", "body.2", "3", "mix", "stage.1/1", "stage.1/mix", "stage.2/1"),
        *("stage.2/mix", "4", "5", "6", "7", "join/a1", "join/a.last", "join"),
    ]


def test_defaults_hold_for_convolutions_only() -> None:
    actual = net(
        "{dense: 4}",
        "{dense: 4, bias: false}",
        "{pool: max}",
        "{fc: 2}",
        top="defaults: {bias: true, kernel_size: 5}\n",
    )
    kernels = [placed.kernel for placed in actual.layers]
    assert [kernel and (kernel.taps, kernel.bias is not None) for kernel in kernels] == [
        ((5, 5), True), ((5, 5), False), None, ((16, 16), True)
    ]  # fmt: skip
    assert actual.layers[2].size_out == (16, 16)


def test_width_scales_convolutions_and_spares_what_is_fixed() -> None:
    actual = net("{dense: 33}", "{depthwise: 1}", "{dense: 21, fixed: true}", "{pointwise: 1}", "{fc: 7}", width=0.5)
    assert [size[-1] for size in shapes(actual).values()] == [16, 16, 21, 1, 7]


def test_resolution_scales_the_input() -> None:
    assert net("{dense: 1}", size="224x112x3", resolution=0.714).layers[0].size_in == (160, 80)
    assert net("{dense: 1}", size="2x2x3", resolution=0.1).layers[0].size_in == (1, 1)


def test_from_holds_for_chains_and_the_first_of_repeated_layers() -> None:
    text = """input: 8x8x3
blocks: {b: [{dense: 5}]}
layers:
  - {dense: 4, name: early}
  - {dense: 7}
  - {block: b, from: early, name: block}
  - {layers: [{dense: 6}], from: early}
  - {dense: 9, from: early, repeat: 2, name: twice}
"""
    layers = {placed.name: placed for placed in assemble(from_text(text)).layers}
    assert layers["block/1"].inputs == layers["2"].inputs == layers["twice.1"].inputs == (0,)
    assert (layers["twice.2"].channels_in, layers["twice.2"].channels_out) == (9, 9)


def test_a_join_with_an_earlier_layer() -> None:
    actual = net("{dense: 4, name: early}", "{dense: 4}", "{add: early}", "{concat: early}")
    assert shapes(actual)["3"] == (32, 32, 8)
    assert [placed.inputs for placed in actual.layers] == [(-1,), (0,), (1, 0), (2, 0)]


LAYERS = ("{dense: 8}", "{dense: 8, groups: 2}", "{pointwise: 8}", "{depthwise: 1}", "{separable: 8}",
          "{depthwise_separable: 8}", "{deformable: 8}", "{dense: 8, kernel_size: [1, 3]}",
          "{transposed: 8, stride: 2}", "{pool: max}", "{fc: 8}")  # fmt: skip


@pytest.mark.parametrize(
    ("target", "swapped", "left_alone"),
    [
        ("dense", "5-7", ["1-4, 8 (dense already)", "11 (fully connected)", "9 (transposed, it enlarges)"]),
        (
            "depthwise_separable",
            "1, 8",
            ["3 (1x1, a single tap)", "5 (separable, not dense)", "7 (deformable, not dense)", "4 (depthwise already)",
             "6 (depthwise_separable already)", "11 (fully connected)", "2 (its channels are in 2 groups)",
             "9 (transposed, it enlarges)"],
        ),
        (
            "separable",
            "1, 2, 4",
            ["3 (1x1, a single tap)", "6 (depthwise_separable, not dense)", "7 (deformable, not dense)",
             "11 (fully connected)", "8 (one row of taps already)", "5 (separable already)",
             "9 (transposed, it enlarges)"],
        ),
        (
            "deformable",
            "1, 2, 4, 8",
            ["3 (1x1, a single tap)", "7 (deformable already)", "6 (depthwise_separable, not dense)",
             "11 (fully connected)", "5 (separable, not dense)", "9 (transposed, it enlarges)"],
        ),
    ],
)  # fmt: skip
def test_swaps_say_what_and_why_not(target: str, swapped: str, left_alone: list[str]) -> None:
    done, left = summary(net(*LAYERS, swap=target).swaps, target)
    count = len(swapped.replace("5-7", "5, 6, 7").split(", "))
    assert done == f"Swapped to {target}: {count} of 10 layers ({swapped})."
    assert left.startswith("Not swapped: ")
    assert sorted(left.removeprefix("Not swapped: ").removesuffix(".").split("; ")) == sorted(left_alone)


def test_a_swap_keeps_channels_stride_and_dilation() -> None:
    layer = "{dense: 8, kernel_size: 5, stride: 2, dilation: 2, bias: true}"
    plain, other = net(layer).layers[0], net(layer, swap="depthwise_separable").layers[0]
    assert (other.size_out, other.channels_out) == (plain.size_out, plain.channels_out)
    assert plain.kernel and other.kernel
    for field in ("taps", "stride", "dilation", "border", "padding"):
        assert getattr(other.kernel, field) == getattr(plain.kernel, field)
    assert other.kernel.bias is not None
    assert other.type == other.kernel.type == "depthwise_separable"


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_sample_networks(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=network.schema.json\nabout: ")
    assert len(text.splitlines()) <= 32  # one screen
    VALIDATOR.validate(yaml.safe_load(text))
    network = load(str(path))
    assert network is not None
    assert assemble(network).layers


def test_the_samples_are_those_that_are_promised() -> None:
    assert {path.stem for path in NETWORKS} == {
        *("mobilenet", "mobilenet-full", "vgg16", "alexnet", "unet", "deformable-resnet-stage", "enlarge-2x"),
        *("ultraface-rfb-320", "deeplab-7x7", "deeplab-4x4", "deeplab-4x4-r8", "deeplab-largefov"),
    }


def test_the_stored_schema_is_the_one_the_command_prints() -> None:
    stored = json.loads((SAMPLES / "networks" / "network.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(stored)
    assert stored == network_schema() == json.loads(run("schema", "network").out)


TOP = "input: 32x32x3\nlayers:\n"
#: Text, and what its error holds: place, layer, numbers; then what the schema thinks of it (False: a mistake).
MISTAKES: dict[str, tuple[str, list[str], bool]] = {
    "groups that don't divide the input": (
        f"{TOP}  - {{dense: 64}}\n  - {{dense: 96, groups: 5, name: mixed}}\n",
        [":4:25:", "layer 'mixed' (dense, on 32x32x64)", "64 input channels don't split into 5 groups"], True,
    ),
    "groups that don't divide the output": (
        f"{TOP}  - {{dense: 64, groups: 3}}\n", [":3:25:", "layer '1'", "64 output channels don't split into 3"], True,
    ),
    "offset groups": (
        f"{TOP}  - {{deformable: 4, offset_groups: 2}}\n", [":3:36:", "3 channels don't split into 2 offset groups"],
        True,
    ),
    "output below 1": (
        f"{TOP}  - {{pool: max, kernel_size: 16}}\n  - {{dense: 4, kernel_size: 5, padding: valid}}\n",
        [":4:5:", "layer '2' (dense, on 2x2x3)", "spans 5 samples along y, more than the 2 samples"], True,
    ),
    "a pool that is too large": (
        f"{TOP}  - {{pool: max, kernel_size: 64}}\n", [":3:5:", "layer '1' (pool, on 32x32x3)", "64", "32"], True,
    ),
    "transposed below 1": (
        "input: 1x1x3\nlayers:\n  - {transposed: 4, padding: 2}\n", [":3:5:", "layer '1'", "would have -1 samples"],
        True,
    ),
    "output padding": (
        f"{TOP}  - {{transposed: 4, stride: 2, padding: 1, output_padding: 2}}\n", [":3:60:", "must be below stride 2"],
        True,
    ),
    "sizes that differ": (
        f"{TOP}  - {{add: [[{{dense: 4, stride: 2}}], [{{dense: 4}}]]}}\n", [":3:5:", "32x32 and 16x16"], True,
    ),
    "channels that differ": (
        f"{TOP}  - {{add: [[{{dense: 4}}], []]}}\n", [":3:5:", "layer '1' (add, on 32x32x3)", "4 and 3"], True,
    ),
    "no such layer": (f"{TOP}  - {{dense: 4, name: a}}\n  - {{add: b}}\n", [":4:11:", "'b'", "named layers: a"], True),
    "no such block": (f"{TOP}  - {{block: stage}}\n", [":3:13:", "no block has the name 'stage'"], True),
    "a block of layers": (f"{TOP}  - {{block: {{dense: 4}}}}\n", [":3:13:", "the name of a block, not a"], False),
    "a block in itself": (
        "input: 8x8x3\nblocks: {a: [{block: b}], b: [{block: a}]}\nlayers: [{block: a}]\n", [":2:39:", "holds itself"],
        True,
    ),
    "an unknown kind": (f"{TOP}  - {{desne: 4}}\n", [":3:6:", "'desne'", "did you mean 'dense'"], False),
    "no kind": (f"{TOP}  - {{repeat: 4}}\n", [":3:5:", "no known kind", "dense"], False),
    "two kinds": (f"{TOP}  - {{dense: 4, pool: max}}\n", [":3:5:", "both dense and pool"], False),
    "an unknown field": (f"{TOP}  - {{dense: 4, strid: 2}}\n", [":3:16:", "'strid'", "did you mean 'stride'"], False),
    "a field of another kind": (f"{TOP}  - {{pool: max, groups: 2}}\n", [":3:17:", "'groups' of a pool"], False),
    "no channels": (f"{TOP}  - {{dense: 0}}\n", [":3:13:", "'dense' is 0"], False),
    "channels in words": (f"{TOP}  - {{dense: many}}\n", [":3:13:", "must be a number"], False),
    "an unknown pooling": (f"{TOP}  - {{pool: median}}\n", [":3:12:", "max or average"], False),
    "one branch": (f"{TOP}  - {{add: [[{{dense: 3}}]]}}\n", [":3:11:", "two branches"], False),
    "layers that are no list": ("input: 8x8x3\nlayers: {dense: 4}\n", [":2:9:", "a list, not a mapping"], False),
    "no layers": ("input: 8x8x3\nlayers: []\n", [":2:9:", "holds no layer"], False),
    "no input": ("layers: [{dense: 4}]\n", ["'input' is missing", "224x224x3"], False),
    "an input of two sizes": ("input: 224x224\nlayers: [{dense: 4}]\n", [":1:8:", "height x width x channels"], False),
    "an unknown default": ("input: 8x8x3\ndefaults: {biass: true}\nlayers: [{dense: 4}]\n", [":2:19:", "biass"], False),
    "an unknown top field": ("input: 8x8x3\nlayer: []\nlayers: [{dense: 4}]\n", [":2:1:", "'layer'"], False),
    "defaults that are no mapping": ("input: 8x8x3\ndefaults: 3\nlayers: [{dense: 4}]\n", [":2:11:", "mapping"], False),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_with_its_place(name: str, tmp_path: Path) -> None:
    text, expected, _ = MISTAKES[name]
    path = tmp_path / "net.yaml"
    path.write_text(text)
    result = run("compare", path)
    assert (result.code, result.out) == (2, b"")
    for part in expected:
        assert part in result.err, result.err
    assert len(result.errors()) == 1


@pytest.mark.parametrize("name", MISTAKES)
def test_the_schema_finds_mistakes_of_form(name: str) -> None:
    text, _, valid = MISTAKES[name]
    assert VALIDATOR.is_valid(yaml.safe_load(text)) == valid


@pytest.mark.parametrize(
    "text",
    [
        "layers: [{layers: [], repeat: 2000000000}]",
        "layers: [{layers: [{layers: [{pointwise: 3, repeat: 1000}], repeat: 1000}], repeat: 1000}]",
        "blocks: {" + ", ".join(f"b{n}: [{', '.join([f'{{block: b{n + 1}}}'] * 9)}]" for n in range(30))
        + ", b30: [{pointwise: 3}]}\nlayers: [{block: b0}]",
    ],
    ids=["empty", "nested", "blocks"],
)  # fmt: skip
def test_bombs_are_refused_at_once(text: str) -> None:
    with counted_calls() as calls, pytest.raises(KernelError, match="more than 10,000 layers"):
        assemble(from_text(f"input: 8x8x3\n{text}"))
    assert len(calls) < 1000 * 10_000


def test_what_is_no_network_is_left_to_the_reader_of_kernels() -> None:
    assert load("sharpen") is None
    assert load("[[1]]") is None
    assert load("missing.yaml") is None
    assert load(str(SAMPLES / "kernels" / "sepia.yaml")) is None


@pytest.mark.parametrize(
    ("after", "parts"),
    [("widht=2", ["no 'widht'", "width, resolution and until"]), ("width=0", ["is 0"]), ("width=a", ["be a number"]),
     ("resolution=-1", ["is -1"])],
)  # fmt: skip
def test_multipliers_after_the_name(after: str, parts: list[str]) -> None:
    result = run("compare", f"{NETWORKS[0]}:{after}")
    assert result.code == 2
    for part in parts:
        assert part in result.err
