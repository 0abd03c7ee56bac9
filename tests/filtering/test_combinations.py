"""Every way to ask for a picture's treatment with every other: against float64 arithmetic, whole and in steps."""

from __future__ import annotations

import itertools
import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.errors import ShapeError, UsageError
from convcli.filtering import Chain, Treatment, filter_pixels, paging, parse_channels, steps
from tests.filtering.reference_pictures import KINDS, Asked, Expected, Filter, RefusedError, bilinear, treat

Pixels = np.ndarray[Any, Any]

BINOMIAL = np.outer([1, 2, 1], [1, 2, 1]) / 16
SHARPEN = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], float)
MIX = np.array([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1) * BINOMIAL
TURN = np.array([[0, 1, 0], [0, 0, 1], [0.5, -0.25, 0.25]])[..., None, None] * SHARPEN
TWO = np.ones((2, 3, 1, 1)) / 3
ENLARGE = Filter(np.ones((1, 1)), enlarge=bilinear)


@dataclass(frozen=True)
class Kernels:
    """What a chain is made of, as convcli takes it and as the reference does."""

    source: tuple[Any, ...]
    filters: tuple[Filter, ...]


def shaped(weights: Pixels, **fields: Any) -> Kernels:
    return Kernels(({"weights": weights, **fields},), (Filter(weights, **fields),))


CHAINS = {
    "identity": Kernels(("identity",), (Filter(np.ones((1, 1))),)),
    "sharpen": Kernels(("sharpen",), (Filter(SHARPEN),)),
    "sobel": Kernels(("sobel-x",), (Filter(np.outer([1, 2, 1], [-1, 0, 1]).astype(float)),)),
    "blur": shaped(BINOMIAL, border="replicate"),
    "dark edges": shaped(BINOMIAL, border="zero"),
    "biased": shaped(BINOMIAL, border="wrap", bias=40.0),
    "half size": shaped(BINOMIAL, stride=2, border="symmetric"),
    "twice as large": Kernels(("upsample-bilinear-2x",), (ENLARGE,)),
    "there and back": Kernels(
        ("upsample-bilinear-2x", {"weights": BINOMIAL, "stride": 2}), (ENLARGE, Filter(BINOMIAL, 2))
    ),
    "two": Kernels(("sharpen", {"weights": BINOMIAL}), (Filter(SHARPEN), Filter(BINOMIAL))),
    "3 to 1": shaped(MIX),
    "3 to 3": shaped(TURN),
    "3 to 2": shaped(TWO),
}
OPTIONS: dict[str, tuple[Any, ...]] = {
    "chain": tuple(CHAINS),
    "kind": tuple(KINDS),
    "dtype": ("uint8", "uint16", "int16", "uint32", "float32", "float64"),
    "channels": ("all", "luma", "r", "g", "b", "r,b", "b,g", "r,g,b", "alpha", "g,alpha", "r,b,alpha", "luma,r"),
    "alpha": ("filter", "keep", "drop"),
    "background": (None, (1.0, 1.0, 1.0), (1.0, 0.5, 0.0)),
    "linear": (False, True),
    "range": ("clip", "abs", "offset", "rescale", "float"),
}
#: Combinations for every pair of values, and how many are drawn for one that is not to be refused.
REPEATS, DRAWS = 1, 30


def drawn(fixed: dict[str, Any], random: np.random.Generator) -> tuple[dict[str, Any], Pixels, Expected | str]:
    """A combination with what is `fixed`, a picture, and what is to come out: if possible, it is not refused."""
    for _ in range(DRAWS):
        chosen = {name: values[random.integers(len(values))] for name, values in OPTIONS.items()} | fixed
        kind = KINDS[chosen["kind"]]
        pixels = kind.picture(chosen["dtype"], seed=kind.channels)
        try:
            return chosen, pixels, treat(pixels, kind, CHAINS[chosen["chain"]].filters, asked_for(chosen))
        except RefusedError as error:
            refused = str(error)
    return chosen, pixels, refused


def asked_for(chosen: dict[str, Any]) -> Asked:
    return Asked(**{name: chosen[name] for name in ("channels", "alpha", "background", "linear", "range")})


def filtered(chosen: dict[str, Any], pixels: Pixels) -> steps.Filtered:
    chain = Chain([convcli.load(source) for source in CHAINS[chosen["chain"]].source], chosen["range"])
    treatment = Treatment(
        channels=parse_channels(chosen["channels"]), alpha=chosen["alpha"], background=chosen["background"],
        linear=chosen["linear"],
    )  # fmt: skip
    return filter_pixels(pixels.copy(), chain, treatment)


def fault(chosen: dict[str, Any], pixels: Pixels, wanted: Expected | str, patch: pytest.MonkeyPatch) -> str:
    """What is wrong with the result; nothing where it is right, or refused as it should be."""
    patch.setattr(steps, "goes_in_rows", lambda picture, pixels: False)
    try:
        actual = filtered(chosen, pixels)
    except (UsageError, ShapeError) as error:
        refused = "usage" if isinstance(error, UsageError) else "shape"
        return "" if refused == wanted else f"refused ({error}), not {wanted if isinstance(wanted, str) else 'made'}"
    if isinstance(wanted, str):
        return f"made, not refused ({wanted})"
    array = actual.array
    if (array.shape, array.dtype) != (wanted.values.shape, wanted.dtype):
        return f"{array.dtype} {array.shape}, not {wanted.dtype} {wanted.values.shape}"
    patch.setattr(steps, "goes_in_rows", lambda picture, pixels: True)
    in_steps = filtered(chosen, pixels)
    if not np.array_equal(array, in_steps.array) or (actual.below, actual.above) != (in_steps.below, in_steps.above):
        return "another result in steps"
    for place, before in wanted.untouched:
        if not np.array_equal(array[..., place], pixels[..., before].astype(array.dtype)):
            return f"channel {place} did not stay"
    values, rounding = wanted.values, 0.0
    if array.dtype.kind != "f":
        limits = np.iinfo(array.dtype)
        values, rounding = np.clip(values, limits.min, limits.max), 0.5
    excess = abs(array - values) - wanted.errors - rounding
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    return f"{array[worst]} at {worst}, not {values[worst]} +- {wanted.errors[worst]}" if excess[worst] > 0 else ""


@pytest.mark.skipif(not paging.available(), reason="this system gives no memory back")
@pytest.mark.parametrize("names", list(itertools.combinations(OPTIONS, 2)), ids="-".join)
def test_every_pair_of_options(names: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "GRAIN", mmap.PAGESIZE)
    monkeypatch.setattr(steps, "_STEP_BYTES", 1 << 12)
    random, faults = np.random.default_rng(len(names[0]) + 20 * len(names[1])), {}
    for values in list(itertools.product(*(OPTIONS[name] for name in names))) * REPEATS:
        case = drawn(dict(zip(names, values, strict=True)), random)
        if actual := fault(*case, monkeypatch):
            faults[str(case[0])] = actual
    assert not faults
