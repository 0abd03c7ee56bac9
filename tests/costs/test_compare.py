"""`convcli compare`: the tables of kernels, layers and networks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.costs.compared_costs import NETWORKS, named, said, table
from tests.support import SAMPLES, noise, run, save


def test_the_textbook_table() -> None:
    actual = said()
    weights = named(actual, "params_weights")
    assert (weights["standard"], weights["depthwise separable"]) == (3456, 411)
    assert named(actual, "params_ratio")["depthwise separable"] == 411 / 3456
    assert actual["baseline"] == "standard"
    assert named(actual, "extent")["dilated 2"] == named(actual, "receptive_field")["dilated 2"] == [5, 5]
    assert named(actual, "coverage")["dilated 2"] == 9 / 25
    assert named(actual, "size_out")["transposed 2x"] == [448, 448]
    assert named(actual, "taps_per_output")["transposed 2x"] == [1, 2, 4]
    assert named(actual, "output_bytes")["standard"] == 4 * 224 * 224 * 128
    assert any(note.startswith("Warning: transposed 2x: 1, 2 or 4 of the 3x3 taps") for note in actual["notes"])
    assert any("FLOPs: 2 x MACs" in note for note in actual["notes"])
    assert actual["layers"] == actual["operations"] == []


def test_the_textbook_table_of_other_layers() -> None:
    options = ("--in-channels", "64", "--out-channels", "32", "--kernel-size", "5", "--groups", "4", "--size", "20x30")
    actual = said(*options, "--bias")
    weights = named(actual, "params_weights")
    assert weights["standard"] == 25 * 16 * 32
    assert weights["depthwise separable"] == 25 * 64 + 64 * 32
    assert named(actual, "params_biases")["standard"] == 32
    assert named(actual, "size_in")["standard"] == [20, 30]
    assert actual["title"] == "5x5 kernels, 64 -> 32 channels, input 20x30"
    assert any("no groups" in note for note in actual["notes"])


def test_kernels_as_they_are() -> None:
    inline = "[[1, 2], [3, 4]]"
    actual = said("sharpen", "gaussian:sigma=2", inline, "upsample-bilinear-2x", "luma", "swirl", "--size", "10x20")
    assert list(named(actual, "type").values()) == [
        "dense", "separable", "dense", "transposed", "depthwise_separable", "deformable"
    ]  # fmt: skip
    macs = named(actual, "macs")
    assert macs["sharpen"] == 9 * 3 * 200
    assert macs["gaussian:sigma=2"] == 34 * 3 * 200
    assert macs[inline] == 4 * 3 * 200
    assert macs["luma"] == (27 + 3) * 200
    assert named(actual, "size_out")["upsample-bilinear-2x"] == [20, 40]
    assert not any("checkerboard" in note for note in actual["notes"])  # its weights are known and even
    assert actual["title"] == "Kernels on a picture, 10x20, 3 channels"


def test_kernels_as_layers() -> None:
    actual = said("sharpen", "gaussian", "luma", "--in-channels", "6", "--out-channels", "4", "--groups", "2")
    weights = named(actual, "params_weights")
    assert weights["sharpen"] == 9 * 3 * 4
    assert weights["gaussian"] == 26 * 3 * 4
    assert weights["luma"] == 12
    assert "luma is a filter bank already and stays as it is." in actual["notes"]
    actual = said("upsample-bilinear-2x", "swirl", "--kernel-size", "3", "--in-channels", "2", "--out-channels", "5")
    assert named(actual, "params_weights") == {"upsample-bilinear-2x": 9 * 10, "swirl": 9 * 10 + 9 * 2 * 18}


def test_volumes_and_lines() -> None:
    kernels = SAMPLES / "kernels"
    actual = said(kernels / "smooth-volume.yaml", kernels / "smooth-signal.yaml", "--size", "4x5x6")
    assert named(actual, "macs") == {"smooth-volume": 27 * 3 * 120, "smooth-signal": 5 * 3 * 120}
    result = run("compare", kernels / "smooth-volume.yaml")
    assert (result.code, "--size DxHxW is a volume" in result.err) == (1, True)


def test_an_image_says_the_size_and_the_channels(tmp_path: Path) -> None:
    colour = save(tmp_path / "colour.png", noise(12, 34, 4))
    assert named(said("sharpen", "--image", colour), "size_in")["sharpen"] == [12, 34]
    assert named(said("sharpen", "--image", colour), "channels_in")["sharpen"] == 3  # alpha left out
    grey = save(tmp_path / "grey.png", noise(12, 34))
    assert named(said("sharpen", "luma", "--image", grey), "channels_in") == {"sharpen": 1, "luma": 3}
    actual = said("sharpen", "luma", "--image", grey, "--time", "--budget", "0.01")
    assert all(value > 0 for value in named(actual, "time_median_s").values())


def test_a_network_layer_by_layer() -> None:
    actual = said(NETWORKS / "mobilenet.yaml")
    assert [row["name"] for row in actual["rows"]] == ["mobilenet"]
    assert named(actual, "receptive_field", "layers")["14"] == [315, 315]
    assert actual["operations"][0]["operation"] == "1x1"
    assert actual["baseline"] is None
    assert sum(row["macs_share"] for row in actual["layers"]) == pytest.approx(1)


def test_holes_are_told(tmp_path: Path) -> None:
    for rates, told_of in (((2, 2, 2), "stack sees 29 % of its field"), ((1, 2, 5), "")):
        layers = "".join(f"  - {{dense: 1, dilation: {rate}}}\n" for rate in rates)
        (tmp_path / "stack.yaml").write_text(f"input: 64x64x1\nlayers:\n{layers}")
        notes = " ".join(said(tmp_path / "stack.yaml")["notes"])
        assert ("of its field" in notes) == bool(told_of)
        assert told_of in notes


def test_networks_side_by_side() -> None:
    result = run("compare", NETWORKS / "mobilenet-full.yaml", NETWORKS / "mobilenet.yaml", "--format", "plain")
    lines = result.out.decode().splitlines()
    assert lines[0].split()[:3] == ["Network", "Weights", "Biases"]
    assert lines[2].split()[:4] == ["mobilenet", "4,209,088", "0", "0.144"]
    (layer,) = (line.split() for line in lines if line.startswith("14 "))
    assert layer == ["14", "dense", "9,437,184", "462", "M", "depthwise_separable", "1,057,792", "51.8", "M"]


def test_multipliers_after_the_name_and_as_options() -> None:
    path = NETWORKS / "mobilenet.yaml"
    actual = said(path, f"{path}:width=0.5", f"{path}:width=0.75,resolution=0.714", path)
    assert list(named(actual, "macs")) == [
        "mobilenet", "mobilenet:width=0.5", "mobilenet:width=0.75,resolution=0.714", "mobilenet (2)"
    ]  # fmt: skip
    half = named(said(path, "--width", "0.5"), "macs")["mobilenet"]
    assert half == named(actual, "macs")["mobilenet:width=0.5"]
    assert named(said(path, "--resolution", "0.571"), "size_in")["mobilenet"] == [128, 128]
    assert named(said(path, "--size", "96x64"), "size_in")["mobilenet"] == [96, 64]


def test_swapped_networks() -> None:
    actual = said(NETWORKS / "vgg16.yaml", "--as", "depthwise_separable")
    assert list(named(actual, "macs")) == ["vgg16", "vgg16 as depthwise_separable"]
    assert 0.1 < named(actual, "macs_ratio")["vgg16 as depthwise_separable"] < 0.15
    swapped = {row["type"] for row in actual["layers"] if row["network"].endswith("separable") and row["macs"]}
    assert swapped == {"depthwise_separable", "fc"}
    assert [note for note in actual["notes"] if "wapped" in note] == [
        "Swapped to depthwise_separable: 13 of 16 layers (conv1.1, conv1.2, conv2.1, conv2.2, conv3.1-3, conv4.1-3,"
        " conv5.1-3).",
        "Not swapped: fc6-8 (fully connected).",
    ]


def test_kernels_beside_networks() -> None:
    actual = said("sharpen", NETWORKS / "alexnet.yaml")
    assert named(actual, "type") == {"sharpen": "dense", "alexnet": "network"}


def test_baseline_sort_and_columns() -> None:
    actual = said("--baseline", "depthwise separable", "--sort", "-params_weights")
    assert actual["baseline"] == "depthwise separable"
    ratios = list(named(actual, "params_ratio").values())
    assert ratios == sorted(ratios, reverse=True)
    assert named(actual, "params_ratio")["depthwise separable"] == 1
    assert next(row["name"] for row in table("--sort", "macs")) == "pointwise 1x1"
    assert next(row["name"] for row in table("--sort", "extent")) == "pointwise 1x1"
    result = run("compare", "--columns", "MACs,weights,ratio", "--format", "plain")
    assert result.out.decode().splitlines()[1].split() == ["Kernel", "MACs", "Weights", "Ratio"]
    assert list(table("--columns", "flops,output_bytes")[0]) == ["name", "flops", "output_bytes"]
