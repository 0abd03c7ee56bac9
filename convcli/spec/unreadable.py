"""Files that hold no kernel by their names: pictures, other programs' networks, and those that are not there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from convcli.errors import KernelError, closest


def check(path: Path, endings: Iterable[str], shipped: Iterable[str]) -> None:
    """Raises `KernelError` for a file that is none of these `endings`, or is absent; `shipped` are kernels' names."""
    if path.suffix not in endings:
        from convcli.spec.words import FOREIGN, PICTURES

        ending = path.suffix[1:].lower()
        if ending in PICTURES:
            raise KernelError(f"{path} is a picture, no kernel", hint="pictures stand before -k, kernels behind it")
        if ending in FOREIGN:
            raise KernelError(f"{path}: {path.suffix} files are not read", hint=FOREIGN[ending])
    elif not os.path.lexists(path):
        try:
            near = closest(path.name, [one.name for one in path.parent.iterdir()])
        except OSError:  # nor is there the folder, or it can't be read
            near = ""
        hint = f"did you mean {path.with_name(near)}?" if near else "'convcli list' shows kernels by name"
        if path.stem in shipped:
            hint = f"the shipped kernel is {path.stem}, without an ending"
        raise KernelError("no such file or directory", place=str(path), hint=hint)
