"""Network files with weights that are wrong: one line each, with place, fact and both numbers; what is only noted."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from convcli.errors import KernelError
from convcli.spec import read
from tests.support import noise, run, save

HEAD = "weights: w.safetensors\npicture: {channels: luma, range: unit}\nlayers:\n"
CONV = "  - {dense: 4, name: conv, activation: prelu}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    arrays = {
        "conv.weight": rng.normal(size=(4, 1, 3, 3)), "conv.bias": np.zeros(4), "conv.slope": np.full(4, 0.25),
        "out.weight": rng.normal(size=(1, 4, 3, 3)), "wide.weight": rng.normal(size=(4, 2, 3, 3)),
        "nan.weight": np.full((4, 1, 3, 3), np.nan),
    }  # fmt: skip
    save_file({name: array.astype(np.float32) for name, array in arrays.items()}, tmp_path / "w.safetensors")
    header = json.dumps({"conv.weight": {"dtype": "F32", "shape": [4, 1, 3, 3], "data_offsets": [0, 9999]}}).encode()
    (tmp_path / "lies.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    np.savez(tmp_path / "w.npz", w=np.ones((1, 3, 3, 3), np.float32))
    save(tmp_path / "a.png", noise(12, 10, 3))
    return tmp_path


#: What is wrong -> the file, and what the error says of it.
WRONG: dict[str, tuple[str, list[str]]] = {
    "a missing member": (HEAD + "  - {dense: 4, name: conv2}\n",
        [":4:5:", "no 'conv2.weight'", "did you mean 'conv.weight'?"]),
    "a missing bias": (HEAD + CONV + "  - {dense: 1, name: out, bias: true}\n", [":5:", "no 'out.bias'"]),
    "missing slopes": (HEAD + CONV + "  - {dense: 1, name: out, activation: prelu}\n", [":5:", "no 'out.slope'"]),
    "another shape": (HEAD + "  - {dense: 4, name: wide}\n",
        ["layer 'wide'", "wide.weight has shape 4x2x3x3", "takes 4x1x3x3"]),
    "another kernel size": (HEAD + "  - {dense: 4, kernel_size: 5, name: conv}\n", ["4x1x3x3", "4x1x5x5"]),
    "another count": (HEAD + "  - {dense: 8, name: conv}\n", ["4x1x3x3", "8x1x3x3"]),
    "not a number": (HEAD + "  - {dense: 4, name: nan}\n", ["nan.weight", "36 of 36 numbers are NaN"]),
    "a lying header": (HEAD.replace("w.safe", "lies.safe") + CONV, [":1:10:", "damaged .safetensors"]),
    "no such file": (HEAD.replace("w.safe", "x.safe") + CONV, [":1:10:", "no such file"]),
    "a pickle": (HEAD.replace("w.safetensors", "w.pth") + CONV, [":1:10:", "is a pickle", "save_file"]),
    "another kind of file": (HEAD.replace("w.safetensors", "w.h5") + CONV,
        [":1:10:", "'weights' of a network must be a file"]),
    "weights taken twice": (HEAD + CONV + "  - {dense: 4, name: conv}\n", [":5:", "taken by a layer above"]),
    "no weights at all": (HEAD.partition("\n")[2] + CONV,
        ["has no weights for conv, conv.slope", "weights: FILE.safetensors"]),
    "a bias without a file": ("input: 12x10x3\nlayers: [{dense: 1, weights: 'w.npz::w', bias: true, name: a}]\n",
        ["has no weights for a.bias"]),
    "slopes without a file": (
        "input: 12x10x3\nlayers: [{activate: prelu, name: bent}]\n", ["no weights for bent.slope"]),
    "slopes of other channels": (
        HEAD + "  - {depth_to_space: 1, name: d, activation: {prelu: [1, 2]}}\n", [":4:", "shape (2,) for 1 output"]),
    "another resolution": (HEAD + CONV, [":resolution=0.5"]),
    "an unknown layer": (HEAD + "  - {transformer: 4}\n", [":4:6:", "unknown kind of layer"]),
    "an earlier layer that is none": (HEAD + CONV + "  - {dense: 1, name: out, from: later}\n",
        [":5:", "'later'", "conv"]),
    "a cycle of blocks": (
        HEAD.replace("layers:\n", "blocks: {a: [{block: b}], b: [{block: a}]}\nlayers:\n") + "  - {block: a}\n",
        ["block 'a' holds itself"],
    ),
    "joined sizes": (HEAD + "  - {add: [[{pool: max}], []]}\n", [":4:5:", "differs in size"]),
    "subtracted channels": (HEAD + "  - {subtract: [[{dense: 4, name: conv}], [{concat: [input, input]}]]}\n",
        ["what is subtracted", "4 and 2"]),
    "a norm's groups": (HEAD + CONV + "  - {normalize: group, groups: 3}\n", [":5:", "4 channels don't split into 3"]),
    "groups of an instance norm": (HEAD + CONV + "  - {normalize: instance, groups: 2}\n", [":5:35:", "for instance"]),
    "a norm of another word": (HEAD + CONV + "  - {normalize: batch}\n", [":5:17:", "instance, group or layer"]),
    "a bias alone": (HEAD + CONV + "  - {normalize: instance, bias: true}\n", [":5:", "hint: scale: true"]),
    "a scale that the file lacks": (HEAD + CONV + "  - {normalize: layer, scale: true, name: n}\n",
        [":5:", "no 'n.weight'"]),
    "a softmax of nothing known": (HEAD + CONV + "  - {softmax: 1}\n", [":5:6:", "{across_channels: softmax}"]),
    "channels that make no pixels": (HEAD + "  - {depth_to_space: 2}\n", ["1 channels don't make 2x2 pixels"]),
    "a channel that is none": (HEAD + CONV + "  - {take: 2, first: 1, step: 3}\n",
        [":5:", "channel 4 is none of 4, which are numbered from 0 on"]),
    "channels that are no numbers": (HEAD + CONV + "  - {take: [0, -1]}\n", [":5:16:", "'take' is -1"]),
    "no channels": (HEAD + CONV + "  - {take: []}\n", [":5:12:", "'take'"]),
    "a step between numbers": (HEAD + CONV + "  - {take: [0, 1], step: 2}\n", [":5:26:", "not for a list"]),
    "groups that don't fit": (HEAD + CONV + "  - {channel_shuffle: 3}\n", [":5:", "4 channels don't split into 3"]),
    "an order that is none": (HEAD + CONV + "  - {depth_to_space: 2, order: crb}\n", [":5:", "crd or dcr, not 'crb'"]),
    "a window without a sample": (HEAD + "  - {pool: max, padding: 2}\n", ["2 cells along y", "window of 2"]),
    "an activation that is none": (HEAD + "  - {dense: 4, name: conv, activation: selu}\n", ["can't be 'selu'"]),
    "channels that are none": (HEAD.replace("luma", "Y") + CONV, [":2:21:", "that is luma here"]),
    "channels that are a list": (HEAD.replace("luma", "[luma]") + CONV, [":2:21:", "rgb, bgr, luma, grey, not a list"]),
    "a range that is none": (HEAD.replace("unit", "0..1") + CONV, [":2:34:", "unit (0 to 1)"]),
    "std of 0": (HEAD.replace("unit", "{std: 0}") + CONV, [":2:", "'std' holds 0"]),
    "means for others": (HEAD.replace("unit", "{mean: [1, 2]}") + CONV, [":2:", "2 numbers for 1 channels"]),
    "input and picture": ("input: 12x10x3\n" + HEAD + CONV, [":1:8:", "3 channels", "'picture' 1 (luma)"]),
    "channels first": ("input: 3x224x200\nlayers: [{dense: 4}]\n", [":1:8:", "3 rows of 224", "input: 224x200x3"]),
    "neither": (HEAD.replace("picture: {channels: luma, range: unit}\n", "") + CONV, ["'input' is missing"]),
    "deformable without a branch": (HEAD + "  - {deformable: 4, name: conv}\n", [":4:", "no 'conv.offsets.weight'"]),
    "offsets of nowhere": (HEAD + "  - {deformable: 4, name: conv, offsets: wide}\n", [":4:", "'wide'"]),
    "offsets of another number": (HEAD + CONV + "  - {deformable: 1, name: out, offsets: conv, mask: true}\n",
        [":5:", "x4; the layer takes", "x27"]),
    "until nothing": (HEAD + CONV, [":until=nothing"]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_one_line_before_any_picture_is_read(name: str, folder: Path) -> None:
    text, says = WRONG[name]
    (folder / "net.yaml").write_text(text)
    after = says[0] if says[0].startswith((":until", ":resolution")) else ""
    kernel = f"{folder / 'net.yaml'}{after}"
    result = run("apply", folder / "a.png", "-k", kernel, "-o", folder / "out.png")
    assert result.code == 2, result.err
    assert result.err.count("Error:") == 1 and "Traceback" not in result.err
    said = {
        ":until=nothing": ["no layer has the name 'nothing'", "layers: conv"],
        ":resolution=0.5": ["not at 0.5 times"],
    }
    for part in said.get(after, says):
        assert part in result.err
    assert not (folder / "out.png").exists()


def test_weights_that_no_layer_takes_are_told_of(folder: Path) -> None:
    """Something of the network may be missing in the file: a norm, for one."""
    (folder / "net.yaml").write_text(HEAD + "  - {dense: 4, name: conv}\n  - {dense: 1, name: out}\n")
    result = run("apply", folder / "a.png", "-k", folder / "net.yaml", "-o", folder / "out.png")
    assert result.code == 0
    assert "no layer takes conv.slope, wide.weight, nan.weight of the file of weights" in " ".join(
        result.err.split()
    ) or ("no layer takes" in result.err and "conv.slope" in result.err)


def test_colours_that_can_not_be_fitted_are_refused(folder: Path) -> None:
    (folder / "net.yaml").write_text(HEAD + "  - {dense: 4, name: conv, padding: valid}\n  - {dense: 1, name: out}\n")
    colour = run("apply", folder / "a.png", "-k", folder / "net.yaml", "-o", folder / "out.png")
    assert colour.code == 1 and "8x10 pixels of 10x12" in colour.err
    save(folder / "grey.png", noise(12, 10))
    assert run("apply", folder / "grey.png", "-k", folder / "net.yaml", "-o", folder / "out.png").code == 0


def test_a_network_file_is_no_kernel_file(folder: Path) -> None:
    """Where a kernel is taken alone."""
    (folder / "net.yaml").write_text(HEAD + CONV)
    with pytest.raises(KernelError, match="this is a network file, no kernel"):
        read(folder / "net.yaml")


def test_options_for_kernels_are_none_for_networks(folder: Path) -> None:
    (folder / "net.yaml").write_text(HEAD + "  - {dense: 4, name: conv}\n  - {dense: 1, name: out}\n")
    result = run("apply", folder / "a.png", "-k", folder / "net.yaml", "-o", folder / "o.png", "--border", "wrap")
    assert result.code == 2 and "--border has no use" in result.err


def test_more_memory_than_there_is_is_said_before_it_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from convcli.files import streams

    monkeypatch.setattr(streams, "free_memory", lambda: 1000)
    (folder / "net.yaml").write_text(HEAD + "  - {dense: 4, name: conv}\n  - global_pool\n  - {multiply: conv}\n")
    result = run("apply", folder / "a.png", "-k", folder / "net.yaml", "-o", folder / "out.npy")
    assert result.code == 1 and "MB at a time" in result.err and "are free" in result.err


def test_maps_of_a_stack_are_counted_for_as_many_pictures_as_run_at_a_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convcli.files import streams

    (folder / "net.yaml").write_text(
        "input: 12x10x3\nweights: w.npz\nlayers: [{dense: 1, name: n, weights: 'w.npz::w'}]\n"
    )
    np.save(folder / "x.npy", np.zeros((5, 12, 10, 3), np.float32))
    monkeypatch.setattr(streams, "free_memory", lambda: 5 * 12 * 10 * 4 * 4 - 1)
    result = run("apply", folder / "x.npy", "-k", folder / "net.yaml", "--layout", "nhwc", "-o", folder / "out.npy")
    assert result.code == 1 and "MB at a time" in result.err
    monkeypatch.setattr(streams, "free_memory", lambda: 5 * 12 * 10 * 4 * 4)
    result = run("apply", folder / "x.npy", "-k", folder / "net.yaml", "--layout", "nhwc", "-o", folder / "out.npy")
    assert result.code == 0, result.err


@pytest.mark.parametrize(
    "kind", ["dense", "depthwise", "pointwise", "separable", "depthwise_separable", "transposed", "fc"]
)
def test_ones_prove_the_counts(kind: str, tmp_path: Path) -> None:
    """Ones through weights of ones sum to the multiply-accumulates that the report counts."""
    inputs, outputs = 3, 5
    shapes = {
        "dense": {"l.weight": (5, 3, 3, 3)}, "depthwise": {"l.weight": (3, 1, 3, 3)}, "pointwise": {"l.weight": (5, 3)},
        "separable": {"l.y.weight": (5, 3, 3), "l.x.weight": (5, 3, 3)}, "fc": {"l.weight": (5, 3 * 8 * 6)},
        "depthwise_separable": {"l.depthwise.weight": (3, 1, 3, 3), "l.pointwise.weight": (5, 3)},
        "transposed": {"l.weight": (3, 5, 2, 2)},
    }[kind]  # fmt: skip
    save_file({name: np.ones(shape, np.float32) for name, shape in shapes.items()}, tmp_path / "w.safetensors")
    more = {"transposed": ", kernel_size: 2, stride: 2", "fc": "", "pointwise": ""}.get(kind, ", padding: valid")
    head = f"{kind}: {1 if kind == 'depthwise' else outputs}"
    (tmp_path / "net.yaml").write_text(
        f"input: 8x6x{inputs}\nweights: w.safetensors\nlayers: [{{{head}, name: l{more}}}]\n"
    )
    np.save(tmp_path / "x.npy", np.ones((8, 6, inputs), np.float32))
    result = run("apply", tmp_path / "x.npy", "-k", tmp_path / "net.yaml", "-o", tmp_path / "y.npy", "--json")
    counted = json.loads(result.err)["stages"][0]["macs"]
    total = float(np.load(tmp_path / "y.npy").astype(np.float64).sum())
    if kind in ("separable", "depthwise_separable"):  # two passes, of which the sum of ones is the product
        report = json.loads(run("compare", tmp_path / "net.yaml", "--format", "json").out)
        assert report["rows"][0]["macs"] == counted
    else:
        assert counted == total
