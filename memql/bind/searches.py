"""`SEARCH`: which ways rank, what is ranked, which filter is asked of each item before, and the scores bound behind."""

import math

from memql import ast, bound, walking
from memql.bind.constants import constant
from memql.bind.expressions import bind_condition, bind_expression
from memql.bind.names import check_labels, kinds_of
from memql.bind.times import bind_times, of_clause
from memql.binding import Binding, Sight
from memql.bound import Expression, Variable
from memql.catalog import WORDED, Kind
from memql.errors import nearest
from memql.printer import WAYS
from memql.typecheck import a_type, check_operand
from memql.types import BOOLEAN, FLOAT, MAP, Type
from memql.world import NODE_PROPERTIES

_TAKES = {"meaning": "string|list|node", "words": "string", "graph": "node|list"}
"""What each way takes."""
_OPTIONS = {"zsum": "", "rrf": "k", "linear": "normalize"}
"""The ways to fuse, and the option of each."""
NORMALIZED = ("minmax", "zscore", "none")
"""How FUSE linear may bring scores to one scale."""


def bind_search(binding: Binding, sight: Sight, clause: ast.Search) -> tuple[bound.Search, Sight]:
    with binding.within(bind_times(binding, clause.times)):
        return _search(binding, sight, clause)


def _search(binding: Binding, sight: Sight, clause: ast.Search) -> tuple[bound.Search, Sight]:
    if clause.labels is not None:
        check_labels(binding, clause.labels)
    known = sight.names.get(clause.variable.name)
    if known is not None and known.type.name not in ("node", "any"):
        message = f"`{known.name}` is {a_type(known.type)}, and cannot be searched"
        binding.problem("Q108", message, clause.variable.span, "SEARCH ranks nodes")
    if known is not None and clause.times is not None:
        hint = f"say the time where `{known.name}` is bound, or search by another name"
        binding.problem("Q317", f"`{known.name}` is bound already, and keeps its version", clause.times.span, hint)
    of = Type("node", nullable=False, kinds=kinds_of(binding, clause.labels), past=binding.past)
    variable = known or binding.variable(clause.variable.name, of)
    ways = tuple(_way(binding, sight, way, variable) for way in clause.ways)
    inner = sight.plus(variable)
    conditions: list[Expression] = []
    if clause.labels is not None:
        here = bound.local(variable, clause.labels.span)
        conditions.append(bound.Labelled(here, clause.labels, type=BOOLEAN, span=clause.labels.span))
    if clause.where is not None:
        conditions += walking.conjuncts(bind_condition(binding, inner, clause.where))
    limit = constant(binding, "LIMIT", clause.limit) if clause.limit is not None else None
    if limit is not None:
        check_operand(binding, "LIMIT", limit, "integer")
    score = binding.variable(f"score({variable.name})", MAP.present())
    total = binding.new(inner, clause.score, FLOAT.present()) if clause.score is not None else None
    behind = inner.scored(variable, score)
    behind = behind.plus(total) if total else behind
    fusion = _fusion(binding, clause.fuse) if clause.fuse is not None else bound.Fusion()
    search = bound.Search(
        variable, known is not None, ways, fusion, tuple(conditions), limit, score, total, of_clause(binding)
    )
    return search, behind


# Ways


def _way(binding: Binding, sight: Sight, way: ast.Way, variable: Variable) -> bound.Way:
    what = WAYS[way.how]
    to = bind_expression(binding, sight, way.to)
    check_operand(binding, what, to, _TAKES[way.how])
    if way.how == "meaning":
        _check_vector(binding, to)
    if variable in walking.variables(to):
        binding.problem("Q308", f"{what} cannot depend on `{variable.name}`, which it ranks", way.to.span,
                        "give it a text, a parameter, or what was bound before")  # fmt: skip
    weight = constant(binding, "WEIGHT", way.weight) if way.weight is not None else None
    if weight is not None:
        _check_weight(binding, weight)
    within = constant(binding, "WITHIN", way.within) if way.within is not None else None
    if within is not None:
        check_operand(binding, "WITHIN", within, "integer")
        if isinstance(within, bound.Constant) and isinstance(within.value, int) and within.value < 1:
            binding.problem("Q201", "WITHIN takes a number of hops, from 1 on", within.span)
    return bound.Way(way.how, to, weight, _on(binding, way, variable), within)


def _check_weight(binding: Binding, weight: Expression) -> None:
    check_operand(binding, "WEIGHT", weight, "number")
    value = weight.value if isinstance(weight, bound.Constant) else None
    negative = isinstance(weight, bound.Call) and weight.function == "negative"
    finite = not isinstance(value, float) or math.isfinite(value)
    if negative or not finite or (isinstance(value, int | float) and value < 0):
        hint = "a way of weight 0 is told of the hits, and finds none; what is unwanted is kept out by WHERE"
        binding.problem("Q201", "WEIGHT takes a finite number that is not negative", weight.span, hint)


def _check_vector(binding: Binding, to: Expression) -> None:
    """A list that is written out is looked at here; how wide it must be the tenant's model says."""
    if to.type.name != "list":
        return
    member = to.type.member
    if isinstance(to, bound.ListOf) and not to.members:
        binding.problem("Q201", "a vector has numbers in it", to.span, "SIMILAR TO takes a text, a vector or a node")
    elif member is not None and member.name not in ("any", "integer", "float", "null"):
        message = f"SIMILAR TO takes a vector, a list of numbers, not of {a_type(member)}"
        binding.problem("Q201", message, to.span, "several texts are several ways: SIMILAR TO …, SIMILAR TO …")


def _on(binding: Binding, way: ast.Way, variable: Variable) -> tuple[str, ...] | None:
    """The properties named behind ON. Those of one kind only are looked at where they are."""
    if not way.on:
        return None
    of = variable.type.kinds
    kinds = [kind for kind in binding.catalog.kinds.values() if of is None or kind.name in of]
    texts = {kind.text_property for kind in kinds if kind.text_property in kind.properties}
    can = sorted({name for kind in kinds for name in _worded(kind)} | texts)
    if way.how == "meaning":
        for name in way.on:
            if name.name not in texts:
                hint = f"leave ON out, or search it by words: MATCHES … ON {name.name}"
                embedded = " or ".join(f"`{each}`" for each in sorted(texts))
                message = f"`{name.name}` is not embedded: of each kind its text is, {embedded}"
                binding.problem("Q209", message, name.span, hint)
        return None
    declared = {name for kind in kinds for name in kind.properties} | NODE_PROPERTIES
    for name in way.on:
        if name.name in can:
            continue
        if name.name in declared:
            known = ", ".join(can[:12])
            binding.problem("Q209", f"`{name.name}` has no words to be searched", name.span, f"these have: {known}")
        else:
            on = " or ".join(f"`{kind}`" for kind in sorted(of)[:4]) if of else "any node"
            hint = nearest(name.name, can) or f"there is {', '.join(can[:12])}"
            binding.unknown("Q102", f"property `{name.name}` on {on}", name.name, name.span, can, hint)
    return tuple(dict.fromkeys(name.name for name in way.on))


def _worded(kind: Kind) -> list[str]:
    """Those of its properties that are words."""
    return [each.name for each in kind.properties.values() if each.type in WORDED]


# Fusion


def _fusion(binding: Binding, fuse: ast.Fuse) -> bound.Fusion:
    how = fuse.how.name.lower()
    if how not in _OPTIONS:
        hint = nearest(fuse.how.name, _OPTIONS) or f"one of {', '.join(_OPTIONS)}"
        binding.problem("Q109", f"there is no FUSE {fuse.how.name}", fuse.how.span, hint)
        return bound.Fusion()
    option: Expression | None = None
    for name, written in fuse.options.entries if fuse.options else ():
        given = constant(binding, f"the option `{name}`", written)
        if name != _OPTIONS[how]:
            known = _OPTIONS[how]
            hint = (nearest(name, [known]) or f"it takes `{known}`") if known else "it takes none"
            binding.problem("Q109", f"FUSE {how} has no option `{name}`", written.span, hint)
            continue
        option = given
        (_check_k if name == "k" else _check_normalize)(binding, given)
    return bound.Fusion(how, option)  # type: ignore[arg-type]


def _check_k(binding: Binding, k: Expression) -> None:
    check_operand(binding, "k", k, "number")
    value = k.value if isinstance(k, bound.Constant) else 1
    negative = isinstance(k, bound.Call) and k.function == "negative"
    if negative or (isinstance(value, int | float) and not 0 < value < math.inf):
        binding.problem("Q201", "`k` takes a number above 0", k.span, "60 is the usual one")


def _check_normalize(binding: Binding, normalize: Expression) -> None:
    check_operand(binding, "normalize", normalize, "string")
    value = normalize.value if isinstance(normalize, bound.Constant) else None
    if isinstance(value, str) and value not in NORMALIZED:
        hint = nearest(value, NORMALIZED) or f"one of {', '.join(map(repr, NORMALIZED))}"
        binding.problem("Q109", f"scores cannot be normalized by `{value}`", normalize.span, hint)
