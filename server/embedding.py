"""Which embedder the settings choose, and how it is.

Nothing heavy is imported, and no model loaded, before the embedder is first needed or warmed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

from memql.errors import Refusal

if TYPE_CHECKING:
    from engine.clock import Clock
    from engine.embed import Embedder
    from server.settings import Settings


@dataclass(frozen=True, slots=True)
class Readiness:
    """How the embedder is. Where there is none, `model` is None and `problem` says how to get one, if it is wanted."""

    model: str | None
    state: Literal["none", "loading", "ready", "failed"]
    problem: str = ""


def chosen(settings: "Settings", clock: "Clock", environ: Mapping[str, str] = os.environ) -> "Embedder | None":
    """The embedder of the settings. Only auto does without one that is missing: where a person named one, texts are
    refused rather than kept without the vectors that were asked for."""
    table = settings.embedding
    match settings.embedder:
        case "none":
            return None
        case "openai":
            from engine.embed.remote import OPENAI, Remote, Terms

            terms = Terms(**{field.name: getattr(table, field.name) for field in fields(Terms)})
            # A key of OpenAI's must not go to whom else the settings name.
            usual = environ.get("OPENAI_API_KEY", "") if table.base_url.rstrip("/") == OPENAI else ""
            return Remote(terms, clock, environ.get("MEMQL_EMBEDDING_KEY") or usual)
        case "minilm" | "auto":
            from engine.embed.minilm import MiniLM

            embedder = MiniLM(table.minilm_directory, table.threads)
            return None if settings.embedder == "auto" and not embedder.there else embedder


def readiness(settings: "Settings", embedder: "Embedder | None") -> Readiness:
    """How the chosen embedder is at this moment."""
    if embedder is None:
        wanted = settings.embedder == "auto"
        return Readiness(None, "none", "no embedder is installed: run `memql embedder install`" if wanted else "")
    from engine.embed.minilm import MiniLM
    from engine.embed.remote import Remote

    match embedder:
        case MiniLM():
            return Readiness(embedder.model, embedder.state, str(embedder.problem or ""))
        case Remote():
            problem = embedder.problem
            return Readiness(embedder.model, "failed" if problem else "ready", str(problem or ""))
    return Readiness(embedder.model, "ready")


def warm(embedder: "Embedder | None") -> Refusal | None:
    """Loads what the first text would wait for; asks no API. For a thread of its own: it takes up to a second."""
    load = getattr(embedder, "warm", None)
    refusal: Refusal | None = load() if load else None
    return refusal
