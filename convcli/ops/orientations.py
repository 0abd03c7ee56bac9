"""Offsets by rule from the picture: taps are laid along its edges, at every pixel by a matrix for all of them.

A rule gives the matrix `m` by which the place `p` of a tap, counted from the middle of the kernel, is moved: to
`p + m p`. It follows from the structure tensor of luma at the pixel in the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from convcli.ops.rules import Parameter
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np

    from convcli.engine.dtypes import Floats
    from convcli.engine.sampled import structure
else:
    np, structure = late("numpy"), late("convcli.engine.sampled.structure")


@record
class Orientation:
    """`matrix(parameters, edges, out)` fills `(2, 2, h, w)`: what a tap's place, (down, right), is multiplied with.

    `stretch(parameters)` is how many times as far from the middle taps may come to lie, `halo(parameters)` how far
    from there it looks, in pixels.
    """

    name: str
    about: str
    parameters: Mapping[str, Parameter]
    matrix: Callable[[Mapping[str, Any], structure.Structure, Floats], None]
    stretch: Callable[[Mapping[str, Any]], float]

    def halo(self, parameters: Mapping[str, Any]) -> int:
        return structure.reach(parameters["sigma"], parameters["around"])


def _along(p: Mapping[str, Any], edges: structure.Structure, out: Floats) -> None:
    cosine, sine = edges.along()
    still = (cosine == 0) & (sine == 0)
    cosine -= 1
    cosine[still] = 0
    out[0, 0] = out[1, 1] = cosine
    out[0, 1] = sine
    np.negative(sine, out=out[1, 0])


def _follow(p: Mapping[str, Any], edges: structure.Structure, out: Floats) -> None:
    coherence = edges.coherence()
    # By a along the edge and b across it is (a + b) / 2 both ways, and (a - b) / 2 by the doubled angle of the edge.
    both = coherence * ((p["strength"] - p["squeeze"]) / 2 - p["spread"])
    both += p["spread"]
    length = np.hypot(edges.difference, edges.twice)
    apart = coherence * ((p["strength"] + p["squeeze"]) / 2)
    np.divide(apart, length, out=apart, where=length > 0)
    difference, twice = apart * edges.difference, apart * edges.twice
    np.add(both, difference, out=out[0, 0])
    np.subtract(both, difference, out=out[1, 1])
    np.negative(twice, out=out[0, 1])
    out[1, 0] = out[0, 1]


def _unstretched(p: Mapping[str, Any]) -> float:
    return 1.0


def _stretch(p: Mapping[str, Any]) -> float:
    return 1 + max(float(p["strength"]), float(p["spread"]))


def _gaussians(sigma: float, around: float) -> dict[str, Parameter]:
    return {
        "sigma": Parameter("pixels of the Gaussian before gradients are taken", default=sigma, low=0, high=100),
        "around": Parameter(
            "pixels of the Gaussian over which directions are averaged", default=around, low=0, high=100
        ),
    }


ORIENTATIONS: dict[str, Orientation] = {
    rule.name: rule
    for rule in (
        Orientation(
            name="along", about="Turns the kernel at each pixel so that its rows run along the edge there.",
            parameters=_gaussians(1.0, 3.0), matrix=_along, stretch=_unstretched,
        ),
        Orientation(
            name="follow", about="Stretches the kernel along edges and squeezes it across them; spreads it elsewhere.",
            parameters={
                **_gaussians(1.2, 3.0),
                "strength": Parameter("taps lie 1 + strength times as far along an edge", default=0.8, low=0, high=10),
                "squeeze": Parameter("taps lie 1 - squeeze times as far across an edge", default=0.8, low=0, high=1),
                "spread": Parameter("taps lie 1 + spread times as far elsewhere", default=0.8, low=0, high=10),
            },
            matrix=_follow, stretch=_stretch,
        ),
    )
}  # fmt: skip
