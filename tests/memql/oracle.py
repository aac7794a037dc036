"""The oracle: what a bound query means, said as plainly as it can be. Rows are dictionaries, the graph is two lists,
and a pattern is every way in which relations could be chosen for its hops.

It shares with the engine what binds a query and what one expression means on one row, which openCypher's scenarios hold
to account. It knows nothing of plans, rules, batches, columns or stores.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

from engine.commands import Principal
from engine.decide.view import ItemState, RelationState
from engine.execute.parameters import moment
from engine.reader import Reader
from memql import bound, walking
from memql.bound import Expression, Group, Hop, Pattern, Selection, Stretch, Variable
from memql.catalog import RELATIONS
from memql.evaluate import Evaluator, failed
from memql.functions import AGGREGATES, Unanswerable
from memql.order import group_key, sort_key
from memql.types import ANY
from memql.values import instant
from memql.world import Change, Datum, Node, Path, Relation

Row: TypeAlias = dict[Variable, Datum]
Chain: TypeAlias = tuple[Relation, ...]

LASTING = frozenset(relation.name for relation in RELATIONS if relation.lasting)


@dataclass(frozen=True)
class History:
    """Everything that a tenant ever recorded: each version of each item and of each relation, in that order."""

    items: Sequence[ItemState]
    relations: Sequence[RelationState]

    @staticmethod
    def of(reader: Reader) -> "History":
        """Read from the index version by version, past every mask and past every store."""
        items = reader.index.items(range(1, reader.scope.columns.count))
        relations = reader.index.relations(range(1, reader.adjacency.count))
        return History([items[dense] for dense in sorted(items)], [relations[row] for row in sorted(relations)])


@dataclass(frozen=True)
class View:
    """What one principal sees at one position: `known` are the newest versions of identities, retired ones too, and
    `shown` those of them that a default read finds; `valid_at` None means whatever the valid time."""

    history: History
    by: Principal
    position: int
    valid_at: int | None

    @cached_property
    def known(self) -> dict[int, Node]:
        newest: dict[int, ItemState] = {}
        for item in self.history.items:
            if item.born <= self.position:
                newest[item.root] = item
        return {
            root: Node(item.id, item.kind, item.labels, item.properties, item)
            for root, item in newest.items()
            if self.by.sees(item.owner, item.domain)
        }

    @cached_property
    def shown(self) -> dict[int, Node]:
        return {root: node for root, node in self.known.items() if self._holds(node.state)}

    @cached_property
    def relations(self) -> list[Relation]:
        """Those that hold between what is shown; lasting ones between whatever is known."""
        return [
            Relation(each.id, each.kind, each.weight, each.properties, each)
            for each in self.history.relations
            if each.born <= self.position
            and self._holds(each)
            and {each.source, each.target} <= (self.known if each.kind in LASTING else self.shown).keys()
        ]

    def _holds(self, version: ItemState | RelationState) -> bool:
        """Whether it was the current one, and true then."""
        valid = self.valid_at is None or version.valid_from <= self.valid_at < version.valid_to
        return valid and version.died > self.position


@dataclass
class Oracle:
    """Answers bound queries about one view. `now` is the time of the statement in microseconds."""

    view: View
    now: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    whole: "Oracle | None" = None
    """Where this is of one MATCH that says its own time: that of the query, which says what expressions mean."""
    _prepared: dict[int, tuple[Expression, Callable[[Row], Datum]]] = field(default_factory=dict)

    def answer(self, query: bound.Query) -> list[tuple[Datum, ...]]:
        rows = self._parts(query.parts, query.alls, [{}])
        columns = query.parts[0].columns
        return [tuple(row[column] for column in columns) for row in rows]

    # Clauses: rows to rows

    def _parts(self, parts: Sequence[bound.Part], alls: Sequence[bool], given: list[Row]) -> list[Row]:
        """The rows of a query, under the columns of its first part."""
        columns = parts[0].columns
        made = _only(self._clauses(parts[0].clauses, given), columns)
        for part, whole in zip(parts[1:], alls, strict=True):
            for row in self._clauses(part.clauses, given):
                made.append({column: row[own] for column, own in zip(columns, part.columns, strict=True)})
            made = made if whole else _distinct(made, columns)
        return made

    def _clauses(self, clauses: Iterable[bound.Clause], rows: list[Row]) -> list[Row]:
        for clause in clauses:
            match clause:
                case bound.Match(pattern=pattern, optional=optional):
                    rows = [found for row in rows for found in self._match(row, pattern, optional)]
                case bound.Unwind(source=source, variable=variable):
                    rows = [{**row, variable: each} for row in rows for each in self._listed(source, row)]
                case bound.Project():
                    rows = self._project(clause, rows)
                case bound.Apply(parts=parts, alls=alls, columns=columns):
                    inner = parts[0].columns
                    rows = [
                        {**row, **{column: found[own] for column, own in zip(columns, inner, strict=True)}}
                        for row in rows
                        for found in self._parts(parts, alls, [row])
                    ]
                case _:
                    raise NotImplementedError(type(clause).__name__)
        return rows

    def _match(self, row: Row, pattern: Pattern, optional: bool) -> list[Row]:
        found = list(self.matches(row, pattern))
        if found or not optional:
            return found
        own = {*pattern.nodes, *(hop.variable for hop in pattern.hops), *(path.variable for path in pattern.paths)}
        own |= {outside for hop in pattern.hops if isinstance(hop, Group) for _, outside in hop.lists}
        return [{**row, **dict.fromkeys(own - row.keys())}]

    def _listed(self, source: Expression, row: Row) -> list[Datum]:
        value = self.value(source, row)
        if value is not None and not isinstance(value, list):
            raise failed(Unanswerable("Q213", "UNWIND takes a list"), source.span)
        return value or []

    def _project(self, clause: bound.Project, rows: list[Row]) -> list[Row]:
        if clause.grouped:
            rows = self._grouped(clause, rows)
        columns = [variable for variable, _ in clause.items]
        rows = [{**row, **{variable: self.value(each, row) for variable, each in clause.items}} for row in rows]
        if clause.distinct:
            rows = _distinct(_only(rows, columns), columns)
        for sort in reversed(clause.order):
            rows.sort(key=lambda row: sort_key(self.value(sort.expression, row)), reverse=sort.descending)
        skip = 0 if clause.skip is None else self._count(clause.skip)
        rows = rows[skip:] if clause.limit is None else rows[skip : skip + self._count(clause.limit)]
        if clause.where is not None:
            rows = [row for row in rows if self.holds(clause.where, row)]
        return _only(rows, columns)

    def _count(self, expression: Expression) -> int:
        value = self.value(expression, {})
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise failed(Unanswerable("Q213", "a whole number that is not negative"), expression.span)
        return value

    def _grouped(self, clause: bound.Project, rows: list[Row]) -> list[Row]:
        """A row a group: its keys, and what the aggregates say of its rows. Without keys all rows are one group."""
        groups: dict[object, tuple[Row, list[Row]]] = {} if clause.keys else {(): ({}, [])}
        for row in rows:
            keys = {variable: self.value(key, row) for variable, key in clause.keys}
            groups.setdefault(tuple(map(group_key, keys.values())), (keys, []))[1].append(row)
        return [
            {**keys, **{variable: self._aggregated(asked, members) for variable, asked in clause.aggregates}}
            for keys, members in groups.values()
        ]

    def _aggregated(self, asked: bound.Aggregated, rows: list[Row]) -> Datum:
        if asked.operand is None:
            return len(rows)
        values = [value for row in rows if (value := self.value(asked.operand, row)) is not None]
        if asked.distinct:
            values = list({group_key(value): value for value in reversed(values)}.values())[::-1]
        second = () if asked.second is None else (self.value(asked.second, rows[0]) if rows else 0,)
        try:
            return AGGREGATES[asked.function.lower()].finish(values, *second)
        except Unanswerable as wrong:
            raise failed(wrong, asked.span) from None

    # Patterns: every way in which they fit

    def matches(self, row: Row, pattern: Pattern) -> Iterator[Row]:
        """The row with each choice of nodes, relations and paths that fits; of those that a selector takes."""
        if pattern.time is not None:
            then = replace(self, view=self._then(pattern.time), whole=self.whole or self)
            yield from then.matches(row, replace(pattern, time=None))
            return
        if pattern.selection is not None:
            plain = replace(pattern, selection=None, conditions=pattern.selection.conditions)
            taken = _selected(pattern.selection, list(self.matches(row, plain)))
            yield from (each for each in taken if all(self.holds(asked, each) for asked in pattern.conditions))
            return
        joined = {end for hop in pattern.hops for end in (hop.near, hop.far)}
        alone = [node for node in pattern.nodes if node not in joined]
        if any(node in row and row[node] is None for node in alone):
            return
        for found, passed in self._hopped(row, list(pattern.hops), ()):
            if not self._in_sight(row, found, pattern, passed):
                continue
            for placed in self._placed(found, [node for node in alone if node not in row]):
                whole = {**placed, **{path.variable: self._path(path, placed) for path in pattern.paths}}
                circles = any(_meets_twice(self._path(path, placed)) for path in pattern.acyclic)
                if not circles and all(self.holds(condition, whole) for condition in pattern.conditions):
                    yield whole

    def _then(self, time: bound.Time) -> View:
        """The view at another time; an axis of which nothing is said is that of the query."""
        if time.during is not None or time.history:
            raise NotImplementedError("VALID DURING, WITH HISTORY")
        query = (self.whole or self).view
        valid_at = query.valid_at if time.valid_at is None else moment(self.value(time.valid_at, {}))
        if time.as_of is None:
            return replace(query, valid_at=valid_at)
        known, until = 0, moment(self.value(time.as_of, {}))
        assert until is not None
        every: list[ItemState | RelationState] = [*query.history.items, *query.history.relations]
        for each in every:
            known = max(known, each.born if each.recorded_at <= until else 0)
            known = max(known, each.died if each.retired and each.retired_at <= until else 0)
        return replace(query, position=known, valid_at=valid_at)

    def _placed(self, row: Row, nodes: list[Variable]) -> Iterator[Row]:
        """The row with every choice of an item for each of these nodes."""
        if not nodes:
            yield row
            return
        for node in self.view.shown.values():
            yield from self._placed({**row, nodes[0]: node}, nodes[1:])

    def _in_sight(self, before: Row, row: Row, pattern: Pattern, passed: Chain) -> bool:
        """Whether every node of the match may be in it: it is shown, or was bound before, or a lasting relation of the
        match leads to it."""
        met = {node.state.root for each in pattern.nodes if isinstance(node := row.get(each), Node)}
        met |= {end for relation in passed for end in (relation.state.source, relation.state.target)}
        known = {node.state.root for each in pattern.known if isinstance(node := before.get(each), Node)}
        return met <= self._led(known, passed)

    def _hopped(self, row: Row, hops: list[Stretch], passed: tuple[Relation, ...]) -> Iterator[tuple[Row, Chain]]:
        """The row with every choice of relations for these hops, none of them passed twice."""
        if not hops:
            yield row, passed
            return
        hop = hops[0]
        for near in self._ends(row, hop):
            for chain, far, lists in self._ways(row, hop, near, passed):
                value: Datum = list(chain) if hop.hops is not None else chain[0]
                chosen = ((hop.near, near), (hop.far, far), (hop.variable, value))
                fits = all(name not in row or row[name] == each for name, each in chosen)
                if fits and (hop.near != hop.far or near == far):
                    yield from self._hopped({**row, **dict(chosen), **lists}, hops[1:], (*passed, *chain))

    def _ways(self, row: Row, hop: Stretch, near: Node, passed: Chain) -> Iterator[tuple[Chain, Node, Row]]:
        """Every way to pass the hop from there: its relations, where it leads, and the lists of a group."""
        if isinstance(hop, Hop):
            yield from ((chain, far, {}) for chain, far in self._chains(row, hop, near, passed))
            return
        nothing: Row = {outside: [] for _, outside in hop.lists}
        ahead: list[tuple[Chain, Node, Row]] = [((), near, nothing)]
        times = 0
        while ahead and (hop.hops.most is None or times <= hop.hops.most):
            yield from ahead if times >= hop.hops.least else []
            ahead = [
                (
                    (*chain, *more),
                    inner[hop.last],
                    {outside: [*lists[outside], inner[one]] for one, outside in hop.lists},
                )
                for chain, here, lists in ahead
                for inner, more in self._once(row, hop, here, (*passed, *chain))
            ]
            times += 1

    def _once(self, row: Row, group: Group, here: Node, passed: Chain) -> Iterator[tuple[Row, Chain]]:
        """One time through a group: its row, and the relations that it passed."""
        for inner, more in self._hopped({**row, group.first: here}, list(group.pattern.hops), passed):
            if all(self.holds(condition, inner) for condition in group.pattern.conditions):
                yield inner, more[len(passed) :]

    def _ends(self, row: Row, hop: Stretch) -> list[Node]:
        """Where the hop may begin."""
        if hop.near not in row:
            return list(self.view.known.values())
        near = row[hop.near]
        return [near] if isinstance(near, Node) else []

    def _chains(self, row: Row, hop: Hop, near: Node, passed: Chain) -> list[tuple[Chain, Node]]:
        """Every chain of relations that the hop may stand for, and where it leads."""
        if hop.hops is None:
            return [((relation,), far) for relation, far in self._steps(row, hop, near, passed)]
        ahead: list[tuple[Chain, Node]] = [((), near)]
        found: list[tuple[Chain, Node]] = []
        length = 0
        while ahead and (hop.hops.most is None or length <= hop.hops.most):
            found += ahead if length >= hop.hops.least else []
            ahead = [
                ((*chain, relation), far)
                for chain, here in ahead
                for relation, far in self._steps(row, hop, here, (*passed, *chain))
            ]
            length += 1
        if not hop.hops.shortest:
            return found
        return self._shortest(near, found, hop.hops.shortest)

    def _shortest(self, near: Node, found: list[tuple[Chain, Node]], which: str) -> list[tuple[Chain, Node]]:
        """Of the chains to each end the shortest; one of them, or all. An end that nothing of the chain leads to, and
        that something else may lead to, is another one."""
        kept: dict[tuple[Node, bool], list[tuple[Chain, Node]]] = {}
        for chain, far in found:
            led = self._led({near.state.root}, chain)
            ends = [{relation.state.source, relation.state.target} for relation in chain]
            if all(one & other <= led for one, other in pairwise(ends)):
                kept.setdefault((far, far.state.root in led), []).append((chain, far))
        shortest = [[each for each in chains if len(each[0]) == len(chains[0][0])] for chains in kept.values()]
        return [each for chains in shortest for each in (chains if which == "all" else chains[:1])]

    def _led(self, known: set[int], passed: Chain) -> set[int]:
        """Identities that are shown or known, and those to which lasting relations lead from them."""
        led, before = self.view.shown.keys() | known, -1
        while len(led) > before:
            before = len(led)
            led |= {each.state.target for each in passed if each.kind in LASTING and each.state.source in led}
        return led

    def _steps(self, row: Row, hop: Hop, here: Node, passed: Chain) -> Iterator[tuple[Relation, Node]]:
        """Each relation that the hop may pass from here, and what it leads to."""
        for relation in self.view.relations:
            if relation in passed or (hop.kinds is not None and relation.kind not in hop.kinds):
                continue
            if hop.one is not None and hop.each is not None and not self.holds(hop.each, {**row, hop.one: relation}):
                continue
            source, target = relation.state.source, relation.state.target
            ways = {"out": {(source, target)}, "in": {(target, source)}, "any": {(source, target), (target, source)}}
            for begin, end in ways[hop.direction]:
                if begin == here.state.root:
                    yield relation, self.view.known[end]

    def _path(self, path: bound.PathOf, row: Row) -> Path | None:
        here, passed = row[path.nodes[0]], []
        nodes = [here]
        for variable in path.hops:
            hop = row[variable]
            for relation in hop if isinstance(hop, list) else [hop]:
                source, target = (self.view.known[root] for root in (relation.state.source, relation.state.target))
                here = target if source == here else source
                passed.append(relation)
                nodes.append(here)
        return Path(tuple(nodes), tuple(passed))

    # Expressions

    def holds(self, condition: Expression, row: Row) -> bool:
        """Whether it is true; null is not, and what is neither is a mistake."""
        value = self.value(condition, row)
        if value is not None and not isinstance(value, bool):
            raise failed(Unanswerable("Q213", "WHERE takes true or false"), condition.span)
        return value is True

    def value(self, expression: Expression, row: Row) -> Datum:
        if self.whole is not None:
            return self.whole.value(expression, row)
        if id(expression) not in self._prepared:
            self._prepared[id(expression)] = (expression, self._meaning(expression))
        return self._prepared[id(expression)][1](row)

    def _meaning(self, expression: Expression) -> Callable[[Row], Datum]:
        """Questions inside of it are answered first, and their answers put in their places."""
        questions: list[tuple[Variable, bound.Subpattern | bound.Subquery]] = []

        def by(part: Any) -> Expression | None:
            if not isinstance(part, bound.Subpattern | bound.Subquery):
                return None
            variable = Variable(-1_000 - len(questions), "answer", ANY)
            questions.append((variable, part))
            return bound.local(variable, part.span)

        plain = walking.rewritten(expression, by)
        taken = sorted(walking.variables(plain), key=lambda each: each.number)
        meaning = Evaluator(self, self.parameters).meaning(
            plain, {variable: place for place, variable in enumerate(taken)}
        )

        def run(row: Row) -> Datum:
            whole = {**row, **{variable: self._answered(part, row) for variable, part in questions}}
            return meaning(tuple(whole[variable] for variable in taken))

        return run

    def _answered(self, part: bound.Subpattern | bound.Subquery, row: Row) -> Datum:
        if isinstance(part, bound.Subpattern):
            rows = list(self.matches(row, part.pattern))
        else:
            taken = {variable: self.value(each, row) for variable, each in part.takes}
            rows = self._parts(part.parts, part.alls, [{**row, **taken}])
        match part.asks:
            case "exists":
                return bool(rows)
            case "count":
                return len(rows)
        assert isinstance(part, bound.Subquery)
        return [row[part.parts[0].columns[0]] for row in rows]

    # What functions ask of the world

    @property
    def asked_at(self) -> Any:
        return instant(self.now)

    def chance(self) -> float | None:
        return None

    def ends(self, relation: Relation) -> tuple[Node | None, Node | None]:
        return self.view.known.get(relation.state.source), self.view.known.get(relation.state.target)

    def sources(self, node: Node) -> Sequence[Node]:
        """Everything that can be reached by DERIVED_FROM, as far as it is an event."""
        reached, ahead = {node.state.root}, [node.state.root]
        while ahead:
            here = ahead.pop()
            for relation in self.view.relations:
                if relation.kind == "DERIVED_FROM" and relation.state.source == here:
                    end = relation.state.target
                    ahead += [end] if end not in reached else []
                    reached.add(end)
        return [self.view.known[root] for root in sorted(reached) if self.view.known[root].kind == "Event"]

    def history(self, of: Node | Relation) -> Sequence[Node | Relation]:
        raise NotImplementedError

    def change(self, of: Node | Relation, *, ended: bool) -> Change | None:
        raise NotImplementedError

    def similarity(self, one: Node, other: Node) -> float | None:
        raise NotImplementedError

    def figure(self, node: Node, name: str) -> int | float | None:
        raise NotImplementedError


def _only(rows: Iterable[Row], columns: Sequence[Variable]) -> list[Row]:
    return [{column: row[column] for column in columns} for row in rows]


def _distinct(rows: Iterable[Row], columns: Sequence[Variable]) -> list[Row]:
    found: dict[object, Row] = {}
    for row in rows:
        found.setdefault(tuple(group_key(row[column]) for column in columns), row)
    return list(found.values())


def _selected(selection: Selection, rows: list[Row]) -> list[Row]:
    """The rows whose paths the selector takes, of each two ends by themselves: the shorter first."""
    first, last = selection.path.nodes[0], selection.path.nodes[-1]
    taken: list[Row] = []
    for ends in {(row[first].id, row[last].id) for row in rows}:
        fitting = [row for row in rows if (row[first].id, row[last].id) == ends]
        fitting.sort(key=lambda row: _length(selection.path, row))
        lengths = sorted({_length(selection.path, row) for row in fitting})[: selection.selector.count]
        if selection.selector.how == "lengths":
            taken += [row for row in fitting if _length(selection.path, row) in lengths]
        else:
            taken += fitting[: selection.selector.count]
    return taken


def _length(path: bound.PathOf, row: Row) -> int:
    return sum(len(row[hop]) if isinstance(row[hop], list) else 1 for hop in path.hops)


def _meets_twice(path: Path | None) -> bool:
    return path is not None and len(set(path.nodes)) < len(path.nodes)
