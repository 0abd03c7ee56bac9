"""Kernel files changed at random: lines, numbers, words and nesting, in YAML that mostly still parses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

_SCALAR = re.compile(r"-?\d+(?:\.\d+)?|(?<=: )[a-z][a-z-]*")
VALUES = (
    "0", "1", "-1", "2", "3", "7", "100", "1e3", "1e-3", "1e18", "1e19", "1e308", "1e999", "-0", "0.5", "-2.5", ".5",
    "2147483647", "2147483648", "99999999999999999999", ".nan", ".inf", "-.inf", "true", "false", "null", "~", "sum",
    "same", "valid", "reflect", "wrap", "zero", "dense", "separable", "transposed", "deformable",
    "depthwise_separable", "012", "0x1F", "1:30", "on", "''", "'1'", "[]", "{}", "[[]]", "[[[[1]]]]", "[1, [2, 3]]",
    "[[1, 2], [3, 4]]", "{x: 1, y: [1, 2]}", "{gaussian: {sigma: 1000000}}", "{gaussian: {sigma: 1e-9}}",
    "{box: {size: [1, 99999]}}", "{fill: 1, size: [65536, 65536]}", "{fill: 1, size: [3, 3]}",
    "{binomial: {order: 5000}}", "{disk: {radius: 1e6}}", "{motion: {length: 1e9, angle: 45}}",
    "{gabor: {wavelength: 0, orientation: .nan, sigma: 1}}", "{swirl: {angle: 1e9, radius: 0}}", "bilinear", "cubic",
    "{lens: {strength: -1e9}}", "{jitter: {distance: 1e12, seed: -1}}", "&a [1]", "*a", "!!python/object:os.system x",
    "!!binary aaaa", "!!float 1", "? 1", "| \n 1", "> 1", "\"\\x00\"", "\"\\ud800\"", "'", "\"", "[", "]", "{", "}",
    "weights.npy", "/dev/zero", "/dev/stdin", "../absent.npy", "a.npz::b", "a.npz::", "::", ".", "x" * 300,
)  # fmt: skip
LINES = (
    "type: dense", "type: separable", "type: transposed", "type: deformable", "type: depthwise_separable", "stride: 2",
    "stride: [1, 3]", "dilation: 1000000", "groups: 3", "padding: 2147483647", "padding: [[1, 2], [0, 1]]",
    "border: wrap", "divisor: sum", "divisor: 1e-300", "bias: 1e18", "bias: [1, 2]", "flip: true", "axes: x",
    "axes: zyx", "output_padding: 1", "offsets: {swirl: {angle: 90}}", "mask: {fill: 1, size: [9, 8, 8]}", "taps: [1]",
    "weights: [[1]]", "pointwise: [[1, 0], [0, 1]]", "depthwise: [[1]]", "---", "...", "<<: {a: 1}", "? [1]", "# words",
    "amount: 50%", "threshold: 0.1", "unsharp: true", "rotate: 45", "activation: relu", "combine: magnitude",
    "about: |\n  more", "\t- 1", "%YAML 1.1", "&a a: *a", "constraint: 1", "\x07", "\ufeff", "\u2028", "weights:",
)  # fmt: skip

LAYERS = (
    "  - {dense: 4}", "  - {dense: 4, kernel_size: 3, weights: weights.npy}", "  - {depthwise: 1, kernel_size: 5}",
    "  - {pointwise: 3, weights: enlarge-2x.npz::conv5.weight}", "  - {transposed: 2, kernel_size: 2, stride: 2}",
    "  - {pool: max, ceil: true}", "  - {global_pool: max}", "  - {upsample: 99999}", "  - {depth_to_space: 2}",
    "  - {normalize: instance}", "  - {normalize: group, groups: 3}", "  - {normalize: layer, epsilon: 1e-30}",
    "  - {across_channels: max}", "  - {across_channels: softmax}", "  - {divide: a}", "  - {space_to_depth: 2}",
    "  - {activate: exp}", "  - {activate: {elu: -3}}", "  - {upsample: 3, cubic: true}",
    "  - {activate: clip}", "  - {add: a}", "  - {concat: [a, b, a]}", "  - {subtract: a}", "  - {fc: 10}",
    "  - {deformable: 3, kernel_size: 3}", "  - {repeat: 1000000, layers: [{dense: 8}]}", "  - sharpen", "  - swirl",
    "  - {dense: 4, repeat: 99999}", "  - net.yaml", "  - {kernel: gaussian}", "input: 0x0x0", "input: 99999x99999x64",
    "defaults: {border: wrap, stride: 2}", "picture: {channels: luma, range: unit}", "picture: {mean: [1, 2]}",
    "weights: enlarge-2x.npz", "weights: absent.safetensors", "layers: []", "layers: {}", "until: a", "outputs: [a]",
)  # fmt: skip


def kernel_text(text: str, random: Random, others: Sequence[str]) -> str:
    """`text`, of a kernel or a network, with one to five changes."""
    for _ in range(random.choice((1, 1, 2, 3, 5))):
        change = random.choice((_value, _value, _value, _line, _line, _line, _characters, _nested, _spliced))
        text = _spliced(text, random, others) if change is _spliced else change(text, random)
    return text


def _value(text: str, random: Random) -> str:
    places = [match.span() for match in _SCALAR.finditer(text)]
    if not places:
        return text + random.choice(VALUES)
    start, end = random.choice(places)
    return text[:start] + random.choice(VALUES) + text[end:]


def _line(text: str, random: Random) -> str:
    """A line added, left out, doubled, or pushed to the right."""
    lines = text.splitlines() or [""]
    at = random.randrange(len(lines))
    kind = random.randrange(5)
    if kind < 2:
        lines.insert(at, random.choice(LAYERS if "layers:" in text and random.random() < 0.8 else LINES))
    elif kind == 2:
        del lines[at]
    elif kind == 3:
        lines.insert(random.randrange(len(lines)), lines[at])
    else:
        lines[at] = random.choice((" ", "  ", "\t", "- ")) + lines[at]
    return "\n".join(lines) + "\n"


def _characters(text: str, random: Random) -> str:
    start = random.randrange(len(text) + 1)
    end = min(len(text), start + random.choice((0, 1, 1, 2, 10)))
    return text[:start] + random.choice(("", *"[]{}:,-&*!|>'\"#%@`?\t\n 0\0\x85\u2029\ud800\U0001f600")) + text[end:]


def _nested(text: str, random: Random) -> str:
    """A number wrapped up many times."""
    places = [match.span() for match in _SCALAR.finditer(text)] or [(0, 0)]
    start, end = random.choice(places)
    depth = random.choice((1, 2, 5, 31, 40, 5000))
    left, right = random.choice((("[", "]"), ("{a: ", "}"), ("[1, ", ""), ("? ", "")))
    return text[:start] + left * depth + text[start:end] + right * depth + text[end:]


def _spliced(text: str, random: Random, others: Sequence[str]) -> str:
    """The first lines of this file and the last ones of another."""
    mine, theirs = text.splitlines(keepends=True), random.choice(others).splitlines(keepends=True)
    return "".join(mine[: random.randrange(len(mine) + 1)] + theirs[random.randrange(len(theirs) + 1) :])
