"""Names of inputs and outputs, before anything is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.records import lazily

if TYPE_CHECKING:
    from convcli.batch.names.inputs import Selection, Shard, collect
    from convcli.batch.names.jobs import FIELDS, Job, plan_jobs

__all__ = ["FIELDS", "Job", "Selection", "Shard", "collect", "plan_jobs"]
__getattr__ = lazily(
    __name__, {"batch.names.inputs": "Selection Shard collect", "batch.names.jobs": "FIELDS Job plan_jobs"}
)
