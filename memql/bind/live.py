"""What a LIVE query may not ask: what never changes, and what changes without cause.

A live query is asked again when something it reads changes. So it must have one answer at each position, and more than
one in the course of time.
"""

from memql import ast, bound, walking
from memql.binding import Binding
from memql.functions import FUNCTIONS


def check_live(binding: Binding, written: ast.Query, parts: tuple[bound.Part, ...]) -> None:
    if written.times is not None and written.times.as_of is not None:
        binding.problem("Q521", "a LIVE query cannot be AS OF a time: what was known then never changes",
                        written.times.as_of.span, "leave out LIVE, or AS OF")  # fmt: skip
    for each in walking.inside(parts):
        if not isinstance(each, bound.Call) or (function := FUNCTIONS.get(each.function.lower())) is None:
            continue
        if function.chance:
            binding.problem("Q522", f"a LIVE query cannot ask `{function.name}`: its answer would change without cause",
                            each.span, "pass the value as a parameter")  # fmt: skip
        elif function.clock is not None and len(each.arguments) <= function.clock:
            binding.warning("Q920", f"`{function.name}` tells the time of the last change, and wakes nobody",
                            each.span, "pass the time as a parameter, or ask again when it matters")  # fmt: skip
