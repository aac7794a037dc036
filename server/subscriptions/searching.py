"""A search as it ranks: what words alone give at once, and then the ranking with all that it can be searched by."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

from strawberry import Info

from engine.tenant import Store
from memql.errors import Refusal
from server.answers import Answer
from server.arguments import when
from server.context import Refused
from server.refusals import refused
from server.search import SearchConnection, SearchInput, found
from server.selection import inside, wanted
from server.streams import Streamed
from server.subscriptions.messages import SearchResults


async def search_twice(info: Info[Streamed, Any], input_: SearchInput, first: int) -> AsyncGenerator[Any, None]:
    """One message where there is no model, else two; the last is what `search` answers."""
    stream, wants = info.context, inside(wanted(info._raw_info), "results")
    tenant = await stream.tenant()
    if isinstance(tenant, Refusal):
        yield refused(tenant)
        return

    def by_words(answer: Answer) -> SearchConnection:
        answer.reader = replace(answer.reader, embedder=None)
        return found(answer, stream, input_, first, None, wants)

    def by_all(answer: Answer) -> SearchConnection:
        return found(answer, stream, input_, first, None, wants)

    at = when(input_.as_of, input_.valid_at, input_.at_least, input_.consolidated)
    ways: tuple[tuple[Any, tuple[Store, ...]], ...] = ((by_all, ("texts", "vectors")),)
    if tenant.embedder is not None:
        ways = ((by_words, ("texts",)), *ways)
    try:
        for ask, needs in ways:
            results = await stream.read(ask, at, needs=needs)
            yield SearchResults(results=results, complete=ask is by_all)
            # What follows is no older than what was shown.
            at = replace(at, at_least=max(at.at_least, results.position))
    except Refused as error:
        yield refused(error.refusal)
