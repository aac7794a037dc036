"""What was understood, as text: expressions as one would write them, and a bound query as a tree."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

from memql import ast, bound
from memql.bound import Expression, Variable
from memql.spelling import labels_text, member, text
from memql.temporal import TYPES, ours, type_name
from memql.values import iso, micros


def label(variable: Variable) -> str:
    """A variable's name; a nameless one is known by its number."""
    return variable.name or f"_{abs(variable.number)}"


_LEVELS = {"OR": 1, "XOR": 2, "AND": 3, "NOT": 4, "IN": 6, "+": 7, "-": 7, "||": 7, "*": 8, "/": 8, "%": 8, "^": 9}


def shown(expression: Expression, level: int = 0) -> str:
    """An expression as one would write it."""
    match expression:
        case bound.Constant(value=value):
            return _value(value)
        case bound.Parameter(name=name):
            return f"${name}"
        case bound.Local(variable=variable):
            return label(variable)
        case bound.Property(of=of, name=name) | bound.Figure(of=of, name=name):
            return f"{shown(of, 11)}.{member(name)}"
        case bound.Labelled(of=of, labels=labels):
            return f"{shown(of, 11)}:{labels_text(labels)}"
        case bound.Compared(operator=operator, left=left, right=right):
            return _bracketed(f"{shown(left, 6)} {operator} {shown(right, 6)}", 5, level)
        case bound.Joined(operator="NOT", operands=(operand,)):
            return _bracketed(f"NOT {shown(operand, 4)}", 4, level)
        case bound.Joined(operator=operator, operands=operands):
            own = _LEVELS[operator]
            return _bracketed(f" {operator} ".join(shown(each, own + 1) for each in operands), own, level)
        case bound.Call():
            return _call(expression, level)
        case bound.Aggregated(function=function, operand=operand, distinct=distinct, second=second):
            inside = "*" if operand is None else f"{'DISTINCT ' if distinct else ''}{shown(operand)}"
            inside += f", {shown(second)}" if second is not None else ""
            return f"{function}({inside})"
        case bound.Case(branches=branches, otherwise=otherwise):
            parts = [f"WHEN {shown(when)} THEN {shown(then)}" for when, then in branches]
            parts += [f"ELSE {shown(otherwise)}"] if otherwise is not None else []
            return f"CASE {' '.join(parts)} END"
    return _collected(expression)


def _call(call: bound.Call, level: int) -> str:
    arguments = call.arguments
    if call.function in ("IS NULL", "IS NOT NULL"):
        return _bracketed(f"{shown(arguments[0], 6)} {call.function}", 6, level)
    if call.function in ("negative", "positive"):
        return _bracketed(f"{'-' if call.function == 'negative' else '+'}{shown(arguments[0], 11)}", 10, level)
    if not call.function[0].isalpha() or (call.function.isupper() and len(arguments) == 2):
        own = _LEVELS.get(call.function, 6)
        return _bracketed(f"{shown(arguments[0], own)} {call.function} {shown(arguments[1], own + 1)}", own, level)
    return f"{call.function}({', '.join(shown(each) for each in arguments)})"


def _collected(expression: Expression) -> str:
    match expression:
        case bound.ListOf(members=members):
            return f"[{', '.join(shown(each) for each in members)}]"
        case bound.MapOf(entries=entries):
            return f"{{{', '.join(f'{member(name)}: {shown(each)}' for name, each in entries)}}}"
        case bound.Projected(of=of, whole=whole, entries=entries):
            parts = ([".*"] if whole else []) + [f"{member(name)}: {shown(each)}" for name, each in entries]
            return f"{shown(of)} {{{', '.join(parts)}}}"
        case bound.Index(of=of, at=at):
            return f"{shown(of, 11)}[{shown(at)}]"
        case bound.Slice(of=of, first=first, last=last):
            begin, end = (shown(each) if each is not None else "" for each in (first, last))
            return f"{shown(of, 11)}[{begin}..{end}]"
        case bound.Comprehension(variable=variable, source=source, where=where, each=each):
            kept = f" WHERE {shown(where)}" if where is not None else ""
            made = f" | {shown(each)}" if each is not None else ""
            return f"[{label(variable)} IN {shown(source)}{kept}{made}]"
        case bound.Quantified(quantifier=quantifier, variable=variable, source=source, where=where):
            return f"{quantifier}({label(variable)} IN {shown(source)} WHERE {shown(where)})"
        case bound.Reduce(total=total, start=start, variable=variable, source=source, step=step):
            return f"reduce({label(total)} = {shown(start)}, {label(variable)} IN {shown(source)} | {shown(step)})"
        case bound.Subpattern(asks=asks) | bound.Subquery(asks=asks):
            return f"{asks.upper()} {{ … }}"
        case bound.KnownTogether(versions=versions):
            return f"{', '.join(map(shown, versions))} known together"
    raise AssertionError(f"{type(expression)} is no expression")


def _value(value: Any) -> str:
    if isinstance(value, str):
        return text(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if type(value) is datetime:
        return f"datetime'{iso(micros(value))}'"
    return f"{type_name(value)}'{ours(value)}'" if type(value) in TYPES else repr(value)


def _bracketed(inside: str, own: int, level: int) -> str:
    return f"({inside})" if own < level else inside


# A query as a tree


def understood(query: bound.Query) -> str:
    return "\n".join(_tree(query, 0))


def _tree(value: Any, depth: int, name: str = "") -> Iterator[str]:
    """Any frozen value as an indented tree, expressions on one line."""
    pad = "  " * depth + (f"{name}: " if name else "")
    if isinstance(value, bound.Typed):
        yield f"{pad}{shown(value)} :: {_typed(value.type)}"  # type: ignore[arg-type]
    elif isinstance(value, Variable):
        yield f"{pad}{label(value)} :: {_typed(value.type)}"
    elif is_dataclass(value) and not isinstance(value, ast.Written):
        yield f"{pad}{type(value).__name__}"
        for part in (each for each in fields(value) if each.name != "span"):
            yield from _tree(getattr(value, part.name), depth + 1, part.name)
    elif isinstance(value, tuple | frozenset) and value:
        yield f"{pad.rstrip()}" if name else f"{pad}-"
        for each in _ordered(value):
            yield from _tree(each, depth + 1)
    elif value is not None and value != () and value is not False:
        yield f"{pad}{value}"


def _ordered(value: Any) -> Sequence[Any]:
    return sorted(value, key=str) if isinstance(value, frozenset) else value


def _typed(of: Any) -> str:
    kinds = f"({'|'.join(sorted(of.kinds))})" if of.kinds else ""
    return f"{of}{kinds}{'?' if of.nullable else ''}"
