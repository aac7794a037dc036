"""Settings: which source wins, that nothing unknown slips through, and that each problem is a sentence with a place."""

from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from memql.errors import Problem, Refusal
from server.cli import app
from server.settings import Loaded, Settings, fields, load, value_of, variable


def loaded(cwd: Path, flags: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
    answer = load(flags or {}, environ or {}, cwd)
    assert isinstance(answer, Loaded), answer
    return answer


def problems(
    cwd: Path, flags: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None
) -> tuple[Problem, ...]:
    answer = load(flags or {}, environ or {}, cwd)
    assert isinstance(answer, Refusal), answer
    return answer.problems


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "memql.toml"


def test_with_nothing_given_all_is_default(tmp_path: Path) -> None:
    """No file is needed, and every value says that it is a default."""
    answer = loaded(tmp_path)
    assert answer.settings == Settings()
    assert set(answer.origins.values()) == {"default"}
    assert answer.origins.keys() == dict(fields()).keys()


def test_flags_over_environment_over_file_over_defaults(tmp_path: Path, file: Path) -> None:
    """Each source hides the one beneath it, and the origin says which one was heard."""
    file.write_text('port = 1\nhost = "0.0.0.0"\ntenant = "team"\n[limits]\nread_rows = 7\n')
    answer = loaded(tmp_path, {"--port": "3"}, {"MEMQL_PORT": "2", "MEMQL_HOST": "::1", "PATH": "/bin"})
    settings = answer.settings
    assert (settings.port, settings.host, settings.tenant) == (3, "::1", "team")
    assert (settings.limits.read_rows, settings.log_level) == (7, "info")
    assert [answer.origins[name] for name in ("port", "host", "tenant", "limits.read_rows", "log_level")] == [
        "flag --port",
        "environment MEMQL_HOST",
        "memql.toml: tenant",
        "memql.toml: limits.read_rows",
        "default",
    ]


def test_nested_settings_by_every_door(tmp_path: Path) -> None:
    """A limit can be moved by a variable and by a flag too."""
    assert loaded(tmp_path, {}, {"MEMQL_LIMITS__READ_ROWS": "5"}).settings.limits.read_rows == 5
    assert loaded(tmp_path, {"--set limits.read_rows": "6"}).settings.limits.read_rows == 6


@pytest.mark.parametrize("name", [name for name, _ in fields()])
def test_every_setting_has_a_reason_and_a_variable_that_works(tmp_path: Path, name: str) -> None:
    """Nothing is a setting that can't say why; its default, written as text, is read back as the same value."""
    assert dict(fields())[name].description
    default = value_of(Settings(), name)
    answer = loaded(tmp_path, {}, {variable(name): "" if default is None else str(default)})
    assert value_of(answer.settings, name) == default
    assert answer.origins[name] == f"environment {variable(name)}"


@pytest.mark.parametrize(
    ("flags", "environ", "text", "message"),
    [
        ({}, {"MEMQL_PROT": "1"}, "", "SETTING_UNKNOWN at environment MEMQL_PROT: there is no setting `MEMQL_PROT` "
         "(did you mean `MEMQL_PORT`?)"),
        ({}, {}, "prot = 1", "SETTING_UNKNOWN at memql.toml: prot: there is no setting `prot` (did you mean `port`?)"),
        ({}, {}, "[limits]\nread_row = 1", "SETTING_UNKNOWN at memql.toml: limits.read_row: there is no setting "
         "`limits.read_row` (did you mean `limits.read_rows`?)"),
        ({"--set zzz": "1"}, {}, "", "SETTING_UNKNOWN at flag --set zzz: there is no setting `zzz` "
         "(`memql settings` lists all)"),
        ({}, {"MEMQL_PORT": "http"}, "", "SETTING_INVALID at environment MEMQL_PORT: `port` must be a whole number, "
         "at least 0 and at most 65535, not 'http'"),
        ({}, {}, "port = 70000", "SETTING_INVALID at memql.toml: port: `port` must be a whole number, "
         "at least 0 and at most 65535, not 70000"),
        ({}, {}, 'port = "8484"', "SETTING_INVALID at memql.toml: port: `port` must be a whole number, "
         "at least 0 and at most 65535, not '8484'"),
        ({}, {}, "port = true", "SETTING_INVALID at memql.toml: port: `port` must be a whole number, "
         "at least 0 and at most 65535, not True"),
        ({}, {}, "data = 5", "SETTING_INVALID at memql.toml: data: `data` must be a path, not 5"),
        ({"--set graph_engine": "ladibug"}, {}, "", "SETTING_INVALID at flag --set graph_engine: `graph_engine` must "
         "be kuzu or ladybug, not 'ladibug' (did you mean `ladybug`?)"),
        ({}, {}, "limits = 5", "SETTING_INVALID at memql.toml: limits: `limits` is a table of settings, not a value "
         "(write [limits])"),
        ({}, {}, "[port]\na = 1", "SETTING_INVALID at memql.toml: port: `port` must be a whole number, "
         "at least 0 and at most 65535, not {'a': 1}"),
        ({}, {}, "port = = 1", "SETTINGS_FILE at memql.toml: this is not TOML at line 1, column 8 "
         "(text values need quotes)"),
        ({}, {"MEMQL_CONFIG": "away.toml"}, "", "SETTINGS_FILE at away.toml: there is no such file "
         "(check --config or MEMQL_CONFIG)"),
    ],
)  # fmt: skip
def test_each_mistake_has_one_sentence(
    tmp_path: Path, file: Path, flags: Mapping[str, str], environ: Mapping[str, str], text: str, message: str
) -> None:
    """With its place and a way on, and never a library's own words."""
    file.write_text(text)
    assert [str(problem) for problem in problems(tmp_path, flags, environ)] == [message]


def test_all_mistakes_come_at_once(tmp_path: Path, file: Path) -> None:
    """Nobody likes to be told of the next one after each mend."""
    file.write_text('tenant = ""\nprot = 1\n')
    places = {problem.place for problem in problems(tmp_path, {"--port": "-1"}, {"MEMQL_X": "1"})}
    assert places == {"memql.toml: tenant", "memql.toml: prot", "environment MEMQL_X", "flag --port"}


def test_a_wrong_value_is_told_even_where_another_hides_it(tmp_path: Path, file: Path) -> None:
    """What was written wrongly is wrong, also while a flag happens to stand above it."""
    file.write_text("port = 70000\n")
    assert [problem.place for problem in problems(tmp_path, {"--port": "1"})] == ["memql.toml: port"]


def test_a_file_that_is_not_text_is_refused(tmp_path: Path, file: Path) -> None:
    """So is one that is a folder."""
    file.write_bytes(b"host = '\xff'")
    assert problems(tmp_path)[0].message == "this is not UTF-8 text"
    assert problems(tmp_path, {"--config": "."})[0].message == "it can't be read: is a directory"


def test_relative_paths_start_where_they_are_written(tmp_path: Path) -> None:
    """In a file at its folder, elsewhere at the working directory."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "m.toml").write_text('data = "store"\n')
    assert loaded(tmp_path, {"--config": "etc/m.toml"}).settings.data == tmp_path / "etc" / "store"
    assert loaded(tmp_path, {"--data": "here"}).settings.data == tmp_path / "here"
    assert loaded(tmp_path, {"--data": "~/x"}).settings.data == Path("~/x").expanduser()


def test_the_command_prints_values_origins_and_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As text for a person, as JSON for a program; a refusal goes to stderr with exit code 1."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMQL_LIMITS__READ_ROWS", "12")
    asked = CliRunner().invoke(app, ["settings", "--port", "99", "--format", "json"])
    rows = {row["name"]: row for row in orjson.loads(asked.stdout)}
    assert rows["port"]["value"] == 99
    assert rows["port"]["origin"] == "flag --port"
    assert rows["limits.read_rows"]["origin"] == "environment MEMQL_LIMITS__READ_ROWS"
    assert all(row["reason"] for row in rows.values())

    shown = CliRunner().invoke(app, ["settings"]).stdout
    assert "limits.read_rows = 12  environment MEMQL_LIMITS__READ_ROWS" in shown

    refused = CliRunner().invoke(app, ["settings", "--set", "limits.read_rows=none"])
    assert refused.exit_code == 1
    assert "must be a whole number, at least 1, not 'none'" in refused.stderr
    assert CliRunner().invoke(app, ["settings", "--set", "port"]).exit_code == 2
