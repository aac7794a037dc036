"""How the words of a query are spelt: names, texts, labels, and how often and which way a path is passed."""

import re

from memql import ast
from memql.lexer import FOREIGN, KEYWORDS, VERBS

PLAIN = re.compile(r"[^\W\d]\w*\Z")
"""A name that stands without backquotes."""


def name(written: str) -> str:
    """A variable, or a name where any word may stand: in backquotes where it would not be read as one."""
    plain = PLAIN.match(written) and written.upper() not in KEYWORDS - VERBS - FOREIGN
    return written if plain else "`" + written.replace("`", "``") + "`"


def member(written: str) -> str:
    """A name behind a point, a colon or a brace, where a keyword is a name like any other."""
    return written if PLAIN.match(written) else "`" + written.replace("`", "``") + "`"


def text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def labels_text(labels: ast.Labels, level: int = 0) -> str:
    match labels:
        case ast.Label():
            return member(labels.name)
        case ast.AnyLabel():
            return "%"
        case ast.NoLabel():
            return f"!{labels_text(labels.of, 2)}"
    own = 0 if labels.operator == "|" else 1
    written = labels.operator.join(labels_text(each, own + 1) for each in labels.operands)
    return f"({written})" if level > own else written


def hops_text(hops: ast.Hops) -> str:
    if hops.most is None:
        return "" if hops.least == 1 else f"{hops.least}.."
    return str(hops.least) if hops.most == hops.least else f"{hops.least}..{hops.most}"


def quantifier_text(hops: ast.Hops) -> str:
    if hops.most is None and hops.least in (0, 1):
        return "+" if hops.least else "*"
    if hops.most is None:
        return f"{{{hops.least},}}"
    return f"{{{hops.least}}}" if hops.least == hops.most else f"{{{hops.least},{hops.most}}}"


def selector_text(selector: ast.Selector) -> str:
    mode = " ACYCLIC" if selector.acyclic else ""
    match selector:
        case ast.Selector(how="all"):
            return mode.strip() or "TRAIL"
        case ast.Selector(how="any", count=count):
            return f"ANY{f' {count}' if count > 1 else ''}{mode}"
        case ast.Selector(how="shortest", count=count):
            return (f"SHORTEST {count}" if count > 1 else "ANY SHORTEST") + mode
    return f"SHORTEST {selector.count}{mode} GROUPS" if selector.count > 1 else f"ALL SHORTEST{mode}"
