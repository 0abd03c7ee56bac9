"""Files made to mislead: sizes are read before memory is taken, nothing is left behind, messages stay one line."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from fuzz import corpus, structure
from PIL import Image

import convcli
from convcli.costs import facts as analysis
from convcli.errors import ConvcliError, ImageError, ShapeError
from convcli.files import npy
from convcli.pictures import encoding, reading
from convcli.pictures.sniff import header
from tests.support import counted_calls, environment, noise, run, texts


@pytest.mark.parametrize("name", ["jp2 lossless", "jp2 codestream", "hdr rle", "ras plain", "pfm colour", "avif still"])
def test_more_formats_tell_their_size_before_they_are_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    format, data = corpus.pictures()[name]
    actual = header(data, format)
    assert (actual.height, actual.width) == reading.decode(data, place="").pixels.shape[:2] == (36, 44)

    def decoder(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(cv2, "imdecode", decoder)
    with pytest.raises(ImageError, match="44 x 36 is 1,584 pixels; at most 1,583 are read"):
        reading.decode(data, place="", max_pixels=36 * 44 - 1)


def test_a_size_in_another_box_is_not_believed() -> None:
    _, data = corpus.pictures()["jp2 lossless"]
    lie = b"\xff\x4f\xff\x51\0\x2f\0\0" + struct.pack(">4I", 1, 1, 0, 0)
    box = struct.pack(">I4s", 8 + len(lie), b"free") + lie
    actual = header(data[:32] + box + data[32:], "jp2")
    assert (actual.height, actual.width) == (36, 44)
    with pytest.raises(ImageError, match="damaged or truncated JPEG 2000"):
        reading.decode(data[:40], place="")


@pytest.mark.parametrize("name", ["hdr rle", "pfm colour", "bmp 24", "pnm P2", "ras plain", "webp alpha", "tiff plain"])
def test_sides_beyond_every_decoder_are_refused_in_our_words(name: str, tmp_path: Path) -> None:
    format, data = corpus.pictures()[name]
    large = (1 << 20) + 1
    if format in ("hdr", "pfm", "pnm"):
        data = data.replace(b"44", str(large).encode(), 1)
    elif format == "webp":
        at = data.index(b"VP8X")
        data = data[: at + 12] + (large - 1).to_bytes(3, "little") + data[at + 15 :]
    elif format == "tiff":
        at = data.index(struct.pack("<HHI", 256, 3, 1))
        data = data[: at + 2] + struct.pack("<HII", 4, 1, large) + data[at + 12 :]
    else:
        at, order = (18, "little") if format == "bmp" else (4, "big")
        data = data[:at] + large.to_bytes(4, order) + data[at + 4 :]
    # In another process, since OpenCV looks for its folder of temporary files only there.
    path = tmp_path / "file"
    path.write_bytes(data)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    code = "import sys; from convcli.pictures import reading; reading.decode(open(sys.argv[1], 'rb').read(), place='a')"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False,
        env=environment(OPENCV_TEMP_PATH=str(temporary)),
    )  # fmt: skip
    assert f"ImageError: a: {large} x 36 pixels; at most 1,048,576 a side are read" in done.stderr
    assert list(temporary.iterdir()) == []


def test_what_jpeg_2000_can_not_hold_is_refused_before_opencv_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    def encoder(*_: object) -> None:
        raise AssertionError("encoded")

    assert reading.decode(encoding.encode(noise(32, 40, 3), format="jp2", place=""), place="").pixels.shape == (
        32,
        40,
        3,
    )
    monkeypatch.setattr(cv2, "imencodeWithMetadata", encoder)
    with pytest.raises(ImageError, match="can't write 31 x 100 as jp2") as caught:
        encoding.encode(noise(100, 31, 3), format="jp2", place="")
    assert caught.value.hint == "it needs 32 pixels a side"


def test_bitmaps_whose_first_pixels_look_like_a_number() -> None:
    bits = np.random.default_rng(5).integers(0, 2, (9, 16))
    text = b"P1\n16 9\n" + b"\n".join(b" ".join(b"%d" % bit for bit in row) for row in bits)
    packed = b"P4\n16 9\n" + np.packbits(bits.astype(np.uint8), axis=1).tobytes()
    for data in (text, packed):
        assert np.array_equal(reading.decode(data, place="").pixels[..., 0], (1 - bits) * 255)
    digits = b"P4\n16 2\n5 7\n"  # the bytes "5 7\n" are its pixels
    expected = 255 * (1 - np.unpackbits(np.frombuffer(b"5 7\n", np.uint8)).reshape(2, 16))
    assert np.array_equal(reading.decode(digits, place="").pixels[..., 0], expected)


def test_cmyk_has_no_alpha() -> None:
    rgb = corpus.scene(36, 44)
    for format, tolerance in (("TIFF", 1), ("JPEG", 12)):
        data = corpus.pillow(rgb, format, "CMYK", **({"quality": 98} if format == "JPEG" else {}))
        picture = reading.decode(data, place="")
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        assert picture.pixels.shape == (36, 44, 3)
        assert texts(picture.notes) == ("its CMYK colours are turned into RGB",)
        assert np.abs(picture.pixels.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize(
    "data",
    [
        corpus.pictures()["png rgb"][1][:25] + b"\x12" + corpus.pictures()["png rgb"][1][26:-9],  # colour type 18
        corpus.pictures()["png rgb"][1][:16] + bytes(8) + corpus.pictures()["png rgb"][1][24:-9],  # 0 x 0
        b"II*\0\0\0\0\0" + bytes(100),  # no page
        corpus.pictures()["bmp 24"][1][:18] + bytes(8) + corpus.pictures()["bmp 24"][1][26:300],
    ],
    ids=["colour", "nothing", "no page", "bmp"],
)
def test_what_can_not_be_filled_up_is_an_error_as_before(data: bytes) -> None:
    with pytest.raises(ImageError):
        reading.decode(data, place="", allow_truncated=True)


def test_names_inside_archives_are_shown_on_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("in.npz", "w") as archive:
        for name in ("a\nError: b.npy", "\x1b[31mc.npy"):
            archive.writestr(name, npy.write_npy(np.zeros(3)))
    for source in ("in.npz", "in.npz::nothing"):
        result = run("apply", source, "-k", "[1]", "-o", "out.npy")
        assert (result.code, len(result.errors())) == (1, 1)
        assert "a\\nError: b, \\x1b[31mc" in result.err
    result = run("show", "{weights: in.npz}")
    assert (result.code, len(result.errors())) == (2, 1)
    with pytest.raises(ImageError, match=r"version 1\.255; 1\.0, 2\.0 and 3\.0 are known"):
        npy.read_npy(b"\x93NUMPY\x01\xff" + npy.write_npy(np.zeros(3))[8:], place="")


def test_a_long_value_is_quoted_in_part() -> None:
    with pytest.raises(ConvcliError) as caught:
        convcli.load({"weights": [[1]], "border": "x" * 100_000})
    assert len(str(caught.value)) < 1200 and "[...]" in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"weights": [[1, 2, 3]] * 3, "dilation": 15_000},
        {"weights": [[1, 2, 3]] * 3, "dilation": 100_000, "border": "zero"},
        {"type": "separable", "taps": [1, 2, 1], "dilation": 15_000},
        {"type": "separable", "taps": [1, 2, 1], "stride": 30_000, "padding": 90_000},
        {"type": "transposed", "weights": [[1, 2], [3, 4]], "dilation": 40_000},
        {"type": "deformable", "weights": [[1, 1]] * 2, "offsets": {"swirl": {"angle": 20}}, "dilation": 15_000},
        {"type": "depthwise_separable", "depthwise": [[1, 2], [3, 4]], "pointwise": [[1, 1, 1]], "dilation": 40_000},
    ],
    ids=lambda fields: f"{fields.get('type', 'dense')} {fields.get('dilation', 1)}",
)  # fmt: skip
def test_a_small_kernel_can_not_ask_for_much_memory(fields: dict[str, object]) -> None:
    kernel = convcli.load(fields)
    with pytest.raises(ShapeError, match=r"spans \d+ x \d+ samples on an input of 14 x 12; at most 8,388,608"):
        kernel.apply(noise(14, 12, 3))


def test_taps_far_apart_are_still_summed() -> None:
    x = noise(14, 12, 1)
    kernel = {"weights": [[1, 2, 3], [4, 5, 6], [7, 8, 9]], "dilation": 1000, "border": "zero"}
    assert np.allclose(convcli.apply(x, kernel, dtype=np.float64), 5.0 * x, rtol=1e-6, atol=0)
    assert convcli.apply(x, {"weights": {"box": {"size": 1001}}}).shape == x.shape


def test_a_kernel_with_a_bias_per_channel_is_shown(tmp_path: Path) -> None:
    result = run("show", "{weights: [[1]], bias: [1, 2]}")
    assert (result.code, "2 biases" in result.out.decode()) == (0, True)


def test_one_dimension_of_far_taps() -> None:
    x = noise(50, 1, 1)[:, 0, 0].astype(np.float32)
    far = {"weights": [1, 2, 4], "dilation": 1_000_000, "border": "wrap"}
    turned = x + x  # the outer taps lie 20,000 whole turns away
    assert np.allclose(convcli.apply(x, far, dtype=np.float32), 2 * x + 2 * turned + x, rtol=1e-5)
    result = run("show", "{weights: [1, 2, 1], dilation: 1000000}")
    assert (result.code, result.err) == (0, "")


def test_a_kernel_of_many_phases_is_shown_at_once() -> None:
    kernel = convcli.load({"type": "transposed", "weights": [[1, 2], [3, 4]], "stride": [3000, 2000], "padding": 0})
    with counted_calls() as calls:
        facts = analysis.facts(kernel, 1)
    assert len(calls) < 3000 * 2000 / 10
    assert (facts["taps_per_output"], facts["phase_sums"]) == ([0, 1], [0, 1, 2, 3, 4])


def test_very_many_weights_are_neither_decomposed_nor_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    weights = noise(1500, 1600)
    np.save("many.npy", weights)
    monkeypatch.setattr(np.linalg, "svd", lambda *_, **__: pytest.fail("a decomposition of seconds"))
    said = run("show", "{weights: many.npy}", "--json")
    part = json.loads(said.out)["parts"]["weights"]
    assert (part["shape"], part["sum"]) == ([1500, 1600], weights.sum())
    assert (part["rank"], part["separability"]) == (None, "not looked for in 1500x1600 taps")
    assert part["weights"] is None
    assert len(run("show", "{weights: many.npy}").out) < 2000


def test_a_long_separable_kernel_is_not_multiplied_out() -> None:
    kernel = convcli.load({"type": "separable", "taps": {"gaussian": {"sigma": 1000}}})
    said = analysis.facts(kernel, 1)
    assert {name: part["shape"] for name, part in said["parts"].items()} == {"along y": [8001], "along x": [8001]}
    assert said["parts"]["along x"]["symmetry"] == ["even"]
    assert run("show", "gaussian:sigma=1000").out.count(b"1 x 8001 weights: too wide\n") == 2


def test_enlarging_by_a_large_stride() -> None:
    x = noise(3, 2, 3)
    large = convcli.apply(x, "upsample-nearest-2x:stride=100")
    assert np.array_equal(large, np.repeat(np.repeat(x, 100, axis=0), 100, axis=1))


def test_a_kernel_of_two_long_passes_is_not_multiplied_out() -> None:
    wide = convcli.load({"type": "separable", "taps": {"gaussian": {"sigma": 300}}})
    assert wide.algorithm() == "one pass per axis, by planes"
    x = np.full((300, 400, 1), 9, np.uint8)
    assert np.array_equal(wide.apply(x), x)


def test_numbers_that_a_rule_can_not_make_are_told_without_a_warning() -> None:
    result = run("show", "gabor:sigma=0.0001,wavelength=1e-9,phase=90,size=3")
    assert result.err.count("\n") <= 2 and "Warning" not in result.err


def test_a_cut_animation_is_one_frame(tmp_path: Path) -> None:
    _, data = corpus.pictures()["png animated"]
    pictures = list(reading.decode_all(data[:-300], place="", allow_truncated=True))
    assert [picture.frames for picture in pictures] == [1]
    assert texts(pictures[0].notes)[1:] == ("frame 1 of 3",)


def test_an_animation_whose_still_picture_is_none_of_its_frames() -> None:
    frames = [np.roll(corpus.scene(36, 44), 5 * shift, axis=1) for shift in range(3)]
    for _ in range(20):  # OpenCV alone writes beyond its buffers, which not every run notices
        pictures = list(reading.decode_all(corpus.pictures()["png apart"][1], place=""))
        assert [np.array_equal(picture.pixels, frame) for picture, frame in zip(pictures, frames[1:], strict=True)]
    assert np.array_equal(reading.decode(corpus.pictures()["png apart"][1], place="").pixels, frames[0])


def changed(data: bytes, kind: bytes, at: int, new: bytes) -> bytes:
    """A PNG file with some bytes of the last chunk of a kind replaced, and its CRC set right."""
    start = data.rindex(kind) + 4 + at
    return structure.repaired(data[:start] + new + data[start + len(new) :], "png")


@pytest.mark.parametrize(
    ("kind", "at", "new", "part"),
    [
        (b"fcTL", 4, struct.pack(">I", 45), "frame 3 of 45 x 36 at 0, 0 in 44 x 36"),
        (b"fcTL", 8, struct.pack(">I", 0), "frame 3 of 44 x 0"),
        (b"fcTL", 12, struct.pack(">I", 4294967295), "frame 3 of 44 x 36 at 4294967295, 0"),
        (b"fcTL", 24, b"\3", "frame 3 of"),
        (b"acTL", 0, struct.pack(">I", 4), "promises 4 frames, 3 are there"),
        (b"acTL", 0, struct.pack(">I", 2), "promises 2 frames, 3 are there"),
        (b"fcTL", -4, b"abCD", "promises 3 frames, 2 are there"),
        (b"fdAT", -4, b"abCD", "promises 3 frames, 2 are there"),
    ],
)
def test_frames_that_are_not_what_they_say(kind: bytes, at: int, new: bytes, part: str) -> None:
    data = changed(corpus.pictures()["png animated"][1], kind, at, new)
    with pytest.raises(ImageError, match=part):
        list(reading.decode_all(data, place=""))
    assert reading.decode(data, place="").pixels.shape == (36, 44, 3)


def test_a_palette_of_numbers_that_16_bits_have_not_is_damaged() -> None:
    data = io.BytesIO()
    Image.fromarray(noise(4, 4, 1)[..., 0], "P").save(data, "tiff")
    for number in (855638016, 65536):
        page = bytearray(data.getvalue())
        at = page.index(struct.pack("<HHI", 320, 3, 768))
        page[at : at + 12] = struct.pack("<HHII", 320, 4, 768, len(page))
        page += struct.pack("<768I", *[number] * 768)
        with pytest.raises(ImageError, match=r"damaged TIFF: its palette goes from .*, 16 bits from 0 to 65,535"):
            reading.decode(bytes(page), place="p.tif")


def test_a_header_larger_than_any_file_is_refused() -> None:
    header = b"P7\nWIDTH 44\nHEIGHT 4294967296\nDEPTH 2147483647\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
    with pytest.raises(ImageError):
        reading.decode(header + bytes(100), place="p.pam")
