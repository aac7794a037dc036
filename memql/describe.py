"""What a query asks for and gives, told without a database: parameters, columns, how many rows, and what it reads."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from memql import ast, bound, walking
from memql.bound import Expression, Variable
from memql.catalog import Catalog
from memql.compiled import Compiled, compile_query
from memql.errors import Problem, Refusal
from memql.footprint import footprint
from memql.inference import Inference, function_of, project
from memql.types import ANY, Type, common, declared, list_of

Many: TypeAlias = Literal["one", "at most one", "many"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """`optional`: it may be left out. `inferred`: its type is not written, but follows from what it is used for."""

    name: str
    type: Type
    optional: bool = False
    inferred: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Reads:
    """Names of what is looked at; None: of any. `properties` as `Memory.text`, `Memory.*` or `*.text`."""

    kinds: tuple[str, ...] | None
    labels: tuple[str, ...]
    relations: tuple[str, ...] | None
    properties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Description:
    parameters: tuple[Parameter, ...]
    columns: tuple[Column, ...]
    rows: Many
    does: Literal["read", "write", "live"]
    reads: Reads
    warnings: tuple[Problem, ...]


def describe(text: str, catalog: Catalog) -> Description | Refusal:
    """What the query asks for and gives in a tenant with that catalog; or what is wrong with it."""
    compiled = compile_query(text, catalog)
    return compiled if isinstance(compiled, Refusal) else described(compiled, catalog)


def described(compiled: Compiled, catalog: Catalog) -> Description:
    query = compiled.query
    parameters = tuple(_parameters(query))
    known = Inference(catalog, {each.name: each.type for each in parameters})
    types, rows = _united(known, query.parts, query.alls)
    columns = tuple(Column(each.name, of) for each, of in zip(query.parts[0].columns, types, strict=True))
    return Description(parameters, columns, rows, _does(compiled.statement), _reads(query), query.warnings)


def _does(statement: ast.Statement) -> Literal["read", "write", "live"]:
    writes = any(isinstance(clause, ast.Verb) for part in statement.query.parts for clause in part.clauses)
    return "write" if writes else "live" if statement.live else "read"


# Columns, and how many rows


def _united(before: Inference, parts: tuple[bound.Part, ...], alls: tuple[bool, ...]) -> tuple[list[Type], Many]:
    """The types of the columns, whichever part a row comes from."""
    found = [_part(before.inner(), part) for part in parts]
    types = [common(each) for each in zip(*(types for types, _ in found), strict=True)]
    return types, found[0][1] if len(parts) == 1 else "many"


def _part(at: Inference, part: bound.Part) -> tuple[list[Type], Many]:
    rows: Many = "one"
    for clause in part.clauses:
        rows = _clause(at, clause, rows)
    return [at.types.get(column, column.type) for column in part.columns], rows


def _clause(at: Inference, clause: bound.Clause, rows: Many) -> Many:
    """How many rows there are behind the clause; what it tells of their values is told to `at`."""
    match clause:
        case bound.Match(pattern=pattern, optional=optional):
            found = _matched(pattern)
            if optional:
                return _times(rows, "many" if found == "many" else "one")
            at.holds(pattern.conditions)
            at.present |= {bound.local(node) for node in pattern.nodes}
            return _times(rows, found)
        case bound.Unwind(source=source, variable=variable):
            at.types[variable] = at.type(source).member or ANY
            return "many"
        case bound.Search(variable=variable, conditions=conditions, limit=limit):
            at.holds(conditions)
            at.present.add(bound.local(variable))
            return "at most one" if rows != "many" and _is_at_most_one(limit) else "many"
        case bound.Project():
            project(at, clause)
            return _projected(clause, rows)
        case bound.Apply(parts=parts, alls=alls, columns=columns):
            types, inner = _united(at, parts, alls)
            at.types.update(zip(columns, types, strict=True))
            return _times(rows, inner)
    return rows


def _times(one: Many, other: Many) -> Many:
    """Rows for each of these rows."""
    return "many" if "many" in (one, other) else "one" if one == other == "one" else "at most one"


def _matched(pattern: bound.Pattern) -> Many:
    """How often a pattern is met: a node of a given id at most once."""
    if pattern.hops or (pattern.time is not None and pattern.time.history):
        return "many"
    named = {node for condition in pattern.conditions for node in _of_id(condition)}
    return "at most one" if {*pattern.nodes} - pattern.known <= named else "many"


def _of_id(condition: Expression) -> Iterator[Variable]:
    """The node of which the condition says the id."""
    match condition:
        case bound.Compared(operator="=", left=left, right=right):
            for one, other in ((left, right), (right, left)):
                node = _identified(one)
                if node is not None and node not in walking.variables(other):
                    yield node


def _identified(expression: Expression) -> Variable | None:
    match expression:
        case bound.Property(of=bound.Local(variable=variable), name="id") if variable.type.name == "node":
            return variable
        case bound.Call(function="id" | "elementId", arguments=(bound.Local(variable=variable),)):
            return variable if variable.type.name == "node" else None
    return None


def _projected(clause: bound.Project, rows: Many) -> Many:
    if clause.grouped and not clause.keys:
        rows = "one"
    if clause.limit is not None and _is_at_most_one(clause.limit) and rows == "many":
        rows = "at most one"
    exactly = clause.limit is None or (isinstance(clause.limit, bound.Constant) and clause.limit.value != 0)
    if rows == "one" and (clause.skip is not None or clause.where is not None or not exactly):
        rows = "at most one"
    return rows


def _is_at_most_one(limit: Expression | None) -> bool:
    return isinstance(limit, bound.Constant) and limit.value in (0, 1)


# Parameters

_CARRIED = frozenset({"string", "integer", "float", "boolean", "map"})
"""Types whose values JSON carries as they are: a parameter is only taken for one of them without having been told."""
_TEXTUAL = frozenset({"STARTS WITH", "ENDS WITH", "CONTAINS", "=~"})


def _parameters(query: bound.Query) -> Iterator[Parameter]:
    wants: dict[str, list[Type]] = {}
    unwound: dict[Variable, str] = {}
    everything = list(walking.inside(query))
    for each in everything:
        if isinstance(each, bound.Unwind) and isinstance(each.source, bound.Parameter):
            unwound[each.variable] = each.source.name

    def want(used: Expression | None, of: Type) -> None:
        if of.name not in _CARRIED and not (of.name == "list" and of.member and of.member.name in _CARRIED):
            return
        if isinstance(used, bound.Parameter):
            wants.setdefault(used.name, []).append(of.present())
        elif isinstance(used, bound.Local) and used.variable in unwound:
            wants.setdefault(unwound[used.variable], []).append(list_of(of.present()).present())

    for each in everything:
        _used(each, want)
    for asked in query.parameters:
        of = asked.type
        vague = of.name == "any" or (of.name == "list" and (of.member or ANY).name == "any")
        inferred = _agreed(wants.get(asked.name, ()), of) if vague else None
        of = _definite(inferred or of)
        yield Parameter(asked.name, of.optional() if asked.optional else of, asked.optional, inferred is not None)


def _used(each: Any, want: Callable[[Expression | None, Type], None]) -> None:
    """Tells what the operands of that expression or clause must be."""
    match each:
        case bound.Compared(left=left, right=right):
            want(left, right.type)
            want(right, left.type)
        case bound.Call(function="IN", arguments=(left, right)):
            want(left, right.type.member or ANY)
            want(right, list_of(left.type.present()))
        case bound.Call(function=function, arguments=arguments) if function in _TEXTUAL:
            for argument in arguments:
                want(argument, declared("string"))
        case bound.Call(arguments=arguments):
            function_ = function_of(each)
            for place, argument in enumerate(arguments if function_ else ()):
                wanted = function_.wanted(place) if function_ else ""
                want(argument, declared("float" if wanted == "number" else wanted))
        case bound.Project(skip=skip, limit=limit):
            want(skip, declared("integer"))
            want(limit, declared("integer"))
        case bound.Search(limit=limit):
            want(limit, declared("integer"))
        case bound.Way(to=to, weight=weight, within=within):
            want(to, declared("string"))
            want(weight, declared("float"))
            want(within, declared("integer"))
        case bound.Index(of=of, at=at):
            want(at, declared("integer" if of.type.name == "list" else "any"))
        case bound.Time(as_of=as_of, valid_at=valid_at):
            for moment in (as_of, valid_at):
                want(moment, declared("string"))


def _agreed(wanted: Iterable[Type], known: Type) -> Type | None:
    """What all uses agree on, if they do."""
    found = set(wanted)
    if len({each.name for each in found}) == 1:
        one = common(found)
        return one if one.name != "list" or (one.member or ANY).name != "any" else None
    names = {each.name for each in found}
    return declared("float") if names == {"integer", "float"} and known.name == "any" else None


def _definite(of: Type) -> Type:
    """As it is handed in: not null, and without nulls among its members, unless that was asked for."""
    if of.name == "list" and of.member is not None:
        of = Type("list", of.nullable, _definite(of.member))
    return of if of.name == "any" else of.present()


# What is read


def _reads(query: bound.Query) -> Reads:
    read = footprint(query)
    kinds = _names(site.kinds if site.kinds is not None else site.labels for site in read.sites)
    labels = {label for site in read.sites for label in site.labels or ()} - {*(kinds or ())}
    relations = _names(step.kinds for step in read.steps)
    properties = {
        f"{kind}.{name}"
        for each in (*read.items, *read.relations)
        for kind in each.kinds or ("*",)
        for name in (each.names if each.names is not None else ("*",))
    }
    return Reads(kinds, tuple(sorted(labels)), relations, tuple(sorted(properties)))


def _names(named: Iterable[frozenset[str] | None]) -> tuple[str, ...] | None:
    found: set[str] = set()
    for each in named:
        if each is None:
            return None
        found |= each
    return tuple(sorted(found))


# In the words of the language


def spelled(of: Type) -> str:
    """A type as it is told: `string?` may be null, `{text: string?}` is a map that has that."""
    may = "?" if of.nullable and of.name not in ("any", "null") else ""
    if of.name == "list":
        return f"{spelled(of.member or ANY)}[]{may}"
    if of.name == "map" and of.fields is not None:
        return f"{{{', '.join(f'{name}: {spelled(each)}' for name, each in of.fields)}}}{may}"
    if of.name in ("node", "relation") and of.kinds:
        return f"{'|'.join(sorted(of.kinds))}{may}"
    return f"{of.name}{may}"


def as_data(told: Description) -> dict[str, Any]:
    """The description for programs, as JSON has it."""
    return {
        "parameters": [
            {"name": each.name, "type": spelled(each.type), "optional": each.optional, "inferred": each.inferred}
            for each in told.parameters
        ],
        "columns": [{"name": each.name, "type": spelled(each.type)} for each in told.columns],
        "rows": told.rows,
        "does": told.does,
        "reads": {
            "kinds": told.reads.kinds, "labels": told.reads.labels, "relations": told.reads.relations,
            "properties": told.reads.properties,
        },
        "warnings": [str(each) for each in told.warnings],
    }  # fmt: skip
