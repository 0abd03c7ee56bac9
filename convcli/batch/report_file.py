"""A run's report file: a line of JSON per input, appended as results come, in the inputs' order in the end."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

from convcli.batch import files, temporaries
from convcli.batch.names.jobs import Job
from convcli.batch.report import Report
from convcli.batch.resume import Earlier, earlier
from convcli.errors import ImageError, reason

#: Bytes of a line: that of an animation with a million frames, each in a file of its own, is shorter.
_LONGEST_LINE: Final = 1 << 28
_OPTION = "--report-file"
#: What a line says of its own run, also where it was skipped.
_OF_THIS_RUN: Final = {"input", "status", "error", "reason"}


class ReportFile:
    """A report file that is open for a run; nobody else's run can have it at the same time.

    A line is written by one call, as a whole: a run that is killed leaves whole lines, and what a power failure cuts
    short is passed over by the next reader.
    """

    def __init__(self, path: str, *, resume: bool, overwrite: bool) -> None:
        """Opens or makes the file. Raises ImageError where that can't be, or it exists and isn't to be used."""
        files.check_target(path, overwrite=True)
        self._path, self._was_there = path, os.path.lexists(path)
        only_new = 0 if resume or overwrite else os.O_EXCL
        try:
            self._file: IO[bytes] = open(  # noqa: SIM115 - until `close`
                path, "ab+", buffering=0, opener=lambda path, flags: os.open(path, flags | only_new, 0o666)
            )
        except FileExistsError:
            hint = "--resume goes on with it, --overwrite replaces it"
            raise ImageError("the report file exists already", place=path, hint=hint) from None
        except OSError as error:
            raise ImageError(f"can't be written: {reason(error)}", place=path) from error
        try:
            # The file that a run has when it is through is another one, under the same name.
            mine = temporaries.lock(self._file.fileno()) is not False
            if not mine or not os.path.samestat(os.fstat(self._file.fileno()), os.stat(path)):
                raise ImageError("another run is writing this report file", place=path)
            if hasattr(os, "register_at_fork"):  # copies of this process must not keep the lock when it is gone
                os.register_at_fork(after_in_child=self.close)
            self.earlier: dict[str, Earlier] = {}
            self._places: dict[str, tuple[int, int]] = {}  # of their lines
            if resume:
                self._resume()
            else:
                self._file.truncate(0)
        except BaseException:
            self._file.close()
            raise

    def _resume(self) -> None:
        """Takes up what a former run recorded, the last line of each output; a torn line at the end is cut off."""
        end = 0
        self._file.seek(0)
        if self._file.read(1) not in (b"{", b""):  # and perhaps one line of gigabytes
            raise self._foreign()
        for start, line in self._lines():
            fields = _parsed(line)
            if fields is None and start == 0 and line.strip():
                raise self._foreign()
            if line.endswith(b"\n"):
                end = start + len(line)
            if fields is None:
                continue
            self.earlier.pop(fields["output"], None)
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self.earlier[fields["output"]] = earlier(fields)
                self._places[fields["output"]] = start, len(line)
        self._file.truncate(end)

    def _foreign(self) -> ImageError:
        fact = "is no report file of this program: its first line is no report"
        return ImageError(fact, place=self._path, hint=f"{_OPTION} names another file")

    def add(self, report: Report) -> None:
        """Appends one line. Raises ImageError where the disk is full; then the file is as it was before.

        What was skipped keeps what the record tells of the run that made it: algorithm, times, clipped shares.
        """
        fields = report.as_dict()
        if report.status == "skipped" and report.output in self._places:
            former = _parsed(self._piece(*self._places[report.output])) or {}
            fields |= {key: former[key] for key in fields.keys() & former.keys() - _OF_THIS_RUN}
        # Names that are no UTF-8 keep their bytes as lone surrogates, which JSON writes as escapes.
        line = json.dumps(fields, allow_nan=False).encode("ascii") + b"\n"
        before = os.fstat(self._file.fileno()).st_size
        try:
            if self._file.write(line) < len(line):
                self._file.truncate(before)
                raise ImageError("can't be written: no space left for a line", place=self._path)
        except OSError as error:
            raise ImageError(f"can't be written: {reason(error)}", place=self._path) from error

    def finish(self, jobs: Sequence[Job]) -> None:
        """Puts the lines of this run's jobs in their order, and behind them those of other outputs.

        The file is replaced as a whole, or stays as it is. Raises ImageError.
        """
        places: dict[tuple[str, str], tuple[int, int]] = {}
        count = 0
        for start, line in self._lines():
            fields = _parsed(line)
            count += 1
            if fields is not None:
                places[_key(fields["output"], fields["input"])] = start, len(line)
        keys = [_key(job.output, job.input) for job in jobs]
        order = dict.fromkeys([key for key in keys if key in places] + list(places))
        starts = [places[key][0] for key in order]
        if len(starts) == count and starts == sorted(starts):
            return
        pieces: Iterable[bytes] = (self._piece(*places[key]) for key in order)
        if os.name != "posix":  # where a file can't be replaced while it is open
            pieces = list(pieces)
            self._file.close()
        files.write_atomically(self._path, pieces)

    def close(self) -> None:
        """Leaves the file to other runs."""
        self._file.close()

    def __enter__(self) -> ReportFile:
        return self

    def __exit__(self, *error: object) -> None:
        if not self._was_there and not self._file.closed and os.fstat(self._file.fileno()).st_size == 0:
            # Not a line could be written, and an empty file would only be in the way of the next run.
            with contextlib.suppress(OSError):
                os.unlink(self._path)
        self.close()

    def _piece(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        return self._file.read(size)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines of the file as it is, with the byte at which each starts."""
        start = 0
        with Path(self._path).open("rb") as file:
            while line := file.readline(_LONGEST_LINE):
                yield start, line
                start += len(line)


def _key(output: str, input: str) -> tuple[str, str]:
    """What a line is known by: its output; an input that can have none by its own name."""
    return output, "" if output else input


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The fields of a line; None for one that is torn or no report."""
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    known = isinstance(fields, dict) and all(isinstance(fields.get(key), str) for key in ("input", "output", "status"))
    return fields if known else None
