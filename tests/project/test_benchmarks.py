"""The benchmark program works: agreement, goals, tables, chart, page, and figures kept between runs."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import __main__ as benchmarks, bare, images, machine, noise, slower, timing
from benchmarks.functions import Layer
from benchmarks.launch import CommandError, Launcher
from benchmarks.layers import GROUPS
from benchmarks.model import US, Contender, Contest, Figures, Spread, Turn
from benchmarks.networks import NETWORKS
from benchmarks.timing import apart, difference, measure
from tests.project.benchmark_rows import actual, scenario, scripted
from tests.support import PATIENCE, ROOT


def test_another_result_does_not_count() -> None:
    got = actual(
        1, convcli=scripted(1), near=scripted(1, result=0.5), far=scripted(1, result=2), absent="not installed"
    )
    assert got["near"].counts
    assert got["near"].difference == pytest.approx(0.05)
    assert not got["far"].counts
    assert "another result" in got["far"].note
    assert got["absent"].note == "not installed"


def test_pictures_of_another_type_do_not_count() -> None:
    contenders = {US: scripted(1), "other": scripted(1, result=0.0)}
    supplied = scenario(relative=False, tolerance=1)
    assert measure(supplied, Contest(contenders=contenders), rounds=1)["other"].counts is False


def test_a_peer_that_fails_is_named_and_ours_may_not() -> None:
    def broken() -> Turn:
        raise CommandError("first\nno such option")

    got = actual(1, convcli=scripted(1), other=Contender(turn=broken))
    assert got["other"].note == "failed: no such option"
    with pytest.raises(CommandError):
        actual(1, convcli=Contender(turn=broken))


def test_a_result_that_cannot_be_read_does_not_count() -> None:
    def unreadable() -> np.ndarray:  # type: ignore[type-arg]
        raise OSError("no ppm file")

    got = actual(1, convcli=scripted(1), other=replace(scripted(1), result=unreadable))
    assert got["other"].note == "another result: no ppm file"


def test_differences_are_in_levels_or_relative() -> None:
    ours, theirs = np.full((3, 300, 200), 4.0, np.float32), np.full((3, 300, 200), 5.0, np.float32)
    assert difference(ours, theirs, relative=True) == pytest.approx(0.25)
    pictures = [np.moveaxis(array, 0, -1).astype(np.uint8) for array in (ours, theirs)]
    pictures[1][:40] = 255
    assert difference(*pictures, relative=False) == pytest.approx(1)


def test_arrays_are_held_to_the_bounds_of_the_project() -> None:
    ours = np.full((40, 30), 100.0, np.float32)
    theirs = ours.copy()
    theirs[0, 0] += 2e-3
    assert apart(ours, theirs, largest=100) == pytest.approx(2, rel=0.01)
    assert apart(ours, theirs, largest=100, frame=1) == 0
    assert apart(ours.astype(np.uint8), theirs.astype(np.uint8) - 2, largest=255) == 2
    assert apart(ours[0], theirs[0], largest=100) == pytest.approx(2, rel=0.01)

    def turn(result: np.ndarray) -> Contender:  # type: ignore[type-arg]
        return Contender(turn=lambda: Turn(wall=1, cpu=1), result=lambda: result)

    output = Contest(contenders={US: turn(ours), "other": turn(theirs)}, largest=100)
    assert measure(scenario(), output, rounds=1)["other"].note == "another result: 2 times the bound apart"


def test_what_cannot_run_yet_is_a_row_with_its_reason() -> None:
    got = measure(scenario(), Contest(contenders={US: "no weights", "other": scripted(1)}), rounds=3)
    assert got == {US: Figures(note="no weights")}


@pytest.mark.parametrize("filter_", images.FILTERS, ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("dtype", "shape"), [("uint8", (64, 80, 3)), ("float32", (64, 80, 1)), ("uint16", (64, 80, 4))]
)
def test_a_plain_call_gives_the_same_result(filter_: images.Filter, dtype: str, shape: tuple[int, int, int]) -> None:
    output = images.contenders(filter_, shape, dtype)
    got = measure(scenario(), output, rounds=1)
    assert any(figures.counts for name, figures in got.items() if name.partition(",")[0] in filter_.calls), got


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_calls_that_round_otherwise_are_shown_and_do_not_count(dtype: str) -> None:
    """Fixed point is off by more than a half; the same call on floats gives the result."""
    filters = {one.name: one for one in images.FILTERS}
    got = measure(scenario(), images.contenders(filters["gaussian 15"], (64, 80, 3), dtype), rounds=1)
    assert got["cv2.sepFilter2D"].counts and got["cv2.GaussianBlur, in floats"].counts
    assert not got["cv2.GaussianBlur"].counts and "from the exact sums" in got["cv2.GaussianBlur"].note
    assert "cv2.sepFilter2D, in floats" not in got


def test_layers_are_those_that_are_named() -> None:
    layers = [layer for group in GROUPS for layer in group.layers]
    spots = {(layer.inputs, layer.outputs, layer.size[0]) for layer in layers if layer.taps == 3 and layer.groups == 1}
    assert {(64, 64, 56), (64, 64, 28), (64, 64, 14), (128, 128, 28), (256, 256, 14)} <= spots
    assert {layer.stride for layer in layers if layer.groups == layer.inputs} == {1, 2}
    assert (Layer(inputs=3, outputs=64, taps=7, size=(224, 224), stride=2, pad=3)).flops == 2 * 9408 * 112 * 112


def test_the_shapes_of_networks_follow_from_their_layers() -> None:
    by_name = {one.name: one.layers() for one in NETWORKS}
    assert by_name["MobileNet"][-1].size == (7, 7)
    assert by_name["UltraFace"][-1].inputs == 256
    assert by_name["UltraFace"][-1].size == (8, 10)
    weights = sum(layer.weights().size for layer in by_name["FSRCNN-small"])
    # With 78 biases and 74 slopes the 1,625 numbers of the file, and of the design.
    assert weights + sum(layer.outputs for layer in by_name["FSRCNN-small"]) + 74 == 1625


def test_the_processor_is_named_by_what_numpy_uses_of_it() -> None:
    assert machine.instructions() in machine.machine()
    assert machine.wide() == (machine.instructions() == "AVX-512")


def test_without_avx512_no_library_takes_it_but_onnxruntime() -> None:
    """A variable that a library does not know leaves it as it is, without a word that is heard."""
    code = "from benchmarks import machine; print(machine.as_avx2(), machine.wide(), machine.held())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **machine.AS_AVX2}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    held, _, unheld = done.stdout.partition(";")
    assert held.startswith("True False numpy AVX2, OpenBLAS Haswell, OpenCV no AVX-512")
    assert "AVX512" not in held and unheld.startswith(" onnxruntime")
    assert "unknown" not in done.stderr


def test_comparisons_have_titles_of_their_own_and_contenders_that_goals_name() -> None:
    for quick in (False, True):
        every = benchmarks.every(quick=quick, huge=True)
        titles = [one.title for one in every]
        assert len(titles) == len(set(titles))
        assert {one.section for one in every if one.quick or not quick} == set(slower.SECTIONS)


def test_noise_is_a_call_beside_itself_with_ours_between_its_turns() -> None:
    chosen = list(noise.scenarios(benchmarks.every(quick=False, huge=False)))
    assert {one.name.partition(":")[0] for one in chosen} == {"images", "layers", "networks", "commands"}
    sizes = {one.conditions.partition(",")[0] for one in chosen if one.name.startswith("images")}
    assert sizes == set(images.SIZES)
    them, ours = scripted(9, 1, 1, 1, 2, 3, 4), scripted(7, 1, 1, 1)
    make = lambda shop: Contest(contenders={US: ours, "absent": "not installed", "other": them})
    (twice,) = noise.scenarios([scenario(section="layers", name="depthwise 3x3", conditions="64, 56x56", make=make)])
    assert (twice.section, twice.goals) == (noise.SECTION, ())
    contest = twice.make(SimpleNamespace())  # type: ignore[arg-type]
    assert set(contest.contenders) == {US, noise.ITSELF, "between"}
    assert contest.contenders["between"] is ours
    got = measure(twice, contest, rounds=2)
    assert got[noise.ITSELF].counts and got[noise.ITSELF].difference == 0


@pytest.mark.parametrize(
    ("layer", "products"),
    [
        (Layer(inputs=8, outputs=6, taps=3, size=(9, 11)), {"matmul": 2 * 6 * 72 * 99, "Winograd's products": None}),
        (Layer(inputs=8, outputs=6, taps=3, size=(9, 11), stride=2, last=True), {"matmul": 2 * 6 * 72 * 30}),
        (Layer(inputs=8, outputs=4, taps=3, size=(8, 8), groups=2), {"matmul": 2 * 4 * 36 * 64}),
        (Layer(inputs=8, outputs=4, taps=4, size=(8, 8), stride=2, transposed=True), {"matmul": 2 * 8 * 64 * 64}),
        (Layer(inputs=4, outputs=4, taps=3, size=(8, 8), groups=4), {"filter2D": None, "multiply, add": None}),
        (Layer(inputs=1, outputs=1, taps=3, size=(6, 8, 8), plain=True), {"filter2D": None}),
        (Layer(inputs=1, outputs=1, taps=5, size=(64,), plain=True), {"filter2D": None}),
    ],
    ids=lambda value: "" if isinstance(value, dict) else repr(value.size),
)  # fmt: skip
def test_bare_calls_are_products_of_a_layers_shape(
    layer: Layer, products: dict[str, int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    multiply = np.matmul

    def matmul(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        counted.append(2 * left.size * right.shape[-1])
        return multiply(left, right, out=out)

    monkeypatch.setattr(bare.np, "matmul", matmul)
    runs = bare.layer(layer)
    assert set(runs) == set(products)
    for name, run in runs.items():
        counted.clear()
        run()
        assert products[name] is None or counted == [products[name]]


def test_bare_calls_are_measured_beside_who_gave_the_same_result() -> None:
    calls: list[int] = []
    contest = Contest(
        contenders={US: scripted(1), "near": scripted(*[0.5] * 9), "far": scripted(1, result=2)},
        bare={"alone": lambda: calls.append(1)},
    )
    figures = {US: Figures(), "near": Figures(ratio=Spread.of([2.0])), "far": Figures(note="another result")}
    (ratios,) = timing.bare(contest, figures).values()
    assert calls and set(ratios) == {"near"} and 0 < ratios["near"] < 1
    assert timing.bare(Contest(contenders=contest.contenders), figures) == {}


def test_commands_are_run_and_their_own_memory_counted(tmp_path: Path) -> None:
    ballast = np.ones(30_000_000)
    target = tmp_path / "made"
    with Launcher(tmp_path) as launcher:
        code = f"import sys; open({str(target)!r}, 'x'); sum(range(2_000_000))"
        turn = launcher.command([sys.executable, "-c", code], remove=[target])
        first, second = turn(), turn()
        with pytest.raises(CommandError, match="went wrong"):
            launcher.command([sys.executable, "-c", "raise SystemExit('went wrong')"])()
        with pytest.raises(CommandError, match="No such file"):
            launcher.command([tmp_path / "nothing"])()
    assert target.is_file()
    for one in (first, second):
        assert one.peak is not None
        assert 1 < one.peak < ballast.nbytes / 1e6
        assert 0 < one.cpu < 10 * one.wall


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--quick", "--only", "^start-up: --h", "--repeat", "1", "--svg", "c.svg", "--json", "f.json"], 0, "click"),
        (["--list", "--only", "^batch"], 0, "batch: 200 JPEGs"),
        (["--list", "--as-avx2", "--only", "^networks: IRCNN"], 0, "IRCNN, random weights"),
        (["--only", "no such thing"], 2, "see --list"),
        (["--only", "("], 2, "--only"),
        (["--no-run"], 2, "--json"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)  # fmt: skip
def test_the_program(arguments: list[str], status: int, said: str, tmp_path: Path) -> None:
    places = [str(tmp_path / word) if word in ("c.svg", "f.json") else word for word in arguments]
    words = [sys.executable, "-m", "benchmarks", *places]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if "f.json" in arguments:
        again = [sys.executable, "-m", "benchmarks", "--no-run", "--json", str(tmp_path / "f.json")]
        assert subprocess.run(again, cwd=ROOT, capture_output=True, text=True, check=True).stdout == done.stdout
        ET.parse(tmp_path / "c.svg")
