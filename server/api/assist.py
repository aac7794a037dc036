"""The fields `memqlCheck`, `memqlComplete` and `memqlWord`: help for an editor while a query is being written."""

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, TypeVar

import strawberry
from strawberry import Info

from engine.tenant import Tenant
from memql import assist
from memql.catalog import Catalog
from memql.errors import Problem, Reason, Refusal, rendered
from memql.lexer import TEXT_BYTES
from server.api.context import Context, Refused
from server.api.types import said

Told: TypeAlias = Info[Context, Any]
T = TypeVar("T")

CHARACTERS = "in characters of Unicode, from 0 on: where a language counts UTF-16, an emoji is one here and two there"


@strawberry.type(description="Text that would mend a problem.")
class MemqlFix:
    start: int = said(f"Where it begins, {CHARACTERS}.")
    length: int = said("How many characters it replaces.")
    text: str = said("What stands there then.")


@strawberry.type(description="One thing that is wrong with a query, or that may not be what was meant.")
class MemqlDiagnosis:
    code: str = said("What is wrong, for programs: Q and a number; it stays the same.")
    severity: str = said("`error`, or `warning`: the query can be answered.")
    message: str = said("What is wrong, for people.")
    hint: str | None = said("What to do about it.")
    line: int = said("The line of the query, from 1 on.")
    column: int = said("The column, from 1 on.")
    start: int = said(f"The place, {CHARACTERS}.")
    length: int = said("How many characters are meant.")
    rendered: str = said("All of it as text, with the line and a caret beneath the place.")
    fix: MemqlFix | None = said("What would mend it, where that is known.")


@strawberry.type(description="What is wrong with a query as it stands.")
class MemqlChecked:
    problems: list[MemqlDiagnosis] = said("In the order of the text; empty: nothing.")
    unfinished: bool = said("Whether all is right so far, and something is missing at the end.")


@strawberry.type(description="What could be written at a place of a query.")
class MemqlCompletion:
    text: str = said("What to write.")
    kind: str = said("`keyword`, `label`, `relation`, `property`, `function`, `variable`, `parameter` or `type`.")
    detail: str = said("Its type or signature; empty where it has none.")
    description: str = said("What it is; empty where nobody said so.")
    start: int = said(f"Where what it replaces begins, {CHARACTERS}.")
    length: int = said("How many characters it replaces.")


@strawberry.type(description="What a word of a query is.")
class MemqlWord:
    kind: str = said("As of a completion.")
    title: str = said("What it is, in a line.")
    text: str = said("What there is to know of it.")
    start: int = said(f"Where the word begins, {CHARACTERS}.")
    length: int = said("How many characters it has.")


Text = Annotated[str, strawberry.argument(description="A query, or as much of one as there is.")]
Offset = Annotated[int, strawberry.argument(description=f"The place of the cursor, {CHARACTERS}.")]


async def check(info: Told, text: Text) -> MemqlChecked:
    return await _helped(info, text, lambda catalog: _checked(text, catalog))


async def complete(info: Told, text: Text, offset: Offset) -> list[MemqlCompletion]:
    def work(catalog: Catalog) -> list[MemqlCompletion]:
        return [
            MemqlCompletion(
                text=each.text, kind=each.kind, detail=each.detail, description=each.description,
                start=each.start, length=each.end - each.start,
            )
            for each in assist.complete(text, offset, catalog)
        ]  # fmt: skip

    return await _helped(info, text, work)


async def describe(info: Told, text: Text, offset: Offset) -> MemqlWord | None:
    def work(catalog: Catalog) -> MemqlWord | None:
        found = assist.describe_word(text, offset, catalog)
        if found is None:
            return None
        span = found.span
        return MemqlWord(kind=found.kind, title=found.title, text=found.text, start=span.start, length=span.length)

    return await _helped(info, text, work)


async def _helped(info: Told, text: str, work: Callable[[Catalog], T]) -> T:
    """What is found with the tenant's catalog: on a thread, since a long text takes a while."""
    bytes_ = len(text.encode(errors="replace"))
    if bytes_ > TEXT_BYTES:
        hint = "pass long texts and lists as parameters"
        raise Refused(Refusal(Reason.LIMIT, (Problem("Q402", f"a query may have {TEXT_BYTES:,} bytes", "text", hint),)))

    # In a tuple: nothing at all may be what was found.
    def held(tenant: Tenant) -> tuple[T] | Refusal:
        return (work(tenant.catalog),)

    found = await info.context.ask(held)
    if isinstance(found, Refusal):
        raise Refused(found)
    return found[0]


def _checked(text: str, catalog: Catalog) -> MemqlChecked:
    problems = [_diagnosis(each, text) for each in assist.diagnose(text, catalog)]
    return MemqlChecked(problems=problems, unfinished=assist.unfinished(text))


def _diagnosis(found: assist.Diagnosis, text: str) -> MemqlDiagnosis:
    problem, span, fix = found.problem, found.span, found.fix
    return MemqlDiagnosis(
        code=problem.code,
        severity=found.severity,
        message=problem.message,
        hint=problem.hint or None,
        line=span.line,
        column=span.column,
        start=span.start,
        length=span.length,
        rendered=rendered(problem, text),
        fix=MemqlFix(start=fix.span.start, length=fix.span.length, text=fix.text) if fix else None,
    )
