"""A plan run to its end: its rows, or the refusal that it ended with."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from engine.execute.answer import handed_out
from engine.execute.batch import UNIT, Batch
from engine.execute.operators import batches
from engine.execute.rows import too_many_rows
from engine.execute.running import Running
from engine.execute.seen import Stopped
from memql.bound import Variable
from memql.compiled import too_deep
from memql.errors import Reason, Refusal
from memql.evaluate import Failed
from memql.plan import Operator

T = TypeVar("T")


def rows_of(
    running: Running, operator: Operator, columns: Sequence[Variable], argument: Batch = UNIT
) -> list[tuple[Any, ...]]:
    """The rows of a plan as an answer holds them, no more than an answer may have."""
    rows: list[tuple[Any, ...]] = []
    most = running.reader.limits.query_rows
    for batch in batches(running, operator, argument):
        found = [batch.columns[variable].datums(running.seen) for variable in columns]
        if len(rows) + batch.size > most:
            raise too_many_rows(most)
        rows += [tuple(map(handed_out, row)) for row in zip(*found, strict=True)]
    return rows


def ended(work: Callable[[], T]) -> T | Refusal:
    """What is worked out, or why it could not be."""
    try:
        return work()
    except Stopped as stopped:
        return stopped.refusal
    except Failed as wrong:
        return Refusal(Reason.INVALID, (wrong.problem,))
    except RecursionError:
        return too_deep()
