"""SECURITY.md and RELIABILITY.md: the tests they name exist, their numbers are the program's, their commands run."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import convcli
from convcli.engine import geometry
from convcli.errors import KernelError
from convcli.files import npy
from convcli.filtering import chain
from convcli.networks import assembly
from convcli.ops import rules, tensors, weight_files
from convcli.pictures import sniff, table
from convcli.pictures.format import LONGEST_SIDE
from convcli.spec import nodes, scalars
from tests.support import ROOT, SAMPLES, environment

SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`((?:\w+/)?test_\w+\.py)::(\w+)`", SECURITY)
    assert len(named) > 20
    for file, name in named:
        tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{file}::{name}"
    assert set(re.findall(r"\[(\d+)\]", SECURITY)) == {str(number) for number in range(1, 11)}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("{} pixels (`--max-pixels`)", table.MAX_PIXELS),
        ("{} a side", LONGEST_SIDE),
        ("most {} bytes of text", nodes.TEXT_LIMIT),
        ("{} levels of nesting", nodes.DEPTH),
        ("rules make at most {} taps", rules.MOST),
        ("whole ones at {}", scalars.GREATEST_WHOLE),
        ("most {} samples per channel", chain.LARGEST),
        ("more than {} samples", geometry.SPAN),
        ("and {} times the input", geometry.SPAN_FACTOR),
        ("header has at most {} bytes", npy._LONGEST_HEADER),
        ("most {} bytes for an input", npy._LARGEST_MEMBER),
        ("{} for weights", tensors.MEMBER_LIMIT),
        ("most {} layers", assembly.LAYER_LIMIT),
        ("weights has at most {} bytes", weight_files.HEADER_LIMIT),
    ],
)
def test_its_numbers_are_the_programs(text: str, number: int) -> None:
    assert text.format(f"{number:,}") in " ".join(SECURITY.split())


def test_greatest_number() -> None:
    assert "numbers end at 1e18" in SECURITY and tensors.GREATEST == 1e18


def test_a_rule_makes_no_more_taps() -> None:
    with pytest.raises(KernelError, match="taps are 25,000,000, more than 16,777,216"):
        convcli.load({"weights": {"box": {"size": 5000}}})


def test_the_careful_command_runs(tmp_path: Path) -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", SECURITY, re.S)
    shutil.copy(SAMPLES / "scene.jpg", tmp_path / "upload.jpg")
    (tmp_path / "convcli").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m convcli "$@"\n')
    (tmp_path / "convcli").chmod(0o755)
    env = environment(PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run(["sh", "-ec", block], cwd=tmp_path, capture_output=True, env=env, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "out.png").stat().st_size


def test_the_figures_are_of_a_whole_run_without_failures() -> None:
    text = (ROOT / "RELIABILITY.md").read_text(encoding="utf-8")
    assert "python -m tests.reliability" in text and "No failure." in text
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ") and "1,000" in line]
    assert {row[0].strip() for row in rows} == {*sniff.READABLE, "kernel files"}
    for row in rows:
        cells = [cell.strip().replace(",", "") for cell in row]
        assert cells[1] == "1000" == str(sum(map(int, cells[2:5]))) and cells[-1] == "0"
    assert "| 2,000 | 100 | 100 | yes | 1,900 of 1,900 | 1 |" in text


@pytest.mark.parametrize("part", ["kills", "batch"])
def test_the_figures_can_be_made_again(part: str) -> None:
    command = [sys.executable, "-m", "tests.reliability", "--only", part, "--share", "0.02"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "No failure."), done.stdout
