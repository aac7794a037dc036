"""Dates, times and durations as openCypher has them: values to the nanosecond, read, made, printed, taken apart and
reckoned with. No clock: what is now comes in as an argument.
"""

from memql.temporal.durations import Duration, duration, read_duration
from memql.temporal.instants import Date, DateTime, LocalDateTime, LocalTime, Temporal, Time, Zone, at, zone_of
from memql.temporal.making import current, made
from memql.temporal.parts import PARTS, TEXTS, part, spelled
from memql.temporal.reckoning import between, in_days, in_months, in_seconds, shifted
from memql.temporal.stored import TYPES, Held, held, order_key, ours, recalled, type_name
from memql.temporal.truncating import truncated
from memql.temporal.untimely import Untimely

__all__ = [
    "PARTS",
    "TEXTS",
    "TYPES",
    "Date",
    "DateTime",
    "Duration",
    "Held",
    "LocalDateTime",
    "LocalTime",
    "Temporal",
    "Time",
    "Untimely",
    "Zone",
    "at",
    "between",
    "current",
    "duration",
    "held",
    "in_days",
    "in_months",
    "in_seconds",
    "made",
    "order_key",
    "ours",
    "part",
    "read_duration",
    "recalled",
    "shifted",
    "spelled",
    "truncated",
    "type_name",
    "zone_of",
]
