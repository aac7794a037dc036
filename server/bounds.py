"""The bounds on what one request may ask of the server, each with its name and why it is there."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class RequestLimits(BaseModel):
    """Bounds on what one request may ask of the server, whatever the tenant would allow."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    body_bytes: int = Field(16_777_216, ge=1_024)
    """Largest body: as much as one group commit takes."""
    depth: int = Field(15, ge=1)
    """Fields within fields of one document: each level of relations may multiply the rows."""
    tokens: int = Field(4_000, ge=1)
    """Words and signs of one document: what is long belongs in its variables."""
    aliases: int = Field(100, ge=0)
    """Fields that one document asks for under other names: the cheapest way to ask for the same thing often."""
    directives: int = Field(50, ge=0)
    """Directives of one operation: each is looked up and heeded wherever it stands."""
    root_fields: int = Field(50, ge=1)
    """Fields of Query or Mutation that one operation asks for: each is a read or a write of its own."""
    selections: int = Field(200, ge=1)
    """Fields and fragments of one selection: each is compared with each other before anything is done."""
    document_characters: int = Field(100_000, ge=100)
    """Characters of one document: tokens alone say little where one of them is a long text or a comment."""
    kept_characters: int = Field(2_000_000, ge=0)
    """Characters of documents that are kept parsed and validated; each takes some hundred bytes so."""
    variable_depth: int = Field(60, ge=1)
    """Maps and lists within each other in the variables: what is read by functions that call themselves."""
    variable_values: int = Field(1_000_000, ge=1)
    """Values in the variables of one operation: as many as the vectors of the largest body have."""
    cost: int = Field(100_000, ge=1)
    """Most that one operation may cost: ten times `rows`, since few lists are as long as they may be. What fields cost
    stands in the schema, by `@cost`."""
    cost_per_minute: int = Field(3_000_000, ge=0)
    """Cost of all operations that one principal may ask for in a minute, some thirty of the dearest; 0: no bound."""
    limit_local: bool = False
    """Whether `cost_per_minute` holds for callers of this machine too, while nobody has to log in: there it would stop
    nobody but the person who runs it."""
    deadline_ms: int = Field(30_000, ge=1)
    """Longest that one operation that reads may take, with all its fields: three times what one read may. What writes
    is never cut short."""
    introspection: Literal["everyone", "administrators", "nobody"] = "administrators"
    """Who may ask GraphQL for its schema, and is told what names a wrong one is near to: clients are generated from
    `schema.graphql` and need neither, and an answer about the whole schema is a large one."""
    documents: Path | None = None
    """Manifest of trusted documents, or a directory of such: they may be asked for by `documentId`, and by GET."""
    documents_only: bool = False
    """Whether nothing but trusted documents may be asked, as on the open internet; administrators may ask anything."""
    rows: int = Field(10_000, ge=1)
    """Items and relations that one field of Query may show with all that is nested in it."""
    conditions: int = Field(1_000, ge=0)
    """Comparisons of one filter, each value of a list counted: all are made for every item that comes into question."""
    page: int = Field(20, ge=1)
    """Rows of a page that asks for no number: what fits on a screen."""
    orders: int = Field(8, ge=1)
    """Things that one page may be sorted by: each is a column of all that the filter lets through."""
    groups: int = Field(1_000, ge=1)
    """Groups that one `groups` may show; the largest come first."""
    group_keys: int = Field(4, ge=1)
    """Things that one `groups` may be grouped by."""
    writes: int = Field(1_000, ge=1)
    """Writes of one `writeMany`: they are decided one after the other while others wait."""
    rankings: int = Field(128, ge=0)
    """Rankings of searches that are kept for their further pages; one takes some 50 kB."""
    compiled: int = Field(128, ge=1)
    """Operations whose selections are kept compiled: as many as documents are kept parsed; one takes some 20 kB."""
    threads: int = Field(64, ge=2)
    """Reads that work, or wait for a position, at once; further ones take their turn."""
    frame_bytes: int = Field(1_048_576, ge=1_024)
    """Largest message that a client may send over a WebSocket: what is longer is better sent as a body."""
    connections: int = Field(5_000, ge=1)
    """WebSockets at once: each takes some 30 kB and a file, also when nothing goes on over it."""
    connection_init_seconds: float = Field(10, gt=0)
    """How long a WebSocket may take to say who it is: until then it holds a connection for nothing."""
    keepalive_seconds: float = Field(15, gt=0)
    """Silence after which a subscriber is pinged, so that nothing on the way takes the connection for dead; one that
    does not answer as long again is."""
    recheck_seconds: float = Field(2, gt=0)
    """How often is asked whether the keys of those who are connected are still good: so much later at the latest a
    WebSocket or stream of events of a key that was revoked ends. One look is one query for all of them."""
    waiting_messages: int = Field(64, ge=1)
    """Messages that wait for one subscriber; who is further behind is told where to resume."""
    subscriptions: int = Field(10_000, ge=1)
    """Subscriptions in all, and whatever else is being answered over streams: each takes some 50 kB."""
    subscriptions_per_principal: int = Field(1_000, ge=1)
    """Those of one principal: nobody takes the place of others."""
    subscriptions_per_connection: int = Field(100, ge=1)
    """Those of one WebSocket: who needs more opens another."""
