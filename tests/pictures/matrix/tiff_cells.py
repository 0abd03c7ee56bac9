"""The TIFF cells whose samples are stored as they are or without loss: depth, layout, compression, meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle, islice, product
from random import Random
from typing import Any

from tests.pictures.matrix import coding, rules
from tests.pictures.matrix.cells import Cell
from tests.pictures.matrix.contents import colour_map, samples_of
from tests.pictures.matrix.pages import Page, tiff_page

#: Samples, photometric and ExtraSamples: what the channels mean.
MEANINGS: dict[str, dict[str, Any]] = {
    "grey": {}, "white-is-0": {"photometric": 0}, "no-photometric": {"photometric": None},
    "grey+straight": {"samples": 2, "extra": (2,)}, "grey+premultiplied": {"samples": 2, "extra": (1,)},
    "grey+band": {"samples": 2, "extra": (0,)}, "2-bands": {"samples": 2},
    "white-is-0+straight": {"samples": 2, "photometric": 0, "extra": (2,)},
    "rgb": {"samples": 3, "photometric": 2}, "rgb+straight": {"samples": 4, "photometric": 2, "extra": (2,)},
    "rgb+premultiplied": {"samples": 4, "photometric": 2, "extra": (1,)},
    "rgb+band": {"samples": 4, "photometric": 2, "extra": (0,)}, "rgb+1": {"samples": 4, "photometric": 2},
    "rgb+2-bands": {"samples": 5, "photometric": 2, "extra": (0, 0)},
    "rgb+straight+band": {"samples": 5, "photometric": 2, "extra": (2, 0)},
    "rgb+band+straight": {"samples": 5, "photometric": 2, "extra": (0, 2)},
    "rgb+premultiplied+2-bands": {"samples": 6, "photometric": 2, "extra": (1, 0, 0)},
    "3-bands": {"samples": 3}, "3-bands-said": {"samples": 3, "extra": (0, 0)},
    "4-bands": {"samples": 4}, "4-bands-said": {"samples": 4, "extra": (0, 0, 0)},
    "3-bands+straight": {"samples": 4, "extra": (0, 0, 2)}, "white-is-0-4-bands": {"samples": 4, "photometric": 0},
    "5-bands": {"samples": 5, "extra": (0,) * 4}, "6-bands": {"samples": 6}, "8-bands": {"samples": 8},
    "13-bands": {"samples": 13, "extra": (0,) * 12}, "64-bands": {"samples": 64, "extra": (0,) * 63},
    "no-photometric-3": {"samples": 3, "photometric": None}, "no-photometric-4": {"samples": 4, "photometric": None},
    "rgb-1": {"samples": 1, "photometric": 2}, "rgb-2": {"samples": 2, "photometric": 2},
    "mask": {"photometric": 4},
}  # fmt: skip
DEPTHS = [("u", 8), ("u", 16), ("u", 32), ("u", 64), ("i", 8), ("i", 16), ("i", 32), ("i", 64),
          ("f", 16), ("f", 32), ("f", 64)]  # fmt: skip
ODD_DEPTHS = [("u", bits) for bits in (*range(1, 17), 24, 32)] + [
    ("f", 24), ("i", 2), ("i", 4), ("i", 7), ("i", 12), ("i", 24), ("v", 1), ("v", 8), ("v", 16), ("v", 32),
    ("c", 16), ("c", 32), ("z", 64), ("z", 128),
]  # fmt: skip
LAYOUTS: dict[str, dict[str, Any]] = {
    "one-strip": {}, "strips-1": {"rows": 1}, "strips-4": {"rows": 4}, "scattered": {"rows": 2, "scattered": True},
    "tiles": {"tile": (16, 16)}, "tiles-16x32": {"tile": (16, 32), "scattered": True},
    "tiles-larger": {"tile": (48, 48)},
}  # fmt: skip
CODES = {coding.NONE: "none", coding.LZW: "lzw", coding.DEFLATE: "deflate", coding.OLD_DEFLATE: "old-deflate",
         coding.PACKBITS: "packbits", coding.LZMA: "lzma", coding.ZSTD: "zstd"}  # fmt: skip


#: Names and pages, of which `cell` makes cells.
Section = Callable[[], Iterator[tuple[str, Page]]]


def cell(name: str, page: Page) -> Cell:
    """The cell of a page, by the rules; what is scaled from a depth that no array has is told of."""
    values = samples_of(page)
    scaled = page.kind == "u" and page.photometric != 3 and set(page.depths) & {*range(9, 16), 24}
    return Cell(
        name=name, file=lambda: tiff_page(page, values), readings=rules.readings(page, values),
        reasons=rules.reasons(page), notes=r"scaled|bit" if scaled else "",
    )  # fmt: skip


def _said(page: Page) -> str:
    """How a page is stored, in a few words."""
    words = [CODES[page.compression], f"predictor {page.predictor}" * (page.predictor > 1), "planar" * page.planar,
             {"<": "II", ">": "MM"}[page.order], "big" * page.big, "fill 2" * (page.fill == 2)]  # fmt: skip
    return " ".join(filter(None, words))


def _chosen(random: Random, **options: Any) -> dict[str, Any]:
    """One of each of the options, which are lists, or dicts by name."""
    return {name: random.choice(list(values)) for name, values in options.items()}


def _pairs(
    random: Random, meanings: dict[str, dict[str, Any]], depths: list[tuple[str, int]], count: int
) -> Iterator[tuple[str, tuple[str, int]]]:
    """Every meaning at every depth, again and again, in an order that has no system."""
    pairs = list(product(meanings, depths))
    random.shuffle(pairs)
    return islice(cycle(pairs), count)


def _size(random: Random, samples: int) -> tuple[int, int]:
    return random.choice([(5, 7), (1, 1), (33, 17), (17, 33), (20, 16)] if samples < 9 else [(5, 7), (3, 4)])


def storage(count: int = 2500) -> Iterator[tuple[str, Page]]:
    """Depths that arrays have, in every layout, byte order, compression and meaning: a sample of the product."""
    random = Random("storage")
    for number, (name, (kind, bits)) in enumerate(_pairs(random, MEANINGS, DEPTHS, count)):
        at = _chosen(random, layout=LAYOUTS, compression=CODES, planar=[False, True],
                     order="<>", big=[False, True], predictor=[1, 1, 2, 3])  # fmt: skip
        predictor = at["predictor"]
        if at["compression"] in (coding.NONE, coding.PACKBITS) or predictor == (2 if kind == "f" else 3):
            predictor = 1
        page = Page(kind=kind, bits=bits, **MEANINGS[name], **LAYOUTS[at["layout"]], order=at["order"],
                    big=at["big"], compression=at["compression"], predictor=predictor)  # fmt: skip
        page = replace(page, size=_size(random, page.samples), planar=at["planar"] and page.samples > 1)
        yield f"{number} {kind}{bits} {name} {at['layout']} {_said(page)}", page


def depths(count: int = 2000) -> Iterator[tuple[str, Page]]:
    """Every number of bits, in strips and tiles, planes, both fill orders; undefined and complex samples."""
    random = Random("depths")
    meanings = {name: meaning for name, meaning in MEANINGS.items() if meaning.get("samples", 1) <= 5}
    for number, (name, (kind, bits)) in enumerate(_pairs(random, meanings, ODD_DEPTHS, count)):
        at = _chosen(random, layout=LAYOUTS, planar=[False, True], order="<>",
                     compression=[1, 1, 5, 8, 32773], fill=[1, 1, 2], predictor=[1, 1, 1, 2])  # fmt: skip
        predictor = at["predictor"] if at["compression"] in (5, 8) and kind in "ui" and at["fill"] == 1 else 1
        page = Page(kind=kind, bits=bits, **meanings[name], **LAYOUTS[at["layout"]], order=at["order"],
                    compression=at["compression"], fill=at["fill"], predictor=predictor)  # fmt: skip
        page = replace(page, size=_size(random, page.samples), planar=at["planar"] and page.samples > 1)
        yield f"{number} {kind}{bits} {name} {at['layout']} {_said(page)}", page


def large(count: int = 12) -> Iterator[tuple[str, Page]]:
    """Pictures of some megabytes, which come in several bands as they are."""
    random = Random("large")
    layouts: dict[str, dict[str, Any]] = {
        "one-strip": {}, "strips-16": {"rows": 16}, "strips-200": {"rows": 200, "scattered": True},
        "tiles": {"tile": (256, 256)}, "tiles-64x512": {"tile": (64, 512)},
    }  # fmt: skip
    names = ["grey", "white-is-0", "grey+straight", "rgb", "rgb+straight", "rgb+premultiplied", "rgb+band", "3-bands",
             "5-bands", "13-bands"]  # fmt: skip
    for number in range(count):
        at = _chosen(random, meaning=names, layout=layouts, planar=[False, True], order="<>", compression=[1, 1, 8],
                     depth=[("u", 8), ("u", 16), ("u", 12), ("u", 4), ("i", 16), ("f", 32)])  # fmt: skip
        kind, bits = at["depth"]
        page = Page(kind=kind, bits=bits, **MEANINGS[at["meaning"]], **layouts[at["layout"]], order=at["order"],
                    compression=at["compression"])  # fmt: skip
        width = 3_000_000 // (1100 * page.samples)
        page = replace(page, size=(1100, width), planar=at["planar"] and page.samples > 1)
        yield f"{number} {kind}{bits} {at['meaning']} {at['layout']} {_said(page)}", page


def palettes() -> Iterator[tuple[str, Page]]:
    """Every depth of index, with and without further samples, maps of 16-bit values and of 8-bit ones."""
    further: dict[str, dict[str, Any]] = {
        "alone": {}, "straight": {"samples": 2, "extra": (2,)}, "band": {"samples": 2, "extra": (0,)},
        "premultiplied": {"samples": 2, "extra": (1,)}, "1-more": {"samples": 2},
        "straight+band": {"samples": 3, "extra": (2, 0)},
    }  # fmt: skip
    ways: list[dict[str, Any]] = [
        {}, {"rows": 2, "order": ">"}, {"tile": (16, 16)}, {"rows": 3, "compression": 5},
        {"tile": (16, 32), "compression": 8, "order": ">"}, {"compression": 32773, "big": True}, {"orientation": 6},
        {"planar": True}, {"fill": 2},
    ]  # fmt: skip
    for bits in range(1, 17):
        for name, more in further.items():
            for eight in (False, True):
                for number, form in enumerate(ways if bits <= 8 or name == "alone" else ways[:2]):
                    if form.get("planar") and "samples" not in more:
                        continue
                    page = Page(size=(17, 33), bits=bits, photometric=3, **more, **form)
                    page = replace(page, map=colour_map(page, eight=eight))
                    yield f"u{bits} palette {name}, map of {8 if eight else 16} bits, way {number}", page


def orientations() -> Iterator[tuple[str, Page]]:
    """Eight orientations and two that are none, of every kind of picture."""
    kinds: list[tuple[str, int]] = [("u", 8), ("u", 16), ("f", 32), ("u", 1), ("i", 16)]
    for name, meaning in MEANINGS.items():
        if meaning.get("samples", 1) > 6:
            continue
        for kind, bits in kinds:
            for orientation in range(1, 9):
                form = [{}, {"rows": 2}, {"tile": (16, 16)}, {"planar": meaning.get("samples", 1) > 1}][orientation % 4]
                page = Page(kind=kind, bits=bits, orientation=orientation, **meaning, **form)
                yield f"{kind}{bits} {name} orientation {orientation} {form}", page


def photometrics() -> Iterator[tuple[str, Page]]:
    """Colours besides grey, RGB and palettes; those that have no rule here have to be refused by name."""
    kinds: list[tuple[str, int]] = [("u", 8), ("u", 16), ("i", 8), ("i", 16), ("f", 32), ("u", 4), ("u", 12), ("u", 32)]
    meanings: dict[str, dict[str, Any]] = {
        "cmyk": {"photometric": 5, "samples": 4}, "cmyk+straight": {"photometric": 5, "samples": 5, "extra": (2,)},
        "cmyk+premultiplied": {"photometric": 5, "samples": 5, "extra": (1,)},
        "cmyk+band": {"photometric": 5, "samples": 5, "extra": (0,)}, "cmyk+1": {"photometric": 5, "samples": 5},
        "cmyk+straight+band": {"photometric": 5, "samples": 6, "extra": (2, 0)},
        "cmyk-3": {"photometric": 5, "samples": 3}, "ycbcr": {"photometric": 6, "samples": 3},
        "ycbcr+straight": {"photometric": 6, "samples": 4, "extra": (2,)}, "ycbcr-1": {"photometric": 6},
        "cielab": {"photometric": 8, "samples": 3}, "cielab-1": {"photometric": 8},
        "icclab": {"photometric": 9, "samples": 3}, "itulab": {"photometric": 10, "samples": 3},
        "cfa": {"photometric": 32803}, "cfa-3": {"photometric": 32803, "samples": 3},
        "linear-raw": {"photometric": 34892}, "linear-raw-3": {"photometric": 34892, "samples": 3},
        "logl-plain": {"photometric": 32844}, "logluv-plain": {"photometric": 32845, "samples": 3},
        "unknown": {"photometric": 99}, "unknown-3": {"photometric": 12345, "samples": 3},
    }  # fmt: skip
    ways: list[dict[str, Any]] = [{}, {"rows": 2, "order": ">"}, {"tile": (16, 16), "compression": 5}, {"planar": True}]
    for name, meaning in meanings.items():
        for kind, bits in kinds:
            for number, form in enumerate(ways):
                if form.get("planar") and "samples" not in meaning:
                    continue
                if name in ("cielab", "icclab") and kind == "u" and bits in (8, 16):
                    continue  # these are in `tiff_codecs.lab`, in a gamut
                page = Page(size=(17, 20), kind=kind, bits=bits, **meaning, **form)
                if meaning["photometric"] == 6:
                    page = replace(page, tags={530: page.packed(3, 1, 1)})
                yield f"{kind}{bits} {name} way {number}", page
