"""Some hundred cases of the schema's own making, on a server in a process of its own; `fuzzing.py` asks more."""

import re
from pathlib import Path

from tests.server.fuzzing import FLAGS, counted, fuzz
from tests.server.process import served


def test_every_field_answers_in_our_words(tmp_path: Path) -> None:
    """Whatever is asked of it: no failure of ours, and nothing of how the server is made."""
    with served(tmp_path / "data", *FLAGS) as url:
        told = fuzz(url, 400)
    assert told.returncode == 0, told.stdout[-8_000:] + told.stderr
    assert counted(told.stdout) >= 300
    log = (tmp_path / "serve.log").read_text()
    assert not re.search(r'"level": ?"error"', log), log[-8_000:]
