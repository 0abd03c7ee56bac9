"""What a process that filters does before it loads modules: streams, the environment, and libraries on their way.

All of it is quick, and loads next to nothing itself: the sooner a thread loads the large libraries, the less is waited
for them.
"""

from __future__ import annotations

import marshal
import os
import sys
from importlib import _bootstrap_external as importing
from importlib.machinery import ModuleSpec, SourceFileLoader

TYPE_CHECKING = False  # as type checkers know it without `typing`
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType
    from typing import Final

#: What OpenCV is told before it is loaded. Its own limits on WebP and AVIF files would call sound ones damaged.
_ENVIRONMENT: Final = {
    "OPENCV_LOG_LEVEL": "SILENT",
    "OPENCV_IMGCODECS_WEBP_MAX_FILE_SIZE": str(1 << 40),
    "OPENCV_IMGCODECS_AVIF_MAX_FILE_SIZE": str(1 << 40),
}
#: Variables of the caller's that count: what to do without on a processor that lacks it.
_OF_PROCESSORS: Final = frozenset({"OPENCV_CPU_DISABLE", "OPENCV_SKIP_CPU_BASELINE_CHECK"})
#: The libraries that take longest to load, and the packages that they are of.
_LIBRARIES: Final = (("cv2", "cv2"), ("numpy", "_core/_multiarray_umath"))
#: Small ones that are wanted while those are loaded. The linker loads one at a time: they come first.
_SMALL: Final = (
    "_bisect",
    "_contextvars",
    "_datetime",
    "_heapq",
    "_struct",
    "_typing",
    "fcntl",
    "math",
    "mmap",
    "zlib",
)
#: Python's modules, but for those that need no file.
_OWN: Final = sys.stdlib_module_names.difference(sys.builtin_module_names)
_pixels = 1 << 30


def open_standard_streams() -> None:
    """Takes the place of streams that the caller closed (`>&-`), before a file of ours gets their number.

    Errors then go nowhere, and writing to stdout fails as it should: nobody would get the image.
    """
    for name, flags, mode in (("stdin", os.O_RDONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_WRONLY, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode, closefd=False))


def will_filter(arguments: Sequence[str]) -> bool:
    """Whether a command line looks as if OpenCV were about to be wanted.

    Not where it sets OpenCV's limit of pixels, which must be known before its library is loaded.
    """
    limits = any(argument.startswith("--max-pixels") for argument in arguments)
    return list(arguments[:1]) == ["apply"] and not {"--help", "-h", "--dry-run", "-n"} & {*arguments} and not limits


def allow_pixels(count: int) -> None:
    """Lift OpenCV's own limit of 2^30 pixels; it is read when OpenCV is loaded, so that later calls do nothing."""
    global _pixels
    _pixels = min(count, 1 << 40)  # as many as there can be: more digits than it reads end the process
    settle_environment()


def settle_environment() -> None:
    """Has OpenCV, before it is loaded, work as this program says, whatever the caller's variables say.

    They set limits beside ours, let it write traces and logs, and some values end the process.
    """
    wanted = {**_ENVIRONMENT, **({"OPENCV_IO_MAX_IMAGE_PIXELS": str(_pixels)} if _pixels > 1 << 30 else {})}
    for name in [name for name in os.environ if name.startswith("OPENCV_")]:
        if name not in wanted and name not in _OF_PROCESSORS:
            del os.environ[name]
    for name, value in wanted.items():
        if os.environ.get(name) != value:  # a thread may be loading the library already
            os.environ[name] = value


def load_libraries() -> None:
    """Has a thread load the libraries of OpenCV and numpy while Python is busy with modules.

    Importing them then finds them there. It is the linker's work, which needs no Python, but `import` would keep Python
    waiting for it, and what is begun late is waited for, too. Where they can't be loaded, importing them says why.
    """
    if not sys.platform.startswith("linux") or len(os.sched_getaffinity(0)) < 2:
        return
    try:
        for name in _SMALL:
            __import__(name)
        import _thread
        import ctypes

        link = ctypes.CDLL(None).dlopen
        link.argtypes, link.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
        _thread.start_new_thread(_load, (link, [os.fsencode(path) for path in libraries()]))
    except (ImportError, OSError, AttributeError):  # a Python without one of them
        return


def _load(link: Callable[[bytes, int], object], paths: Sequence[bytes]) -> None:
    for path in paths:
        link(path, sys.getdlopenflags())


def libraries() -> list[str]:
    """Where the libraries are."""
    from convcli.loading import library

    return [path for package, name in _LIBRARIES if (path := library(package, name))]


class Modules:
    """Finds modules by their names, without looking through folders and at what else lies there: those in some
    `packages`, and Python's own in its folder.

    Modules are found, checked against their sources and loaded as by Python, by a third of its calls of the system: it
    takes a sixteenth of a start away. What is not there as a source, such as a library, Python finds itself.
    """

    def __init__(self, packages: Sequence[str], folder: str = "") -> None:
        self._packages, self._folder = frozenset(packages), folder

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        package, _, tail = name.rpartition(".")
        if package.partition(".")[0] in self._packages and path is not None and len(path) == 1:
            folder = path[0]
        elif self._folder and not package and tail[0] != "_" and tail in _OWN:
            folder = self._folder
        else:
            return None
        return _spec(name, folder, tail) or _spec(name, f"{folder}/{tail}", "__init__")


def _spec(name: str, folder: str, tail: str) -> ModuleSpec | None:
    """The module `tail`.py of a folder; None where that is not there."""
    source, compiled = f"{folder}/{tail}.py", f"{folder}/__pycache__/{tail}.{sys.implementation.cache_tag}.pyc"
    try:
        status = os.stat(source)
    except OSError:
        return None
    spec = ModuleSpec(name, _Loader(name, source, compiled, status), origin=source, is_package=tail == "__init__")
    spec.has_location, spec.cached = True, compiled
    if spec.submodule_search_locations is not None:
        spec.submodule_search_locations.append(folder)
    return spec


class _Loader(SourceFileLoader):
    """Python's own, which is asked where the compiled module is not there, or not of this source."""

    def __init__(self, name: str, source: str, compiled: str, status: os.stat_result) -> None:
        super().__init__(name, source)
        self._compiled = compiled
        changed, size = (
            (int(number) & 0xFFFFFFFF).to_bytes(4, "little") for number in (status.st_mtime, status.st_size)
        )
        self._head = importing.MAGIC_NUMBER + bytes(4) + changed + size  # of zeros: no hash of the source follows

    def get_code(self, fullname: str) -> CodeType | None:
        try:
            file = os.open(self._compiled, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError:
            return super().get_code(fullname)
        try:
            data = os.read(file, os.fstat(file).st_size)
        finally:
            os.close(file)
        if not data.startswith(self._head):
            return super().get_code(fullname)
        code: CodeType = marshal.loads(memoryview(data)[len(self._head) :])
        return code


def find_modules() -> None:
    """Has modules of ours, click, numpy and Python found by name, where compiled ones lie beside their sources."""
    if sys.implementation.cache_tag and not (sys.flags.optimize or sys.pycache_prefix):
        folder = os.path.dirname(getattr(os, "__file__", ""))
        sys.meta_path.insert(0, Modules(("convcli", "click", "numpy", "collections", "ctypes", "re"), folder))
