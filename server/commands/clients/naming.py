"""What types are called in code, where the schema has no name for them."""

from graphql import get_nullable_type, is_list_type

from memql.codegen.declared import pascal


def joined(name: str, called: str) -> str:
    """One name of two, where the second begins as the first ends: of a RowsLive and a LiveDelta a RowsLiveDelta."""
    for length in range(len(called) - 1, 0, -1):
        if called[length].isupper() and name.endswith(called[:length]):
            return name + called[length:]
    return name + called


def one_of(name: str, of: object) -> str:
    """What one of a list is called: of `edges` an edge."""
    if not is_list_type(get_nullable_type(of)):  # type: ignore[call-overload]
        return name
    for ending, others in (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("sses", "ss"), ("xes", "x")):
        if name.endswith(ending):
            return name.removesuffix(ending) + others
    return name if name.endswith(("ss", "us", "is")) else name.removesuffix("s")


def class_of(name: str) -> str:
    """What a type of the schema is called in code: like there, with a capital letter first."""
    return name if name[0].isupper() else pascal(name)
