"""Arrays that know their shape before they are made: numbers in a kernel file, a rule, or an array file.

Shapes are plain Python, so that kernels can be listed, counted and checked without loading numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convcli.errors import KernelError, reason, suggestion
from convcli.files import streams
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = late("numpy")

#: By any of these numpy takes an array from an object: a tensor, a table, an image.
PROTOCOLS = ("__array__", "__array_interface__", "__array_struct__", "__dlpack__")
#: The greatest number taken: over the least divisor it still fits in a float32, and as an offset in 64 bits.
GREATEST = 1e18
#: Files that hold several arrays by name.
MEMBERED = (".npz", ".safetensors", ".onnx")
#: A member of an .npz file holds at most this many bytes when unpacked.
MEMBER_LIMIT = 1 << 31
#: Bytes that may follow the numbers of a member.
SLACK = 4096


@record
class Tensor:
    """Numbers of a known `shape`, made on first use.

    `origin` says where they come from in a user's words: "inline", "gaussian", "conv1.npy". `fail` makes the error for
    numbers that turn out wrong, at the place in a kernel file that names them.
    """

    shape: tuple[int, ...]
    origin: str
    make: Callable[[], npt.NDArray[Any]] = field(repr=False, compare=False)
    fail: Callable[[str], KernelError] = field(default=KernelError, repr=False, compare=False)

    def __reduce__(self) -> tuple[Callable[..., Tensor], tuple[Any, ...]]:
        """Travels to other processes by its numbers, not by the file or rule that they come from."""
        return of_array, (self.native, self.origin)

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @cached_property
    def native(self) -> npt.NDArray[Any]:
        """The numbers in their own dtype; a file stays mapped, not read."""
        try:
            with np.errstate(all="ignore"):  # what isn't finite is found, and told of, by whoever asks
                return self.make()
        except _unreadable() as error:
            raise self.fail(f"{self.origin}: {error}") from error

    @cached_property
    def array(self) -> npt.NDArray[np.float64]:
        """The numbers as float64; raises `KernelError` where one is NaN or infinite."""
        with np.errstate(invalid="ignore"):  # a signalling NaN is one of those found below
            array = np.ascontiguousarray(self.native, dtype=np.float64)
        bad = int(array.size - np.count_nonzero(np.isfinite(array)))
        if bad:
            raise self.fail(f"{self.origin}: {bad} of {array.size} numbers are NaN or infinite")
        if float(array.max(initial=0)) > GREATEST or float(array.min(initial=0)) < -GREATEST:
            raise self.fail(f"{self.origin}: it holds numbers beyond {GREATEST:g}")
        return array


def inline(values: Sequence[float], shape: tuple[int, ...]) -> Tensor:
    """Numbers written out, row-major."""

    def make() -> npt.NDArray[Any]:
        return np.array(values, dtype=np.float64).reshape(shape)

    return Tensor(shape=shape, origin="inline", make=make)


def zeros(shape: tuple[int, ...]) -> Tensor:
    """Zeros in float32."""

    def make() -> npt.NDArray[Any]:
        return np.zeros(shape, np.float32)

    return Tensor(shape=shape, origin="zeros", make=make)


def noise(shape: tuple[int, ...], *, seed: int, scale: float = 1.0) -> Tensor:
    """Normal random numbers in float32, the same for the same seed."""

    def make() -> npt.NDArray[Any]:
        return np.random.default_rng(seed).standard_normal(shape, np.float32) * np.float32(scale)

    return Tensor(shape=shape, origin="random numbers", make=make)


def is_array(value: Any) -> bool:
    """Whether numpy takes an array from `value` by a protocol; so it does from numbers of its own."""
    return not isinstance(value, type) and any(has_protocol(value, name) for name in PROTOCOLS)


def has_protocol(value: Any, name: str) -> bool:
    """Whether `value` has the attribute `name`, also one that can't be had now: numpy is told why."""
    try:
        return hasattr(value, name)
    except Exception:  # a property of another library's, as of an image that was closed
        return True


def of_array(array: Any, origin: str = "array") -> Tensor:
    """A numpy array of real numbers."""
    return Tensor(shape=tuple(array.shape), origin=origin, make=lambda: array)


def reshaped(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The same numbers in the same order, in a shape of as many."""
    if tensor.shape == shape:
        return tensor
    return Tensor(shape=shape, origin=tensor.origin, make=lambda: tensor.native.reshape(shape), fail=tensor.fail)


def from_file(text: str, folder: Path) -> Tensor:
    """The array in `FILE.npy`, or in `FILE.npz::member` (so of `MEMBERED` files), looked up in `folder`.

    Only the header is read here. Raises `KernelError` for a missing file or member, and for one that promises more
    than it holds.
    """
    from convcli.files.npy import npy_header

    name, named, member = text.partition("::")
    path = folder / name
    if named and path.suffix not in MEMBERED:
        raise KernelError(f"it has no members: {', '.join(MEMBERED)} files do", place=str(path), hint=f"write {name}")
    try:
        if path.suffix in MEMBERED[1:]:
            from convcli.ops.weight_files import members

            return members(path).tensor(member)
        if path.suffix == ".npz":
            return _from_archive(path, member)
        with streams.opened(path) as file:
            shape, dtype, _, offset = npy_header(streams.piece(file, 1 << 16))
        _check_size(path.stat().st_size - offset, shape, dtype, str(path))
    except OSError as error:
        raise KernelError(reason(error), place=str(path)) from error
    except _unreadable() as error:
        raise KernelError(str(error), place=str(path)) from error
    return Tensor(shape=shape, origin=text, make=lambda: _map(path))


def _map(path: Path) -> npt.NDArray[Any]:
    mapped: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def archived(path: Path) -> list[str]:
    """The names of the arrays in an .npz file. Raises `KernelError` where it is none, and OSError."""
    import zipfile

    try:
        with streams.opened(path) as opened, zipfile.ZipFile(opened) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    except zipfile.BadZipFile as error:
        raise KernelError(str(error), place=str(path)) from error


def _from_archive(path: Path, member: str) -> Tensor:
    import zipfile

    from convcli.files.npy import npy_header

    members = archived(path)
    with streams.opened(path) as opened, zipfile.ZipFile(opened) as archive:
        if not member and len(members) == 1:
            member = members[0]
        if member not in members:
            known = ", ".join(members) or "no arrays"
            fact = f"it has no member '{member}'; it holds {known}" if member else f"it holds {known}"
            hint = suggestion(member, members) or (f"say which: {path.name}::{members[0]}" if members else "")
            raise KernelError(fact, place=str(path), hint=hint)
        info = archive.getinfo(f"{member}.npy")
        if info.file_size > MEMBER_LIMIT:
            raise KernelError(f"{member} unpacks to {info.file_size} bytes, more than {MEMBER_LIMIT}", place=str(path))
        with archive.open(info) as file:
            shape, dtype, _, offset = npy_header(file.read(1 << 16))
    place = f"{path}::{member}"
    needed = _check_size(info.file_size - offset, shape, dtype, place)
    if info.file_size - offset > needed + SLACK:
        raise KernelError(f"unpacks to {info.file_size} bytes; its numbers need {needed}", place=place)

    def make() -> npt.NDArray[Any]:
        with np.load(path, allow_pickle=False) as archive:
            array: npt.NDArray[Any] = archive[member]
            return array

    return Tensor(shape=shape, origin=f"{path.name}::{member}", make=make)


def _check_size(held: int, shape: tuple[int, ...], dtype: str, place: str) -> int:
    """The bytes that the numbers need; raises `KernelError` where fewer are `held`, or they aren't real numbers."""
    kind, itemsize = dtype[-2:-1] if len(dtype) < 4 else dtype[1], int("".join(c for c in dtype if c.isdigit()) or 1)
    if kind not in "buif":
        raise KernelError(f"holds dtype '{dtype}', not real numbers", place=place)
    if itemsize > 8:
        raise KernelError(f"holds dtype '{dtype}', {8 * itemsize} bits a number; at most 64 are taken", place=place)
    needed = math.prod(shape) * itemsize
    if held < needed:
        raise KernelError(f"promises {needed} bytes of numbers and holds {held}", place=place)
    return needed


def _unreadable() -> tuple[type[Exception], ...]:
    """`arrays.unreadable`, loaded only where something has gone wrong."""
    from convcli.files.npy import unreadable

    return unreadable()
