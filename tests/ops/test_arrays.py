"""Arrays of other libraries, of other kinds and in other orders: taken as numpy takes them, or refused in one line."""

from __future__ import annotations

import array
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convcli
from convcli.errors import ConvcliError, KernelError, UsageError

X = np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8)
WEIGHTS = np.array([[0.0, 1.0, 0.5], [1.0, -2.0, 0.25], [0.5, 1.0, 0.0]])


class ByArray:
    """As pandas and torch do it."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self._values if dtype is None else self._values.astype(dtype)


class ByInterface:
    """As older libraries do it."""

    def __init__(self, values: Any) -> None:
        self._values = values
        self.__array_interface__ = values.__array_interface__


class ByDLPack:
    """As libraries do that know no numpy."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def __dlpack__(self, **options: Any) -> Any:
        return self._values.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._values.__dlpack_device__()


class OnAnotherDevice:
    """A tensor that refuses, over two lines, with a dtype that is not numpy's."""

    dtype, ndim = "torch.float32", 2

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.\nUse tensor.detach().numpy() instead.")


def imported(name: str, make: str) -> Any:
    """What another library makes of an array, where it is installed."""
    return lambda values: getattr(pytest.importorskip(name), make)(values)


FORMS = {
    "by __array__": ByArray, "by __array_interface__": ByInterface, "by DLPack": ByDLPack,
    "lists": lambda values: values.tolist(), "tuples": lambda values: tuple(map(tuple, values.tolist())),
    "a list of arrays": list, "a subclass": lambda values: values.view(np.recarray),
    "torch": imported("torch", "from_numpy"), "xarray": imported("xarray", "DataArray"),
    "pandas": lambda values: pytest.importorskip("pandas").DataFrame(values),
}  # fmt: skip


def plain(values: Any) -> Any:
    return values[..., 0] if values.ndim == 3 else values


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_filtered_as_numpys_array(form: str) -> None:
    values = X if form not in ("pandas",) else plain(X)
    supplied = FORMS[form](values)
    result = convcli.apply(supplied, "sharpen")
    assert type(result) is np.ndarray
    wanted = values if "lists" not in form and form != "tuples" else values.astype(np.int64)
    assert np.array_equal(result, convcli.apply(wanted, "sharpen")) and result.dtype == wanted.dtype


@pytest.mark.parametrize("form", FORMS)
def test_every_form_makes_weights(form: str) -> None:
    wanted = convcli.apply(X, {"weights": WEIGHTS}, dtype=float)
    supplied = FORMS[form](WEIGHTS)
    assert np.array_equal(convcli.apply(X, {"weights": supplied}, dtype=float), wanted)
    taps = {"type": "separable", "taps": {"y": FORMS[form](WEIGHTS)[0] if form == "lists" else WEIGHTS[0], "x": [1]}}
    assert convcli.load(taps).taps == (3, 1)


@pytest.mark.parametrize("dtype", ["?", "u1", "i8", "f2", "f4", ">f8", ">i2"])
def test_weights_lie_anywhere(dtype: str) -> None:
    weights = (WEIGHTS * 4).astype(dtype)
    wanted = convcli.apply(X, {"weights": weights.astype(float).tolist()}, dtype=float)
    spread = np.zeros((6, 9), dtype)
    spread[::2, ::3] = weights
    backwards = np.ascontiguousarray(weights[::-1, ::-1])[::-1, ::-1]
    locked = weights.copy()
    locked.flags.writeable = False
    for view in (weights, spread[::2, ::3], backwards, np.asfortranarray(weights), locked):
        assert np.array_equal(convcli.apply(X, {"weights": view}, dtype=float), wanted)


def test_a_matrix_is_an_array_of_two_axes() -> None:
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix(plain(X))
    result = convcli.apply(matrix, "gaussian")
    assert type(result) is np.ndarray and np.array_equal(result, convcli.apply(plain(X), "gaussian"))
    assert np.array_equal(convcli.load({"weights": matrix}).parts()["weights"], plain(X))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "1", "I", "F", "I;16", "CMYK"])
def test_pillows_images(mode: str) -> None:
    image = (
        Image.fromarray(X).convert("L").convert(mode)
        if mode in ("I;16", "F", "I")
        else Image.fromarray(X).convert(mode)
    )
    result = convcli.apply(image, "box")
    assert np.array_equal(result, convcli.apply(np.asarray(image).copy(), "box"))
    assert result.dtype == np.asarray(image).dtype


def test_a_palette_is_no_picture() -> None:
    with pytest.raises(UsageError, match="palette") as caught:
        convcli.apply(Image.fromarray(X).convert("P"), "box")
    assert eval(caught.value.hint, {"image": Image.fromarray(X).convert("P")}).mode == "RGB"


CLOSED = Image.fromarray(X)  # whose protocol can't even be asked for
CLOSED.close()
REFUSED: dict[str, Any] = {
    "complex": np.ones((9, 9), complex), "objects": np.ones((9, 9), object), "text": np.full((9, 9), "a"),
    "bytes": np.full((9, 9), b"a"), "times": np.zeros((9, 9), "M8[s]"), "spans": np.zeros((9, 9), "m8[s]"),
    "records": np.zeros((9, 9), [("a", float), ("b", int)]), "raw": np.zeros((9, 9), "V3"),
    "long double": np.ones((9, 9), np.longdouble), "complex of long doubles": np.ones((9, 9), np.clongdouble),
    "masked": np.ma.masked_array(np.ones((9, 9)), np.eye(9)), "masked nowhere": np.ma.masked_array(np.ones((9, 9))),
    "a list of masked": [np.ma.masked_array(np.ones(9), np.ones(9))] * 9, "rows of other lengths": [[1, 2], [3]],
    "numbers and rows": [1, [2, 3]], "numbers and nothing": [[1, None], [2, 3]], "words": [["a", "b"]],
    "numbers of 65 bits": [[2**64, 1]], "on another device": OnAnotherDevice(), "a set": {1, 2}, "a number": 5.0,
    "text alone": "1 2 3", "an iterator": iter([1, 2]), "a type": np.ndarray, "an empty list": [], "0-d": np.array(1.0),
    "a palette": Image.fromarray(X).convert("P"), "a closed image": CLOSED,
}  # fmt: skip
if np.dtype(np.longdouble).itemsize <= 8:
    del REFUSED["long double"]


@pytest.mark.parametrize("name", REFUSED)
def test_all_else_is_refused_in_a_line(name: str) -> None:
    with pytest.raises(ConvcliError) as caught:
        convcli.apply(REFUSED[name], "identity")
    assert "\n" not in caught.value.fact + caught.value.hint and (caught.value.hint or name == "an empty list")
    if name == "0-d":  # a number is a kernel of one tap in a kernel file
        return
    with pytest.raises(KernelError) as caught_of_weights:
        convcli.load({"weights": REFUSED[name]})
    assert "\n" not in caught_of_weights.value.fact


def test_what_to_do_does_it() -> None:
    for name in ("objects", "records", "long double", "times", "masked"):
        if name in REFUSED:
            with pytest.raises(UsageError) as caught:
                convcli.apply(REFUSED[name], "identity")
            typed = re.match(r"x[.\[].*?[)\]]", caught.value.hint)
            assert typed
            assert convcli.apply(eval(typed[0], {"x": REFUSED[name]}), "identity").shape == (9, 9)


@pytest.mark.parametrize("dtype", [complex, object, "U3", "M8[s]", "longdouble", [("a", int)], "foo", 5, "f3"])
def test_results_have_a_dtype_of_real_numbers(dtype: Any) -> None:
    if dtype == "longdouble" and "long double" not in REFUSED:
        return
    for call in (lambda: convcli.apply(X, "box", dtype=dtype), lambda: convcli.plan("box", (9, 9), dtype)):
        with pytest.raises(UsageError):
            call()


def test_an_algorithm_or_layout_that_there_is_not() -> None:
    with pytest.raises(UsageError, match="no algorithm is called 'fft'"):
        convcli.load("gaussian").apply(X, algorithm="fft")
    with pytest.raises(UsageError, match="no algorithm"):
        convcli.plan("gaussian", (9, 9), algorithm="fft")
    wrong: Any = ("y", "x", "c")
    with pytest.raises(UsageError, match="a layout is letters"):
        convcli.apply(X, "gaussian", wrong)


def test_booleans_are_0_and_1() -> None:
    mask = np.random.default_rng(0).random((12, 12)) < 0.5
    result = convcli.apply(mask, "box:size=3")
    assert result.dtype == bool
    assert np.array_equal(result, convcli.apply(mask.astype(np.float64), "box:size=3") > 0.5)
    assert np.array_equal(convcli.apply(mask, "sobel-x", dtype="i1"), convcli.apply(mask.astype("i1"), "sobel-x"))


def test_an_array_of_pythons_own() -> None:
    row = array.array("d", [1, 2, 3, 4])
    kernel = {"axes": "x", "weights": array.array("d", [1, 2, 1])}
    assert np.array_equal(convcli.apply(np.asarray(row), kernel), convcli.apply([1.0, 2, 3, 4], kernel))


# --- which axis is which ----------------------------------------------------------------------------------------------
