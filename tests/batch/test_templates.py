"""Templates of outputs' names: what a field may be formatted as, and how long a name may become."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

import pytest

from convcli.batch.names.templates import fields
from convcli.errors import UsageError
from tests.support import command, environment, noise, run, save

SPECS = r"""
5 05 >9 x<9 ^255 256 >300000000 0000000000000000000009 99999999999999999999 />9 \>9 {>9 }>9 =9 + #x , _ d x s c n e %
.3 .255 5.3s .256 .99999999999999999999 {stem} {ext} {} {0} {frame:{frame}} é>9 ٣
"""


@pytest.fixture
def here(here: Path) -> Path:
    """A working folder with a picture `good.png`."""
    save(Path("good.png"), noise(6, 5, 3))
    return here


def _is_good(template: str) -> bool:
    try:
        return bool(fields(template))
    except UsageError:
        return False


@pytest.mark.parametrize("name", ["stem", "ext", "kernel", "parent", "frame"])
def test_formats_that_are_taken_are_what_python_makes_of_them(name: str) -> None:
    """And what Python refuses is refused."""
    value: object = 7 if name == "frame" else "text"
    taken = 0
    for spec in ["", *SPECS.split()]:
        template = f"a-{{{name}:{spec}}}.png"
        if _is_good(template):
            taken += 1
            outcome = template.format(**{name: value})
            assert outcome == f"a-{format(value, spec)}.png"
            assert len(outcome) <= 255 + 6 and "/" not in outcome
    assert taken >= 8


@pytest.mark.parametrize("field", ["{stem!r}", "{stem!s}", "{frame!a}", "{stem.__class__}", "{stem[0]}", "{0}", "{}"])
def test_nothing_but_the_fields_themselves(field: str) -> None:
    assert not _is_good(f"a-{field}.png")


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("x/{frame:99999999999}.png", "{frame:99999999999}.png is damaged: frame has a width of 99999999999"),
        ("{stem:>300000000}.png", "{stem:>300000000}.png is damaged: stem has a width of 300000000"),
        ("{stem:.256}.png", "{stem:.256}.png is damaged: stem has a precision of 256"),
        ("{stem!r}.png", "{stem!r}.png is damaged: a field can't be converted, as by !r"),
        ("{stem:{ext}}.png", "{stem:{ext}}.png is damaged: '{ext}' is no format of stem"),
    ],
)
@pytest.mark.parametrize("more", [(), ("--all-frames",), ("--dry-run",)])
def test_a_template_costs_one_line(here: Path, output: str, message: str, more: tuple[str, ...]) -> None:
    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))

    done = subprocess.run(
        command("apply", "good.png", "-k", "identity", "-o", output, *more),
        capture_output=True, env=environment(), check=False, preexec_fn=bounded,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, b"")
    error, hint = done.stderr.decode().splitlines()
    assert error.startswith("Error: the template ") and error.endswith(message)
    assert hint.startswith("  hint: ")
    assert [path.name for path in here.iterdir()] == ["good.png"]


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("length", [255, 256, 5000])
def test_a_name_that_is_too_long_is_that_input_s_fault_alone(here: Path, length: int, ending: str) -> None:
    stem = "é" * 100
    save(Path("other.png"), noise(6, 5, 3)).rename(f"{stem}.png")
    fill = "x" * (length - 200 - len(ending))
    output = f"out/{fill[:50]}{{stem}}{fill[50:]}{ending}"
    result = run("apply", f"{stem}.png", "good.png", "-k", "identity", "-o", output, "-q")
    if length == 255:
        assert (result.code, len(list(Path("out").iterdir()))) == (0, 2)
        return
    fact = f"the name of its output has {length} bytes; a file's name has at most 255"
    if length == 5000:
        said = f"Error: the output's template has {len(output)} characters; a path has at most 4095 bytes"
        assert (result.code, result.errors()) == (2, [said])
        return
    assert (result.code, result.errors()) == (1, [f"Error: {stem}.png: {fact}"])
    assert [path.name for path in Path("out").iterdir()] == [f"{fill[:50]}good{fill[50:]}{ending}"]


def test_paths_and_plain_names(here: Path) -> None:
    deep = "d/" * 2100 + "out.png"
    for output, fact in (
        (deep, f"the path of its output has {len(deep)} bytes; a path has at most 4095"),
        ("x" * 300 + ".png", "the name of its output has 304 bytes; a file's name has at most 255"),
    ):
        for more, code in (((), 1), (("--dry-run",), 1)):
            result = run("apply", "good.png", "-k", "identity", "-o", output, *more)
            assert (result.code, fact in result.err + result.out.decode(), len(result.err) < 200) == (code, True, True)
