"""Many inputs to outputs: names, processes, records of a run, files whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.records import lazily

if TYPE_CHECKING:
    from convcli.batch.report import Report
    from convcli.batch.run import prepare, run_jobs
    from convcli.batch.settings import Course, PictureSettings, Settings

__all__ = ["Course", "PictureSettings", "Report", "Settings", "prepare", "run_jobs"]
__getattr__ = lazily(
    __name__,
    {"batch.report": "Report", "batch.run": "prepare run_jobs", "batch.settings": "Course PictureSettings Settings"},
)
