"""What a process does that has others beside it: one job after the other, by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from convcli.batch.names.jobs import Job
from convcli.batch.one_job import outcome_of
from convcli.batch.report import Report
from convcli.batch.settings import Hooks, Settings

if TYPE_CHECKING:
    from convcli.batch.files import Pending
    from convcli.batch.resume import Earlier
    from convcli.batch.workers import Later


class Work:
    """What a process does that has others beside it."""

    def __init__(self, settings: Settings, *, threads: int) -> None:
        self._settings = settings
        self._threads = threads
        self._settled_in = False
        self._later: list[Pending] = []

    def __call__(
        self, item: tuple[Job, Earlier | None], ask: Callable[[int], None], again: bool
    ) -> Report | Later:  # fmt: skip
        """A job. If it is done `again`, its output may be in place already."""
        self._settle_in()
        self._later = []
        settings = self._settings.again() if again else self._settings
        return outcome_of(item, settings, Hooks(admit=ask, later=self._later), safely=True)

    def _settle_in(self) -> None:
        """What a process that has others beside it does first."""
        from convcli.engine.threads import limit_threads
        from convcli.filtering import paging

        if not self._settled_in:
            self._settled_in = True
            limit_threads(self._threads)
            paging.keep_freed()

    def give_up(self) -> None:
        """Takes away what the last job has written under a temporary name, when a signal ends the process."""
        for pending in self._later:
            pending.give_up()
