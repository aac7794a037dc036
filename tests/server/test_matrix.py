"""Every root field of the schema, by every role: what is whose, and that nobody can tell of what they may not see.

The strongest form of it: two tenants, of which one never had what is hidden in the other, give the same answers. A root
field that has no row here fails, and so does one that has no scope.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from difflib import unified_diff
from pprint import pformat
from typing import Any

import pytest
import pytest_asyncio
from graphql import GraphQLObjectType

from server.api.connections import GroupBy
from server.api.orders import ItemOrderField
from server.api.requirements import REQUIRED
from server.api.schema import make_schema
from server.bounds import RequestLimits
from server.identity import ROLES, Role
from tests.engine.embedders import WordHashes
from tests.server.twins import RECEIPT, WITH, WITHOUT, Twin, twins

CHANGE = "actor command reason"
ITEM = f"""
    __typename id kind version labels owner domain erased properties retiredAt
    provenance {{ {CHANGE} derivedFrom {{ id kind }} }} ending {{ {CHANGE} }}
    history {{ id version properties }}
    sources {{ id content }}
    relations(first: 50) {{
        totalCount pageInfo {{ hasNextPage hasPreviousPage }}
        edges {{
            other {{ id kind properties relations {{ totalCount }} }}
            node {{ id kind weight properties source {{ id }} target {{ id }} provenance {{ {CHANGE} }}
                history {{ id version weight ending {{ {CHANGE} }} }} }}
        }}
    }}
"""
OWN = {
    "Event": "within: stream { id name owner } replyTo",
    "Memory": "stream { id name } similar(first: 9) { score node { id } } entities { id }",
    "Insight": "similar(first: 9) { score node { id } } supportedBy { id } contradictedBy { id }",
    "Goal": "tasks { id blockedBy { id } } blockedBy { id }",
    "Task": "goal { id tasks { id } } blockedBy { id }",
    "Entity": "mentions(last: 5) { totalCount nodes { id } }",
}
"""What items of one kind have besides."""
PLURALS = {"events": "Event", "memories": "Memory", "insights": "Insight", "goals": "Goal", "tasks": "Task"}
PLURALS |= {"entities": "Entity"}
OF = " ".join((ITEM, *(f"... on {kind} {{ {own} }}" for kind, own in OWN.items())))
PAGE = "nodes { id } pageInfo { hasNextPage endCursor } position"
RELATION = "... on Relation { id kind weight source { id } target { id } } ... on Item { id kind properties }"
ROWS = """
    __typename
    ... on MemqlResult {
        columns { name type } rows notices plan nodes { id } changes { does kind id says }
        planNodes { operator detail engine rows estimatedRows sees }
    }
    ... on MemqlError { problems { code message line column hint rendered } }
    ... on Error { message problems { code message place hint } }
"""
ALL_OF_IT = (
    "said", "town", "tea", "office", "team", "ada", "oslo", "insight", "goal", "task", "paper", "old", "about",
    "mentions", "private-said", "private-recipe", "private-ada", "private-zanzibar", "private-goal", "private-task",
    "private-paper", "private-gone", "private-about", "private-supports", "plan", "step", "needs", "supports", "doubts",
    "theme", "private-step", "private-needs", "private-hints", "private-first", "burnt", "private-burnt",
)  # fmt: skip


def page(field: str, arguments: str = "") -> str:
    within = f"({arguments})" if arguments else ""
    of = OF if field == "items" else f"{ITEM} {OWN[PLURALS[field]]}"
    return f"{{ {field}{within} {{ edges {{ cursor node {{ {of} }} }} {PAGE} }} }}"


def one(field: str, *names: str) -> list[str]:
    """One item, by each of these names."""
    by = 'name: "' if field == "entity" else 'id: "%'
    return [f'{{ {field}({by}{name}") {{ {ITEM} {OWN[field.capitalize()]} }} }}' for name in names]


def whole(field: str, arguments: str) -> str:
    """A page with what is said of all pages together."""
    overview = f"totalCount aggregate {{ {FIGURES} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}"
    return f"{{ {field}({arguments}) {{ {overview} edges {{ cursor node {{ id kind }} }} }} }}"


def memql(*texts: str) -> list[str]:
    return [f'{{ memql(query: """{text}""") {{ {ROWS} }} }}' for text in texts]


READS = (
    "MATCH (n) RETURN n.id AS id, labels(n) AS labels ORDER BY n.kind, n.recorded_at",
    "MATCH (n) RETURN count(*) AS n",
    "MATCH (a)-[r]->(b) RETURN a, type(r) AS kind, b ORDER BY a.recorded_at, b.recorded_at",
    "MATCH (a)-[r]-(b) RETURN a.kind AS a, count(r) AS n, collect(b.kind) AS of ORDER BY a",
    "MATCH (m:Memory) WHERE m.external_key = 'k1' RETURN m",
    "MATCH (e:Entity {name: 'Ada'}) RETURN e, EXISTS { MATCH (e)<-[:ABOUT]-(:Memory) } AS told",
    "MATCH (m:Memory) WHERE m.tags = ['hidden'] OR 'hidden' IN m.tags RETURN m",
    "MATCH p = (a:Insight)-[:DERIVED_FROM*1..4]->(b) RETURN p",
    "MATCH p = SHORTEST 1 (a:Entity)-[*1..4]-(b:Memory) RETURN p",
    "MATCH (m:Memory) WITH HISTORY RETURN m.text AS text, m.importance AS importance",
    "MATCH (m) RETURN m.domain AS domain, m.owner AS owner, count(*) AS n ORDER BY domain, owner",
    "MATCH (m {id: '%private-recipe'}) RETURN m",
    "MATCH (m {id: '%office'})-[r]-(x) RETURN r, x",
    "MATCH (p:Paper) RETURN p.title AS title",
    "MATCH (g:Goal) RETURN COUNT { MATCH (g)<-[:PART_OF]-(:Task) } AS n, g.title AS title",
)
SEARCHES = (
    "SEARCH m:Memory MATCHES 'secret tea recipe' LIMIT 5 RETURN m.text AS text",
    "SEARCH m:Memory SIMILAR TO 'secret tea recipe' LIMIT 5 SCORE AS score RETURN m.text AS text, score",
    "SEARCH m:Memory MATCHES 'tea', SIMILAR TO 'tea' LIMIT 9 RETURN m.text AS text",
    "SEARCH e:Entity MATCHES 'Zanzibar' ON name LIMIT 5 RETURN e.name AS name",
    "MATCH (e:Entity {name: 'Ada'}) SEARCH m:Memory NEAR e WITHIN 3 LIMIT 5 SCORE AS s RETURN m.text AS text, s",
)

FIGURES = "count importance { min max avg sum } recordedAt { min max }"
GROUPS = f"totalCount nodes {{ {FIGURES} keys {{ by value node {{ id }} }} }}"
GROUPED = tuple(each.name for each in GroupBy)
ORDERED = tuple(each.name for each in ItemOrderField)
WHERES = (
    '{relations: {some: {other: {owner: {eq: "bob"}}}}}',
    "{relations: {some: {other: {domain: {eq: AGENT}}}}}",
    "{relations: {every: {other: {domain: {eq: ORGANIZATION}}}}}",
    '{relations: {none: {other: {tags: {has: "hidden"}}}}}',
    '{relations: {kinds: ["ABOUT"], direction: OUT, some: {other: {text: {contains: "Ada"}}}}}',
    '{relations: {kinds: ["SUPPORTS"], direction: IN, some: {weight: {gt: 0.5}}}}',
    "{relations: {direction: OUT, none: {}}}",
    '{relations: {some: {other: {relations: {some: {other: {kind: {eq: "Event"}}}}}}}}',
    '{not: {relations: {some: {other: {id: {eq: "%private-recipe"}}}}}}',
    '{relations: {some: {kind: {eq: "DERIVED_FROM"}, other: {externalKey: {eq: "k1"}}}}}',
    '{properties: [{name: "title", string: {contains: "tea"}}]}',
    "{author: {isNull: false}}",
)
"""Conditions, most of them on what is at the other end of a relation."""
SHARES = "signal rank raw normalized weight share"
AUDITED = """nodes { position recordedAt actor command reason statement changes { action id name reason
    node { id ... on Item { version properties } ... on Relation { version weight source { id } target { id } } }
    before { id ... on Item { version } ... on Relation { version weight } } } }"""
DESCRIBED = """... on MemqlDescription { columns { name type } does estimatedRows kinds labels parameters { name type }
    properties relations rows warnings }"""
PLANNED = "... on MemqlPlan { text estimatedRows nodes { operator detail engine estimatedRows sees } }"
REFUSED = """__typename ... on MemqlError { problems { code message hint rendered } }
    ... on Error { message problems { code message place hint } }"""

MISTAKES = ("MATCH (m:Memory) FORGET m", "MATCH (n:Nothing) RETURN n")

QUERIES: Mapping[str, Sequence[str]] = {
    "node": [f'{{ node(id: "%{name}") {{ {RELATION} }} }}' for name in ALL_OF_IT],
    "nodes": ["{ nodes(ids: [" + ", ".join(f'"%{name}"' for name in ALL_OF_IT) + f"]) {{ {RELATION} }} }}"],
    "event": one("event", "said", "town", "private-said"),
    "memory": one("memory", "tea", "office", "team", "private-recipe"),
    "entity": one("entity", "Ada", "Oslo", "Zanzibar", "the countess", "nobody"),
    "items": [
        page("items", "first: 50"),
        page("items", "first: 2"),
        page("items", 'kinds: ["Paper", "Stream"], first: 50'),
        page("items", 'first: 50, where: {owner: {eq: "bob"}}'),
        page("items", "first: 50, where: {domain: {eq: AGENT}}"),
        page("items", 'first: 50, where: {mentions: {eq: "Zanzibar"}}'),
        page("items", 'first: 50, where: {stream: {eq: "chat"}}'),
        page("items", 'first: 50, where: {not: {text: {contains: "tea"}}}'),
        page("items", 'first: 50, where: {externalKey: {eq: "k1"}}'),
        *(whole("items", f"where: {where}") for where in WHERES),
        *(whole("items", f"orderBy: [{{field: {field}, direction: DESC}}], last: 3") for field in ORDERED),
        *(
            f"{{ items {{ totalCount aggregate {{ {FIGURES} groups(by: [{by}]) {{ {GROUPS} }} }} }} }}"
            for by in (*GROUPED, "OWNER, DOMAIN", "ENTITY, KIND")
        ),
        '{ items(kinds: ["Memory"]) { nodes { id relations(where: {other: {owner: {eq: "bob"}}}, orderBy: '
        "[{field: WEIGHT}], last: 2) { totalCount nodes { id } pageInfo { hasPreviousPage } } } } }",
    ],
    "events": [
        page("events", "first: 50"),
        page("events", 'stream: "chat"'),
        page("events", 'stream: "town"'),
        page("events", 'stream: "nowhere"'),
    ],
    "memories": [
        page("memories"),
        page("memories", 'where: {tags: {has: "hidden"}}'),
        whole("memories", "orderBy: [{field: IMPORTANCE, nulls: FIRST}], first: 2"),
    ],
    "insights": [page("insights"), whole("insights", "last: 1")],
    "goals": [page("goals"), page("goals", "where: {status: {eq: ACTIVE}}")],
    "tasks": [page("tasks"), whole("tasks", "where: {status: {eq: OPEN}}")],
    "entities": [page("entities"), whole("entities", "orderBy: [{field: NAME}], last: 2")],
    "insight": one("insight", "insight", "theme", "private-recipe"),
    "goal": one("goal", "goal", "plan", "private-goal"),
    "task": one("task", "task", "step", "private-task", "private-step"),
    "stream": [f'{{ stream(name: "{name}") {{ {ITEM} }} }}' for name in ("chat", "town", "cellar", "%private-cellar")],
    "audit": [
        f"{{ audit(first: 99{rest}) {{ totalCount {PAGE.replace('nodes { id }', AUDITED)} }} }}"
        for rest in (
            "",
            ', actor: "bob"',
            ', actor: "alice"',
            ', command: "SupersedeItem"',
            ', command: "DeriveInsight"',
        )
    ]
    + [f'{{ audit(target: "%{name}", first: 99) {{ totalCount {AUDITED} }} }}' for name in ALL_OF_IT]
    + [f"{{ audit(last: 2) {{ totalCount {AUDITED} pageInfo {{ hasNextPage hasPreviousPage }} }} }}"],
    "search": [
        f'{{ search(input: {{text: "{text}"{rest}}}, first: {first}) {{ '
        f"edges {{ node {{ {OF} }} sources {{ id }} }} notices pageInfo {{ hasNextPage }} }} }}"
        for text, rest, first in (
            ("secret tea recipe", "", 20),
            ("tea", "", 2),
            ("tea in the cellar", ', kinds: ["Event"]', 20),
            ("what does Ada drink", ", where: {domain: {eq: USER}}", 20),
            ("the countess", "", 20),
            ("Zanzibar", "", 20),
        )
    ]
    + [
        f'{{ search(input: {{text: "secret tea recipe", {rest}}}, first: 20) {{ totalCount embedder '
        f"edges {{ {score} node {{ id }} explanation {{ parts {{ {SHARES} }} }} }} notices }} }}"
        for score, rest in (
            ("", "where: {tags: {isEmpty: false}}"),
            ("", 'near: ["%ada"], weights: {near: 2, words: 0.5}'),
            ("", 'near: ["%private-ada"]'),
            ("score", 'near: ["%ada"], weights: {near: 2, words: 0}'),
            ("score", 'near: ["%office"], within: 2, weights: {words: 0}, fuse: {how: LINEAR, normalize: ZSCORE}'),
            ("score", "fuse: {how: RRF, k: 10}"),
            ("", "fuse: {how: ZSUM}"),
            ("score", "fuse: {how: LINEAR, normalize: MINMAX}, weights: {meaning: 3, words: 0}"),
            ("", "where: {relations: {some: {other: {domain: {eq: AGENT}}}}}"),
        )
    ],
    "memql": memql(
        *READS,
        *SEARCHES,
        *(f"EXPLAIN {text}" for text in READS),
        *(f"EXPLAIN {stage} {text}" for stage in ("AST", "BOUND") for text in READS[:2]),
        *(f"PROFILE {text}" for text in (*READS, *SEARCHES)),
        "EXPLAIN MATCH (m {id: '%private-recipe'}) FORGET m",
        "EXPLAIN REMEMBER (m:Memory {text: 'new'})-[:ABOUT]->(e:Entity {name: 'Zanzibar'})",
    )
    + memql(*MISTAKES)
    + [
        f'{{ memql(query: """{text}""", {given}) {{ {ROWS} ... on MemqlResult {{ truncated }} }} }}'
        for text in READS[:3]
        for given in ("first: 3", 'first: 100, validAt: "2999-01-01T00:00:00Z"', 'asOf: {time: "2999-01-01T00:00:00Z"}')
    ],
    "memqlCheck": [
        '{ memqlCheck(text: "MATCH (m:Secret {zanzibar: 1}) RETURN m") { problems { code message hint } } }'
    ],
    "memqlComplete": [
        f'{{ memqlComplete(text: "{text}", offset: {len(text)}) {{ text kind detail }} }}'
        for text in ("MATCH (m:", "MATCH (m:Memory {", "MATCH (m)-[:", "MATCH (m:Memory) WHERE m.")
    ],
    "memqlWord": ['{ memqlWord(text: "MATCH (m:Paper) RETURN m", offset: 10) { title text } }'],
    "memqlDescribe": [
        f'{{ memqlDescribe(query: """{text}""") {{ {DESCRIBED} {REFUSED} }} }}'
        for text in (*READS, *SEARCHES, *MISTAKES)
    ],
    "memqlExplain": [
        f'{{ memqlExplain(query: """{text}""") {{ {PLANNED} {REFUSED} }} }}' for text in (*READS, *SEARCHES, *MISTAKES)
    ],
    "catalog": ["{ catalog { version open labels kinds { name properties { name type } } relations { name } } }"],
    "position": ["{ position }"],
    "me": ["{ me { principal kind owners tenant role scopes expiresAt } }"],
    "keys": ["{ keys { id name principal role } }"],
}

NEW = {"kind": "DERIVED_FROM", "target": "%private-recipe"}
Inputs = Sequence[Mapping[str, Any]]

MUTATIONS: Mapping[str, Inputs] = {
    "openStream": [{"name": "private"}, {"name": "chat"}, {"name": "x", "owner": "bob"}],
    "recordEvents": [
        {"stream": "%private-said", "events": [{"content": "into what is Bob's"}]},
        {"stream": "chat", "events": [{"content": "again", "externalKey": "e1"}]},
        {"stream": "chat", "events": [{"content": "so", "replyTo": "%private-said"}]},
        {"stream": "chat", "events": [{"content": "tea again", "externalKey": "e2"}]},
    ],
    "remember": [
        {"text": "a copy", "externalKey": "k1"},
        {"text": "from what is Bob's", "links": [NEW]},
        {"text": "as Bob", "owner": "bob", "externalKey": "k1"},
        {"text": "by key", "links": [{"kind": "DERIVED_FROM", "externalKey": "k1", "of": "Memory"}]},
    ],
    "deriveInsight": [{"text": "drawn from it", "links": [NEW]}, {"text": "tea is well liked"}],
    "setGoal": [{"title": "drink all the tea", "status": "OPEN"}],
    "addTask": [{"title": "help him", "partOf": "%private-goal"}, {"title": "help her", "partOf": "%goal"}],
    "nameEntity": [{"name": "Zanzibar"}, {"name": "Ada", "owner": "bob"}],
    "addItem": [{"kind": "Paper", "properties": {"title": "on tea"}}, {"kind": "Secret"}],
    "reviseItem": [
        {"id": "%private-recipe", "set": {"importance": 0.1}},
        {"id": "%private-recipe", "set": {"importance": 0.1}, "ifVersion": 1},
        {"id": "%private-gone", "set": {"importance": 0.1}},
        {"id": "%office", "set": {"importance": 0.1}},
    ],
    "supersedeItem": [{"id": "%private-recipe", "by": "%tea"}, {"id": "%team", "by": "%private-recipe"}],
    "retireItem": [{"id": "%private-recipe"}, {"id": "%private-gone"}],
    "relate": [
        {"source": "%tea", "kind": "ABOUT", "target": "%private-ada"},
        {"source": "%private-recipe", "kind": "ABOUT", "target": "%ada"},
        {"source": "%tea", "kind": "SUPPORTS", "target": "%office"},
    ],
    "reviseRelation": [
        {"id": "%private-about", "weight": 0.5},
        {"id": "%private-supports", "weight": 0.5},
        {"id": "%about", "weight": 0.5},
    ],
    "retireRelation": [{"id": "%private-about"}, {"id": "%mentions"}],
    "curate": [
        {"statement": "MATCH (m {id: '%private-recipe'}) FORGET m"},
        {"statement": "MATCH (m:Memory) WHERE m.text CONTAINS 'secret' CORRECT m SET m.text = 'told'"},
        {"statement": "REMEMBER (m:Memory {text: 'of Zanzibar'})-[:ABOUT]->(e:Entity {name: 'Zanzibar'}) RETURN m, e"},
        {"statement": "MATCH (m {id: '%office'})-[r:ABOUT]->(e) FORGET r"},
        {"statement": "MATCH (a {id: '%tea'}) REMEMBER (m:Memory {text: 'x'}) FROM '%private-recipe'"},
        {"statement": "REMEMBER (e:Entity {name: 'Ada', owner: 'bob'})"},
    ],
    "eraseItem": [{"id": "%private-recipe"}, {"id": "%private-gone"}, {"id": "%paper"}, {"id": "%team"}],
    "writeMany": [
        {"atomic": atomic, "inputs": inputs}
        for atomic in (False, True)
        for inputs in (
            [
                {"remember": {"text": "one of many"}},
                {"retireItem": {"id": "%private-recipe"}},
                {"relate": {"source": "%tea", "kind": "ABOUT", "target": "%private-ada"}},
                {"remember": {"text": "by his key", "externalKey": "k1"}},
            ],
            [{"addTask": {"title": "as Bob", "owner": "bob"}}],
            [{"reviseItem": {"id": "%private-recipe", "set": {"importance": 0.2}, "ifVersion": 9}}],
            [
                {"relate": {"source": "%tea", "kind": "EXTENDS", "target": "%team"}},
                {"nameEntity": {"name": "Zanzibar"}},
            ],
        )
    ],
    "declareKind": [{"name": "Secret"}],
    "declareRelationKind": [{"name": "HIDES"}],
    "declareProperty": [{"kind": "Memory", "name": "hidden", "type": "string"}],
    "declareLabel": [{"label": "Hidden"}],
    "setCatalog": [{"open": False}],
    "createKey": [{"name": "own", "principal": "bob"}],
    "rotateKey": [{"id": "aaaaaaaaaaaaaaaa"}],
    "revokeKey": [{"id": "aaaaaaaaaaaaaaaa"}],
}
"""Each is done by each role, in this order, in both tenants."""


SHOWN = {
    "curate": ROWS + " ... on MemqlResult { receipt { ids } }",
    "recordEvents": RECEIPT + f" ... on RecordEventsPayload {{ events {{ {ITEM} }} }}",
    "remember": RECEIPT + f" ... on RememberPayload {{ memory {{ {ITEM} }} }}",
    "reviseItem": RECEIPT + f" ... on ReviseItemPayload {{ item {{ {ITEM} }} }}",
    "writeMany": """__typename ... on WriteManyPayload { written refused results { __typename
        ... on Receipt { ids repeated } ... on WritePayload { nodes { id } }
        ... on Error { message problems { code message place hint } } } }
        ... on Error { message problems { code message place hint } }""",
    "relate": RECEIPT + " ... on RelatePayload { relation { id source { id } target { id } } }",
    **dict.fromkeys(
        ("createKey", "rotateKey", "revokeKey"), "__typename ... on Error { message problems { code message } }"
    ),
}
"""What is asked of the answers, where it is more than a receipt."""


BOUNDS = RequestLimits(cost=10_000_000, cost_per_minute=0)
"""Some rows are dearer than what one may usually ask."""


@pytest_asyncio.fixture(loop_scope="function")
async def both(serving: Callable[..., Any]) -> AsyncIterator[tuple[Twin, Twin]]:
    async with serving(model=WordHashes(), requests=BOUNDS) as opened:
        yield await twins(opened)


def roots(kind: str) -> set[str]:
    found = make_schema(RequestLimits())._schema.get_type(kind)
    return set(found.fields) if isinstance(found, GraphQLObjectType) else set()


@pytest.mark.parametrize(("kind", "rows"), [("Query", QUERIES), ("Mutation", MUTATIONS)])
def test_every_root_field_has_a_row_and_a_scope(kind: str, rows: Mapping[str, Any]) -> None:
    """The schema says which there are; each stands in the table of scopes, and in the matrix."""
    assert roots(kind) == rows.keys(), f"add a row for each field of {kind} here"
    assert roots(kind) == REQUIRED[kind].keys(), f"say in server/api/requirements.py what each field of {kind} needs"


@pytest.mark.parametrize("role", ["reader", "member", "curator"])
async def test_no_answer_tells_of_what_is_hidden(both: tuple[Twin, Twin], role: str) -> None:
    """Queries, counts, ranks, plans and refusals are those of a tenant in which it never was."""
    told: list[str] = []
    for field, documents in QUERIES.items():
        for document in documents:
            one, other = [twin.levelled(await twin.ask(role, document)) for twin in both]
            told += different(f"{field}: {document}", one, other)
            assert (
                REQUIRED["Query"][field] in ROLES[Role(role)] or one["errors"][0]["extensions"]["code"] == "FORBIDDEN"
            )
    for mutation, inputs in MUTATIONS.items():
        for input_ in inputs:
            shown = SHOWN.get(mutation, RECEIPT)
            one, other = [twin.levelled(await twin.do(role, mutation, input_, shown)) for twin in both]
            told += different(f"{mutation}: {input_}", one, other)
            for twin in both:
                await twin.settled()
            allowed = REQUIRED["Mutation"][mutation] in ROLES[Role(role)]
            assert allowed or one["errors"][0]["extensions"]["code"] == "FORBIDDEN", (mutation, one)
    for field, documents in QUERIES.items():
        for document in documents:
            one, other = [twin.levelled(await twin.ask(role, document)) for twin in both]
            told += different(f"afterwards {field}: {document}", one, other)
    assert not told, "\n".join(told)


def different(asked: str, one: Any, other: Any) -> list[str]:
    """What was asked, and where the answers part."""
    assert all(error["extensions"]["code"] != "GRAPHQL_INVALID" for error in one.get("errors", ())), (asked, one)
    before, after = (pformat(each, width=120, sort_dicts=False).splitlines() for each in (one, other))
    told = [line for line in unified_diff(before, after, WITH, WITHOUT, n=0, lineterm="") if not line.startswith("@@")]
    return [f"{asked}\n" + "\n".join(told)] if told else []


async def test_an_administrator_sees_it(both: tuple[Twin, Twin]) -> None:
    """So that the two do differ, and what is compared above are answers: each field that shows items shows more."""
    same = []
    for field, documents in QUERIES.items():
        answers = [[await twin.ask("admin", document) for document in documents] for twin in both]
        for document, answer in zip(documents, answers[0], strict=True):
            data = answer.get("data") or {}
            refused = "errors" in answer or (data.get("memql") or {}).get("__typename", "MemqlResult") != "MemqlResult"
            assert not refused or "stream:" in document or any(each in document for each in MISTAKES), answer
        if both[0].levelled(answers[0]) == both[1].levelled(answers[1]):
            same.append(field)
    assert set(same) == {"memqlCheck", "memqlComplete", "memqlWord", "catalog", "position", "me"}


async def test_pages_and_the_past_tell_nothing_either(both: tuple[Twin, Twin]) -> None:
    """As many pages with the same on each, and the same at each position at which something seen was written."""
    paged = []
    for twin in both:
        pages: list[Any] = []
        for way, more, edge in (("first: 2, after", "hasNextPage", "endCursor"),
                                ("last: 2, before", "hasPreviousPage", "startCursor")):  # fmt: skip
            cursor, order = "null", "orderBy: [{field: OWNER}, {field: TEXT, direction: DESC}]"
            while cursor:
                shown = f"edges {{ cursor node {{ {OF} }} }} pageInfo {{ {more} {edge} }}"
                document = f"{{ items({way}: {cursor}, {order}) {{ {shown} }} }}"
                found = (await twin.ask("reader", document))["data"]["items"]
                cursor = f'"{found["pageInfo"][edge]}"' if found["pageInfo"][more] else ""
                pages.append(found)
        paged.append(twin.levelled(pages))
    assert len(paged[0]) > 4
    assert paged[0] == paged[1]
    for name in both[1].positions:
        past = []
        for twin in both:
            document = f"{{ items(first: 99, asOf: {{position: {twin.positions[name]}}}) {{ nodes {{ {OF} }} }} }}"
            past.append(twin.levelled(await twin.ask("reader", document)))
        assert past[0] == past[1], name


async def test_what_is_made_of_events_tells_nothing(serving: Callable[..., Any]) -> None:
    """Memories, links and mentions that come by themselves are made of what belongs together, and of nothing hidden."""
    async with serving(model=WordHashes(), consolidate=True, requests=BOUNDS) as opened:
        made = await twins(opened, consolidated=True)
        answers = []
        for twin in made:
            document = f"{{ items(first: 99) {{ nodes {{ {ITEM} }} }} }}"
            nodes = twin.levelled((await twin.ask("reader", document))["data"]["items"]["nodes"])
            answers.append(sorted(nodes, key=repr))
    assert sum(node["kind"] == "Memory" for node in answers[0]) == 6
    assert answers[0] == answers[1]


async def test_what_is_whose(both: tuple[Twin, Twin]) -> None:
    """The organization's is everybody's; an agent's and a user's is its owner's and theirs who act for them."""
    document = "{ items(first: 100) { nodes { owner domain } } }"
    seen = {}
    for who in ("alice", "bob", "admin"):
        items = (await both[0].ask(who, document))["data"]["items"]["nodes"]
        seen[who] = {(item["owner"], item["domain"]) for item in items}
    shared = {("bob", "ORGANIZATION")}
    assert seen["alice"] == shared | {("alice", "USER"), ("team", "AGENT")}
    assert seen["bob"] == shared | {("bob", "USER"), ("bob", "AGENT")}
    assert seen["admin"] == seen["alice"] | seen["bob"]


async def test_no_key_opens_another_tenant(both: tuple[Twin, Twin]) -> None:
    """Not by the header either, and whatever the role."""
    for who in ("reader", "admin"):
        headers = {"authorization": f"Bearer {both[0].keys[who]}", "x-memql-tenant": both[1].tenant}
        answer = await both[0].http.post("/graphql", json={"query": "{ position }"}, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (403, "WRONG_TENANT")
    assert both[0].tenant == WITH
