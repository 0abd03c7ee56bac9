"""`convcli compare`: files and formats, errors, times, what is loaded, words for layers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from convcli.costs import timing
from convcli.costs.columns import DATA
from convcli.costs.schema import comparison as comparison_schema
from tests.costs.compared_costs import NETWORKS, VALIDATOR, said, table
from tests.support import PATIENCE, environment, held, run, spawn, waiting


def test_formats_hold_the_same() -> None:
    rows, actual = table(), said()["rows"]
    assert list(rows[0]) == list(actual[0]) == [measure.key for measure in DATA]
    assert [row["macs"] for row in rows] == [str(row["macs"]) for row in actual]
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


def test_an_output_that_can_not_be_written_fails_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "time_placed", lambda *_, **__: pytest.fail("it was timed"))
    result = run("compare", "--time", "-o", tmp_path / "missing" / "t.json")
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
    actual = said("--size", "16x16", "--time", "--budget", "0.02")
    for row in actual["rows"]:
        median = row["time_median_s"]
        assert median > 0
        assert row["time_repeats"] >= 1
        assert row["speed_mp_per_s"] == pytest.approx(256 / median / 1e6)
        assert row["speed_gmac_per_s"] == pytest.approx(row["macs"] / median / 1e9)
    assert set(actual["machine"]["packages"]) == {"numpy", "OpenCV"}
    assert actual["machine"]["threads"] >= 1


def test_times_of_a_network_add_up() -> None:
    actual = said(NETWORKS / "mobilenet.yaml", "--width", "0.25", "--size", "32", "--time", "--budget", "0.01")
    times = [row["time_median_s"] for row in actual["layers"]]
    assert [time is None for time in times] == [row["macs"] == 0 for row in actual["layers"]]
    assert actual["rows"][0]["time_median_s"] == pytest.approx(sum(filter(None, times)))


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
    third = said()["rows"][2]["name"]
    arguments = ("compare", "--time", "--budget", "0.01", "--size", "32x32", "--format", "json")
    with held(*arguments, at=[third], call="costs.timing.refusals") as (process, _):
        waiting(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, b"Stopped.\n")
    actual = json.loads(out)
    VALIDATOR.validate(actual)
    timed = [row["time_median_s"] is not None for row in actual["rows"]]
    assert timed == [True] * 2 + [False] * 6
    assert "Stopped: 2 of 8 rows were timed." in actual["notes"]


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
