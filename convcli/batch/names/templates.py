"""Templates of outputs' names, such as `{stem}-{kernel}{ext}`: which fields and formats they may have, and how long."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from convcli.batch.names.jobs import FIELDS, FRAME, LONGEST_PART, LONGEST_PATH, impossible
from convcli.errors import UsageError, suggestion
from convcli.records import record

#: Formats of a number and of text, as Python's format specifications go, but for fills that would make other paths.
#: https://docs.python.org/3/library/string.html#format-specification-mini-language
_FILLED: Final = r"(?:[^/\\{}\0]?[<>^])?0?(?P<width>[0-9]*)"
_OF_NUMBER: Final = rf"{_FILLED}[bdoxX]?"
_OF_TEXT: Final = rf"{_FILLED}(?:\.(?P<precision>[0-9]+))?s?"


@record
class FrameNames:
    """The names of one input's frames: a template, and the values of its fields but `frame`."""

    template: str
    values: Mapping[str, str]

    def all(self, count: int) -> list[str]:
        """The names of `count` frames, whose numbers start at 1 and are as long as the last one.

        Raises `UsageError` where the template makes two of them one, and ImageError where no file can have them.
        """
        width = len(str(count))
        fault = impossible(self._name(_Number(count, width)))
        if fault:
            raise fault
        names = [self._name(_Number(number, width)) for number in range(1, count + 1)]
        if len(set(names)) < count:
            raise UsageError(f"{self.template} gives {count} frames {len(set(names))} names")
        return names

    def summary(self) -> str:
        """All of them in one, for people."""
        return self._name(_Number(0, 0))

    def _name(self, frame: _Number) -> str:
        return self.template.format(**self.values, frame=frame)


class _Number:
    """A frame's number, padded with zeros where the template says nothing else; 0 stands for all of them."""

    def __init__(self, number: int, width: int) -> None:
        self._number = number
        self._width = width

    def __format__(self, spec: str) -> str:
        return format(self._number, spec or f"0{self._width}") if self._number else FRAME


def fields(template: str) -> list[str]:
    """The fields of a template.

    Raises `UsageError` for one that isn't known or is formatted as no name should be: a few characters of a template
    could make names of gigabytes.
    """
    import string

    if len(template) > LONGEST_PATH:
        fact = f"the output's template has {len(template)} characters; a path has at most {LONGEST_PATH} bytes"
        raise UsageError(fact, hint="-o FOLDER/ keeps the names of inputs")
    try:
        parts = [part[1:] for part in string.Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise UsageError(f"the template {template} is damaged: {error}") from error
    for name, spec, conversion in parts:
        assert name is not None
        if name not in FIELDS:
            known = ", ".join(f"{{{field}}}" for field in FIELDS)
            fact = f"unknown field {{{name}}} in {template}"
            raise UsageError(fact, hint=suggestion(name, FIELDS) or f"known: {known}")
        _check_format(template, name, spec or "", conversion)
    return [name for name, _, _ in parts if name is not None]


def _check_format(template: str, name: str, spec: str, conversion: str | None) -> None:
    """Raise UsageError for a field that is converted, or formatted as it can't be, or wider than a name may be."""
    if conversion:
        fact = f"the template {template} is damaged: a field can't be converted, as by !{conversion}"
        raise UsageError(fact, hint=f"{{{name}}} is the text as it is")
    form = re.fullmatch(_OF_NUMBER if name == "frame" else _OF_TEXT, spec)
    if not form:
        hint = "{frame:05} has five digits" if name == "frame" else f"{{{name}:.20}} is its first 20 characters"
        raise UsageError(f"the template {template} is damaged: '{spec}' is no format of {name}", hint=hint)
    for kind, digits in form.groupdict().items():
        if digits and (len(digits) > len(str(LONGEST_PART)) or int(digits) > LONGEST_PART):
            fact = f"the template {template} is damaged: {name} has a {kind} of {digits}"
            raise UsageError(fact, hint=f"a name has at most {LONGEST_PART} bytes")
