"""What holds for the parts of a path beyond their names and types: groups stand for themselves, selectors alone."""

from collections.abc import Iterable, Sequence, Set

from memql import ast, bound, walking
from memql.bind.names import plain_kinds
from memql.binding import Binding, Sight
from memql.bound import Variable


def names_in(path: ast.PathPattern) -> list[ast.Name]:
    """The names that a path gives, those in its groups included; each as often as it stands there."""
    found = []
    for each in (*path.nodes, *path.relations):
        if isinstance(each, ast.GroupPattern):
            found += names_in(each.path)
        elif each.variable:
            found.append(each.variable)
    return found


def check_group_names(binding: Binding, sight: Sight, before: Sight, names: Iterable[ast.Name]) -> None:
    """A name in a group is a new one: it stands for another item each time."""
    for name in names:
        if name.name in sight.names:
            where = "before the group" if name.name in before.names else "in the same MATCH"
            hint = f"give it a name of its own, and compare the two: WHERE {name.name}2 = {name.name}"
            binding.problem("Q321", f"`{name.name}` is bound {where}, and not each time anew", name.span, hint)


def warn_of_endless(binding: Binding, path: ast.PathPattern) -> None:
    """A path without end that is not cut by a selector may be any of very many."""
    if path.selector is not None and path.selector.how != "all":
        return
    for step in path.relations:
        if step.hops is None or step.hops.most is not None or step.hops.shortest or _ends_by_itself(binding, step):
            continue
        hint = "say how far: {1,4}; or which paths: ANY SHORTEST, ALL SHORTEST"
        binding.warning("Q913", "there may be very many paths without a longest", step.span, hint)


def _ends_by_itself(binding: Binding, step: ast.RelationPattern | ast.GroupPattern) -> bool:
    """Whether its kinds lead one way, and never back to where they began."""
    if isinstance(step, ast.GroupPattern):
        return all(_ends_by_itself(binding, each) for each in step.path.relations)
    kinds = plain_kinds(step.kinds) if step.kinds is not None else None
    known = binding.catalog.relations
    return (
        bool(kinds)
        and step.direction != "any"
        and all(each in known and (known[each].acyclic or known[each].lasting) for each in kinds or ())
    )


def check_group_passes(binding: Binding, group: ast.GroupPattern) -> None:
    """A group that could pass nothing could be passed for ever."""
    if all(each.hops is not None and each.hops.least == 0 for each in group.path.relations):
        hint = "let it pass one at least, and the group none: ((a)-->+(b)){0,3}"
        binding.problem("Q325", "one time through this group may pass no relation", group.path.span, hint)


def check_group_alone(binding: Binding, pattern: bound.Pattern, outside: Set[Variable]) -> None:
    """What is asked within a group may not look at what the same MATCH binds around it: neither comes first."""
    for condition in pattern.conditions:
        for part in walking.walked(condition):
            if isinstance(part, bound.Local) and part.variable in outside:
                name = part.variable.name
                hint = f"match it before, WITH {name}; or ask behind the group: all(x IN … WHERE …)"
                binding.problem("Q322", f"`{name}` is of the same MATCH, around the group", part.span, hint)


def check_selected(
    binding: Binding, paths: Sequence[ast.PathPattern], selector: ast.Selector, known: Set[Variable], path: bound.PathOf
) -> None:
    """A selector looks at one path, and at nothing that is known of it but its ends."""
    if len(paths) > 1:
        hint = "give it a MATCH of its own; TRAIL and ACYCLIC may stand beside others"
        binding.problem("Q323", "a selector takes the only path of its MATCH", selector.span, hint)
        return
    for name in names_in(paths[0]):
        inside = known - {path.nodes[0], path.nodes[-1]}
        if found := next((each for each in inside if each.name == name.name), None):
            hint = f"give it a new name, and compare the two: WHERE {found.name}2 = {found.name}"
            message = f"`{found.name}` was known before, and is no end of the path that is selected"
            binding.problem("Q324", message, name.span, hint)
            return
