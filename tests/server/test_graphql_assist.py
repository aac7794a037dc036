"""Help for an editor through GraphQL: the tenant's own names are known, and nothing is run."""

from typing import Any

CHECK = """
    query ($text: String!) {
        memqlCheck(text: $text) {
            unfinished
            problems { code severity message hint line column start length rendered fix { start length text } }
        }
    }
"""
COMPLETE = """
    query ($text: String!, $offset: Int!) {
        memqlComplete(text: $text, offset: $offset) { text kind detail description start length }
        memqlWord(text: $text, offset: $offset) { kind title text start length }
    }
"""
CATALOG = """
    {
        catalog {
            version open labels
            kinds { name prefix layer text description properties { name type description } }
            relations { name description acyclic lasting properties { name type } }
        }
    }
"""


async def declared(caller: Any) -> None:
    properties = [{"name": "title", "type": "string", "description": "as printed"}]
    await caller.do("declareKind", name="Paper", text="title", properties=properties)
    await caller.do("declareRelationKind", name="CITES", description="names as a source")
    await caller.do("declareLabel", label="Draft")


async def test_what_is_wrong_and_what_would_mend_it(caller: Any) -> None:
    """With the place in lines and in characters, and the text that would stand there."""
    await declared(caller)
    text = "MATCH (p:Papr)\nRETURN p.title"
    checked = (await caller.ask(CHECK, None, text=text))["memqlCheck"]
    (problem,) = checked["problems"]
    assert (problem["code"], problem["severity"], problem["line"], problem["column"]) == ("Q101", "error", 1, 10)
    fix = problem["fix"]
    assert text[: fix["start"]] + fix["text"] + text[fix["start"] + fix["length"] :] == text.replace("Papr", "Paper")
    assert "^^^^" in problem["rendered"]
    assert not checked["unfinished"]
    begun = (await caller.ask(CHECK, None, text="MATCH (p:Paper)"))["memqlCheck"]
    assert begun["unfinished"]


async def test_what_could_be_written_and_what_is(caller: Any) -> None:
    """Names that the tenant declared, with what was said of them."""
    await declared(caller)
    text = "MATCH (p:Paper) RETURN p.ti"
    answer = await caller.ask(COMPLETE, None, text=text, offset=len(text))
    (found,) = answer["memqlComplete"]
    assert (found["text"], found["kind"], found["detail"], found["description"]) == (
        "title", "property", "string", "as printed",
    )  # fmt: skip
    assert text[found["start"] :][: found["length"]] == "ti"
    described = (await caller.ask(COMPLETE, None, text=text, offset=10))["memqlWord"]
    assert (described["kind"], described["title"]) == ("label", "kind Paper")
    assert (await caller.ask(COMPLETE, None, text="RETURN 1", offset=8))["memqlWord"] is None


async def test_the_names_of_a_tenant(caller: Any) -> None:
    """Those that are built in, and its own."""
    await declared(caller)
    catalog = (await caller.ask(CATALOG))["catalog"]
    kinds = {kind["name"]: kind for kind in catalog["kinds"]}
    assert kinds["Paper"]["properties"] == [{"name": "title", "type": "string", "description": "as printed"}]
    assert (kinds["Memory"]["layer"], kinds["Memory"]["text"], kinds["Memory"]["prefix"]) == (1, "text", "mem")
    relations = {kind["name"]: kind for kind in catalog["relations"]}
    assert relations["CITES"]["description"] == "names as a source"
    assert relations["SUPERSEDES"]["acyclic"]
    assert (catalog["labels"], catalog["open"], catalog["version"]) == (["Draft"], False, 3)


async def test_what_cannot_be_helped(caller: Any) -> None:
    """A tenant that is not there, and a text that is longer than any query."""
    (missing,) = await caller.errors(CATALOG)
    assert missing["extensions"]["code"] == "NOT_FOUND"
    (long,) = await caller.errors(CHECK, None, text="x" * 70_000)
    assert (long["extensions"]["code"], long["extensions"]["reason"]) == ("Q402", "limit")
