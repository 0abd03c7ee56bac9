"""GIF files that are written: two readers see the frames that went in, exactly where 256 colours do."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from convcli.errors import ImageError, UsageError
from convcli.pictures import encoding, reading
from convcli.pictures.format import Animation
from convcli.pictures.formats.gif import lzw
from convcli.pictures.formats.gif.writer import _delays
from tests.fuzz.corpus import scene
from tests.support import Pixels, noise, run


def written(frames: list[Pixels], durations: list[int] | None = None, loops: int = 0, dither: int = 1) -> bytes:
    animation = Animation(frames=frames, durations=durations or [100] * len(frames), loops=loops)
    return encoding.encode_frames(animation, format="gif", place="", options={"gif_dither": dither})


def by_pillow(data: bytes) -> tuple[list[Pixels], list[int], int]:
    """Frames as RGBA, durations, and plays."""
    frames, durations = [], []
    with Image.open(io.BytesIO(data)) as file:
        for number in range(file.n_frames):
            file.seek(number)
            frames.append(np.asarray(file.convert("RGBA")))
            durations.append(int(file.info.get("duration", 0)))
        repeats = file.info.get("loop")
    return frames, durations, 1 if repeats is None else repeats + 1 if repeats else 0


def wide(pixels: Pixels) -> Pixels:
    """Any channels as RGBA, black where nothing is."""
    grey = pixels.shape[2] < 3
    colours = pixels[..., [0, 0, 0]] if grey else pixels[..., :3]
    alpha = pixels[..., -1:] if pixels.shape[2] in (2, 4) else np.full_like(pixels[..., :1], 255)
    displayed = np.where(alpha >= 128, 255, 0).astype(np.uint8)
    return np.concatenate([np.where(displayed > 0, colours, 0), displayed], axis=2)


def check(data: bytes, frames: list[Pixels]) -> None:
    """Both readers see the frames."""
    ours = [picture.pixels for picture in reading.decode_all(data, place="")]
    for displayed in (by_pillow(data)[0], ours):
        assert len(displayed) == len(frames)
        for got, expected in zip(displayed, frames, strict=True):
            full = wide(got)
            assert np.array_equal(full, wide(expected))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (37, 53), (200, 333)])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 16, 17, 255, 256])
def test_few_colours_are_exact(size: tuple[int, int], count: int) -> None:
    rng = np.random.default_rng(count)
    colours = rng.integers(0, 256, (count, 3), np.uint8)
    pixels = colours[rng.integers(0, count, size)]
    data = encoding.encode(pixels, format="gif", place="")
    check(data, [pixels])
    assert data == encoding.encode(pixels, format="gif", place="", options={"gif_dither": 0})
    assert encoding.losses([pixels], "gif") == ()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_grey_and_alpha(channels: int) -> None:
    """Grey of every value is exact; with transparency there is room for 255."""
    ramp = np.tile(np.arange(256, dtype=np.uint8), (20, 1))
    pixels = np.dstack([ramp // (1 if channels == 1 else 2)] * (1 if channels < 3 else 3))
    if channels in (2, 4):
        pixels = np.dstack([pixels, np.where(noise(20, 256) < 60, 20, 200).astype(np.uint8)])
    data = encoding.encode(pixels, format="gif", place="")
    check(data, [pixels])
    assert len(encoding.losses([pixels], "gif")) == (channels in (2, 4))  # told of alpha in between


@pytest.mark.parametrize("kind", ["noise", "even", "ramp", "stripes", "soft", "few"])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (61, 67), (400, 700), (2, 9000), (5000, 3)])
def test_codes(kind: str, size: tuple[int, int]) -> None:
    """Tables that fill up and begin anew, and none that do."""
    height, width = size
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    indices = {
        "noise": noise(*size), "even": np.full(size, 7, np.uint8), "ramp": (x % 256).astype(np.uint8),
        "stripes": (x // 3 % 2 * 255).astype(np.uint8), "few": noise(*size) % 3,
        "soft": (127 + 60 * np.sin(x / 40) + 60 * np.cos(y / 30)).astype(np.uint8),
    }[kind]  # fmt: skip
    head = b"GIF87a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\xf7\0\0"
    table = bytes(np.repeat(np.arange(256, dtype=np.uint8), 3))
    place = b"," + bytes(4) + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\0"
    data = head + table + place + lzw.packed(indices) + b";"
    with Image.open(io.BytesIO(data)) as picture:
        assert np.array_equal(np.asarray(picture.convert("L")), indices)
    assert np.array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE), indices)


def moving(count: int, *, holes: bool = False) -> list[Pixels]:
    frames = []
    for number in range(count):
        frame = np.zeros((40, 60, 4 if holes else 3), np.uint8)
        if not holes:
            frame[...] = (10, 200, 90)
        frame[5:20, number * 7 : number * 7 + 9] = (255, 40 * number, 10, 255)[: frame.shape[2]]
        frames.append(frame)
    return frames


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("loops", [0, 1, 2, 7])
def test_animations(holes: bool, loops: int) -> None:
    frames, durations = moving(5, holes=holes), [70, 100, 20, 1000, 250]
    frames.insert(3, frames[2])  # nothing changes
    durations.insert(3, 40)
    data = written(frames, durations, loops)
    check(data, frames)
    _, times, plays = by_pillow(data)
    pictures = list(reading.decode_all(data, place=""))
    assert times == durations == [picture.duration for picture in pictures]
    assert plays == loops == pictures[0].loops


def test_a_frame_of_nothing() -> None:
    frames = moving(3, holes=True)
    frames[1] = np.zeros_like(frames[1])
    check(written(frames), frames)


def test_only_what_changed_is_drawn() -> None:
    frames = [noise(200, 300, 3) // 64 * 64 for _ in range(2)]
    frames[1] = frames[0].copy()
    frames[1][50:60, 70:90] = 255
    assert len(written(frames)) < len(written(frames[:1])) + 400
    check(written(frames), frames)


def test_times_do_not_drift() -> None:
    for duration in (33, 16, 41, 67):
        delays = _delays([duration] * 90)
        assert abs(10 * sum(delays) - 90 * duration) <= 5
        ends = np.cumsum(delays)
        assert all(abs(10 * end - duration * number) <= 5 for number, end in enumerate(ends, 1))
    assert _delays([1, 1, 1_000_000]) == [1, 1, 65535]


def test_colours_are_reduced() -> None:
    """As well as Pillow's octree and better than its median cut; dithered, means come closer on soft pictures."""
    photo = scene(300, 500)
    y, x = np.mgrid[0:300, 0:500]
    soft = np.dstack([x * 255 // 500, y * 255 // 300, np.full_like(x, 90)]).astype(np.uint8)
    for pixels in (photo, soft):
        plain, dithered = (by_pillow(written([pixels], dither=dither))[0][0][..., :3] for dither in (0, 1))
        medians = np.asarray(Image.fromarray(pixels).quantize(256, Image.Quantize.MEDIANCUT, dither=0).convert("RGB"))

        def far(result: Pixels, pixels: Pixels = pixels) -> float:
            return float(((result.astype(float) - pixels) ** 2).mean())

        def blurred(result: Pixels, pixels: Pixels = pixels) -> float:
            means = [cv2.blur(picture.astype(np.float32), (9, 9)) for picture in (result, pixels)]
            return float(np.abs(means[0] - means[1]).mean())

        assert far(plain) < far(medians)
        assert far(plain) < far(dithered) and blurred(dithered) < (0.6 if pixels is soft else 1.05) * blurred(plain)
    count = len(np.unique(photo.reshape(-1, 3), axis=0))
    assert encoding.losses([photo], "gif") == (f"{count:,} colours are reduced to 256",)
    assert written([photo, photo[::-1]]) == written([photo, photo[::-1]])


def test_frames_of_many_colours_are_the_same_for_both_readers() -> None:
    frames = [np.ascontiguousarray(np.roll(scene(60, 90), 9 * number, axis=1)) for number in range(4)]
    data = written(frames)
    ours = [picture.pixels for picture in reading.decode_all(data, place="")]
    for got, other, expected in zip(ours, by_pillow(data)[0], frames, strict=True):
        assert np.array_equal(got, other[..., :3])
        assert np.abs(got.astype(int) - expected).mean() < 6


def test_what_is_refused() -> None:
    with pytest.raises(ImageError, match=r"gif can't hold uint16 pixels, only uint8\n  hint: --depth 8 converts it; "):
        encoding.encode(noise(4, 4, 3, dtype=np.uint16), format="gif", place="")
    with pytest.raises(ImageError, match="the frames of an animation must be of one size"):
        written([noise(4, 4, 3), noise(4, 5, 3)])
    with pytest.raises(UsageError, match="gif_dither is 0 or 1 for gif, not 2"):
        encoding.encode(noise(4, 4, 3), format="gif", place="", options={"gif_dither": 2})
    with pytest.raises(ImageError, match="at most 65,535 a side"):
        encoding.encode(np.zeros((1, 65536, 1), np.uint8), format="gif", place="")


def test_the_command(here: Path) -> None:
    frames = moving(4)
    Path("a.gif").write_bytes(written(frames, [30, 40, 50, 60], 3))
    result = run("apply", "a.gif", "-k", "identity", "-o", "b.gif", "--all-frames")
    assert (result.code, Path("b.gif").read_bytes()) == (0, Path("a.gif").read_bytes())
    blurred = run("apply", "a.gif", "-k", "gaussian", "-o", "{stem}-{frame}.gif", "--all-frames", "-O", "gif_dither=0")
    assert blurred.code == 0 and len(list(Path().glob("a-*.gif"))) == 4
    Path("c.png").write_bytes(encoding.encode(scene(50, 60), format="png", place=""))
    said = run("apply", "c.png", "-k", "identity", "-o", "c.gif")
    assert said.code == 0 and "colours are reduced to 256" in said.err
    quiet = run("apply", "c.gif", "-k", "identity", "-o", "-", "--format", "gif")
    assert quiet.code == 0 and "colours" not in quiet.err
    assert np.array_equal(by_pillow(quiet.out)[0], by_pillow(Path("c.gif").read_bytes())[0])


def test_sizes_of_palettes() -> None:
    """The table is a power of two that holds all colours and the one for nothing."""
    sizes = []
    for count in (1, 2, 3, 4, 128, 255):
        pixels = np.dstack([np.arange(count, dtype=np.uint8)[None]] * 3)
        clear = np.dstack([pixels, np.full((1, count), 255, np.uint8)])
        clear = np.concatenate([clear, np.zeros_like(clear)])
        data = encoding.encode(clear, format="gif", place="")
        check(data, [clear])
        sizes.append(2 << (data[10] & 7))
    assert sizes == [2, 4, 4, 8, 256, 256] and all(first <= second for first, second in pairwise(sizes))
