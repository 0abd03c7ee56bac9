"""What the channels of a picture mean: grey, colours, bands, and opacity."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from convcli.records import record

#: A channel besides grey or RGB: a band like any other; opacity; opacity by which the colours are multiplied.
Extra: TypeAlias = Literal["band", "straight", "premultiplied"]
_BAND: Final[tuple[Extra, ...]] = ("band",)
#: The most channels that a picture is read or written with.
MOST: Final = 64
#: BT.601's shares of R, G and B in luma.
LUMA: Final = (0.299, 0.587, 0.114)
#: The dtypes of samples by their depth in bits; white is the greatest integer, or 1 of floats.
DEPTHS: Final = {"8": "uint8", "16": "uint16", "float": "float32"}


@record
class Channels:
    """`colours` is 1, for grey and for the first of several bands, or 3, for RGB; `extra` are those that follow."""

    colours: int
    extra: tuple[Extra, ...] = ()

    @classmethod
    def of(cls, count: int) -> Channels:
        """Where nothing but their number is known: grey, grey and alpha, RGB, RGBA, or else bands.

        >>> str(Channels.of(4)), str(Channels.of(5))
        ('RGBA', '5 bands')
        """
        if count in (2, 4):
            return cls(colours=count - 1, extra=("straight",))
        return cls(colours=3) if count == 3 else cls.bands(count)

    @classmethod
    def bands(cls, count: int) -> Channels:
        """Channels without a colour meaning; a single one is grey."""
        return cls(colours=1, extra=_BAND * (count - 1))

    @property
    def count(self) -> int:
        return self.colours + len(self.extra)

    @property
    def alpha(self) -> Extra | None:
        """What the last channel is where it is the opacity of grey or RGB; among bands there is none."""
        return self.extra[0] if len(self.extra) == 1 and self.extra[0] != "band" else None

    @property
    def has_bands(self) -> bool:
        """Whether there are more channels than grey or RGB and their opacity."""
        return bool(self.extra) and not self.alpha

    @property
    def opaque(self) -> Channels:
        """The same without alpha."""
        return self.with_extra() if self.alpha else self

    def with_extra(self, *extra: Extra) -> Channels:
        """The same grey or RGB, followed by these."""
        return Channels(colours=self.colours, extra=extra)

    @property
    def without_opacity(self) -> Channels:
        """The same, of which none counts as opacity."""
        return self.with_extra(*_BAND * len(self.extra))

    def __str__(self) -> str:
        if self.has_bands:
            return f"RGB and {_bands(len(self.extra))}" if self.colours == 3 else _bands(self.count)
        if self.alpha:
            return "RGBA" if self.colours == 3 else "grey and alpha"
        return "RGB" if self.colours == 3 else "grey"


def _bands(count: int) -> str:
    return f"{count} band{'s' * (count > 1)}"
