"""Processes that do the jobs of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.records import lazily

if TYPE_CHECKING:
    from convcli.batch.workers.groups import LARGE, Group, Later
    from convcli.batch.workers.pool import Death, Workers

__all__ = ["LARGE", "Death", "Group", "Later", "Workers"]
__getattr__ = lazily(__name__, {"batch.workers.groups": "LARGE Group Later", "batch.workers.pool": "Death Workers"})
