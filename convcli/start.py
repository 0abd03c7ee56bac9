"""What a process that filters does before it loads modules: streams, the environment, and libraries on their way.

All of it is quick, and loads next to nothing itself: the sooner a thread loads the large libraries, the less is waited
for them.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as type checkers know it without `typing`
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
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
