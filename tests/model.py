"""The real embedding model, where this machine has it: what tests of meaning stand on, and skip without."""

import os
from pathlib import Path

import pytest

from engine.embed.minilm import missing
from memql.errors import Refusal
from server.settings import Settings, load

_settings = load(
    {}, {key: value for key, value in os.environ.items() if key.startswith("MEMQL_EMBEDDING__")}, Path("/")
)
MODEL = (Settings() if isinstance(_settings, Refusal) else _settings.settings).embedding.minilm_directory

needs_model = pytest.mark.skipif(missing(MODEL) is not None, reason="MiniLM is not installed: ./run embedder install")
