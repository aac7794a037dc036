"""The codes of what can be wrong with a query, and what each is about: what programs branch on and people look up."""

from collections.abc import Mapping
from types import MappingProxyType

CODES: Mapping[str, str] = MappingProxyType(
    {
        "Q001": "a word or sign that cannot stand there",
        "Q002": "a character that has no meaning",
        "Q003": "a text, name or comment that is not closed, or an escape that stands for nothing",
        "Q004": "what is neither a number nor a name",
        "Q005": "brackets that do not match",
        "Q006": "parts that are each right and do not go together",
        "Q007": "a number, date or time that cannot be",
        "Q101": "a label that the catalog does not have",
        "Q102": "a property that the catalog does not have",
        "Q103": "a relation kind that the catalog does not have",
        "Q104": "a variable that nothing has bound",
        "Q105": "a type that there is not",
        "Q106": "a function that there is not",
        "Q107": "a name that is taken",
        "Q108": "a variable of one type, used as if it were of another",
        "Q201": "an operand or a condition of the wrong type",
        "Q202": "values that can never be compared",
        "Q204": "a property of what has none",
        "Q205": "a parameter that was not given",
        "Q206": "too many arguments, too few, or such as are none",
        "Q211": "a result that does not fit in 64 bits",
        "Q212": "a division by zero",
        "Q213": "a value, met while the query ran, of the wrong type or out of range",
        "Q301": "an aggregate where there is no group",
        "Q302": "a value beside an aggregate that is not one for the whole group",
        "Q303": "two columns of one name",
        "Q304": "a column that needs a name",
        "Q305": "a * with nothing to stand for",
        "Q306": "a score of what no search has bound",
        "Q307": "state, which is not versioned, asked AS OF an earlier time",
        "Q308": "something that depends on a row, where there is none",
        "Q309": "parts of a UNION with different columns",
        "Q310": "UNION and UNION ALL in one query",
        "Q401": "a query that is nested too deep",
        "Q402": "a query that is too long",
        "Q403": "an expression that makes too much, or could take too long",
        "Q404": "a limit met while the query ran; the message names it",
        "Q405": "too many clauses and patterns",
        "Q501": "what MemQL does not do, with what to write instead",
        "Q502": "what MemQL writes otherwise than another language does",
        "Q901": "a label that an open catalog does not have",
        "Q902": "a property that an open catalog does not have",
        "Q903": "a relation kind that an open catalog does not have",
        "Q910": "patterns that share nothing: each row of one meets each of the other",
    }
)
"""What each code is about. Codes stay what they are; Q9 are warnings, which come with an answer."""
