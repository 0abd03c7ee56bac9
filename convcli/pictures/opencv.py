"""OpenCV, guarded: found or explained, its log kept off stderr.

In this package nothing imports cv2 but `opencv` here: where it is missing or broken the user gets one line, and what
`allow_pixels` sets is read when it is loaded. This module loads no numpy, either.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

from convcli.errors import ImageError

_COMPLAINT: Final = (
    rb"libpng (?:warning|error): (.*)"
    rb"|((?:Corrupt JPEG data|Inconsistent progression|Invalid SOS|Premature end of|Unexpected marker|"
    rb"Unsupported marker|Bogus|Arithmetic table|Application transferred|Warning: unknown JFIF|Unknown Adobe color).*)"
    rb"|\[ERROR:[^\]]*\] global \S+ (?:TIFF_Error |imdecode_ .*)?(.*)"
)
_MOST_HEARD: Final = 1 << 16
_hearing = threading.Lock()


def opencv() -> Any:
    """The module cv2, or an ImageError that says how to get a working one."""
    try:
        import cv2

        cv2.imdecode  # noqa: B018 - two wheels in one place leave a module without functions
    except (ImportError, AttributeError) as error:
        hint = "pip uninstall opencv-python opencv-python-headless; pip install opencv-python-headless"
        raise ImageError(f"OpenCV can't be used: {error}", hint=hint) from None
    return cv2


_quiet_lock = threading.Lock()
#: The log levels that those who are in `quiet` want, and the one from before.
_quiet_levels: list[int] = []
_quiet_before = 0


def allow_pixels(count: int) -> None:
    """Lift OpenCV's own limit of 2^30 pixels; it is read when OpenCV is loaded, so that later calls do nothing."""
    if count > 1 << 30:
        os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(count)


@contextmanager
def quiet(cv2: Any, *, errors: bool = False) -> Iterator[None]:
    """Keep OpenCV's log off stderr during a call, also with several at once; with `errors` all but errors.

    Not what libjpeg and libpng complain of, which they write to the file descriptor itself: see `overheard`.
    """
    global _quiet_before
    log = cv2.utils.logging
    wanted = log.LOG_LEVEL_ERROR if errors else log.LOG_LEVEL_SILENT
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
def overheard(complaints: list[str]) -> Iterator[None]:
    """Take up what codecs write to stderr of damaged data, the only way in which OpenCV lets them tell.

    Their words are appended to `complaints`, anything else is passed on. Calls in several threads take turns, since
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
            with _nameless_file() as ear:
                os.dup2(ear.fileno(), 2)
                try:
                    yield
                finally:
                    os.dup2(before, 2)
                    ear.seek(0)
                    heard = ear.read(_MOST_HEARD)
        finally:
            os.close(before)
            goes_on = False  # an error of OpenCV's: in lines with a ">", and then an empty one
            for line in heard.splitlines(keepends=True):
                complaint = re.match(_COMPLAINT, line)
                words = complaint[complaint.lastindex or 0].decode("ascii", "replace").strip() if complaint else ""
                goes_on = line.startswith(b"[ERROR:") or (goes_on and line.startswith(b">"))
                if words:
                    complaints.append(words)
                elif not complaint and not goes_on and line.strip():
                    os.write(2, line)


def _nameless_file() -> IO[bytes]:
    """A file that goes away when it is closed: in memory where the system can."""
    try:
        return os.fdopen(os.memfd_create("convcli"), "w+b")
    except (AttributeError, OSError):  # not Linux, or not allowed
        import tempfile

        return tempfile.TemporaryFile()
