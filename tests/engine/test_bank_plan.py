"""Which algorithm computes a bank, as a table for each kind of processor: nothing is timed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import convcli
from convcli.engine.bank.plan import ALGORITHMS, Bank, duration, options, plan_bank
from convcli.engine.bank.speeds import SPEEDS
from convcli.engine.processor import NARROW, WIDE, Processor, processor


def bank(outputs: int, inputs: int, taps: int, size: int, **more: int) -> Bank:
    step = more.pop("stride", 1)
    dilation = more.pop("dilation", 1)
    groups, lengths = more.pop("groups", 1), (-(-size // step),) * 2
    return Bank(
        outputs=outputs, inputs=inputs // groups, taps=(taps, taps), lengths=lengths, groups=groups, planes=not more,
        stride=(step, step), dilation=(dilation, dilation),
    )  # fmt: skip


#: A bank, how AVX2 computes it, and AVX-512.
TABLE = [
    (bank(64, 64, 3, 14), "net", "winograd 2x2"),
    (bank(64, 64, 3, 28), "net", "winograd"),
    (bank(64, 64, 3, 56), "winograd", "winograd"),
    (bank(32, 32, 3, 128), "winograd", "winograd"),
    (bank(64, 64, 3, 256), "winograd", "winograd"),
    (bank(256, 256, 3, 28), "winograd", "winograd"),
    (bank(128, 128, 3, 14), "net", "winograd 2x2"),
    (bank(512, 512, 3, 14), "winograd", "winograd 2x2"),
    (bank(512, 512, 3, 8), "winograd 2x2", "winograd 2x2"),
    (bank(256, 256, 3, 7), "net", "columns"),
    (bank(3, 16, 3, 56), "shifts", "shifts"),
    (bank(12, 12, 3, 240), "rows", "rows"),
    (bank(64, 64, 3, 56, stride=2), "columns", "columns"),
    (bank(64, 64, 3, 128, dilation=2), "winograd", "winograd"),
    (bank(128, 128, 3, 128, dilation=2), "winograd", "winograd"),
    (bank(64, 64, 5, 56), "columns", "columns"),
    (bank(256, 64, 1, 56), "pointwise", "pointwise"),
    (bank(128, 64, 1, 56, stride=2), "pointwise", "pointwise"),
    (bank(128, 128, 1, 28), "net", "pointwise"),
    (bank(128, 128, 1, 7), "pointwise", "pointwise"),
    (bank(256, 64, 1, 400), "pointwise", "pointwise"),
    (bank(3, 128, 3, 256), "shifts", "shifts"),
    (bank(1, 64, 5, 240), "shifts", "shifts"),
    (bank(64, 3, 7, 224, stride=2), "rows", "rows"),
    (bank(32, 3, 3, 224, stride=2), "rows", "rows"),
    (bank(64, 3, 3, 224), "rows", "rows"),
    (bank(56, 1, 5, 240), "rows", "rows"),
    (bank(3, 3, 3, 1000), "rows", "rows"),
    (bank(3, 3, 31, 1000), "planes", "planes"),
    (bank(32, 16, 3, 14), "columns", "columns"),
    (bank(512, 512, 3, 14, groups=512), "net", "net"),
    (bank(512, 512, 3, 14, groups=512, pixels=1), "multiply-adds", "multiply-adds"),
    (bank(64, 64, 3, 112, groups=64, stride=2), "net", "net"),
    (bank(64, 64, 3, 112, groups=64, stride=2, pixels=1), "multiply-adds", "multiply-adds"),
    (bank(64, 64, 3, 56, groups=64), "net", "net"),
    (bank(64, 64, 3, 56, groups=64, pixels=1), "net", "net"),
    (bank(256, 256, 3, 9, groups=256, pixels=1), "multiply-adds", "multiply-adds"),
    (bank(64, 64, 3, 112, groups=64), "planes", "planes"),
    (bank(64, 64, 3, 112, groups=64, pixels=1), "planes", "planes"),
    (bank(16, 16, 3, 1000, groups=16), "planes", "planes"),
    (bank(16, 16, 3, 1000, groups=16, pixels=1), "planes", "planes"),
    (bank(64, 64, 3, 256, groups=64, stride=2), "planes", "planes"),
    (bank(64, 64, 3, 256, groups=64, stride=2, pixels=1), "planes", "planes"),
    (bank(16, 16, 3, 1000, groups=16, dilation=2, pixels=1), "multiply-adds", "multiply-adds"),
    (bank(256, 256, 3, 28, groups=32), "net", "columns"),
    (bank(128, 128, 3, 56, groups=32), "columns", "columns"),
]


@pytest.mark.parametrize(("work", "narrow", "wide"), TABLE, ids=lambda value: str(value)[:90])
def test_the_plan(work: Bank, narrow: str, wide: str) -> None:
    assert plan_bank(work, NARROW).algorithm == narrow
    assert plan_bank(work, WIDE).algorithm == wide
    assert plan_bank(work) == plan_bank(work, processor())


def test_every_algorithm_is_chosen_somewhere() -> None:
    assert {narrow for _, narrow, _ in TABLE} == {wide for _, _, wide in TABLE} == set(ALGORITHMS)
    assert set(SPEEDS) == {NARROW.name, WIDE.name}


@pytest.mark.parametrize("kind", [NARROW, WIDE], ids=lambda kind: kind.name)
def test_plans_are_the_fastest_options_and_say_why(kind: Processor) -> None:
    for work, _, _ in TABLE:
        plans = list(options(work, kind))
        assert duration(work, plan_bank(work, kind)) == min(duration(work, plan) for plan in plans) > 0
        assert all(plan.algorithm in ALGORITHMS and plan.reason for plan in plans)


@pytest.mark.parametrize("kind", [NARROW, WIDE], ids=lambda kind: kind.name)
def test_threads_share_rows_or_outputs_whichever_are_more(kind: Processor) -> None:
    shared = {size: plan_bank(bank(channels, channels, 3, size), kind) for channels, size in ((512, 14), (64, 56))}
    assert [plan.shares for plan in shared.values()] == [2, 1] and shared[56].rows == 28
    assert plan_bank(bank(512, 512, 1, 14), kind).shares == 2
    assert plan_bank(bank(128, 128, 3, 256), kind).shares == plan_bank(bank(64, 64, 1, 14), kind).shares == 1


def test_what_is_said_of_a_bank_names_the_processor() -> None:
    kernel = convcli.load({"weights": [[[[1.0] * 3] * 3] * 128] * 128})
    said = kernel.algorithm((56, 56), 128)
    assert said.name == "winograd" and str(said) == f"winograd (tiles of 4x4; {processor().name})"


@pytest.mark.parametrize(("channels", "size"), [(64, 28), (64, 14), (128, 14), (256, 14), (32, 64), (3, 40)])
@pytest.mark.parametrize("layout", ["cyx", "yxc"])
def test_what_is_told_of_a_bank_is_what_is_done(layout: str, channels: int, size: int) -> None:
    kernel = convcli.load({"weights": np.ones((channels, channels, 3, 3))})
    shape = (channels, size, size) if layout == "cyx" else (size, size, channels)
    work = replace(bank(channels, channels, 3, size), planes=layout == "cyx")
    assert convcli.plan(kernel, shape, "float32", layout).algorithm == plan_bank(work).algorithm


def test_networks_are_for_float32_alone() -> None:
    work = bank(256, 256, 3, 28, groups=32)
    assert plan_bank(replace(work, single=False)).algorithm == "columns"


@pytest.mark.parametrize(("layout", "algorithm"), [("cyx", "net"), ("yxc", "multiply-adds")])
def test_a_plan_that_is_shown_lists_what_there_is_a_choice_of(layout: str, algorithm: str) -> None:
    shape = (512, 14, 14) if layout == "cyx" else (14, 14, 512)
    kernel = convcli.load({"weights": [[[[1.0, 2.0]]]] * 512, "groups": 512})
    plan = convcli.plan(kernel, shape, "float32", layout)
    assert plan.algorithm == plan.options[0].algorithm == algorithm
    assert processor().name in str(plan) and len(plan.options) >= 4
    assert list(plan.options) == sorted(plan.options, key=lambda option: option.milliseconds)
