"""OpenCV, guarded: found or explained, its log kept off stderr.

In this package nothing imports cv2 but `opencv` here: where it is missing or broken the user gets one line, and what
`start.allow_pixels` sets is read when it is loaded. This module loads no numpy, either.
"""

from __future__ import annotations

import mmap
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, Final

from convcli.errors import ImageError
from convcli.loading import library
from convcli.start import settle_environment

_COMPLAINT: Final = (
    rb"libpng (?:warning|error): (.*)"
    rb"|((?:Corrupt JPEG data|Inconsistent progression|Invalid SOS|Premature end of|Unexpected marker|"
    rb"Unsupported marker|Bogus|Arithmetic table|Application transferred|Warning: unknown JFIF|Unknown Adobe color).*)"
    rb"|\[ERROR:[^\]]*\] global \S+ (?:TIFF_Error |imdecode_ .*)?(.*)"
)
#: What libtiff says where fax codes end too early or make no row, and goes on; its other warnings are of no interest.
_DOUBT: Final = rb"\[ WARN:[^\]]*\] global \S+ TIFF_Warning (Fax\w+: .*)"
#: Libraries by their modules.
_LIBRARIES: Final = {"cv2": "OpenCV", "numpy": "numpy", "rich": "rich", "yaml": "PyYAML"}
#: What the linker of glibc or musl says where a library finds no room.
_NO_MEMORY: Final = "failed to map segment|cannot allocate memory|cannot map|cannot create|out of memory"
_MOST_HEARD: Final = 1 << 16
_hearing = threading.Lock()


def opencv() -> Any:
    """The module cv2, or an ImageError that says how to get a working one."""
    if "cv2" not in sys.modules:
        settle_environment()
    try:
        import cv2

        cv2.imdecode  # noqa: B018 - two wheels in one place leave a module without functions
    except MemoryError:
        raise
    except Exception as error:  # a damaged or mixed installation raises anything
        raise unusable(error, "OpenCV") from None
    return cv2


def load_alone() -> None:
    """Loads OpenCV's library without its package, where it lies there as in the wheels; numpy is loaded before.

    The package looks through thirty folders for what it has in Python, which takes as long as the library itself, and
    of which no command uses any. This is for a process of our own, since whatever else is loaded there gets this
    module, too. Where it can't be done, `opencv` says why.
    """
    path = None if "cv2" in sys.modules else library("cv2", "cv2")
    if path is None:
        return
    from importlib.machinery import ExtensionFileLoader, ModuleSpec

    settle_environment()
    loader = ExtensionFileLoader("cv2", path)
    spec = ModuleSpec("cv2", loader, origin=path)
    with suppress(ImportError, OSError):
        module = loader.create_module(spec)
        loader.exec_module(module)
        module.__spec__, sys.modules["cv2"] = spec, module


def unusable(error: Exception, library: str = "") -> ImageError:
    """What to say of a library that can't be loaded; it is told by the error where it isn't named."""
    cause: BaseException = error
    while cause.__cause__ is not None:  # numpy puts a page of advice around it
        cause = cause.__cause__
    library = library or _LIBRARIES.get((getattr(cause, "name", "") or "").partition(".")[0], "a library")
    fact = " ".join(str(cause).split())
    if re.search(_NO_MEMORY, fact, re.IGNORECASE):
        return ImageError(f"not enough memory to load {library}: {fact}", hint="raise the limit: ulimit -v unlimited")
    hint = f"pip install --force-reinstall {'convcli' if library == 'a library' else library}"
    if library == "OpenCV":
        hint = "pip uninstall opencv-python opencv-python-headless; pip install opencv-python-headless"
    return ImageError(f"{library} can't be used: {fact}", hint=hint)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, here or in OpenCV."""
    cv2: Any = sys.modules.get("cv2")
    if cv2 is None or not isinstance(error, getattr(cv2, "error", MemoryError)):
        return isinstance(error, MemoryError)
    return getattr(error, "code", 0) == cv2.Error.StsNoMem or str(error) == "std::bad_alloc"


def check_memory(size: int) -> None:
    """Raise MemoryError where `size` bytes and a little more can't be had.

    OpenCV's codecs only fail then, as they do on damaged files.
    """
    try:
        mmap.mmap(-1, size + (1 << 25)).close()
    except OSError:
        raise MemoryError from None


_quiet_lock = threading.Lock()
#: The log levels that those who are in `quiet` want, and the one from before.
_quiet_levels: list[int] = []
_quiet_before = 0


@contextmanager
def quiet(cv2: Any, *, errors: bool = False) -> Iterator[None]:
    """Keep OpenCV's log off stderr during a call, also with several at once; with `errors` all but errors and warnings.

    Not what libjpeg and libpng complain of, which they write to the file descriptor itself: see `overheard`.
    """
    global _quiet_before
    log = cv2.utils.logging
    wanted = log.LOG_LEVEL_WARNING if errors else log.LOG_LEVEL_SILENT
    if not _quiet_levels and log.getLogLevel() == wanted:  # as it is in a process of our own
        yield
        return
    with _quiet_lock:
        if not _quiet_levels:
            _quiet_before = log.getLogLevel()
        _quiet_levels.append(wanted)
        log.setLogLevel(max(_quiet_levels))
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_levels.remove(wanted)
            log.setLogLevel(max(_quiet_levels, default=_quiet_before))


@contextmanager
def overheard(complaints: list[str], doubts: list[str] | None = None) -> Iterator[None]:
    """Take up what codecs write to stderr of damaged data, the only way in which OpenCV lets them tell.

    Their words are appended to `complaints`, those of data that are read all the same to `doubts`; anything else is
    passed on. Calls in several threads take turns, since
    the file descriptor belongs to the whole process. Where there is no stderr nothing is heard.
    """
    with _hearing:
        try:
            before = os.dup(2)
        except OSError:
            yield
            return
        heard = b""
        try:
            ear = _ear()
            os.dup2(ear.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(before, 2)
                if os.fstat(ear.fileno()).st_size:
                    ear.seek(0)
                    heard = ear.read(_MOST_HEARD)
                    ear.seek(0)
                    ear.truncate()
        finally:
            os.close(before)
            goes_on = False  # an error of OpenCV's: in lines with a ">", and then an empty one
            for line in heard.splitlines(keepends=True):
                complaint = re.match(_COMPLAINT, line)
                words = complaint[complaint.lastindex or 0].decode("ascii", "replace").strip() if complaint else ""
                goes_on = line.startswith((b"[ERROR:", b"[ WARN:")) or (goes_on and line.startswith(b">"))
                doubt = re.match(_DOUBT, line)
                if doubt and doubts is not None:
                    doubts.append(doubt[1].decode("ascii", "replace").strip())
                elif words:
                    complaints.append(words)
                elif not complaint and not goes_on and line.strip():
                    os.write(2, line)


#: Where codecs write to while they are heard, and the process that it is of: copies of a process would share it.
_ears: dict[int, IO[bytes]] = {}


def _ear() -> IO[bytes]:
    """This process's file that goes away with it: in memory where the system can."""
    ear = _ears.get(os.getpid())
    if ear is None:
        _ears.clear()
        try:
            ear = os.fdopen(os.memfd_create("convcli"), "w+b", buffering=0)
        except (AttributeError, OSError):  # not Linux, or not allowed
            import tempfile

            ear = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - as long as the process lives
        _ears[os.getpid()] = ear
    return ear
