"""Help for who writes a query: completion, diagnosis, colours, and what the thing under the cursor is.

Pure functions of a text and a catalog, quick enough for each key stroke, and never at a loss: any text, at any place.
Offsets count characters from 0.
"""

from memql.assist.completion import Completion, complete, quoted
from memql.assist.description import Description, describe_word
from memql.assist.diagnosis import Diagnosis, Fix, diagnose, unfinished
from memql.assist.highlighting import Shade, Span, highlight

__all__ = [
    "Completion",
    "Description",
    "Diagnosis",
    "Fix",
    "Shade",
    "Span",
    "complete",
    "describe_word",
    "diagnose",
    "highlight",
    "quoted",
    "unfinished",
]
