"""The language: its values, names and errors, and what a query means. Nothing here does I/O or knows a clock."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memql.catalog import Catalog
    from memql.compiled import Compiled
    from memql.errors import Refusal
    from memql.statistics import Statistics


def compile(  # noqa: A001 (what it does, by its name)
    text: str, catalog: "Catalog", statistics: "Statistics | None" = None
) -> "Compiled | Refusal":
    """The query as it will be run in a tenant with that catalog; or everything that is wrong with it. Imported when it
    is first asked for: who only needs values should not wait for a compiler."""
    from memql.compiled import compile_query
    from memql.statistics import UNKNOWN

    return compile_query(text, catalog, statistics=UNKNOWN if statistics is None else statistics)
