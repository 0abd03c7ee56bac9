"""`python -m benchmarks`: measures convcli beside others that are installed, and reports in Markdown."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import (
    batch,
    chart,
    commands,
    floors,
    images,
    launch,
    layers,
    machine,
    memory,
    networks,
    noise,
    pictures,
    planner,
    readme,
    report,
)
from benchmarks.model import US, Figures, Row, Run, Scenario, Workshop, from_json, to_json
from benchmarks.timing import measure, row, said


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="small pictures and some of the cases, in a couple of minutes")
    add("--only", metavar="RE", default="", help="comparisons whose title has this regular expression; see --list")
    add("--huge", action="store_true", help="also the 400 MP TIFF: 9 GB of disk")
    add("--networks", metavar="FOLDER", type=Path, help="where the weights of real networks are")
    add("--as-avx2", action="store_true", help="switch AVX-512 off in the libraries, for this run")
    add("--repeat", metavar="N", type=int, default=0, help="rounds of every comparison, instead of its own number")
    add("--list", action="store_true", help="print the titles, measure nothing")
    add("--json", metavar="FILE", type=Path, help="keep the figures; those already in FILE stay, and are reported too")
    add("--no-run", action="store_true", help="measure nothing, report what is in the --json file")
    add("--markdown", metavar="FILE", type=Path, help="write the report to FILE, not to stdout")
    add("--svg", metavar="FILE", type=Path, help="draw the ratios")
    add("--readme", action="store_true", help="rewrite the results and what docs/speed.md says of them")
    settings = parser.parse_args(arguments)
    if settings.no_run and not settings.json:
        parser.error("--no-run reports what --json FILE holds")
    try:
        re.compile(settings.only)
    except re.error as error:
        parser.error(f"--only: {error}")
    return settings


def every(*, quick: bool, huge: bool, folder: Path | None = None) -> list[Scenario]:
    """All comparisons, in the order of the report; `folder` has the weights of networks."""
    beside_others = [
        *commands.starts(quick=quick),
        *commands.scenarios(huge=huge),
        *batch.scenarios(quick=quick),
        *images.scenarios(),
        *layers.scenarios(),
        *networks.scenarios(folder),
    ]
    alone = [*memory.scenarios(quick=quick), *planner.scenarios(quick=quick)]
    return [*beside_others, *noise.scenarios(beside_others), *alone]


def chosen(settings: argparse.Namespace) -> list[Scenario]:
    scenarios = every(quick=settings.quick, huge=settings.huge, folder=settings.networks)
    return [one for one in scenarios if re.search(settings.only, one.title) and (one.quick or not settings.quick)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 1 where a comparison of ours broke."""
    settings = options(arguments)
    if settings.as_avx2 and not machine.as_avx2():
        # Libraries look at their environment when they are loaded, and these are.
        words = [sys.executable, "-m", "benchmarks", *(sys.argv[1:] if arguments is None else arguments)]
        os.execve(words[0], words, {**os.environ, **machine.AS_AVX2})
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    scenarios = [] if settings.no_run else chosen(settings)
    if settings.list:
        sys.stdout.write("".join(f"{one.title}\n" for one in scenarios))
        return 0
    if not scenarios and not settings.no_run:
        print(f"Error: no comparison has {settings.only!r} in its title; see --list", file=sys.stderr)
        return 2
    run = measured(scenarios, settings) if scenarios else None
    if settings.json:
        run = stored(settings.json, run)
    assert run is not None
    if settings.markdown:
        settings.markdown.write_text(report.whole(run), encoding="utf-8")
    elif not settings.readme:
        print(report.whole(run))
    if settings.svg:
        settings.svg.write_text(chart.drawn(run), encoding="utf-8")
    if settings.readme:
        readme.rewrite(launch.ROOT, run)
    return 1 if any(one.figures[US].note.startswith("failed") for one in run.rows) else 0


def measured(scenarios: Sequence[Scenario], settings: argparse.Namespace) -> Run:
    """Measures one after the other, with progress on stderr; one of ours that fails is a row with a note."""
    before = machine.Moment.now()
    rates = floors.rates()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name, launch.Launcher(Path(name)) as launcher:
        folder = Path(name)
        shop = Workshop(folder=folder, command=launcher.command, picture=lambda size, kind: picture(folder, size, kind))
        try:
            for number, one in enumerate(scenarios, 1):
                print(f"[{number}/{len(scenarios)}] {one.title}", file=sys.stderr, flush=True)
                rows.append(attempt(one, shop, settings.repeat, rates))
        except KeyboardInterrupt:
            print("Stopped: only what was measured until now is reported.", file=sys.stderr)
    facts = {
        "Machine": machine.machine(),
        "Versions": machine.versions(),
        "Instructions": machine.held(),
        "Floors": floors.described(rates, floors.banks()),
    }
    piece = machine.piece(before, machine.Moment.now())
    print(machine.circumstances([piece]), file=sys.stderr)
    return Run(quick=settings.quick, facts=facts, pieces=(piece,), rows=tuple(rows))


def attempt(one: Scenario, shop: Workshop, repeat: int, rates: dict[str, float]) -> Row:
    try:
        contest = one.make(shop)
        return row(
            one, measure(one, contest, rounds=repeat if repeat and one.rounds > 1 else one.rounds), contest, rates
        )
    except Exception as error:
        print(f"  failed: {error}", file=sys.stderr)
        figures = {US: Figures(note=f"failed: {said(error)}")}
        return Row(section=one.section, name=one.name, conditions=one.conditions, figures=figures, goals=one.goals)


def picture(folder: Path, size: float, kind: str) -> Path:
    """The photograph of `size` megapixels as a file, made when it is first asked for."""
    path = folder / f"in-{size:g}.{kind}"
    if not path.is_file():
        pictures.save(path, pictures.photograph(size))
    return path


def stored(path: Path, run: Run | None) -> Run:
    """The figures of the file with those of `run`, which are kept there.

    Exits with a message where the file is of another machine, or quick and the run isn't.
    """
    if path.is_file():
        old = from_json(json.loads(path.read_text(encoding="utf-8")))
        if run is not None and (old.quick, old.facts.get("Machine")) != (run.quick, run.facts["Machine"]):
            raise SystemExit(f"Error: {path} is from another machine, or not as quick; name another file")
        run = old.merged(run) if run else old
        place = {one.title: number for number, one in enumerate(every(quick=run.quick, huge=True))}
        run = replace(run, rows=tuple(sorted(run.rows, key=lambda one: place.get(one.title, len(place)))))
    if run is None:
        raise SystemExit(f"Error: {path} is not there")
    path.write_text(json.dumps(to_json(run), indent=1) + "\n", encoding="utf-8")
    return run


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped.")
