"""A network file -> a `Network`; every error at its line and column.

about: A small network.
input: 224x224x3                # height x width x channels
defaults: {bias: true}          # fields that hold for every convolution that has them
blocks:
  body: [{dense: 64, repeat: 2}, {pool: max}]
layers:
  - {dense: 32, kernel_size: 5, stride: 2}
  - {block: body, repeat: 3}
  - {add: [[{dense: 64}, {dense: 64}], []]}         # branches; an empty one hands its input on
  - {fc: 10}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from convcli.errors import KernelError, suggestion
from convcli.files import streams
from convcli.networks import entrance, weights
from convcli.networks.entrance import Entrance
from convcli.networks.kinds import ACTIVATION, FROM, KINDS, NAME, REPEAT, Kind, word
from convcli.networks.network import Item, Network
from convcli.ops import fields as f
from convcli.ops.fields import Field
from convcli.spec import library
from convcli.spec.nodes import TEXT_LIMIT, Node, Source, from_python
from convcli.spec.overrides import parse_overrides
from convcli.spec.plain import parse
from convcli.spec.scalars import number, quoted, whole
from convcli.spec.values import read

TOP = ("about", "input", "weights", "picture", "defaults", "blocks", "layers")
#: `network.yaml:width=0.5`: what can follow the colon, besides the layer it ends with.
MULTIPLIERS = ("width", "resolution")
UNTIL = "until"
#: More channels than a picture has, and fewer rows than any.
_MANY = 8


def load(source: str | Mapping[str, Any], extra: Mapping[str, Node] = MappingProxyType({})) -> Network | None:
    """The network in a file, "unet.yaml" or "mobilenet.yaml:width=0.75", or of fields; None where `source` is none.

    `extra` overrides what can follow the colon. Raises `KernelError` with line and column for anything wrong in it.
    """
    if not isinstance(source, str):
        return _overridden(from_node(from_python(source, Source("network")), "network"), extra)
    base, after = library.split(source)
    if source.lstrip()[:1] in ("[", "{") or "\n" in source or not base.endswith((".yaml", ".yml")):
        return None
    path = Path(base)
    try:
        with streams.opened(path) as file:
            text = streams.read(file, TEXT_LIMIT).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None  # the reader of kernel files says what is wrong
    node = parse(text, Source(base, text, path.parent))
    if not isinstance(node.value, dict) or "layers" not in node.value:
        return None
    said = parse_overrides(after, f"network '{source}'") if after else {}
    return _overridden(from_node(node, path.stem), {**said, **extra})


def _overridden(network: Network, nodes: Mapping[str, Node]) -> Network:
    """The network with what follows the colon, which is of its name, too. Raises `KernelError`."""
    for key in nodes:
        if key not in (*MULTIPLIERS, UNTIL):
            raise nodes[key].error(f"a network has no '{key}'", f"{', '.join(MULTIPLIERS)} and {UNTIL} can be said")
    if not nodes:
        return network
    changes = {key: str(node.value) if key == UNTIL else multiplier(node, key) for key, node in nodes.items()}
    said = ",".join(f"{key}={node.value}" for key, node in nodes.items())
    return network.changed(name=f"{network.name}:{said}", **changes)


def multiplier(node: Node, key: str) -> float:
    """A factor above 0; raises `KernelError` for any other."""
    value = number(node, f"'{key}'")
    if not 0 < value <= 64:
        raise node.error(f"'{key}' is {value:g}; it is a factor above 0, such as 0.75")
    return value


def from_text(text: str, name: str = "network") -> Network:
    """The network written in YAML `text`. Raises `KernelError`."""
    return from_node(parse(text, Source(name, text)), name)


def from_node(node: Node, name: str) -> Network:
    """The network of a parsed file. Raises `KernelError` at the place of what is wrong."""
    for key in node.value:
        if key not in TOP:
            hint = suggestion(key, TOP) or f"a network has {', '.join(TOP)}"
            raise node.key_error(key, f"unknown field '{key}'", hint)
    if "layers" not in node.value:
        raise node.error("'layers' is missing; a network needs it", "layers: [{dense: 64}]")
    picture = entrance.read(node.value["picture"]) if "picture" in node.value else None
    size, channels = _input(node, picture)
    arrays = weights.read(node.value["weights"]) if "weights" in node.value else {}
    reader = _Reader(_mapping(node, "defaults"), _mapping(node, "blocks"))
    about = read(node.value["about"], f.ABOUT, "about") if "about" in node.value else ""
    items = reader.chain(node.value["layers"], ())
    if not items:
        raise node.value["layers"].error("'layers' holds no layer")
    return Network(
        name=name, about=about, size=size, channels=channels, items=items, arrays=arrays, picture=picture
    )  # fmt: skip


def _mapping(node: Node, key: str) -> Mapping[str, Node]:
    entry = node.value.get(key)
    if entry is None:
        return {}
    if not isinstance(entry.value, dict):
        raise entry.error(f"'{key}' must be a mapping, not {entry.kind}")
    value: dict[str, Node] = entry.value
    return value


def _input(whole_file: Node, picture: Entrance | None) -> tuple[tuple[int, int] | None, int]:
    """Height and width, where they are said, and channels: `224x224x3` or `[224, 224, 3]`, or those of the picture."""
    if "input" not in whole_file.value:
        if picture is None:
            raise whole_file.error("'input' is missing; a network needs it, or 'picture'", "input: 224x224x3")
        return None, picture.count
    node: Node = whole_file.value["input"]
    size, channels = _sizes(node)
    _check_order(node, *size, channels)
    if picture is not None and channels != picture.count:
        raise node.error(f"'input' has {channels} channels, 'picture' {picture.count} ({picture.channels})")
    return size, channels


def _sizes(node: Node) -> tuple[tuple[int, int], int]:
    if isinstance(node.value, list) and len(node.value) == 3:
        height, width, channels = (whole(item, "'input'", 1) for item in node.value)
        return (height, width), channels
    match = re.fullmatch(r"([1-9]\d{0,6})x([1-9]\d{0,6})x([1-9]\d{0,6})", str(node.value))
    if not match:
        raise node.error("'input' must be height x width x channels", "input: 224x224x3")
    height, width, channels = map(int, match.groups())
    return (height, width), channels


def _check_order(node: Node, height: int, width: int, channels: int) -> None:
    """Raises where an input seems to be written channels first, as PyTorch and ONNX have it."""
    if height < _MANY <= min(width, channels) and (height == 3 or width == channels):
        fact = f"'input' would be {height} rows of {width} pixels with {channels} channels: are channels written first?"
        raise node.error(fact, f"height x width x channels: input: {width}x{channels}x{height}")


class _Reader:
    """Items of one file, with its defaults and blocks."""

    def __init__(self, defaults: Mapping[str, Node], blocks: Mapping[str, Node]) -> None:
        known = {key: field for kind in KINDS.values() for key, field in kind.fields.items()}
        for key, node in defaults.items():
            if key not in known:
                raise node.error(f"no layer has a field '{key}'", suggestion(key, known))
        self._defaults = defaults
        self._blocks = blocks
        self._read: dict[str, tuple[Item, ...]] = {}

    def chain(self, node: Node, inside: tuple[str, ...]) -> tuple[Item, ...]:
        """A list of items; `inside` names the blocks it stands in."""
        if not isinstance(node.value, list):
            raise node.error(f"layers are a list, not {node.kind}", "- {dense: 64}")
        return tuple(self._item(item, inside) for item in node.value)

    def _item(self, node: Node, inside: tuple[str, ...]) -> Item:
        if isinstance(node.value, str) and (meant := KINDS.get(node.value, Kind("")).meant):
            place = node.source, node.line, node.column
            node = Node({node.value: Node(meant, *place)}, *place)
        if not isinstance(node.value, dict):
            hint = (word(node.value) if isinstance(node.value, str) else "") or "{dense: 64, kernel_size: 3}"
            raise node.error(f"a layer is a mapping, not {node.kind}", hint)
        kinds = [key for key in node.value if key in KINDS]
        if len(kinds) != 1:
            raise self._kind_error(node, kinds)
        kind = KINDS[kinds[0]]
        known = {**kind.fields, "name": NAME, "repeat": REPEAT, "from": FROM}
        for key in node.value:
            if key != kinds[0] and key not in known:
                hint = suggestion(key, known) or f"{kinds[0]} has {', '.join(known)}"
                raise node.key_error(key, f"unknown field '{key}' of a {kinds[0]} layer", hint)
        values = {key: self._field(node, key, field, kinds[0]) for key, field in known.items()}
        name, repeat, source = values.pop("name"), values.pop("repeat"), values.pop("from")
        value, branches = self._value(node.value[kinds[0]], kinds[0], kind, inside)
        return Item(kind=kinds[0], value=value, node=node, fields=values, name=name, repeat=repeat, source=source,
            branches=branches,
        )  # fmt: skip

    def _field(self, node: Node, key: str, field: Field, kind: str) -> Any:
        if key in node.value:
            return read(node.value[key], field, key)
        weighted = "bias" in KINDS[kind].fields
        return read(self._defaults[key], field, key) if weighted and key in self._defaults else field.default

    def _value(
        self, node: Node, name: str, kind: Kind, inside: tuple[str, ...]
    ) -> tuple[Any, tuple[tuple[Item, ...], ...]]:
        """What stands after a kind's name, and the chains in it."""
        if kind.value == "channels" and isinstance(node.value, list) and node.value:
            return tuple(whole(item, f"'{name}'", 0) for item in node.value), ()
        if kind.value in ("whole", "channels"):
            return whole(node, f"'{name}'", 1), ()
        if kind.value == "word":
            if node.value not in kind.words:
                known = f"{', '.join(kind.words[:-1])} or {kind.words[-1]}"
                raise node.error(
                    f"'{name}' must be {known}, not {quoted(node)}", suggestion(str(node.value), kind.words)
                )
            return node.value, ()
        if kind.value == "activation":
            return read(node, ACTIVATION, name), ()
        if kind.value == "chain":
            return "", (self.chain(node, inside),)
        if kind.value == "name":
            return self._block(node, inside)
        if isinstance(node.value, str):
            return node.value, ()
        if isinstance(node.value, list) and len(node.value) > 1 and all(isinstance(i.value, str) for i in node.value):
            return tuple(item.value for item in node.value), ()
        if not isinstance(node.value, list) or len(node.value) < 2:
            hint = f"{{{name}: [[{{dense: 64}}], []]}} or {{{name}: NAME}}"
            raise node.error(f"'{name}' takes two branches or more, or names of earlier layers", hint)
        return "", tuple(self.chain(branch, inside) for branch in node.value)

    def _block(self, node: Node, inside: tuple[str, ...]) -> tuple[str, tuple[tuple[Item, ...], ...]]:
        if not isinstance(node.value, str):
            raise node.error(f"'block' must be the name of a block, not {quoted(node)}")
        if node.value not in self._blocks:
            hint = suggestion(node.value, self._blocks) or f"blocks: {', '.join(self._blocks) or 'none'}"
            raise node.error(f"no block has the name '{node.value}'", hint)
        if node.value in inside:
            raise node.error(f"block '{node.value}' holds itself")
        if node.value not in self._read:
            # Once, however often it is used: blocks of blocks of blocks stay small.
            self._read[node.value] = self.chain(self._blocks[node.value], (*inside, node.value))
        return node.value, (self._read[node.value],)

    @staticmethod
    def _kind_error(node: Node, kinds: list[str]) -> KernelError:
        if kinds:
            return node.error(f"one layer can't be both {' and '.join(kinds)}", "each layer is an entry of its own")
        for key in node.value:
            if hint := word(key) or suggestion(key, KINDS):
                return node.key_error(key, f"unknown kind of layer '{key}'", hint)
        return node.error("a layer of no known kind", f"one of: {', '.join(KINDS)}")
