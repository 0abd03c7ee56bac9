"""Network files: layers in order, with shapes and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.records import lazily

if TYPE_CHECKING:
    from convcli.networks.layers import Layer
    from convcli.networks.network import Assembled, Network, assemble
    from convcli.networks.placed import Flow, Placed, place_kernel, place_layer

__all__ = ["Assembled", "Flow", "Layer", "Network", "Placed", "assemble", "place_kernel", "place_layer"]
__getattr__ = lazily(
    __name__,
    {
        "networks.layers": "Layer",
        "networks.network": "Assembled Network assemble",
        "networks.placed": "Flow Placed place_kernel place_layer",
    },
)
