"""Better plans with the same rows."""

from collections.abc import Callable, Sequence

from memql.plan import Operator

RULES: tuple[Callable[[Operator], Operator], ...] = ()


def improved(operator: Operator, rules: Sequence[Callable[[Operator], Operator]]) -> Operator:
    """The plan after each rule in its turn."""
    for rule in rules:
        operator = rule(operator)
    return operator
