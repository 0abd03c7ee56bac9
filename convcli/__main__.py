"""The command `convcli`, also as `python -m convcli`, and what its process does before it loads anything else."""

from __future__ import annotations

import gc
import os
import sys

from convcli.answers import answer

TYPE_CHECKING = False  # as type checkers know it without `typing`, which no answer needs
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Sequence
    from types import FrameType
else:
    import _signal as signal  # `signal` only puts enumerations around it, which take longer to load than an answer

#: The signals that end a run.
ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
#: The libraries that take longest to load, and the packages that they are of.
_LIBRARIES = (("cv2", "cv2"), ("numpy", "_core/_multiarray_umath"))


def main() -> None:
    """Runs the command line and exits. Signals are obeyed from here on: Ctrl-C while modules load is no traceback."""
    for number in [getattr(signal, name) for name in ENDING if hasattr(signal, name)]:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as in `nohup`, or `&` of a script
            signal.signal(number, leave)
    failure = None
    text = answer(sys.argv[1:])
    if text is not None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
            os._exit(0)
        except OSError as error:  # no reader, no room: told as everywhere
            failure = error
    # Loading makes 40,000 objects that all stay, and by default Python looks through them for garbage every 700:
    # then an `apply` of 0.18 s takes 4.7 % longer (median of 65 pairs of runs, on 64x64 pixels and samples/scene.jpg).
    gc.set_threshold(100_000)
    # Our threads share the work; threads of OpenBLAS's own would be started with numpy and then wait in vain.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # As numpy sets it for a moment where it isn't set: while a thread loads libraries, which look into the environment
    # as they start, nothing may change that: on a busy machine one run of some hundred ended in a crash.
    os.environ.setdefault("OPENBLAS_MAIN_FREE", "1")
    from convcli.loading import OF_COMMANDS, without

    with without(OF_COMMANDS):
        import pathlib  # noqa: F401

        from convcli import cli

    cli.open_standard_streams()  # before a thread of ours opens files, too
    if will_filter(sys.argv[1:]):
        from convcli.pictures.opencv import settle_environment

        settle_environment()
        load_libraries()
    cli.main(failure)


def leave(number: int, frame: FrameType | None) -> None:
    """Ends the process at once, with the exit code of the signal: there is nothing to clean up, or no time for it."""
    try:
        os.write(2, b"Stopped.\n")
    finally:  # also where the terminal is gone
        os._exit(128 + number)


def will_filter(arguments: Sequence[str]) -> bool:
    """Whether a command line looks as if OpenCV were about to be wanted.

    Not where it sets OpenCV's limit of pixels, which must be known before its library is loaded.
    """
    limits = any(argument.startswith("--max-pixels") for argument in arguments)
    return list(arguments[:1]) == ["apply"] and not {"--help", "-h", "--dry-run", "-n"} & {*arguments} and not limits


def load_libraries() -> None:
    """Has a thread load the libraries of OpenCV and numpy while Python is busy with modules.

    Importing them then finds them there. It is the linker's work, which needs no Python, but `import` would keep Python
    waiting for it: without this an `apply` of 0.18 s takes 6 to 8 % longer (65 pairs of runs, two cores). Where they
    can't be loaded, importing them says why.
    """
    if not sys.platform.startswith("linux") or len(os.sched_getaffinity(0)) < 2:
        return
    from contextlib import suppress

    with suppress(ImportError, OSError, AttributeError):  # a Python without one of them
        # The linker loads one library at a time: small ones that are wanted meanwhile come first.
        import _bisect  # noqa: F401
        import _contextvars  # noqa: F401
        import _heapq  # noqa: F401
        import _struct  # noqa: F401
        import _thread
        import ctypes
        import zlib  # noqa: F401

        link = ctypes.CDLL(None).dlopen
        link.argtypes, link.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
        _thread.start_new_thread(_load, (link, [os.fsencode(path) for path in libraries()]))


def _load(link: Callable[[bytes, int], object], paths: Sequence[bytes]) -> None:
    for path in paths:
        link(path, sys.getdlopenflags())


def libraries() -> list[str]:
    """Where the libraries are."""
    from convcli.loading import library

    return [path for package, name in _LIBRARIES if (path := library(package, name))]


if __name__ == "__main__":  # and not where a process of ours loads it again
    main()
