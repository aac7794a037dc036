"""Why something was not done, as one of the answers: a type for each reason, and every problem that was found."""

from collections.abc import Mapping

import strawberry

from memql.errors import Reason, Refusal
from server.api.types import said


@strawberry.type(description="One thing that is wrong.")
class Problem:
    code: str = said("What is wrong, for programs: it stays the same.")
    message: str = said("What is wrong, for people.")
    place: str | None = said("Where in the input, such as `events[0].content`.")
    hint: str | None = said("What to do about it.")


@strawberry.interface(description="Why nothing was done.")
class Error:
    message: str = said("All problems in one line.")
    problems: list[Problem] = said("Every problem that was found.")


def _error(name: str, description: str) -> type[Error]:
    return strawberry.type(type(name, (Error,), {}), description=description)


ERRORS: Mapping[Reason, type[Error]] = {
    Reason.INVALID: _error("InvalidInput", "Something in the input can't be: mend it."),
    Reason.NOT_FOUND: _error("NotFound", "Something that the input names does not exist, or you may not see it."),
    Reason.CONFLICT: _error("Conflict", "What the tenant holds stands against it: read again, then decide."),
    Reason.FORBIDDEN: _error("Forbidden", "You may not do this."),
    Reason.LIMIT: _error("LimitExceeded", "A limit was met; its name is the setting that moves it."),
    Reason.UNAVAILABLE: _error("Unavailable", "The tenant can't do it now; nothing is wrong with the input."),
}


def refused(refusal: Refusal) -> Error:
    problems = [
        Problem(code=wrong.code, message=wrong.message, place=_spoken(wrong.place) or None, hint=wrong.hint or None)
        for wrong in refusal.problems
    ]
    return ERRORS[refusal.reason](message="; ".join(wrong.message for wrong in refusal.problems), problems=problems)


_MAPS = frozenset({"properties", "metadata", "set", "add"})


def _spoken(place: str) -> str:
    """A place in a command as its input has it: our names in camel case, a caller's own as they are."""
    steps, ours = [], True
    for step in place.split("."):
        first, *rest = step.split("_") if ours else [step]
        steps.append(first + "".join(word[:1].upper() + word[1:] for word in rest))
        ours = ours and step not in _MAPS
    return ".".join(steps)
