"""The errors a user can meet, each shown as one line: place, fact, hint.

Everything convcli raises on purpose derives from `ConvcliError`; any other exception that reaches a user is a bug.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Characters of a message's part and of a word in it that are shown.
LONGEST_PART, LONGEST_WORD = 1000, 400


class ConvcliError(Exception):
    """Root of all errors raised on purpose.

    `fact` says what is wrong with the numbers that show it; `place` says where (`file:line:column`, an image, an
    option); `hint` says what to do; `snippet` is the offending line with a caret below it.
    """

    exit_code = 1

    def __init__(self, fact: str, *, place: str = "", hint: str = "", snippet: str = "") -> None:
        super().__init__(fact)
        self.fact = fact
        self.place = place
        self.hint = hint
        self.snippet = snippet

    def __str__(self) -> str:
        # A file's name may hold a line break, and so may a value that is quoted.
        parts = (part.replace("\n", "\\n") for part in (self.place, self.fact, self.hint))
        place, fact, hint = map(shortened, parts)
        lines = [f"{place}: {fact}" if place else fact]
        if self.snippet:
            lines.append(self.snippet)
        if hint:
            lines.append(f"  hint: {hint}")
        return "\n".join(lines)


class KernelError(ConvcliError):
    """A kernel that can't be built: a wrong file, field, rule or array of weights."""

    exit_code = 2


class FieldError(KernelError):
    """A wrong value found while a kernel is built; `path` leads to it inside the kernel's mapping.

    The reader of kernel files, which knows lines and columns, turns it into a `KernelError` with a place.
    """

    def __init__(self, path: str | tuple[str | int, ...], fact: str, *, hint: str = "") -> None:
        super().__init__(fact, hint=hint)
        self.path = (path,) if isinstance(path, str) else path


class UsageError(ConvcliError):
    """Options or arguments that do not fit together."""

    exit_code = 2


class ShapeError(ConvcliError):
    """A kernel and an array that do not fit: a missing axis, wrong channels, an output below one sample."""


class ImageError(ConvcliError):
    """An image or array file that can't be read or written."""


def suggestion(word: str, known: Iterable[str]) -> str:
    """A "did you mean" for `word`, or an empty string when nothing in `known` is close."""
    near = closest(word, known)
    return f"did you mean '{near}'?" if near else ""


def closest(word: str, known: Iterable[str]) -> str:
    """The one of `known` that `word` was probably meant to be, or an empty string.

    It is the same but for capitals and dashes, or begins with the word, or is a slip or two of the keyboard away.

    >>> closest("Sobel_X", ["sobel-x"]), closest("--verbose", ["--overwrite"]), closest("wieght", ["weights"])
    ('sobel-x', '', 'weights')
    """
    plain = word.lower().replace("_", "-").strip()
    letters = 0 if plain.isdigit() else len(plain.strip("-."))
    ranks: list[tuple[int, int, str]] = []
    for one in known:
        other = one.lower().replace("_", "-")
        most = (letters + 1) // 3
        if (letters >= 3 and other.startswith(plain)) or plain.startswith(f"{other}:"):
            slips = 0 if other == plain else 1
        elif other.replace("-", "") == plain.replace("-", ""):
            slips = 0
        elif abs(len(plain) - len(other)) > most:  # each slip changes the length by one at most
            continue
        else:
            slips = _slips(plain, other)
        if slips <= most:
            ranks.append((slips, len(ranks), one))
    return min(ranks)[2] if ranks else ""


def _slips(left: str, right: str) -> int:
    """How many letters are to be put in, taken out, exchanged with their neighbours or replaced (Damerau 1964)."""
    last: list[int] = []
    row: list[int] = list(range(len(right) + 1))
    for y, letter in enumerate(left):
        before, last, row = last, row, [y + 1]
        for x, other in enumerate(right):
            cost = min(last[x] + (letter != other), last[x + 1] + 1, row[x] + 1)
            if x and y and letter == right[x - 1] and left[y - 1] == other:
                cost = min(cost, before[x - 1] + 1)
            row.append(cost)
    return row[-1]


def reason(error: OSError | ValueError) -> str:
    """Why the system refused, in its own words, as the end of a sentence.

    >>> reason(FileNotFoundError(2, "No such file or directory"))
    'no such file or directory'
    """
    return (getattr(error, "strerror", None) or str(error)).lower()


def shortened(text: str) -> str:
    """A part of a message with the middle of long words left out, and of all of it where it is still long.

    >>> shortened("no such file: " + "x" * 1000).count("x")
    360
    """
    words = re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: _ends(word[0], LONGEST_WORD), text)
    return words if len(words) <= LONGEST_PART else _ends(words, LONGEST_PART)


def _ends(text: str, length: int) -> str:
    return f"{text[: length * 7 // 10]}[...]{text[-length // 5 :]}"


def one_line(text: str) -> str:
    """`printable`, line breaks being escapes, too."""
    return printable(text).replace("\n", "\\n")


def printable(text: str) -> str:
    """`text` with control characters and undecodable bytes of file names shown as escapes; newlines are kept.

    >>> printable("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    if text.isprintable():
        return text
    return "".join(
        character if character == "\n" or character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
