"""How a kernel runs on arrays of one shape: by calls of a library on all of it where there are some, else in bands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from convcli import engine
from convcli.engine import threads
from convcli.engine.geometry import check_span
from convcli.engine.plan import Constraints
from convcli.ops.arrays import real_array, sample_dtype

if TYPE_CHECKING:
    import numpy as np

    from convcli.engine import Call, Signature
    from convcli.engine.dtypes import Array, ArrayLike, DTypeLike
    from convcli.ops.base import Kernel
    from convcli.ops.layouts import Layout


def call_for(kernel: Kernel, x: Signature) -> Call | None:
    """The kernel's call for such an array, see `Signature`; raises `ShapeError` where the two do not fit."""

    def make() -> Call | None:
        kernel.output_channels(x.shape[-1])
        spatial = x.shape[:-1]
        check_span(kernel.windows(spatial, x.axes), spatial, kernel.weight_count, f"kernel '{kernel.name}'")
        engine.check_border(kernel.border, x.dtype)
        return None if kernel.copies else kernel.call(x)

    return kernel.remembered(("call", x), make)


def applied(
    kernel: Kernel, value: ArrayLike, layout: str | None, dtype: DTypeLike | None, algorithm: str | None
) -> Array:
    """What `kernel.apply` returns; remembers how for the next array of that shape."""
    array = real_array(value)
    kind = array.dtype if dtype is None else sample_dtype(dtype)
    run = runner(kernel, array, layout, kind, algorithm)
    key = type(array), array.shape, array.strides, array.dtype, layout, dtype, algorithm
    return kernel.remembered(key, lambda: run)(array)


def runner(
    kernel: Kernel, like: Array, layout: str | None, kind: np.dtype[Any], algorithm: str | None
) -> Callable[[Array], Array]:
    """What is done with arrays of the shape, strides and dtype of `like`, whose results are of `kind`."""
    from convcli.ops.layouts import Layout

    constraints = Constraints(algorithm=algorithm)
    kernel = kernel.folded
    placed = Layout.of(like, layout, kernel.channels[0] if kernel.channels else None)
    x, work = engine.settled(placed.canonical(like)), engine.work_dtype(like.dtype)
    shape = (*kernel.output_shape(x.shape[:-1], placed.spatial), kernel.output_channels(x.shape[-1]))
    kernel.check_effect(x.shape[:-1], placed.spatial, x.shape[-1])
    threaded = threads.library_threads() > 1
    signature = engine.Signature.of(x, placed.spatial, work, algorithm)._replace(threaded=threaded)
    call = None if kernel.has_effect else call_for(kernel, signature)
    reach, planes = kernel.reach(*engine.limits(x.dtype)) if x.dtype.kind in "bui" else None, engine.planar(x)
    results = engine.by_planes if planes else engine.results
    rounded = engine.rounding(kind, reach) if reach and kernel.is_linear else None
    unrounded = call if kind == work else None
    if kind == x.dtype and not kernel.has_effect:
        unrounded = call_for(kernel, signature._replace(native=True, exact=False)) or unrounded
    plain = kernel.is_linear and placed.is_plain(like)
    if plain and isinstance(unrounded, engine.PlainCall):
        return _on_pictures(unrounded.filtered)
    if plain and rounded and isinstance(call, engine.PlainCall):
        return _on_pictures(call.filtered, rounded)
    if unrounded and kernel.is_linear:

        def run_unrounded(array: Array) -> Array:
            with engine.scratch_space():
                return placed.restore(unrounded(engine.settled(placed.canonical(array)), results(shape, kind)))

        return run_unrounded
    if call and rounded and not planes:

        def run_rounded(array: Array) -> Array:
            with engine.scratch_space():
                return placed.restore(rounded(call(engine.settled(placed.canonical(array)), None)).reshape(shape))

        return run_rounded
    storage = engine.Storage(counted=False, reach=reach)
    return _in_bands(kernel, placed, lambda: results(shape, kind), storage=storage, constraints=constraints)


def _on_pictures(
    filtered: Callable[[Array], Array], rounded: Callable[[Array], Array] | None = None
) -> Callable[[Array], Array]:
    """What is done with arrays that are pictures to libraries, too, by calls of those alone."""
    if rounded is None:
        return lambda array: filtered(array if array.flags.aligned else array.copy())
    return lambda array: rounded(filtered(array if array.flags.aligned else array.copy()))


def _in_bands(
    kernel: Kernel, placed: Layout, room: Callable[[], Array], *, storage: engine.Storage, constraints: Constraints
) -> Callable[[Array], Array]:
    """What is done with arrays in bands, into `room` for each result: planned for the first of them."""
    plain = kernel.is_linear and not kernel.has_effect
    again: Callable[[Array, engine.Sink], engine.Cuts] | None = None

    def run(array: Array) -> Array:
        nonlocal again
        out, source = room(), engine.settled(placed.canonical(array))
        sink = engine.Sink(out, storage)
        if again is None:
            cuts = kernel.cuts(source, placed.spatial, engine.work_dtype(source.dtype), sink, constraints)
            again = cuts.again if plain else None
        else:
            cuts = again(source, sink)
        cuts.run()
        return placed.restore(out)

    return run
