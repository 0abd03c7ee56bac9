"""Array files, proved by numpy's own reader and writer, and against files that lie or would run code."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, floating_dtypes, integer_dtypes, unsigned_integer_dtypes

from convcli.errors import ImageError
from convcli.files.npy import npy_header, read_npy, write_npy
from convcli.pictures import decode
from convcli.pictures.codecs import full_range
from convcli.pictures.encoding import encode

Array = np.ndarray[Any, Any]


def saved(array: Array, **options: bool) -> bytes:
    out = io.BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def zipped(**members: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **members)
    return out.getvalue()


def with_header(text: str, body: bytes = b"") -> bytes:
    head = text.encode("latin-1") + b"\n"
    return b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head + body


plain_numbers = integer_dtypes() | unsigned_integer_dtypes() | floating_dtypes() | st.just(np.dtype("?"))


@given(plain_numbers.flatmap(lambda dtype: arrays(dtype, array_shapes(min_dims=0, min_side=0))), st.booleans())
@settings(max_examples=150, deadline=None)
def test_numpys_files_are_read(array: Array, fortran: bool) -> None:
    stored = array.copy(order="F") if fortran else array
    back = read_npy(saved(stored), place="a.npy")
    assert back.dtype == array.dtype.newbyteorder("=") and back.shape == array.shape
    assert np.array_equal(back, array, equal_nan=array.dtype.kind == "f")
    assert back.dtype.isnative and back.flags.c_contiguous and back.flags.writeable
    assert npy_header(saved(stored))[0] == array.shape


@given(plain_numbers.flatmap(lambda dtype: arrays(dtype, array_shapes(min_dims=0))))
@settings(max_examples=80, deadline=None)
def test_numpy_reads_our_files(array: Array) -> None:
    back = np.load(io.BytesIO(write_npy(array)), allow_pickle=False)
    assert back.dtype == array.dtype and back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_views_are_written_right() -> None:
    array: Array = np.arange(24.0).reshape(2, 3, 4)
    views: list[Array] = [array.T, array[::-1, :, ::2], np.array(3.5)]
    for view in views:
        assert np.array_equal(np.load(io.BytesIO(write_npy(view))), view)


def test_archives() -> None:
    first, second = np.arange(6).reshape(2, 3), np.ones(4, ">f4")
    assert np.array_equal(read_npy(zipped(weights=first), place="a.npz"), first)
    both = zipped(weights=first, bias=second)
    assert np.array_equal(read_npy(both, place="a.npz::bias"), second)
    assert np.array_equal(read_npy(both, place="folder::x/a.npz::weights.npy"), first)
    with pytest.raises(ImageError, match="it holds 2 arrays: weights, bias") as caught:
        read_npy(both, place="a.npz")
    assert "archive.npz::name" in caught.value.hint
    with pytest.raises(ImageError, match="it has no array 'wieghts'; it holds weights, bias") as caught:
        read_npy(both, place="a.npz::wieghts")
    assert caught.value.hint == "did you mean 'weights'?"


class Bomb:
    """Pickles to a call; unpickling it would raise."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('unpickled')",)


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (saved(np.array([Bomb()], object), allow_pickle=True), "Python objects"),
        (pickle.dumps([1]), "not an .npy file"),
        (b"", "not an .npy file"),
        (b"\x93NUMPY", "version 0"),
        (b"\x93NUMPY\x09\0\x10\0", "version 9"),
        (saved(np.ones(3))[:40], "header promises 118 bytes, 30 are left"),
        (saved(np.ones(3))[:-1], r"numbers of shape \(3,\), 24 bytes; 23 are left"),
        (saved(np.ones(3, complex)), "complex numbers"),
        (saved(np.array(["a"])), "text"),
        (saved(np.array([b"a"])), "holds bytes"),
        (saved(np.zeros(2, "f4,i4")), "records"),
        (saved(np.zeros(2, "V8")), "records"),
        (saved(np.zeros(2, "M8[s]")), "times"),
        (saved(np.zeros(2, "m8[s]")), "time spans"),
        (saved(np.zeros(2, np.longdouble)), "long floats"),
        (
            with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1 << 40, 1 << 40)}"),
            "not a Python dictionary",
        ),
        (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (999999, 999999)}"), "999999"),
        (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", bytes(8)), r"shape \(-1,\)"),
        (with_header("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 0, 4611686018427387903)}"), r"shape \(3, 0"),
        (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}", bytes(8)), r"shape \(True,\)"),
        (with_header("{'descr': '<f8', 'fortran_order': 0, 'shape': (1,)}", bytes(8)), "fortran_order 0"),
        (with_header("{'descr': '<f8', 'shape': (1,)}", bytes(8)), "lacks"),
        (with_header("__import__('os').abort()"), "not a Python dictionary"),
        (with_header("[" * 60000), "not a Python dictionary"),
        (b"PK\3\4 and then nothing", "damaged .npz"),
        (zipped(weights=np.ones(40))[:-30], "damaged .npz"),
    ],
)
def test_other_files_are_refused(data: bytes, part: str) -> None:
    with pytest.raises(ImageError, match=part) as caught:
        read_npy(data, place="a.npy")
    assert str(caught.value).startswith("a.npy: ") and "\n" not in str(caught.value)


def test_archives_that_inflate_are_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.npy", saved(np.ones(3)) + bytes(50_000_000))
    assert len(out.getvalue()) < 100_000
    with pytest.raises(ImageError, match=r"inflates to 50000152 bytes, where <f8 numbers of shape \(3,\) need 24"):
        read_npy(out.getvalue(), place="a.npz")


def test_truncated_archives_never_escape() -> None:
    data = zipped(weights=np.arange(60.0), bias=np.arange(3.0))
    for length in range(2, len(data), 7):
        with pytest.raises(ImageError):
            read_npy(data[:length], place="a.npz::bias")
    for at in range(4, len(data), 5):
        damaged = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        try:
            read_npy(damaged, place="a.npz::bias")
        except ImageError:
            continue


def test_raw_pixels() -> None:
    pixels = np.arange(24, dtype=np.uint16).reshape(2, 3, 4) * 2000
    data = encode(pixels, format="pam", place="")
    assert data.startswith(b"P7\nWIDTH 3\nHEIGHT 2\nDEPTH 4\nMAXVAL 65535\nTUPLTYPE RGB_ALPHA\nENDHDR\n")
    assert np.array_equal(decode(data, place="").pixels, pixels)
    with pytest.raises(ImageError, match="truncated PNM: its pixels need 48 bytes, 47 are left"):
        decode(data[:-1], place="")
    grey = np.array([[[0], [255]]], np.uint8)
    assert encode(grey, format="pnm", place="") == b"P5\n2 1\n255\n\x00\xff"
    floats = np.array([[[1.5]], [[-2.0]]], np.float32)
    assert encode(floats, format="pfm", place="") == b"Pf\n1 2\n-1.0\n" + np.array([-2, 1.5], "<f4").tobytes()


@given(st.integers(1, 255), st.integers(0, 255))
def test_full_range_rounds(maximum: int, value: int) -> None:
    value = min(value, maximum)
    (scaled,) = full_range(np.array([value], np.uint8), maximum)
    assert abs(int(scaled) * maximum - value * 255) * 2 <= maximum
