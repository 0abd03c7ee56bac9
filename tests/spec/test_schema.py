"""The JSON Schema of kernel files says what their reader says, as far as a schema can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings, strategies as st

import convcli
from convcli.errors import KernelError
from convcli.ops import TYPES
from convcli.spec.schema import schema
from tests.support import KERNELS, SAMPLES, run

SCHEMA = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
INVALID = sorted((Path(__file__).with_name("data") / "invalid").glob("*.yaml"))

#: Invalid kernels in which a schema finds no mistake: its view is of fields one by one, not of how they fit together,
#: of files, of sums, or of what stands in the text but not in the values.
BEYOND_A_SCHEMA = {
    *("anchor", "duplicate-key", "duplicate-key-in-rule", "merge-key", "nested-33-levels", "tag-standard"),  # text
    *("flip-is-on", "hexadecimal", "sexagesimal", "underscored"),  # what YAML 1.1 takes for a number or a truth
    *("nan", "rule-parameter-nan"),  # numbers that compare with nothing
    *("ragged-rows", "ragged-planes", "pointwise-ragged", "pointwise-rank", "pointwise-mismatch", "bias-rank-2"),
    *("bias-count", "rank-6", "rank-does-not-fit-axes", "groups-do-not-divide", "groups-on-kernel"),
    *("divisor-sum-is-0", "divisor-sum-of-rule-is-0", "divisor-sum-of-taps-is-0", "depthwise-sum-0"),
    *("padding-pair-on-one-axis", "padding-too-many", "stride-one-in-list", "stride-too-many"),
    *("rule-disk-along-3-axes", "rule-wrong-rank", "rule-parameter-ranks", "rule-size-by-rank"),
    *("rule-size-huge", "rule-size-in-all", "depthwise-full-bank", "deformable-one-axis", "deformable-three-axes"),
    *("separable-2d-taps", "separable-2d-taps-per-axis", "separable-axes-disagree", "separable-filters-differ"),
    *("separable-groups", "separable-ranks-differ", "transposed-bias", "transposed-groups"),
    *("transposed-output-padding", "transposed-output-padding-entries", "transposed-output-padding-same"),
}
ABOUT_FILES = ("npy-", "npz-", "bias-file-", "deformable-mask-", "deformable-offset-")


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_shipped_schema_is_what_the_command_prints() -> None:
    result = run("schema")
    assert (result.code, result.err) == (0, "")
    assert (KERNELS / "kernel.schema.json").read_bytes() == result.out
    assert json.loads(result.out) == json.loads(json.dumps(SCHEMA))


def test_every_field_and_type_is_described() -> None:
    assert [branch["title"] for branch in SCHEMA["oneOf"][:-1]] == list(TYPES)
    for branch in SCHEMA["oneOf"][:-1]:
        assert all(field["description"] for field in branch["properties"].values())
    for rule in (*SCHEMA["$defs"]["rule"]["oneOf"], *SCHEMA["$defs"]["displacement"]["oneOf"]):
        assert rule["description"].endswith(".")


@pytest.mark.parametrize(
    "path", sorted([*KERNELS.glob("*.yaml"), *(SAMPLES / "kernels").glob("*.yaml")]), ids=lambda path: path.stem
)
def test_every_kernel_of_the_project_is_valid(path: Path) -> None:
    VALIDATOR.validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_the_schema_finds_the_mistakes_that_a_schema_can(path: Path) -> None:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return  # an editor says so itself
    if path.name.startswith((*ABOUT_FILES, "alias-bomb")) and path.stem != "deformable-offset-number":
        return
    assert VALIDATOR.is_valid(values) == (path.stem in BEYOND_A_SCHEMA)


# --- kernels at random ------------------------------------------------------------------------------------------------

RULES: list[Any] = [
    {"gaussian": {"sigma": 1.5}}, {"gaussian": {"sigma": 1, "radius": 2}}, {"box": {"size": 3}}, {"fill": 1, "size": 3},
    {"fill": {"fill": 2, "size": [1, 2]}}, {"binomial": {"size": [3, 5]}}, {"nearest": {}}, {"nearest": None},
    {"cubic": {"a": -0.5}}, {"disk": {"radius": 2}}, {"motion": {"length": 5, "angle": 30}},
    {"difference_of_gaussians": {"sigma": 1}}, {"gabor": {"sigma": 3, "wavelength": 6}},
]  # fmt: skip
WRONG_RULES: list[Any] = [
    {}, {"gausian": {"sigma": 1}}, {"gaussian": {}}, {"gaussian": 2}, {"gaussian": {"sigma": -1}}, {"box": [3, 3]},
    {"gaussian": {"sigma": 1, "width": 2}}, {"box": {"size": 0}}, {"box": {"size": 2.5}}, {"fill": 1},
    {"cubic": {"a": 1}},
    {"gaussian": {"sigma": 1}, "box": {"size": 3}}, {"gabor": {"sigma": [3, 3], "wavelength": 6}}, {"swirl": {}},
    {"gaussian": {"sigma": [1, 2, 3, 4]}}, {"gaussian": {"sigma": []}}, {"gaussian": {"sigma": "wide"}},
]  # fmt: skip
ROWS: list[Any] = [
    [1, 2, 1],
    [[1, 2], [3, 4]],
    [[0.5]],
    [[[1, 2], [0, 1]]],
    [[[[1]], [[2]]]],
    [[[[[1]]]]],
    [[1e-3, -7]],
]
WRONG_ROWS: list[Any] = [
    [], [[]], [1, [2]], [[1, "two"]], [[1, None]], [[True]], 3, None, True, "sharpen", "weights.csv", [[1e19]],
]  # fmt: skip
#: Values per kind of field: right ones, and ones that are wrong in themselves.
VALUES: dict[str, tuple[list[Any], list[Any]]] = {
    "text": (["", "Sharpen.", "sharpen 2x"], [5, None, True, [], {}]),
    "weights": ([*ROWS, *RULES], [*WRONG_ROWS, *WRONG_RULES]),
    "taps": (
        [[1, 2, 1], [[[1, 2]]], {"x": [1, 2]}, {"y": [1], "x": [1, 1]}, {"z": [1], "y": {"box": {"size": 3}}}, *RULES],
        [*WRONG_ROWS, *WRONG_RULES, {"x": [1], "w": [1]}, {"x": 1}, {"x": []}],
    ),
    "array": (
        [1, -0.5, [1], [1, 2, 3], [[1, 2, 3]], [[0.3], [0.6]]],
        [[], None, True, "grey", {}, [[1, "two"]], 1e300],
    ),
    "offsets": (
        [[[[0]], [[1]]], {"swirl": {"angle": 20}}, {"swirl": {}}, {"lens": None}, {"jitter": {"seed": 3}},
         {"along": None}, {"along": {"sigma": 0, "around": 5}}, {"follow": {"squeeze": 1}},
         {"branch": {"weights": [[[[1]]], [[[2]]]], "limit": 2.5, "range": "unit"}},
         {"branch": [{"weights": [[[[1]]]], "activation": "relu"}, {"weights": [[[[1]]], [[[2]]]], "bias": [1, 2]}]}],
        [3, None, True, "swirl", {}, {"gaussian": {"sigma": 1}}, {"lens": {"strength": 1}}, {"jitter": {"seed": 0.5}},
         {"along": {"sigma": -1}}, {"follow": {"around": "wide"}}, {"branch": {}}, {"branch": []}, {"branch": None},
         {"branch": {"weights": [[[[1]]], [[[2]]]], "limit": 0}}, {"branch": {"weights": 3}},
         {"branch": {"weights": [[[[1]]], [[[2]]]], "range": 255}}, {"branch": {"weights": [[1]]}, "limit": 3}],
    ),
    "mask": (
        [[[[0.5]]], {"branch": {"weights": [[[[1]]]], "activation": "sigmoid"}}],
        [[], None, True, "grey", {}, {"along": {}}, {"branch": {"bias": 1}}],
    ),
    "sizes": (
        [1, 2, 3.0, [1, 2], [2], [1, 1, 2]],
        [0, -1, 1.5, "two", True, None, [], [1, 0], [1, 1, 1, 1], {}, 2**40],
    ),
    "padding": (
        ["same", "valid", 0, 2, [1, 2], [[1, 2], [0, 1]], [[1, 2], 0], [1]],
        ["smae", -1, 0.5, True, None, [], [[1, 2, 3], 0], ["same", 1], [1, 1, 1, 1], {}, [[1, -1]]],
    ),
    "border": (
        ["reflect", "symmetric", "replicate", "wrap", "zero", 0, 255, -0.5], ["mirror", "255", None, True, ["zero"]]
    ),
    "activation": (
        ["relu", "sigmoid", "tanh", "abs", {"leaky_relu": 0.1}, {"prelu": [0.5]}, {"clip": [0, 1]}],
        ["prelu", "rellu", 1, None, True, [], {}, {"relu": 1}, {"clip": [1]}, {"clip": 0}, {"leaky_relu": "x"}],
    ),
    "divisor": (["sum", 2, -0.5, 256], [0, "total", None, True, [1], 1e-30, 1e30]),
    "share": ([0, 1, 0.5, 1.5, "50%", "12.5 %"], ["half", "50 percent", "%", None, True, [], {}, 1e300]),
    "flag": ([True, False], [1, "on", None, []]),
    "axes": (["x", "y", "yx", "zyx", "zx"], ["xy", "", 1, None, ["x"], "c"]),
    "whole": ([1, 2, 3.0], [0, -1, 1.5, "two", True, None, [1], {}]),
    "kernels": (
        [["box"], ["sobel-x", "gaussian:sigma=2"], [[[1, 2]], {"weights": [[3]], "dilation": 2}]],
        [[], "box", None, 3, {}, [None], [3], [{"taps": [1]}], [{"weights": [[1]], "type": "conv"}]],
    ),
    "turn": ([0, 45, -90, 180.0, 360], [30, 405, "left", None, True, [90]]),
    "combination": (["magnitude", "sum", "mean", "difference", "max", "min"], ["norm", "", None, 1, ["sum"]]),
}  # fmt: skip


@st.composite
def kernels(draw: st.DrawFn, wrong: bool) -> dict[str, Any]:
    """A kernel of any type whose fields are right one by one, except for one at random if `wrong`."""
    kind = draw(st.sampled_from(sorted(TYPES)))
    fields = {"about": "text"} | {name: field.kind for name, field in TYPES[kind].FIELDS.items()}
    needed = [name for name, field in TYPES[kind].FIELDS.items() if field.required]
    chosen = [*needed, *draw(st.lists(st.sampled_from([name for name in fields if name not in needed]), max_size=3))]
    kernel = {name: draw(st.sampled_from(VALUES[fields[name]][0])) for name in chosen}
    kernel |= {"type": kind} if kind != "dense" or draw(st.booleans()) else {}
    if not wrong:
        return kernel
    variant = draw(st.sampled_from(["value", "value", "value", "missing", "unknown", "type"]))
    if variant == "value":
        name = draw(st.sampled_from(sorted(set(fields) - {"output_padding"})))  # which may be 0
        kernel[name] = draw(st.sampled_from(VALUES[fields[name]][1]))
    elif variant == "missing":
        del kernel[draw(st.sampled_from(needed))]
    elif variant == "unknown":
        kernel[draw(st.sampled_from(["wieghts", "rate", "Stride", "kernel", ""]))] = 1
    else:
        kernel["type"] = draw(st.sampled_from(["conv", "", None, 1, True, ["dense"]]))
    return kernel


def accepted(kernel: Any) -> bool:
    try:
        convcli.load(kernel)
    except KernelError:
        return False
    return True


@settings(max_examples=100, deadline=None)
@given(kernels(wrong=False))
def test_fields_that_are_right_one_by_one(kernel: dict[str, Any]) -> None:
    accepted(kernel)  # or a KernelError: the fields may not fit together
    VALIDATOR.validate(kernel)


@settings(max_examples=100, deadline=None)
@given(kernels(wrong=True))
def test_a_field_that_is_wrong_is_refused_by_both(kernel: dict[str, Any]) -> None:
    assert not accepted(kernel)
    if 1e-30 not in kernel.values():  # the schema has no word for "too close to 0"
        assert not VALIDATOR.is_valid(kernel)


@pytest.mark.parametrize("kind", VALUES)
def test_all_values_are_used_in_kernels_that_load(kind: str) -> None:
    """The generator's right values are right: each loads in some kernel."""
    output: dict[str, list[dict[str, Any]]] = {
        "weights": [{"weights": None}],
        "taps": [{"type": "separable", "taps": None}],
        "array": [
            {"type": "depthwise_separable", "depthwise": [[1]], "pointwise": None},
            {"weights": [[1]], "bias": None},
        ],
        "offsets": [{"type": "deformable", "weights": [[1]], "offsets": None}],
        "mask": [{"type": "deformable", "weights": [[1]], "offsets": {"along": {}}, "mask": None}],
        "sizes": [{"weights": rows, "stride": None} for rows in ([1], [[1]], [[[1]]])],
        "padding": [{"weights": rows, "padding": None} for rows in ([1], [[1]])],
        "axes": [{"weights": rows, "axes": None} for rows in ([1], [[1]], [[[1]]])],
        "whole": [{"weights": [[[[1]]]] * 6, "groups": None}],
        "kernels": [{"type": "combined", "of": None, "by": "max"}],
        "combination": [{"type": "combined", "of": ["box"], "by": None}],
    }  # fmt: skip
    names = {
        "text": "about",
        "activation": "activation",
        "border": "border",
        "divisor": "divisor",
        "flag": "flip",
        "turn": "rotate",
        "share": "amount",
    }
    templates = output.get(kind) or [{"weights": [[1, 0, 0]] * 3, names[kind]: None}]
    for value in VALUES[kind][0]:
        filled = [{name: value if was is None else was for name, was in template.items()} for template in templates]
        fits = any(map(accepted, filled))
        assert fits or value in ({"disk": {"radius": 2}}, {"motion": {"length": 5, "angle": 30}}, RULES[-1]), value
