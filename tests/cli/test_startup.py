"""What commands load: heavy packages only where a picture is filtered, and `scipy.signal` never."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from convcli import loading, start
from convcli.start import will_filter
from tests.support import PATIENCE, SAMPLES
from tests.tiff_files import tiff_file

HEAVY = {"numpy", "scipy", "cv2"}


def loaded(code: str, folder: Path) -> tuple[set[str], int]:
    """The modules in `sys.modules` after `code`, and its exit code."""
    script = f"""
import sys
code = 0
try:
    {code}
except SystemExit as error:
    code = error.code or 0
sys.stdout.flush()
print("\\n\\0" + " ".join(sys.modules), code)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, timeout=PATIENCE, check=False
    )
    assert b"\0" in done.stdout, done.stderr
    *modules, status = done.stdout.rpartition(b"\0")[2].decode().split()
    return set(modules), int(status)


def command(*arguments: str) -> str:
    return f"from convcli.cli import run; sys.exit(run({list(arguments)!r}))"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["apply", "--help"], 0),
        (["list"], 0),
        (["list", "--format", "json"], 0),
        (["schema"], 0),
        (["aply", "a.png"], 2),
        (["apply"], 2),
        (["apply", "a.png", "-k", "sharpen"], 2),
        (["apply", "a.png", "-k", "sharpn", "-o", "b.png"], 2),
        (["apply", "a.png", "-k", "[[1, 2], [3]]", "-o", "b.png"], 2),
        (["apply", "a.png", "-k", "sharpen", "-o", "b.nope"], 2),
        (["apply", "a.png", "b.png", "-k", "sharpen", "-o", "c.png"], 2),
        (["apply", "a.png", "-k", "sharpen", "--offsets", "o.npy", "-o", "b.png"], 2),
        (["show", "gausian"], 2),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else str(value),
)
def test_light_commands_load_nothing_heavy(arguments: list[str], status: int, tmp_path: Path) -> None:
    modules, code = loaded(command(*arguments), tmp_path)
    assert code == status
    assert not modules & HEAVY


def test_help_loads_no_command(tmp_path: Path) -> None:
    modules, _ = loaded(command("--help"), tmp_path)
    assert "click" in modules
    assert not modules & {"yaml", "rich", "convcli.batch.run", "convcli.spec.library", "convcli.cli.apply"}


def test_importing_the_library_loads_only_itself(tmp_path: Path) -> None:
    modules, _ = loaded("import convcli", tmp_path)
    assert "convcli" in modules
    assert not modules & (HEAVY | {"click", "yaml", "rich", "convcli.spec.library", "convcli.ops"})


def test_no_shipped_kernel_loads_scipy_signal_or_rich(tmp_path: Path) -> None:
    code = """
    import numpy
    from convcli import load, names
    picture = numpy.ones((192, 256, 3), numpy.uint8)
    for name in names():
        load(name).apply(picture)
    """.strip()
    modules, status = loaded(code, tmp_path)
    assert status == 0
    assert "cv2" in modules
    assert not modules & {"scipy.signal", "scipy.ndimage", "rich"}


@pytest.mark.parametrize("in_bands", [False, True])
def test_a_run_loads_nothing_that_it_leaves_unused(tmp_path: Path, in_bands: bool) -> None:
    """As it is started by users: of numpy, click, pathlib, OpenCV and pools of threads only what is used."""
    source = SAMPLES / "zone-plate.png"
    if in_bands:
        source = tmp_path / "in.tif"
        source.write_bytes(tiff_file(np.zeros((1400, 1000, 3), np.uint8)))
    arguments = ["apply", str(source), "-k", "sharpen", "-o", f"{tmp_path}/out{source.suffix}", "--quiet"]
    code = f"""
    import os
    from convcli.__main__ import main
    os.sched_getaffinity = lambda _: {{0, 1}}
    os._exit = sys.exit
    sys.argv = ["convcli", *{arguments!r}]
    main()
    """.strip()
    modules, status = loaded(code, tmp_path)
    assert status == 0
    assert "cv2" in modules and "cv2.typing" not in modules
    assert ("concurrent.futures.thread" in modules) is in_bands
    unused = {*loading.OF_NUMPY, *loading.FUNCTIONS_OF_NUMPY, *loading.OF_COMMANDS, *loading.OF_POOLS}
    assert not modules & (unused | {"json", "signal"})


def test_a_run_without_report_loads_little(tmp_path: Path) -> None:
    """Every module costs a fifth of a millisecond and more: what is loaded beside click and OpenCV is counted."""
    arguments = ["apply", str(SAMPLES / "zone-plate.png"), "-k", "sharpen", "-o", str(tmp_path / "out.png"), "--quiet"]
    modules, code = loaded(command(*arguments), tmp_path)
    below, _ = loaded("import click, cv2", tmp_path)
    assert code == 0
    assert not modules & {"rich", "scipy", "yaml", "zipfile", "tempfile", "shutil", "csv", "json", "string", "difflib"}
    own = {name for name in modules if name.partition(".")[0] == "convcli"}
    faces = {name for name in own if any(other.startswith(f"{name}.") for other in own)}
    assert len(own - faces) <= 96, sorted(own - faces)
    idle = {"pictures.formats.avif", "pictures.formats.png.animated", "pictures.formats.tiff.exif",
            "pictures.formats.tiff.writer", "ops.layouts", "reports.terminal", "ops.weight_rules", "ops.displacements",
            "engine.channel.volume", "batch.resume", "batch.fingerprint", "batch.workers.pool",
            "batch.report_file"}  # fmt: skip
    assert all(find_spec(f"convcli.{name}") for name in idle), "a module was renamed: name it here as it is now"
    assert not own & {f"convcli.{name}" for name in idle}
    of_ops = {"arithmetic", "arrays", "base", "dense", "fields", "interactive", "placed", "rules", "running", "tensors",
              "weights"}  # fmt: skip
    assert {name.removeprefix("convcli.ops.") for name in own if name.startswith("convcli.ops.")} == of_ops
    others = modules - below - own
    assert len(others) <= 20, sorted(others)


def test_nothing_changes_the_environment_while_libraries_are_loaded(tmp_path: Path) -> None:
    """A library that looks into it at that moment, in another thread, ends the process."""
    source = str(SAMPLES / "zone-plate.png")
    code = f"""
    import os
    from convcli import __main__, start
    changes = []
    def load():
        os.putenv = os.unsetenv = lambda *values: changes.append(values)
    start.load_libraries = load
    os._exit = sys.exit
    sys.argv = ["convcli", "apply", {source!r}, "-k", "sharpen", "-o", "out.png", "--quiet"]
    try:
        __main__.main()
    finally:
        assert not changes, changes
    """.strip()
    modules, status = loaded(code, tmp_path)
    assert status == 0 and {"cv2", "numpy"} <= modules and (tmp_path / "out.png").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="libraries are loaded ahead on Linux only")
def test_libraries_loaded_ahead_are_those_that_are_imported(tmp_path: Path) -> None:
    code = """
    import os, time
    from convcli.start import libraries, load_libraries
    os.sched_getaffinity = lambda _: {0, 1}
    def mapped():
        with open("/proc/self/maps") as file:
            names = {line.split(None, 5)[5].strip() for line in file if line.count("/")}
        return {name for name in names if os.path.basename(name).startswith(("cv2.", "_multiarray_umath."))}
    load_libraries()
    until = time.monotonic() + 180
    while len(mapped()) < 2 and time.monotonic() < until:
        time.sleep(.01)
    ahead = mapped()
    assert ahead == {os.path.realpath(name) for name in libraries()}, ahead
    assert "cv2" not in sys.modules and "numpy" not in sys.modules
    import cv2
    assert mapped() == ahead  # none is there twice
    assert cv2.blur(__import__("numpy").ones((3, 3)), (3, 3)).sum() == 9
    """.strip()
    assert loaded(code, tmp_path)[1] == 0


def test_modules_found_by_name_are_those_that_python_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", None)  # with one Python finds all modules itself
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    finder = start.Modules(["convcli", "click", "numpy", "re"], str(Path(os.__file__).parent))
    for name in (
        "convcli.cli",
        "convcli.ops.dense",
        "convcli.pictures.formats",
        "click.core",
        "numpy._core.multiarray",
        "re._parser",
        "typing",
        "json",
    ):
        package = name.rpartition(".")[0]
        path = importlib.import_module(package).__path__ if package else None
        found, known = finder.find_spec(name, path), PathFinder.find_spec(name, path)
        assert found is not None and known is not None and known.loader is not None
        for attribute in ("name", "origin", "cached", "has_location", "submodule_search_locations", "parent"):
            assert getattr(found, attribute) == getattr(known, attribute), (name, attribute)
        assert isinstance(found.loader, SourceFileLoader) and isinstance(known.loader, SourceFileLoader)
        assert found.loader.get_code(name) == known.loader.get_code(name)
    assert finder.find_spec("numpy._core._multiarray_umath", np._core.__path__) is None  # type: ignore[attr-defined]
    for name in ("numpy", "sys", "math", "_struct", "no_such_module"):
        assert finder.find_spec(name) is None
    assert finder.find_spec("json.decoder", [""]) is None


def test_a_compiled_module_that_is_not_of_its_source_is_not_taken(tmp_path: Path) -> None:
    """Compiled anew where the source has changed, or what is compiled is damaged; errors name the source."""
    source, finder = tmp_path / "part.py", start.Modules(["whole"])
    compiled = Path(importlib.util.cache_from_source(str(source)))

    def loaded_value() -> object:
        spec = finder.find_spec("whole.part", [str(tmp_path)])
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.value

    for number, text in enumerate(("value = 1", "value = 22", "value = 3333")):
        source.write_text(text)
        assert loaded_value() == loaded_value() == int(text[8:])
        assert compiled.exists() != sys.dont_write_bytecode
        if compiled.exists() and number == 1:
            compiled.write_bytes(b"no code" * 9)
            assert loaded_value() == 22
    source.write_text("value = 1 / 0")
    with pytest.raises(ZeroDivisionError) as error:
        loaded_value()
    assert error.traceback[-1].path == source


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["apply", "a.png", "-k", "sharpen", "-o", "b.png"], True),
        (["apply", "a.png", "-k", "sharpen", "-o", "b.png", "--max-pixels", "9"], False),
        (["apply", "a.png", "-k", "sharpen", "-o", "b.png", "--max-pixels=2000000000"], False),
        (["apply", "--help"], False),
        (["apply", "a.png", "-k", "sharpen", "-o", "b/", "--dry-run"], False),
        (["list"], False),
        ([], False),
    ],
)
def test_libraries_are_loaded_ahead_only_to_filter(arguments: list[str], expected: bool) -> None:
    assert will_filter(arguments) is expected


def test_rows_on_the_command_line_load_no_yaml(tmp_path: Path) -> None:
    for kernel in ("[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]", "gaussian:sigma=2,border=wrap", "{fill: 1, size: [3, 3]}"):
        modules, _ = loaded(command("show", kernel, "--format", "json"), tmp_path)
        assert "yaml" not in modules


def test_no_class_of_the_usual_path_compiles_methods(tmp_path: Path) -> None:
    """`record` shares its methods; a class by `@dataclass(frozen=True)` costs half a millisecond of every start."""
    code = """
    import dataclasses, inspect, sys
    from convcli.batch import run, sources
    from convcli.filtering import steps
    from convcli.pictures import reading
    from convcli.spec import library
    from convcli.ops import TYPES
    list(TYPES.values())
    for module in [m for n, m in sys.modules.items() if n.startswith("convcli")]:
        for name, one in inspect.getmembers(module, dataclasses.is_dataclass):
            assert one.__init__.__module__ == "convcli.records", one
    """.strip()
    assert loaded(code, tmp_path)[1] == 0
