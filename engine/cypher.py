"""The text of every statement that the graph store runs, and the form in which it holds a value.

Text is made of constants and of names that the catalog has validated, always backquoted; what people wrote travels as
parameters or as Arrow columns, never in the text. Nothing here knows a store: `graph` sends what is written here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from memql.catalog import Property
from memql.values import INT64, Value, micros, text_misfit

SCHEMA = 1
"""Rises whenever a store written by earlier code must not be read by this one."""

NODE = {
    "id": "STRING",
    "root": "INT64",
    "dense": "INT64",
    "kind": "STRING",
    "labels": "STRING[]",
    "erased": "BOOL",
}
"""What each node has beside its properties: public id, dense id of the identity and of its current version.
`erased`: its content had been erased before it came here, or has been since."""

OWN_TABLES = frozenset(
    {"DERIVED_FROM", "MENTIONS", "ABOUT", "FOLLOWS", "SIMILAR_TO", "SUPERSEDES", "PART_OF", "DEPENDS_ON"}
)
SHARED_TABLE = "Related"
"""All other kinds of relation: a table costs some 4 MB on disk, however little it holds."""

# An integer of microseconds or days rather than TIMESTAMP or DATE: the engines drop a parameter's time zone, and what
# may be compared with what is MemQL's to say.
_STORED_AS = {
    "boolean": "BOOL",
    "integer": "INT64",
    "float": "DOUBLE",
    "string": "STRING",
    "date": "INT64",
    "datetime": "INT64",
}
# Kùzu's compression turns the very least integer into 0 at a checkpoint, so it is held as its neighbour.
_LEAST = -(2**63) + 1
_EPOCH_DAY = date(1970, 1, 1).toordinal()

BEGIN = "BEGIN TRANSACTION"
BEGIN_READ = "BEGIN TRANSACTION READ ONLY"
COMMIT = "COMMIT"
CHECKPOINT = "CHECKPOINT"
CLOSE_WITHOUT_CHECKPOINT = "CALL force_checkpoint_on_close=false"

CREATE_META = "CREATE NODE TABLE Meta(id STRING PRIMARY KEY, stale BOOL, declarations STRING)"
START_META = "CREATE (:Meta {id: 'meta', stale: false, declarations: '[]'})"
READ_META = "MATCH (m:Meta {id: 'meta'}) RETURN m.stale, m.declarations"
WRITE_META = "MATCH (m:Meta {id: 'meta'}) SET m.stale = $stale, m.declarations = $declarations"

LIST_COLUMNS = "CALL table_info('Node') RETURN name"
LIST_TABLES = "CALL show_tables() RETURN name, type"


def quoted(name: str) -> str:
    assert "`" not in name
    return f"`{name}`"


def column(name: str, of: str) -> str:
    """The column of a property: its name and its type, so that two kinds may give one name two types.

    The engines hold `dueAt` and `dueat` to be the same column, so a capital is marked: `due$At:datetime`.
    """
    return re.sub("[A-Z]", r"$\g<0>", name) + ":" + of


def property_of(held: str) -> tuple[str, str]:
    """Name and type of the property that is held in that column."""
    name, _, of = held.rpartition(":")
    return name.replace("$", ""), of


def stored_as(held: str) -> str:
    """The engine's type of that column."""
    return _STORED_AS[property_of(held)[1]]


def stored(value: Value, of: str) -> bool | int | float | str | None:
    """The value as a column of that type holds it; None where it is absent or of another type."""
    match of, value:
        case "datetime", datetime():
            return micros(value)
        case "date", date() if not isinstance(value, datetime):
            return value.toordinal() - _EPOCH_DAY
        case "boolean", bool():
            return value
        case (("integer" | "float"), bool()):
            return None
        case "integer", int():
            return max(value, _LEAST)
        case "float", int() | float():
            return float(value)
        case "string", str():
            return value
    return None


def columns_of(properties: Iterable[Property]) -> dict[str, Property]:
    return {column(each.name, each.type): each for each in properties}


def table_of(kind: str) -> str:
    return kind if kind in OWN_TABLES else SHARED_TABLE


# Tables and columns


def create_node_table(columns: Iterable[str]) -> str:
    fixed = [f"{name} {of}" for name, of in NODE.items()]
    fixed[0] += " PRIMARY KEY"
    held = [f"{quoted(name)} {stored_as(name)}" for name in columns]
    return f"CREATE NODE TABLE Node({', '.join(fixed + held)})"


def add_column(name: str) -> str:
    return f"ALTER TABLE Node ADD {quoted(name)} {stored_as(name)}"


def create_relation_table(table: str) -> str:
    kind = ", kind STRING" if table == SHARED_TABLE else ""
    return f"CREATE REL TABLE {quoted(table)}(FROM Node TO Node, root INT64, row INT64, weight DOUBLE{kind})"


# Nodes. Parameters are named by their place, `$p0`, since a column's name is no parameter's.


def create_node(columns: Sequence[str]) -> str:
    """One node from parameters: the fixed ones by name, then a place for each column that has a value."""
    fixed = [f"{name}: ${name}" for name in NODE]
    held = [f"{quoted(name)}: $p{place}" for place, name in enumerate(columns)]
    return f"CREATE (:Node {{{', '.join(fixed + held)}}})"


def load_nodes(columns: Sequence[str]) -> str:
    """Many nodes from the Arrow table `$rows`, whose columns are named as the store's."""
    pairs = ", ".join(f"{quoted(name)}: {quoted(name)}" for name in (*NODE, *columns))
    return f"LOAD FROM $rows CREATE (:Node {{{pairs}}})"


def copy_nodes(columns: Sequence[str]) -> str:
    """The same in bulk: half the cost for tens of thousands, but it writes the store's file at once."""
    return f"COPY Node({', '.join(map(quoted, (*NODE, *columns)))}) FROM $rows"


def set_node(columns: Sequence[str], absent: Sequence[str], *, erased: bool) -> str:
    """A new version of the node `$id`. Absent values are written as NULL: a null parameter can kill the process."""
    held = [f"n.{quoted(name)} = $p{place}" for place, name in enumerate(columns)]
    held += [f"n.{quoted(name)} = NULL" for name in absent]
    # A version without content that follows one with it does not undo that the content is here.
    held += [] if erased else ["n.erased = false"]
    return f"MATCH (n:Node {{id: $id}}) SET {', '.join(['n.dense = $dense', 'n.labels = $labels', *held])}"


def load_set_nodes(columns: Sequence[str]) -> str:
    """New versions of many nodes from the Arrow table `$rows` (`c_id`, `c_dense`, `c_labels`, `c_erased`, `c0`, …).

    Unlike `UNWIND … MATCH … SET` this is planned as one scan: 6 ms for a thousand rows, not 430.
    """
    fixed = ["n.dense = c_dense", "n.labels = c_labels", "n.erased = n.erased AND c_erased"]
    held = [f"n.{quoted(name)} = c{place}" for place, name in enumerate(columns)]
    return f"LOAD FROM $rows MATCH (n:Node) WHERE n.id = c_id SET {', '.join(fixed + held)}"


READ_ERASED = "MATCH (n:Node {id: $id}) RETURN n.erased"


def erase_node(columns: Iterable[str]) -> str:
    held = "".join(f", n.{quoted(name)} = NULL" for name in columns)
    return f"MATCH (n:Node {{id: $id}}) SET n.erased = true, n.labels = CAST([] AS STRING[]){held}"


# Relations


def create_relation(table: str) -> str:
    """One relation; answers with its root, or with nothing where an end is not there."""
    kind = ", kind: $kind" if table == SHARED_TABLE else ""
    return (
        "MATCH (a:Node {id: $source}), (b:Node {id: $target}) "
        f"CREATE (a)-[r:{quoted(table)} {{root: $root, row: $row, weight: $weight{kind}}}]->(b) RETURN r.root"
    )


def copy_relations(table: str) -> str:
    """Many relations from the Arrow table `$rows`: ids of the ends first, then the table's columns in order."""
    return f"COPY {quoted(table)} FROM $rows"


def set_relation(table: str) -> str:
    return (
        f"MATCH (:Node {{id: $source}})-[r:{quoted(table)}]->(:Node {{id: $target}}) WHERE r.root = $root "
        "SET r.row = $row, r.weight = $weight RETURN r.root"
    )


# Reads


def scan(columns: Sequence[str]) -> str:
    """Current versions of the kind `$kind` whose columns equal `$p0`, …"""
    also = "".join(f" AND n.{quoted(name)} = $p{place}" for place, name in enumerate(columns))
    return f"MATCH (n:Node) WHERE n.kind = $kind{also} RETURN n.dense"


def match(hops: Sequence[tuple[int, Sequence[str], int]], kinds: Sequence[int], most: int) -> str:
    """The rows of all relations, a column a hop, of every way in which the hops fit together: each leads by one of
    these tables from one node to another, told by numbers. The nodes in `kinds` are of those in `$k0`, …; no more than
    `most` are given. The engine lets one relation be passed twice."""
    ways = [
        f"(n{source}:Node)-[r{place}:{'|'.join(map(quoted, tables))}]->(n{target}:Node)"
        for place, (source, tables, target) in enumerate(hops)
    ]
    where = " AND ".join(f"n{node}.kind IN $k{place}" for place, node in enumerate(kinds))
    rows = ", ".join(f"r{place}.row" for place in range(len(hops)))
    return f"MATCH {', '.join(ways)}{f' WHERE {where}' if where else ''} RETURN {rows} LIMIT {most}"


def all_nodes(columns: Sequence[str]) -> str:
    held = "".join(f", n.{quoted(name)}" for name in columns)
    return f"MATCH (n:Node) RETURN {', '.join(f'n.{name}' for name in NODE)}{held}"


def all_relations(table: str) -> str:
    kind = ", r.kind" if table == SHARED_TABLE else ""
    return f"MATCH (a:Node)-[r:{quoted(table)}]->(b:Node) RETURN r.root, r.row, a.root, b.root, r.weight{kind}"


_READS = re.compile(r"\s*(MATCH|OPTIONAL\s+MATCH|UNWIND|WITH|RETURN)\b", re.IGNORECASE)
_LITERAL = re.compile(r"""['";]|//|/\*""")


def flaw(statement: str, parameters: Mapping[str, object]) -> str | None:
    """Why the statement must not be sent to be read with, or None. It is made by us, so a flaw is our mistake."""
    if not _READS.match(statement):
        return "only statements that read may be run"
    if found := _LITERAL.search(statement):
        # Neither a second statement nor a value in the text can be written without one of these.
        return f"a statement may not hold {found[0]}: it is one statement, and its values are parameters"
    for name, value in parameters.items():
        if why := _unsendable(value):
            return f"the parameter {name} {why}"
    return None


def _unsendable(value: object) -> str | None:
    match value:
        case None:
            return "is null, or holds a null: that can kill the process"
        case bool() | float():
            return None
        case int():
            return None if value in INT64 else "does not fit in 64 bits"
        case str():
            return "is no plain text" if text_misfit(value) else None
        case list() | tuple():
            return next(filter(None, map(_unsendable, value)), None)
        case dict():
            return next(filter(None, map(_unsendable, value.values())), None)
    return f"is a {type(value).__name__}, which the store does not take"
