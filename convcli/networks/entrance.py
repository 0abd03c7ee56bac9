"""How a picture enters a network and leaves it: which channels, in which range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from convcli.errors import suggestion
from convcli.ops.branches import RANGES
from convcli.records import record
from convcli.spec.nodes import Node
from convcli.spec.scalars import number, quoted

#: What enters, and how many channels that are.
CHANNELS: Final[Mapping[str, int]] = {"rgb": 3, "bgr": 3, "luma": 1, "grey": 1}
_FIELDS: Final = ("channels", "range")


@record
class Entrance:
    """The `channels` of a picture, with white at `white`, of which the `mean` is taken off and which `std` divides.

    `luma` is BT.601's: its colour goes round the network, and is enlarged bicubically where that makes another size.
    `grey` is the same luma, without its colour: what leaves is grey.
    """

    channels: str
    white: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @property
    def count(self) -> int:
        return CHANNELS[self.channels]

    @property
    def carries_colour(self) -> bool:
        """Whether colour goes round the network."""
        return self.channels == "luma"


def read(node: Node) -> Entrance:
    """The field `picture` of a network file. Raises `KernelError` at what is wrong."""
    if not isinstance(node.value, dict):
        raise node.error(f"'picture' must be a mapping, not {node.kind}", "picture: {channels: rgb, range: unit}")
    for key in node.value:
        if key not in _FIELDS:
            raise node.key_error(key, f"unknown field '{key}'", suggestion(key, _FIELDS) or "channels and range")
    entry = node.value.get("channels")
    if entry is None:
        raise node.error("'channels' is missing", f"one of: {', '.join(CHANNELS)}")
    if not isinstance(entry.value, str) or entry.value not in CHANNELS:
        hint = {"y": "luma", "gray": "grey", "l": "grey"}.get(str(entry.value).lower())
        hint = f"that is {hint} here" if hint else suggestion(str(entry.value), CHANNELS)
        raise entry.error(f"'channels' must be one of {', '.join(CHANNELS)}, not {quoted(entry)}", hint)
    range_ = node.value.get("range")
    return Entrance(channels=entry.value, **_range(range_, CHANNELS[entry.value]) if range_ else {})


def _range(node: Node, channels: int) -> dict[str, Any]:
    if isinstance(node.value, str) and node.value in RANGES:
        return {"white": RANGES[node.value]}
    example = "range: {mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}"
    if not isinstance(node.value, dict):
        raise node.error(f"'range' must be unit (0 to 1), byte (0 to 255) or mean and std, not {quoted(node)}", example)
    for key in node.value:
        if key not in ("mean", "std"):
            raise node.key_error(key, f"unknown field '{key}'", example)
    shares = {key: _shares(entry, key, channels) for key, entry in node.value.items()}
    if any(share == 0 for share in shares.get("std", ())):
        raise node.value["std"].error("'std' holds 0: nothing can be divided by it")
    return shares


def _shares(node: Node, name: str, channels: int) -> tuple[float, ...]:
    entries = node.value if isinstance(node.value, list) else [node]
    if len(entries) not in (1, channels):
        raise node.error(f"'{name}' has {len(entries)} numbers for {channels} channels")
    return tuple(number(entry, f"'{name}'") for entry in entries)
