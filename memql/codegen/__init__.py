"""Statements → functions with types, as text. Whoever asks for it writes the files.

The same statements and the same catalog give the same text, whenever and wherever it is made; what stands at its top
says of which file it was made.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from memql.catalog import Catalog
from memql.codegen import python, typescript
from memql.codegen.declared import declare, unusable
from memql.errors import Problem
from memql.statements import all_checked, statements

Language: TypeAlias = Literal["python", "ts"]


@dataclass(frozen=True, slots=True)
class Source:
    """A file of statements: `name` is what it is called, with its ending."""

    name: str
    text: str

    @property
    def stem(self) -> str:
        """The name of the module that is made of it."""
        plain = "".join(each if each.isalnum() else "_" for each in self.name.removesuffix(".memql"))
        return f"_{plain}" if plain[:1].isdigit() else plain


@dataclass(frozen=True, slots=True)
class Generated:
    """Texts of files by their names; or, by the names of the sources, what is wrong with them."""

    files: dict[str, str]
    problems: dict[str, list[Problem]]


def generated(sources: Sequence[Source], catalog: Catalog, language: Language) -> Generated:
    """One module for each source, and what they all stand on."""
    problems: dict[str, list[Problem]] = {}
    made = python if language == "python" else typescript
    files: dict[str, str] = dict(made.beside(_head(language, "")))
    names: set[str] = {name.partition(".")[0] for name in files}
    for source in sources:
        good, wrong = all_checked(statements(source.text), catalog, named=True)
        wrong += unusable(good)
        if source.stem in names:
            wrong.append(Problem("Q009", f"`{source.stem}` is made of another file", hint="rename this one"))
        names |= {source.stem, f"{source.stem}_sync"}
        if wrong:
            problems[source.name] = wrong
            continue
        digest = hashlib.sha256(source.text.encode()).hexdigest()[:16]
        doc = f"Functions of {source.name}."
        files |= made.modules(
            source.stem, doc, _head(language, f" from {source.name} ({digest})"), declare(good, catalog)
        )
    return Generated({} if problems else files, problems)


def _head(language: Language, of: str) -> str:
    sign = "#" if language == "python" else "//"
    return f"{sign} Made by `memql codegen`{of}: change that, and make it again.\n"


__all__ = ["Generated", "Language", "Source", "generated"]
