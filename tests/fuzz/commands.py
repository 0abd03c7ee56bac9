"""Command lines at random: real options, wrong ones, and names that nobody would choose.

No NUL among them, which no system passes on to a program; and no folder to write in but those of `targets.folder`.
"""

from __future__ import annotations

from random import Random

from . import texts

COMMANDS = ("apply", "compare", "list", "show", "schema")
ODD = (
    "", " ", "-", "--", "-o", ".", "..", "\n", "a\nb.png", "\x1b[31mred.png", "\x1b]0;title\x07.png",
    "[/red].png", "{stem}", "{", "}", "{}", "{0}", "{stem!r:>999}", "{parent.x}", "%s", "$HOME", "~", "a" * 300,
    "\udcff.png", "caf\udce9.png", "\u202egnp.exe", "\ufeff", "\u2028.png", "con", "*", "?",
    "nul.png/x", "good.png/", "good.png/x.png", "/dev/null", "/dev/full", "/proc/self/mem", "file://good.png", ":",
    "::", "good.png::x", "a.npz::b", "\u00e9\U0001f600.png", "good.png.png", ".png", "..png", "-.png", "- .png",
)  # fmt: skip
NAMES = ("good.png", "good.png", "good.jpg", "array.npy", "page.html", "absent.png", "folder", "-")
KERNELS = (
    "sharpen", "box", "gaussian:sigma=2", "identity", "luma", "swirl", "upsample-bilinear-2x", "motion:angle=30",
    "box:size=3,border=wrap", "box:", "box:size", "box:size=", "box:size=-1", "box:=1", "gaussian:sigma=1e9",
    "box:size=[1,2]", "kernel.yaml", "kernel.yaml:stride=2", "./kernel.yaml", "absent.yaml", "folder", "good.png",
    "[[0, 1, 0]]", "[[1, 2], [3]]", "{type: separable, taps: [1, 2, 1], divisor: sum}", "{", "[", "weights: [[1]]\n",
)  # fmt: skip
OUTPUTS = (
    "out.png", "out.png", "out/", "out.jpg", "out.npy", "{stem}-{kernel}{ext}", "{parent}/{stem}.tif", "-", "out",
    "out.xyz", "good.png", "new/folder/out.png", "{nothing}.png",
)  # fmt: skip
VALUES = (
    "0", "1", "-1", "2", "3", "1e9", "nan", "inf", "", "all", "x", "yx", "zyx", "sum", "same", "1x1", "3x3", "0x0",
    "99999999x99999999", "224x224", "224x224x3", "json", "csv", "markdown", "plain", "white", "#ff0000", "png", "jpg",
    "png_compression=9", "quality", "a=b", "clip", "abs", "reflect", "wrap", "weights,macs", "nothing", "2147483648",
)  # fmt: skip
OPTIONS = (
    "--kernel", "--output", "--overwrite", "--quiet", "--json", "--report", "--range", "--format", "--layout",
    "--quality", "-O", "--background", "--alpha", "--linear", "--channels", "--max-pixels", "--allow-truncated",
    "--strict", "--all-frames", "--stride", "--dilation", "--padding", "--border", "--offsets", "--mask", "--divisor",
    "--flip", "--help", "--version", "-k", "-o", "-q", "-h", "--size", "--image", "--in-channels", "--out-channels",
    "--groups", "--kernel-size", "--columns", "--as", "--budget", "--baseline", "--sort", "--width", "--resolution",
    "--bias", "--time", "--nonsense", "--kern", "---", "--output=out.png",
)  # fmt: skip


def command_line(random: Random) -> list[str]:
    """The arguments of one run; its files are those of `targets.folder`."""
    if random.random() < 0.05:
        return [_word(random) for _ in range(random.randrange(6))]
    command = random.choices(COMMANDS, (12, 4, 1, 4, 1))[0]
    arguments = [command]
    if command == "apply":
        arguments += [random.choice((*NAMES, _word(random))) for _ in range(random.choice((1, 1, 1, 2, 4)))]
        for _ in range(random.choice((1, 1, 1, 2))):
            arguments += ["-k", _kernel(random)]
        arguments += ["-o", random.choice((*OUTPUTS, _word(random)))]
    elif command != "list":
        arguments += [_kernel(random) for _ in range(random.choice((0, 1, 1, 2)))]
    for _ in range(random.choice((0, 0, 1, 1, 2, 4))):
        arguments.append(random.choice(OPTIONS))
        if random.random() < 0.6:
            arguments.append(random.choice((*VALUES, _word(random))))
    if random.random() < 0.15:
        random.shuffle(arguments)
    if random.random() < 0.1:
        del arguments[random.randrange(len(arguments))]
    if any(argument.startswith("--ti") for argument in arguments):
        arguments.insert(1, "--budget=0.01")
    return arguments


def _word(random: Random) -> str:
    return random.choice((random.choice(ODD), random.choice(ODD), random.choice(VALUES), random.choice(texts.VALUES)))


def _kernel(random: Random) -> str:
    if random.random() < 0.7:
        return random.choice(KERNELS)
    field = random.choice(("sigma", "size", "stride", "weights", "border", "padding", "taps", "type", "nothing"))
    return random.choice((_word(random), f"box:{field}={_word(random)}", f"gaussian:{field}={_word(random)}"))
