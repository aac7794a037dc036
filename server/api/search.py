"""The field `search`: what fits a question best, why each hit stands where it does, and where it comes from."""

import math
import zlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import islice
from typing import Annotated, Any, TypeAlias

import numpy as np
import strawberry
from strawberry import Info, Private

from engine import identities
from engine.rank import ZSUM, Fusion, Ranking
from engine.search import Searches, Way
from engine.search.nearness import WITHIN
from memql.errors import invalid, over_limit
from server.api import cursors
from server.api.answers import Answer
from server.api.arguments import AS_OF, AT_LEAST, CONSOLIDATED, VALID_AT, AsOf, paging_of, when
from server.api.conditions import ItemFilter
from server.api.context import Context
from server.api.cost import Cost
from server.api.cursors import Cursor
from server.api.filters import WHERE, kept
from server.api.pages import Paging, Taken, page_info
from server.api.reading import of_object_alone
from server.api.selection import Path, Want, inside, wanted
from server.api.types import After, Event, Item, Moment, PageInfo, Position, gathered, member, said

Told: TypeAlias = Info[Context, Any]

KINDS = ("Memory", "Insight", "Goal", "Task")
"""What is searched unless something else is named: what was made of events, not the events, which say the same."""

_NOTHING = Ranking(np.empty(0, np.int64), np.empty(0), ())


@strawberry.enum(description="How the scores of several ways become one.")
class FusionWay(Enum):
    ZSUM = member("zsum", "As z-scores, which are added; words and meaning of one text then ask one question.")
    RRF = member("rrf", "By rank alone: 1 / (k + rank), which are added.")
    LINEAR = member("linear", "Brought to one scale as `normalize` says, and added.")


@strawberry.enum(description="How raw scores are brought to one scale.")
class Normalization(Enum):
    MINMAX = member("minmax", "Between the least and the greatest of them.")
    ZSCORE = member("zscore", "As standard deviations above their mean.")
    NONE = member("none", "Not at all: as they are.")


@strawberry.input(
    description="How the lists of several ways are fused, with nothing else counted: neither what stands around a hit "
    "in its stream, nor names, nor dates."
)
class SearchFusion:
    how: FusionWay = said("How.")
    k: float = strawberry.field(default=60.0, description="Of RRF: the greater, the less the first ranks count for.")
    normalize: Normalization = strawberry.field(default=Normalization.MINMAX, description="Of LINEAR: the scale.")


@strawberry.input(
    description="What each way counts for: finite, not negative; a way of weight 0 finds nothing. Where words and "
    "meaning ask one question, only whether they are 0 counts: their signals have weights of their own."
)
class SearchWeights:
    words: float = strawberry.field(default=1.0, description="The words of the text.")
    meaning: float = strawberry.field(default=1.0, description="What the text means.")
    near: float = strawberry.field(default=1.0, description="Nearness in the graph to `near`.")


@strawberry.input(description="What to search for, and how.")
class SearchInput:
    text: str = said("Words, a question or a whole passage; any of its words may match, and what is near in meaning.")
    kinds: list[str] | None = strawberry.field(
        default=None, description=f"Only items of these kinds; absent: {', '.join(KINDS[:-1])} and {KINDS[-1]}."
    )
    near: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="Items near which it should be: joined to one of them by few and strong relations. A way of its "
        "own beside words and meaning.",
    )
    within: int = strawberry.field(default=WITHIN, description="How many relations away is near, from 1 on.")
    weights: SearchWeights | None = strawberry.field(default=None, description="What each way counts for.")
    fuse: SearchFusion | None = strawberry.field(
        default=None, description="How the ways are fused; absent: ZSUM, with all that makes a question of them."
    )
    where: ItemFilter | None = strawberry.field(
        default=None, description=f"{WHERE} It is asked before the search, which ranks what is left."
    )
    as_of: AsOf | None = strawberry.field(default=None, description=AS_OF)
    valid_at: Moment | None = strawberry.field(default=None, description=VALID_AT)
    at_least: Position | None = strawberry.field(default=None, description=AT_LEAST)
    consolidated: bool = strawberry.field(default=False, description=CONSOLIDATED)


@strawberry.type(description="What one signal had to say of a hit.")
class ScorePart:
    signal: str = said("What was compared, such as words or meaning; or what gave a boost, such as a date that fits.")
    raw: float = said("The signal's own score: BM25 for words, a cosine for meaning, 0 to 1 for a boost.")
    rank: int | None = said("The hit's rank by this signal alone, from 1 on; null where it does not match.")
    weight: float = said("What the normalised score counts for.")
    normalized: float = said("Standard deviations above the mean of all candidates; of a boost the score itself.")
    share: float = said("What the signal gave to the hit's score: weight times normalised score.")


@strawberry.type(description="Why a hit has its score: the shares of the parts add up to it.")
class Explanation:
    parts: list[ScorePart] = said("Every signal of this search, in the same order for every hit.")


@of_object_alone
def _explained(root: Any) -> Explanation:
    ranking, n = root.place
    return Explanation(
        parts=[
            ScorePart(
                signal=part.name,
                raw=float(part.raw[n]),
                rank=int(part.rank[n]) or None,
                weight=part.weight,
                normalized=float(part.z[n]),
                share=float(part.share[n]),
            )
            for part in ranking.parts
        ]
    )


@strawberry.type(description="One item that a search found.")
class SearchEdge:
    cursor: str = said("This row's cursor.")
    score: float = said("How well it fits; to be compared within one answer only.")
    node: Item = said("The item, in the version that was found.")
    beside: Private[Mapping[Path, Any]]
    place: Private[tuple[Ranking, int]]
    sources: list[Event] = strawberry.field(
        resolver=gathered,
        description="The events that it was, in the end, derived from; for an event, the event itself.",
        directives=[Cost(weight=3, assumed=5)],
    )
    explanation: Explanation = strawberry.field(resolver=_explained, description="Why it has its score.")


@strawberry.type(description="What a search found, the best first: as far as the best by each signal go.")
class SearchConnection:
    edges: list[SearchEdge] = said("The rows.")
    nodes: list[Item] = said("The items alone.")
    page_info: PageInfo = said("Where the page ends.")
    total_count: int = said("How many hits there are on all pages.")
    position: Position = said("The position that was read; the pages behind this one are read at the same.")
    embedder: str = said("The model that took part; `none`: found by words alone.")
    notices: list[str] = said("What did not go as one might expect, such as that no model took part.")


Search = Annotated[SearchInput, strawberry.argument(name="input", description="What to search for, and how.")]
First = Annotated[int, strawberry.argument(description="How many at most; `limits.read_rows` bounds it.")]


async def find(info: Told, input_: Search, first: First = 10, after: After = None) -> Any:
    """What fits best, with all that is asked for beneath it, in one read."""
    wants, cursor = wanted(info._raw_info), paging_of(first, None, after, None).after

    def ask(answer: Answer) -> SearchConnection:
        return found(answer, info.context, input_, first, cursor, wants)

    at = when(input_.as_of, input_.valid_at, input_.at_least, input_.consolidated, cursor)
    return await info.context.read(ask, at, needs=("texts", "vectors"))


def found(
    answer: Answer, context: Context, input_: SearchInput, first: int, after: Cursor | None, wants: Sequence[Want]
) -> SearchConnection:
    """A page of what fits best, by all that the answer's reader can search by."""
    how = repr((input_.near, input_.within, input_.weights, input_.fuse, answer.reader.embedder is None))
    kinds = tuple(input_.kinds or KINDS)
    asked = (input_.text, kinds, repr(input_.where), repr(input_.as_of), input_.valid_at, how)
    answer.needs(Paging(first).wrong(first, answer.reader.limits.read_rows, 0), None)
    ranking, start = _ranked(answer, context, input_, asked, after)
    return _page(answer, ranking, start, first, zlib.crc32(repr(asked).encode()), after is not None, wants)


def _ranked(
    answer: Answer, context: Context, input_: SearchInput, asked: Hashable, after: Cursor | None
) -> tuple[Ranking, int]:
    """The candidates, best first, and the place among them where the page begins."""
    reader = answer.reader
    kinds = answer.known_kinds(input_.kinds) or KINDS
    if len(input_.text) > (most := reader.limits.text_characters):
        answer.needs(over_limit("text_characters", most, len(input_.text), "text"), None)
    if after and after.asked != zlib.crc32(repr(asked).encode()):
        answer.needs(cursors.bad(), None)
    if answer.refusal:
        return _NOTHING, 0
    name = (*context.reading, reader.position, asked)
    ranking = context.rankings.get(name) if after else None
    if ranking is None:
        keep = kept(answer, kinds, input_.where, reader.scope.of_kind(*kinds))
        if answer.refusal:
            return _NOTHING, 0
        ways, fusion = _ways(answer, input_)
        if answer.refusal:
            return _NOTHING, 0
        ranking = answer.needs(Searches(reader).search(ways, keep, fusion=fusion), _NOTHING)
        if answer.refusal is None:
            context.rankings.keep(name, ranking)
    if after is None:
        return ranking, 0
    (places,) = np.nonzero(ranking.denses == after.row)
    return ranking, int(places[0]) + 1 if len(places) else after.place


def _ways(answer: Answer, input_: SearchInput) -> tuple[list[Way], Fusion]:
    """The ways that are asked for, those that count for nothing left out, and how they are fused."""
    weights = input_.weights or SearchWeights()
    for name in ("words", "meaning", "near"):
        if not 0 <= getattr(weights, name) < math.inf:
            refusal = invalid("INVALID_VALUE", "a weight is finite and not negative", f"weights.{name}", "0 or more")
            answer.needs(refusal, None)
    most = answer.reader.limits.near_hops
    if not 1 <= input_.within <= most:
        refusal = invalid("INVALID_VALUE", f"near is from 1 to {most} relations away", "within", "`limits.near_hops`")
        answer.needs(refusal, None)
    ways = [Way("words", input_.text, weights.words), Way("meaning", input_.text, weights.meaning)]
    if input_.near is not None:
        roots = np.array([state.root for state in identities.items(answer.reader, input_.near).values()], np.int64)
        ways.append(Way("graph", roots, weights.near, within=input_.within))
    fuse = input_.fuse
    fusion = ZSUM if fuse is None else Fusion(fuse.how.value, fuse.k, fuse.normalize.value)
    if not math.isfinite(fusion.k) or fusion.k < 0:
        answer.needs(invalid("INVALID_VALUE", "`k` is finite and not negative", "fuse.k", "60"), None)
    return [way for way in ways if way.weight > 0], fusion


def _page(
    answer: Answer, ranking: Ranking, start: int, first: int, asked: int, after: bool, wants: Sequence[Want]
) -> SearchConnection:
    ahead = [] if answer.refusal else list(islice(_shown(answer, ranking, start), first + 1))
    places, reader, edge_wants = ahead[:first], answer.reader, inside(wants, "edges")
    states = reader.items(ranking.denses[places].tolist())
    items = answer.items(states, [*inside(edge_wants, "node"), *inside(wants, "nodes")])
    besides: list[dict[Path, Any]] = [{} for _ in states]
    for want in (want for want in edge_wants if want.name == "sources"):
        found = answer.sources(states, want.inner)
        for beside, state in zip(besides, states, strict=True):
            beside[want.path] = found(state)
    more = len(ahead) > first
    edges = [
        SearchEdge(
            cursor=str(Cursor(reader.position, state.dense, n + 1, asked)),
            score=float(ranking.totals[n]),
            node=item,
            beside=beside,
            place=(ranking, n),
        )
        for n, state, item, beside in zip(places, states, items, besides, strict=True)
    ]
    return SearchConnection(
        edges=edges,
        nodes=items,
        page_info=page_info([edge.cursor for edge in edges], Taken(ranking.denses[places], start, after, more)),
        total_count=0 if answer.refusal else sum(1 for _ in _shown(answer, ranking, 0)),
        position=Position(reader.position),
        embedder=ranking.embedder,
        notices=list(ranking.notices),
    )


def _shown(answer: Answer, ranking: Ranking, start: int) -> Iterator[int]:
    """The places from there on, but those of what was erased since it was ranked."""
    erased = answer.reader.scope.columns.erased
    return (n for n in range(start, len(ranking.denses)) if int(ranking.denses[n]) not in erased)
