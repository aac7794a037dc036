"""`ast` → text, in one form: what it gives is read as the same tree again."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from memql import ast
from memql.spelling import PLAIN, hops_text, labels_text, member, name, quantifier_text, selector_text, text

_LEVELS = {"OR": 1, "XOR": 2, "AND": 3, "NOT": 4, "COMPARE": 5, "PREDICATE": 6, "+": 7, "-": 7, "||": 7, "*": 8,
           "/": 8, "%": 8, "^": 9, "UNARY": 10, "POSTFIX": 11, "ATOM": 12}  # fmt: skip
"""How closely an operator binds."""
WAYS = {"meaning": "SIMILAR TO", "words": "MATCHES", "graph": "NEAR"}
"""How each way of a search is written."""


def printed(tree: ast.Statement | ast.Query | ast.Clause | ast.Expression) -> str:
    match tree:
        case ast.Statement():
            prefix = " ".join(filter(None, (tree.prefix.upper(), tree.stage)))
            return f"{prefix}\n{printed(tree.query)}" if prefix else printed(tree.query)
        case ast.Query():
            return _query(tree)
        case ast.Match() | ast.Unwind() | ast.With() | ast.Return() | ast.Search() | ast.Apply():
            return _clause(tree)
        case _ if isinstance(tree, ast.VERBS):
            return _verb(tree)
        case _ if isinstance(tree, ast.FOREIGN):
            return _foreign(tree)
    return _expression(tree, 0)


def _query(query: ast.Query) -> str:
    return "\n".join(_lines(query))


def _lines(query: ast.Query) -> list[str]:
    lines = [_times(query.times).lstrip()] if query.times else []
    for number, part in enumerate(query.parts):
        if number:
            lines.append("UNION ALL" if query.alls[number - 1] else "UNION")
        lines += [_clause(clause) for clause in part.clauses]
    return lines


# Clauses


def _clause(clause: ast.Clause) -> str:
    match clause:
        case ast.Match():
            written = f"{'OPTIONAL ' if clause.optional else ''}MATCH {_paths(clause.paths)}"
            return f"{written}{_times(clause.times)}{_where(clause.where)}"
        case ast.Unwind():
            return f"UNWIND {_expression(clause.source, 0)} AS {name(clause.variable.name)}"
        case ast.With():
            return f"WITH {_not_history(_projection(clause.projection))}{_where(clause.where)}"
        case ast.Return():
            return f"RETURN {_projection(clause.projection)}"
        case ast.Search():
            return _search(clause)
        case ast.Apply(query=query, given=given):
            named = f" ({', '.join(name(each.name) for each in given)})" if given is not None else ""
            return f"CALL{named} {_braces(query)}"
        case _ if isinstance(clause, ast.VERBS):
            return _verb(clause)
    return _foreign(clause)


def _braces(query: ast.Query) -> str:
    return f"{{ {' '.join(_lines(query))} }}"


def _where(condition: ast.Expression | None) -> str:
    return f" WHERE {_expression(condition, 0)}" if condition is not None else ""


def _not_history(columns: str) -> str:
    """Columns of which the first is called so: two words must not say another thing."""
    return re.sub(r"^(history)\b(?!\()", r"`\1`", columns, flags=re.IGNORECASE)


def _times(times: ast.Times | None) -> str:
    if times is None:
        return ""
    written = f" AS OF {_expression(times.as_of, 0)}" if times.as_of is not None else ""
    written += f" VALID AT {_expression(times.valid_at, 0)}" if times.valid_at is not None else ""
    written += f" VALID DURING {_expression(times.during, 0)}" if times.during is not None else ""
    written += f" TO {_expression(times.until, 0)}" if times.until is not None else ""
    return written + (" WITH HISTORY" if times.history else "")


def _projection(projection: ast.Projection) -> str:
    items = ["*"] if projection.star else []
    for item in projection.items:
        alias = f" AS {name(item.alias.name)}" if item.alias else ""
        items.append(_expression(item.expression, 0) + alias)
    written = f"{'DISTINCT ' if projection.distinct else ''}{', '.join(items)}"
    if projection.order:
        sorts = [_expression(sort.expression, 0) + (" DESC" if sort.descending else "") for sort in projection.order]
        written += f" ORDER BY {', '.join(sorts)}"
    written += f" SKIP {_expression(projection.skip, 0)}" if projection.skip is not None else ""
    return written + (f" LIMIT {_expression(projection.limit, 0)}" if projection.limit is not None else "")


def _search(search: ast.Search) -> str:
    ways = ", ".join(map(_way, search.ways))
    labels = f":{labels_text(search.labels)}" if search.labels is not None else ""
    fuse = _fuse(search.fuse) if search.fuse else ""
    limit = f" LIMIT {_expression(search.limit, 0)}" if search.limit is not None else ""
    score = f" SCORE AS {name(search.score.name)}" if search.score else ""
    found = f"{name(search.variable.name)}{labels} {ways}{fuse}{_times(search.times)}{_where(search.where)}"
    return f"SEARCH {found}{limit}{score}"


def _way(way: ast.Way) -> str:
    on = f" ON {', '.join(name(each.name) for each in way.on)}" if way.on else ""
    within = f" WITHIN {_expression(way.within, 0)}" if way.within is not None else ""
    weight = f" WEIGHT {_expression(way.weight, 0)}" if way.weight is not None else ""
    return f"{WAYS[way.how]} {_expression(way.to, 0)}{on}{within}{weight}"


def _fuse(fuse: ast.Fuse) -> str:
    return f" FUSE {name(fuse.how.name)}" + (f" {_expression(fuse.options, 0)}" if fuse.options else "")


# Verbs


def _verb(verb: ast.Verb) -> str:
    match verb:
        case ast.Remember(paths=paths):
            written = f"REMEMBER {_paths(paths)}"
        case ast.Correct(variable=variable, settings=settings):
            changes = f" SET {_settings(settings)}" if settings else ""
            written = f"CORRECT {name(variable.name)}{changes}"
        case ast.Supersede(old=old, new=new):
            written = f"SUPERSEDE {name(old.name)} WITH {name(new.name)}"
        case ast.Link(paths=paths):
            written = f"LINK {_paths(paths)}"
        case ast.Forget(variables=variables):
            written = f"FORGET {', '.join(name(each.name) for each in variables)}"
    return written + _details(verb.details)


def _details(details: ast.Details) -> str:
    written = f" FROM {_several(details.sources)}" if details.sources else ""
    for word, said in ((" BECAUSE", details.because), (" VALID", details.valid_from), (" TO", details.valid_to)):
        written += f"{word} {_expression(said, 0)}" if said is not None else ""
    return written


def _foreign(clause: ast.Foreign) -> str:
    match clause:
        case ast.Create(paths=paths):
            return f"CREATE {_paths(paths)}"
        case ast.Merge(path=path, on=on):
            then = (f" ON {'MATCH' if each.matched else 'CREATE'} SET {_settings(each.settings)}" for each in on)
            return f"MERGE {_path(path)}{''.join(then)}"
        case ast.Set(settings=settings):
            return f"SET {_settings(settings)}"
        case ast.Remove(settings=settings):
            return f"REMOVE {_settings(settings)}"
        case ast.Delete(targets=targets, detach=detach):
            return f"{'DETACH ' if detach else ''}DELETE {_several(targets)}"
        case ast.Foreach(variable=variable, source=source, clauses=clauses):
            inner = " ".join(map(_foreign, clauses))
            return f"FOREACH ({name(variable.name)} IN {_expression(source, 0)} | {inner})"
        case ast.LoadCsv(source=source, variable=variable, headers=headers, separator=separator):
            behind = f" FIELDTERMINATOR {_expression(separator, 0)}" if separator is not None else ""
            first = "WITH HEADERS " if headers else ""
            return f"LOAD CSV {first}FROM {_expression(source, 0)} AS {name(variable.name)}{behind}"
        case ast.Procedure():
            return _procedure(clause)


def _procedure(clause: ast.Procedure) -> str:
    columns = ["*"] if clause.star else []
    for each in clause.columns:
        columns.append(member(each.column.name) + (f" AS {name(each.alias.name)}" if each.alias else ""))
    handed = f"({_several(clause.arguments)})" if clause.arguments is not None else ""
    yielded = f" YIELD {', '.join(columns)}{_where(clause.where)}" if columns else ""
    return f"CALL {'.'.join(map(member, clause.name.split('.')))}{handed}{yielded}"


def _settings(settings: Sequence[ast.Setting]) -> str:
    written = []
    for each in settings:
        behind = f":{labels_text(each.labels)}" if each.labels is not None else ""
        sign = "+=" if each.more else "="
        behind += f" {sign} {_expression(each.value, 0)}" if each.value is not None else ""
        written.append(_expression(each.of, 11) + behind)
    return ", ".join(written)


def _several(expressions: Sequence[ast.Expression]) -> str:
    return ", ".join(_expression(each, 0) for each in expressions)


# Patterns


def _paths(paths: Sequence[ast.PathPattern]) -> str:
    return ", ".join(map(_path, paths))


def _path(path: ast.PathPattern) -> str:
    written = _beside(path, 0)
    for place, step in enumerate(path.relations):
        written += _group(step) if isinstance(step, ast.GroupPattern) else _relation(step)
        written += _beside(path, place + 1)
        if isinstance(step, ast.RelationPattern) and step.hops and step.hops.shortest:
            written = f"{'shortestPath' if step.hops.shortest == 'one' else 'allShortestPaths'}({written})"
    written = f"{selector_text(path.selector)} {written}" if path.selector else written
    return f"{name(path.variable.name)} = {written}" if path.variable else written


def _beside(path: ast.PathPattern, place: int) -> str:
    """A node of a path; one of which nothing is asked is left out where only groups stand beside it."""
    steps = path.relations[max(0, place - 1) : place + 1]
    grouped = steps and all(isinstance(step, ast.GroupPattern) for step in steps)
    return "" if grouped and path.nodes[place] == ast.NodePattern() else _node(path.nodes[place])


def _group(group: ast.GroupPattern) -> str:
    return f"({_path(group.path)}{_where(group.where)}){quantifier_text(group.hops)}"


def _inside(pattern: ast.NodePattern | ast.RelationPattern, labels: ast.Labels | None, hops: str = "") -> str:
    written = name(pattern.variable.name) if pattern.variable else ""
    written += f":{labels_text(labels)}" if labels is not None else ""
    written += hops
    if pattern.properties is not None:
        written += f"{' ' if written else ''}{_expression(pattern.properties, 0)}"
    return written + _where(pattern.where)


def _node(node: ast.NodePattern) -> str:
    return f"({_inside(node, node.labels)})"


def _relation(relation: ast.RelationPattern) -> str:
    hops = relation.hops
    star = f"*{hops_text(hops)}" if hops and hops.star else ""
    inside = _inside(relation, relation.kinds, star)
    body = f"[{inside}]" if inside else ""
    quantifier = quantifier_text(hops) if hops and not hops.star else ""
    left, right = ("<-" if relation.direction == "in" else "-"), ("->" if relation.direction == "out" else "-")
    return f"{left}{body}{right}{quantifier}"


# Expressions


def _expression(expression: ast.Expression, level: int) -> str:
    """The expression where an operator of that level stands around it: bracketed where it binds more loosely."""
    own, written = _WRITERS[type(expression)](expression)
    return f"({written})" if own < level else written


def _literal(literal: ast.Literal) -> tuple[int, str]:
    value = literal.value
    if value is None or isinstance(value, bool):
        return 12, {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return 12, text(value)
    written = repr(value)
    return (10 if written.startswith("-") else 12), written


def _parameter(parameter: ast.Parameter) -> tuple[int, str]:
    plain = PLAIN.match(parameter.name) or parameter.name.isdigit()
    of = f"::{parameter.type}{'?' if parameter.optional else ''}" if parameter.type else ""
    return 12, f"${parameter.name if plain else f'`{parameter.name}`'}{of}"


def _slice(sliced: ast.Slice) -> tuple[int, str]:
    first = _expression(sliced.first, 0) if sliced.first is not None else ""
    last = _expression(sliced.last, 0) if sliced.last is not None else ""
    return 11, f"{_expression(sliced.of, 11)}[{first}..{last}]"


def _call(call: ast.Call) -> tuple[int, str]:
    given = ", ".join(_expression(each, 0) for each in call.arguments)
    return 12, f"{'.'.join(map(name, call.name.split('.')))}({'DISTINCT ' if call.distinct else ''}{given})"


def _unary(unary: ast.Unary) -> tuple[int, str]:
    match unary.operator:
        case "NOT":
            return 4, f"NOT {_expression(unary.operand, 4)}"
        case "+" | "-":
            # A number keeps its own sign apart from the operator's.
            bare = isinstance(unary.operand, ast.Literal)
            inner = _expression(unary.operand, 11 if bare else 10)
            return 10, f"{unary.operator}{f'({inner})' if bare and inner[0] != '(' else inner}"
    return 6, f"{_expression(unary.operand, 6)} {unary.operator}"


def _binary(binary: ast.Binary) -> tuple[int, str]:
    own = _LEVELS.get(binary.operator, 6)
    return own, f"{_expression(binary.left, own)} {binary.operator} {_expression(binary.right, own + 1)}"


def _joined(joined: ast.Joined) -> tuple[int, str]:
    own = _LEVELS[joined.operator]
    return own, f" {joined.operator} ".join(_expression(each, own + 1) for each in joined.operands)


def _compared(compared: ast.Compared) -> tuple[int, str]:
    first, *others = [_expression(each, 6) for each in compared.operands]
    return 5, first + "".join(f" {sign} {each}" for sign, each in zip(compared.operators, others, strict=True))


def _case(case: ast.Case) -> tuple[int, str]:
    written = "CASE" + (f" {_expression(case.subject, 0)}" if case.subject is not None else "")
    for branch in case.branches:
        when = ", ".join(_expression(each, 0) for each in branch.when)
        written += f" WHEN {when} THEN {_expression(branch.then, 0)}"
    if case.otherwise is not None:
        written += f" ELSE {_expression(case.otherwise, 0)}"
    return 12, f"{written} END"


def _map(entries: Sequence[tuple[str, ast.Expression | None]]) -> str:
    written = []
    for key, value in entries:
        if value is None:
            written.append(".*" if key == "*" else f".{member(key)}")
        else:
            written.append(f"{member(key)}: {_expression(value, 0)}")
    return f"{{{', '.join(written)}}}"


def _comprehension(each: ast.Comprehension) -> tuple[int, str]:
    given = f" | {_expression(each.each, 0)}" if each.each is not None else ""
    return 12, f"[{name(each.variable.name)} IN {_expression(each.source, 7)}{_where(each.where)}{given}]"


def _quantified(each: ast.Quantified) -> tuple[int, str]:
    member = f"{name(each.variable.name)} IN {_expression(each.source, 7)}"
    return 12, f"{each.quantifier}({member}{_where(each.where)})"


def _reduce(reduce: ast.Reduce) -> tuple[int, str]:
    start = f"{name(reduce.total.name)} = {_expression(reduce.start, 6)}"
    member = f"{name(reduce.variable.name)} IN {_expression(reduce.source, 7)}"
    return 12, f"reduce({start}, {member} | {_expression(reduce.step, 0)})"


def _subpattern(each: ast.Subpattern) -> tuple[int, str]:
    paths = ", ".join(map(_path, each.paths))
    if each.bare:
        # A pattern alone is no operand: it stands where a condition does.
        return 4, paths
    return 12, f"{each.asks.upper()} {{ {paths}{_times(each.times)}{_where(each.where)} }}"


def _pattern_list(each: ast.PatternList) -> tuple[int, str]:
    return 12, f"[{_path(each.path)}{_where(each.where)} | {_expression(each.each, 0)}]"


def _list(each: ast.ListOf) -> tuple[int, str]:
    # `[x IN xs]` is a comprehension, so a list of one such test has it bracketed.
    alone = len(each.members) == 1
    return 12, f"[{', '.join(_expression(member, 7 if alone else 0) for member in each.members)}]"


_WRITERS: dict[type, Callable[[Any], tuple[int, str]]] = {
    ast.Literal: _literal,
    ast.TimeLiteral: lambda each: (12, f"{each.type}'{each.text}'"),
    ast.Parameter: _parameter,
    ast.Name: lambda each: (12, name(each.name)),
    ast.Property: lambda each: (11, f"{_expression(each.of, 11)}.{member(each.name)}"),
    ast.Index: lambda each: (11, f"{_expression(each.of, 11)}[{_expression(each.at, 0)}]"),
    ast.Slice: _slice,
    ast.Labelled: lambda each: (11, f"{_expression(each.of, 12)}:{labels_text(each.labels, 1)}"),
    ast.Call: _call,
    ast.CountAll: lambda each: (12, "count(*)"),
    ast.Unary: _unary,
    ast.Binary: _binary,
    ast.Joined: _joined,
    ast.Compared: _compared,
    ast.Case: _case,
    ast.ListOf: _list,
    ast.MapOf: lambda each: (12, _map(each.entries)),
    ast.MapProjection: lambda each: (12, f"{name(each.of.name)} {_map(each.entries)}"),
    ast.Comprehension: _comprehension,
    ast.Quantified: _quantified,
    ast.Reduce: _reduce,
    ast.Subpattern: _subpattern,
    ast.PatternList: _pattern_list,
    ast.PathValue: lambda each: (12, _path(each.path)),
    ast.Subquery: lambda each: (12, f"{each.asks.upper()} {_braces(each.query)}"),
}
