"""Paths on random graphs: quantifiers, groups and selectors give what counting every trail gives, from whichever end
they are found, with every rule and without any."""

import os
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from engine.clock import SystemClock
from engine.commands import Principal, Relate, Remember
from engine.execute import Rows, execute
from engine.limits import Limits
from engine.reader import Reader
from engine.records import Receipt
from engine.tenant import Tenant
from memql.compiled import compile_query
from memql.errors import Refusal
from memql.rules import RULES

ME = Principal("usr_me", admin=True)
KINDS = ("SIMILAR_TO", "SUPPORTS")
LIMITS = Limits(graph_gather_ms=0, query_steps=200_000_000, query_rows_held=50_000_000, read_ms=600_000)
"""Where nothing better than counting is tried, there is much to count."""
WORLDS, ASKED = int(os.environ.get("MEMQL_EXAMPLES", "25")), 16


# The worlds


@dataclass(frozen=True)
class Edge:
    id: str
    kind: str
    source: str
    target: str
    weight: float


@dataclass
class Graph:
    """A few memories that are joined with each other and with nothing else, and how important each is."""

    name: str
    nodes: dict[str, float] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)


@pytest.fixture(scope="module")
def tenant() -> Iterator[Tenant]:
    with tempfile.TemporaryDirectory() as folder:
        opened = Tenant.open("t", Path(folder) / "t", clock=SystemClock(), limits=LIMITS)
        assert isinstance(opened, Tenant)
        yield opened
        opened.close()


def grown(tenant: Tenant, chance: random.Random, name: str) -> Graph:
    """A random graph, with parallel relations and circles in it."""
    graph = Graph(name)
    for number in range(chance.randrange(2, 6)):
        importance = round(chance.random(), 2)
        remembered = Remember(text=f"{name} {number}", category=name, importance=importance)
        (id_, *_) = written(tenant, remembered)
        graph.nodes[id_] = importance
    for _ in range(chance.randrange(1, 7)):
        source, target = chance.sample(sorted(graph.nodes), 2)
        kind, weight = chance.choice(KINDS), round(chance.random(), 2)
        receipt = tenant.write_now(Relate(source=source, kind=kind, target=target, weight=weight), ME)
        if isinstance(receipt, Receipt):
            graph.edges.append(Edge(receipt.ids[0], kind, source, target, weight))
    return graph


def written(tenant: Tenant, command: Remember) -> tuple[str, ...]:
    receipt = tenant.write_now(command, ME)
    assert isinstance(receipt, Receipt), receipt
    return receipt.ids


# What is asked, and what is right: every choice of relations one after the other


@dataclass(frozen=True)
class Hop:
    direction: str
    kinds: tuple[str, ...]
    least: float | None = None
    """Its weight must be above that."""


@dataclass(frozen=True)
class Many:
    """A hop, or several in a group, so often. `rising`: the group's first node is less important than its last."""

    hops: tuple[Hop, ...]
    least: int
    most: int | None
    grouped: bool
    rising: bool = False


Part: TypeAlias = Hop | Many


@dataclass(frozen=True)
class Way:
    """A path: its nodes and relations, and what each group saw, a list of its nodes each time."""

    nodes: tuple[str, ...]
    edges: tuple[str, ...]
    groups: tuple[tuple[tuple[str, ...], ...], ...] = ()


def ways(graph: Graph, start: str, parts: tuple[Part, ...]) -> list[Way]:
    """Every trail from that node through all of these parts, by trying everything."""
    found = [Way((start,), ())]
    for part in parts:
        if isinstance(part, Hop):
            found = [longer for way in found for longer in passed(graph, way, (part,))]
            continue
        more: list[Way] = []
        times = [(way, ()) for way in found]
        for count in range(len(graph.edges) + 1):
            if count >= part.least and (part.most is None or count <= part.most):
                more += [Way(w.nodes, w.edges, (*w.groups, seen) if part.grouped else w.groups) for w, seen in times]
            again: list[tuple[Way, Any]] = []
            for way, seen in times:
                for longer in passed(graph, way, part.hops):
                    nodes = longer.nodes[len(way.nodes) - 1 :]
                    if not part.rising or graph.nodes[nodes[0]] < graph.nodes[nodes[-1]]:
                        again.append((longer, (*seen, nodes)))
            times = again
        found = more
    return found


def passed(graph: Graph, way: Way, hops: tuple[Hop, ...]) -> list[Way]:
    found = [way]
    for hop in hops:
        found = [
            Way((*each.nodes, node), (*each.edges, edge.id), each.groups)
            for each in found
            for edge in graph.edges
            if edge.id not in each.edges and (not hop.kinds or edge.kind in hop.kinds)
            if hop.least is None or edge.weight > hop.least
            for node in {
                *([edge.target] if hop.direction != "in" and edge.source == each.nodes[-1] else []),
                *([edge.source] if hop.direction != "out" and edge.target == each.nodes[-1] else []),
            }
        ]
    return found


@dataclass(frozen=True)
class Asked:
    parts: tuple[Part, ...]
    selector: str
    count: int
    acyclic: bool
    ends: str
    """Which of them are known: "none", "first", "last", "both", or "same" where one name stands for both."""

    @property
    def text(self) -> str:
        written = "(a)"
        columns = ["[n IN nodes(p) | n.id] AS nodes", "[r IN relationships(p) | r.id] AS edges"]
        for number, part in enumerate(self.parts):
            written += said(part, number)
            last = number == len(self.parts) - 1
            written += ("(a)" if self.ends == "same" else "(b)") if last else f"(n{number})"
            if isinstance(part, Many) and part.grouped:
                columns += [f"[x IN g{number}n{at} | x.id] AS g{number}n{at}" for at in range(len(part.hops) + 1)]
        count = f" {self.count}" if self.count > 1 else ""
        words = {"all": "", "any": f"ANY{count}", "shortest": f"SHORTEST {self.count}"}
        selector = words.get(self.selector, f"SHORTEST {self.count}")
        selector += " ACYCLIC" * self.acyclic + " GROUPS" * (self.selector == "lengths")
        before = {"first": "MATCH (a {category: $w})", "last": "MATCH (b {category: $w})",
                  "both": "MATCH (a {category: $w}), (b {category: $w})"}  # fmt: skip
        where = " WHERE a.category = $w" if self.ends in ("none", "same") else ""
        return f"{before.get(self.ends, '')} MATCH p = {selector} {written}{where} RETURN {', '.join(columns)}"


def said(part: Part, number: int) -> str:
    if isinstance(part, Hop):
        return arrow(part, f"r{number}")
    most = "" if part.most is None else part.most
    times = f"{{{part.least},{most}}}" if (part.least, most) != (1, "") else "+"
    if not part.grouped:
        return arrow(part.hops[0], f"r{number}") + times
    inside = f"(g{number}n0)"
    for at, hop in enumerate(part.hops):
        inside += f"{arrow(hop, f'g{number}r{at}')}(g{number}n{at + 1})"
    last = len(part.hops)
    where = f" WHERE g{number}n0.importance < g{number}n{last}.importance" if part.rising else ""
    return f"({inside}{where}){times}"


def arrow(hop: Hop, name: str) -> str:
    kinds = f":{'|'.join(hop.kinds)}" if hop.kinds else ""
    where = f" WHERE {name}.weight > {hop.least}" if hop.least is not None else ""
    body = f"[{name}{kinds}{where}]"
    return {"out": f"-{body}->", "in": f"<-{body}-", "any": f"-{body}-"}[hop.direction]


def asked(chance: random.Random) -> Asked:
    """A random question. Where several parts repeat without end, so do the answers: one of them may."""
    parts: list[Part] = []
    endless = False
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3])):
        hops = tuple(
            Hop(
                chance.choice(["out", "in", "any", "any"]),
                chance.choice([(), (), KINDS[:1], KINDS[1:]]),
                chance.choice([None, None, 0.3]),
            )
            for _ in range(chance.choice([1, 1, 2]))
        )
        form = chance.choice(["hop", "chain", "chain", "group", "group"])
        least = chance.choice([0, 1, 1, 1, 2])
        most = None if not endless and chance.random() < 0.4 else max(1, least + chance.randrange(3))
        endless |= most is None
        if form == "hop":
            parts.append(hops[0])
        elif form == "chain":
            parts.append(Many(hops[:1], least, most, False))
        else:
            parts.append(Many(hops, least, most, True, chance.random() < 0.3))
    selector = chance.choice(["all", "any", "shortest", "shortest", "lengths", "lengths"])
    count = 1 if selector == "all" else chance.choice([1, 1, 1, 2, 3])
    ends = chance.choice(["none", "first", "last", "both", "same"])
    return Asked(tuple(parts), selector, count, chance.random() < 0.25, ends)


def everything(graph: Graph, question: Asked) -> dict[tuple[str, str], list[Way]]:
    """All paths that fit, by the two nodes that they join, the shorter first."""
    found: dict[tuple[str, str], list[Way]] = defaultdict(list)
    for start in graph.nodes:
        for way in ways(graph, start, question.parts):
            ends = (way.nodes[0], way.nodes[-1])
            if question.acyclic and len(set(way.nodes)) < len(way.nodes):
                continue
            if question.ends != "same" or ends[0] == ends[1]:
                found[ends].append(way)
    return {ends: sorted(each, key=lambda way: len(way.edges)) for ends, each in found.items()}


def answered(reader: Reader, question: Asked, graph: Graph, rules: Any) -> list[Way]:
    compiled = compile_query(question.text, reader.catalog, rules)
    assert not isinstance(compiled, Refusal), (question.text, compiled)
    found = execute(reader, compiled, {"w": graph.name})
    assert isinstance(found, Rows), (question.text, found)
    sizes = [len(part.hops) + 1 for part in question.parts if isinstance(part, Many) and part.grouped]
    made = []
    for nodes, edges, *lists in found.rows:
        groups, at = [], 0
        for size in sizes:
            groups.append(tuple(zip(*lists[at : at + size], strict=True)))
            at += size
        made.append(Way(tuple(nodes), tuple(edges), tuple(groups)))
    return made


def check(question: Asked, right: dict[tuple[str, str], list[Way]], found: list[Way]) -> None:
    """Where a selector may choose, each that it took is one that fits, and as many and as long as it should be."""
    if question.selector == "all":
        assert Counter(found) == Counter(way for each in right.values() for way in each), question.text
        return
    taken: dict[tuple[str, str], list[Way]] = defaultdict(list)
    for way in found:
        taken[way.nodes[0], way.nodes[-1]].append(way)
    assert taken.keys() == right.keys(), question.text
    for ends, fitting in right.items():
        lengths = sorted(len(way.edges) for way in taken[ends])
        assert not Counter(taken[ends]) - Counter(fitting), question.text
        match question.selector:
            case "any":
                assert len(lengths) == min(question.count, len(fitting)), question.text
            case "shortest":
                assert lengths == [len(way.edges) for way in fitting[: question.count]], question.text
            case "lengths":
                most = sorted({len(way.edges) for way in fitting})[: question.count][-1]
                assert Counter(taken[ends]) == Counter(w for w in fitting if len(w.edges) <= most), question.text


@pytest.mark.parametrize("seed", range(WORLDS))
def test_paths_are_those_that_counting_gives(tenant: Tenant, seed: int) -> None:
    """For every selector, quantifier, group and direction, whichever ends are known; and the plan without any rule
    gives what fits as well."""
    chance = random.Random(seed)
    graph = grown(tenant, chance, f"w{seed}")
    questions = [asked(chance) for _ in range(ASKED)]

    def read(reader: Reader) -> None:
        for question in questions:
            right = everything(graph, question)
            check(question, right, answered(reader, question, graph, RULES))
            check(question, right, answered(reader, question, graph, ()))

    tenant.read_now(read, ME)


@pytest.mark.parametrize("seed", range(WORLDS))
def test_neighbours_on_a_path_are_joined(tenant: Tenant, seed: int) -> None:
    """Relation by relation a path leads from its first node to its last."""
    chance = random.Random(1_000 + seed)
    graph = grown(tenant, chance, f"v{seed}")
    joined = {edge.id: {edge.source, edge.target} for edge in graph.edges}
    question = asked(chance)

    def read(reader: Reader) -> None:
        for way in answered(reader, question, graph, RULES):
            assert len(way.nodes) == len(way.edges) + 1
            assert all({*pair} == joined[edge] for pair, edge in zip(pairwise(way.nodes), way.edges, strict=True))

    tenant.read_now(read, ME)
