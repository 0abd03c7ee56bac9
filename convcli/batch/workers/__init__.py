"""Processes that do the jobs of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.records import lazily

if TYPE_CHECKING:
    from convcli.batch.workers.pool import Death, Workers
    from convcli.batch.workers.service import Later

__all__ = ["Death", "Later", "Workers"]
__getattr__ = lazily(__name__, {"batch.workers.pool": "Death Workers", "batch.workers.service": "Later"})
