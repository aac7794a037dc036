"""What was written: the query as a tree of frozen values, each with its place in the text.

Spans are left out of comparison, so that two queries are equal when they say the same. Nothing here is resolved: a name
is a name. `memql/printer.py` writes a tree as text again.
"""

# Its parts are one vocabulary: whoever reads a tree says `ast.Match` and `ast.Name` alike.
from memql.ast.clauses import *  # noqa: F403
from memql.ast.curation import *  # noqa: F403
from memql.ast.expressions import *  # noqa: F403
