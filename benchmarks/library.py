"""The library beside others' functions: which cases, and what each is held to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import functions as make
from benchmarks.model import Goal, Made, Scenario

ORT = ("onnxruntime",)
NETWORKS = ("onnxruntime", "torch")
SCIPY = ("oaconvolve", "fftconvolve", "ndimage")


def scenarios() -> Iterator[Scenario]:
    """Every comparison, in the order of the report."""
    yield from _dense()
    yield from _separable()
    yield from _images()
    yield from _banks()
    yield from _other_axes()


def _dense() -> Iterator[Scenario]:
    small = Goal(what="small kernels, 3x3 to 11x11", against=("cv2",), most=0.9)
    large = Goal(what="13 to 63 taps a side", against=("cv2",), most=0.4)
    for taps in (3, 5, 7, 9, 11):
        yield _case(f"dense {taps}x{taps}", "4 MP", partial(make.dense, taps, 2000, 2000), small, quick=taps == 9)
    for taps in (3, 7):
        run = partial(make.dense, taps, 3000, 4000, 3, "uint8")
        yield _case(f"dense {taps}x{taps}", "12 MP RGB uint8", run, small, quick=taps == 3)
    for taps in (13, 15, 31, 63):
        run = partial(make.dense, taps, 3000, 4000)
        yield _case(f"dense {taps}x{taps}", "12 MP", run, large, quick=taps == 31)
    for taps in (15, 31):
        run = partial(make.dense, taps, 1500, 2000, 3, "uint8")
        yield _case(f"dense {taps}x{taps}", "3 MP RGB uint8", run, large)


def _separable() -> Iterator[Scenario]:
    for taps, most in ((5, None), (15, 0.7), (31, 0.45), (63, 0.3)):
        goals = [] if most is None else [Goal(what=f"separable, {taps} taps a side", against=("cv2",), most=most)]
        run = partial(make.separable, taps, 3000, 4000)
        yield _case(f"gaussian {taps}", "12 MP", run, *goals)
        run = partial(make.separable, taps, 3000, 4000, even=False)
        yield _case(f"separable {taps}", "12 MP, not symmetric", run, *goals, quick=taps == 31)
    yield _case("gaussian 17", "12 MP RGB uint8", partial(make.separable, 17, 3000, 4000, 3, "uint8"))


def _images() -> Iterator[Scenario]:
    goal = Goal(what="dilated, strided, transposed and depthwise on images", against=NETWORKS, most=0.35)
    for dilation in (2, 6, 16):
        run = partial(make.plane, 3, 2000, dilation=dilation)
        yield _case(f"dilated 3x3, dilation {dilation}", "4 MP", run, goal, quick=dilation == 2)
    for taps, stride in ((5, 2), (9, 4)):
        run = partial(make.plane, taps, 2000, stride=stride)
        yield _case(f"strided {taps}x{taps}, stride {stride}", "4 MP", run, goal, quick=stride == 2)
    for taps, stride in ((4, 2), (8, 4)):
        run = partial(make.transposed, taps, stride, 1000)
        yield _case(f"transposed {taps}x{taps}, stride {stride}", "1 MP in", run, goal, quick=stride == 2)
    yield _case("depthwise 3x3", "16 channels, 1 MP", partial(make.bank, 16, 16, 3, 1000, 16), goal)


def _banks() -> Iterator[Scenario]:
    goal = Goal(what="filter banks of 3 input channels", against=ORT, most=1.0)
    for outputs, size in ((3, 1000), (16, 1000), (64, 500)):
        run = partial(make.bank, 3, outputs, 3, size)
        yield _case(f"bank 3 to {outputs}, 3x3", f"{size}x{size}", run, goal, quick=outputs == 16)
    for inputs, outputs, taps, size, most in (
        (64, 64, 3, 256, 1.2),
        (128, 128, 3, 128, 0.9),
        (64, 128, 1, 256, 1.0),
    ):
        name = f"bank {inputs} to {outputs}, {taps}x{taps}"
        run = partial(make.bank, inputs, outputs, taps, size)
        yield _case(name, f"{size}x{size}", run, Goal(what=name, against=ORT, most=most))
    for channels, most in ((1, 0.35), (3, 0.55)):
        goal = Goal(what=f"deformable, {channels} channel{'s' * (channels > 1)}", against=ORT, most=most)
        run = partial(make.deformable, channels, 1000, masked=channels > 1)
        name = "deformable 3x3, mask" if channels > 1 else "deformable 3x3"
        yield _case(name, f"{channels} to {channels}, 1 MP", run, goal, quick=channels == 1)


def _other_axes() -> Iterator[Scenario]:
    goals = (
        Goal(what="1-D and 3-D, onnxruntime", against=ORT, most=0.5),
        Goal(what="1-D and 3-D, scipy's best", against=SCIPY, most=0.15),
    )
    for taps in (15, 255, 8191):
        run = partial(make.line, taps, 4_000_000)
        yield _case(f"line, {taps} taps", "4 M samples", run, *goals[taps > 255 :], quick=taps == 255)
    for taps in (3, 7, 11):
        run = partial(make.volume, taps)
        yield _case(f"volume {taps}x{taps}x{taps}", "64x256x256", run, *goals)


def _case(name: str, conditions: str, made: Callable[[], Made], *goals: Goal, quick: bool = False) -> Scenario:
    return Scenario(
        section="library", name=name, conditions=conditions, make=lambda shop: made(), goals=goals, quick=quick,
        rounds=9, patience=1.2,
    )  # fmt: skip
