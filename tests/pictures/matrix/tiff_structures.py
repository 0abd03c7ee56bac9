"""TIFF cells whose directories are unusual, damaged or cut short, and samples that differ from each other."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tests.pictures.matrix import rules
from tests.pictures.matrix.cells import Cell, Reading
from tests.pictures.matrix.contents import samples_of
from tests.pictures.matrix.pages import Page, Value, tiff_page
from tests.support import Pixels

#: Pages on which each of the changes is tried.
BASES: dict[str, Page] = {
    "grey": Page(size=(20, 13), rows=4),
    "grey-u16-MM": Page(size=(20, 13), rows=4, bits=16, order=">"),
    "rgb-deflate": Page(size=(20, 13), rows=4, samples=3, photometric=2, compression=8),
    "rgb-big": Page(size=(20, 13), rows=6, samples=3, photometric=2, big=True),
    "rgba-tiles": Page(size=(20, 33), tile=(16, 16), samples=4, photometric=2, extra=(2,)),
    "grey-f32-one-strip": Page(size=(20, 13), bits=32, kind="f"),
}
DAMAGED = (r"damaged|truncated",)
_SHORT, _LONG = 3, 4


def cell(name: str, page: Page, **more: Any) -> Cell:
    """A page that is right as its rules say, or refused for what is unusual about it."""
    values = samples_of(page)
    settings: dict[str, Any] = {
        "file": lambda: tiff_page(page, values), "readings": rules.readings(page, values),
        "reasons": rules.reasons(page),
    }  # fmt: skip
    return Cell(name=name, **(settings | more))


def chains() -> Iterator[Cell]:
    """What comes after the first page: nothing of it makes that page unreadable, and a warning says so."""
    for name, page in BASES.items():
        values = samples_of(page)
        plain = tiff_page(page, values)
        own = struct.unpack_from(page.order + ("Q" if page.big else "I"), plain, 8 if page.big else 4)[0]
        warned = {"file": None, "notes": "."}
        for what, at in {
            "beyond the end": 0x7FFFFF00, "just beyond the end": len(plain), "cut short": len(plain) - 3,
            "itself": own, "the header": 2, "the last byte": len(plain) - 1,
        }.items():  # fmt: skip

            def file(page: Page = page, values: Pixels = values, at: int = at) -> bytes:
                return tiff_page(replace(page, following=at), values)

            yield cell(f"{name}, next page at {what}", page, **(warned | {"file": file}))
        for pages in (2, 3):
            yield cell(f"{name}, {pages} pages", page, file=_several(plain, pages), notes=f"frame 1 of {pages}")


def _several(data: bytes, pages: int) -> Callable[[], bytes]:
    """The file with its directory, which is its end, once more for each further page."""
    order, big = ("<" if data[:1] == b"I" else ">"), data[2:4] in (b"+\0", b"\0+")
    word, size = ("Q", 8) if big else ("I", 4)
    (own,) = struct.unpack_from(order + word, data, size)
    directory, out = data[own:-size], data[:-size]
    for _ in range(pages - 1):
        out += struct.pack(order + word, len(out) + size) + directory
    return lambda: out + bytes(size)


def _blocks(page: Page, tag: int) -> list[int]:
    """The values of a tag of offsets or sizes in the page's file."""
    data = tiff_page(page, samples_of(page))
    word, inline, entry = ("Q", 8, 20) if page.big else ("I", 4, 12)
    (at,) = struct.unpack_from(page.order + word, data, 8 if page.big else 4)
    count = struct.unpack_from(page.order + ("Q" if page.big else "H"), data, at)[0]
    for start in range(at + (8 if page.big else 2), at + 8 + count * entry, entry):
        if struct.unpack_from(page.order + "H", data, start)[0] == tag:
            (many,) = struct.unpack_from(page.order + word, data, start + 4)
            place = start + entry - inline
            if many * inline > inline:
                (place,) = struct.unpack_from(page.order + word, data, place)
            return list(struct.unpack_from(f"{page.order}{many}{word}", data, place))
    raise AssertionError(f"no tag {tag}")


def blocks() -> Iterator[Cell]:
    """Offsets, sizes and rows of strips and tiles that are missing, wrong, or written in another way."""
    for name, page in BASES.items():
        at, many = (324, 325) if page.tile else (273, 279)
        offsets, sizes = _blocks(page, at), _blocks(page, many)
        wide = 16 if page.big else _LONG

        def offset(*values: int, page: Page = page, at: int = at, wide: int = wide) -> Page:
            return replace(page, tags={at: page.packed(wide, *values)})

        def size(*values: int, page: Page = page, many: int = many, wide: int = wide) -> Page:
            return replace(page, tags={many: page.packed(wide, *values)})

        refused = {"readings": (), "reasons": DAMAGED}
        yield _as(page, f"{name}, last block beyond the end", offset(*offsets[:-1], 1 << 28), **refused)
        yield _as(page, f"{name}, all blocks beyond the end", offset(*[1 << 28] * len(offsets)), **refused)
        yield _as(page, f"{name}, an offset too few", offset(*offsets[:-1] or [0]), **refused)
        yield _as(page, f"{name}, a size of 3", size(*sizes[:-1], 3), **refused)
        lenient = {"reasons": DAMAGED}
        yield _as(page, f"{name}, sizes 0", size(*[0] * len(sizes)), **lenient)
        yield _as(page, f"{name}, a size 0", size(*sizes[:-1], 0), **lenient)
        yield _as(page, f"{name}, sizes missing", replace(page, tags={many: None}), **lenient)
        yield _as(page, f"{name}, sizes beyond the end", size(*[1 << 27] * len(sizes)), **lenient)
        yield _as(page, f"{name}, offsets missing", replace(page, tags={at: None}), **refused)
        yield _as(page, f"{name}, offsets as SHORT", replace(page, tags={at: page.packed(_SHORT, *offsets)}))
        yield _as(page, f"{name}, sizes as SHORT", replace(page, tags={many: page.packed(_SHORT, *sizes)}))
        if not page.tile:
            rows = {"missing": None, "huge": page.packed(_LONG, 0xFFFFFFFF), "0": page.packed(_LONG, 0)}
            for what, value in rows.items():
                odd = bool(page.rows) or what == "0"
                yield _as(
                    page, f"{name}, rows per strip {what}", replace(page, tags={278: value}), **(lenient if odd else {})
                )
            same = offset(*offsets[:1] * len(offsets))
            yield _as(page, f"{name}, all strips at one place", same, readings=_repeated(page), reasons=())
        yield from _sides_and_tags(name, page)


def _sides_and_tags(name: str, page: Page) -> Iterator[Cell]:
    """Tags of width, height and meaning that are missing, wrong, or written in another way."""
    lenient: dict[str, Any] = {"reasons": DAMAGED}

    def changed(tag: int, value: Value | None) -> Page:
        return replace(page, tags={tag: value})

    for tag in (256, 257):
        zero = changed(tag, page.packed(_LONG, 0))
        yield _as(page, f"{name}, tag {tag} is 0", zero, readings=(), reasons=(r"damaged|truncated|0 x|x 0|no size",))
        gone = changed(tag, None)
        yield _as(page, f"{name}, tag {tag} is missing", gone, readings=(), reasons=(r"damaged|0 x|x 0|no size",))
    short = {tag: page.packed(_SHORT, value) for tag, value in zip((257, 256), page.size, strict=True)}
    yield _as(page, f"{name}, sides as SHORT", replace(page, tags=short))
    yield _as(page, f"{name}, no planar configuration", changed(284, None))
    yield _as(page, f"{name}, a tag of an unknown kind", changed(65000, (99, 1, b"abcd")), reasons=("65000",))
    yield _as(page, f"{name}, a text that lies beyond the end", changed(270, (2, 1 << 26, bytes(8))), **lenient)
    unknown = changed(259, page.packed(_SHORT, 9999))
    yield _as(page, f"{name}, compression 9999", unknown, readings=(), reasons=("9999",))
    for orientation in (0, 9, 65535):
        yield _as(
            page,
            f"{name}, orientation {orientation}",
            replace(page, orientation=orientation),
            reasons=("orientation",),
        )


def _as(page: Page, name: str, changed: Page, **more: Any) -> Cell:
    """A cell with the tags of a changed page, and the samples of the page itself."""
    values = samples_of(page)
    return cell(name, page, **({"file": lambda: tiff_page(changed, values)} | more))


def _repeated(page: Page) -> tuple[Reading, ...]:
    values = samples_of(page)
    rows = page.rows or page.size[0]
    if page.compression != 1 and page.size[0] % rows:
        return ()
    return rules.readings(page, np.concatenate([values[:rows]] * -(-page.size[0] // rows))[: page.size[0]])


def cut_short() -> Iterator[Cell]:
    """Files that end early, anywhere; the directory lies at the end, or before the samples."""
    for name, page in BASES.items():
        data = tiff_page(page, samples_of(page))
        for share in range(1, 20):
            stop = len(data) * share // 20
            yield cell(f"{name}, cut to {stop} of {len(data)} bytes", page, file=_first(data, stop), readings=(),
                       reasons=DAMAGED)  # fmt: skip


def _first(data: bytes, stop: int) -> Callable[[], bytes]:
    return lambda: data[:stop]


def mixed() -> Iterator[Cell]:
    """Bits and formats that differ from sample to sample, or are given once for all; ExtraSamples of a wrong length."""
    for order in "<>":
        for bits in [(5, 6, 5), (8, 8, 16), (1, 8, 8), (16, 16, 8), (4, 4, 8), (10, 10, 12)]:
            for photometric in (1, 2):
                page = Page(samples=3, bits=bits, photometric=photometric, order=order)
                # Of whole bytes that differ, no rule says how 16 bits lie among them in a little-endian file.
                open_end = order == "<" and set(bits) == {8, 16}
                yield cell(
                    f"bits {bits}, photometric {photometric}, {order}", page, **({"readings": ()} if open_end else {})
                )
        for count, photometric, extra in [(2, 1, (2,)), (4, 2, (2,)), (4, 2, (1,)), (2, 1, (0,)), (4, 1, (0, 0, 0))]:
            page = Page(
                samples=count, bits=(8,) * (count - 1) + (1,), photometric=photometric, extra=extra, order=order
            )
            yield cell(f"8 bits and 1 of {count} samples, extra {extra}, photometric {photometric}, {order}", page)
    for name, page in BASES.items():
        if page.samples > 1:
            once = replace(page, tags={258: page.packed(_SHORT, 8)})
            yield _as(page, f"{name}, bits given once", once, reasons=(r"bits|258",))
            for kinds in [(1, 2, 1, 1), (1, 1, 3, 1)]:
                differing = replace(page, tags={339: page.packed(_SHORT, *kinds[: page.samples])})
                yield _as(page, f"{name}, formats {kinds}", differing, readings=(), reasons=("format|kind",))
        once = replace(page, tags={339: page.packed(_SHORT, 3 if page.kind == "f" else 1)})
        yield _as(page, f"{name}, format given once", once)
        for extra in [(2, 2), (0, 0, 2), (2, 0, 0, 0, 0)]:
            odd = replace(page, extra=extra)
            count = page.samples - rules.TAKES[page.photometric or 0]
            if len(extra) != count:  # the first or the last of them may count, or those that fit without it
                ways = [page, odd, replace(page, extra=extra[-count:] if count else ())]
                actual = [reading for route in ways for reading in rules.readings(route, samples_of(page))]
                yield _as(page, f"{name}, {len(extra)} extra samples {extra}", odd, readings=tuple(actual),
                          reasons=("extra",))  # fmt: skip
    inks = Page(samples=4, photometric=5, tags={332: Page().packed(_SHORT, 2)})
    yield cell("four inks that are not CMYK", inks, readings=(), reasons=("ink|CMYK",))
    for count in (63, 64, 65, 100, 1000):
        bands = Page(size=(5, 4), samples=count, extra=(0,) * (count - 1), rows=2)
        yield cell(f"{count} bands", bands)
        yield cell(
            f"RGB and {count - 3} bands, planar", replace(bands, photometric=2, extra=bands.extra[2:], planar=True)
        )
    for tile in [(10, 10), (7, 3), (1, 1), (16, 8)]:
        yield cell(f"tiles of {tile}", Page(size=(20, 33), tile=tile), reasons=("tile",))


def special_values() -> Iterator[Cell]:
    """NaN, infinities, zeros of both signs and the smallest numbers come out bit for bit."""
    numbers = [np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324, 1e-45, 6e-8, 65504, 3.4e38, 1.7e308, -1.0]
    for bits in (16, 32, 64):
        for order in "<>":
            for compression, predictor in [(1, 1), (8, 1), (5, 3), (8, 3)]:
                page = Page(size=(3, 4), bits=bits, kind="f", order=order, compression=compression, predictor=predictor)
                with np.errstate(over="ignore"):
                    held = np.array(numbers).astype(f"f{bits // 8}").reshape(3, 4, 1)
                right = held.astype(np.float64 if bits == 64 else np.float32)
                yield cell(f"f{bits} {order} compression {compression} predictor {predictor}", page,
                           file=lambda page=page, held=held: tiff_page(page, held),
                           readings=(Reading(pixels=right, colours=1),))  # fmt: skip
