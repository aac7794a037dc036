"""Cypher's verbs: bound as far as is needed to say what is wrong in them, and then refused by name.

Who writes CREATE learns first of the variable that is not there, and only where nothing else is wrong that MemQL has
another verb for it. Names of labels and properties are not looked up: these clauses would have made them.
"""

from collections.abc import Callable, Iterable
from typing import Any

from memql import ast
from memql.bind.expressions import bind_condition, bind_expression
from memql.bind.names import plain_kinds
from memql.binding import Binding, Sight
from memql.errors import Span
from memql.typecheck import as_list, check_operand
from memql.types import ANY, NODE, PATH, RELATION, Type

INSTEAD = {
    ast.Create: ("CREATE", "REMEMBER (m:Memory {text: $text})-[:ABOUT]->(e:Entity {name: $name})"),
    ast.Merge: ("MERGE", "REMEMBER finds an entity by its name; a key keeps all else single"),
    ast.Set: ("SET", "CORRECT m SET m.text = $text BECAUSE $why"),
    ast.Remove: ("REMOVE", "CORRECT m SET m.property = null BECAUSE $why"),
    ast.Delete: ("DELETE", "FORGET m BECAUSE $why; the mutation eraseItem removes content for good"),
    ast.Foreach: ("FOREACH", "UNWIND $list AS x, and then a verb: it is done for each row"),
    ast.LoadCsv: ("LOAD CSV", "read files with `memql import`"),
    ast.Procedure: ("CALL", "there are no procedures: SEARCH finds, and CALL { … } asks a query for each row"),
}  # fmt: skip
"""What to write for each."""


def bind_foreign(binding: Binding, sight: Sight, clause: ast.Foreign) -> Sight:
    """What is in sight behind it."""
    binding.foreign.append(clause)
    return _BINDERS[type(clause)](binding, sight, clause)


def refuse_foreign(binding: Binding) -> None:
    """Each of them by its name, with the verb to write."""
    for clause in binding.foreign:
        what, instead = INSTEAD[type(clause)]
        if isinstance(clause, ast.Delete) and clause.detach:
            what = "DETACH DELETE"
        place = Span(clause.span.line, clause.span.column, len(what), clause.span.start)
        binding.problem("Q501", f"{what} is not supported", place, f"instead: {instead}")


def _made(binding: Binding, of: Type) -> Type:
    """The type of what a clause would make: where the catalog is closed, nobody knows its properties."""
    return of.present() if binding.catalog.open else ANY


def _create(binding: Binding, sight: Sight, clause: ast.Create) -> Sight:
    for path in clause.paths:
        sight = _pattern(binding, sight, path, "CREATE")
    return sight


def _merge(binding: Binding, sight: Sight, clause: ast.Merge) -> Sight:
    sight = _pattern(binding, sight, clause.path, "MERGE")
    for on in clause.on:
        _settings(binding, sight, on.settings)
    return sight


def _pattern(binding: Binding, sight: Sight, path: ast.PathPattern, verb: str) -> Sight:
    described: list[ast.NodePattern | ast.RelationPattern] = [*path.nodes]
    for node in path.nodes:
        sight = _node(binding, sight, node, alone=not path.relations)
    for relation in path.relations:
        if isinstance(relation, ast.GroupPattern):
            binding.problem("Q006", f"{verb} writes each relation once", relation.span, "take the group away")
            continue
        described.append(relation)
        sight = _relation(binding, sight, relation, verb)
    if path.selector is not None:
        binding.problem("Q006", f"{verb} takes no selector", path.selector.span, "take it away")
    for each in described:
        if isinstance(each.properties, ast.Parameter):
            binding.parameter(each.properties.name, ANY)
            if verb == "MERGE":
                hint = f"write them out: {{id: ${each.properties.name}.id}}"
                binding.problem("Q206", "MERGE takes no parameter for properties", each.properties.span, hint)
        elif each.properties is not None:
            with binding.aggregating(False):
                bind_expression(binding, sight, each.properties)
        if each.where is not None:
            binding.problem("Q006", f"a pattern of {verb} has no WHERE", each.where.span, "take it away")
    if path.variable is not None:
        sight = sight.plus(binding.new(sight, path.variable, PATH.present()))
    return sight


def _node(binding: Binding, sight: Sight, node: ast.NodePattern, *, alone: bool) -> Sight:
    if node.variable is None:
        return sight
    known = sight.names.get(node.variable.name)
    if known is None:
        return sight.plus(binding.variable(node.variable.name, _made(binding, NODE)))
    if known.type.name not in ("node", "any", "null"):
        message = f"`{known.name}` is a {known.type}, and cannot be a node"
        binding.problem("Q108", message, node.variable.span, "use another name")
    elif alone or node.labels is not None or node.properties is not None:
        binding.problem("Q107", f"`{known.name}` is bound already", node.variable.span, "use another name")
    return sight


def _relation(binding: Binding, sight: Sight, relation: ast.RelationPattern, verb: str) -> Sight:
    check_one_relation(binding, relation, verb, directed=verb != "MERGE")
    if relation.variable is None:
        return sight
    return sight.plus(binding.new(sight, relation.variable, _made(binding, RELATION)))


def check_one_relation(
    binding: Binding, relation: ast.RelationPattern, verb: str, *, directed: bool = True
) -> str | None:
    """The one kind of a relation that is to be made, which leads one way; complains of all else."""
    kinds = plain_kinds(relation.kinds) if relation.kinds is not None else ()
    if relation.hops is not None:
        binding.problem("Q311", f"{verb} makes one relation, not a chain", relation.span, "write each relation out")
    if kinds is None or len(kinds) != 1:
        message = f"a relation of {verb} has one kind"
        binding.problem("Q311", message, relation.span, "name it: -[:ABOUT]->")
        return None
    if directed and relation.direction == "any":
        binding.problem("Q311", f"a relation of {verb} leads one way", relation.span, "write -> or <-")
    return kinds[0]


def _set(binding: Binding, sight: Sight, clause: ast.Set | ast.Remove) -> Sight:
    _settings(binding, sight, clause.settings)
    return sight


def _settings(binding: Binding, sight: Sight, settings: Iterable[ast.Setting]) -> None:
    for each in settings:
        whose = each.of.of if isinstance(each.of, ast.Property) else each.of
        with binding.aggregating(False):
            of = bind_expression(binding, sight, whose)
            if each.value is not None:
                bind_expression(binding, sight, each.value)
        check_operand(binding, "SET", of, "entity|map" if isinstance(each.of, ast.Property) else "entity")


def _delete(binding: Binding, sight: Sight, clause: ast.Delete) -> Sight:
    for target in clause.targets:
        with binding.aggregating(False):
            check_operand(binding, "DELETE", bind_expression(binding, sight, target), "entity|path")
    return sight


def _foreach(binding: Binding, sight: Sight, clause: ast.Foreach) -> Sight:
    source = as_list(binding, bind_expression(binding, sight, clause.source))
    check_operand(binding, "FOREACH", source, "list")
    inner = sight.plus(binding.new(sight, clause.variable, (source.type.member or ANY).optional()))
    for each in clause.clauses:
        inner = _BINDERS[type(each)](binding, inner, each)
    return sight


def _load_csv(binding: Binding, sight: Sight, clause: ast.LoadCsv) -> Sight:
    check_operand(binding, "LOAD CSV", bind_expression(binding, sight, clause.source), "string")
    return sight.plus(binding.new(sight, clause.variable, ANY))


def _procedure(binding: Binding, sight: Sight, clause: ast.Procedure) -> Sight:
    for argument in clause.arguments or ():
        with binding.aggregating(False):
            bind_expression(binding, sight, argument)
    for column in clause.columns:
        sight = sight.plus(binding.new(sight, column.alias or column.column, ANY))
    if clause.where is not None:
        bind_condition(binding, sight, clause.where)
    return sight


_BINDERS: dict[type, Callable[[Binding, Sight, Any], Sight]] = {
    ast.Create: _create,
    ast.Merge: _merge,
    ast.Set: _set,
    ast.Remove: _set,
    ast.Delete: _delete,
    ast.Foreach: _foreach,
    ast.LoadCsv: _load_csv,
    ast.Procedure: _procedure,
}
