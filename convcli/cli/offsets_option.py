"""`--offsets-out`: the offsets that a kernel predicts of a picture, as an array file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from convcli.errors import ImageError, UsageError, reason

if TYPE_CHECKING:
    from convcli.batch import Settings
    from convcli.batch.names import Job


def run_recorded(path: str, jobs: Sequence[Job], settings: Settings, run: Callable[[Settings], int]) -> int:
    """`run` with the kernel that looks at the picture writing its offsets to `path`, if it ends well; its exit code.

    Raises `UsageError` where there is not one input and one such kernel, or a file that is not to be replaced.
    """
    from convcli.batch import temporaries

    looking = [kernel for kernel in settings.kernels if kernel.looks]
    if len(jobs) != 1 or settings.pictures.all_frames:
        raise UsageError(f"--offsets-out is for one picture; there are {len(jobs)} inputs or all frames of one")
    if len(looking) != 1:
        fact = f"--offsets-out is for one kernel whose offsets follow from the picture; here are {len(looking)}"
        raise UsageError(fact, hint="offsets: {along: {}}, or {branch: ...}")
    if looking[0].type == "combined":
        fact = f"--offsets-out is for a kernel alone; '{looking[0].name}' combines several"
        raise UsageError(fact, hint="-k with the one of its kernels whose offsets are wanted")
    if not path.endswith(".npy"):
        raise UsageError(f"--offsets-out {path}: offsets are written as .npy", hint=f"{path}.npy")
    if os.path.lexists(path) and not settings.overwrite:
        raise UsageError(f"--offsets-out {path}: it exists", hint="--overwrite replaces it")
    temporary = ""
    try:
        handle, temporary = temporaries.create(Path(path).parent)
        with os.fdopen(handle, "wb"):
            recording = [k.replace(recorded=temporary) if k is looking[0] else k for k in settings.kernels]
            code = run(replace(settings, kernels=recording))
            if code == 0:
                if not Path(temporary).stat().st_size:
                    fact = "there are no offsets: the picture was done by an earlier run"
                    raise ImageError(fact, place=path, hint="leave out --resume")
                temporaries.put(temporary, path, overwrite=settings.overwrite)
        return code
    except OSError as error:
        raise ImageError(reason(error), place=path) from error
    finally:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
