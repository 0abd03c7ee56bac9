"""Command lines at random: real options, wrong ones, and names that nobody would choose.

No NUL among them, which no system passes on to a program; and no folder to write in but those of `targets.folder`.
"""

from __future__ import annotations

from random import Random

from . import texts

COMMANDS = ("apply", "compare", "list", "show", "schema", "draw", "diff", "import", "help", "man")
ODD = (
    "", " ", "-", "--", "-o", ".", "..", "\n", "a\nb.png", "\x1b[31mred.png", "\x1b]0;title\x07.png",
    "[/red].png", "{stem}", "{", "}", "{}", "{0}", "{stem!r:>999}", "{parent.x}", "%s", "$HOME", "~", "a" * 300,
    "\udcff.png", "caf\udce9.png", "\u202egnp.exe", "\ufeff", "\u2028.png", "con", "*", "?",
    "nul.png/x", "good.png/", "good.png/x.png", "/dev/null", "/dev/full", "/proc/self/mem", "file://good.png", ":",
    "::", "good.png::x", "a.npz::b", "\u00e9\U0001f600.png", "good.png.png", ".png", "..png", "-.png", "- .png",
)  # fmt: skip
NAMES = (
    "good.png", "good.png", "good.jpg", "small.png", "mask.png", "array.npy", "page.html", "absent.png", "folder", "-",
)  # fmt: skip
FIGURES = ("kernel", "steps", "taps", "offsets", "field", "sheet", "layers", "nothing")
KERNELS = (
    "sharpen", "box", "gaussian:sigma=2", "identity", "luma", "swirl", "upsample-bilinear-2x", "motion:angle=30",
    "box:size=3,border=wrap", "box:", "box:size", "box:size=", "box:size=-1", "box:=1", "gaussian:sigma=1e9",
    "box:size=[1,2]", "kernel.yaml", "kernel.yaml:stride=2", "./kernel.yaml", "absent.yaml", "folder", "good.png",
    "net.yaml", "model.onnx", "sharpen:amount=50%", "gaussian:amount=-1,threshold=5%", "unsharp:0x2+1.5+0.05",
    "[[0, 1, 0]]", "[[1, 2], [3]]", "3x3: 0,-1,0 -1,5,-1 0,-1,0", "3: 0,-1,0 -1,5,-1 0,-1,0", "0 -1 0 -1 5 -1 0 -1 0",
    "0,-1,0;-1,5,-1;0,-1,0", "[0 -1 0; -1 5 -1; 0 -1 0]", "((0, -1, 0), (-1, 5, -1), (0, -1, 0))", "3x3: 0,nan,0",
    "1 2 1 2 4 2 1 2 1:1 1 1:5:1", "np.ones((3, 3)) / 9", "ImageFilter.BLUR", "Gaussian:0x2", "Laplacian:7", "5x5: 1",
    "{type: separable, taps: [1, 2, 1], divisor: sum}", "{", "[", "weights: [[1]]\n",
)  # fmt: skip
OUTPUTS = (
    "out.png", "out.png", "out/", "out.jpg", "out.npy", "{stem}-{kernel}{ext}", "{parent}/{stem}.tif", "-", "out",
    "out.xyz", "good.png", "new/folder/out.png", "{nothing}.png",
)  # fmt: skip
VALUES = (
    "0", "1", "-1", "2", "3", "1e9", "nan", "inf", "", "all", "x", "yx", "zyx", "sum", "same", "1x1", "3x3", "0x0",
    "99999999x99999999", "224x224", "224x224x3", "json", "csv", "markdown", "plain", "white", "#ff0000", "png", "jpg",
    "50%", "150%", "-50%", "1e9%", "0.05", "20x20+3+4", "50%x50%+1+1", "0x0+0+0", "9x9-99-99", "mask.png", "good.png",
    "array.npy", "magnitude", "mean", "16", "float", "fourier", "1/2", "0/0", ".bak", "1%", "3,4", "-1,-1", "dark",
    "png_compression=9", "quality", "a=b", "clip", "abs", "reflect", "wrap", "weights,macs", "nothing", "2147483648",
)  # fmt: skip
OPTIONS = (
    "--kernel", "--output", "--overwrite", "--quiet", "--json", "--report", "--range", "--format", "--layout",
    "--quality", "-O", "--background", "--alpha", "--linear", "--channels", "--max-pixels", "--allow-truncated",
    "--strict", "--all-frames", "--stride", "--dilation", "--padding", "--border", "--offsets", "--mask", "--divisor",
    "--flip", "--help", "--version", "-k", "-o", "-q", "-h", "--size", "--image", "--in-channels", "--out-channels",
    "--groups", "--kernel-size", "--columns", "--as", "--budget", "--baseline", "--sort", "--width", "--resolution",
    "--amount", "--threshold", "--region", "--where", "--feather", "--nodata", "--combine", "--depth", "--algorithm",
    "--in-place", "--skip-existing", "--dry-run", "--files-from", "--shard", "--offsets-out", "--report-file",
    "--resume", "--tolerance", "--per-channel", "--values", "--at", "--theme", "--scale", "--title", "--frame",
    "--stamps", "--filter", "--tap", "--plan", "--draw", "--until", "--keep-going", "--fail-fast",
    "--bias", "--time", "--nonsense", "--kern", "---", "--output=out.png",
)  # fmt: skip


def command_line(random: Random) -> list[str]:
    """The arguments of one run; its files are those of `targets.folder`."""
    if random.random() < 0.05:
        return [_word(random) for _ in range(random.randrange(6))]
    command = random.choices(COMMANDS, (14, 4, 1, 4, 1, 6, 3, 2, 1, 1))[0]
    arguments = [command]
    if command == "apply":
        arguments += [random.choice((*NAMES, _word(random))) for _ in range(random.choice((1, 1, 1, 2, 4)))]
        for _ in range(random.choice((1, 1, 1, 2))):
            arguments += ["-k", _kernel(random)]
        arguments += ["-o", random.choice((*OUTPUTS, _word(random)))]
    elif command == "draw":
        arguments += [random.choice((*FIGURES, _word(random))), _kernel(random)]
        arguments += [random.choice((*NAMES, _word(random)))] * (random.random() < 0.5)
        arguments += ["-o", random.choice(("out.svg", "out.png", "out.gif", "-", "{frame}.png", _word(random)))]
    elif command == "diff":
        arguments += [random.choice((*NAMES, _word(random))) for _ in range(2)]
    elif command == "import":
        arguments += [random.choice(("model.onnx", "net.yaml", *NAMES)), "-o", random.choice(("new.yaml", *OUTPUTS))]
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
