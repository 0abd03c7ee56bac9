"""What is asked of numpy's OpenBLAS: whose kernels it takes decides which algorithms are fast."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from convcli.engine import blas
from convcli.engine.processor import NARROW, NARROW_CORES


def _asked(core: str) -> list[str]:
    """What OpenBLAS calls its kernels where it is told to take those of a `core`, and the kind of processor that is."""
    code = "from convcli.engine import blas, processor; print(blas.core(), processor.processor().name, sep='/')"
    variables = {**os.environ, "OPENBLAS_CORETYPE": core}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    return done.stdout.strip().split("/")


@pytest.mark.skipif(blas.core() not in ("Haswell", "Zen", "SkylakeX", "Cooperlake"), reason="no OpenBLAS for x86")
@pytest.mark.parametrize("core", ["Haswell", "Sandybridge"])
def test_without_avx512_of_openblas_a_processor_counts_as_one_without(core: str) -> None:
    assert core in NARROW_CORES
    assert _asked(core) == [core, NARROW.name]
