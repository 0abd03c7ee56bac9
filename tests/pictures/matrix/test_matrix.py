"""Every cell of the matrix is right, or refused with its reason; nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pictures.matrix.sections import SECTIONS, tally_of

#: Cells of each section that are right at the least: refusing everything is no way out.
LEAST_RIGHT: dict[str, int] = {}


@pytest.mark.parametrize("name", SECTIONS)
def test_right_or_refused_with_its_reason(name: str, tmp_path: Path) -> None:
    tally = tally_of(name, tmp_path)
    wrong = list(tally.wrong())
    assert not wrong, f"{len(wrong)} of {len(tally.whole)} cells:\n" + "\n".join(wrong[:20])
    assert tally.count("whole", "right") >= LEAST_RIGHT.get(name, 1)
