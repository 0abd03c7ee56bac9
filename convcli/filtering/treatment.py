"""Which channels of a picture are filtered, in which light and range, and what becomes of alpha: as it is asked."""

from __future__ import annotations

from typing import Final

from convcli.channels import Channels
from convcli.errors import UsageError, suggestion
from convcli.records import record

#: How float results become samples: see `filtering.ranges`.
MODES: Final = ("auto", "clip", "abs", "offset", "rescale", "float")
CHANNELS: Final = ("all", "luma", "r", "g", "b", "alpha")
COLOURS: Final = "rgb"


@record
class Treatment:
    """What is filtered of a picture, and how.

    `channels` is "all", "luma" or some of r, g, b, alpha: the others stay as they are, whatever range results are kept
    in, and kernels must keep the size. `alpha` is filtered with the colours, kept as it is, or dropped first; "none"
    says that what is stored as alpha is a band like others. `background`, R, G, B from 0 to 1, is laid under a picture
    with alpha first, which has none then. `linear`: integer samples are filtered as linear light, by sRGB's transfer
    function; floats are linear already.
    """

    channels: tuple[str, ...] = ("all",)
    alpha: str = "filter"
    background: tuple[float, float, float] | None = None
    linear: bool = False

    def __post_init__(self) -> None:
        """Raises UsageError for what can't go together."""
        for name in self.channels:
            if name not in CHANNELS:
                hint = suggestion(name, CHANNELS) or f"known: {', '.join(CHANNELS)}"
                if name in ("y", "l", "v", "lightness", "value"):
                    hint = "--channels luma is the brightness alone"
                raise UsageError(f"no channel is called '{name}'", hint=hint)
        if len(self.channels) > 1 and {"all", "luma"} & set(self.channels):
            raise UsageError(f"channels {','.join(self.channels)}: all and luma stand alone")
        if self.linear and "luma" in self.channels:
            hint = "leave one of them out"
            raise UsageError(
                "luma is made of encoded values, not of linear light: --channels luma, --linear", hint=hint
            )
        if "alpha" in self.channels and self.alpha != "filter":
            raise UsageError(f"--channels alpha filters alpha, --alpha {self.alpha} does not")
        if self.background is not None and self.alpha != "filter":
            fact = f"--background uses alpha up, --alpha {self.alpha} does something else with it"
            raise UsageError(fact, hint="leave one of them out")

    @property
    def filters_alpha(self) -> bool:
        """Whether alpha, where there is one, is filtered."""
        return self.alpha == "filter" and bool({"all", "alpha"} & set(self.channels))

    @property
    def takes_alpha(self) -> bool:
        """Whether something is to be done with an alpha, but to filter it with the colours."""
        return self.alpha in ("keep", "drop") or self.background is not None

    def drops_alpha(self, channels: Channels) -> bool:
        """Whether the alpha of a picture is to be left out before anything else."""
        return bool(channels.alpha) and self.alpha == "drop" and self.background is None

    def is_plain(self, channels: Channels, *, floats: bool) -> bool:
        """Whether a picture, without an alpha that is dropped, is filtered as if there were no treatment."""
        stays = bool(channels.alpha) and (self.alpha == "keep" or self.background is not None)
        whole = self.channels == ("all",) or (self.channels == ("luma",) and channels.count == 1)
        return whole and not stays and not (self.linear and not floats)


PLAIN: Final = Treatment()


def parse_channels(text: str) -> tuple[str, ...]:
    """Names of channels joined by commas, in small letters: "r,g" is ("r", "g"), and so is "RG"; "a" is alpha."""
    names: list[str] = []
    for name in text.lower().split(","):
        letters = list(name.strip()) if {*name.strip()} <= {*"rgba"} else [name.strip()]
        names += ["alpha" if letter == "a" else letter for letter in letters]
    return tuple(dict.fromkeys(names))
