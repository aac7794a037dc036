"""Better plans with the same rows. Each rule is a function from plan to plan; they are applied once, in this order.
It may weigh how much there is in the tenant, and must do without knowing it.

What a rule says of itself is its reason. Before and after stand in `tests/memql/cases/rules.md`, and on random worlds
the plan with all rules gives the rows of the plain one. A condition that can fail, such as a division, is never moved:
it is met by the rows that would have met it.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from memql.plan import Operator
from memql.rules.beginnings import begin_where_least
from memql.rules.conditions import cannot_fail, filter_early
from memql.rules.graphs import match_in_the_graph
from memql.rules.pages import compute_late, only_the_first, project_once
from memql.rules.scans import ask_the_graph, find_by_id, know_the_kind
from memql.rules.selections import seek_outward
from memql.statistics import UNKNOWN, Statistics

__all__ = ["RULES", "Rule", "ask_the_graph", "cannot_fail", "find_by_id", "improved"]

Rule: TypeAlias = Callable[[Operator, Statistics], Operator]

RULES: tuple[Rule, ...] = (
    begin_where_least,
    seek_outward,
    filter_early,
    know_the_kind,
    find_by_id,
    ask_the_graph,
    match_in_the_graph,
    compute_late,
    only_the_first,
    project_once,
)


def improved(operator: Operator, rules: Sequence[Rule], statistics: Statistics = UNKNOWN) -> Operator:
    """The plan after each rule in its turn, for a tenant of which that is known."""
    for rule in rules:
        operator = rule(operator, statistics)
    return operator
