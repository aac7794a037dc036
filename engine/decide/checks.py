"""Whether what was given may be kept: texts, names, numbers, times and properties, against catalog and limits.

A `Checks` gathers every problem of one command, each with its place, so that a person can mend all at once.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from datetime import datetime

import orjson

from engine.commands import Embedding, Values
from engine.events import Vector
from engine.limits import Limits
from memql.catalog import PROPERTY_NAME, RESERVED, Catalog, Property
from memql.errors import Problem, Reason, Refusal, nearest, over_limit
from memql.values import FOREVER, Misfit, Value, conform, micros, text_misfit, to_json

MOST_PROBLEMS = 20
"""Problems told at once: more than a person mends before trying again."""


class Checks:
    """The problems found so far. A limit met ends the command's chances and is told alone."""

    def __init__(self, catalog: Catalog, limits: Limits) -> None:
        self.catalog = catalog
        self.limits = limits
        self.problems: list[Problem] = []
        self._over: Refusal | None = None

    def refusal(self) -> Refusal | None:
        if self._over:
            return self._over
        return Refusal(Reason.INVALID, tuple(self.problems[:MOST_PROBLEMS])) if self.problems else None

    def add(self, code: str, message: str, place: str, hint: str = "") -> None:
        self.problems.append(Problem(code, message, place, hint))

    def within(self, limit: str, found: int, place: str) -> bool:
        most = getattr(self.limits, limit)
        if found > most and not self._over:
            self._over = over_limit(limit, most, found, place)
        return bool(found <= most)

    def text(self, given: str, place: str) -> None:
        """Text that people read and search: not empty, of bounded length, without control characters."""
        if not given or given.isspace():
            self.add("EMPTY", "there is no text here", place, "write something, or leave the whole entry away")
        elif self.within("text_characters", len(given), place) and (misfit := text_misfit(given)):
            self.add("BAD_CHARACTER", misfit.message, place, "take it out")

    def name(self, given: str | None, place: str) -> None:
        """A short text on one line: a name, a key, a role, a label."""
        if given is None:
            return
        if not given.strip():
            self.add("EMPTY", "a name is expected", place, "give one, or leave it away")
        elif self.within("name_characters", len(given), place):
            misfit = text_misfit(given)
            if misfit or "\n" in given or "\r" in given or "\t" in given:
                message = misfit.message if misfit else "a name stands on one line"
                self.add("BAD_CHARACTER", message, place, "take it out")

    def share(self, given: float | None, place: str) -> None:
        if given is not None and not 0 <= given <= 1:
            self.add("OUT_OF_RANGE", f"{given} is not between 0 and 1", place)

    def weight(self, given: float, place: str) -> None:
        if not math.isfinite(given):
            self.add("OUT_OF_RANGE", "a weight is a finite number", place)

    def span(
        self, start: datetime | None, end: datetime | None, at: int, place: str, was: tuple[int, int] | None = None
    ) -> tuple[int, int]:
        """Valid time in microseconds, end exclusive; what is not given is as it was, else from now on for ever."""
        before = was or (at, FOREVER)
        valid_from = self.instant(start, before[0], f"{place}valid_from")
        valid_to = self.instant(end, before[1], f"{place}valid_to")
        if valid_to <= valid_from:
            self.add("BAD_TIME", "it would end before it begins", f"{place}valid_to", "`valid_to` is exclusive")
        return valid_from, valid_to

    def instant(self, given: datetime | None, otherwise: int, place: str) -> int:
        if given is None:
            return otherwise
        try:
            return micros(given)
        except OverflowError:
            self.add("BAD_TIME", "this time cannot be told in UTC", place, "years 1 to 9999 can")
            return otherwise

    def properties(self, kind: str, declared: Mapping[str, Property], given: Values, place: str) -> dict[str, Value]:
        """The given properties as their declared types hold them; null is kept, as `take this away`."""
        kept: dict[str, Value] = {}
        for name, value in given.items():
            where = f"{place}{name}"
            if name in RESERVED:
                self.add("RESERVED_NAME", f"`{name}` is not a property that can be set", where)
            elif name in declared:
                kept[name] = self._fitted(value, declared[name].type, where)
            elif not self.catalog.open:
                hint = nearest(name, declared) or f"declare it: DeclareProperty {kind}.{name}"
                self.add("UNKNOWN_PROPERTY", f"`{kind}` has no property `{name[:80]}`", where, hint)
            elif not PROPERTY_NAME.match(name):
                self.add("BAD_NAME", "a property's name is letters, digits and _", where)
            else:
                kept[name] = self._fitted(value, "any", where)
        return kept

    def _fitted(self, value: object, of: str, place: str) -> Value:
        fitted = conform(value, of)
        if isinstance(fitted, Misfit):
            self.add("INVALID_TYPE", fitted.message, place + fitted.place)
            return None
        if isinstance(fitted, str):
            self.within("text_characters", len(fitted), place)
        elif isinstance(fitted, list):
            self.within("list_members", len(fitted), place)
        return fitted

    def size(self, properties: Mapping[str, Value], place: str) -> None:
        """Bounds all properties of one item together."""
        total = 0
        for value in properties.values():
            total += len(value) if isinstance(value, str) else 8 if not isinstance(value, list | dict) else 0
            if isinstance(value, list | dict):
                total += len(orjson.dumps(to_json(value)))
        self.within("properties_bytes", total, place)

    def labels(self, given: Sequence[str], place: str) -> tuple[str, ...]:
        self.within("list_members", len(given), place)
        known = self.catalog.labels | set(self.catalog.kinds)
        for index, label in enumerate(given):
            where = f"{place}[{index}]"
            self.name(label, where)
            if not self.catalog.open and label not in known:
                hint = nearest(label, known) or "declare it: DeclareLabel"
                self.add("UNKNOWN_LABEL", f"no label `{label[:80]}`", where, hint)
        return tuple(dict.fromkeys(given))

    def embedding(self, given: Embedding | None, text: str, place: str) -> Vector | None:
        """The vector as it is recorded: float32, finite, not zero."""
        if given is None:
            return None
        if not text:
            self.add("NO_TEXT", "an embedding stands for a text, and there is none", place)
            return None
        self.name(given.model, f"{place}.model")
        numbers = given.vector
        if isinstance(numbers, bytes):
            if len(numbers) % 4:
                self.add("BAD_VECTOR", "float32 numbers take 4 bytes each", f"{place}.vector")
                return None
            numbers = struct.unpack(f"<{len(numbers) // 4}f", numbers)
        if not self.within("embedding_width", len(numbers), f"{place}.vector"):
            return None
        length = math.fsum(number * number for number in numbers)
        if not math.isfinite(length) or not 1e-30 < length < 1e30:
            self.add("BAD_VECTOR", "a vector is finite and not zero", f"{place}.vector")
            return None
        return Vector(given.model, struct.pack(f"<{len(numbers)}f", *numbers))
