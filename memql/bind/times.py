"""`AS OF`, `VALID AT`, `VALID DURING`, `WITH HISTORY`: which time holds where, and what it asks of a pattern.

Words of time hold for the query, or for one clause: its patterns, its WHERE, and what is asked in braces there. Each
axis overrides by itself: VALID AT of a clause leaves the AS OF of the query as it is.

With history a row stands for versions that were known together: whoever reads two of them side by side may take them
for one state of things.
"""

from collections.abc import Iterator, Sequence

from memql import ast, bound
from memql.bind.constants import constant
from memql.binding import Binding
from memql.bound import Expression, Hop, Time, Variable
from memql.catalog import LASTING
from memql.typecheck import check_span, check_time
from memql.types import BOOLEAN


def bind_times(binding: Binding, written: ast.Times | None) -> Time | None:
    """The time that holds where these words stand; without any it is that of what is around."""
    around = binding.time or Time()
    if written is None:
        return binding.time
    as_of, valid_at = _moment(binding, "AS OF", written.as_of), _moment(binding, "VALID AT", written.valid_at)
    during, until = _span(binding, written)
    if valid_at is None and during is None:
        valid_at, during, until = around.valid_at, around.during, around.until
    made = Time(as_of or around.as_of, valid_at, during, until, written.history or around.history)
    if made not in binding.times:
        binding.times.append(made)
    return made


def of_clause(binding: Binding) -> Time | None:
    """The time that holds here; None where it is that of the query."""
    return None if binding.time == binding.own else binding.time


def _moment(binding: Binding, what: str, written: ast.Expression | None) -> Expression | None:
    if written is None:
        return None
    made = constant(binding, what, written)
    check_time(binding, what, made)
    return made


def _span(binding: Binding, written: ast.Times) -> tuple[Expression | None, Expression | None]:
    if written.during is None:
        return None, None
    during = constant(binding, "VALID DURING", written.during)
    if written.until is None:
        check_span(binding, during)
        return during, None
    until = constant(binding, "VALID DURING", written.until)
    for each in (during, until):
        check_time(binding, "VALID DURING", each)
    return during, until


# With history


def known_together(
    binding: Binding, nodes: Sequence[Variable], hops: Sequence[Hop], known: set[Variable]
) -> Iterator[Expression]:
    """What a pattern with history asks of its versions beside all else. What was bound before is only an identity here,
    and asks for nothing. Each hop by itself rules out early what all together would rule out in the end."""
    own = [node for node in dict.fromkeys(nodes) if node not in known]
    passed = [hop.variable for hop in hops if hop.variable not in known]
    if len(own) + len(passed) < 2 and not any(hop.hops for hop in hops):
        return
    if len(hops) > 1:
        for hop in hops:
            ends = [end for end in dict.fromkeys((hop.near, hop.far)) if end in own and not _reached(end, hop, hops)]
            if ends and hop.variable in passed:
                yield _together(binding, (*ends, hop.variable), (hop,))
    yield _together(binding, (*own, *passed), hops)


def _together(binding: Binding, versions: Sequence[Variable], hops: Sequence[Hop]) -> Expression:
    reached = [
        (bound.local(end), bound.local(hop.variable), at)
        for hop in hops
        for end, at in ((hop.near, 0), (hop.far, -1))
        if end in versions and (hop.kinds is None or LASTING & set(hop.kinds))
    ]
    return bound.KnownTogether(
        tuple(map(bound.local, versions)), tuple(reached), of_clause(binding), type=BOOLEAN.present()
    )


def _reached(node: Variable, but: Hop, hops: Sequence[Hop]) -> bool:
    """Whether a hop other than that one may reach the node whatever its times."""
    return any(
        hop is not but and node in (hop.near, hop.far) and (hop.kinds is None or LASTING & set(hop.kinds))
        for hop in hops
    )


def check_one_time(binding: Binding, path: ast.PathPattern) -> None:
    """Among versions of different times no way is the shortest, and no group is gone through again."""
    if binding.time is None or not binding.time.history:
        return
    shortest = any(isinstance(r, ast.RelationPattern) and r.hops and r.hops.shortest for r in path.relations)
    selects = path.selector is not None and path.selector.how != "all"
    what = "a quantified group" if any(isinstance(r, ast.GroupPattern) for r in path.relations) else ""
    what = "a shortest path" if shortest else "a selected path" if selects else what
    if what:
        hint = "ask for it AS OF a time, or write the hops: -[*1..4]-"
        binding.problem("Q501", f"{what} WITH HISTORY is not supported", path.span, hint)
