"""A kernel or a network by name, file, text or fields: what `convcli.load` takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convcli.spec import library
from convcli.spec.nodes import Source, from_python

if TYPE_CHECKING:
    from convcli.networks.runnable import NetworkKernel
    from convcli.ops import Kernel
    from convcli.spec.library import KernelLike


def load(source: KernelLike, /, **fields: Any) -> Kernel:
    """The kernel or network that `source` names or describes, with its numbers checked; `fields` override its own.

    `source` is the name of a shipped kernel ("gaussian") or of one's own (in a folder of $CONVCLI_PATH), a name or file
    with fields overridden ("gaussian:sigma=3", "my.yaml:stride=2,border=wrap"), a path to a kernel file, YAML text
    ("[[0,1,0],[1,-4,1],[0,1,0]]", "{type: separable, taps: [1, 2, 1], divisor: sum}"), a matrix as ImageMagick, Octave,
    numpy or ffmpeg write it ("3x3: 0,1,0 1,-4,1 0,1,0", "0 1 0; 1 -4 1; 0 1 0"), a file of one (vips' .mat, .csv, .txt,
    .npy, .npz::name), or a mapping of fields, whose weights, bias, offsets and mask may be numpy arrays, or what numpy
    makes one of (tensors, nested lists); or these weights alone. A list of 9, 25, 49 ... numbers is a square, unless
    `axes: x` says that it is a row. A network is a file that holds `layers`, or their mapping: its fields are `until`,
    the layer that it ends with, and the factors `width` and `resolution`. Raises `KernelError` (a `ConvcliError`) for
    anything wrong, with its place.

    >>> load("gaussian:sigma=2").taps, load("gaussian", sigma=2).taps, load([[1, 2, 1]], stride=2).taps
    ((17, 17), (17, 17), (1, 3))
    >>> load({"input": "8x8x1", "layers": [{"pool": "max"}]}).output_shape((480, 640))
    (240, 320)
    """
    kernel = network(source, fields)
    if kernel is None:
        return library.load(source, **fields)
    library.check(kernel)
    return kernel


def network(source: object, fields: Mapping[str, Any] | None = None) -> NetworkKernel | None:
    """The network in a file, of a name in the folders of one's own, or of fields, without checking its numbers; None
    where `source` is none."""
    if isinstance(source, str | Path):
        source = library.located(str(source))
        if not library.in_yaml(source):
            return None
    elif not isinstance(source, Mapping) or "layers" not in source:
        return None
    from convcli.networks import runnable

    extra = {name: from_python(value, Source(f"load, {name}")) for name, value in (fields or {}).items()}
    return runnable.load(source, extra)
