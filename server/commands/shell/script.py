"""Lines that come one after the other → queries and commands.

A query ends at `;`, or at an empty line where nothing is missing, or with the input. A line that begins with a
backslash is a command. Texts and comments may hold either.
"""

from collections.abc import Iterator

from memql.assist import unfinished
from memql.lexer import pieces


class Script:
    """Gathers lines until something is whole."""

    def __init__(self) -> None:
        self._held = ""

    def take(self, line: str) -> Iterator[str]:
        """What this line makes whole: queries without their `;`, commands with their backslash."""
        if line.lstrip().startswith("\\") and not _is_within(self._held):
            yield from self.end()
            yield line.strip()
            return
        if not line.strip() and not _is_within(self._held) and not unfinished(self._held):
            yield from self.end()
            return
        whole, self._held = split(f"{self._held}{line}\n")
        yield from whole

    def end(self) -> Iterator[str]:
        """What is left when no line comes any more."""
        left, self._held = self._held.strip(), ""
        if _says(left):
            yield left


def split(text: str) -> tuple[list[str], str]:
    """The queries that end with `;`, and what stands behind the last of them."""
    whole, begun = [], 0
    for piece in pieces(text):
        if piece.type == ";":
            query = text[begun : piece.start].strip()
            begun = piece.end
            if _says(query):
                whole.append(query)
    return whole, text[begun:]


def statements(text: str) -> list[str]:
    """All queries and commands of a text."""
    script, found = Script(), list[str]()
    for line in text.splitlines():
        found += script.take(line)
    return [*found, *script.end()]


def _says(text: str) -> bool:
    return any(piece.type != "COMMENT" for piece in pieces(text))


def _is_within(text: str) -> bool:
    """Whether the next line begins inside a text, a name or a comment."""
    found = pieces(text.rstrip("\n"))
    return bool(found) and found[-1].type == "UNCLOSED"
