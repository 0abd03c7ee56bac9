"""docs/networks.md names every kind of layer, array and operator."""

from __future__ import annotations

import re

from convcli.networks.kinds import KINDS
from convcli.networks.onnx.operators import OPERATORS
from convcli.networks.weights import NAMES
from tests.support import ROOT

PAGE = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")


def test_nothing_is_left_out() -> None:
    for name in [*KINDS, *NAMES, *OPERATORS]:
        if name not in ("block", "layers", "Constant", "GlobalAveragePool", "GlobalMaxPool"):
            assert re.search(rf"\b{name}\b", PAGE), name
