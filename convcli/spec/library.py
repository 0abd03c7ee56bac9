"""A kernel by name, file, text or dict: where names become kernels."""

from __future__ import annotations

import codecs
import errno
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from convcli import answers
from convcli.errors import KernelError, reason, suggestion
from convcli.files import streams
from convcli.ops import Kernel
from convcli.ops.tensors import is_array
from convcli.records import late
from convcli.spec.nodes import TEXT_LIMIT, Node, Source, from_python
from convcli.spec.reader import Unbuilt, of_mapping, of_text

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.spec import matrices, overrides as behind

    class Weights(Protocol):
        """An array of numpy's, or a tensor of another library."""

        def __array__(self) -> npt.NDArray[Any]: ...

    #: What a kernel is made of: its name or text, file, fields, or weights alone; or what was loaded already.
    KernelLike: TypeAlias = "str | Path | Mapping[str, Any] | Kernel | Weights | Sequence[Any]"
else:
    matrices, behind = late("convcli.spec.matrices"), late("convcli.spec.overrides")

#: `gaussian:sigma=2,border=wrap`: what is overridden follows the first colon that a field name and = come after, and
#: which is outside of the brackets of a matrix or of YAML text; or a number (`gaussian:2`).
_OVERRIDES = (
    r"(?P<base>[\[{].*[\]}]\s*|[^\n\[{]+?):(?P<overrides>\s*[a-z_]+\s*=.*)"
    r"|(?P<named>[A-Za-z./][^\n\[{:]*):(?P<bare>[-+.\d\[][^\n]*)"
)
#: Files of weights alone.
ARRAYS = (".npy", ".npz", ".safetensors", ".onnx")
MATRICES = (".mat", ".csv", ".txt", ".tsv")


def folder() -> Path:
    """The folder of shipped kernels: inside the installed package, or beside it in a checkout."""
    return Path(answers.kernels())


def names() -> list[str]:
    """The names of all shipped kernels, sorted."""
    return sorted(path.stem for path in folder().iterdir() if path.suffix == ".yaml")


def own() -> dict[str, Path]:
    """The files of the user's own kernels by name: `.yaml` in the folders of $CONVCLI_PATH and of the user's settings.

    Of several with one name the first is taken. Folders that are missing or can't be read hold none.
    """
    files: dict[str, Path] = {}
    for place in map(Path, answers.own_folders()):
        try:
            listed = sorted(path for path in place.iterdir() if path.suffix in (".yaml", ".yml"))
        except OSError:
            continue
        files = {**{path.stem: path for path in reversed(listed)}, **files}
    return dict(sorted(files.items()))


def own_file(source: str) -> Path | None:
    """The file that a source begins with the name of, where that is a kernel or network of one's own."""
    base, _ = split(source)
    if base in names() or not re.fullmatch(r"[\w.-]+", base):
        return None
    mine = own()
    return mine.get(base) or mine.get(_spelled(base, [*names(), *mine]) or "")


def located(source: str) -> str:
    """A source with the name of a kernel or network of one's own replaced by its file."""
    path, (_, after) = own_file(source), split(source)
    return source if path is None else f"{path}:{after}" if after else str(path)


def in_yaml(source: str) -> bool:
    """Whether a `located` source may be a YAML file, and so a network."""
    return ".yaml" in source or ".yml" in source


def _spelled(name: str, known: Iterable[str]) -> str | None:
    """The one of the known that is a name but for capitals, and underscores for dashes."""
    from convcli.spec.words import plain

    alike = [one for one in known if plain(one) == plain(name)]
    return alike[0] if len(alike) == 1 else None


def load(source: KernelLike, /, **fields: Any) -> Kernel:
    """As `networks.sources.load`, of kernels alone. Raises `KernelError` (a `ConvcliError`) with its place.

    >>> load("gaussian:sigma=2").taps, load([[1, 2, 1]], stride=2).taps
    ((17, 17), (1, 3))
    """
    if isinstance(source, Kernel):
        if fields:
            fact = f"kernel '{source.name}' is made already: its {', '.join(fields)} can't be set"
            raise KernelError(fact, hint="load it by its name, file or fields with these")
        return source
    kernel = read(source, {name: _field(name, value) for name, value in fields.items()})
    check(kernel)
    return kernel


def _field(name: str, value: Any) -> Node:
    """An overriding value of Python's; text is read as on the command line."""
    place = f"load, {name}"
    return behind.override(value, place) if isinstance(value, str) else from_python(value, Source(place))


def check(kernel: Kernel) -> None:
    """Makes the numbers of a kernel that was only read; raises `KernelError` where some are wrong."""
    kernel.verify()


def read(source: KernelLike, extra: Mapping[str, Node] | None = None) -> Kernel:
    """As `load`, but without making the numbers: needs no numpy, and shape and counts are known all the same.

    `extra` overrides fields further (options of the command line); those the kernel's type lacks are an error.
    """
    if isinstance(source, Mapping):
        unbuilt = of_mapping(source, name="kernel")
    elif isinstance(source, Path):
        unbuilt = _of_file(source)
    elif isinstance(source, str):
        unbuilt = written(source)
    elif is_array(source) or isinstance(source, list | tuple):
        if isinstance(source, list | tuple) and lists_kernels(source):
            raise KernelError(f"{len(source)} kernels where one is taken", hint="convcli.apply(x, [...]) takes several")
        unbuilt = of_mapping({"weights": source}, name="inline")
    else:
        forms = "a name, a path, YAML text, weights or a mapping of fields"
        raise KernelError(f"a kernel is {forms}, not of type {type(source).__name__}", hint="{'weights': ...}")
    return unbuilt.overridden(extra or {}).kernel()


def combined(sources: Sequence[str], by: str, extra: Mapping[str, Node]) -> Kernel:
    """The kernel of type `combined` that several make. Raises `KernelError`."""
    fields = {"type": "combined", "of": list(sources), "by": by}
    names = "-".join(written(source).name for source in sources)
    unbuilt = of_mapping(fields, name=f"{by}-of-{names}")
    return unbuilt.overridden(extra).kernel()


def written(source: str, folder: Path = Path()) -> Unbuilt:
    """What a text names or describes; file names in it are looked up in `folder`. Raises `KernelError`."""
    if not source.strip():
        raise KernelError("an empty kernel name", hint="'convcli list' shows the names")
    base, after = split(source)
    overrides = behind.parse_overrides(after, f"kernel '{source}'") if after else {}
    return _named(base, folder).overridden(overrides)


def _named(base: str, folder: Path) -> Unbuilt:
    if not base.lstrip()[0].isalpha() and (matrix := matrices.fields(base)):
        return of_mapping(matrix, name="inline")
    if base.lstrip()[0] in "[{" or "\n" in base:
        return of_text(base, name="inline", source="inline kernel", folder=folder)
    path = folder / base.partition("::")[0]
    if path.suffix:
        from convcli.spec import unreadable

        unreadable.check(path, (*ARRAYS, *MATRICES, ".yaml", ".yml"), names())
    if path.suffix in ARRAYS:
        return of_mapping({"weights": str(folder / base)}, name=path.stem)
    if path.suffix in MATRICES:
        return of_mapping(matrices.of_file(_text(path), path), name=path.stem)
    if path.suffix in (".yaml", ".yml") or "/" in base or "\\" in base:
        return _of_file(path)
    return _of_file(_file_named(base))


def split(source: str) -> tuple[str, str]:
    """A name or file, and the overrides after it.

    >>> split("gaussian:sigma=2,border=wrap"), split("gaussian:2"), split("box.yaml")
    (('gaussian', 'sigma=2,border=wrap'), ('gaussian', '2'), ('box.yaml', ''))
    """
    match = re.fullmatch(_OVERRIDES, source, re.DOTALL) if ":" in source else None
    return (match["base"] or match["named"], match["overrides"] or match["bare"]) if match else (source, "")


def _file_named(name: str) -> Path:
    """The file of a kernel, shipped or own; Sobel_X is sobel-x where that alone is meant. Raises `KernelError`."""
    shipped, mine = names(), own()
    if name not in shipped and name not in mine:
        name = _spelled(name, [*shipped, *mine]) or name
    if name in mine:
        if name in shipped:
            fact = f"'{name}' is a shipped kernel, and {mine[name]} has its name"
            raise KernelError(fact, hint=f"for yours write {mine[name]}; for the shipped one give yours another name")
        return mine[name]
    if name not in shipped:
        from convcli.spec.words import KERNELS, NO_CONVOLUTIONS, lookup

        if other := lookup(name, NO_CONVOLUTIONS):
            hint = other.answer and f"-k {other.answer} does something like it"
            raise KernelError(f"'{name}' is not a convolution: {other.note}", hint=hint)
        word = lookup(name, KERNELS)
        hint = (
            suggestion(word.answer if word else name, [*shipped, *mine])
            or "'convcli list' shows all names; a file's name ends in .yaml"
        )
        base, equals, value = name.partition("=")
        meant = lookup(base, KERNELS)
        if equals and (meant or base in names()):
            hint = f"-k {meant.answer if meant else base}:{value.removeprefix('sigma=')}"
        if os.path.isfile(name):
            hint = f"for the file of that name write ./{name}"
        elif files := [name + ending for ending in (".yaml", *ARRAYS, *MATRICES) if os.path.isfile(name + ending)]:
            hint = f"for the file write {files[0]}"
        raise KernelError(f"unknown kernel '{name}'", hint=hint)
    return folder() / f"{name}.yaml"


def _of_file(path: Path) -> Unbuilt:
    return of_text(_text(path), name=path.stem, source=str(path), folder=path.parent)


def _text(path: Path) -> str:
    """What is written in a file of text. Raises `KernelError`."""
    try:
        # A shell's <(...) is a pipe, too.
        with streams.opened(path, pipes=path.is_relative_to("/dev")) as file:
            data = streams.read(file, TEXT_LIMIT)
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise KernelError(f"not UTF-8 text (byte {error.start})", place=str(path)) from error
    except OSError as error:
        hint = "keep large weights in a .npy file" if error.errno == errno.EFBIG else ""
        raise KernelError(reason(error), place=str(path), hint=hint) from error


def lists_kernels(source: Sequence[Any]) -> bool:
    """Whether a list holds kernels, not numbers."""
    return any(isinstance(one, str | Path | Mapping | Kernel) for one in source)
