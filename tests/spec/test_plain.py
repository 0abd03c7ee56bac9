"""Plain YAML read without PyYAML: the same nodes as PyYAML's, to the column, or left to it."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import given, settings, strategies as st

from convcli.errors import KernelError
from convcli.spec import library, nodes, plain
from convcli.spec.nodes import Source

PIECES = [
    "a", "b", "null", "true", "-1", "2", "+3", "1.5", ".5", "-.5", "1e-3", "x.npy", "...", "---", "..", "-", ":", "#",
    "[", "]", "{", "}", ",", "'", '"', "&", "*", "!", "|", ">", "%", "@", "?", "~", "<<", "0x1", "1_0", "_", "/", "::",
    "é",
]  # fmt: skip
SPACED = [
    " ", "  ", "\n", "\n  ", "\t", "\r", "- ", "  - ", ": ", " # c", ", ", "about: text, with; things", "weights:",
    "k: ", "taps: [1, 2]", "{gaussian: {sigma: 2}}", "[1,2]", "- [1, 2]\n- [3]", "\n- 1", "\n  - [0, -1]", "x: y",
]  # fmt: skip


def read_without_yaml(text: str) -> nodes.Node:
    """The text read here; AssertionError where PyYAML is asked."""
    with mock.patch.object(nodes, "parse", side_effect=AssertionError(f"left to PyYAML: {text}")):
        return plain.parse(text, Source("x", text))


@given(st.lists(st.sampled_from(PIECES + SPACED), min_size=1, max_size=9).map("".join))
@settings(max_examples=400, deadline=None)
def test_what_is_read_is_what_yaml_says(text: str) -> None:
    try:
        ours = read_without_yaml(text)
    except AssertionError:
        return
    assert ours == nodes.parse(text, Source("x", text))


@pytest.mark.parametrize("name", library.names())
def test_shipped_kernels_are_plain(name: str) -> None:
    text = (library.folder() / f"{name}.yaml").read_text("utf-8")
    assert read_without_yaml(text) == nodes.parse(text, Source("x", text))


@pytest.mark.parametrize(
    "text",
    ["3", "-.5", "wrap", "[1, 2]", "offsets/swirl.npy", "weights.npz::conv1", "[[0,-1,0],[-1,5,-1],[0,-1,0]]",
     "{type: separable, taps: [1, 2, 1], divisor: sum}", "{gaussian: {sigma: 2}}", "5 # five", "a:\n- [1]\n- [2]\n",
     "{a: b.npz::c}", "[a::1]"],
)  # fmt: skip
def test_command_lines_are_plain(text: str) -> None:
    assert read_without_yaml(text) == nodes.parse(text, Source("x", text))


@pytest.mark.parametrize(
    "text", ["", "#", "a:", "a: 1\na: 2", "[1, 2", "[1, 2,]", "{a}", "a: 'b'", "a: &x 1", "[" * 40 + "]" * 40, "é"]
)
def test_the_rest_is_left_to_yaml(text: str) -> None:
    with pytest.raises(AssertionError, match="left to PyYAML"):
        read_without_yaml(text)


def test_errors_keep_their_places() -> None:
    with pytest.raises(KernelError, match="inline kernel:2:19: row 2 has 1 tap"):
        library.load("about: two rows\nweights: [[1, 2], [3]]\n")
