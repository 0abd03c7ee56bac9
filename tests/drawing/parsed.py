"""What a drawing says, read from its SVG by another parser."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from convcli.drawing import Drawing

NS = "{http://www.w3.org/2000/svg}"


def root(drawing: Drawing) -> ET.Element:
    return ET.fromstring(drawing.svg())


def notes(drawing: Drawing, name: str) -> dict[tuple[int, ...], float]:
    """The values that cells tell under a name: `w[0, 1] = -2` is {(0, 1): -2.0}."""
    actual = {}
    for title in root(drawing).iter(f"{NS}title"):
        match = re.fullmatch(rf"{name}\[([-\d, ]+)\] = (\S+)", title.text or "")
        if match:
            actual[tuple(map(int, match[1].split(",")))] = float(match[2])
    return actual


def texts(drawing: Drawing) -> list[str]:
    actual = root(drawing).iter(f"{NS}text")
    return [(text.text or "") + "".join(child.tail or "" for child in text) for text in actual]


def value(text: str) -> float:
    return float(text.strip("()").replace("−", "-"))
