"""Libraries that load when they are used, and those of a command without what it leaves unused of them.

This loads nothing itself, so that it can come before all else.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as type checkers know it without `typing`
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any


class late:
    """A library that is loaded when it is first used: counting, listing and checking kernels needs no numpy.

    `np = late("numpy")` stands for `import numpy as np`. `attributes` are there before it is loaded.
    """

    def __init__(self, library: str, **attributes: Any) -> None:
        self.__dict__.update(attributes, _library=library)

    def __getattr__(self, name: str) -> Any:
        import importlib

        library = self.__dict__["_library"]
        modules: dict[str, Any] = sys.modules
        if isinstance(modules.get(library), late):
            del modules[library]
        value = self.__dict__[name] = getattr(importlib.import_module(library), name)
        return value


class functions(late):
    """A module of functions of which others take some, and call them later: it is loaded by the first such call.

    `taken` are the functions that stand for them, by their names.
    """

    def __init__(self, library: str) -> None:
        super().__init__(library, __all__=[], taken={})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            return super().__getattr__(name)
        function = self.__dict__["taken"][name] = _function(self.__dict__["_library"], name)
        return function

    def lend(self, package: Any) -> None:
        """Has a package that took some ask for the true ones when it is asked for them itself."""
        names = {name for name, function in self.__dict__["taken"].items() if package.__dict__.get(name) is function}
        for name in names:
            delattr(package, name)
        package.__all__ = [*package.__all__, *names]
        otherwise, library = package.__getattr__, self.__dict__["_library"]

        def load(name: str) -> Any:
            if name not in names:
                return otherwise(name)
            value = package.__dict__[name] = getattr(late(library), name)
            return value

        package.__getattr__ = load


class without:
    """A block in which modules that are imported by others are not loaded, unless something of them is used.

    `unused` has what is there of each before it is loaded, by its name; others may stand there themselves. Another
    version of those that import them may have other modules, or want more of these: then they are loaded as always.
    """

    def __init__(self, unused: Mapping[str, Mapping[str, Any] | late]) -> None:
        self._waiting = {
            name: attributes if isinstance(attributes, late) else late(name, **attributes)
            for name, attributes in unused.items()
            if name not in sys.modules
        }
        for module in self._waiting.values():  # for which the import system looks
            module.__dict__.update(__spec__=None, __path__=[])

    def __enter__(self) -> None:
        modules: dict[str, Any] = sys.modules
        modules.update(self._waiting)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        modules: dict[str, Any] = sys.modules
        for name, module in self._waiting.items():
            if modules.get(name) is module:
                del modules[name]


def _cleandoc(text: str) -> str:
    """`inspect.cleandoc`, which a line of text needs not."""
    return text if text[:1].strip() and "\n" not in text and "\t" not in text else str(late("inspect").cleandoc(text))


def _function(module: str, name: str) -> Callable[..., Any]:
    """A function of a module, which is loaded by the first call."""
    return lambda *values, **named: getattr(late(module), name)(*values, **named)


#: What click loads, a third of its time, and pathlib: translations, of which click brings none, types of options, and
#: functions that ask.
OF_COMMANDS: dict[str, dict[str, Any] | late] = {
    "click.termui": functions("click.termui"),
    "inspect": {"cleandoc": _cleandoc},
    "uuid": {"UUID": type("UUID", (), {})},
    "gettext": {"gettext": str, "ngettext": lambda one, several, number: one if number == 1 else several},
    "urllib.parse": {"quote_from_bytes": _function("urllib.parse", "quote_from_bytes")},
}
#: What numpy loads with itself, a fourth of its time: texts for `help`, a class to annotate with, solving equations.
OF_NUMPY: dict[str, dict[str, Any]] = {
    "numpy._core._add_newdocs": {},
    "numpy._core._add_newdocs_scalars": {},
    "numpy._typing": {"NDArray": list},  # numpy's own annotations are evaluated at its definitions
    "numpy.linalg": {name: _function("numpy.linalg", name) for name in ("eigvals", "inv", "lstsq", "matrix_power")},
    "ast": {},
    "inspect": {"cleandoc": str, "signature": lambda function: None},
    "pickle": {},
    "platform": {},
    "textwrap": {},
    **{f"numpy.lib.{name}": {} for name in ("format", "introspect", "mixins", "npyio", "scimath")},
}
#: What numpy takes functions from, a third of its time: of sets, files, polynomials, indices and pictures of numbers.
FUNCTIONS_OF_NUMPY = ["numpy.matrixlib"] + [
    f"numpy.lib._{name}_impl"
    for name in (
        "arraypad", "arraysetops", "function_base", "histograms", "index_tricks", "nanfunctions", "npyio", "polynomial",
        "shape_base", "twodim_base", "type_check", "ufunclike", "utils",
    )
]  # fmt: skip


#: What pools of threads load, to tell of faults that theirs never have: most of their time.
OF_POOLS: dict[str, dict[str, Any]] = {
    "logging": {
        "getLogger": lambda name: late("logging", addHandler=lambda handler: None),
        "StreamHandler": lambda: None,
    }
}


def load_numpy() -> None:
    """Loads numpy, and what a command leaves unused of it only if that is used after all."""
    if "numpy" not in sys.modules:
        lenders = {name: functions(name) for name in FUNCTIONS_OF_NUMPY}
        with without({**OF_NUMPY, **lenders}):
            import numpy

        for lender in lenders.values():
            lender.lend(numpy)


def load_pools() -> None:
    """Loads `concurrent.futures` without logging, for a process of our own."""
    if "concurrent.futures" not in sys.modules:
        with without(OF_POOLS):
            import concurrent.futures.thread  # noqa: F401


def library(package: str, name: str) -> str | None:
    """Where a package has a library of this name, with folders before it; None where it has none there."""
    import os
    from importlib.machinery import EXTENSION_SUFFIXES, PathFinder

    spec = PathFinder.find_spec(package)
    folder = spec.submodule_search_locations[0] if spec and spec.submodule_search_locations else ""
    paths = [os.path.join(folder, name + suffix) for suffix in EXTENSION_SUFFIXES]
    return next(filter(os.path.exists, paths), None) if folder else None
