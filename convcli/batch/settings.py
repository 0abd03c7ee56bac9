"""What all jobs of a run share, and how the run goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from convcli.batch.names.finding import Places, identity
from convcli.batch.names.jobs import STANDARD, Job
from convcli.errors import UsageError
from convcli.filtering import PLAIN, Chain, Treatment
from convcli.ops import Kernel
from convcli.pictures.table import MAX_PIXELS
from convcli.records import record

if TYPE_CHECKING:
    from convcli.batch.files import Pending
    from convcli.batch.resume import Recording
    from convcli.filtering.effect import Effect


@record
class PictureSettings:
    """How picture files are read, treated and written; `options` are those of `table.chosen_settings`.

    Unless `counted`, nobody asks how many samples were cut off.
    """

    max_pixels: int = MAX_PIXELS
    allow_truncated: bool = False
    strict: bool = False
    all_frames: bool = False
    treatment: Treatment = PLAIN
    options: Mapping[str, Any] = field(default_factory=dict)
    counted: bool = True


@record
class Settings:
    """What all jobs of a run share: the chain of kernels, and what becomes of a file before and after it.

    `layout` is that of arrays, `algorithm` one of the engine's for all kernels; None leaves both open.
    """

    kernels: Sequence[Kernel]
    range: str = "auto"
    depth: str | None = None
    effect: Effect | None = None
    nodata: float | None = None
    layout: str | None = None
    overwrite: bool = False
    skip_existing: bool = False
    pictures: PictureSettings = field(default_factory=PictureSettings)
    recording: Recording | None = None
    algorithm: str | None = None

    def chain(self, format_out: str = "") -> Chain:
        """What runs on every picture and array that goes to a file of this format."""
        return self._chains[format_out == "npy"]

    @cached_property
    def _chains(self) -> Mapping[bool, Chain]:
        """The chains whose results don't go to arrays, and do: kept, since many small files would each make theirs."""
        fields = {name: getattr(self, name) for name in ("depth", "effect", "nodata")}
        return {
            to_array: Chain(self.kernels, self.range, self.algorithm, to_array=to_array, **fields)
            for to_array in (False, True)
        }

    def recorded(self, *, resumes: bool, version: str) -> Settings:
        """The same for a run that knows its work again, by its content, when it `resumes` another."""
        from convcli.batch.fingerprint import fingerprint
        from convcli.batch.resume import Recording

        pictures = self.pictures
        # A limit decides whether there is a result, not which.
        shared = replace(pictures, max_pixels=0, strict=False, allow_truncated=False)
        chain = list(self.kernels), self.range, self.depth, self.effect
        recording = Recording(
            version=version,
            content=fingerprint(*chain, self.nodata, self.layout, shared, self.algorithm),
            tolerance=(pictures.strict, pictures.allow_truncated),
            resumes=resumes,
        )
        return replace(self, recording=recording)

    def again(self) -> Settings:
        """The same for a job that a process may have done before it died: what it makes may be there already."""
        known = self if self.recording else self.recorded(resumes=True, version="")
        assert known.recording is not None
        return replace(known, recording=replace(known.recording, resumes=True))

    @property
    def replaces(self) -> bool:
        """Whether an output may be there already: to be replaced, or to be compared with what a former run made."""
        return self.overwrite or (self.recording is not None and self.recording.resumes)


@record
class Hooks:
    """What a run has done while a job is under way.

    `admit` is called with the bytes of memory that the input will take, and returns when there is room for them. A
    whole output may be added to `later`: the report is of when it is finished. `watch` is told which share of a picture
    in bands is written, `foretell` what is to be said of a picture whose maps are whole, before they take memory.
    """

    admit: Callable[[int], None] | None = None
    later: list[Pending] | None = None
    watch: Callable[[float], None] | None = None
    foretell: Callable[[str, Sequence[str]], None] | None = None


#: Of a job that stands alone.
ALONE: Final = Hooks()


@record
class Course:
    """How a run goes: in how many processes (0: as many as are worth it), or on which cluster of dask's.

    Each input is recorded in the `report_file`; with `resume` what it proves to be done is skipped.
    """

    processes: int = 0
    scheduler: str | None = None
    fail_fast: bool = False
    report_file: str | None = None
    resume: bool = False

    def check(self, jobs: Sequence[Job], settings: Settings) -> None:
        """Raises UsageError where the options don't go together, or the report file is one of the pictures."""
        if settings.overwrite and settings.skip_existing:
            raise UsageError("--overwrite replaces files that exist, --skip-existing leaves them", hint="one of them")
        if self.resume and settings.skip_existing:
            fact = "--resume skips what a record proves to be done, --skip-existing whatever has the name"
            raise UsageError(fact, hint="leave one of them out")
        if self.scheduler and any(job.in_place for job in jobs):
            raise UsageError("--in-place is for this machine, --scheduler for a cluster", hint="-o FOLDER/")
        if self.resume and self.report_file is None:
            raise UsageError("--resume goes on with a report file", hint="--report-file run.jsonl --resume")
        if self.scheduler is not None and not self.scheduler.strip():
            raise UsageError("--scheduler names no cluster", hint="tcp://HOST:8786, or a scheduler file")
        if self.scheduler and self.processes:
            raise UsageError("--jobs is for this machine, --scheduler for a cluster", hint="leave one of them out")
        if self.scheduler and settings.algorithm:
            raise UsageError("--algorithm is for comparisons on this machine, --scheduler for a cluster")
        if self.scheduler and any(STANDARD in (job.input, job.output) for job in jobs):
            raise UsageError("stdin and stdout don't reach the machines of a cluster")
        if self.report_file is None:
            return
        if self.report_file in ("", STANDARD):
            raise UsageError("--report-file names no file", hint="--report-file run.jsonl")
        places = Places()
        there = identity(self.report_file) or places.of(self.report_file)
        for job in jobs:
            for role, name in (("input", job.input), ("output", job.output)):
                if name and (identity(name) or places.of(name)) == there:
                    raise UsageError(f"--report-file {self.report_file} is also the {role} {name}")
