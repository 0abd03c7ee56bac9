"""Make every file of samples/ (and kernels/ripple.offsets.npy) again, from formulas and seeded noise.

    python samples/make_samples.py            writes all files
    python samples/make_samples.py --check    makes them in memory and compares pixels; exit 1 on a difference

Needs numpy and opencv only. The pixels do not depend on the run; `--check` forgives a last-bit difference of another
machine's floating point (one grey level, and one pixel in a thousand on an edge).
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from painting import cover, scene
from pond import pond

SAMPLES = Path(__file__).resolve().parent
KERNELS = SAMPLES.parent / "kernels"

Array = NDArray[Any]


def zone_plate() -> Array:
    """Rings that get finer outwards up to the pixel limit: every frequency and direction, (256, 256) uint8."""
    axis = np.arange(256, dtype=np.float64) - 127.5
    squared = axis[:, None] ** 2 + axis[None] ** 2
    return np.rint(127.5 + 127.5 * np.cos(np.pi * squared / 256)).astype(np.uint8)


def slanted_edge() -> Array:
    """A dark and a light half, the edge 5 degrees off the vertical, as in ISO 12233; (160, 200) uint16."""
    y, x = np.mgrid[:160, :200].astype(np.float64)
    turn = np.deg2rad(5)
    distance = (x - 99.5) * np.cos(turn) + (y - 79.5) * np.sin(turn)
    light = np.clip(distance + 0.5, 0, 1)
    return np.asarray(np.rint(65535 * (0.15 + 0.7 * light)).astype(np.uint16))


def noisy(picture: Array) -> Array:
    """The lighthouse in grey with Gaussian noise and 1 % of salt and pepper, (240, 320) uint8."""
    rng = np.random.default_rng(3)
    part = picture[20:260, 300:620].astype(np.float64) @ (0.299, 0.587, 0.114)
    part += rng.normal(0, 18, part.shape)
    speck = rng.random(part.shape)
    part[speck < 0.005], part[speck > 0.995] = 0, 255
    return np.rint(np.clip(part, 0, 255)).astype(np.uint8)


def logo() -> Array:
    """A disk with 3x3 tiles and a soft rim; magenta hides where alpha is 0. (200, 200, rgba) uint8."""
    y, x = np.mgrid[:200, :200].astype(np.float32) - np.float32(99.5)
    rgb = np.empty((200, 200, 3), np.float32)
    rgb[:] = np.array((0.07, 0.33, 0.42), np.float32) + (y / 900)[..., None]
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            dy, dx = np.abs(y - row * 38), np.abs(x - column * 38)
            inside = cover(15 - np.hypot(np.maximum(dy - 9, 0), np.maximum(dx - 9, 0)) * 2.5)[..., None]
            tile = (
                (0.98, 0.60, 0.15)
                if row == column == 0
                else (0.93, 0.96, 0.95)
                if row * column == 0
                else (0.45, 0.72, 0.74)
            )
            rgb += inside * (np.array(tile, np.float32) - rgb)
    alpha = np.clip((96 - np.hypot(y, x)) / 14, 0, 1)
    rgba = np.rint(np.concatenate([rgb.clip(0, 1), alpha[..., None]], axis=2) * 255).astype(np.uint8)
    rgba[rgba[..., 3] == 0, :3] = (255, 0, 255)
    return np.asarray(rgba)


def checker() -> Array:
    """Squares of 8 pixels in two colours that change over the picture, (48, 64, rgb) uint8."""
    y, x = np.mgrid[:48, :64]
    light = ((y // 8 + x // 8) % 2)[..., None]
    bright = np.stack([235 + 0 * x, 245 - 2 * y, 255 - 2 * x], axis=2)
    dark = np.stack([20 + 2 * x, 40 + y, 90 + 0 * x], axis=2)
    return np.where(light, bright, dark).astype(np.uint8)


def bright_light() -> Array:
    """A lamp in fog with values from below 0 to far above 1, (64, 96, rgb) float32."""
    y, x = np.mgrid[:64, :96].astype(np.float64)
    reach = np.hypot(y - 28, x - 40)
    lamp = 6 * np.exp(-((reach / 5) ** 2)) + 0.9 / (1 + (reach / 14) ** 2) - 0.12
    return np.stack([lamp, lamp * 0.9 + x / 960, lamp * 0.7 + y / 320], axis=2).astype(np.float32)


def signal() -> Array:
    """A chirp, a step, two spikes and noise: 2048 samples, float32."""
    t = np.arange(2048) / 2048
    wave = np.sin(2 * np.pi * (4 + 40 * t) * t) + 1.5 * (t > 0.6) + np.random.default_rng(5).normal(0, 0.15, 2048)
    wave[[500, 1700]] += 4
    return np.asarray(wave.astype(np.float32))


def volume() -> Array:
    """A shell with a dense core and a rod, in noise: (24, 48, 48) zyx uint8."""
    z, y, x = np.mgrid[:24, :48, :48].astype(np.float64)
    reach = np.sqrt(((z - 12) * 1.6) ** 2 + (y - 24) ** 2 + (x - 22) ** 2)
    body = 110 * np.exp(-(((reach - 15) / 2.2) ** 2)) + 150 * np.clip(7 - reach, 0, 1)
    body += 90 * np.clip(3 - np.hypot(y - 10, x - 39), 0, 1)
    body += np.random.default_rng(9).normal(30, 9, body.shape)
    return np.asarray(np.rint(np.clip(body, 0, 255)).astype(np.uint8))


def features(picture: Array) -> Array:
    """8 feature maps of the scene as a network's layer would hold them: (30, 40, c) float32.

    Pairs of channels belong together: red/green, blue/grey, slope along y/x, slope along the two diagonals.
    """
    small = cv2.resize(picture, (40, 30), interpolation=cv2.INTER_AREA).astype(np.float64) / 255
    grey = small @ (0.299, 0.587, 0.114)
    pad = np.pad(grey, 1, mode="reflect")
    ends = [((2, 1), (0, 1)), ((1, 2), (1, 0)), ((2, 2), (0, 0)), ((2, 0), (0, 2))]
    slopes = [pad[a : a + 30, b : b + 40] - pad[c : c + 30, d : d + 40] for (a, b), (c, d) in ends]
    return np.stack([*np.moveaxis(small, 2, 0), grey, *slopes], axis=2).astype(np.float32)


def ripple_offsets() -> Array:
    """Rings on water for a 256x192 picture: one tap, (2, 192, 256) of (dy, dx) in pixels, float16."""
    y, x = np.mgrid[:192, :256].astype(np.float64)
    dy, dx = y - 96, x - 128
    reach = np.hypot(dy, dx)
    push = 4.5 * np.sin(2 * np.pi * reach / 28) * np.exp(-reach / 160) * np.clip(reach / 12, 0, 1)
    return np.asarray((np.stack([dy, dx]) * push / np.maximum(reach, 1)).astype(np.float16))


def foveate_offsets() -> tuple[Array, Array]:
    """Offsets (18, 48, 64) and mask (9, 48, 64), float16: a 3x3 kernel whose taps spread out away from the centre.

    Tap (i, j) of a 3x3 kernel rests at (i - 1, j - 1); an offset of (s - 1) times that puts it at s times the distance.
    The mask weighs the taps by a Gaussian, and its mean over the taps is 1.
    """
    y, x = np.mgrid[:48, :64].astype(np.float64)
    spread = np.clip(np.hypot((y - 23.5) / 24, (x - 31.5) / 32) * 2.6 - 0.5, 0.05, 2.2)
    rest = [(i - 1, j - 1) for i in range(3) for j in range(3)]
    offsets = np.stack([(spread - 1) * part for place in rest for part in place])
    mask = np.stack([np.exp(-0.35 * (i * i + j * j)) + 0 * y for i, j in rest])
    return offsets.astype(np.float16), (mask / mask.mean(axis=0)).astype(np.float16)


def first_layer() -> Array:
    """8 filters of 3 channels and 7x7 taps, as first layers learn them: Gabors in grey and in opponent colours."""
    y, x = np.mgrid[-3:4, -3:4].astype(np.float64)
    filters = []
    for number in range(8):
        turn = np.pi * (number % 4) / 4
        across, along = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        taps = np.exp(-(across**2 + 0.4 * along**2) / 6) * np.cos(2 * np.pi * across / 5 - np.pi / 2 * (number < 4))
        taps -= taps.mean()
        colours = (0.30, 0.59, 0.11) if number < 4 else (1.0, -0.8, -0.2)
        filters.append(np.multiply.outer(np.array(colours), taps / np.abs(taps).sum()))
    return np.stack(filters).astype(np.float32)


def pair_filters() -> Array:
    """4 filters for groups of 2 channels: the blurred first minus the blurred second, (4, 2, 3, 3) float32."""
    blur = np.outer([1, 2, 1], [1, 2, 1]) / 16
    return np.stack([np.stack([blur, -blur * share]) for share in (1.0, 0.5, 1.0, 0.5)]).astype(np.float32)


def picture(suffix: str, pixels: Array, options: Sequence[int] = ()) -> bytes:
    """The bytes of an image file; `pixels` are (y, x) or (y, x, rgb or rgba)."""
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    done, encoded = cv2.imencode(suffix, np.ascontiguousarray(pixels), list(options))
    if not done:
        raise RuntimeError(f"opencv could not encode {suffix}")
    return encoded.tobytes()


def array(values: Array) -> bytes:
    """The bytes of an .npy file."""
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    return stream.getvalue()


def make() -> dict[Path, bytes]:
    """Every file's path and bytes."""
    landscape = scene()
    offsets, mask = foveate_offsets()
    return {
        SAMPLES / "scene.jpg": picture(".jpg", landscape, (cv2.IMWRITE_JPEG_QUALITY, 92)),
        SAMPLES / "noisy.png": picture(".png", noisy(landscape)),
        SAMPLES / "pond.png": picture(".png", pond()),
        SAMPLES / "zone-plate.png": picture(".png", zone_plate()),
        SAMPLES / "slanted-edge.png": picture(".png", slanted_edge()),
        SAMPLES / "logo.png": picture(".png", logo()),
        SAMPLES / "checker.ppm": picture(".ppm", checker()),
        SAMPLES / "float.tif": picture(".tif", bright_light(), (cv2.IMWRITE_TIFF_COMPRESSION, 1)),
        SAMPLES / "signal.npy": array(signal()),
        SAMPLES / "volume.npy": array(volume()),
        SAMPLES / "features.npy": array(features(landscape)),
        SAMPLES / "kernels" / "conv1.npy": array(first_layer()),
        SAMPLES / "kernels" / "pairs.npy": array(pair_filters()),
        SAMPLES / "kernels" / "foveate.offsets.npy": array(offsets),
        SAMPLES / "kernels" / "foveate.mask.npy": array(mask),
        KERNELS / "ripple.offsets.npy": array(ripple_offsets()),
    }


def decode(path: Path, content: bytes) -> Array:
    """The array that a file's bytes hold."""
    if path.suffix == ".npy":
        return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
    return np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED))


def difference(path: Path, content: bytes) -> str:
    """What is wrong with the file on disk compared with `content`; empty when they hold the same pixels."""
    if not path.is_file():
        return "is missing"
    new, old = decode(path, content), decode(path, path.read_bytes())
    if new.shape != old.shape or new.dtype != old.dtype:
        return f"holds {old.dtype} {old.shape}, the script makes {new.dtype} {new.shape}"
    step = 1 if new.dtype.kind in "iu" else 1e-2 if new.dtype == np.float16 else 1e-5
    apart = np.abs(new.astype(np.float64) - old.astype(np.float64))
    far = int((apart > step).sum())
    return f"differs in {far} of {new.size} values, by {apart.max():.4g} at most" if far * 1000 > new.size else ""


def main(arguments: Sequence[str], say: Callable[[str], None] = print) -> int:
    """Write all files, or compare them with `--check`; the exit code."""
    if list(arguments) not in ([], ["--check"]):
        say("usage: make_samples.py [--check]")
        return 2
    files = make()
    if arguments:
        wrong = {path: fact for path, content in files.items() if (fact := difference(path, content))}
        for path, fact in wrong.items():
            say(f"{path.relative_to(SAMPLES.parent)} {fact}")
        say(f"{len(files) - len(wrong)} of {len(files)} files hold what the script makes")
        return 1 if wrong else 0
    for path, content in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        say(f"{path.relative_to(SAMPLES.parent)}  {len(content)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
