"""What the scanner graphql-cop looks for, as a test: its package is not published, so its checks are made here.

Each is named as the scanner names it, and finds nothing: on a server as it is set up by default, asked by who may read.
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.server.test_limits import READER, asking


@pytest.fixture
async def client(caller: Any) -> AsyncIterator[httpx.AsyncClient]:
    await caller.do("remember", text="x", domain="ORGANIZATION")
    async with asking(caller, READER) as client:
        yield client


async def ask(client: httpx.AsyncClient, query: str) -> Any:
    return (await client.post("/graphql", json={"query": query})).json()


async def test_alias_overloading(client: httpx.AsyncClient) -> None:
    """Alias Overloading: over a hundred aliases are not answered."""
    assert "data" not in await ask(client, "{" + " ".join(f"alias{n}: __typename" for n in range(101)) + "}")


async def test_batch_queries(client: httpx.AsyncClient) -> None:
    """Array-based Query Batching: an array of operations is not answered."""
    answer = await client.post("/graphql", json=[{"query": "{ __typename }"}] * 10)
    assert answer.status_code == 400
    assert "data" not in answer.text


async def test_circular_fragment(client: httpx.AsyncClient) -> None:
    """Circular Fragment: fragments within themselves are refused, and whatever they are asked of."""
    for on, field in (("__Schema", "__schema"), ("MemoryConnection", "memories")):
        fragments = f"fragment A on {on} {{ __typename ...B }} fragment B on {on} {{ ...A }}"
        assert "data" not in await ask(client, f"{{ {field} {{ ...A }} }} {fragments}")


async def test_circular_query_introspection(client: httpx.AsyncClient, caller: Any) -> None:
    """Introspection-based Circular Query: fields of types of fields are not answered, not even to administrators."""
    deep = "name"
    for _ in range(4):
        deep = f"fields {{ type {{ {deep} }} }}"
    query = f"{{ __schema {{ types {{ {deep} }} }} }}"
    assert "data" not in await ask(client, query)
    assert "data" not in await ask(caller.http, query)


async def test_directive_overloading(client: httpx.AsyncClient) -> None:
    """Directive Overloading: many of them are refused, by one error and not by one each."""
    answer = await ask(client, "{ __typename " + "@aa" * 10 + " }")
    assert [error["message"] for error in answer["errors"]] == ["Unknown directive '@aa'."]
    (error,) = (await ask(client, "{ __typename " + "@aa" * 60 + " }"))["errors"]
    assert "`requests.directives`" in error["message"]


async def test_field_duplication(client: httpx.AsyncClient) -> None:
    """Field Duplication: the same field five hundred times is not answered."""
    assert "data" not in await ask(client, "{" + "__typename " * 500 + "}")


async def test_introspection(client: httpx.AsyncClient) -> None:
    """Introspection: the schema is not told."""
    assert "data" not in await ask(client, "{ __schema { types { name fields { name } } } }")


async def test_field_suggestions(client: httpx.AsyncClient) -> None:
    """Field Suggestions: near names are not told."""
    for query in ("{ __schem { directive } }", "{ memorie { id } }", "{ node(i: 1) { id } }"):
        assert "Did you mean" not in (await client.post("/graphql", json={"query": query})).text


async def test_get_method_support(client: httpx.AsyncClient) -> None:
    """GET Method Query Support: what a link says is not executed."""
    assert "data" not in (await client.get("/graphql", params={"query": "{ __typename }"})).json()


async def test_get_based_mutation(client: httpx.AsyncClient) -> None:
    """Mutation is allowed over GET (possible CSRF): it is not."""
    assert "data" not in (await client.get("/graphql", params={"query": "mutation { __typename }"})).json()


async def test_post_based_csrf(client: httpx.AsyncClient) -> None:
    """POST based url-encoded query (possible CSRF): neither in the URL nor in a form, nor as plain text."""
    query = "{ __typename }"
    for answer in (
        await client.post("/graphql", params={"query": query}),
        await client.post("/graphql", data={"query": query}),
        await client.post("/graphql", content='{"query": "{ __typename }"}', headers={"content-type": "text/plain"}),
    ):
        assert answer.status_code == 400
        assert "data" not in answer.json()


async def test_graphiql(caller: Any) -> None:
    """GraphQL IDE: there is none anywhere."""
    for path in ("/graphiql", "/playground", "/console", "/graphql"):
        answer = await caller.http.get(path, headers={"accept": "text/html"})
        assert answer.status_code in (404, 405)
        assert "graphiql" not in answer.text.lower()


async def test_trace_mode(client: httpx.AsyncClient) -> None:
    """Trace Mode: an answer says nothing beside its data."""
    assert (await ask(client, "{ __typename }")).keys() == {"data"}


async def test_unhandled_error(client: httpx.AsyncClient) -> None:
    """Unhandled Errors Detection: no exception is told."""
    for query in ("qwerty cop { abc }", "{ abc }", "query ($x: Y) { abc }"):
        for error in (await ask(client, query))["errors"]:
            assert error["extensions"].keys() == {"code", "requestId"}
