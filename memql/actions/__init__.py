"""What each rule of the grammar makes of its parts: one function a rule, named as the rule."""

from memql.actions import clauses, curation, expressions, patterns
from memql.actions.made import ACTIONS, Wrong

__all__ = ["ACTIONS", "Wrong", "clauses", "curation", "expressions", "patterns"]
