"""What a run computes, as one number: equal for equal kernels and settings, whatever their files are called."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from convcli.ops.tensors import Tensor

#: Fields that change no pixel: names, words, where errors are put. A class with others says so in its own `ASIDE`.
_ASIDE = frozenset({"name", "about", "group", "notes", "locate"})


def digest(data: bytes | memoryview) -> str:
    """The SHA-256 of a file's bytes in hexadecimal, as `sha256sum` prints it."""
    import hashlib

    return hashlib.sha256(data).hexdigest()


def file_digest(path: str | os.PathLike[str]) -> str:
    """The same of a file, which is read piece by piece. Raises OSError."""
    import hashlib

    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(*values: Any) -> str:
    """A SHA-256 of values: dataclasses by their fields, tensors by their numbers.

    Numbers count by their value (1 is 1.0), mappings without their order. Raises TypeError for what has no content of
    its own, such as a function.
    """
    import hashlib

    hashed = hashlib.sha256()
    for value in values:
        _add(hashed, value)
    return hashed.hexdigest()


def _add(hashed: Any, value: Any) -> None:
    """Feeds one value; each is preceded by its kind and size, so that no two ways of nesting give the same bytes."""
    if value is None or isinstance(value, bool | str):
        text = str(value).encode("utf-8", "surrogateescape")
        hashed.update(b"%s %d " % (type(value).__name__.encode(), len(text)) + text)
    elif isinstance(value, int | float):
        hashed.update(b"number %s " % repr(float(value)).encode())
    elif isinstance(value, Tensor):
        import numpy as np

        array = np.ascontiguousarray(value.native)
        hashed.update(b"tensor %s %s " % (repr(value.shape).encode(), array.dtype.str.encode()))
        hashed.update(array.reshape(-1).view(np.uint8).data)
    elif isinstance(value, Mapping):
        hashed.update(b"mapping %d " % len(value))
        for key in sorted(value):
            _add(hashed, key)
            _add(hashed, value[key])
    elif isinstance(value, Sequence):
        hashed.update(b"sequence %d " % len(value))
        for item in value:
            _add(hashed, item)
    elif dataclasses.is_dataclass(value):
        _add(hashed, _contents(value))
    else:
        raise TypeError(f"{type(value).__name__} has no content that could be hashed")


def _contents(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that count, and its type. Of a rule its name counts: its numbers are the version's."""
    kind = type(value).__qualname__
    if hasattr(value, "parameters") and hasattr(value, "name"):
        return {"": kind, "name": value.name}
    members = {member.name for member in dataclasses.fields(value)} - getattr(value, "ASIDE", _ASIDE)
    return {"": kind} | {name: getattr(value, name) for name in members}
