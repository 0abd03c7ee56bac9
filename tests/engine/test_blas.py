"""Whose instructions OpenBLAS takes: those for AVX-512 wherever there are such, unless somebody else has chosen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convcli.engine import blas
from convcli.engine.processor import WIDE

#: Zen 5 as Linux describes it: family 26, which OpenBLAS 0.3.31 takes for one with AVX2.
ZEN5 = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 26
flags\t\t: fpu sse2 avx avx2 fma avx512f avx512dq avx512ifma avx512cd avx512bw avx512vl avx_vnni avx512_bf16
bogomips\t: 5192.24
"""


@pytest.mark.parametrize(
    ("processors", "listed"),
    [
        (ZEN5, True),
        (ZEN5.replace(" avx512bw", ""), False),
        (ZEN5.replace("avx512", "avx"), False),
        ("Features\t: fp asimd evtstrm aes crc32\n", False),
        ("", False),
    ],
    ids=["Zen 5", "Xeon Phi", "AVX2", "ARM", "nothing"],
)
def test_avx512_is_what_all_of_its_kernels_need(processors: str, listed: bool) -> None:
    assert blas.is_listed(processors) is listed


def _core(code: str, **variables: str) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"} | variables
    ask = "; from convcli.engine import blas, processor; print(blas.core(), processor.processor().name, sep='/')"
    done = subprocess.run(
        [sys.executable, "-c", code + ask], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip().split("/")


@pytest.mark.skipif(not blas.core(), reason="numpy has another BLAS")
def test_openblas_takes_avx512_where_there_is_such_and_nobody_chose() -> None:
    alone = _core("import numpy")
    core, kind = _core("import convcli; convcli.load")
    wide = Path("/proc/cpuinfo").exists() and blas.is_listed(Path("/proc/cpuinfo").read_text("utf-8"))
    assert core == (blas.AVX512 if wide else alone[0])
    assert (kind == WIDE.name) is (wide and core == blas.AVX512)
    assert _core("import numpy, convcli; convcli.load") == alone  # what is loaded stays as it is
    assert _core("import convcli; convcli.load", OPENBLAS_CORETYPE="Haswell")[0] == "Haswell"
