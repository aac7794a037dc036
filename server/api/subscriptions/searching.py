"""A search as it ranks: what words alone give at once, and then the ranking with all that it can be searched by."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any

from strawberry import Info

from memql.errors import Refusal
from server.api.answers import Answer
from server.api.arguments import when
from server.api.context import Refused
from server.api.refusals import refused
from server.api.search import SearchConnection, SearchInput, found
from server.api.selection import inside, wanted
from server.api.streams import Streamed
from server.api.subscriptions.messages import SearchResults


@dataclass(frozen=True, slots=True)
class Searching:
    """A search, told twice. Nothing goes on behind it."""

    info: Info[Streamed, Any]
    input: SearchInput
    first: int

    async def opening(self, stream: Streamed, after: str | None) -> AsyncGenerator[Any, None]:
        """One message where there is no model, else two; the last is what `search` answers."""
        wants, input_ = inside(wanted(self.info._raw_info), "results"), self.input
        tenant = await stream.opened()
        if isinstance(tenant, Refusal):
            yield refused(tenant)
            return

        def by_words(answer: Answer) -> SearchConnection:
            answer.reader = replace(answer.reader, embedder=None)
            return found(answer, stream, input_, self.first, None, wants)

        def by_all(answer: Answer) -> SearchConnection:
            return found(answer, stream, input_, self.first, None, wants)

        at = when(input_.as_of, input_.valid_at, input_.at_least, input_.consolidated)
        try:
            if tenant.embedder is not None:
                results = await stream.read(by_words, at, needs=("texts",))
                yield SearchResults(results=results, complete=False)
                # What follows is no older than what was shown.
                at = replace(at, at_least=max(at.at_least, results.position))
            results = await stream.read(by_all, at, needs=("texts", "vectors"))
            yield SearchResults(results=results, complete=True)
        except Refused as error:
            yield refused(error.refusal)

    def onward(self, stream: Streamed) -> AsyncGenerator[Any, None]:
        raise AssertionError("nobody listens to a search")
