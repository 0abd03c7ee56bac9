"""Arrays as files: .npy and .npz, read as data and never as programs, and the raw pixels of PGM, PPM, PAM and PFM.

Source: NEP 1 (a simple file format for NumPy arrays); Netpbm's pgm(5), ppm(5), pam(5), pfm(5).
"""

from __future__ import annotations

import io
import math
import re
import zlib
from typing import TYPE_CHECKING, Any, Final

from convcli.errors import ImageError, suggestion
from convcli.records import late

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
else:
    np = late("numpy")

NPY_SIGNATURE: Final = b"\x93NUMPY"
_MOST: Final = 1 << 48  # numbers of an array: more than any file has
_LONGEST_HEADER: Final = 1 << 16
_LARGEST_MEMBER: Final = 1 << 32  # bytes that one member of an .npz may inflate to
_DTYPE: Final = r"[<>|=]?(?:b1|[iu][1248]|f[248])"
_KINDS: Final = {
    "f": "long floats",
    "O": "Python objects",
    "c": "complex numbers",
    "S": "bytes",
    "U": "text",
    "V": "records",
}
_KINDS_OF_TIME: Final = {"m": "time spans", "M": "times"}


def npy_header(data: bytes) -> tuple[tuple[int, ...], str, bool, int]:
    """(shape, dtype, Fortran order, where the numbers start) of an .npy file, without numpy.

    Raises ValueError, saying what is wrong, where the header isn't one or its dtype is structured.

    >>> head = b"\\x93NUMPY\\1\\0\\x3a\\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}"
    >>> npy_header(head.ljust(67) + b"\\n" + bytes(24))
    ((2, 3), '<f4', False, 68)
    """
    import ast

    if not data.startswith(NPY_SIGNATURE):
        raise ValueError("not an .npy file: it doesn't start with \\x93NUMPY")
    version, minor = data[6:8] if len(data) > 8 else (0, 0)
    if version not in (1, 2, 3) or minor:
        raise ValueError(f"an .npy file of version {version}.{minor}; 1.0, 2.0 and 3.0 are known")
    start = 10 if version == 1 else 12
    length = int.from_bytes(data[8:start], "little")
    if length > _LONGEST_HEADER or start + length > len(data):
        raise ValueError(f"its header promises {length} bytes, {max(0, len(data) - start)} are left")
    text = data[start : start + length].decode("utf-8" if version == 3 else "latin-1", "replace")
    try:
        fields = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise ValueError("its header is not a Python dictionary") from None
    if not isinstance(fields, dict) or set(fields) != {"descr", "fortran_order", "shape"}:
        raise ValueError("its header lacks descr, fortran_order or shape")
    dtype, order, shape = fields["descr"], fields["fortran_order"], fields["shape"]
    if not isinstance(dtype, str):
        raise ValueError("it holds records (a structured dtype), not plain numbers")
    if not isinstance(order, bool) or not isinstance(shape, tuple) or len(shape) > 32:
        raise ValueError(f"its header says shape {shape!r:.80}, fortran_order {order!r:.80}")
    whole = all(type(side) is int and side >= 0 for side in shape)
    # numpy refuses shapes of too many numbers also where a side of 0 leaves none.
    if not whole or math.prod(side or 1 for side in shape) >= _MOST:
        raise ValueError(f"its header says shape {shape!r:.80}")
    return shape, dtype, order, start + length


def read_npy(data: bytes, *, place: str) -> Array:
    """The array in an .npy file, or in an .npz archive, in native byte order and C order.

    `place` names the file in errors; `archive.npz::member` picks one array of several. Booleans, integers and floats
    are read. The numbers are taken as data: nothing is unpickled, and a file that lacks numbers costs no memory.

    Raises ImageError for anything else.
    """
    if data.startswith(b"PK"):
        data = _member(data, place)
    try:
        shape, dtype, fortran, start = npy_header(data)
    except ValueError as error:
        raise ImageError(str(error), place=place) from None
    if not re.fullmatch(_DTYPE, dtype):
        kind = (_KINDS | _KINDS_OF_TIME).get(dtype.lstrip("<>|=")[:1], "unknown values")
        fact = f"it holds {kind} (dtype {dtype!r:.40}); booleans, integers and floats are read"
        raise ImageError(fact, place=place)
    stored = np.dtype(dtype)
    needed = math.prod(shape) * stored.itemsize
    if needed > len(data) - start:
        fact = f"its header promises {dtype} numbers of shape {shape}, {needed} bytes; {len(data) - start} are left"
        raise ImageError(fact, place=place)
    flat = np.frombuffer(data, stored, math.prod(shape), start)
    array = flat.reshape(shape[::-1]).transpose() if fortran else flat.reshape(shape)
    return np.array(array, stored.newbyteorder("="), order="C")


def _member(data: bytes, place: str) -> bytes:
    """The bytes of the one member of an .npz archive, or of the one that `place` names behind `::`."""
    import zipfile

    wanted = place.rpartition("::")[2] if "::" in place else ""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            known = ", ".join(members) or "none"
            if not wanted and len(members) != 1:
                fact = f"it holds {len(members)} arrays: {known}"
                raise ImageError(fact, place=place, hint="name one of them, as in archive.npz::name")
            info = members.get(wanted.removesuffix(".npy")) if wanted else next(iter(members.values()))
            if info is None:
                hint = suggestion(wanted, members)
                raise ImageError(f"it has no array '{wanted}'; it holds {known}", place=place, hint=hint)
            if info.file_size > _LARGEST_MEMBER:
                size = f"inflates to {info.file_size} bytes; at most {_LARGEST_MEMBER} are read"
                raise ImageError(f"its array '{info.filename}' {size}", place=place)
            with archive.open(info) as member:
                _check_member(member.read(_LONGEST_HEADER + 12), info.file_size, place)
            return archive.read(info)
    except unreadable() as error:
        raise ImageError(f"damaged .npz archive: {error}", place=place) from None


def unreadable() -> tuple[type[Exception], ...]:
    """What an array file that is none, or a damaged archive, makes Python's and numpy's own readers raise."""
    import zipfile

    return (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)


def _check_member(head: bytes, size: int, place: str) -> None:
    """Refuse a member whose own header does not account for the bytes that it would inflate to."""
    try:
        shape, dtype, _, start = npy_header(head)
    except ValueError as error:
        raise ImageError(str(error), place=place) from None
    width = int(dtype[-1]) if re.fullmatch(_DTYPE, dtype) else 0
    if width and size > start + math.prod(shape) * width + 4096:
        fact = f"it inflates to {size} bytes, where {dtype} numbers of shape {shape} need {math.prod(shape) * width}"
        raise ImageError(fact, place=place)


def write_npy(array: Array) -> bytes:
    """An .npy file (version 1.0) of a numeric array, in C order and its own dtype."""
    out = io.BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(array).reshape(array.shape), version=(1, 0), allow_pickle=False)
    return out.getvalue()
