"""Text or Python values -> a tree of located nodes, guarded against hostile input.

The only importer of yaml. Scalars follow YAML 1.2's core schema rather than PyYAML's 1.1: `1e-3` is a number, `012` is
12, `on` and `1:30` are text. Anchors, aliases and tags have no use in a kernel file and are refused, which ends alias
bombs; nesting ends at `DEPTH` levels, which ends the other kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convcli.errors import KernelError, UsageError
from convcli.ops.tensors import is_array
from convcli.records import record

if TYPE_CHECKING:
    import yaml

DEPTH = 32
_TOO_DEEP = f"nested more than {DEPTH} levels deep"
#: Bytes of text at most: a filter bank of a million numbers belongs in a .npy file.
TEXT_LIMIT = 16 << 20

_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
#: What YAML 1.1 and 1.2 don't allow anywhere in a document.
_REFUSED = "[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_SPECIAL = {".inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}
_WORDS = {"": None, "null": None, "~": None, "true": True, "false": False}


@record(kw_only=False)
class Source:
    """Where nodes come from: a name to show, the text itself (for the snippet), the folder of its file names."""

    name: str
    text: str = ""
    folder: Path = Path()

    def error(self, fact: str, line: int, column: int, hint: str = "") -> KernelError:
        """An error at a place of this source, with the line and a caret. Lines and columns count from 1."""
        lines = self.text.splitlines()
        snippet = ""
        if self.text and 0 < line <= len(lines):
            extract = lines[line - 1].replace("\t", " ")
            start = max(0, column - 60)
            extract = extract[start : start + 100]
            indent = len(extract) - len(extract.lstrip())
            snippet = f"    {extract.lstrip()}\n    {' ' * max(0, column - 1 - start - indent)}^"
        place = f"{self.name}:{line}:{column}" if line else self.name
        return KernelError(fact, place=place, hint=hint, snippet=snippet)


@record(kw_only=False)
class Node:
    """A value and where it stands: nothing, a bool, number, text or array, a list of nodes, or a dict of them."""

    value: Any
    source: Source
    line: int = 0
    column: int = 0
    path: str = ""
    keys: Mapping[str, tuple[int, int]] | None = None

    def error(self, fact: str, hint: str = "") -> KernelError:
        """An error at this node."""
        if self.line == 0 and self.path:
            return KernelError(fact, place=f"{self.source.name}, {self.path}", hint=hint)
        return self.source.error(fact, self.line, self.column, hint)

    def key_error(self, key: str, fact: str, hint: str = "") -> KernelError:
        """An error at a key of this mapping."""
        if self.keys and key in self.keys:
            return self.source.error(fact, *self.keys[key], hint)
        return self.error(fact, hint)

    @property
    def kind(self) -> str:
        """What the value is, in a user's words."""
        names = {
            dict: "a mapping",
            list: "a list",
            str: "text",
            bool: "true or false",
            int: "a number",
            float: "a number",
        }
        if self.value is None:
            return "nothing"
        return names.get(type(self.value), "an array" if is_array(self.value) else f"{self.value!r:.40}")


def parse(text: str, source: Source) -> Node:
    """The one document in `text`; raises `KernelError` with line and column."""
    import yaml

    if len(text) > TEXT_LIMIT:
        raise source.error(
            f"{len(text)} characters are more than {TEXT_LIMIT}", 0, 0, "keep large weights in a .npy file"
        )
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _document(yaml.parse(text, Loader=loader), source)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, source) from error
    except (yaml.reader.ReaderError, UnicodeEncodeError) as error:
        raise _character_error(text, source) from error
    except yaml.YAMLError as error:
        raise source.error(f"not valid YAML: {str(error).splitlines()[0]}", 0, 0) from error


def _syntax_error(error: yaml.MarkedYAMLError, source: Source) -> KernelError:
    """At the problem, or where what is unfinished began when the text ends before it."""
    fact, began, hint = f"not valid YAML: {error.problem or error.context}", error.context_mark, ""
    if "nesting depth" in (error.problem or ""):  # libyaml's own limit, which it may reach first since it looks ahead
        fact = _TOO_DEEP
    mark = error.problem_mark or began
    if mark and began and began.line != mark.line:
        if mark.line >= len(source.text.splitlines()):
            mark, fact = began, f"{fact} {error.context}"
        else:
            hint = f"{error.context} that begins on line {began.line + 1}"
    return source.error(fact, *((mark.line + 1, mark.column + 1) if mark else (0, 0)), hint)


def _character_error(text: str, source: Source) -> KernelError:
    """At the first character that YAML refuses."""
    match = re.search(_REFUSED, text)
    if not match:
        return source.error("not valid YAML: it holds a control character", 0, 0)
    line, column = text.count("\n", 0, match.start()) + 1, match.start() - text.rfind("\n", 0, match.start())
    return source.error(f"not valid YAML: the character U+{ord(match[0]):04X}", line, column)


def _document(events: Iterable[yaml.Event], source: Source) -> Node:
    import yaml

    stream = iter(events)
    root: Node | None = None
    for event in stream:
        if isinstance(event, yaml.DocumentStartEvent):
            if root is not None:
                raise source.error("a second document; a kernel file holds one", *_place(event))
            root = _node(next(stream), stream, source, 1)
    if root is None:
        raise source.error("holds no kernel", 1 if source.text else 0, 1)
    return root


def _place(event: yaml.Event) -> tuple[int, int]:
    """Line and column of an event, from 1."""
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


def _node(event: yaml.Event, stream: Iterator[yaml.Event], source: Source, depth: int) -> Node:
    import yaml

    line, column = _place(event)
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        raise source.error("anchors and aliases (& and *) have no place in a kernel file", line, column)
    tag = getattr(event, "tag", None)
    if tag is not None and tag != "!":
        name = tag.replace("tag:yaml.org,2002:", "!!")
        raise source.error(f"the tag {name} has no place in a kernel file", line, column)
    if depth > DEPTH:
        raise source.error(_TOO_DEEP, line, column)
    if isinstance(event, yaml.ScalarEvent):
        return Node(event.value if event.style else scalar(event.value), source, line, column)
    if isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(item := next(stream), yaml.SequenceEndEvent):
            items.append(_node(item, stream, source, depth + 1))
        return Node(items, source, line, column)
    return _mapping(stream, source, depth, line, column)


def _mapping(stream: Iterator[yaml.Event], source: Source, depth: int, line: int, column: int) -> Node:
    import yaml

    fields: dict[str, Node] = {}
    places: dict[str, tuple[int, int]] = {}
    while not isinstance(event := next(stream), yaml.MappingEndEvent):
        key = _node(event, stream, source, depth + 1)
        if isinstance(key.value, bool | float | list | dict) or key.value is None:
            raise key.error("a field's name is a word")
        name = event.value if isinstance(event, yaml.ScalarEvent) else str(key.value)
        if name == "<<":
            raise key.error("merge keys (<<) have no place in a kernel file")
        if name in fields:
            raise key.error(f"field '{name}' stands here twice", f"the first is on line {places[name][0]}")
        places[name] = (key.line, key.column)
        fields[name] = _node(next(stream), stream, source, depth + 1)
    return Node(fields, source, line, column, keys=places)


def scalar(text: str) -> Any:
    """A plain scalar by the core schema of YAML 1.2.

    >>> [scalar(text) for text in ("1e-3", "012", "on", "1:30", "true")]
    [0.001, 12, 'on', '1:30', True]
    """
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.fullmatch(text):
        return int(text) if text.lstrip("-+").isdecimal() and len(text) < 400 else float(text)
    return _SPECIAL.get(text.lower(), text)


def from_python(value: Any, source: Source, path: str = "", depth: int = 1) -> Node:
    """Python values (a dict of fields) as nodes; errors name the path of keys instead of line and column."""
    if depth > DEPTH:
        raise KernelError(_TOO_DEEP, place=source.name)
    if isinstance(value, Mapping):
        fields = {str(k): from_python(v, source, f"{path}.{k}".lstrip("."), depth + 1) for k, v in value.items()}
        return Node(fields, source, path=path)
    if not is_array(value):
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            items = [_item(item, source, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
            return Node(items, source, path=path)
    elif getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    return Node(value, source, path=path)


def _item(value: Any, source: Source, path: str, depth: int) -> Node:
    """An entry of a list, which arrays in it are part of."""
    if is_array(value) and getattr(value, "ndim", None) != 0:
        from convcli.ops.arrays import real_array

        try:
            value = real_array(value).tolist()
        except UsageError as error:
            raise Node(value, source, path=path).error(error.fact, error.hint) from error
    return from_python(value, source, path, depth)
