"""`convcli list` and `convcli show`: all that is said of kernels."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.cli import COMMANDS
from convcli.cli.list import GROUPS
from convcli.costs import facts as analysis
from tests.support import KERNELS, SAMPLES, run

NAMES = sorted(path.stem for path in KERNELS.glob("*.yaml"))


def test_list_in_all_formats() -> None:
    text = {form: run("list", "--format", form).out.decode() for form in ("plain", "table", "markdown", "csv", "json")}
    assert text["plain"] == text["table"]  # no terminal
    rows = json.loads(text["json"])["rows"]
    assert sorted(row["name"] for row in rows) == NAMES
    assert list(dict.fromkeys(row["group"] for row in rows)) == list(GROUPS)
    assert text["plain"].count("\nedges ") == 1  # said once, above each other
    table = list(csv.DictReader(io.StringIO(text["csv"])))
    assert [(row["name"], row["group"]) for row in table] == [(row["name"], row["group"]) for row in rows]
    assert "x".join(map(str, rows[0]["taps"])) == table[0]["taps"]
    assert len(text["markdown"].splitlines()) == len(NAMES) + 2
    assert {line.count("|") for line in text["markdown"].splitlines()} == {8}
    for row in rows:
        kernel = convcli.load(row["name"])
        biases = kernel.bias.size if kernel.bias else 0
        assert (row["type"], tuple(row["taps"]), row["about"]) == (kernel.type, kernel.taps, kernel.about)
        assert row["parameters"] == kernel.weight_count + biases
        assert any(row["name"] in line.split()[:2] for line in text["plain"].splitlines())


def facts_of(kernel: str, *arguments: str) -> dict[str, Any]:
    result = run("show", kernel, "--json", *arguments)
    assert (result.code, result.err) == (0, "")
    facts: dict[str, Any] = json.loads(result.out)
    return facts


@pytest.mark.parametrize("name", NAMES)
def test_show_tells_the_weights_and_what_follows_from_them(name: str) -> None:
    facts = facts_of(name)
    kernel = convcli.load(name)
    assert (facts["name"], facts["type"], facts["about"]) == (name, kernel.type, kernel.about)
    for part, weights in kernel.parts().items():
        displayed = facts["parts"][part]
        assert np.array_equal(np.array(displayed["weights"]), weights)
        assert displayed["sum"] == pytest.approx(weights.sum(), abs=1e-11)
        assert (displayed["least"], displayed["greatest"]) == (weights.min(), weights.max())
        if weights.ndim == 2:
            assert displayed["rank"] == np.linalg.matrix_rank(weights, tol=1e-7 * np.linalg.norm(weights, 2))
            assert ("even left-right" in displayed["symmetry"]) == np.allclose(weights, weights[:, ::-1], atol=1e-12)
            assert ("odd up-down" in displayed["symmetry"]) == np.allclose(weights, -weights[::-1], atol=1e-12)
    assert facts["params_weights"] == kernel.weight_count
    text = run("show", name).out.decode()
    assert text.startswith(f"{name}: {kernel.about}\n")
    assert text.split("\n")[1] == ""
    noun = "weight" if kernel.weight_count == 1 else "weights"
    assert f"{kernel.weight_count:,} {noun}, {facts['params_biases']} biases" in text


def test_show_of_one_kernel() -> None:
    assert run("show", "motion:3,stride=2").out.decode().splitlines() == [
        "motion: Motion blur, a mean along a line; degrees anticlockwise, 0 is horizontal and 90 vertical; the taps"
        " sum to 1.",
        "",
        "weights 1x3",
        "   0.3333 0.3333 0.3333",
        "  sum       1 (absolute values: 1)",
        "  range     0.3333 to 0.3333",
        "  symmetry  even left-right, even up-down",
        "  rank      1: one row of taps",
        "",
        "parameters",
        "  length  3 (default 15)  pixels",
        "  angle   0               degrees, anticlockwise from the right",
        "",
        "dense: the standard convolution, of any stride, dilation and groups",
        "  taps         1x3 along yx",
        "  stride       2x2",
        "  padding      same, border reflect",
        "  size         keeps one sample in 2x2: 240x240 -> 120x120",
        "  channels     each channel alone",
        "  weights      3 weights, 0 biases",
        "  cost         3 MACs = 6 FLOPs per output pixel and channel",
        "  computed by  passes (3 taps in a row, some results kept)",
        "  formula      y[o] = sum_t w[t] * x[stride*o + dilation*t - padding]",
        "               cross-correlation (weights not flipped)",
        "  source       Dumoulin & Visin 2016, arXiv:1603.07285, relations 6 and 15",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_show_tells_what_a_kernel_takes(name: str) -> None:
    """What is told with its value, said again, makes the same kernel."""
    takes = facts_of(name)["takes"]
    again = ",".join(f"{one['name']}={one['value']}" for one in takes if not one["value"].startswith("auto"))
    if name not in ("brush", "smooth-edges"):  # two of their rules have a sigma
        assert convcli.load(f"{name}:{again}" if again else name) == convcli.load(name)
    text = run("show", name).out.decode()
    assert all(f"  {one['name']}" in text and one["meaning"] in text for one in takes)
    assert ("\nparameters\n" in text) == bool(takes)


def test_show_tells_how_far_offsets_reach() -> None:
    said = facts_of("swirl")["offsets"]
    reach = float(re.search(r"up to ([\d.]+) pixels away on a picture of 640x480", said)[1])
    moved = np.hypot(*convcli.load("swirl").displacements((480, 640), slice(None), slice(None)))
    assert moved.max() <= reach * 1.01 <= 1.5 * moved.max()


def test_show_of_one_filter() -> None:
    bank = str(SAMPLES / "kernels" / "conv1.yaml")
    lines = run("show", bank, "--filter", "5").out.decode().splitlines()
    numbers = [[float(word) for word in line.split()] for line in lines if line.startswith("   ")]
    assert np.allclose(np.reshape(numbers, (3, 7, 7)), convcli.load(bank).dense_weights()[5], rtol=0.06)
    assert lines[0].startswith("conv1, filter 5 of 8")


def test_show_alone_lists() -> None:
    assert run("show").out == run("list").out
    assert run("show", "--json").out == run("list", "--format", "json").out


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["blur"], {"gaussian", "box", "disk", "motion", "binomial-5"}),
        (["EDGES", "magnitude"], {"sobel", "scharr", "prewitt", "gradient"}),
        (["resize"], {"downsample-2x", "upsample-cubic-2x", "upsample-bilinear-2x", "upsample-nearest-2x"}),
        (["angle"], {"motion", "swirl"}),
        (["learned"], {"denoise-deformable"}),
    ],
)
def test_list_searches(words: list[str], names: set[str]) -> None:
    assert names <= {row["name"] for row in json.loads(run("list", *words, "--format", "json").out)["rows"]}
    assert len(run("list", *words).out.splitlines()) < len(NAMES)


def test_show_of_a_checkerboard() -> None:
    facts = facts_of("upsample-nearest-2x:weights=[[1, 1, 1], [1, 1, 1], [1, 1, 1]]")
    assert (facts["taps_per_output"], facts["phase_sums"]) == ([1, 2, 4], [1, 2, 4])
    assert facts_of("upsample-bilinear-2x")["phase_sums"] == [1]


@pytest.mark.parametrize(
    ("size", "stride", "dilation"), [((4, 3), (2, 2), (1, 1)), ((5, 2), (3, 4), (2, 3)), ((7,), (3,), (6,))]
)
def test_phases_one_by_one(size: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> None:
    weights = np.random.default_rng(0).integers(1, 9, size).astype(float)
    fields = {"weights": weights, "stride": list(stride), "dilation": list(dilation), "padding": 0}
    facts = analysis.facts(convcli.load({"type": "transposed", **fields}), 1)
    counts, sums = set(), set()
    for phase in itertools.product(*map(range, stride)):
        met = [
            [t for t in range(n) if (at - d * t) % s == 0]
            for at, n, s, d in zip(phase, size, stride, dilation, strict=True)
        ]
        counts.add(math.prod(map(len, met)))
        sums.add(round(float(weights[np.ix_(*met)].sum()), 9))
    assert (facts["taps_per_output"], facts["phase_sums"]) == (sorted(counts), sorted(sums))


def test_show_of_a_bank_counts_for_its_channels() -> None:
    facts = facts_of(str(SAMPLES / "kernels" / "conv1.yaml"))
    assert (facts["channels"], facts["input_channels"], facts["params_weights"]) == ([3, 8], 3, 8 * 3 * 7 * 7)
    assert facts["macs_per_output"] == {"convolution": 8 * 3 * 7 * 7}
    assert facts_of("gaussian", "--channels", "5")["macs_per_output"] == {"along x": 65, "along y": 65}


def test_show_takes_the_overrides_of_apply() -> None:
    facts = facts_of(
        "box:size=3", "--stride", "2", "--padding", "[[1, 0], [2, 1]]", "--border", "wrap", "--dilation", "2"
    )
    assert (facts["stride"], facts["padding"], facts["border"]) == ([2, 2], [[1, 0], [2, 1]], "wrap")
    assert (facts["dilation"], facts["extent"]) == ([2, 2], [5, 5])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "gausian"], "unknown kernel 'gausian'"),
        (["show", "gaussian", "--channels", "0"], "invalid value for '--channels': 0 is not in the range x>=1"),
        (["show", "gaussian", "--mask", "m.npy"], "--mask has no use: separable kernels take no mask"),
        (["show", str(SAMPLES / "kernels" / "conv1.yaml"), "--channels", "4"], "kernel 'conv1' is a filter bank for 3"),
        (["list", "--format", "xml"], "invalid value for '--format'"),
        (["list", "more"], "no kernel has 'more' in its name, group or description"),
        (["list", "blur", "zzz"], "no kernel has 'blur' and 'zzz' in its name"),
        (["show", "canny"], "'canny' is not a convolution: it thins and links the edges"),
        (["show", "median"], "'median' is not a convolution: it sorts the samples"),
        (["show", "sharpen", "--filter", "0"], "kernel 'sharpen' is no filter bank"),
        (["show", str(SAMPLES / "kernels" / "conv1.yaml"), "--filter", "8"], "there are 8 filters, no number 8"),
        (["show", str(SAMPLES / "kernels" / "conv1.yaml"), "--filter", "1", "--json"], "--filter shows numbers alone"),
        (["lst"], "no such command 'lst'; did you mean list?"),
        (["--frobnicate"], "no such option '--frobnicate'"),
    ],
)  # fmt: skip
def test_wrong_usage(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert (result.code, result.out) == (1 if "is a filter bank" in message else 2, b"")
    assert result.err.startswith(f"Error: {message}")
    assert len(result.errors()) == 1


def test_every_command_has_help_with_examples() -> None:
    for name in COMMANDS:
        result = run(name, "--help")
        assert (result.code, result.err) == (0, "")
        assert f"convcli {name}" in result.out.decode().partition("\n")[2]
    assert run("help").out == run("--help").out
    assert re.fullmatch(r"convcli \d+\.\d+\.\d+\n", run("--version").out.decode())
    bare = run()
    assert bare.code == 2 and b"Commands:" in bare.out


def test_list_of_formats_says_what_each_writes(tmp_path: Path) -> None:
    """What a row says can be written is, and reads as it was; what it doesn't say is refused."""
    messages = json.loads(run("list", "formats", "--json").out)["rows"]
    assert run("list", "--formats").out == run("list", "formats").out
    assert [row["format"] for row in messages if row["written"] == "no"] == ["heif", "hdr", "ras"]
    words = {"grey": 1, "RGB": 3, "RGBA": 4}
    for row in messages:
        extensions = row["extensions"].split()
        if row["written"] == "no" or row["format"] == "npy":
            continue
        for dtype in ("uint8", "uint16", "int16", "float32"):
            for name, count in words.items():
                array = tmp_path / "x.npy"
                np.save(array, (np.random.default_rng(1).random((40, 40, count)) * 99).astype(dtype))
                holds = dtype in row["depths"].split() and name in row["channels"].split()
                done = run("apply", array, "-k", "identity", "-o", tmp_path / f"y{extensions[0]}", "-f", "--quiet")
                widened = done.code == 0 and not holds and dtype in row["depths"].split()
                assert (done.code == 0) == holds or (widened and row["format"] != "png"), (row, dtype, name, done.err)
