"""The plan of a kernel on a shape, told before anything runs: in Python, by `convcli show --plan`, and forced."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.cli import run
from convcli.engine import threads
from convcli.engine.channel import choice
from convcli.engine.plan import ALGORITHMS

DENSE = np.random.default_rng(0)

#: Kernel, shape, dtype -> algorithm, bands, FLOPs per output sample (least and most).
CASES: list[tuple[Any, tuple[int, ...], str, str, int, tuple[float, float]]] = [
    ("sharpen", (3000, 4000, 3), "uint8", "direct", 6, (10, 10)),
    ("sharpen", (3000, 4000, 3), "float32", "direct", 18, (10, 10)),
    ("sharpen", (100, 100), "float32", "direct", 1, (10, 10)),
    ({"weights": DENSE.random((9, 9))}, (2000, 2000), "float32", "direct", 2, (162, 162)),
    ({"weights": DENSE.random((31, 31))}, (3000, 4000), "float32", "fourier", 12, (90, 200)),
    ({"weights": DENSE.random((31, 31))}, (256, 256), "uint8", "fourier", 1, (90, 300)),
    ("gaussian:sigma=0.6", (3000, 4000), "float32", "passes", 6, (4 * 5, 100)),
    ("gaussian:sigma=6", (3000, 4000, 3), "uint16", "passes", 29, (4 * 49, 300)),
    ({"weights": [1, 2, 1], "axes": "x"}, (1 << 20,), "float32", "passes", 1, (6, 40)),
    ({"weights": DENSE.random((5, 5)), "dilation": 3}, (999, 1000), "float32", "direct", 6, (50, 50)),
]


@pytest.mark.parametrize(("kernel", "shape", "dtype", "algorithm", "bands", "flops"), CASES, ids=str)
def test_the_plan_of_a_kernel(
    kernel: Any, shape: tuple[int, ...], dtype: str, algorithm: str, bands: int, flops: tuple[float, float]
) -> None:
    plan = convcli.plan(kernel, shape, dtype)
    samples = np.prod(plan.output)
    assert (plan.algorithm, plan.bands) == (algorithm, bands)
    assert flops[0] <= plan.flops / samples <= flops[1]
    # The input is read once, but for rows that bands share; the output is written once.
    least = (np.prod(shape) + samples) * np.dtype(dtype).itemsize
    assert least <= plan.bytes <= 2.2 * least
    assert [option.milliseconds for option in plan.options] == sorted(o.milliseconds for o in plan.options)
    assert plan.options[0].algorithm == algorithm and algorithm in str(plan)
    assert plan == convcli.plan(kernel, shape, dtype)


@pytest.mark.parametrize(
    ("kernel", "shape", "layout"),
    [
        ("upsample-bilinear-2x", (50, 60, 3), None),
        ({"weights": np.ones((8, 3, 3, 3))}, (50, 60, 3), None),
        ({"weights": np.ones((3, 3, 3))}, (20, 30, 40), None),
        ({"weights": [1, 2, 1], "axes": "y"}, (3, 50, 60), "cyx"),
        ("gaussian:stride=2", (50, 60), None),
    ],
    ids=str,
)
def test_every_kernel_has_a_plan(kernel: Any, shape: tuple[int, ...], layout: str | None) -> None:
    plan = convcli.plan(kernel, shape, "float32", layout)
    x = np.zeros(shape, np.float32)
    assert sorted(n for n in plan.output if n > 1) == sorted(convcli.load(kernel).apply(x, plan.layout).shape)
    assert plan.algorithm and plan.flops > 0 and plan.bytes > 0


def test_a_shape_that_fits_no_layout_is_told() -> None:
    with pytest.raises(convcli.ConvcliError, match="shape 1x2x3x4x5 is none"):
        convcli.plan("sharpen", (1, 2, 3, 4, 5))
    with pytest.raises(convcli.ConvcliError, match="shape 4x4 is none"):
        convcli.plan("sharpen", (4, 4), layout="yxc")


@pytest.mark.usefixtures("in_bands")
@pytest.mark.parametrize("taps", [(3, 3), (15, 15), (31, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_bands_of_a_plan_are_those_that_run(
    taps: tuple[int, int], dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many pieces of work as the plan says, for each algorithm."""
    counted: list[int] = []
    run_all = threads.run_all
    monkeypatch.setattr(
        threads, "run_all", lambda work, pieces: (counted.append(len(pieces)), run_all(work, pieces))[1]
    )
    weights = np.outer(np.arange(1, taps[0] + 1), np.arange(1, taps[1] + 1))
    kernel = convcli.load({"weights": weights, "divisor": "sum"})
    x = np.random.default_rng(1).integers(0, 255, (700, 900)).astype(dtype)
    for algorithm in ALGORITHMS:
        if algorithm == "sums":
            continue  # these taps are not equal
        counted.clear()
        plan = convcli.plan(kernel, x.shape, dtype, algorithm=algorithm)
        kernel.apply(x, algorithm=algorithm)
        if plan.algorithm != "direct" or (min(taps) > 1 and weights.size < 130):
            assert counted == [plan.bands], (algorithm, plan)


def test_forced_algorithms_agree_and_refusals_are_told() -> None:
    x = np.random.default_rng(2).random((200, 300), np.float32)
    for algorithm in ALGORITHMS:
        name = "box:size=19" if algorithm == "sums" else "gaussian:sigma=3"
        plan = convcli.plan(name, x.shape, "float32", algorithm=algorithm)
        assert (plan.algorithm, plan.notes) == (algorithm, ())
        expected = convcli.load(name).apply(x, algorithm="direct")
        assert np.abs(convcli.load(name).apply(x, algorithm=algorithm) - expected).max() < 1e-5
    assert "fourier can't compute" in convcli.plan("upsample-bilinear-2x", (50, 60), algorithm="fourier").notes[0]
    assert choice.plan_plane(choice.work_for(DENSE.random((3, 3)), (1, 1), (1, 1), None, 1)[0]).algorithm == "direct"


def test_show_plan(capsys: pytest.CaptureFixture[str]) -> None:
    def displayed(*arguments: str) -> str:
        assert run(["show", "--plan", *arguments]) == 0
        return capsys.readouterr().out

    text = displayed("gaussian:sigma=3", "--size", "3000x4000x3")
    assert "computed by  passes (25 + 25 taps)" in text
    assert all(f"{algorithm} (" in text for algorithm in ALGORITHMS if algorithm != "sums")
    actual = json.loads(displayed("sharpen", "--format", "json", "--dtype", "float32"))
    assert (actual["algorithm"], actual["shape"], actual["dtype"]) == ("direct", [1000, 1000], "float32")
    assert {option["algorithm"] for option in actual["options"]} == {"direct", "fourier"}
    text = displayed("sharpen", "--algorithm", "passes")
    assert "note         passes can't compute sharpen here; used: direct (5 taps)" in text


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["show", "sharpen", "--size", "3x3"], "--size belongs to --plan"),
        (["show", "sharpen", "--plan", "--size", "3y"], "'3y' is no size for --size"),
        (
            ["show", "sharpen", "--plan", "--algorithm", "fast"],
            "'fast' is not one of 'direct', 'passes', 'sums', 'fourier'",
        ),
        (["compare", "sharpen", "--algorithm", "direct"], "--algorithm changes nothing but times"),
    ],
    ids=str,
)
def test_what_cannot_be_planned_is_told(arguments: list[str], fact: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert fact in capsys.readouterr().err


def test_apply_and_compare_with_an_algorithm(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(3).random((90, 80), np.float32))
    results = {}
    for algorithm in (name for name in ALGORITHMS if name != "sums"):
        out = tmp_path / f"{algorithm}.npy"
        words = ["apply", str(tmp_path / "x.npy"), "-k", "gaussian:sigma=2", "-o", str(out), "--json"]
        assert run([*words, "--algorithm", algorithm]) == 0
        fact = json.loads(capsys.readouterr().err)
        assert fact["stages"][0]["algorithm"].startswith(algorithm) and not fact["notes"]
        results[algorithm] = np.load(out)
    assert all(np.abs(y - results["direct"]).max() < 1e-6 for y in results.values())
    words = ["apply", str(tmp_path / "x.npy"), "-k", "sharpen", "-o", str(tmp_path / "s.npy"), "--algorithm", "passes"]
    assert run(words) == 0
    assert "passes can't compute sharpen here; used: direct" in capsys.readouterr().err
    words = ["compare", "sharpen", "gaussian", "--size", "64x64", "--time", "--budget", "0.01", "--format", "json"]
    assert run([*words, "--algorithm", "passes"]) == 0
    actual = json.loads(capsys.readouterr().out)
    assert [note for note in actual["notes"] if "can't compute" in note] == [
        "passes can't compute sharpen here; used: direct (5 taps)"
    ]
