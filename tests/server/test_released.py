"""The gate of the schema: what a change would break for clients of a released one, and how something may go."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.clock import SystemClock
from memql.values import instant
from server.api.released import breaks, undated
from server.api.schema import printed
from server.cli import app

ROOT = Path(__file__).parents[2]
TODAY = datetime(2027, 3, 1, tzinfo=UTC).date()
RELEASED = """
    directive @cost(weight: Int) on FIELD_DEFINITION
    interface Node { id: ID! }
    type Query { item(id: ID!, deep: Boolean): Item, search(input: SearchInput!): Answer, mode: Mode }
    type Item implements Node {
        id: ID!, name: String!, old: Gone @deprecated(reason: "removed after 2027-02-01; use name")
    }
    type Gone { x: Int }
    type Other { y: Int }
    union Answer = Item | Other
    enum Mode { A B C @deprecated(reason: "rarely used; removed after 2027-04-01; use B") }
    input SearchInput {
        text: String!, limit: Int @deprecated(reason: "removed after 2027-02-28; use first"), first: Int
    }
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: String!, ", "", "Field Item.name was removed."),
        ("name: String!", "name: String", "Field Item.name changed type from String! to String."),
        ("name: String!", "name: Int!", "Field Item.name changed type from String! to Int!."),
        (", deep: Boolean", "", "Argument Query.item(deep:) was removed."),
        ("deep: Boolean", "deep: Boolean!", "Argument Query.item(deep:) has changed type from Boolean to Boolean!."),
        ("deep: Boolean", "deep: Boolean, far: Int!", "A required argument Query.item(far:) was added."),
        ("A B", "A", "Enum value Mode.B was removed."),
        ('C @deprecated(reason: "rarely used; removed after 2027-04-01; use B")', "", "Enum value Mode.C was removed."),
        ("Item | Other", "Item", "Other was removed from union type Answer."),
        ("type Item implements Node", "type Item", "Item no longer implements interface Node."),
        ("first: Int", "first: Int, last: Int!", "A required field SearchInput.last was added."),
        ("text: String!, ", "", "Field SearchInput.text was removed."),
        ("type Other { y: Int }", "input Other { y: Int }", "Other changed from an Object type to an Input type."),
        ("weight: Int", "weight: Int, by: Int!", "A required argument @cost(by:) was added."),
    ],
)
def test_each_kind_of_break_is_told(old: str, new: str, said: str) -> None:
    """Whatever a client may have written, read or sent."""
    assert old in RELEASED
    changed = RELEASED.replace(old, new)
    if "input Other" in new:
        changed = changed.replace("Item | Other", "Item")
    assert said in breaks(RELEASED, changed, TODAY)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: String!", "name: String!, size: Int"),
        ("A B", "A B D"),
        ("first: Int", "first: Int, last: Int"),
        ("deep: Boolean", "deep: Boolean, far: Int"),
        (', old: Gone @deprecated(reason: "removed after 2027-02-01; use name")', ""),
        ('limit: Int @deprecated(reason: "removed after 2027-02-28; use first"), ', ""),
        ("type Other", "type More { z: Int }\n type Other"),
    ],
)
def test_what_breaks_nobody(old: str, new: str) -> None:
    """Additions; and what was deprecated until a day that is over, with the types that only it led to."""
    assert old in RELEASED
    changed = RELEASED.replace(old, new)
    if "old: Gone" in old:
        changed = changed.replace("type Gone { x: Int }", "")
    assert breaks(RELEASED, changed, TODAY) == []


def test_a_day_must_be_over() -> None:
    """On the day itself clients may still ask."""
    changed = RELEASED.replace('limit: Int @deprecated(reason: "removed after 2027-02-28; use first"), ', "")
    for day, broken in (("2027-02-28", ["Field SearchInput.limit was removed."]), ("2027-03-01", [])):
        assert breaks(RELEASED, changed, datetime.fromisoformat(day).date()) == broken


def test_a_deprecation_says_until_when_and_what_instead() -> None:
    """Here, and in the schema as it is."""
    assert undated("type Query { a: Int @deprecated(reason: \"old\"), b: Int @deprecated, c: Int }") == [
        "a: old", "b: No longer supported",
    ]  # fmt: skip
    assert undated('type Query { a: Int @deprecated(reason: "removed after 2027-13-40; use b") }')
    assert undated(RELEASED) == undated(printed()) == []


def test_clients_of_the_released_schema_can_go_on() -> None:
    """`memql schema > released.graphql` when a version is released, and never otherwise."""
    today = instant(SystemClock().now()).date()
    assert breaks((ROOT / "released.graphql").read_text("utf-8"), printed(), today) == []


def test_the_command_tells_what_would_break(tmp_path: Path) -> None:
    """And ends with a code that stops a build."""
    before = tmp_path / "released.graphql"
    before.write_text(printed().replace("type Query {", 'type Query {\n  """It was."""\n  gone: Int\n'), "utf-8")
    told = CliRunner().invoke(app, ["schema", "--against", str(before)])
    assert (told.exit_code, told.output) == (4, "Field Query.gone was removed.\n")
    assert CliRunner().invoke(app, ["schema", "--against", str(ROOT / "schema.graphql")]).exit_code == 0
    assert CliRunner().invoke(app, ["schema", "--against", "nowhere"]).exit_code != 0
