"""Reports: when they are shown and when not, what they say, and that their figures are those of the arrays."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.cli import COMMANDS
from convcli.cli.list import GROUPS
from convcli.costs import facts as analysis
from tests.support import KERNELS, SAMPLES, noise, on_terminal, run, save

posix = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals")
TIME = r"[0-9.e-]+ m?s"
NAMES = sorted(path.stem for path in KERNELS.glob("*.yaml"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a grey `in.png` of 30 x 20 pixels, none of which a blur clips."""
    monkeypatch.chdir(tmp_path)
    save(Path("in.png"), noise(20, 30))
    return tmp_path


def lines(text: str) -> list[str]:
    """The lines of a report with its times replaced."""
    text = re.sub(rf"{TIME}\b", "TIME", text)
    text = re.sub(r"\([0-9.]+/s,", "(RATE,", text)
    return re.sub(r"[0-9.e+-]+ MP/s", "SPEED", text).splitlines()


# --- when -------------------------------------------------------------------------------------------------------------


def test_nothing_is_said_where_nobody_watches(here: Path) -> None:
    result = run("apply", "in.png", "-k", "gaussian", "-o", "out.png")
    assert (result.code, result.out, result.err) == (0, b"", "")


def test_a_report_of_one_input(here: Path) -> None:
    result = run("apply", "in.png", "-k", "gaussian", "-k", "luma:pointwise=[[1]]", "-o", "out.tif", "--report")
    assert (result.code, result.out) == (0, b"")
    assert lines(result.err) == [
        "in.png -> out.tif",
        "Kernel    Type                 Computed                          In    Out  Parameters    MACs  Border",
        "gaussian  separable            passes (13 + 13 taps)          30x20  30x20          26  15.6 k  reflect",
        "luma      depthwise_separable  planes, then a matrix product  30x20  30x20          10   6,000  reflect",
        "png uint8 -> tiff uint8",
        "decode TIME, filter TIME, encode TIME, SPEED",
    ]


def test_a_report_of_several_inputs_is_a_line_each(here: Path) -> None:
    save(Path("rgb.png"), noise(6, 4, 3))
    arguments = ["in.png", "absent.png", "rgb.png", "-k", "upsample-nearest-2x", "-o", "out/", "--report"]
    result = run("apply", *arguments)
    assert (result.code, result.out) == (1, b"")
    assert lines(result.err) == [
        "in.png -> out/in.png  30x20 -> 60x40  decode TIME, filter TIME, encode TIME",
        "Error: absent.png: no such file",
        "rgb.png -> out/rgb.png  4x6x3 -> 8x12x3  decode TIME, filter TIME, encode TIME",
        "2 done, 1 failed in TIME (RATE, SPEED)",
    ]


def test_a_report_of_a_flipped_kernel_says_so(here: Path) -> None:
    result = run("apply", "in.png", "-k", "box:flip=true", "-o", "out.png", "--report")
    assert result.err.endswith("weights flipped (convolution) where the kernel says so; otherwise cross-correlation\n")


def test_reports_of_stdin_and_stdout(here: Path) -> None:
    data = Path("in.png").read_bytes()
    result = run("apply", "-", "-k", "identity", "-o", "-", "--report", stdin=data)
    assert result.err.startswith("stdin -> stdout\n")
    result = run("apply", "-", "-k", "identity", "-o", "-", stdin=b"no image at all")
    assert (result.code, result.out) == (1, b"")
    assert result.err.startswith("Error: stdin: not an image (looks like text)\n")


@posix
def test_a_terminal_gets_a_report(here: Path) -> None:
    for columns in (100, 60, 40):
        code, seen = on_terminal("apply", "in.png", "-k", "gaussian", "-o", f"out-{columns}.png", columns=columns)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", seen)
        assert code == 0
        assert plain.startswith(f"in.png -> out-{columns}.png\n")
        assert "gaussian" in plain and "30x20" in plain
        assert max(map(len, plain.splitlines())) <= columns
        assert ("Not shown at" in plain) == (columns < 90)
        assert "\x1b[" in seen and not re.search(r"\x1b\[[^0-9;]", seen)  # colours, and no cursor is moved
    code, seen = on_terminal("apply", "in.png", "-k", "gaussian", "-o", "quiet.png", "--quiet")
    assert (code, seen) == (0, "")


@posix
def test_a_terminal_shows_names_as_they_are(here: Path) -> None:
    name = "[/red] [bold]é\x1b[31m\n:smile:.png"
    if os.sep in name:
        name = name.replace("/", "")
    save(Path("plain.png"), noise(5, 5)).rename(name)
    code, seen = on_terminal("apply", name, "-k", "identity", "-o", "out.png")
    assert code == 0
    assert "[red] [bold]é\\x1b[31m\\n:smile:.png -> out.png" in re.sub(r"\x1b\[[0-9;]*m", "", seen)


@posix
def test_list_and_show_on_a_terminal(here: Path) -> None:
    code, seen = on_terminal("list", columns=60)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", seen)
    assert code == 0
    assert all(name in plain for name in NAMES)
    assert max(map(len, plain.splitlines())) <= 60
    code, seen = on_terminal("show", "sharpen", columns=80)
    assert code == 0 and "even left-right, even up-down, transposed" in re.sub(r"\x1b\[[0-9;]*m", "", seen)


def test_quiet_says_nothing_but_errors(here: Path) -> None:
    result = run("apply", "in.png", "absent.png", "-k", "sobel-x", "-o", "out/", "--quiet", "--report")
    assert (result.code, result.out, result.err) == (1, b"", "Error: absent.png: no such file\n")


# --- warnings ---------------------------------------------------------------------------------------------------------


def test_clipping_is_told_above_one_per_cent(here: Path) -> None:
    for bright, dark, message in (
        (10, 0, ""),  # 10 of 1000 are not more than 1 %
        (0, 10, ""),
        (11, 0, "1.1 % of the samples were clipped (0.0 % too low, 1.1 % too high)"),
        (20, 15, "3.5 % of the samples were clipped (1.5 % too low, 2.0 % too high)"),
    ):
        pixels = np.full(1000, 100, np.uint8)
        pixels[:bright], pixels[bright : bright + dark] = 250, 2
        save(Path("in.png"), pixels.reshape(25, 40))
        result = run("apply", "in.png", "-k", "{weights: [[2]], bias: -60}", "-o", "out.png", "--overwrite")
        assert result.code == 0
        hint = "  hint: --amount 50% cuts fewer off; --range float in a .tif or .npy file keeps all\n"
        assert result.err == (f"Warning: in.png: {message}\n{hint}" if message else "")
    for mode in ("rescale", "float"):
        result = run("apply", "in.png", "-k", "[[-5]]", "-o", "out.tif", "--overwrite", "--range", mode)
        assert (result.code, result.err) == (0, "")


def test_rounding_is_not_clipping(here: Path) -> None:
    save(Path("in.png"), np.full((5, 5), 255, np.uint8))
    result = run("apply", "in.png", "-k", "{weights: [[1]], bias: 0.4}", "-o", "out.png")
    assert (result.code, result.err) == (0, "")


def test_clipping_of_a_batch_is_told_once(here: Path) -> None:
    for name, contrast in (("a.png", 1), ("b.png", 2), ("c.png", 1), ("d.png", 255)):
        save(Path(name), noise(20, 30) // contrast)
    result = run("apply", "a.png", "b.png", "c.png", "d.png", "-k", "sobel-x", "-o", "out/")
    warning, hint = result.err.splitlines()
    assert warning.startswith("Warning: 3 of 4 results were clipped, most of all a.png: ")
    assert hint.startswith("  hint: --range")
    assert run("apply", "a.png", "d.png", "-k", "sobel-x", "-o", "quiet/", "--quiet").err == ""


def test_notes_are_told(here: Path) -> None:
    result = run("apply", "in.png", "-k", "luma", "-o", "out.png")
    assert (result.code, result.err) == (0, "Warning: in.png: a grey picture, filtered as three equal channels\n")
    Path("deep.pgm").write_bytes(b"P5 2 1 1023\n\x00\x00\x03\xff")
    result = run("apply", "deep.pgm", "-k", "identity", "-o", "out.pgm")
    assert (result.code, result.err) == (0, "Warning: deep.pgm: its values up to 1023 are scaled to 65535\n")


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_json_is_a_line_per_input_and_nothing_else(here: Path) -> None:
    arguments = ["-k", "sobel-x", "--range", "clip", "-o", "out/", "--json", "--report"]
    result = run("apply", "in.png", "absent.png", *arguments)
    reports = [json.loads(line) for line in result.err.splitlines()]
    assert [report["status"] for report in reports] == ["done", "failed"]
    assert set(reports[0]) == set(reports[1])
    done = reports[0]
    taken = run("apply", "in.png", "-k", "sobel-x", "-o", "out.npy", "--range", "float")
    assert taken.code == 0
    floats = np.load("out.npy")
    assert done["clipped_low"] == pytest.approx(float((floats < -0.5).mean()))
    assert done["clipped_high"] == pytest.approx(float((floats > 255.5).mean()))
    assert all(done[key] >= 0 for key in ("decode_s", "filter_s", "encode_s", "megapixels_per_s"))


# --- list and show ----------------------------------------------------------------------------------------------------


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


def told(kernel: str, *arguments: str) -> dict[str, Any]:
    result = run("show", kernel, "--json", *arguments)
    assert (result.code, result.err) == (0, "")
    facts: dict[str, Any] = json.loads(result.out)
    return facts


@pytest.mark.parametrize("name", NAMES)
def test_show_tells_the_weights_and_what_follows_from_them(name: str) -> None:
    facts = told(name)
    kernel = convcli.load(name)
    assert (facts["name"], facts["type"], facts["about"]) == (name, kernel.type, kernel.about)
    for part, weights in kernel.parts().items():
        shown = facts["parts"][part]
        assert np.array_equal(np.array(shown["weights"]), weights)
        assert shown["sum"] == pytest.approx(weights.sum(), abs=1e-11)
        assert (shown["least"], shown["greatest"]) == (weights.min(), weights.max())
        if weights.ndim == 2:
            assert shown["rank"] == np.linalg.matrix_rank(weights, tol=1e-7 * np.linalg.norm(weights, 2))
            assert ("even left-right" in shown["symmetry"]) == np.allclose(weights, weights[:, ::-1], atol=1e-12)
            assert ("odd up-down" in shown["symmetry"]) == np.allclose(weights, -weights[::-1], atol=1e-12)
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
    takes = told(name)["takes"]
    again = ",".join(f"{one['name']}={one['value']}" for one in takes if not one["value"].startswith("auto"))
    if name not in ("brush", "smooth-edges"):  # two of their rules have a sigma
        assert convcli.load(f"{name}:{again}" if again else name) == convcli.load(name)
    text = run("show", name).out.decode()
    assert all(f"  {one['name']}" in text and one["meaning"] in text for one in takes)
    assert ("\nparameters\n" in text) == bool(takes)


def test_show_tells_how_far_offsets_reach() -> None:
    said = told("swirl")["offsets"]
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
    facts = told("upsample-nearest-2x:weights=[[1, 1, 1], [1, 1, 1], [1, 1, 1]]")
    assert (facts["taps_per_output"], facts["phase_sums"]) == ([1, 2, 4], [1, 2, 4])
    assert told("upsample-bilinear-2x")["phase_sums"] == [1]


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
    facts = told(str(SAMPLES / "kernels" / "conv1.yaml"))
    assert (facts["channels"], facts["input_channels"], facts["params_weights"]) == ([3, 8], 3, 8 * 3 * 7 * 7)
    assert facts["macs_per_output"] == {"convolution": 8 * 3 * 7 * 7}
    assert told("gaussian", "--channels", "5")["macs_per_output"] == {"along x": 65, "along y": 65}


def test_show_takes_the_overrides_of_apply() -> None:
    facts = told("box:size=3", "--stride", "2", "--padding", "[[1, 0], [2, 1]]", "--border", "wrap", "--dilation", "2")
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
