"""Files and texts changed at random: in their structure, in their bytes, and by parts of other files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from .structure import Field, repaired, structure

#: Numbers that code forgets: none, one, the ends of every width, more than memory.
NUMBERS = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 1000, 4096, 16383, 16384, 30000, 32767, 32768, 65500, 65535, 65536)
NUMBERS += (1 << 20, (1 << 20) + 1, 1 << 24, (1 << 30) - 1, 1 << 30, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32)
NUMBERS += ((1 << 62) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


def mutant(data: bytes, format: str, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """`data` with one to six changes; mostly with its checksums set right afterwards."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        change: Callable[..., bytes] = random.choices(
            (_field, _field_by_little, _part, _bytes, _stretch, _cut, _other), (30, 10, 12, 16, 8, 4, 4)
        )[0]
        data = change(data, format, random, others) if change is _other else change(data, format, random)
        if random.random() < 0.8:
            data = repaired(data, format)
    return data


def _set(data: bytes, field: Field, value: int) -> bytes:
    if not field.size:
        return data[: field.at] + str(value).encode() + data[field.end :]
    packed = (value % (1 << 8 * field.size)).to_bytes(field.size, "little" if field.order == "little" else "big")
    return data[: field.at] + packed + data[field.at + field.size :]


def _field(data: bytes, format: str, random: Random) -> bytes:
    fields = structure(data, format).fields
    if not fields:
        return _bytes(data, format, random)
    near = random.choice((len(data), len(data) - 1, random.randrange(1 << 16), random.randrange(256)))
    return _set(data, random.choice(fields), random.choice((*NUMBERS, near)))


def _field_by_little(data: bytes, format: str, random: Random) -> bytes:
    fields = [field for field in structure(data, format).fields if field.size]
    if not fields:
        return _bytes(data, format, random)
    field = random.choice(fields)
    before = int.from_bytes(data[field.at : field.at + field.size], "little" if field.order == "little" else "big")
    return _set(data, field, before + random.choice((-2, -1, 1, 2, 16, before)))


def _part(data: bytes, format: str, random: Random) -> bytes:
    """A part left out, doubled, moved, emptied or filled."""
    parts = [part for part in structure(data, format).parts if part[1] > part[0]]
    if not parts:
        return _stretch(data, format, random)
    start, end = random.choice(parts)
    kind = random.randrange(5)
    if kind == 0:
        return data[:start] + data[end:]
    if kind == 1:
        return data[:end] + data[start:end] * random.choice((1, 2, 50)) + data[end:]
    if kind == 2:
        rest, (at, _) = data[:start] + data[end:], random.choice(parts)
        return rest[:at] + data[start:end] + rest[at:]
    middle = min(start + 8, end)
    filled = bytes(end - middle) if kind == 3 else random.randbytes(end - middle)
    return data[:middle] + filled + data[end:]


def _bytes(data: bytes, format: str, random: Random) -> bytes:
    """Single bytes and bits."""
    out = bytearray(data)
    for _ in range(random.choice((1, 2, 8, 40)) if out else 0):
        at = random.randrange(len(out))
        out[at] = random.choice((0, 255, out[at] ^ 1 << random.randrange(8), random.randrange(256)))
    return bytes(out)


def _stretch(data: bytes, format: str, random: Random) -> bytes:
    """A stretch removed, doubled, zeroed or overwritten."""
    start = random.randrange(len(data) + 1)
    end = min(len(data), start + random.choice((1, 2, 4, 16, 100, 1000)))
    middle = random.choice((b"", data[start:end] * 2, bytes(end - start), random.randbytes(end - start)))
    return data[:start] + middle + data[end:]


def _cut(data: bytes, format: str, random: Random) -> bytes:
    """Cut short, or followed by something."""
    if random.random() < 0.7:
        return data[: random.randrange(len(data) + 1)]
    return data + random.choice((b"\0", bytes(1000), data, random.randbytes(100)))


def _other(data: bytes, format: str, random: Random, others: Sequence[bytes]) -> bytes:
    """The start of this file and the end of another."""
    if not others:
        return _bytes(data, format, random)
    other = random.choice(others)
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]
