"""Train the two small networks that the project ships, on pictures that it draws itself.

    python samples/train.py denoise     kernels/denoise-deformable.npz: a 5x5 kernel and the branch that moves its taps
    python samples/train.py enlarge     samples/networks/enlarge-2x.npz: FSRCNN-small's shape, 1,625 weights
    python samples/train.py choose      which Gaussian, and which parameters of smooth-edges, do best when trained on
    python samples/train.py measure     what all of them do on pictures that nothing was trained on or chosen by

The first two need torch (PyPI) besides numpy and opencv, and about five minutes each on one core. The arrays that ship
are what they wrote with torch 2.13.0 (CPU), numpy 2.4.6 and opencv 5.0.0; they use one thread and one seed, so that a
run again with these gives the same bytes. Other versions, or processors with other instructions, add in another order,
and end within a few hundredths of a dB. Shapes: Dai et al. 2017, arXiv:1703.06211; Dong, Loy & Tang 2016,
arXiv:1608.00367.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import painting
from painting import scene
from pond import pond

SAMPLES = Path(__file__).resolve().parent
DENOISER = SAMPLES.parent / "kernels" / "denoise-deformable.npz"
ENLARGER = SAMPLES / "networks" / "enlarge-2x.npz"

#: Standard deviation of the noise, on a scale to 255, and the side of the denoiser's kernel.
NOISE, SIDE = 20, 5
#: Steps of training by what is trained; patches of each, and their sides.
STEPS, BATCH, PATCH = {"denoise": 3_000, "enlarge": 30_000}, 16, 32
#: Pixels of frame that are left out when results are measured, and when they are trained on.
FRAME, EDGE = 8, 6

#: The best of the Gaussians of `choose`.
GAUSSIAN = {"gaussian": {"sigma": 0.9, "radius": 2}}

Array = Any


# Pictures ------------------------------------------------------------------------------------------------------------


def leaves(rng: np.random.Generator, side: int = 384) -> Array:
    """Disks, boxes and stripes that cover each other, the largest first, drawn at twice the size: (side, side, rgb)."""
    canvas = np.full((2 * side, 2 * side, 3), 0.5, np.float32)
    rows, columns = painting.grid(canvas.shape[:2])
    for radius in np.sort(0.75 * side / np.exp(rng.uniform(0, 3.6, 260)))[::-1]:
        (down, right), turn, longer = rng.uniform(0, 2 * side, 2), rng.uniform(0, np.pi), rng.uniform(1, 4)
        box = tuple(
            slice(max(0, int(at - 1.5 * radius * longer)), int(at + 1.5 * radius * longer)) for at in (down, right)
        )
        y, x = rows[box[0]] - np.float32(down), columns[:, box[1]] - np.float32(right)
        cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        along, across = (cosine * x + sine * y) / np.float32(longer), cosine * y - sine * x
        kind = rng.integers(3)
        reach = np.maximum(np.abs(along), np.abs(across)) if kind else np.hypot(along, across)
        fill: Any = np.asarray(rng.random(3), np.float32)
        if kind == 2:
            wave = np.sin(across * np.float32(2 * np.pi / rng.uniform(5, 40)))[..., None]
            fill = fill + wave * np.asarray(rng.uniform(-0.3, 0.3, 3), np.float32)
        painting.paint(canvas[box], painting.cover(np.float32(radius) - reach, float(rng.uniform(1, 4))), fill)
    canvas *= 1 + np.float32(0.15) * painting.noise(rng, canvas.shape[:2], (60, 60), 6)[..., None]
    return painting.finish(canvas, (side, side))


def landscape(rng: np.random.Generator) -> Array:
    """Another landscape by the brushes of scene.jpg, without its lighthouse."""
    canvas = painting.sky(rng, (960, 1280))
    painting.mountains(rng, canvas)
    painting.pines(rng, canvas, 50, (0.0, 1.0), float(rng.uniform(0.03, 0.1)))
    painting.lake(rng, canvas)
    painting.headland(rng, canvas)
    painting.meadow(rng, canvas)
    return painting.finish(canvas, (640, 480))


def grey(picture: Array) -> Array:
    """Luma from 0 to 1."""
    return (picture.astype(np.float32) @ np.float32((0.299, 0.587, 0.114))) / 255


def training() -> list[Array]:
    rng = np.random.default_rng(1)
    return [grey(leaves(rng)) for _ in range(12)] + [grey(landscape(rng)) for _ in range(4)]


def testing() -> dict[str, Array]:
    """Pictures that nothing is trained on."""
    return {"scene.jpg": grey(scene()), "pond.png": grey(pond()), "leaves": grey(leaves(np.random.default_rng(99)))}


def patches(pictures: list[Array], rng: np.random.Generator, side: int) -> Array:
    """A batch of parts, turned and mirrored: (BATCH, side, side)."""
    parts = []
    for _ in range(BATCH):
        picture = pictures[rng.integers(len(pictures))]
        top, left = (rng.integers(n - side + 1) for n in picture.shape)
        part = np.rot90(picture[top : top + side, left : left + side], rng.integers(4))
        parts.append(part[:, ::-1] if rng.integers(2) else part)
    return np.ascontiguousarray(np.stack(parts))


def noisy(picture: Array, rng: np.random.Generator) -> Array:
    return (picture + rng.normal(0, NOISE / 255, picture.shape)).astype(np.float32)


def halved(picture: Array) -> Array:
    """Half the size, by the mean of 2x2 pixels."""
    height, width = (n // 2 * 2 for n in picture.shape)
    return cv2.resize(picture[:height, :width], (width // 2, height // 2), interpolation=cv2.INTER_AREA)


def psnr(result: Array, wanted: Array) -> float:
    """In dB, of what is rounded to 8 bits."""
    inner = np.s_[FRAME:-FRAME, FRAME:-FRAME]
    rounded = np.rint(np.clip(result, 0, 1) * 255)
    return float(10 * np.log10(255**2 / np.mean((rounded - wanted * 255)[inner] ** 2)))


# Training ------------------------------------------------------------------------------------------------------------


def seeded() -> None:
    """The same numbers in every run: one thread, whose sums are always in the same order."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def fit(parameters: list[Any], loss: Any, rate: float, steps: int) -> None:
    """Adam for `steps`, the rate falling to 0 as half a wave of a cosine."""
    import torch

    optimizer = torch.optim.Adam(parameters, lr=rate)
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate * 0.5 * (1 + np.cos(np.pi * step / steps))
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        if step % 500 == 0:
            print(f"{step:6d} {10 * np.log10(1 / value.item()):6.2f} dB", flush=True)


def denoise() -> None:
    """One 5x5 kernel, whose taps a 5x5 branch moves: zero offsets and a Gaussian at first."""
    import torch
    from torch.nn import functional

    seeded()
    rng, pictures = np.random.default_rng(2), training()
    taps, half = SIDE * SIDE, SIDE // 2
    places = torch.tensor([(i - half, j - half) for i in range(SIDE) for j in range(SIDE)], dtype=torch.float32)
    weights = torch.exp(-(places**2).sum(1) / (2 * 1.1**2)).requires_grad_()
    branch = (0.01 * torch.randn(2 * taps, 1, SIDE, SIDE)).requires_grad_()
    bias = torch.zeros(2 * taps, requires_grad=True)
    rows, columns = torch.meshgrid(torch.arange(PATCH), torch.arange(PATCH), indexing="ij")

    def loss() -> Any:
        clean = torch.from_numpy(patches(pictures, rng, PATCH))
        x = clean + NOISE / 255 * torch.randn(clean.shape)
        # Weights that sum to 0: what is brighter all over is moved no further.
        level = branch - branch.mean((2, 3), keepdim=True)
        offsets = functional.conv2d(x[:, None], level, bias, padding=half).view(BATCH, taps, 2, PATCH, PATCH)
        down = rows + places[:, 0, None, None] + offsets[:, :, 0]
        right = columns + places[:, 1, None, None] + offsets[:, :, 1]
        at = torch.stack([right, down], -1).view(BATCH, taps * PATCH, PATCH, 2) * (2 / (PATCH - 1)) - 1
        samples = functional.grid_sample(x[:, None], at, align_corners=True).view(BATCH, taps, PATCH, PATCH)
        y = (samples * (weights / weights.sum())[:, None, None]).sum(1)
        return ((y - clean)[:, EDGE:-EDGE, EDGE:-EDGE] ** 2).mean()

    fit([weights, branch, bias], loss, 0.01, STEPS["denoise"])
    level = branch - branch.mean((2, 3), keepdim=True)
    kernel = (weights / weights.sum()).reshape(SIDE, SIDE)
    np.savez(DENOISER, weights=kernel.detach().numpy(), branch=level.detach().numpy(), bias=bias.detach().numpy())


def enlarge() -> None:
    """FSRCNN-small: 5x5 to 32 channels, 1x1 to 5, 3x3, 1x1 to 32, 1x1 to the 4 pixels of each."""
    import torch
    from torch import nn

    seeded()
    rng, pictures = np.random.default_rng(3), training()
    shapes = [(1, 32, 5), (32, 5, 1), (5, 5, 3), (5, 32, 1), (32, 4, 1)]
    convolutions = [nn.Conv2d(i, o, k, padding=k // 2) for i, o, k in shapes]
    slopes = [nn.PReLU(o, init=0.5) for _, o, _ in shapes[:-1]]
    model = nn.Sequential(
        *(layer for pair in zip(convolutions, [*slopes, nn.PixelShuffle(2)], strict=True) for layer in pair)
    )

    def loss() -> Any:
        clean = patches(pictures, rng, 2 * PATCH)
        small = np.stack([halved(one) for one in clean])
        errors = model(torch.from_numpy(small)[:, None])[:, 0] - torch.from_numpy(clean)
        return (errors[:, EDGE:-EDGE, EDGE:-EDGE] ** 2).mean()

    fit(list(model.parameters()), loss, 0.004, STEPS["enlarge"])
    arrays = {}
    for number, layer in enumerate(convolutions, 1):
        arrays[f"conv{number}.weight"], arrays[f"conv{number}.bias"] = layer.weight, layer.bias
    for number, layer in enumerate(slopes, 1):
        arrays[f"conv{number}.slope"] = layer.weight
    np.savez(ENLARGER, **{name: array.detach().numpy() for name, array in arrays.items()})


# What they do --------------------------------------------------------------------------------------------------------


def linear_kernel(pictures: list[Array]) -> Array:
    """The 5x5 kernel of least squared error on noisy training pictures: (5, 5)."""
    rng, half = np.random.default_rng(4), SIDE // 2
    square, right = np.zeros((SIDE * SIDE,) * 2), np.zeros(SIDE * SIDE)
    for picture in pictures:
        x = noisy(picture, rng)
        shifts = [np.roll(x, (half - i, half - j), (0, 1)) for i in range(SIDE) for j in range(SIDE)]
        seen = np.stack([shift[half:-half, half:-half].ravel() for shift in shifts]).astype(np.float64)
        square += seen @ seen.T
        right += seen @ picture[half:-half, half:-half].ravel()
    return np.linalg.solve(square, right).reshape(SIDE, SIDE)


def choose() -> None:
    """PSNR of settings on noisy training pictures, the best last."""
    import convcli

    rng = np.random.default_rng(6)
    pairs = [(noisy(picture, rng), picture) for picture in training()]
    sigmas = [{"weights": {"gaussian": {"sigma": s, "radius": 2}}, "divisor": "sum"} for s in (0.7, 0.8, 0.9, 1.0, 1.1)]
    follows = [
        f"smooth-edges:sigma={sigma},strength={strength},squeeze={squeeze}"
        for sigma, strength, squeeze in itertools.product((0.8, 1.2, 1.6), (0.4, 0.8, 1.2), (0.6, 0.8, 1.0))
    ]
    for settings in (sigmas, follows):
        means = [(np.mean([psnr(convcli.apply(x, one, "yx"), y) for x, y in pairs]), str(one)) for one in settings]
        for mean, one in sorted(means):
            print(f"{mean:.2f}  {one}")


def measure() -> None:
    """PSNR on luma of pictures that were not trained on; the best 5x5 is that of the training pictures."""
    import convcli

    bicubic = {"type": "transposed", "weights": {"cubic": {}}, "stride": 2, "border": "replicate"}
    linear = {"type": "dense", "weights": linear_kernel(training())}
    denoisers = {
        "noisy": None, "best 5x5": linear, "gaussian": {"weights": GAUSSIAN, "divisor": "sum"},
        "smooth-edges": "smooth-edges", "denoise-deformable": "denoise-deformable",
    }  # fmt: skip
    for name, picture in testing().items():
        x = noisy(picture, np.random.default_rng(5))
        results = {
            label: x if kernel is None else convcli.apply(x, kernel, "yx") for label, kernel in denoisers.items()
        }
        even = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
        print(f"{name:10}", "  ".join(f"{label} {psnr(y, picture):.2f}" for label, y in results.items()))
        small = halved(picture)
        enlarged = {"bicubic": convcli.apply(small, bicubic, "yx"), "enlarge-2x": network(small)}
        print(f"{name:10}", "  ".join(f"{label} {psnr(y, even):.2f}" for label, y in enlarged.items()))


def network(picture: Array) -> Array:
    """What `enlarge-2x` makes of luma."""
    from convcli.filtering import Chain, filter_pixels
    from convcli.networks import runnable

    chain = Chain([runnable.load(str(ENLARGER.with_suffix(".yaml")))])
    return filter_pixels(picture[..., None], chain).array[..., 0]


COMMANDS = {"denoise": denoise, "enlarge": enlarge, "choose": choose, "measure": measure}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    cv2.setNumThreads(1)
    COMMANDS[sys.argv[1]]()
