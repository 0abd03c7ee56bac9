"""What `convcli compare` prints, as tables and as data."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import jsonschema

from convcli.costs.schema import comparison as comparison_schema
from tests.support import SAMPLES, run

NETWORKS = SAMPLES / "networks"
VALIDATOR = jsonschema.Draft202012Validator(comparison_schema())


def said(*arguments: str | Path) -> dict[str, Any]:
    """The JSON of a comparison, which follows its schema."""
    result = run("compare", *arguments, "--format", "json")
    assert (result.code, result.err) == (0, "")
    actual: dict[str, Any] = json.loads(result.out)
    VALIDATOR.validate(actual)
    return actual


def named(actual: dict[str, Any], key: str, part: str = "rows") -> dict[str, Any]:
    return {row["name"]: row[key] for row in actual[part]}


def table(*arguments: str | Path) -> list[dict[str, str]]:
    """The rows of a comparison as CSV."""
    result = run("compare", *arguments, "--format", "csv")
    assert (result.code, result.err) == (0, "")
    return list(csv.DictReader(io.StringIO(result.out.decode())))
