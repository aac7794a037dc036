"""Every limit of the engine: its name, its default and the reason for it. Meeting one is an answer, not an accident."""

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """Bounds on what one tenant, one command or one read may use."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    # What a command may carry
    text_characters: int = Field(100_000, ge=1)
    """Longest text of one property: a long document; longer ones are better cut where they are written."""
    name_characters: int = Field(200, ge=1)
    """Longest name, key, role, tag or label: they are shown in lists and kept in indexes."""
    properties_bytes: int = Field(262_144, ge=1)
    """All properties of one item as JSON: a row is read whole for every answer that shows it."""
    list_members: int = Field(1_000, ge=1)
    """Longest list in one property: lists are read and compared whole."""
    events_per_command: int = Field(1_000, ge=1)
    """Events in one command: one command is one record, and is written whole or not at all."""
    relations_per_command: int = Field(1_000, ge=1)
    """Relations given with one new item: they are part of the same record."""
    state_per_command: int = Field(10_000, ge=1)
    """Items in one batch of state: such batches are folded as one record."""
    embedding_width: int = Field(8_192, ge=1)
    """Widest vector: four times what the widest models in use give."""

    # What a tenant may hold
    kinds: int = Field(200, ge=1)
    """Kinds, labels and relation kinds of a tenant's own: each is in every compiled query's catalog."""
    properties_per_kind: int = Field(200, ge=1)
    """Declared properties of one kind: each is a column of the graph store."""
    dependency_steps: int = Field(10_000, ge=1)
    """Items visited to see that a new relation closes no cycle."""

    # The committer
    waiting_commands: int = Field(10_000, ge=1)
    """Commands that wait for the committer; more are refused, so that memory stays bounded."""
    group_commands: int = Field(1_000, ge=1)
    """Commands in one group commit: bounds how long the first of them waits."""
    group_bytes: int = Field(16_777_216, ge=1)
    """Payload bytes in one group commit, for the same reason."""

    # Projections
    text_commit_ms: int = Field(250, ge=0)
    """Longest that the text index gathers documents before it commits them: a commit costs some 7 ms."""
    text_commit_documents: int = Field(50_000, ge=1)
    """Documents that make the text index commit at once: each commit costs as much as indexing a thousand."""
    graph_gather_ms: int = Field(250, ge=0)
    """Longest that the graph store gathers before it writes: one relation alone costs 0.5 ms, one of many 5 µs."""
    apply_records: int = Field(2_000, ge=1)
    """Records a projection applies in one step: bounds its memory, and how long one step holds a store."""
    seal_records: int = Field(20_000, ge=1)
    """Records after which a store is sealed again: what a crash makes it apply anew."""
    vector_memory: int = Field(268_435_456, ge=0)
    """Bytes of vectors that one tenant keeps in memory for exact search; beyond it an index on disk answers."""
    property_memory: int = Field(134_217_728, ge=0)
    """Bytes of items' properties that one tenant keeps in memory for conditions over all of them; beyond it the one
    unused for longest is let go, and items are read."""
    graph_buffer: int = Field(268_435_456, ge=67_108_864)
    """Bytes of the graph store's page cache for one tenant; below 64 MiB its joins fail."""
    graph_versions: int = Field(67_108_864, ge=0)
    """Bytes that the graph store keeps of what was revised since its last checkpoint, which takes some 30 ms: a single
    revision costs 300 KB until then, and a thousand that lie apart cost 300 MB."""
    graph_size: int = Field(68_719_476_736, ge=1_073_741_824)
    """Address space kept for one tenant's graph; costs no memory, but its default fails at the sixteenth tenant."""

    # Consolidation
    consolidation_events: int = Field(128, ge=1)
    """Events made into memories at once: bounds what a crash makes it look at again, and how long stopping takes."""
    consolidation_gather_ms: int = Field(50, ge=0)
    """Longest that a new event waits for others before it is looked at: a commit for each would slow writers down."""
    similar_relations: int = Field(8, ge=0)
    """SIMILAR_TO relations of a new memory with earlier ones: the nearest; more would say less."""
    mentions_per_memory: int = Field(16, ge=0)
    """MENTIONS relations of a new memory, and entities made for it: what names more is a list, not a statement."""

    # Tenants
    open_tenants: int = Field(64, ge=1)
    """Tenants open at once; the one unused for longest is closed for the next."""

    # Reads
    read_rows: int = Field(1_000, ge=1)
    """Rows of one answer; there are pages for more."""
    read_ms: int = Field(10_000, ge=1)
    """Longest that one read works before it is stopped."""
    wait_ms: int = Field(5_000, ge=0)
    """Longest that `at_least` waits for a position to be shown."""
    expand_relations: int = Field(5_000_000, ge=1)
    """Relations that one expansion may pass: what two hops through a hub can cost."""

    # Queries in MemQL
    query_rows: int = Field(10_000, ge=1)
    """Rows of one answer to a query: what a person or an agent can use; LIMIT and SKIP page through more."""
    query_steps: int = Field(5_000_000, ge=1)
    """Rows that all scans, expansions and unwindings of one query may make: some seconds of work."""
    query_characters_held: int = Field(200_000_000, ge=1)
    """Characters of texts, and members of lists, in the values that one query holds to sort or group: rows alone say
    little where each has a long text."""
    query_rows_held: int = Field(1_000_000, ge=1)
    """Rows that one query may hold at once to sort, group or tell apart: some hundred megabytes."""
    live_queries: int = Field(1_000, ge=1)
    """Subscriptions to live queries of one tenant: each different one is asked again when what it reads changes."""
    live_rows: int = Field(2_000, ge=1)
    """Rows of a live query: they are kept in memory, compared at each change, and shown to somebody."""
    live_deltas: int = Field(64, ge=1)
    """Deltas that wait for one subscriber; who is further behind is told where to resume."""
    live_gather_ms: int = Field(200, ge=0)
    """Least time between two answers of a live query: what is shown to people need not be faster."""
    live_resume: int = Field(50_000, ge=0)
    """Records since a cursor, up to which a live query is resumed by what has changed; beyond, by all its rows."""
    query_path_relations: int = Field(5_000_000, ge=1)
    """Relations in all paths that one pattern may hold at once: some hundred megabytes."""
    search_rows: int = Field(1_000, ge=1)
    """Most that the LIMIT of one SEARCH may ask for: each candidate is scored by every signal."""
    near_hops: int = Field(6, ge=1)
    """Most hops that WITHIN may ask for: six lead from nearly everything to nearly everything."""
    search_texts: int = Field(1_000, ge=1)
    """Different texts that one query may have embedded: some seven seconds of a model on this machine."""
    named_words: int = Field(5_000_000, ge=1)
    """Words of named properties that one tenant keeps in memory, once they are searched: some hundred megabytes."""

    # What statements of MemQL write
    curated_rows: int = Field(1_000, ge=1)
    """Rows of the reading part of a statement that writes: a slip in a pattern should not retire a tenant's memory."""
    curated_steps: int = Field(10_000, ge=1)
    """Items and relations that one statement records, changes or retires: one record, decided while others wait."""
