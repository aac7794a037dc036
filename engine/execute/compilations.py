"""Compiled queries, kept: a query that was compiled for a catalog is a look into a table the next time."""

import threading
from collections import OrderedDict

from memql import compile as compile_text
from memql.catalog import Catalog
from memql.compiled import Compiled
from memql.errors import Refusal
from memql.statistics import UNKNOWN, Statistics

KEPT = 1_000
"""Queries kept: the least recently used makes room. A plan is some ten kilobytes."""


class Compilations:
    """Safe to use from several threads. A catalog is a value, so a query is known by it, its text and by what the plan
    was chosen: the next declaration makes another catalog, and a tenant that has grown other statistics."""

    def __init__(self, most: int = KEPT) -> None:
        self._most = most
        self._known: OrderedDict[tuple[str, int, Statistics], tuple[Catalog, Compiled]] = OrderedDict()
        self._lock = threading.Lock()

    def compiled(self, text: str, catalog: Catalog, statistics: Statistics = UNKNOWN) -> Compiled | Refusal:
        key = (text, id(catalog), statistics)
        with self._lock:
            if (known := self._known.get(key)) is not None and known[0] is catalog:
                self._known.move_to_end(key)
                return known[1]
        made = compile_text(text, catalog, statistics)
        if not isinstance(made, Refusal):
            with self._lock:
                self._known[key] = (catalog, made)
                while len(self._known) > self._most:
                    self._known.popitem(last=False)
        return made
