"""The formats of picture files: one row each, which says what it can hold and where its code is.

A new format is a file in `formats/` and a row here. Neither numpy nor OpenCV is loaded, and a format's own file only
when it is asked to do something.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from convcli.channels import MOST, Channels
from convcli.records import record

if TYPE_CHECKING:
    from convcli.pictures import format


class Late:
    """A function of a module of `formats`, which is loaded when it is called."""

    def __init__(self, path: str) -> None:
        self.module, _, self.name = f"convcli.pictures.formats.{path}".rpartition(".")

    @cached_property
    def function(self) -> Callable[..., Any]:
        # And not from `sys.modules`, where it stands while another thread is about to load it.
        function: Callable[..., Any] = getattr(importlib.import_module(self.module), self.name)
        return function

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        return self.function(*arguments, **settings)


@record
class Format:
    """A format of files. What it lacks is None or empty."""

    name: str
    #: Extensions of files that are written; the first one is that of messages.
    extensions: tuple[str, ...] = ()
    #: Extensions of files that can be read but not written.
    only_read: tuple[str, ...] = ()
    #: How files of it start.
    starts: tuple[bytes, ...] = ()
    #: What tells files of it where their first bytes alone don't.
    recognised: Callable[[bytes], bool] | None = None

    #: Dtypes of pixels, and numbers of channels, that can be written.
    depths: frozenset[str] = frozenset()
    channels: frozenset[int] = frozenset()
    #: The most channels that are written as bands, without a meaning of their own.
    bands: int = 0
    #: Colours may be stored multiplied by alpha.
    premultiplied: bool = False
    #: Numbers of channels that become others: grey that is written as colours.
    widened: Mapping[int, int] = field(default_factory=dict)
    #: The most pixels a side.
    longest_side: int | None = None
    #: The fields of `Metadata` that are written, and the most bytes that some of them may have.
    keeps: frozenset[str] = frozenset()
    most_bytes: Mapping[str, int] = field(default_factory=dict)
    #: Keywords of the texts that are written; "*" stands for any.
    texts: tuple[str, ...] = ()
    #: The EXIF block is the only place for the resolution.
    dpi_in_exif: bool = False
    #: What its encoder can be told: values in words, and the default.
    settings: Mapping[str, tuple[str, Any]] = field(default_factory=dict)

    #: A file's header; raises ImageError, and struct.error or IndexError where it is cut short.
    header: Callable[[bytes], format.Header] | None = None
    #: What a file carries besides its pixels; raises one of `sniff.DAMAGE`.
    metadata: Callable[[bytes], format.Metadata] | None = None
    #: A file that was cut short, completed; None, or one of `sniff.DAMAGE`, where nothing can be done.
    completed: Callable[[bytes], format.Completed | None] | None = None
    #: Completing is much work, and mostly possible: the user is told of it without a trial.
    completes: bool = False
    decode: Callable[[format.Source], format.Decoded] | None = None
    #: Of a file of pages: for each of them a file that starts with it.
    pages: Callable[[bytes], Iterator[bytes]] | None = None
    #: An animation as OpenCV's reader takes it.
    ordered: Callable[[bytes], bytes] | None = None
    #: A file, by its path or bytes, to be read in bands; keywords are those of `reading.open_rows`.
    rows: Callable[..., format.RowSource] | None = None
    #: A file each byte of which holds more bytes of samples is nearly empty, and not worth being read in bands.
    densest: float = math.inf
    #: The bytes of samples that a file promises which starts like this.
    promised: Callable[[bytes], int] | None = None

    #: Encodes a picture whole; where it is None, `writer` does that, too.
    encode: Callable[[format.Pixels, format.Target], bytes] | None = None
    #: Writes several pictures: any where it has `pages`, else the frames of an animation, which are of one size.
    encode_frames: Callable[[format.Animation, format.Target], bytes] | None = None
    #: What pictures lose in its files, in words.
    losses: Callable[[Sequence[format.Pixels]], tuple[str, ...]] | None = None
    #: Files of several pictures keep metadata, too.
    frames_keep: bool = True
    #: What writes a file by rows; the number is that of bytes of samples.
    writer: Callable[[BinaryIO, int, format.Target], format.RowWriter] | None = None

    def holds(self, dtype: Any, channels: Channels) -> bool:
        """Whether it keeps pixels of a dtype (a numpy dtype or its name) and such channels; three bands as colours."""
        return self.name == "npy" or (_depth(dtype) in self.depths and self.holds_channels(channels))

    def holds_channels(self, channels: Channels) -> bool:
        count = channels.count
        if channels.has_bands and count != 3:
            return count <= self.bands
        return count in self.channels

    def is_start(self, data: bytes) -> bool:
        """Whether the bytes of a file are of this format."""
        return data.startswith(self.starts) or (self.recognised is not None and self.recognised(data))

    def pays_in_bands(self, head: bytes, size: float, least: int) -> bool:
        """Whether a file of `size` bytes that starts with `head` can be read in bands, and may have `least` bytes of
        samples."""
        if self.rows is None or size * self.densest < least:
            return False
        return self.promised is None or self.promised(head) >= least


@cache
def _depth(dtype: Any) -> str:
    """The name of a dtype, which numpy puts together each time."""
    return str(dtype)


def is_tiff(data: bytes) -> bool:
    """Whether these bytes start as a TIFF or BigTIFF file does."""
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def brands(data: bytes) -> set[bytes]:
    """The brands in the first box of an ISO media file."""
    size = min(int.from_bytes(data[:4], "big"), 256)
    return {data[8:12]} | {data[at : at + 4] for at in range(16, size, 4)}


def _is_avif(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and bool({b"avif", b"avis"} & brands(data))


def _is_heif(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and bool(_HEIF & brands(data)) and not _is_avif(data)


def _is_bmp(data: bytes) -> bool:
    size = int.from_bytes(data[14:18], "little")
    return data[:2] == b"BM" and len(data) > 18 and (size in (12, 108, 124) or 16 <= size <= 64)


def _is_netpbm(kinds: bytes) -> Callable[[bytes], bool]:
    return lambda data: data[:1] == b"P" and data[1:2] in kinds and data[2:3] in b"# \t\n\v\f\r"


_HEIF: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_8: Final = frozenset({"uint8"})
_8_16: Final = frozenset({"uint8", "uint16"})
_NUMBERS: Final = frozenset({"uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"})
_ALL: Final = frozenset({1, 2, 3, 4})
_OPAQUE: Final = frozenset({1, 3})
_EVERYTHING: Final = frozenset({"icc", "exif", "xmp", "dpi"})
_QUALITY: Final = ("1 to 100", 95)  # chained filters should not sharpen an encoder's blocks

# fmt: off
#: In the order in which extensions are listed.
FORMATS: Final[Mapping[str, Format]] = {row.name: row for row in (
    Format(
        name="png", extensions=(".png",), starts=(b"\x89PNG",), depths=_8_16, channels=_ALL, keeps=_EVERYTHING,
        texts=("*",), settings={"compression": ("0 to 9", 1)},
        header=Late("png.structure.header"), metadata=Late("png.metadata.metadata"),
        completed=Late("png.decode.completed"), completes=True, decode=Late("png.decode.decode"),
        ordered=Late("png.animated.ordered"), rows=Late("png.rows.PngBands"), promised=Late("png.structure.promised"),
        encode=Late("png.writer.encode"), encode_frames=Late("png.animated.encode_frames"),
        writer=Late("png.writer.Writer"),
    ),
    Format(
        name="jpeg", extensions=(".jpg", ".jpeg", ".jpe", ".jfif"), starts=(b"\xff\xd8\xff",),
        depths=_8, channels=_OPAQUE, longest_side=65500, keeps=_EVERYTHING, texts=("Comment",),
        # Of a segment besides its name; ICC has 255.
        most_bytes={"exif": 65527, "xmp": 65504, "icc": 255 * 65519, "texts": 65533},
        settings={
            "quality": _QUALITY, "progressive": ("0 or 1", 0), "optimize": ("0 or 1", 0),
            "subsampling": ("444, 422, 420, 440 or 411", "420"),
        },
        header=Late("jpeg.segments.header"), metadata=Late("jpeg.metadata.metadata"),
        completed=Late("jpeg.segments.completed"), decode=Late("jpeg.segments.decode"),
        rows=Late("jpeg.rows.JpegBands"), densest=64, writer=Late("jpeg.writer.Writer"),
    ),
    Format(
        name="webp", extensions=(".webp",), recognised=lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP",
        depths=_8, channels=_ALL, widened={1: 3, 2: 4}, longest_side=16383, keeps=_EVERYTHING, dpi_in_exif=True,
        settings={"quality": _QUALITY, "lossless": ("0 or 1", 0)},
        header=Late("webp.header"), metadata=Late("webp.metadata"), decode=Late("others.decode"),
        encode=Late("webp.encode"), encode_frames=Late("webp.encode_frames"),
    ),
    Format(
        name="tiff", extensions=(".tif", ".tiff"), recognised=is_tiff, depths=_NUMBERS, channels=_ALL,
        bands=MOST, premultiplied=True,
        keeps=_EVERYTHING, settings={"compression": ("none or deflate", "none")},
        header=Late("tiff.layout.header"), metadata=Late("tiff.exif.metadata"),
        completed=Late("tiff.layout.completed"), decode=Late("tiff.layout.decode"),
        pages=Late("tiff.directories.pages"), rows=Late("tiff.rows.TiffBands"),
        encode_frames=Late("tiff.writer.encode_frames"), writer=Late("tiff.writer.Writer"),
    ),
    Format(
        name="bmp", extensions=(".bmp", ".dib"), recognised=_is_bmp, depths=_8, channels=_ALL, widened={2: 4},
        keeps=frozenset({"dpi"}), header=Late("bmp.headers.header"), metadata=Late("bmp.headers.metadata"),
        completed=Late("bmp.headers.completed"), decode=Late("bmp.pixels.decode"), encode=Late("bmp.pixels.encode"),
    ),
    Format(
        name="pnm", extensions=(".ppm", ".pgm", ".pnm"), only_read=(".pbm",), recognised=_is_netpbm(b"1234567"),
        depths=_8_16, channels=_OPAQUE, header=Late("pnm.decode.header"), completed=Late("pnm.decode.completed"),
        decode=Late("pnm.decode.decode"), pages=Late("pnm.decode.pages"), rows=Late("pnm.rows.PnmBands"),
        writer=Late("pnm.rows.Writer"),
    ),
    Format(name="pam", extensions=(".pam",), depths=_8_16, channels=_ALL, writer=Late("pnm.rows.Writer")),
    Format(
        name="pfm", extensions=(".pfm",), recognised=_is_netpbm(b"Ff"), depths=frozenset({"float32"}),
        channels=_OPAQUE, header=Late("pnm.decode.header"), decode=Late("pnm.decode.decode_pfm"),
        encode=Late("pnm.decode.encode_pfm"),
    ),
    Format(
        name="jp2", extensions=(".jp2",), only_read=(".j2k",),
        starts=(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"), depths=_8_16, channels=_ALL, widened={2: 4},
        settings={"compression": ("1 to 1000 (lossless)", 1000)},
        header=Late("jp2.codestream.header"), metadata=Late("jp2.decode.metadata"), decode=Late("jp2.decode.decode"),
        encode=Late("jp2.decode.encode"),
    ),
    Format(
        name="avif", extensions=(".avif",), recognised=_is_avif, depths=_8, channels=_ALL, widened={2: 4},
        longest_side=65535, keeps=_EVERYTHING, dpi_in_exif=True,
        settings={"quality": _QUALITY, "speed": ("0 (small) to 10 (fast)", 9)},
        header=Late("avif.header"), metadata=Late("avif.metadata"), decode=Late("avif.decode"),
        encode=Late("avif.encode"), encode_frames=Late("avif.encode_frames"), frames_keep=False,
    ),
    Format(
        name="gif", extensions=(".gif",), starts=(b"GIF87a", b"GIF89a"), depths=_8, channels=_ALL,
        widened={1: 3, 2: 4}, longest_side=65535, settings={"dither": ("0 or 1", 1)}, header=Late("others.gif"),
        metadata=Late("others.gif_metadata"), decode=Late("others.gif_decode"), ordered=Late("others.gif_ordered"),
        encode=Late("gif.writer.encode"), encode_frames=Late("gif.writer.encode_frames"),
        losses=Late("gif.writer.losses"),
    ),
    Format(name="npy", extensions=(".npy",)),  # read and written by `convcli.files.npy`
    Format(
        name="heif", only_read=(".heic", ".heif", ".hif", ".heics", ".heifs"), recognised=_is_heif,
        header=Late("heif.header"), metadata=Late("heif.metadata"), decode=Late("heif.decode"),
        pages=Late("heif.pages"),
    ),
    Format(
        name="hdr", only_read=(".hdr",), starts=(b"#?RADIANCE", b"#?RGBE"),
        header=Late("others.hdr"), metadata=Late("others.hdr_metadata"), decode=Late("others.decode"),
    ),
    Format(
        name="ras", only_read=(".ras", ".sr"), starts=(b"\x59\xa6\x6a\x95",),
        header=Late("ras.header"), decode=Late("ras.decode"),
    ),
)}
