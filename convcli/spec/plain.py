"""The plain part of YAML, in which most kernels are written, without PyYAML, whose import takes longer than most runs.

Plain are: one field a line with a word, a line of text, or rows in brackets or braces; rows one below the other with a
dash before each; comments; and on a command line a word or a row alone. All else is left to PyYAML, errors included.
What is read here is what `nodes.parse` makes of it, to the column.
"""

from __future__ import annotations

import re
from typing import Any

from convcli.spec import nodes
from convcli.spec.nodes import Node, Source, scalar

#: Characters at most: with more, importing PyYAML is the lesser part.
_LONGEST = 1 << 14
_LINE = re.compile(r"(?P<key>[A-Za-z_][\w-]{0,60}):(?: +(?P<value>.*))?", re.ASCII)
_ROW = re.compile(r"(?P<indent> *)- +(?P<value>.*)")
_WORD = re.compile(r"(?:\w|[-+]?\.?(?=\w))(?:[\w.+/-]|::(?=\w))*", re.ASCII)
_TOKEN = re.compile(rf"[\[\]{{}},]|{_WORD.pattern}(:(?= ))?", re.ASCII)
_TEXT = re.compile(r"\w(?:[^:# ]|:(?! )|(?<! )#| +(?=[^# ]))*(?<!:)", re.ASCII)
_AFTER = re.compile(r" *| +#.*")
#: Words that are no names of fields.
_NO_NAMES = {"null", "true", "false"}


def _is_empty(line: str) -> bool:
    """Whether a line has nothing but a comment."""
    return line.lstrip(" ")[:1] in ("", "#")


class _Other(Exception):
    """The text is more than plain."""


def parse(text: str, source: Source) -> Node:
    """The one document in `text`; raises `KernelError` with line and column."""
    try:
        return _document(text, source)
    except _Other:
        return nodes.parse(text, source)


def _document(text: str, source: Source) -> Node:
    if len(text) > _LONGEST or not (text.isascii() and text.replace("\n", "").isprintable()):
        raise _Other
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if not _is_empty(line)]
    if len(lines) == 1 and not _LINE.fullmatch(lines[0][1]):
        number, line = lines[0]
        return _Flow(source, number, line, len(line) - len(line.lstrip(" "))).whole(depth=1)
    return _fields(lines, source)


def _fields(lines: list[tuple[int, str]], source: Source) -> Node:
    """One field a line, at the left margin."""
    fields: dict[str, Node] = {}
    places: dict[str, tuple[int, int]] = {}
    waiting = list(reversed(lines))
    while waiting:
        number, line = waiting.pop()
        match = _LINE.fullmatch(line)
        if not match or match["key"] in fields or match["key"] in _NO_NAMES:
            raise _Other
        key, value = match["key"], match["value"] or ""
        places[key] = (number, 1)
        if _is_empty(value):
            fields[key] = _rows(waiting, source)
        else:
            fields[key] = _Flow(source, number, line, match.start("value")).whole(depth=2)
    if not fields:
        raise _Other
    first = next(iter(places.values()))
    return Node(fields, source, *first, keys=places)


def _rows(waiting: list[tuple[int, str]], source: Source) -> Node:
    """Rows with a dash each, from the end of `waiting`, which they are taken from."""
    items: list[Node] = []
    place, indent = (0, 0), ""
    while waiting and (match := _ROW.fullmatch(waiting[-1][1])):
        number, line = waiting.pop()
        if not items:
            place, indent = (number, match.end("indent") + 1), match["indent"]
        if match["indent"] != indent:
            raise _Other
        items.append(_Flow(source, number, line, match.start("value")).whole(depth=3))
    if not items:
        raise _Other
    return Node(items, source, *place)


class _Flow:
    """Reads the rest of a line: brackets, braces, words, or a line of text."""

    def __init__(self, source: Source, number: int, line: str, start: int) -> None:
        self._source, self._number, self._line, self._at = source, number, line, start

    def whole(self, depth: int) -> Node:
        """All that is left, but for a comment."""
        if self._line.startswith(("[", "{"), self._at):
            node = self._value(*self._next(), depth)
        else:
            match = _TEXT.match(self._line, self._at) or _WORD.match(self._line, self._at)
            if not match:
                raise _Other
            node = self._node(scalar(match[0]), self._at)
            self._at = match.end()
        if not _AFTER.fullmatch(self._line, self._at):
            raise _Other
        return node

    def _node(self, value: Any, start: int, keys: dict[str, tuple[int, int]] | None = None) -> Node:
        return Node(value, self._source, self._number, start + 1, keys=keys)

    def _next(self) -> tuple[int, str]:
        """The next token and where it starts."""
        while self._line[self._at : self._at + 1] == " ":
            self._at += 1
        match = _TOKEN.match(self._line, self._at)
        if not match:
            raise _Other
        self._at = match.end()
        return match.start(), match[0]

    def _value(self, start: int, token: str, depth: int) -> Node:
        """The value that begins with `token`, at `start`."""
        if depth > nodes.DEPTH:
            raise _Other
        if token == "[":
            return self._sequence(start, depth)
        if token == "{":
            return self._mapping(start, depth)
        if token in "]},:" or token.endswith(":"):
            raise _Other
        return self._node(scalar(token), start)

    def _sequence(self, start: int, depth: int) -> Node:
        items: list[Node] = []
        place, token = self._next()
        while token != "]":
            items.append(self._value(place, token, depth + 1))
            place, token = self._separated("]")
        return self._node(items, start)

    def _mapping(self, start: int, depth: int) -> Node:
        fields: dict[str, Node] = {}
        places: dict[str, tuple[int, int]] = {}
        place, token = self._next()
        while token != "}":
            key = token[:-1]
            if not _LINE.fullmatch(token) or key in fields or key in _NO_NAMES:
                raise _Other
            places[key] = (self._number, place + 1)
            fields[key] = self._value(*self._next(), depth + 1)
            place, token = self._separated("}")
        return self._node(fields, start, places)

    def _separated(self, end: str) -> tuple[int, str]:
        """What follows a comma, or the `end`."""
        place, token = self._next()
        if token == end:
            return place, token
        if token != ",":
            raise _Other
        place, token = self._next()
        if token == end:
            raise _Other
        return place, token
