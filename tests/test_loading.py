"""Libraries without what a command leaves unused of them: they have it when it is used."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap

import pytest

from convcli import loading
from tests.support import environment


def run(code: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", textwrap.dedent(code)], env=environment(), check=True)


def test_numpy_loads_without_what_no_command_uses() -> None:
    """And has it when it is used; the names are those of the numpy that is here."""
    run("""
    import sys
    from importlib.util import find_spec
    from convcli.loading import OF_NUMPY, load_numpy
    load_numpy()
    assert not sys.modules.keys() & {*OF_NUMPY}, sys.modules.keys() & {*OF_NUMPY}
    import numpy, pickle, textwrap
    assert numpy.array_equal(pickle.loads(pickle.dumps(numpy.arange(3))), range(3))
    assert numpy._core._methods.pickle.dumps(1) == pickle.dumps(1)
    assert numpy.dtype("(2,3)f4,i2").itemsize == 26  # read by ast
    assert "numpy.linalg" not in sys.modules
    assert numpy.allclose(numpy.roots([1, 0, -4]), [-2, 2])
    assert numpy.linalg.eigh(numpy.eye(2)).eigenvalues.tolist() == [1, 1]
    assert all(find_spec(name) for name in OF_NUMPY), "a module was renamed: name it here as it is now"
    import inspect, numpy.typing
    assert numpy.typing.NDArray is not list and numpy.typing.NDArray[numpy.uint8]
    assert list(inspect.signature(numpy.roots).parameters) == ["p"]
    before = sys.modules.copy()
    load_numpy()
    assert sys.modules == before
    """)


def test_numpy_has_all_functions_after_all() -> None:
    """Those of modules that it was loaded without are its own, as soon as somebody asks for them."""
    run("""
    import subprocess, sys
    from importlib.util import find_spec
    from convcli.loading import FUNCTIONS_OF_NUMPY, load_numpy
    load_numpy()
    assert not sys.modules.keys() & {*FUNCTIONS_OF_NUMPY}
    import numpy
    assert all(find_spec(name) for name in FUNCTIONS_OF_NUMPY), "a module was renamed: name it here as it is now"
    assert numpy.histogram2d([1], [2], 2)[0].sum() == 1 and numpy.emath.sqrt(-1) == 1j
    assert numpy.unique([3, 1, 1]).tolist() == [1, 3] and numpy.pad([1], 1).tolist() == [0, 1, 0]
    assert numpy.r_[1:3].tolist() == [1, 2] and numpy.multiply.outer([2], [3]) == 6
    from numpy.lib._polynomial_impl import poly1d
    assert numpy.poly1d is poly1d and issubclass(type("Own", (numpy.poly1d,), {}), poly1d)
    names = subprocess.check_output([sys.executable, "-c", "import numpy; print(*numpy.__all__)"], text=True)
    assert sorted(numpy.__all__) == sorted(names.split())
    public = {name: getattr(getattr(numpy, name), "__module__", "") for name in numpy.__all__}
    assert [name for name, home in public.items() if home == "convcli.loading"] == ["emath"], public
    assert not hasattr(numpy, "no_such_name")
    import scipy.special, scipy.ndimage
    """)


def test_click_loads_without_what_no_command_uses() -> None:
    run("""
    import sys
    from importlib.util import find_spec
    from convcli.loading import OF_COMMANDS, without
    with without(OF_COMMANDS):
        import click, pathlib
    assert not sys.modules.keys() & {*OF_COMMANDS}, sys.modules.keys() & {*OF_COMMANDS}
    assert all(find_spec(name) for name in OF_COMMANDS)
    @click.command()
    @click.option("--number", type=click.IntRange(0, 5), help="A number\\n    on two lines.")
    def command(number):
        "What it does.\\n\\n        More."
    assert [one.help for one in command.params] == ["A number\\non two lines."]
    assert "inspect" in sys.modules and "gettext" not in sys.modules
    import datetime, gettext, inspect, uuid
    assert click.unstyle(click.style("red", fg="red")) == "red"
    from urllib.parse import quote
    assert pathlib.Path("/a b").as_uri() == "file:///a%20b" and quote("a b") == "a%20b"
    assert inspect.signature(command.main).parameters and uuid.UUID(int=5).int == 5
    try:
        command.main(["--number", "7"], standalone_mode=False)
    except click.BadParameter as error:
        assert "7 is not in the range 0<=x<=5" in str(error), error
    else:
        raise AssertionError
    """)


def test_pools_load_without_logging_and_log_all_the_same() -> None:
    run("""
    import contextlib, io, sys
    from convcli.loading import load_pools
    load_pools()
    assert "logging" not in sys.modules
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(int, "7")
        assert future.result() == 7
        with contextlib.redirect_stderr(io.StringIO()) as told:
            future.add_done_callback(lambda future: 1 / 0)
    assert "exception calling callback" in told.getvalue() and "ZeroDivisionError" in told.getvalue()
    import logging
    assert isinstance(logging.getLogger("convcli"), logging.Logger)
    """)


def test_what_is_loaded_already_stays() -> None:
    before = sys.modules["inspect"]
    with loading.without(loading.OF_COMMANDS):
        assert sys.modules["inspect"] is before
    assert sys.modules["inspect"] is before


@pytest.mark.parametrize("text", ["One line.", "  One line. ", "Two\n    lines.\n", "\tA tab", "", " ", "\n a\n  b"])
def test_a_line_is_cleaned_as_by_inspect(text: str) -> None:
    assert loading._cleandoc(text) == inspect.cleandoc(text)


def test_opencv_loads_without_its_package() -> None:
    """The same library, once; and where there is no library in the package it is imported as always."""
    run("""
    import sys
    from convcli.pictures import opencv
    path = opencv.library("cv2", "cv2")
    opencv.library = lambda package, name: None
    opencv.load_alone()
    assert "cv2" not in sys.modules
    opencv.library = lambda package, name: "/dev/null"
    opencv.load_alone()
    assert "cv2" not in sys.modules
    opencv.library = lambda package, name: path
    opencv.load_alone()
    cv2 = opencv.opencv()
    assert path is None or cv2.__spec__.origin == path and "cv2.typing" not in sys.modules
    import numpy
    assert cv2.blur(numpy.ones((3, 3)), (3, 3)).sum() == 9 and cv2.utils.logging.getLogLevel() == 0
    assert issubclass(cv2.error, Exception) and cv2.Error.StsNoMem < 0 and cv2.dnn.DNN_TARGET_CPU == 0
    opencv.load_alone()
    assert sys.modules["cv2"] is cv2
    """)
