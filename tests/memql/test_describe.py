"""What a query asks for and gives, told from its text and a catalog alone."""

import pytest

from memql.catalog import Catalog, Property
from memql.describe import Description, as_data, describe, spelled
from memql.errors import Refusal
from memql.functions import FUNCTIONS, OPERATORS, Unanswerable
from memql.inference import MAY_MISS
from memql.types import declared

CATALOG = Catalog().with_property("ABOUT", Property("since", "date")).with_property("Memory", Property("seen", "date"))


def told(query: str) -> Description:
    found = describe(query, CATALOG)
    assert isinstance(found, Description), found
    return found


def columns(query: str) -> dict[str, str]:
    return {each.name: spelled(each.type) for each in told(query).columns}


def parameters(query: str) -> dict[str, str]:
    return {each.name: f"{spelled(each.type)}{' inferred' * each.inferred}" for each in told(query).parameters}


@pytest.mark.parametrize(
    ("query", "gives"),
    [
        ("MATCH (m:Memory) RETURN m.text AS x", "string?"),
        ("MATCH (m:Memory) WHERE m.text IS NOT NULL RETURN m.text AS x", "string"),
        ("MATCH (m:Memory {text: $t}) RETURN m.text AS x", "string"),
        ("MATCH (m:Memory) WHERE m.confidence > 0.5 OR m.confidence < 0.1 RETURN m.confidence AS x", "float"),
        ("MATCH (m:Memory) WHERE m.confidence > 0.5 OR m.text = 'a' RETURN m.confidence AS x", "float?"),
        ("MATCH (m:Memory) WHERE NOT m.text STARTS WITH 'a' RETURN m.text AS x", "string"),
        ("MATCH (m:Memory) WITH m WHERE m.seen > date() WITH m AS n RETURN n.seen AS x", "date"),
        ("MATCH (m:Memory) RETURN m.tags AS x", "string[]?"),
        ("MATCH (m:Memory) RETURN m.tags[0] AS x", "string?"),
        ("MATCH (m:Memory) RETURN [t IN m.tags WHERE t <> $t | size(t)] AS x", "integer[]?"),
        ("MATCH (m:Memory)-[r:ABOUT]->(e) RETURN r.since AS x", "date?"),
        ("MATCH (m:Memory) OPTIONAL MATCH (m)-[:ABOUT]->(e:Entity) RETURN e AS x", "Entity?"),
        ("MATCH (m:Memory) OPTIONAL MATCH (m)-[:ABOUT]->(e) RETURN e.id AS x", "string?"),
        ("MATCH (m:Memory) OPTIONAL MATCH (m)-[:ABOUT]->(e) WITH e WHERE e.id <> '' RETURN e.id AS x", "string"),
        ("MATCH (m:Memory|Insight) RETURN m AS x", "Insight|Memory"),
        ("MATCH p = (a)-[rs:ABOUT*1..2]->(b) RETURN p AS x", "path"),
        ("MATCH p = (a)-[:ABOUT]->(b) RETURN nodes(p) AS x", "node[]"),
        ("RETURN CASE WHEN true THEN 1 END AS x", "integer?"),
        ("RETURN CASE WHEN true THEN 1 ELSE 2.5 END AS x", "float"),
        ("MATCH (m:Memory) RETURN CASE WHEN m.text IS NULL THEN '' ELSE m.text END AS x", "string"),
        ("MATCH (m:Memory) RETURN coalesce(m.text, '') AS x", "string"),
        ("MATCH (m:Memory) RETURN m.text IS NULL AS x", "boolean"),
        ("MATCH (m:Memory) RETURN m.text = 'tea' AS x", "boolean?"),
        ("MATCH (m:Memory) RETURN {id: m.id, of: m {.text, n: 1}} AS x",
         "{id: string, of: {text: string?, n: integer}}"),
        ("MATCH (m:Memory) WITH m {.text, .id} AS hit RETURN hit.id AS x", "string"),
        ("MATCH (e:Entity) RETURN e {.*} AS x",
         "{aliases: string[]?, category: string?, external_key: string?, metadata: map?, name: string?}"),
        ("MATCH (i:Insight) RETURN provenance(i).sources AS x", "string[]"),
        ("MATCH (m:Memory) RETURN avg(m.confidence) AS x", "float?"),
        ("MATCH (m:Memory) WHERE m.confidence > 0 RETURN avg(m.confidence) AS x", "float?"),
        ("MATCH (m:Memory) WHERE m.confidence > 0 RETURN m.id AS id, avg(m.confidence) AS x", "float"),
        ("MATCH (m:Memory) RETURN collect(m.text) AS x", "string[]"),
        ("MATCH (m:Memory) RETURN COLLECT { MATCH (m)-[:ABOUT]->(e:Entity {name: $n}) RETURN e.name } AS x",
         "string[]"),
        ("MATCH (m:Memory) CALL (m) { MATCH (m)-[:ABOUT]->(e) RETURN max(e.id) AS x } RETURN x", "string?"),
        ("SEARCH m:Memory MATCHES $q SCORE AS s RETURN s AS x", "float"),
        ("MATCH (m:Memory) RETURN m.access_count AS x", "integer?"),
        ("MATCH (m:Memory) RETURN m.valid_to AS x", "datetime?"),
        ("MATCH (m:Memory) RETURN m.valid_from.year AS x", "integer"),
        ("RETURN date() AS x", "date"),
        ("RETURN duration($p::str) AS x", "duration"),
        ("RETURN toInteger('1') AS x", "integer?"),
        ("RETURN reduce(n = 0, x IN [1, 2] | n + x) AS x", "integer"),
        ("UNWIND $xs::int[] AS x RETURN x", "integer"),
        ("MATCH (m:Memory) RETURN m.text AS x UNION MATCH (e:Event) RETURN e.id AS x", "string?"),
        ("MATCH (m:Memory) RETURN m.text AS x UNION RETURN 1 AS x", "any"),
    ],
)  # fmt: skip
def test_types_of_columns(query: str, gives: str) -> None:
    """Property types are the catalog's; null is told wherever it may come, and nowhere else."""
    assert columns(query)["x"] == gives


@pytest.mark.parametrize(
    ("query", "asks"),
    [
        ("MATCH (m:Memory) WHERE m.text = $x RETURN m.id", "string inferred"),
        ("MATCH (m:Memory {confidence: $x}) RETURN m.id", "float inferred"),
        ("MATCH (m:Memory) WHERE m.recorded_at > $x RETURN m.id", "datetime"),
        ("MATCH (m:Memory) WHERE m.id IN $x RETURN m.id", "string[] inferred"),
        ("MATCH (m:Memory) WHERE $x IN m.tags RETURN m.id", "string inferred"),
        ("MATCH (m:Memory) WHERE m.text CONTAINS $x RETURN m.id", "string inferred"),
        ("MATCH (m:Memory) RETURN m.id LIMIT $x", "integer inferred"),
        ("SEARCH m:Memory SIMILAR TO $x RETURN m.id", "string inferred"),
        ("SEARCH m:Memory SIMILAR TO 'a' LIMIT $x RETURN m.id", "integer inferred"),
        ("SEARCH m:Memory SIMILAR TO 'a' WEIGHT $x RETURN m.id", "float inferred"),
        ("UNWIND $x AS name MATCH (e:Entity {name: name}) RETURN e.id", "string[] inferred"),
        ("RETURN toUpper($x) AS up", "string inferred"),
        ("MATCH (m:Memory) WHERE m.text = $x OR m.confidence = $x RETURN m.id", "any"),
        ("RETURN $x AS x", "any"),
        ("RETURN $x::duration AS x", "duration"),
        ("RETURN $x::localdatetime? AS x", "localdatetime?"),
        ("RETURN $x::time[] AS x", "time[]"),
        ("RETURN $x::vector AS x", "float[]"),
        ("RETURN $x::map AS x", "map"),
    ],
)
def test_types_of_parameters(query: str, asks: str) -> None:
    """Those that are written, and else what every use of the parameter agrees on."""
    assert parameters(query) == {"x": asks}


def test_what_may_be_left_out() -> None:
    """Only what is written so."""
    (text, most) = told("MATCH (m:Memory {text: $t::str}) RETURN m LIMIT coalesce($n::int?, 5)").parameters
    assert (text.optional, most.optional) == (False, True)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("RETURN 1 AS x", "one"),
        ("MATCH (m:Memory) RETURN count(*) AS n", "one"),
        ("MATCH (m:Memory) RETURN count(*) AS n LIMIT 0", "at most one"),
        ("MATCH (m:Memory) WITH count(*) AS n WHERE n > 3 RETURN n", "at most one"),
        ("MATCH (m:Memory {id: $id}) RETURN m", "at most one"),
        ("MATCH (m:Memory) WHERE $id = m.id AND m.text <> '' RETURN m", "at most one"),
        ("MATCH (a {id: $a}), (b {id: $b}) RETURN a, b", "at most one"),
        ("MATCH (a {id: $a}), (b) WHERE b.id = a.text RETURN b", "at most one"),
        ("MATCH (a {id: $a}) OPTIONAL MATCH (b {id: $b}) RETURN b", "at most one"),
        ("OPTIONAL MATCH (b {id: $b}) RETURN b", "one"),
        ("MATCH (a {id: $a})-[:ABOUT]->(b) RETURN b", "many"),
        ("MATCH (m:Memory) WHERE m.id = m.text RETURN m", "many"),
        ("MATCH (m:Memory) WHERE m.id = $a OR m.id = $b RETURN m", "many"),
        ("MATCH (m:Memory {id: $id}) WITH HISTORY RETURN m", "many"),
        ("MATCH (m:Memory) RETURN m.category AS c, count(*) AS n", "many"),
        ("MATCH (m:Memory) RETURN m LIMIT 1", "at most one"),
        ("SEARCH m:Memory MATCHES $q LIMIT 1 RETURN m", "at most one"),
        ("SEARCH m:Memory MATCHES $q RETURN m", "many"),
        ("UNWIND [1] AS x RETURN x", "many"),
        ("RETURN 1 AS x UNION RETURN 2 AS x", "many"),
    ],
)
def test_how_many_rows(query: str, rows: str) -> None:
    """As few as is certain."""
    assert told(query).rows == rows


def test_what_is_read() -> None:
    """Kinds, labels, relations and properties; None where it may be any."""
    found = told("MATCH (m:Memory)-[:ABOUT]->(e:Entity) WHERE m.confidence > 0 RETURN e.name")
    assert (found.does, found.reads.kinds, found.reads.relations) == ("read", ("Entity", "Memory"), ("ABOUT",))
    assert found.reads.properties == ("Entity.name", "Memory.confidence")
    assert told("MATCH (n)-->(m) RETURN 1 AS x").reads.kinds is None
    assert told("LIVE MATCH (n:Task) RETURN n.id").does == "live"


def test_a_description_is_data() -> None:
    """What programs get."""
    data = as_data(told("MATCH (m:Memory {id: $id::str}) RETURN m.tags AS tags"))
    assert data["parameters"] == [{"name": "id", "type": "string", "optional": False, "inferred": False}]
    assert (data["columns"], data["rows"]) == ([{"name": "tags", "type": "string[]?"}], "at most one")


def test_what_is_wrong_is_refused() -> None:
    """As wherever the query is compiled."""
    found = describe("MATCH (m:Memory) RETURN m.nmae", CATALOG)
    assert isinstance(found, Refusal)
    assert [each.code for each in found.problems] == ["Q102"]


SAMPLES: dict[str, list[object]] = {
    "string": ["", "tea", "1", "2026-03-14", "P1D"],
    "integer": [-1, 0, 1, 7],
    "float": [-1.5, 0.0, 2.5, 1e300],
    "boolean": [True, False],
}


def test_functions_that_may_give_null_are_known() -> None:
    """Each function of plain values that gives null for some values that are none is in the list."""
    silent = set()
    for function in (*FUNCTIONS.values(), *OPERATORS.values()):
        if function.asks or function.nulls or len(function.takes) > 2 or function.chance:
            continue
        for name, values in SAMPLES.items():
            given = [declared(name).present()] * (len(function.takes) - function.optional)
            for value in values:
                try:
                    made = function.meaning(*[value] * len(given))
                except Unanswerable:
                    continue
                of = function.type(given)
                if made is None and not of.nullable:
                    silent.add(function.name.lower().replace(" ", "_"))
    assert silent <= MAY_MISS
    assert {"tointeger", "toboolean"} <= silent
