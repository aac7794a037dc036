"""A path pattern as places and legs, along which a search can go outward, one relation after the other.

A place is where a search may stand; a leg passes one relation and leads to another place. What a pattern asks of a node
or a relation is asked on the leg that passes it. A pattern of which more is asked, such as a condition on two relations
of one group, is no route, and its paths are found by trying all of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from memql import ast, walking
from memql.ast import Direction
from memql.bound import Expression, Group, Hop, PathOf, Pattern, Stretch, Subpattern, Subquery, Variable

PLACES = 200
"""Most places of a route: {1,100} twice. Who repeats more often is not looking for the shortest."""
_FLIPPED: dict[Direction, Direction] = {"out": "in", "in": "out", "any": "any"}
Part: TypeAlias = Literal["near", "relation", "far"]


@dataclass(frozen=True, slots=True)
class Gift:
    """What a leg, or arriving, gives to a variable: a value of its own, or one more member of its list."""

    variable: Variable
    part: Part
    many: bool


@dataclass(frozen=True, slots=True)
class Leg:
    """One relation on the way from one place to another. `near`, `relation` and `far` are the variables by which the
    conditions know the nodes and the relation. `stretch` is which part of the pattern it belongs to."""

    here: int
    there: int
    stretch: int
    direction: Direction
    kinds: tuple[str, ...] | None
    near: tuple[Variable, ...]
    relation: Variable
    far: tuple[Variable, ...]
    conditions: tuple[Expression, ...]
    gifts: tuple[Gift, ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A place where a path may end, as what its last node then stands for, and what is asked of it."""

    here: int
    nodes: tuple[Variable, ...]
    conditions: tuple[Expression, ...]
    gifts: tuple[Gift, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """The search begins at place 0. `most`: the longest path there can be. `straight`: a shortest way never passes a
    relation twice, so that nobody need look; `turning`: not so for one that ends where it began."""

    legs: tuple[Leg, ...]
    arrivals: tuple[Arrival, ...]
    most: int | None
    straight: bool
    turning: bool
    backwards: bool


def route(pattern: Pattern, path: PathOf, outside: frozenset[Variable], *, backwards: bool) -> Route | None:
    """The route of a pattern that is this path, from its first node or from its last; None where it has none."""
    by_variable = {hop.variable: hop for hop in pattern.hops}
    hops: list[Stretch] = [by_variable[each] for each in path.hops]
    nodes = list(path.nodes)
    if backwards:
        hops, nodes = hops[::-1], nodes[::-1]
    inner = nodes[1:-1]
    if len(set(inner)) < len(inner) or {nodes[0], nodes[-1]} & set(inner):
        return None
    making = _Making(outside, backwards, single=len(hops) == 1)
    asked = list(pattern.conditions)
    if not _plain(asked):
        return None
    at = 0
    for place, hop in enumerate(hops):
        node = nodes[place]
        # What is asked of the ends alone is asked where the search begins and where it ends.
        own = making.taken(asked, {node}) if place else []
        at = making.mark(at, node, own, kept=bool(place))
        alone = isinstance(hop, Hop) and hop.hops is None
        about = making.taken(asked, {node, hop.variable, nodes[place + 1]}, must=hop.variable) if alone else []
        after = making.passed(at, place, hop, node, nodes[place + 1], about)
        if after is None or making.places > PLACES:
            return None
        at = after
    last = making.taken(asked, {nodes[0], nodes[-1]}, must=nodes[-1])
    if any(walking.variables(each) - outside - {nodes[0]} for each in asked):
        return None
    legs, arrivals = making.without_marks(at, last, nodes[-1])
    return Route(tuple(legs), tuple(arrivals), _longest(hops), *_straight(hops, pattern, making), backwards)


def begins(pattern: Pattern, node: Variable, outside: frozenset[Variable]) -> tuple[Expression, ...]:
    """What a pattern asks of that end of its path alone."""
    return tuple(each for each in pattern.conditions if walking.variables(each) - outside <= {node})


def _plain(conditions: Iterable[Expression]) -> bool:
    """Whether the conditions can be asked of a leg: of no pattern or query, and of none that fails."""
    parts = (part for each in conditions for part in walking.walked(each))
    return not any(isinstance(part, Subpattern | Subquery) for part in parts)


@dataclass(slots=True)
class _Making:
    """A route while it is made. `marks` are ways from one place to another that pass nothing."""

    outside: frozenset[Variable]
    backwards: bool
    single: bool
    places: int = 1
    legs: list[Leg] = field(default_factory=list)
    marks: list[tuple[int, int, tuple[Variable, ...], tuple[Expression, ...], tuple[Gift, ...]]] = field(
        default_factory=list
    )

    def taken(self, asked: list[Expression], about: set[Variable], must: Variable | None = None) -> list[Expression]:
        """Those of the conditions that are about these variables only; they are asked of nobody else then."""
        found = []
        for each in list(asked):
            of = walking.variables(each) - self.outside
            if of and of <= about and (must is None or must in of):
                asked.remove(each)
                found.append(each)
        return found

    def new(self) -> int:
        self.places += 1
        return self.places - 1

    def mark(self, here: int, node: Variable, conditions: Sequence[Expression], *, kept: bool) -> int:
        """From here on the node is known by that name, and has met these conditions."""
        there = self.new()
        gifts = (Gift(node, "near", False),) if kept else ()
        self.marks.append((here, there, (node,), tuple(conditions), gifts))
        return there

    def skip(self, here: int, there: int) -> None:
        self.marks.append((here, there, (), (), ()))

    def passed(
        self, here: int, stretch: int, hop: Stretch, near: Variable, far: Variable, about: list[Expression]
    ) -> int | None:
        """The place behind a hop or a group."""
        if isinstance(hop, Group):
            return self.repeated(here, stretch, hop.hops, hop)
        if hop.hops is not None:
            return None if hop.hops.shortest else self.repeated(here, stretch, hop.hops, hop)
        there = self.new()
        gifts = (Gift(hop.variable, "relation", False),)
        direction = _FLIPPED[hop.direction] if self.backwards else hop.direction
        self.legs.append(
            Leg(here, there, stretch, direction, hop.kinds, (near,), hop.variable, (far,), tuple(about), gifts)
        )
        return there

    def repeated(self, here: int, stretch: int, hops: ast.Hops, hop: Stretch) -> int | None:
        least, most = hops.least, hops.most
        if self.single and least <= 1 and most is not None:
            most = None  # The length of the whole path says how often.
        if least > PLACES or (most or 0) > PLACES:
            return None
        at: int | None = here
        begun = here
        for _ in range(least):
            begun = self.new()
            assert at is not None
            self.skip(at, begun)
            if (at := self.once(begun, stretch, hop)) is None:
                return None
        assert at is not None
        if most is None:
            if not least:
                begun = self.new()
                self.skip(at, begun)
                if (again := self.once(begun, stretch, hop)) is None:
                    return None
                self.skip(again, begun)
                behind = self.new()
                self.skip(begun, behind)
                return behind
            self.skip(at, begun)
            return at
        behind = self.new()
        self.skip(at, behind)
        for _ in range(most - least):
            if (at := self.once(at, stretch, hop)) is None:
                return None
            self.skip(at, behind)
        return behind

    def once(self, here: int, stretch: int, hop: Stretch) -> int | None:
        """One time through a chain's relation or a group."""
        if isinstance(hop, Hop):
            assert hop.one is not None
            asked = [] if hop.each is None else [hop.each]
            if not _plain(asked):
                return None
            there = self.new()
            direction = _FLIPPED[hop.direction] if self.backwards else hop.direction
            gifts = (Gift(hop.variable, "relation", True),)
            self.legs.append(Leg(here, there, stretch, direction, hop.kinds, (), hop.one, (), tuple(asked), gifts))
            return there
        return self.through(here, stretch, hop)

    def through(self, here: int, stretch: int, group: Group) -> int | None:
        pattern = group.pattern
        nodes = [group.first]
        for each in pattern.hops:
            nodes.append(each.far)
        plain = all(isinstance(each, Hop) and each.hops is None for each in pattern.hops)
        if not plain or len(set(nodes)) < len(nodes) or not _plain(pattern.conditions):
            return None
        hops = [each for each in pattern.hops if isinstance(each, Hop)]
        if self.backwards:
            nodes, hops = nodes[::-1], hops[::-1]
        asked, lists = list(pattern.conditions), dict(group.lists)
        at = here
        for place, hop in enumerate(hops):
            near, far, there = nodes[place], nodes[place + 1], self.new()
            about = self.taken(asked, {near, hop.variable, far})
            gifts = [Gift(group.variable, "relation", True)]
            if hop.variable in lists:
                gifts.append(Gift(lists[hop.variable], "relation", True))
            if near in lists and not place:
                gifts.append(Gift(lists[near], "near", True))
            if far in lists:
                gifts.append(Gift(lists[far], "far", True))
            direction = _FLIPPED[hop.direction] if self.backwards else hop.direction
            leg = Leg(
                at, there, stretch, direction, hop.kinds, (near,), hop.variable, (far,), tuple(about), tuple(gifts)
            )
            self.legs.append(leg)
            at = there
        return None if asked else at

    def without_marks(self, final: int, last: Sequence[Expression], end: Variable) -> tuple[list[Leg], list[Arrival]]:
        """The legs with what is marked before each said of it, and the places where a path may end. Only place 0 and
        those that a leg leads to are left."""
        legs, arrivals = [], []
        left = {place: number for number, place in enumerate(sorted({0, *(leg.there for leg in self.legs)}))}
        for here, begin in left.items():
            for at, nodes, conditions, gifts in self.reached(here):
                if at == final:
                    arrivals.append(Arrival(begin, (*nodes, end), (*conditions, *last), gifts))
                for leg in self.legs:
                    if leg.here == at:
                        near = tuple(dict.fromkeys((*nodes, *leg.near)))
                        asked, given = (*conditions, *leg.conditions), (*gifts, *leg.gifts)
                        there = left[leg.there]
                        legs.append(replace(leg, here=begin, there=there, near=near, conditions=asked, gifts=given))
        return legs, arrivals

    def reached(
        self, here: int
    ) -> Iterable[tuple[int, tuple[Variable, ...], tuple[Expression, ...], tuple[Gift, ...]]]:
        """Every place that is reached from one by marks alone, and what they say on the way."""
        yield here, (), (), ()
        for begin, there, nodes, conditions, gifts in self.marks:
            if begin == here:
                for at, more, asked, given in self.reached(there):
                    yield at, (*nodes, *more), (*conditions, *asked), (*gifts, *given)


def _longest(hops: Sequence[Stretch]) -> int | None:
    total = 0
    for hop in hops:
        once = len(hop.pattern.hops) if isinstance(hop, Group) else 1
        if hop.hops is None:
            total += once
        elif hop.hops.most is None:
            return None
        else:
            total += once * hop.hops.most
    return total


def _straight(hops: Sequence[Stretch], pattern: Pattern, making: _Making) -> tuple[bool, bool]:
    """Whether a shortest way through this can pass no relation twice, and whether that is so only for ways that end
    elsewhere than they began. What lies between two passages of the same relation could be left out, where both mean
    the same part of the pattern, which may be passed less often."""
    passes: list[Hop] = []
    turning = False
    for hop in hops:
        inside = hop.pattern.hops if isinstance(hop, Group) else (hop,)
        passes += [each for each in inside if isinstance(each, Hop)]
        if hop.hops is not None and hop.hops.least > 1:
            return False, False
        undirected = any(isinstance(each, Hop) and each.direction == "any" for each in inside)
        if undirected and hop.hops is not None and hop.hops.most != 1:
            if len(inside) > 1 or (hop.hops.least and len(hops) > 1):
                return False, False
            turning |= hop.hops.least > 0
    kinds = [kind for each in passes for kind in each.kinds or ()]
    apart = len(set(kinds)) == len(kinds) and all(each.kinds is not None for each in passes)
    if len(passes) > 1 and not apart:
        return False, False
    if pattern.acyclic and (len(passes) > 1 or making.places > PLACES):
        return False, False
    return True, turning
