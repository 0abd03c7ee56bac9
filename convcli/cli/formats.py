"""The formats of files as a table: `convcli list --formats`. In a file of its own, as kernels need none of it."""

from __future__ import annotations

from typing import Any

from convcli.pictures.registry import FORMATS, Format
from convcli.reports import Column, Table

#: What so many channels are, as a writer takes them.
_CHANNELS = {1: "grey", 2: "grey+alpha", 3: "RGB", 4: "RGBA"}


def table() -> Table:
    """What each format is called, holds, and is written with."""
    columns = (
        Column(key="format", title="Format"),
        Column(key="extensions", title="Extensions", wraps=True),
        Column(key="written", title="Written", priority=1),
        Column(key="depths", title="Depths", priority=2, wraps=True),
        Column(key="channels", title="Channels", priority=3, wraps=True),
        Column(key="several", title="Several", priority=5),
        Column(key="settings", title="Settings (-O)", priority=4, wraps=True),
    )
    return Table(columns=columns, rows=[_row(one) for one in FORMATS.values()])


def _row(row: Format) -> dict[str, Any]:
    depths = sorted(row.depths, key=lambda depth: (len(depth), depth))
    channels = [_CHANNELS[count] for count in sorted(row.channels) if count not in row.widened]
    channels += [f"{row.bands} bands"] if row.bands else []
    several = "pages" if row.pages and row.encode_frames else "frames" if row.encode_frames else ""
    return {
        "format": row.name, "extensions": " ".join((*row.extensions, *row.only_read)),
        "written": "yes" if row.extensions else "no", "several": several,
        "depths": "any" if row.name == "npy" else " ".join(depths),
        "channels": "any" if row.name == "npy" else " ".join(channels),
        "settings": " ".join(f"{row.name}_{name}" for name in row.settings),
    }  # fmt: skip
