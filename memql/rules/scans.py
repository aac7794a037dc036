"""What a scan can look for."""

from dataclasses import replace

from memql import ast, bound, plan, walking
from memql.bound import Expression, Variable
from memql.plan import Operator, rebuilt
from memql.rules.sayings import is_id, is_variable
from memql.statistics import UNKNOWN, Statistics
from memql.types import list_of


def know_the_kind(operator: Operator, _: Statistics = UNKNOWN) -> Operator:
    """A label that is a kind is a mask in memory: nothing is read to tell kinds apart."""
    return rebuilt(operator, _with_kinds)


def _with_kinds(operator: Operator) -> Operator:
    if not isinstance(operator, plan.Filter) or not isinstance(operator.source, plan.Scan | plan.Expand):
        return operator
    below = operator.source
    if isinstance(below, plan.Expand) and below.closes:
        return operator
    variable = below.variable if isinstance(below, plan.Scan) else below.end
    kinds, kept = below.kinds, []
    for condition in operator.conditions:
        found = _kinds(condition, variable)
        if found is None:
            kept.append(condition)
        else:
            kinds = found if kinds is None else kinds & found
    below = replace(below, kinds=kinds)
    return plan.Filter(below, tuple(kept)) if kept else below


def _kinds(condition: Expression, variable: Variable) -> frozenset[str] | None:
    """The kinds that the condition asks for, where that is all it asks."""
    if isinstance(condition, bound.Labelled) and is_variable(condition.of, variable) and variable.type.name == "node":
        names = _plain(condition.labels)
        # A label that is no kind is known by reading the item.
        return names if names is not None and variable.type.kinds is not None and names <= variable.type.kinds else None
    return None


def _plain(labels: ast.Labels) -> frozenset[str] | None:
    match labels:
        case ast.Label(name=name):
            return frozenset({name})
        case ast.JoinedLabels(operator="|", operands=operands):
            found: frozenset[str] = frozenset()
            for each in operands:
                if (names := _plain(each)) is None:
                    return None
                found |= names
            return found
    return None


def find_by_id(operator: Operator, _: Statistics = UNKNOWN) -> Operator:
    """An id is looked up: one row of the index, however many items there are."""
    return rebuilt(operator, _found_by_id)


def _found_by_id(operator: Operator) -> Operator:
    if not isinstance(operator, plan.Filter) or not isinstance(operator.source, plan.Scan):
        return operator
    scan = operator.source
    if scan.ids is not None:
        return operator
    for condition in operator.conditions:
        ids = _ids(condition, scan)
        if ids is not None:
            kept = tuple(each for each in operator.conditions if each is not condition)
            found = replace(scan, ids=ids)
            return plan.Filter(found, kept) if kept else found
    return operator


def _ids(condition: Expression, scan: plan.Scan) -> Expression | None:
    """The list that the item's id must be in."""
    match condition:
        case bound.Compared(operator="=", left=left, right=right):
            pairs = [(left, right), (right, left)]
        case bound.Call(function="IN", arguments=(left, right)) if right.type.name == "list":
            pairs = [(left, right)]
        case _:
            return None
    known = plan.binds(scan.source)
    for one, other in pairs:
        if is_id(one, scan.variable) and walking.variables(other) <= known and _cannot_fail_value(other):
            alone = isinstance(condition, bound.Compared)
            return bound.ListOf((other,), type=list_of(other.type), span=other.span) if alone else other
    return None


def _cannot_fail_value(expression: Expression) -> bool:
    return all(isinstance(part, bound.Constant | bound.Parameter | bound.Local | bound.ListOf | bound.Property)
               for part in walking.walked(expression))  # fmt: skip


def ask_the_graph(operator: Operator, _: Statistics = UNKNOWN) -> Operator:
    """The graph holds declared scalars in columns: it says which items of a kind may have a value, and only those are
    read. The condition stays, so that it is MemQL's equality which decides."""
    return rebuilt(operator, _asking)


def _asking(operator: Operator) -> Operator:
    if not isinstance(operator, plan.Filter) or not isinstance(operator.source, plan.Scan):
        return operator
    scan = operator.source
    if scan.kinds is None or scan.ids is not None or scan.equals:
        return operator
    equals = []
    for condition in operator.conditions:
        if isinstance(condition, bound.Compared) and condition.operator == "=":
            for one, other in ((condition.left, condition.right), (condition.right, condition.left)):
                plain = isinstance(other, bound.Constant | bound.Parameter)
                if plain and isinstance(one, bound.Property) and is_variable(one.of, scan.variable):
                    equals.append((one.name, other))
    return replace(operator, source=replace(scan, equals=tuple(equals))) if equals else operator
