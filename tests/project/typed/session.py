"""What a user's project does with convcli: mypy and pyright, both strict, take it, and know what comes of it."""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

import convcli
from convcli.drawing import Drawing

picture: npt.NDArray[np.uint8] = np.zeros((48, 64, 3), np.uint8)


def kernels() -> list[convcli.Kernel]:
    """Every form that a kernel is loaded of."""
    return [
        convcli.load("gaussian"), convcli.load("gaussian", sigma=3), convcli.load(Path("kernels/box.yaml")),
        convcli.load([[0, 1, 0], [1, -4, 1], [0, 1, 0]], border="wrap"), convcli.load(np.ones((3, 3)), stride=2),
        convcli.load({"weights": np.ones((3, 3)), "divisor": "sum"}), convcli.load(convcli.load("sharpen")),
    ]  # fmt: skip


def filtered() -> list[npt.NDArray[Any]]:
    """Pictures, and what is made of them."""
    kernel = convcli.load("sharpen")
    assert_type(kernel, convcli.Kernel)
    assert_type(kernel.taps, tuple[int, ...])
    return [
        kernel.apply(picture), kernel.apply(picture, "yxc", dtype="float32"), convcli.apply(picture, "sharpen"),
        convcli.apply(picture, ["gaussian", kernel, {"weights": [[1, 2, 1]]}], dtype=np.float64),
        kernel.to_numpy(), kernel.reads((0, 0), (48, 64)),
    ]  # fmt: skip


def network(folder: Path) -> npt.NDArray[Any]:
    """A network, which is a kernel that ends with any of its layers."""
    loaded = convcli.load(folder / "net.yaml", until="conv3")
    if isinstance(loaded, convcli.NetworkKernel):
        assert_type(loaded.until("conv1"), convcli.NetworkKernel)
        loaded.draw(picture, point=(3, 4)).save(folder / "field.png")
        assert loaded.count((48, 64)).total_macs
    return loaded.apply(picture, "hwc")


def drawn(folder: Path) -> Drawing:
    """Drawings, shown and saved."""
    drawing = convcli.load("sobel-x").draw(title="Sobel")
    drawing.save(folder / "sobel.svg")
    assert_type(convcli.draw.steps("sharpen", (5, 5), theme="dark"), Drawing)
    return convcli.draw.taps("swirl", picture, [(10, 20)], scale=2)


def costs() -> dict[str, int]:
    """Rows, and a plan."""
    rows = convcli.compare("sharpen", convcli.load("box"), size=(48, 64), in_channels=3, out_channels=8)
    assert_type(rows, list[dict[str, Any]])
    assert convcli.plan("gaussian", (48, 64, 3)).algorithm
    return {row["name"]: row["macs"] for row in rows}


def refused() -> str:
    """One error for all that goes wrong."""
    try:
        convcli.apply(np.zeros((4, 4), complex), "box")
    except convcli.ConvcliError as error:
        return f"{error.fact}: {error.hint}"
    return ""
