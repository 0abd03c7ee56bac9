"""What Python programs hand over as arrays: what numpy makes of it, where those are real numbers that can be filtered.

Source: numpy's interoperability protocols (`__array__`, `__array_interface__`, `__dlpack__`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from convcli.errors import UsageError
from convcli.ops.tensors import PROTOCOLS, has_protocol, is_array
from convcli.records import late

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = late("numpy")

#: What is to be done with samples that are no real numbers, by the kind of their dtype.
_INSTEAD: Final = {
    "c": "filter x.real and x.imag, or abs(x)",
    "O": "x.astype(float) makes numbers of objects that are some",
    "S": "x.astype(float) reads numbers out of text",
    "U": "x.astype(float) reads numbers out of text",
    "m": "x.astype('int64') counts units of time",
    "M": "x.astype('int64') counts units of time",
}


def real_array(value: Any) -> npt.NDArray[Any]:
    """The plain numpy array of real numbers in `value`, without a copy where it is one.

    Taken are arrays and their subclasses, what has a protocol of numpy's (tensors in a computer's own memory, tables,
    images), and nested lists. Raises `UsageError` for all else, for masked arrays and images with a palette, and where
    there is a dtype other than of booleans, integers, or floats of up to 64 bits.
    """
    if type(value) is np.ndarray:
        check_dtype(value.dtype)
        return value
    what = type(value).__name__
    if not is_array(value) and not isinstance(value, list | tuple):
        hint = "lists of rows are taken, and what has __array__ (tensors)"
        raise UsageError(f"{what}: not an array", hint=hint)
    if any(_is_masked(part) for part in (value, *(value if isinstance(value, list | tuple) else ()))):
        raise UsageError("a masked array does not say what its masked samples are", hint="x.filled(0) says it")
    mode = getattr(value, "mode", None)
    if isinstance(mode, str) and mode in ("P", "PA"):
        raise UsageError("an image with a palette holds places in it, no colours", hint="image.convert('RGB')")
    try:
        by_dlpack = is_array(value) and not any(has_protocol(value, name) for name in PROTOCOLS[:-1])
        array: npt.NDArray[Any] = np.from_dlpack(value) if by_dlpack else np.asarray(value)
    except Exception as error:  # whatever another library raises
        reason = " ".join(str(error).split())
        hint = "rows of one length" if isinstance(value, list | tuple) else "numpy.asarray(x) has to take it"
        raise UsageError(f"no array can be made of a {what}: {reason or type(error).__name__}", hint=hint) from error
    check_dtype(array.dtype)
    return array


def _is_masked(value: Any) -> bool:
    return hasattr(value, "filled") and hasattr(value, "mask")


def sample_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """The numpy dtype that results are asked for in; raises `UsageError` for what is none, or none of real numbers."""
    try:
        kind = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):
        raise UsageError(f"{dtype!r} is no dtype of numpy", hint="'float32' or numpy.uint8, for example") from None
    check_dtype(kind)
    return kind


def check_dtype(dtype: np.dtype[Any]) -> None:
    """Raises `UsageError` unless samples of `dtype` are booleans, integers, or floats of up to 64 bits."""
    if dtype.kind == "f" and dtype.itemsize > 8:
        fact = f"an array of dtype {dtype} has {8 * dtype.itemsize} bits a number; at most 64 are filtered"
        raise UsageError(fact, hint="x.astype('float64')")
    if dtype.kind not in "buif":
        names = dtype.names or ()
        hint = f"x['{names[0]}'] is one of its fields" if names else _INSTEAD.get(dtype.kind, "x.astype('float32')")
        raise UsageError(f"an array of dtype {dtype} holds no real numbers", hint=hint)
