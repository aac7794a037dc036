"""The manifest of trusted documents: the exact texts that clients send, by their digests."""

import hashlib
import json
from collections.abc import Mapping

FORMAT = "memql-documents-v1"


def digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def manifest(documents: Mapping[str, tuple[str, str]]) -> str:
    """What a server reads to know documents by their ids; `documents` are ids and texts by the operations' names."""
    told = {known: {"name": name, "text": text} for name, (known, text) in documents.items()}
    return json.dumps({"format": FORMAT, "documents": told}, indent=2, ensure_ascii=False) + "\n"
