"""Laws of filters, orders, pages and aggregates: whatever is asked, GraphQL gives what the same MemQL query gives.

`MEMQL_EXAMPLES` says how many random questions are asked; a failure names the seed of its world.
"""

import os
import random
from itertools import pairwise
from typing import Any

import pytest

EXAMPLES = int(os.environ.get("MEMQL_EXAMPLES", "60"))
WORDS = ("tea", "rain", "Ada", "Tea")
KINDS = ("MENTIONS", "SUPPORTS", "DERIVED_FROM", "DEPENDS_ON")
SIGNS = {"eq": "=", "ne": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}

PAGE = """
    query ($where: ItemFilter, $order: [ItemOrder!], $first: Int, $last: Int, $after: String, $before: String,
           $position: Position) {
        items(where: $where, orderBy: $order, first: $first, last: $last, after: $after, before: $before,
              atLeast: $position) {
            nodes { id } totalCount position pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
    }
"""
MEMQL = """
    query ($q: String!) { memql(query: $q) { ... on MemqlResult { rows } ... on MemqlError { problems { rendered } } } }
"""


class World:
    """Random items and relations, some of them retired, corrected or no longer true."""

    def __init__(self, caller: Any, seed: int) -> None:
        self.caller = caller
        self.chance = random.Random(seed)
        self.ids: list[str] = []

    async def fill(self, items: int = 30, relations: int = 60) -> None:
        chance = self.chance
        for n in range(items):
            given: dict[str, Any] = {}
            if chance.random() < 0.6:
                given["confidence"] = chance.choice((0.0, 0.25, 0.5, 1.0))
            if chance.random() < 0.6:
                given["category"] = chance.choice(WORDS)
            if chance.random() < 0.6:
                given["tags"] = chance.sample(WORDS, chance.randrange(3))
            if chance.random() < 0.2:
                given["validFrom"] = chance.choice(("2026-01-01", "2026-02-03", "2099-01-01"))
            if chance.random() < 0.5:
                made = await self.caller.do("deriveInsight", text=f"{n} {chance.choice(WORDS)}", **given)
            else:
                made = await self.caller.do("remember", text=f"{n} {chance.choice(WORDS)}", author="Ada", **given)
            self.ids += made["ids"]
        for _ in range(relations):
            source, target = chance.sample(self.ids, 2)
            document = "mutation ($i: RelateInput!) { relate(input: $i) { __typename } }"
            weight = chance.choice((0.0, 0.5, 1.0))
            told = {"source": source, "target": target, "kind": chance.choice(KINDS), "weight": weight}
            if chance.random() < 0.3:
                told |= {"validFrom": "2026-02-01", "validTo": chance.choice(("2026-02-02", "2098-01-01"))}
            await self.caller.ask(document, None, i=told)
        for id_ in chance.sample(self.ids, 4):
            await self.caller.do("retireItem", id=id_)

    # A condition as an input, and as MemQL

    def filter(self, name: str, depth: int = 0) -> tuple[dict[str, Any], str]:
        value: float | str
        match self.chance.randrange(9 if depth < 3 else 5):
            case 0:
                op, value = self.chance.choice(list(SIGNS)), self.chance.choice((0.0, 0.25, 0.5))
                return {"confidence": {op: value}}, f"{name}.confidence {SIGNS[op]} {value}"
            case 1:
                value = self.chance.choice(WORDS)
                return {"category": {"ne": value}}, f"{name}.category <> '{value}'"
            case 2:
                value = self.chance.choice(WORDS)
                return {"tags": {"has": value}}, f"'{value}' IN {name}.tags"
            case 3:
                value = self.chance.choice(("Memory", "Insight"))
                return {"kind": {"eq": value}}, f"{name}.kind = '{value}'"
            case 4:
                value = self.chance.choice(WORDS)
                return {"text": {"contains": value}}, f"{name}.text CONTAINS '{value}'"
            case 5:
                given, said = self.filter(name, depth + 1)
                return {"not": given}, f"NOT ({said})"
            case 6 | 7 as which:
                pairs = [self.filter(name, depth + 1) for _ in range(2)]
                word = "and" if which == 6 else "or"
                return {word: [given for given, _ in pairs]}, f" {word.upper()} ".join(f"({said})" for _, said in pairs)
        return self.related(name, depth)

    def related(self, name: str, depth: int) -> tuple[dict[str, Any], str]:
        direction = self.chance.choice(("OUT", "IN", "ANY"))
        kinds = self.chance.sample(KINDS, self.chance.randrange(1, 3)) if self.chance.random() < 0.7 else None
        relation, other = f"r{depth}", f"o{depth}"
        given, said = self.relation(relation, other, depth + 1)
        of = f"[{relation}{':' + '|'.join(kinds) if kinds else ''}]"
        left, right = {"OUT": ("-", "->"), "IN": ("<-", "-"), "ANY": ("-", "-")}[direction]
        path = f"({name}){left}{of}{right}({other})"
        quantifier = self.chance.choice(("some", "every", "none"))
        text = {
            "some": f"EXISTS {{ {path} WHERE {said} }}",
            "none": f"NOT EXISTS {{ {path} WHERE {said} }}",
            "every": f"COUNT {{ {path} }} = COUNT {{ {path} WHERE {said} }}",
        }[quantifier]
        asked = {"direction": direction, quantifier: given} | ({"kinds": kinds} if kinds else {})
        return {"relations": asked}, f"({text})"

    def relation(self, name: str, other: str, depth: int) -> tuple[dict[str, Any], str]:
        match self.chance.randrange(8 if depth < 3 else 3):
            case 6:
                sign = self.chance.choice(("lte", "gt"))
                at = self.chance.choice(("2026-02-01T00:00:00Z", "2098-01-01T00:00:00Z"))
                field, named = self.chance.choice((("validFrom", "valid_from"), ("validTo", "valid_to")))
                return {field: {sign: at}}, f"{name}.{named} {SIGNS[sign]} datetime'{at}'"
            case 7:
                return {"validTo": {"isNull": True}}, f"{name}.valid_to IS NULL"
            case 0:
                op, value = self.chance.choice(list(SIGNS)), self.chance.choice((0.0, 0.5, 1.0))
                return {"weight": {op: value}}, f"{name}.weight {SIGNS[op]} {value}"
            case 1:
                kind = self.chance.choice(KINDS)
                return {"kind": {"eq": kind}}, f"{name}.kind = '{kind}'"
            case 2 | 3:
                given, said = self.filter(other, depth)
                return {"other": given}, said
            case 4:
                given, said = self.relation(name, other, depth + 1)
                return {"not": given}, f"NOT ({said})"
        pairs = [self.relation(name, other, depth + 1) for _ in range(2)]
        return {"or": [given for given, _ in pairs]}, " OR ".join(f"({said})" for _, said in pairs)

    def order(self) -> tuple[list[dict[str, Any]], str]:
        """With nulls where MemQL has them: they are greater than any value."""
        given, said = [], []
        for field in self.chance.sample(("CONFIDENCE", "CATEGORY", "TEXT", "VALID_FROM", "KIND"), 2):
            down = self.chance.random() < 0.5
            nulls = "FIRST" if down else "LAST"
            given.append({"field": field, "direction": "DESC" if down else "ASC", "nulls": nulls})
            said.append(f"n.{field.lower()}{' DESC' if down else ''}")
        return given, ", ".join((*said, "n.recorded_at"))

    async def rows(self, text: str) -> list[list[Any]]:
        found = (await self.caller.ask(MEMQL, None, q=text))["memql"]
        assert "rows" in found, (text, found)
        rows: list[list[Any]] = found["rows"]
        return rows


@pytest.fixture(params=range(2))
async def world(caller: Any, request: Any) -> World:
    made = World(caller, request.param)
    await made.fill()
    return made


async def test_a_filter_is_a_condition_of_memql(world: World) -> None:
    """Relations at any depth, null under any number of nots, and provenance that leads to what has ended."""
    some = 0
    for _ in range(EXAMPLES):
        where, text = world.filter("n")
        page = (await world.caller.ask(PAGE, None, where=where, first=100))["items"]
        rows = await world.rows(f"MATCH (n) WHERE {text} RETURN n.id AS id ORDER BY n.recorded_at")
        assert [node["id"] for node in page["nodes"]] == [id_ for (id_,) in rows], (where, text)
        assert page["totalCount"] == len(rows)
        some += 0 < len(rows) < 26
    assert some > EXAMPLES // 4, "the questions tell items apart"


async def test_an_order_is_that_of_memql(world: World) -> None:
    """And pages of any size, forward and backward, are the whole, while others write."""
    for n in range(EXAMPLES // 6):
        (where, condition), (order, by) = world.filter("n"), world.order()
        rows = await world.rows(f"MATCH (n) WHERE {condition} RETURN n.id AS id ORDER BY {by}")
        whole = [id_ for (id_,) in rows]
        size = world.chance.randrange(1, 9)
        for forward in (True, False):
            pages: list[list[str]] = []
            cursor, more = None, True
            while more:
                asked = {"first": size, "after": cursor} if forward else {"last": size, "before": cursor}
                page = (await world.caller.ask(PAGE, None, where=where, order=order, **asked))["items"]
                ahead, behind = ("hasNextPage", "hasPreviousPage") if forward else ("hasPreviousPage", "hasNextPage")
                assert page["pageInfo"][behind] == bool(pages)
                assert page["totalCount"] == len(whole)
                pages.append([node["id"] for node in page["nodes"]])
                more = page["pageInfo"][ahead]
                cursor = page["pageInfo"]["endCursor" if forward else "startCursor"]
                if more:
                    await world.caller.do("remember", text=f"tea rain Ada {n}", confidence=0.25, tags=list(WORDS[:3]))
            found = [id_ for page_ in (pages if forward else reversed(pages)) for id_ in page_]
            assert found == whole, (where, order)
            written = await world.rows("MATCH (n:Memory) WHERE n.text STARTS WITH 'tea rain Ada' RETURN n.id AS id")
            for (id_,) in written:
                await world.caller.do("retireItem", id=id_)


async def test_a_group_is_one_of_memql(world: World) -> None:
    """Counts, means, extremes and sums of what a filter lets through, by one or two keys, the largest first."""
    query = """
        query ($where: ItemFilter, $by: [GroupBy!]!) {
            items(where: $where) { aggregate { groups(by: $by, first: 100) {
                nodes { count keys { value } confidence { avg min max sum } validFrom { min } }
            } } }
        }
    """
    keys = {
        "KIND": ("", "n.kind"), "CATEGORY": ("", "n.category"), "TAG": ("UNWIND n.tags AS tag", "tag"),
        "VALID_MONTH": ("", "toString(date.truncate('month', n.valid_from))"),
        "VALID_WEEK": ("", "toString(date.truncate('week', n.valid_from))"),
    }  # fmt: skip
    for _ in range(EXAMPLES // 4):
        where, condition = world.filter("n")
        by = world.chance.sample(sorted(keys), world.chance.randrange(1, 3))
        before, named = " ".join(keys[name][0] for name in by), [keys[name][1] for name in by]
        columns = ", ".join(f"{key} AS k{n}" for n, key in enumerate(named))
        rows = await world.rows(
            f"MATCH (n) WHERE {condition} {before} RETURN {columns}, count(*) AS c, avg(n.confidence) AS a, "
            "min(n.confidence) AS b, max(n.confidence) AS d, sum(n.confidence) AS e, min(n.valid_from) AS f"
        )
        groups = (await world.caller.ask(query, None, where=where, by=by))["items"]["aggregate"]["groups"]["nodes"]
        told = [
            [
                *(key["value"] for key in group["keys"]), group["count"],
                *(group["confidence"][name] for name in ("avg", "min", "max", "sum")), group["validFrom"]["min"],
            ]
            for group in groups
        ]  # fmt: skip
        assert sorted(told, key=repr) == sorted(rows, key=repr), (where, by)
        assert all(one["count"] >= other["count"] for one, other in pairwise(groups))
