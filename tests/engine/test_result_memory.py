"""Memory of results: used again when nobody holds what lay in it, and little of it idle."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import convcli
from convcli.engine import memory
from tests.support import PATIENCE


def idle() -> list[int]:
    """The sizes of blocks in which no result lies."""
    return [block.size for block in memory._blocks if block.references == memory._IDLE]


def test_a_result_that_outlives_the_modules_says_nothing() -> None:
    code = (
        "import convcli, cv2, numpy\n"
        "y = convcli.load('gaussian').apply(numpy.ones((700, 900), 'float32'))\n"
        "cv2.held = lambda: y\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert not done.stderr


def test_memory_of_a_large_result_is_used_again_when_it_is_gone() -> None:
    shape = (memory.LEAST // 4 + 1,)
    memory._blocks.clear()
    first = memory.results(shape, np.float32)
    place = first.__array_interface__["data"][0]
    view = first[10:20]
    del first
    second = memory.results(shape, np.float32)
    assert second.__array_interface__["data"][0] != place, "a view of it still lives"
    view[:] = 1
    del view
    third = memory.results(shape, np.float32)
    assert third.__array_interface__["data"][0] == place
    assert third.flags.writeable and third.dtype == np.float32 and third.shape == shape
    del second, third
    assert len(idle()) == 2
    small = memory.results((10, 10), np.uint8)
    assert small.base is None
    huge = memory.results((memory.MOST + 1,), np.uint8)
    del huge
    assert len(idle()) == 2 and max(idle()) < memory.MOST


def test_little_memory_of_results_lies_idle() -> None:
    memory._blocks.clear()
    for sizes in (
        [memory.LEAST << by for by in range(4)] * 4,
        [memory.MOST // 2 - memory.LEAST] * 5,
        [memory.MOST] * 2,
    ):
        held = [memory.results((size,), np.uint8) for size in sizes]
        del held
        assert 0 < len(idle()) <= memory.FEW
        assert sum(idle()) <= 2 * memory.MOST
    first = memory.results((memory.MOST,), np.uint8)
    assert sum(idle()) <= memory.MOST
    del first
    smaller = memory.results((memory.MOST // 2,), np.uint8)
    assert memory.MOST in idle(), "a block of twice the size is not for it"
    del smaller


def test_two_large_results_in_turn_lie_where_the_last_ones_lay() -> None:
    memory._blocks.clear()
    result, places = memory.results((memory.MOST,), np.uint8), set()
    for _ in range(6):
        result = memory.results((memory.MOST,), np.uint8)
        places.add(result.__array_interface__["data"][0])
    assert len(places) == 2


def test_threads_are_never_handed_the_same_memory() -> None:
    size, rounds = memory.LEAST, 300

    def fill(number: int) -> bool:
        whole = True
        for value in range(rounds):
            result = memory.results((size,), np.uint8)
            result[:] = (number + value) % 256
            other = memory.results((size,), np.uint8)
            other[:] = 0
            whole = whole and bool((result == (number + value) % 256).all())
        return whole

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(fill, range(1, 5)))


def test_a_layer_writes_where_its_last_result_was() -> None:
    """Without pages that are fresh from the system."""
    kernel = convcli.load({"weights": np.ones((64, 1, 3, 3)), "groups": 64, "padding": 1, "border": "zero"})
    x = np.zeros((64, 56, 56), np.float32)
    places = {kernel.apply(x, "cyx").__array_interface__["data"][0] for _ in range(4)}
    assert len(places) == 1


@pytest.mark.parametrize("size", [memory.LEAST, 1 << 20, memory.MOST + 1])
def test_large_results_begin_on_a_cache_line(size: int) -> None:
    memory._blocks.clear()
    for _ in range(2):
        result = memory.results((size, 1), np.uint8)
        assert result.__array_interface__["data"][0] % memory.LINE == 0 and result.flags.c_contiguous


def test_results_of_many_kernels_do_not_share_memory() -> None:
    x = np.zeros((3000, 4000, 3), np.uint8)
    kernel = convcli.load("sharpen")
    results = [kernel.apply(x + i) for i in range(3)]
    assert [int(y[5, 5, 0]) for y in results] == [0, 1, 2]
    del results[0]
    again = kernel.apply(x + 7)
    assert [int(y.max()) for y in (*results, again)] == [1, 2, 7]
