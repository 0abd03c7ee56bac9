"""Kernels of one's own by name: where they are looked for, and what happens to names that ship and broken files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import convcli
from convcli import answers
from convcli.errors import KernelError
from tests.support import noise, read, run, save, spawn


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A folder of CONVCLI_PATH and the one of the settings, with a kernel each, and one name in both."""
    path, settings = tmp_path / "path", tmp_path / "config" / "convcli" / "kernels"
    for folder in (path, settings):
        folder.mkdir(parents=True)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CONVCLI_PATH", f"{tmp_path / 'missing'}:{path}")
    (path / "soft.yaml").write_text("about: Mine.\nweights: [[1, 2, 1]]\ndivisor: sum\n")
    (path / "both.yaml").write_text("weights: [[2]]\n")
    (settings / "both.yaml").write_text("weights: [[3]]\n")
    (settings / "hard.yml").write_text("about: Also mine.\nweights: [[-1, 3, -1]]\n")
    return path, settings


def test_they_are_kernels_by_name(folders: tuple[Path, Path], tmp_path: Path) -> None:
    picture = save(tmp_path / "a.png", noise(6, 8))
    assert run("apply", picture, "-k", "soft", "-o", tmp_path / "b.png").code == 0
    assert run("apply", picture, "-k", "[[1, 2, 1]]:divisor=sum", "-o", tmp_path / "c.png").code == 0
    assert np.array_equal(read(tmp_path / "b.png"), read(tmp_path / "c.png"))
    assert convcli.load("soft:divisor=2").replace(name="") == convcli.load(
        {"about": "Mine.", "weights": [[1, 2, 1]], "divisor": 2}
    ).replace(name="")
    assert convcli.load("hard").taps == (1, 3)
    assert convcli.load("both").dense_weights().tolist() == [[2]], "folders of CONVCLI_PATH come first"
    assert "soft" in run("show", "sof").err


def test_they_are_listed_apart_with_their_files(folders: tuple[Path, Path]) -> None:
    done = run("list", "--json")
    rows = json.loads(done.out)["rows"]
    own = [(row["name"], row["file"]) for row in rows if row["group"] == "own"]
    files = [folders[0] / "both.yaml", folders[1] / "hard.yml", folders[0] / "soft.yaml"]
    assert own == [(path.stem, str(path)) for path in files]
    assert {row["name"] for row in rows if row["group"] != "own"} == set(convcli.names())
    assert answers.answer(["list"]) is None
    assert spawn("list").out == run("list").out
    assert str(folders[0] / "soft.yaml") in run("list", "mine").out.decode()


def test_a_shipped_kernel_is_never_hidden(folders: tuple[Path, Path]) -> None:
    (folders[0] / "box.yaml").write_text("weights: [[1]]\n")
    with pytest.raises(KernelError, match=r"'box' is a shipped kernel, and .*box\.yaml has its name"):
        convcli.load("box")
    done = run("list", "--json")
    assert done.code == 0 and done.err == (
        f"Warning: {folders[0] / 'box.yaml'} has the name of a shipped kernel: -k {folders[0] / 'box.yaml'} is yours\n"
    )
    assert [row["taps"] for row in json.loads(done.out)["rows"] if row["name"] == "box"] == [[5, 5], [1, 1]]
    assert convcli.load(str(folders[0] / "box.yaml")).taps == (1, 1)


def test_broken_files_are_a_line_each(folders: tuple[Path, Path]) -> None:
    (folders[0] / "broken.yaml").write_text("weights: [[1, 2], [3]]\n")
    (folders[0] / "noise.yaml").write_bytes(b"\xff\xfe\x00")
    done = run("list")
    assert done.code == 0 and len(done.err.splitlines()) == 2
    assert f"Warning: {folders[0] / 'broken.yaml'}:1:" in done.err
    assert "soft" in done.out.decode() and "broken.yaml" not in done.out.decode()
    assert run("show", "broken").code == 2


def test_a_record_knows_them_by_what_is_in_them(folders: tuple[Path, Path], tmp_path: Path) -> None:
    picture = save(tmp_path / "a.png", noise(6, 8))
    line = ("apply", picture, "-k", "soft", "-o", tmp_path / "b.png", "--report-file", tmp_path / "r.jsonl", "--resume")
    assert run(*line).code == 0
    written = (tmp_path / "b.png").stat().st_mtime_ns
    assert run(*line, "--overwrite").code == 0
    assert (tmp_path / "b.png").stat().st_mtime_ns == written, "nothing changed, so it is skipped"
    (folders[0] / "soft.yaml").write_text("weights: [[3, 2, 1]]\ndivisor: sum\n")
    assert run(*line, "--overwrite").code == 0
    assert (tmp_path / "b.png").stat().st_mtime_ns != written


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"HOME": "/home/me"}, "/home/me/.config"),
        ("darwin", {"HOME": "/home/me"}, "/home/me/.config"),
        ("linux", {"HOME": "/home/me", "XDG_CONFIG_HOME": "/etc/me"}, "/etc/me"),
        ("win32", {"APPDATA": "/C/Roaming"}, "/C/Roaming"),
    ],
)
def test_the_folder_of_the_settings(
    platform: str, variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CONFIG_HOME", "CONVCLI_PATH", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", platform)
    assert [Path(folder) for folder in answers.own_folders()] == [Path(expected) / "convcli" / "kernels"]


def test_networks_of_ones_own_have_names_too(folders: tuple[Path, Path], tmp_path: Path) -> None:
    weights = noise(9, 9).astype("f4").reshape(3, 3, 3, 3) / 2000
    np.savez(folders[0] / "net.npz", **{"first.weight": weights, "first.bias": np.zeros(3, "f4")})
    text = (
        "about: A net.\ninput: 8x8x3\nweights: net.npz\nlayers: [{dense: 3, kernel_size: 3, name: first, bias: true}]"
    )
    (folders[0] / "mynet.yaml").write_text(text)
    picture = save(tmp_path / "a.png", noise(12, 16, 3))
    for name, kernel in (("b", "mynet"), ("c", folders[0] / "mynet.yaml"), ("d", "MyNet")):
        assert run("apply", picture, "-k", kernel, "-o", tmp_path / f"{name}.tif").code == 0
    assert read(tmp_path / "b.tif").std() > 1
    assert np.array_equal(read(tmp_path / "b.tif"), read(tmp_path / "c.tif"))
    assert np.array_equal(read(tmp_path / "b.tif"), read(tmp_path / "d.tif"))
    assert run("compare", "mynet", "--json").out == run("compare", folders[0] / "mynet.yaml", "--json").out
    row = json.loads(run("list", "own", "--json").out)["rows"][1]
    assert (row["name"], row["type"], row["parameters"], row["about"]) == ("hard", "dense", 3, "Also mine.")
    rows = {row["name"]: row for row in json.loads(run("list", "own", "--json").out)["rows"]}
    assert (rows["mynet"]["type"], rows["mynet"]["about"], rows["mynet"]["parameters"]) == ("network", "A net.", 81)
    assert "mynet\tA net." in run("completion", "bash", "--", "apply", "-k", "myn").out.decode()


def test_show_and_completion_tell_of_the_file(folders: tuple[Path, Path]) -> None:
    assert json.loads(run("show", "soft", "--json").out)["file"] == str(folders[0] / "soft.yaml")
    assert f"file         {folders[0] / 'soft.yaml'}" in run("show", "soft").out.decode()
    assert "file" not in json.loads(run("show", "box", "--json").out)
    assert run("completion", "bash", "--", "show", "sof").out.decode() == "soft\tMine.\n"


def test_capitals_and_underscores_are_no_other_name(folders: tuple[Path, Path]) -> None:
    for written, name in (("Gaussian:sigma=2", "gaussian"), ("SOBEL_X", "sobel-x"), ("SOFT", "soft")):
        assert convcli.load(written).name == name
    (folders[0] / "Box.yaml").write_text("weights: [[5]]\n")
    assert convcli.load("Box").dense_weights().tolist() == [[5]], "the very name comes first"
    assert convcli.load("box").taps == (5, 5)
    with pytest.raises(KernelError, match="unknown kernel 'BOX'"):
        convcli.load("BOX")
