"""Activations in kernel and network files: `relu`, `{leaky_relu: 0.1}`."""

from __future__ import annotations

from convcli.errors import KernelError
from convcli.ops.activation import BARE, FORMS, Activation
from convcli.ops.fields import Field
from convcli.spec.arrays import array
from convcli.spec.nodes import Node


def activation(node: Node, name: str, *, named: bool = False) -> Activation | None:
    """The name of an activation, or a mapping of it to its numbers; raises `KernelError`.

    `named`: the slopes of prelu may be left to the file of a network's weights, and `none` is an activation.
    """
    if named and node.value in ("none", "prelu"):
        return None if node.value == "none" else Activation(name="prelu")
    value = node.value
    if isinstance(value, str) and value in BARE:
        return Activation(name=value)
    if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in FORMS:
        word = value if isinstance(value, str) else next(iter(value), "") if isinstance(value, dict) else ""
        raise _no_activation(node, str(word), name)
    (word, inner), *_ = value.items()
    if word in BARE:
        raise node.error(f"'{word}' takes no number", f"{name}: {word}")
    numbers = array(inner, Field("array", ""), word)
    expected = {"leaky_relu": 1, "elu": 1, "clip": 2}.get(word, numbers.size)
    if numbers.size != expected:
        count = f"{expected} number{'s' if expected > 1 else ''}"
        raise inner.error(f"'{word}' takes {count}, not {numbers.size}", f"{name}: {FORMS[word]}")
    if word == "clip" and not numbers.array[0] <= numbers.array[1]:
        raise inner.error(f"'clip' goes from {numbers.array[0]:g} to {numbers.array[1]:g}", "the lesser number first")
    return Activation(name=word, numbers=numbers)


def _no_activation(node: Node, word: str, name: str) -> KernelError:
    """An error for what is no activation, with the form in which it is written here."""
    plain = word.lower().replace("-", "").replace("_", "")
    known = {key.replace("_", ""): form for key, form in FORMS.items()} | {"relu6": "{clip: [0, 6]}"}
    hint = f"{name}: {known[plain]}" if plain in known else f"one of: {', '.join(FORMS.values())}"
    if plain in ("linear", "none", "identity"):
        hint = f"leave '{name}' out"
    value = f"'{word}'" if word else node.kind
    return node.error(f"'{name}' can't be {value}{' alone' if word in FORMS else ''}", hint)
