"""Measures convcli beside the libraries and programs that people use, on pictures it makes itself."""

from convcli.engine.blas import prefer_avx512

prefer_avx512()
