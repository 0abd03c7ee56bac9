"""What is done already: told by the content of inputs and outputs and by the settings, never by names and times."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from convcli.batch.fingerprint import digest, file_digest, fingerprint
from convcli.batch.names.jobs import STANDARD, Job
from convcli.batch.report import Written
from convcli.errors import ImageError, reason
from convcli.records import record

#: What may have an output's name before it is put in place.
Present: TypeAlias = Literal["nothing", "the same", "a former one"]


@record
class Earlier:
    """What a record says of an output: which input made it, by which settings, with which notes, and its content."""

    sha256_in: str
    settings: str
    notes: tuple[str, ...]
    written: tuple[Written, ...]


@record
class Recording:
    """How a run with a report file knows its work: `content` is the hash of what all its inputs share.

    `tolerance` counts only for inputs that gave cause for a note: a whole file is the same under any. `resumes`: what a
    former run has done is skipped, and what it left without a record is compared.
    """

    version: str
    content: str
    tolerance: tuple[bool, ...]
    resumes: bool

    def identity(self, data: bytes) -> dict[str, Any]:
        """The fields of a report that say which input it was."""
        return {"bytes_in": len(data), "sha256_in": digest(data), "version": self.version}

    def file_identity(self, path: str) -> dict[str, Any]:
        """The same of a file that is not there as bytes. Raises ImageError where it can't be read."""
        try:
            return {"bytes_in": os.stat(path).st_size, "sha256_in": file_digest(path), "version": self.version}
        except OSError as error:
            raise _unread(path, error) from error

    def state(self, path: str) -> tuple[int, ...]:
        """What is another where a file has been written to meanwhile. Raises ImageError where that can't be told."""
        try:
            status = os.stat(path)
        except OSError as error:
            raise _unread(path, error) from error
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns

    def settings(self, job: Job, notes: Sequence[str]) -> str:
        """The hash of all that decides, beside an input's bytes, what its output is."""
        member = job.input.partition(".npz::")[2]
        return fingerprint(self.version, self.content, job.format, member, self.tolerance if notes else ())

    def written(self, path: str, data: bytes | memoryview) -> Written:
        """What a record says of a file of these bytes."""
        return Written(path=path, bytes=len(data), sha256=digest(data))

    def file_written(self, path: str, temporary: str) -> Written:
        """The same of a file that lies under a temporary name. Raises OSError."""
        return Written(path=path, bytes=os.stat(temporary).st_size, sha256=file_digest(temporary))

    def is_done(self, job: Job, sha256_in: str, earlier: Earlier) -> bool:
        """Whether a former run made just this of just that, and the outputs are still as it left them."""
        same = earlier.sha256_in == sha256_in and earlier.settings == self.settings(job, earlier.notes)
        return same and bool(earlier.written) and all(_is_there(file) for file in earlier.written)

    def present(self, output: Written, earlier: Earlier | None, original: str = "") -> Present:
        """What has an output's name: the output itself, as a run leaves it that is killed before it could record it.

        Another file in its place may be replaced only if the record proves that a former run of this program made it,
        and nobody has touched it since, or by its hash it is the `original`. Raises `ImageError` for any other.
        """
        if output.path == STANDARD:
            return "nothing"
        try:
            present = file_digest(output.path)
        except FileNotFoundError:
            return "nothing"
        except OSError as error:
            raise ImageError(f"can't be compared: {reason(error)}", place=output.path) from error
        if present == output.sha256:
            return "the same"
        if present != original and (earlier is None or present not in {file.sha256 for file in earlier.written}):
            fact = "it exists already, is not what this run makes, and no record says that a former run made it"
            raise ImageError(fact, place=output.path, hint="--overwrite replaces it")
        return "a former one"


def earlier(line: Mapping[str, Any]) -> Earlier:
    """What a line of a report file says of its output. Raises ValueError, KeyError or TypeError for no such line."""
    files = tuple(Written(path=file["path"], bytes=file["bytes"], sha256=file["sha256"]) for file in line["written"])
    return Earlier(
        sha256_in=line["sha256_in"], settings=line["settings"], notes=tuple(line["notes"]), written=files
    )  # fmt: skip


def _unread(path: str, error: OSError) -> ImageError:
    return ImageError(f"can't be read: {reason(error)}", place=path)


def _is_there(file: Written) -> bool:
    try:
        return os.stat(file.path).st_size == file.bytes and file_digest(file.path) == file.sha256
    except OSError:
        return False
