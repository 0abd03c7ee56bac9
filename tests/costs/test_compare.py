"""`convcli compare` from the outside: what is compared, with which options, in which form, and what goes wrong."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from convcli.costs.columns import DATA
from convcli.costs.schema import comparison as comparison_schema
from tests.support import SAMPLES, command, environment, noise, run, save, spawn

NETWORKS = SAMPLES / "networks"
VALIDATOR = jsonschema.Draft202012Validator(comparison_schema())


def told(*arguments: str | Path) -> dict[str, Any]:
    """The JSON of a comparison, which follows its schema."""
    result = run("compare", *arguments, "--format", "json")
    assert (result.code, result.err) == (0, "")
    found: dict[str, Any] = json.loads(result.out)
    VALIDATOR.validate(found)
    return found


def named(found: dict[str, Any], key: str, part: str = "rows") -> dict[str, Any]:
    return {row["name"]: row[key] for row in found[part]}


def table(*arguments: str | Path) -> list[dict[str, str]]:
    """The rows of a comparison as CSV."""
    result = run("compare", *arguments, "--format", "csv")
    assert (result.code, result.err) == (0, "")
    return list(csv.DictReader(io.StringIO(result.out.decode())))


def test_the_textbook_table() -> None:
    found = told()
    weights = named(found, "params_weights")
    assert (weights["standard"], weights["depthwise separable"]) == (3456, 411)
    assert named(found, "params_ratio")["depthwise separable"] == 411 / 3456
    assert found["baseline"] == "standard"
    assert named(found, "extent")["dilated 2"] == named(found, "receptive_field")["dilated 2"] == [5, 5]
    assert named(found, "coverage")["dilated 2"] == 9 / 25
    assert named(found, "size_out")["transposed 2x"] == [448, 448]
    assert named(found, "taps_per_output")["transposed 2x"] == [1, 2, 4]
    assert named(found, "output_bytes")["standard"] == 4 * 224 * 224 * 128
    assert any(note.startswith("Warning: transposed 2x: 1, 2 or 4 of the 3x3 taps") for note in found["notes"])
    assert any("FLOPs: 2 x MACs" in note for note in found["notes"])
    assert found["layers"] == found["operations"] == []


def test_the_textbook_table_of_other_layers() -> None:
    options = ("--in-channels", "64", "--out-channels", "32", "--kernel-size", "5", "--groups", "4", "--size", "20x30")
    found = told(*options, "--bias")
    weights = named(found, "params_weights")
    assert weights["standard"] == 25 * 16 * 32
    assert weights["depthwise separable"] == 25 * 64 + 64 * 32
    assert named(found, "params_biases")["standard"] == 32
    assert named(found, "size_in")["standard"] == [20, 30]
    assert found["title"] == "5x5 kernels, 64 -> 32 channels, input 20x30"
    assert any("no groups" in note for note in found["notes"])


def test_kernels_as_they_are() -> None:
    inline = "[[1, 2], [3, 4]]"
    found = told("sharpen", "gaussian:sigma=2", inline, "upsample-bilinear-2x", "luma", "swirl", "--size", "10x20")
    assert list(named(found, "type").values()) == [
        "dense", "separable", "dense", "transposed", "depthwise_separable", "deformable"
    ]  # fmt: skip
    macs = named(found, "macs")
    assert macs["sharpen"] == 9 * 3 * 200
    assert macs["gaussian:sigma=2"] == 34 * 3 * 200
    assert macs[inline] == 4 * 3 * 200
    assert macs["luma"] == (27 + 3) * 200
    assert named(found, "size_out")["upsample-bilinear-2x"] == [20, 40]
    assert not any("checkerboard" in note for note in found["notes"])  # its weights are known and even
    assert found["title"] == "Kernels on a picture, 10x20, 3 channels"


def test_kernels_as_layers() -> None:
    found = told("sharpen", "gaussian", "luma", "--in-channels", "6", "--out-channels", "4", "--groups", "2")
    weights = named(found, "params_weights")
    assert weights["sharpen"] == 9 * 3 * 4
    assert weights["gaussian"] == 26 * 3 * 4
    assert weights["luma"] == 12
    assert "luma is a filter bank already and stays as it is." in found["notes"]
    found = told("upsample-bilinear-2x", "swirl", "--kernel-size", "3", "--in-channels", "2", "--out-channels", "5")
    assert named(found, "params_weights") == {"upsample-bilinear-2x": 9 * 10, "swirl": 9 * 10 + 9 * 2 * 18}


def test_volumes_and_lines() -> None:
    kernels = SAMPLES / "kernels"
    found = told(kernels / "smooth-volume.yaml", kernels / "smooth-signal.yaml", "--size", "4x5x6")
    assert named(found, "macs") == {"smooth-volume": 27 * 3 * 120, "smooth-signal": 5 * 3 * 120}
    result = run("compare", kernels / "smooth-volume.yaml")
    assert (result.code, "--size DxHxW is a volume" in result.err) == (1, True)


def test_an_image_says_the_size_and_the_channels(tmp_path: Path) -> None:
    colour = save(tmp_path / "colour.png", noise(12, 34, 4))
    assert named(told("sharpen", "--image", colour), "size_in")["sharpen"] == [12, 34]
    assert named(told("sharpen", "--image", colour), "channels_in")["sharpen"] == 3  # alpha left out
    grey = save(tmp_path / "grey.png", noise(12, 34))
    assert named(told("sharpen", "luma", "--image", grey), "channels_in") == {"sharpen": 1, "luma": 3}
    found = told("sharpen", "luma", "--image", grey, "--time", "--budget", "0.01")
    assert all(value > 0 for value in named(found, "time_median_s").values())


def test_a_network_layer_by_layer() -> None:
    found = told(NETWORKS / "mobilenet.yaml")
    assert [row["name"] for row in found["rows"]] == ["mobilenet"]
    assert named(found, "receptive_field", "layers")["14"] == [315, 315]
    assert found["operations"][0]["operation"] == "1x1"
    assert found["baseline"] is None
    assert sum(row["macs_share"] for row in found["layers"]) == pytest.approx(1)


def test_holes_are_told(tmp_path: Path) -> None:
    for rates, told_of in (((2, 2, 2), "stack sees 29 % of its field"), ((1, 2, 5), "")):
        layers = "".join(f"  - {{dense: 1, dilation: {rate}}}\n" for rate in rates)
        (tmp_path / "stack.yaml").write_text(f"input: 64x64x1\nlayers:\n{layers}")
        notes = " ".join(told(tmp_path / "stack.yaml")["notes"])
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
    found = told(path, f"{path}:width=0.5", f"{path}:width=0.75,resolution=0.714", path)
    assert list(named(found, "macs")) == [
        "mobilenet", "mobilenet:width=0.5", "mobilenet:width=0.75,resolution=0.714", "mobilenet (2)"
    ]  # fmt: skip
    half = named(told(path, "--width", "0.5"), "macs")["mobilenet"]
    assert half == named(found, "macs")["mobilenet:width=0.5"]
    assert named(told(path, "--resolution", "0.571"), "size_in")["mobilenet"] == [128, 128]
    assert named(told(path, "--size", "96x64"), "size_in")["mobilenet"] == [96, 64]


def test_swapped_networks() -> None:
    found = told(NETWORKS / "vgg16.yaml", "--as", "depthwise_separable")
    assert list(named(found, "macs")) == ["vgg16", "vgg16 as depthwise_separable"]
    assert 0.1 < named(found, "macs_ratio")["vgg16 as depthwise_separable"] < 0.15
    swapped = {row["type"] for row in found["layers"] if row["network"].endswith("separable") and row["macs"]}
    assert swapped == {"depthwise_separable", "fc"}
    assert [note for note in found["notes"] if "wapped" in note] == [
        "Swapped to depthwise_separable: 13 of 16 layers (conv1.1, conv1.2, conv2.1, conv2.2, conv3.1-3, conv4.1-3,"
        " conv5.1-3).",
        "Not swapped: fc6-8 (fully connected).",
    ]


def test_kernels_beside_networks() -> None:
    found = told("sharpen", NETWORKS / "alexnet.yaml")
    assert named(found, "type") == {"sharpen": "dense", "alexnet": "network"}


def test_baseline_sort_and_columns() -> None:
    found = told("--baseline", "depthwise separable", "--sort", "-params_weights")
    assert found["baseline"] == "depthwise separable"
    ratios = list(named(found, "params_ratio").values())
    assert ratios == sorted(ratios, reverse=True)
    assert named(found, "params_ratio")["depthwise separable"] == 1
    assert next(row["name"] for row in table("--sort", "macs")) == "pointwise 1x1"
    assert next(row["name"] for row in table("--sort", "extent")) == "pointwise 1x1"
    result = run("compare", "--columns", "MACs,weights,ratio", "--format", "plain")
    assert result.out.decode().splitlines()[1].split() == ["Kernel", "MACs", "Weights", "Ratio"]
    assert list(table("--columns", "flops,output_bytes")[0]) == ["name", "flops", "output_bytes"]


def test_formats_hold_the_same() -> None:
    rows, found = table(), told()["rows"]
    assert list(rows[0]) == list(found[0]) == [measure.key for measure in DATA]
    assert [row["macs"] for row in rows] == [str(row["macs"]) for row in found]
    assert rows[0]["size_out"] == "224x224"
    markdown = run("compare", "--format", "markdown").out.decode()
    assert "| standard | dense |" not in markdown  # the name says the type
    assert "| standard | 3,456 | 0 | 1.00 | 173 M |" in markdown
    assert run("compare").out == run("compare", "--format", "plain").out


@pytest.mark.parametrize("name", ["t.json", "t.csv", "t.md", "t.txt", "t"])
def test_a_file_in_the_format_of_its_ending(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    assert run("compare", "-o", path).code == 0
    form = {"t.json": "json", "t.csv": "csv", "t.md": "markdown"}.get(name, "plain")
    assert path.read_bytes() == run("compare", "--format", form).out
    result = run("compare", "-o", path)
    assert (result.code, "exists already" in result.err, result.out) == (1, True, b"")
    assert run("compare", "-o", path, "--overwrite", "--columns", "macs").code == 0


def test_an_output_that_can_not_be_written_fails_before_the_work(tmp_path: Path) -> None:
    started = time.process_time()
    result = run("compare", "--time", "--budget", "60", "-o", tmp_path / "missing" / "t.json")
    assert time.process_time() - started < 5
    assert (result.code, "does not exist" in result.err) == (1, True)


def test_the_schema_is_printed_and_sound() -> None:
    schema = json.loads(run("schema", "compare").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema == comparison_schema()
    for measure in DATA:
        assert measure.doc
        assert schema["$defs"]["cost"]["properties"][measure.key]["description"] == measure.doc


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (("nosuch",), 2, ["unknown kernel 'nosuch'"]),
        (("missing.yaml",), 2, ["missing.yaml", "no such file"]),
        (("--columns", "wieghts"), 2, ["no column 'wieghts'", "did you mean 'weights'"]),
        (("--sort", "nope"), 2, ["no column 'nope' for --sort", "macs"]),
        (("--baseline", "standart"), 2, ["no row has the name 'standart'", "did you mean 'standard'"]),
        (("--width", "0.5"), 2, ["--width has no use"]),
        (("sharpen", "--as", "dense"), 2, ["--as has no use"]),
        ((NETWORKS / "vgg16.yaml", "--groups", "2"), 2, ["--groups has no use"]),
        ((NETWORKS / "vgg16.yaml", "--width", "0"), 2, ["--width", "'width' is 0"]),
        ((NETWORKS / "vgg16.yaml", "--size", "4x5x6"), 2, ["a network takes a picture"]),
        ((NETWORKS / "vgg16.yaml", "--size", "8x8"), 2, ["vgg16.yaml", "layer '4' (pool, on 1x1x512"]),
        (("--size", "3y"), 2, ["'3y' is no size", "1080x1920"]),
        (("--size", "0x4"), 2, ["'0x4' is no size"]),
        (("--size", "4x4", "--image", "a.png"), 2, ["--image and --size"]),
        (("--image", "missing.png"), 1, ["missing.png", "no such file"]),
        (("--groups", "2"), 2, ["layer 'standard, 3 -> 128 channels", "3 input channels don't split into 2 groups"]),
        (("--groups", "3"), 2, ["128 output channels don't split into 3 groups"]),
        (("{weights: [[1, 2]], padding: valid}", "--size", "1x1"), 1, ["spans 2 samples along x"]),
        (("--time", "{weights: [[1, -1]], divisor: sum}"), 2, ["sum to 0"]),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_errors(arguments: tuple[str | Path, ...], code: int, parts: list[str]) -> None:
    result = run("compare", *arguments)
    assert (result.code, result.out, len(result.errors())) == (code, b"", 1), result.err
    for part in parts:
        assert part in result.err


def test_times() -> None:
    found = told("--size", "16x16", "--time", "--budget", "0.02")
    for row in found["rows"]:
        median = row["time_median_s"]
        assert median > 0
        assert row["time_repeats"] >= 1
        assert row["speed_mp_per_s"] == pytest.approx(256 / median / 1e6)
        assert row["speed_gmac_per_s"] == pytest.approx(row["macs"] / median / 1e9)
    assert set(found["machine"]["packages"]) == {"numpy", "OpenCV"}
    assert found["machine"]["threads"] >= 1


def test_times_of_a_network_add_up() -> None:
    found = told(NETWORKS / "mobilenet.yaml", "--width", "0.25", "--size", "32", "--time", "--budget", "0.01")
    times = [row["time_median_s"] for row in found["layers"]]
    assert [time is None for time in times] == [row["macs"] == 0 for row in found["layers"]]
    assert found["rows"][0]["time_median_s"] == pytest.approx(sum(filter(None, times)))


def test_one_unit_per_table() -> None:
    result = run("compare", "--size", "16x16", "--time", "--budget", "0.01", "--format", "plain")
    lines = result.out.decode().splitlines()
    assert sum(f"Time ({unit})" in lines[1] for unit in ("s", "ms", "µs")) == 1
    assert any("Timed on" in line and "thread" in line for line in lines)


@pytest.mark.parametrize(
    "arguments",
    [(), ("sharpen", "gaussian:sigma=2", "swirl"), (str(NETWORKS / "deformable-resnet-stage.yaml"), "--as", "dense")],
    ids=["textbook", "kernels", "network"],
)
def test_counting_loads_no_numpy(arguments: tuple[str, ...]) -> None:
    script = (
        "import sys; from convcli.cli import run; code = run(['compare', *sys.argv[1:]]);"
        "print(code, sorted({'numpy', 'scipy', 'cv2', 'rich'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, env=environment(), check=True
    )
    assert done.stderr.strip() == "0 []"


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_prints_what_is_done() -> None:
    process = subprocess.Popen(
        command("compare", "--time", "--budget", "3", "--format", "json"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), start_new_session=True,
    )  # fmt: skip
    try:
        time.sleep(4)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, err) == (130, b"Stopped.\n")
    found = json.loads(out)
    VALIDATOR.validate(found)
    timed = [row["time_median_s"] is not None for row in found["rows"]]
    assert timed == sorted(timed, reverse=True)  # the first ones
    assert not timed[-1]
    assert f"Stopped: {sum(timed)} of 8 rows were timed." in found["notes"]


def test_help_has_examples() -> None:
    text = run("compare", "--help").out.decode()
    assert text.count("convcli compare") >= 6
    assert "--budget" in text
    assert "compare" in run("--help").out.decode()


def test_nothing_is_left_on_stderr_of_a_process() -> None:
    result = spawn("compare", "--columns", "weights")
    assert (result.code, result.err) == (0, "")
    assert b"3,456" in result.out


def test_layers_are_random_and_repeatable() -> None:
    """What is timed is the same every time."""
    from convcli.costs.subjects import Request, subjects
    from convcli.costs.timing import runner

    for subject in subjects(Request(size="8x8", out_channels=4)).subjects:
        for placed in subject.layers:
            runner(placed, None, as_picture=False, algorithm=None)()
            assert placed.kernel is not None
            assert np.isfinite(placed.kernel.apply(np.ones((8, 8, 3), np.float32))).all()


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        (["dense"], ["standard"]),
        (["conv2d", "depthwise_separable"], ["standard", "depthwise separable"]),
        (["depthwise separable", "pointwise"], ["depthwise separable", "pointwise 1x1"]),
        (["deformable"], ["deformable v1", "deformable v2"]),
        (["ConvTranspose2d", "dilated", "separable"], ["transposed 2x", "dilated 2", "spatially separable"]),
    ],
)
def test_words_for_layers_are_the_rows_of_the_table_without_arguments(words: list[str], rows: list[str]) -> None:
    every = {row["name"]: row for row in json.loads(run("compare", "--kernel-size", "5", "--json").out)["rows"]}
    some = json.loads(run("compare", *words, "--kernel-size", "5", "--json").out)["rows"]
    assert [row["name"] for row in some] == rows
    for row in some:
        assert (row["params_weights"], row["macs"]) == (
            every[row["name"]]["params_weights"],
            every[row["name"]]["macs"],
        )


def test_kernels_beside_layers_are_layers() -> None:
    rows = json.loads(run("compare", "dense", "sharpen", "--json").out)["rows"]
    assert [(row["name"], row["params_weights"]) for row in rows] == [("standard", 3456), ("sharpen", 3456)]
