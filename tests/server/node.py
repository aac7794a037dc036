"""Node, and the packages of a folder's lock file, for tests of what runs there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def node_with(folder: Path, otherwise: str) -> str:
    """The path of node, when the packages of the folder are installed. Where they can't be had the test is skipped, and
    says what is not tried then; in CI, where they must be, it fails."""
    lacking = pytest.fail if os.environ.get("CI") else pytest.skip
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        lacking(f"there is no node here, or no npm: {otherwise}")
    # npm writes this last.
    if not (folder / "node_modules" / ".package-lock.json").exists():
        command = [npm, "ci", "--no-audit", "--no-fund"]
        told = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if told.returncode:
            lacking(f"npm ci fails, so {otherwise}: {told.stderr[-200:]}")
    return node
