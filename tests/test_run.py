"""The bootstrap script, as far as it goes without a network: what it says, and when it believes that all is set up."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent
# What every Unix has and the script uses. No Python is among them.
TOOLS = "awk cat chmod cmp cp cut date dirname du grep head mkdir rm sed sh tail tee".split()
LOCKS = ("requirements.lock", "requirements-dev.lock")
NOTHING = "no-such-package==1 \\\n    --hash=sha256:" + "0" * 64 + "\n"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH with the tools and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool) or tool)
    return folder


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The script beside two small locks, in a folder whose name has a space."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    shutil.copy(ROOT / "run", folder)
    for lock in LOCKS:
        (folder / lock).write_text(NOTHING)
    return folder


@pytest.fixture
def installed(clone: Path) -> Path:
    """The clone as a set-up leaves it, with an embedder; its memql only says that it was started."""
    scripts = clone / ".venv" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "python").symlink_to(sys.executable)
    (scripts / "memql").write_text('#!/bin/sh\necho started "$@"\n')
    (scripts / "memql").chmod(0o755)
    (clone / ".venv" / "made-by-run").touch()
    (clone / ".venv" / "embedder").write_text(f"{clone / 'a model'}\n")
    (clone / "a model").mkdir()
    (clone / "a model" / "model.safetensors").touch()
    for lock in LOCKS:
        shutil.copy(clone / lock, clone / ".venv" / f"installed-{lock}")
    return clone


def run(clone: Path, tools: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs with nothing of this machine's configuration, and with no package index at all."""
    command = [str(clone / "run"), *words]
    return subprocess.run(
        command, env=surroundings(tools, **environ), check=False, capture_output=True, text=True, timeout=60
    )


def surroundings(tools: Path, **environ: str) -> dict[str, str]:
    return {"PATH": str(tools), "HOME": str(tools), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, **environ}


def test_help_needs_nothing(clone: Path, tools: Path) -> None:
    """Not even a Python."""
    told = run(clone, tools, "help")
    assert told.returncode == 0
    assert "./run test" in told.stdout
    assert not (clone / ".venv").exists()


def test_without_python_it_says_where_to_get_one(clone: Path, tools: Path) -> None:
    """And how to name one that is not on PATH."""
    told = run(clone, tools, "settings")
    assert told.returncode == 1
    assert "no Python 3.11 to 3.14 is on PATH" in told.stderr
    assert "MEMQL_PYTHON=" in told.stderr


@pytest.mark.parametrize("version", ["3.10", "3.15"])
def test_a_python_that_does_not_fit_is_passed_over(clone: Path, tools: Path, version: str) -> None:
    """Too old is too old, also when it is called python3; so is one that Kùzu will never have a build for."""
    (tools / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tools / "python3").chmod(0o755)
    assert "no Python 3.11 to 3.14" in run(clone, tools, "settings").stderr
    told = run(clone, tools, "settings", MEMQL_PYTHON=f"/nowhere/python{version}")
    assert f"MEMQL_PYTHON (/nowhere/python{version}) is not a Python" in told.stderr


def test_a_python_without_venv_names_the_package(clone: Path, tools: Path) -> None:
    """Debian splits the module off."""
    halved = tools / "python3"
    halved.write_text(
        f'#!/bin/sh\ncase $2 in *ensurepip*) exit 1 ;; *realpath*) echo "$0" ;; *) exec {sys.executable} "$@" ;; esac\n'
    )
    halved.chmod(0o755)
    told = run(clone, tools, "settings")
    assert told.returncode == 1
    assert f"apt-get install python3.{sys.version_info.minor}-venv" in told.stderr


def test_what_is_set_up_starts_at_once(installed: Path, tools: Path) -> None:
    """Without a Python on PATH, so no set-up can have been tried; without a command it serves."""
    assert run(installed, tools, "settings", "--port", "1").stdout == "started settings --port 1\n"
    assert run(installed, tools).stdout == "started serve --demo\n"


def memql_that_installs(installed: Path, *, fails: bool = False, says: str = "$root/a model") -> None:
    """Stands in for memql: notes each installation in a file, and prints what the real one prints."""
    (installed / ".venv" / "bin" / "memql").write_text(
        '#!/bin/sh\nroot=$(dirname "$0")/../..\n'
        'case $1 in embedder) echo "$@" >>"$root/asked"; echo "'
        + says
        + f'"; exit {int(fails)} ;; esac\necho started "$@"\n'
    )
    (installed / ".venv" / "embedder").unlink(missing_ok=True)


def asked(installed: Path) -> list[str]:
    return (installed / "asked").read_text().splitlines() if (installed / "asked").exists() else []


@pytest.mark.parametrize("words", [[], ["serve"], ["import", "chat.jsonl"], ["recall", "tea"], ["query", "MATCH (n)"]])
def test_the_embedder_is_brought_once(installed: Path, tools: Path, words: list[str]) -> None:
    """Before whatever needs it; the next start only looks whether it is still there."""
    memql_that_installs(installed)
    for _ in range(2):
        told = run(installed, tools, *words)
        assert told.stdout == f"started {' '.join(words or ['serve', '--demo'])}\n"
        assert told.stderr == ""
    assert asked(installed) == ["embedder install --wanted"]


def test_what_needs_no_embedder_brings_none(installed: Path, tools: Path) -> None:
    """Nor does who goes without, or chooses in some other way."""
    memql_that_installs(installed)
    for words in (["settings"], ["verify"], ["serve", "--set", "embedder=none"], ["serve", "--config", "mine.toml"]):
        assert run(installed, tools, *words).stdout == f"started {' '.join(words)}\n"
    for chosen in ("none", "openai"):
        assert run(installed, tools, MEMQL_EMBEDDER=chosen).stdout == "started serve --demo\n"
    assert not asked(installed)


def test_without_an_embedder_it_goes_on_and_says_so(installed: Path, tools: Path) -> None:
    """In one line, at each start; it is not tried again before a person asks for it."""
    memql_that_installs(installed, fails=True, says="/nowhere")
    told = run(installed, tools)
    assert told.stdout == "started serve --demo\n"
    again = "search goes by words alone. To try again: ./run embedder install\n"
    assert told.stderr == f"run: going on without an embedder: {again}"
    told = run(installed, tools)
    assert told.stdout == "started serve --demo\n"
    assert told.stderr == f"run: no embedder is installed, so {again}"
    assert asked(installed) == ["embedder install --wanted"]

    note = (installed / ".venv" / "embedder").read_text()
    memql_that_installs(installed)
    (installed / ".venv" / "embedder").write_text(note)
    run(installed, tools, "embedder", "install")
    told = run(installed, tools)
    assert (told.stdout, told.stderr) == ("started serve --demo\n", "")
    assert asked(installed)[1:] == ["embedder install", "embedder install --wanted"]


def test_where_the_settings_want_none_nothing_is_noted(installed: Path, tools: Path) -> None:
    """They may come to want one."""
    memql_that_installs(installed, says="")
    for _ in range(2):
        told = run(installed, tools)
        assert (told.stdout, told.stderr) == ("started serve --demo\n", "")
    assert len(asked(installed)) == 2


def test_tests_have_the_real_model(installed: Path, tools: Path) -> None:
    """Where it can be had; where not, they run all the same, and those that need it say why they don't."""
    memql_that_installs(installed)
    (installed / ".venv" / "bin" / "python").unlink()
    (installed / ".venv" / "bin" / "python").write_text('#!/bin/sh\necho python "$@"\n')
    (installed / ".venv" / "bin" / "python").chmod(0o755)
    assert run(installed, tools, "test", "-x").stdout == "python -m pytest -x\n"
    assert asked(installed) == ["embedder install --wanted"]


def test_from_another_folder_and_through_another_shell(installed: Path, tools: Path, tmp_path: Path) -> None:
    """The working directory stays the caller's: that is where memql.toml is looked for."""
    (installed / ".venv" / "bin" / "memql").write_text("#!/bin/sh\npwd\n")
    told = subprocess.run(
        ["sh", str(installed / "run"), "settings"],
        env=surroundings(tools),
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert told.stdout.strip() == str(tmp_path.resolve())


@pytest.mark.parametrize("spoil", ["changed lock", "no stamp", "python gone"])
def test_what_is_not_as_the_lock_says_is_set_up_anew(installed: Path, tools: Path, spoil: str) -> None:
    """A changed lock, an interrupted set-up and a removed Python all come to the same: the search for a Python."""
    match spoil:
        case "changed lock":
            (installed / "requirements.lock").write_text("another==2\n")
        case "no stamp":
            (installed / ".venv" / "installed-requirements.lock").unlink()
        case "python gone":
            (installed / ".venv" / "bin" / "python").unlink()
    told = run(installed, tools, "settings")
    assert "no Python 3.11 to 3.14 is on PATH" in told.stderr
    assert "started" not in told.stdout


def test_an_environment_of_somebody_else_is_left_alone(installed: Path, tools: Path) -> None:
    """It may be dear to them."""
    (installed / ".venv" / "made-by-run").unlink()
    (installed / "requirements.lock").write_text("another==2\n")
    told = run(installed, tools, "settings", MEMQL_PYTHON=sys.executable)
    assert "exists, but ./run did not make it" in told.stderr
    assert (installed / ".venv" / "bin" / "memql").exists()


def test_a_set_up_that_fails_says_why_and_is_not_believed(clone: Path, tools: Path) -> None:
    """Each time in our words, with pip's in a log that is named; and the next start tries again."""
    wheels = clone.parent / "wheels"  # pip splits PIP_FIND_LINKS at spaces
    wheels.mkdir()
    with ZipFile(wheels / "no_such_package-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            "no_such_package-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: no-such-package\nVersion: 1\n"
        )
    for index, sentence in (
        ({}, "no-such-package==1 has no build for this machine"),
        (
            {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_RETRIES": "1"},
            "the package index can't be reached",
        ),
        ({"PIP_FIND_LINKS": str(wheels)}, "a package is not the one that the lock names"),
    ):
        told = run(clone, tools, "settings", MEMQL_PYTHON=sys.executable, **index)
        assert told.returncode == 1
        assert "Setting up" in told.stderr
        assert sentence in told.stderr
        assert "Traceback" not in told.stderr
        assert Path(told.stderr.strip().rpartition(": ")[2]).is_file()
        assert not list((clone / ".venv").glob("installed-*"))


def test_two_set_ups_take_turns(installed: Path, tools: Path) -> None:
    """The second waits, and finds the work done."""
    stamp = installed / ".venv" / "installed-requirements.lock"
    stamp.unlink()
    with (installed / ".set-up.lock").open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second = subprocess.Popen(
            [str(installed / "run"), "settings"],
            env=surroundings(tools, MEMQL_PYTHON=sys.executable),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert second.stderr
        assert "waiting for it" in second.stderr.readline()
        shutil.copy(installed / "requirements.lock", stamp)
    assert second.communicate(timeout=60) == ("started settings\n", "")
