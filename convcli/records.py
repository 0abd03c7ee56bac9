"""What keeps starts short: frozen dataclasses that are quick to define, and names that load when they are used.

`@dataclass(frozen=True)` writes six methods for a class and compiles them, which takes half a millisecond: for the
fifty classes of this program, more than all its other modules together. Classes made here share one set of methods,
which go by the names of the fields. They are dataclasses in all else: `replace`, `fields` and `asdict` take them. What
`dataclass` looks for beside fields would take a fortieth of a start, too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import _FIELD, MISSING, Field, FrozenInstanceError, field  # type: ignore[attr-defined]
from operator import attrgetter
from typing import Any, NoReturn, TypeVar, dataclass_transform, overload

from convcli.loading import late as late

T = TypeVar("T")


@overload
def record(cls: type[T], /) -> type[T]: ...
@overload
def record(*, kw_only: bool = True, eq: bool = True) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def record(cls: type[T] | None = None, /, *, kw_only: bool = True, eq: bool = True) -> Any:
    """Makes a class a frozen dataclass, with keyword-only fields by default; without `eq` it is equal to itself alone.

    >>> @record
    ... class Point:
    ...     y: int
    ...     x: int = 0
    >>> Point(y=1), Point(y=1) == Point(x=0, y=1)
    (Point(y=1, x=0), True)
    """

    def decorate(cls: type[T]) -> type[T]:
        members = _define(cls, kw_only=kw_only)
        methods = {**_METHODS, **_COMPARISON} if eq else _METHODS
        for name, value in {**methods, "__layout__": _Layout(cls, members)}.items():
            if name not in cls.__dict__ and not (name == "__repr__" and _prints_itself(cls)):
                setattr(cls, name, value)
        return cls

    return decorate if cls is None else decorate(cls)


def _define(cls: Any, *, kw_only: bool) -> Sequence[Field[Any]]:
    """Makes a class known as a dataclass, as `dataclass` does: its fields, behind those of the classes it is of."""
    members: dict[str, Field[Any]] = {}
    for base in cls.__mro__[:0:-1]:
        members.update(base.__dict__.get("__dataclass_fields__", {}))
    for name, annotation in cls.__annotations__.items():
        if annotation.startswith("ClassVar"):
            continue
        default: Any = getattr(cls, name, MISSING)
        one: Any = default if isinstance(default, Field) else field(default=default)
        one.name, one.type, one._field_type = name, annotation, _FIELD
        if one.kw_only is MISSING:
            one.kw_only = kw_only
        if default is one and one.default is MISSING:
            delattr(cls, name)
        elif default is one:
            setattr(cls, name, one.default)
        members[name] = one
    positional = tuple(one.name for one in members.values() if not one.kw_only)
    for attribute, value in {"__dataclass_fields__": members, "__match_args__": positional}.items():
        setattr(cls, attribute, value)
    return [*members.values()]


def _prints_itself(cls: type) -> bool:
    """Whether a class has a line of its own for its heirs, too."""
    own: Any = cls.__repr__
    return own is not object.__repr__ and own is not _repr


class _Layout:
    """The fields of a class, as its methods need them."""

    def __init__(self, cls: Any, members: Sequence[Field[Any]]) -> None:
        self.names = frozenset(one.name for one in members)
        self.printed = [one.name for one in members if one.repr]
        self.compared = [one.name for one in members if one.compare]
        defaults = {one.name: one.default for one in members if one.default is not MISSING}
        #: Functions, which would be methods if they stayed with the class, as all other defaults do.
        self.functions = {name: value for name, value in defaults.items() if hasattr(type(value), "__get__")}
        self.factories: Mapping[str, Callable[[], Any]] = {
            one.name: one.default_factory for one in members if one.default_factory is not MISSING
        }
        self.required = self.names - defaults.keys() - self.factories.keys()
        self.is_checked = hasattr(cls, "__post_init__")
        values = attrgetter(*self.compared) if self.compared else lambda value: ()
        self.values: Callable[[Any], Any] = values  # of a single field it is the value itself


def _init(self: Any, /, *positional: Any, **values: Any) -> None:
    layout: _Layout = self.__layout__
    if positional:
        names = self.__match_args__
        if len(positional) > len(names):
            raise TypeError(f"{type(self).__name__} takes {len(names)} positional fields, not {len(positional)}")
        values = dict(**dict(zip(names, positional, strict=False)), **values)  # TypeError where one is given twice
    if not layout.required <= values.keys() <= layout.names:
        lacking, unknown = sorted(layout.required - values.keys()), sorted(values.keys() - layout.names)
        raise TypeError(f"{type(self).__name__}: fields lacking: {lacking}, unknown: {unknown}")
    members = self.__dict__
    members.update(layout.functions)
    members.update(values)
    for name in layout.factories:
        if name not in values:
            members[name] = layout.factories[name]()
    if layout.is_checked:
        self.__post_init__()


def _repr(self: Any) -> str:
    text = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__layout__.printed)
    return f"{type(self).__qualname__}({text})"


def _eq(self: Any, other: Any) -> bool:
    values = self.__layout__.values
    return bool(values(self) == values(other)) if type(self) is type(other) else NotImplemented


def _hash(self: Any) -> int:
    return hash(self.__layout__.values(self))


def _setattr(self: Any, name: str, value: Any) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field '{name}'")


def _delattr(self: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field '{name}'")


_METHODS = {"__init__": _init, "__repr__": _repr, "__setattr__": _setattr, "__delattr__": _delattr}
_COMPARISON = {"__eq__": _eq, "__hash__": _hash}


def lazily(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's `__getattr__` (PEP 562), which loads a public name from its home when it is first used.

    `names` are those of each module of convcli, separated by spaces: `{"spec.library": "load names"}`.
    """
    homes = {name: module for module, public in names.items() for name in public.split()}

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        import importlib

        value = getattr(importlib.import_module(f"convcli.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return load
