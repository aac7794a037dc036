"""REMEMBER, CORRECT, SUPERSEDE, LINK and FORGET: every name found, and what cannot be recorded refused.

The expressions of verbs are about what was read; what a verb makes can be joined, named as a source and returned, but
what it says can only be read behind the verbs.
"""

from collections.abc import Iterable, Mapping, Sequence

from memql import ast
from memql.bind.foreign import check_one_relation
from memql.bind.names import check_labels, check_relation_kinds
from memql.bind.said import Said, Verbs, bind_details, bind_said, bind_values, check_text, checked, typed
from memql.binding import Binding, Sight
from memql.bound import Expression, Variable
from memql.catalog import Property
from memql.errors import Span, nearest
from memql.typecheck import a_type
from memql.types import Type
from memql.verbs import ALL, Curate, Does, Step

OWN = {"owner": "string", "domain": "string"}
"""What a new item may be given beside its kind's properties."""
NEEDED = frozenset({"Memory", "Insight", "Goal", "Task", "Entity"})
"""Kinds of which each item has the text that it is found by."""


def bind_verbs(binding: Binding, sight: Sight, verbs: Sequence[ast.Verb]) -> tuple[Curate, Sight]:
    """The steps of these verbs, and what is in sight behind them."""
    made = Verbs(binding, sight)
    for verb in verbs:
        match verb:
            case ast.Remember():
                _remember(made, verb)
            case ast.Correct():
                _correct(made, verb)
            case ast.Supersede():
                _supersede(made, verb)
            case ast.Link():
                _link(made, verb)
            case ast.Forget():
                _forget(made, verb)
    return Curate(tuple(made.steps)), made.sight


# Patterns


def _remember(made: Verbs, verb: ast.Remember) -> None:
    said = bind_details(made, verb.details, "REMEMBER")
    before = len(made.steps)
    entities_only = True
    for path in verb.paths:
        _check_path(made, path, "REMEMBER")
        nodes = []
        for node in path.nodes:
            variable, step = _node(made, node, said)
            nodes.append(variable)
            entities_only = entities_only and (step is None or step.does == "meet")
        _relations(made, path, nodes, said, "REMEMBER")
    steps = made.steps[before:]
    if not steps and not made.binding.problems:
        hint = "a new item has a kind: REMEMBER (m:Memory {text: $text})"
        made.binding.problem("Q314", "nothing here is new", verb.span, hint)
    if said.sources and entities_only:
        hint = "FROM says what a memory was made from; an entity is met by its name"
        made.binding.problem("Q316", "nothing here is made from anything", said.sources[0].span, hint)
    if said.valid_from is not None and entities_only and all(step.does == "meet" for step in steps):
        hint = "VALID says when a memory or a relation is true; an entity is met by its name"
        made.binding.problem("Q316", "nothing here has a time", said.valid_from.span, hint)


def _check_path(made: Verbs, path: ast.PathPattern, verb: str) -> None:
    if path.variable is not None:
        hint = "name its nodes and relations, and RETURN those"
        made.binding.problem("Q316", f"{verb} makes no path", path.variable.span, hint)
    if path.selector is not None:
        made.binding.problem("Q006", f"{verb} takes no selector", path.selector.span, "take it away")
    for each in (*path.nodes, *path.relations):
        if not isinstance(each, ast.GroupPattern) and each.where is not None:
            made.binding.problem(
                "Q006", f"a pattern of {verb} has no WHERE", each.where.span, "MATCH … WHERE before it"
            )


def _node(made: Verbs, node: ast.NodePattern, said: Said) -> tuple[Variable, Step | None]:
    """A node that is there already, or the step that makes it."""
    known = made.sight.names.get(node.variable.name) if node.variable else None
    if known is not None:
        return _known(made, node, known), None
    kind, labels = _kind(made.binding, node)
    variable = made.binding.variable(
        node.variable.name if node.variable else "", Type("node", False, kinds=frozenset({kind}) if kind else None)
    )
    declared_there = made.binding.catalog.kinds.get(kind)
    properties = {name: each.type for name, each in (declared_there.properties if declared_there else {}).items()}
    if not kind:
        return variable, None  # What it could be asked is not known.
    values = bind_values(made, node.properties, {**properties, **OWN}, f"`{kind}`")
    if kind in NEEDED and declared_there and not any(name == ALL for name, _ in values):
        check_text(made.binding, kind, declared_there.text, dict(values), node.span)
    does: Does = "meet" if kind == "Entity" else "remember"
    timed = Said(said.because) if does == "meet" else said
    step = Step(
        does, variable, kind, labels, None, None, values, timed.sources, timed.because, timed.valid_from,
        timed.valid_to, node.span,
    )  # fmt: skip
    _made(made, step, node.variable)
    return variable, step


def _known(made: Verbs, node: ast.NodePattern, known: Variable) -> Variable:
    assert node.variable is not None
    if known.type.name not in ("node", "any", "null"):
        message = f"`{known.name}` is {a_type(known.type)}, and cannot be a node"
        made.binding.problem("Q108", message, node.variable.span, "use another name")
    elif node.labels is not None or node.properties is not None:
        hint = f"write ({known.name}) to join it, CORRECT {known.name} SET … to change it, or use another name"
        made.binding.problem("Q107", f"`{known.name}` is bound already", node.variable.span, hint)
    return known


def _made(made: Verbs, step: Step, name: ast.Name | None) -> None:
    made.steps.append(step)
    made.made.add(step.subject)
    if name is not None:
        made.sight = made.sight.plus(step.subject)


def _kind(binding: Binding, node: ast.NodePattern) -> tuple[str, tuple[str, ...]]:
    """The one kind of a new item, and its further labels. No kind: that was complained of."""
    names = _names(node.labels) if node.labels is not None else []
    if names is None:
        binding.problem("Q314", "a new item has one kind, and labels beside it", node.span, "such as (m:Memory:Label)")
        return "", ()
    if node.labels is not None:
        check_labels(binding, node.labels)
    kinds = [name for name in names if name in binding.catalog.kinds]
    if not kinds and names and binding.catalog.open:
        kinds = names[:1]
    if len(kinds) != 1:
        if kinds or not names:
            what = f"`{kinds[0]}` and `{kinds[1]}` are two kinds" if kinds else "what kind of item is this?"
            hint = "name one: (m:Memory {text: $text}); what is bound already is only named"
            binding.problem("Q314", what, node.span, hint)
        elif not binding.problems:
            binding.problem("Q314", "what kind of item is this?", node.span, f"(m:Memory:{names[0]})")
        return "", ()
    if kinds[0] in ("Event", "Stream"):
        hint = "events come by the mutation recordEvents, or `memql import`"
        binding.problem("Q314", f"`{kinds[0]}` is not remembered", node.span, hint)
    return kinds[0], tuple(dict.fromkeys(name for name in names if name != kinds[0]))


def _names(labels: ast.Labels) -> list[str] | None:
    match labels:
        case ast.Label(name=name):
            return [name]
        case ast.JoinedLabels(operator="&", operands=operands):
            found = [_names(each) for each in operands]
            return None if None in found else [name for names in found for name in names or ()]
    return None


def _relations(made: Verbs, path: ast.PathPattern, nodes: Sequence[Variable], said: Said, verb: str) -> None:
    for place, relation in enumerate(path.relations):
        if isinstance(relation, ast.GroupPattern):
            hint = "write each relation out"
            made.binding.problem("Q311", f"{verb} makes one relation, not a chain", relation.span, hint)
            continue
        kind = check_one_relation(made.binding, relation, verb) or ""
        if relation.kinds is not None:
            check_relation_kinds(made.binding, relation.kinds)
        known = made.binding.catalog.relations.get(kind)
        properties = {name: each.type for name, each in (known.properties if known else {}).items()}
        values = bind_values(made, relation.properties, {**properties, "weight": "float"}, f"`{kind}`")
        of = Type("relation", False, kinds=frozenset({kind}) if kind else None)
        if relation.variable is not None:
            variable = made.binding.new(made.sight, relation.variable, of)
        else:
            variable = made.binding.variable("", of)
        near, far = nodes[place], nodes[place + 1]
        ends = (far, near) if relation.direction == "in" else (near, far)
        step = Step(
            "link", variable, kind, (), ends, None, values, (), said.because, said.valid_from, said.valid_to,
            relation.span,
        )  # fmt: skip
        _made(made, step, relation.variable)


def _link(made: Verbs, verb: ast.Link) -> None:
    said = bind_details(made, verb.details, "LINK")
    for path in verb.paths:
        _check_path(made, path, "LINK")
        nodes = [_end(made, node) for node in path.nodes]
        if not path.relations:
            made.binding.problem("Q316", "LINK joins two items", path.span, "LINK (a)-[:SUPPORTS]->(b)")
        _relations(made, path, nodes, said, "LINK")


def _end(made: Verbs, node: ast.NodePattern) -> Variable:
    """What LINK joins: it was read, or made by a verb before."""
    known = made.sight.names.get(node.variable.name) if node.variable else None
    if known is not None:
        return _known(made, node, known)
    if node.variable is not None:
        hint = nearest(node.variable.name, made.sight.names) or "MATCH it first, or REMEMBER it"
        made.binding.problem("Q104", f"unknown variable `{node.variable.name}`", node.variable.span, hint)
    else:
        made.binding.problem("Q316", "LINK joins what is named", node.span, "MATCH it first: MATCH (b:Memory …)")
    return Variable(-1, "", Type("any"))


# Verbs about what is there


def _subject(made: Verbs, name: ast.Name, verb: str, wanted: str = "node|relation") -> Variable:
    variable = made.binding.named(name, made.sight)
    if variable.type.name not in (*wanted.split("|"), "any", "null"):
        what = "a node or a relation" if "relation" in wanted else "a node"
        message = f"{verb} takes {what}, and `{name.name}` is {a_type(variable.type)}"
        made.binding.problem("Q108", message, name.span, "name what was matched")
    return variable


def _correct(made: Verbs, verb: ast.Correct) -> None:
    said = bind_details(made, verb.details, "CORRECT")
    subject = _subject(made, verb.variable, "CORRECT")
    if subject.type.kinds == frozenset({"Event"}):
        hint = "correct the memory made from it"
        made.binding.problem("Q313", "events are kept as they came", verb.variable.span, hint)
    known, on = _changeable(made.binding, subject)
    values: list[tuple[str, Expression]] = []
    for setting in verb.settings:
        whose = setting.of.of if isinstance(setting.of, ast.Property) else setting.of
        if not isinstance(whose, ast.Name) or whose.name != verb.variable.name:
            hint = f"{verb.variable.name}.property = value; another CORRECT for what else changes"
            made.binding.problem("Q316", f"this CORRECT is of `{verb.variable.name}`", setting.span, hint)
        elif setting.labels is not None:
            hint = f"{whose.name}.labels = {whose.name}.labels + ['Label']"
            made.binding.problem("Q316", "a label is no property", setting.labels.span, hint)
        elif isinstance(setting.of, ast.Property):
            value = bind_said(made, setting.value)
            assert value is not None, "the grammar has a value there"
            values.append((setting.of.name, checked(made.binding, setting.of.name, setting.of.span, value, known, on)))
        elif not setting.more:
            hint = f"{whose.name} += {{…}} changes what the map names; all else stays"
            made.binding.problem("Q316", "an item is not replaced by a map", setting.span, hint)
        else:
            values += _merged(made, setting, known, on)
    made.steps.append(_about("correct", subject, said, verb.span, values=tuple(values)))


def _merged(made: Verbs, setting: ast.Setting, known: Mapping[str, str], on: str) -> Iterable[tuple[str, Expression]]:
    if isinstance(setting.value, ast.MapOf):
        return bind_values(made, setting.value, known, on)
    value = bind_said(made, setting.value)
    assert value is not None, "the grammar has a value there"
    return ((ALL, typed(made.binding, value, "map", "what is added")),)


def _changeable(binding: Binding, subject: Variable) -> tuple[Mapping[str, str], str]:
    """The properties that may be changed with the type of each, and what has them."""
    of = subject.type
    on = " or ".join(f"`{kind}`" for kind in sorted(of.kinds)[:4]) if of.kinds else f"any {of.name}"
    if of.name == "relation":
        kinds: Iterable[Mapping[str, Property]] = (
            each.properties for each in binding.catalog.relations.values() if of.kinds is None or each.name in of.kinds
        )
        own = {"weight": "float"}
    else:
        kinds = (
            each.properties for each in binding.catalog.kinds.values() if of.kinds is None or each.name in of.kinds
        )
        own = {"labels": "string[]"}
    found: dict[str, str] = {}
    for properties in kinds:
        for name, each in properties.items():
            found[name] = each.type if found.get(name, each.type) == each.type else "any"
    found.pop("external_key", None)
    return {**found, **own}, on


def _supersede(made: Verbs, verb: ast.Supersede) -> None:
    said = bind_details(made, verb.details, "SUPERSEDE", timed=False)
    old, new = (_subject(made, each, "SUPERSEDE", "node") for each in (verb.old, verb.new))
    if old == new:
        made.binding.problem("Q316", "an item cannot take its own place", verb.new.span, "to correct it, CORRECT it")
    made.steps.append(_about("supersede", old, said, verb.span, other=new))


def _forget(made: Verbs, verb: ast.Forget) -> None:
    said = bind_details(made, verb.details, "FORGET", timed=False)
    for name in verb.variables:
        made.steps.append(_about("forget", _subject(made, name, "FORGET"), said, verb.span))


def _about(
    does: Does, subject: Variable, said: Said, span: Span, *,
    values: tuple[tuple[str, Expression], ...] = (), other: Variable | None = None,
) -> Step:  # fmt: skip
    return Step(
        does, subject, values=values, other=other, because=said.because, valid_from=said.valid_from,
        valid_to=said.valid_to, span=span,
    )  # fmt: skip
