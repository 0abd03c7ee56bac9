"""Network files: layers in order, with shapes and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.records import lazily

if TYPE_CHECKING:
    from convcli.networks.assembly import assemble
    from convcli.networks.layers import LAYERS, Layer, alone, like, textbook
    from convcli.networks.network import Assembled, Network
    from convcli.networks.placed import INPUT, Flow, Placed, place_kernel, place_layer

__all__ = [
    "INPUT", "LAYERS", "Assembled", "Flow", "Layer", "Network", "Placed", "alone", "assemble", "like",
    "place_kernel", "place_layer", "textbook",
]  # fmt: skip
__getattr__ = lazily(
    __name__,
    {
        "networks.layers": "LAYERS Layer alone like textbook",
        "networks.assembly": "assemble",
        "networks.network": "Assembled Network",
        "networks.placed": "INPUT Flow Placed place_kernel place_layer",
    },
)
