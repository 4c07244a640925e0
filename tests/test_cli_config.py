"""`headgate config`, and where every verb finds the configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from headgate import cli
from headgate.cli._settings import Source
from headgate.config.layers import flag_layer
from headgate.config.schema import schema
from headgate.errors import ConfigError

MINE = '[[upstream]]\nname = "mine"\nurl = "http://127.0.0.1:1"\n'


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory, an empty home, and no variables of ours."""
    for name in [name for name in os.environ if name.startswith("HEADGATE_")]:
        monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path / "work")


def source(named: str | None = None, environ: Mapping[str, str] | None = None) -> Source:
    return Source(named, flag_layer(), os.environ if environ is None else environ)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


# Where it is found


def test_the_file_is_looked_for_from_the_nearest_to_the_farthest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert source().path() is None

    user = write(tmp_path / "home/.config/headgate/headgate.toml", "")
    assert user == source().path()

    xdg = write(tmp_path / "xdg/headgate/headgate.toml", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert xdg == source().path()

    here = write(Path("headgate.toml"), "")
    assert here == source().path()

    monkeypatch.setenv("HEADGATE_CONFIG", "from-environment.toml")
    assert Path("from-environment.toml") == source().path()
    assert Path("from-flag.toml") == source("from-flag.toml").path()


def test_a_relative_xdg_folder_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The specification of these variables says so."""
    user = write(tmp_path / "home/.config/headgate/headgate.toml", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")

    assert user == source().path()


def test_a_folder_of_settings_that_is_named_stands_in_for_the_usual_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "home/.config/headgate/headgate.toml", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))

    assert source().path() is None


def test_without_a_home_directory_there_is_just_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", staticmethod(nobody))

    assert source().path() is None
    assert () == source().read().settings.config.upstreams


def test_a_folder_that_cannot_be_looked_into_is_no_reason_not_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service often has the home directory of somebody else."""
    monkeypatch.setenv("XDG_CONFIG_HOME", "/" + "a" * 5000)

    assert source().path() is None


def test_a_file_that_is_named_must_be_there() -> None:
    with pytest.raises(
        ConfigError, match=r"no\.toml: cannot read the configuration file \(No such file or directory\)"
    ):
        source("no.toml").read()


# Secrets


def keys_file(text: str, mode: int = 0o600) -> None:
    write(Path("headgate.toml"), '[server]\napi_keys_file = "keys"\n')
    write(Path("keys"), text, mode)


def test_keys_come_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    keys_file("# ours\nsesame\n\n open \n")

    found = source(str(tmp_path / "work/headgate.toml"), {}).read()

    assert (("sesame", "open"), ()) == (found.settings.config.api_keys, found.warnings)


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights")
def test_a_key_file_that_others_can_read_is_warned_about() -> None:
    keys_file("sesame", 0o644)

    assert ("keys can be read by others: run `chmod 600 keys`.",) == source().read().warnings


def test_an_upstreams_key_comes_from_a_file() -> None:
    write(Path("headgate.toml"), MINE + 'api_key_file = "key"\n')
    write(Path("key"), "sesame\n")

    assert "sesame" == source().read().settings.config.upstreams[0].api_key


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("no", "No such file or directory"),
        (".", "Is a directory"),
        ("bytes", "it is not text"),
        ("~no_such_user/k", "home"),
    ],
)
def test_a_key_file_that_cannot_be_read_is_named_with_its_line(file: str, reason: str) -> None:
    write(Path("headgate.toml"), f'[server]\napi_keys_file = "{file}"\n')
    Path("bytes").write_bytes(b"\xff")

    with pytest.raises(
        ConfigError, match=rf"^headgate\.toml:2: server\.api_keys_file: cannot read {file} \(.*{reason}"
    ):
        source().read()


def test_a_key_file_may_be_in_the_home_directory(tmp_path: Path) -> None:
    write(Path("headgate.toml"), '[server]\napi_keys_file = "~/keys"\n')
    write(tmp_path / "home/keys", "sesame\n")

    assert ("sesame",) == source().read().settings.config.api_keys


def test_a_key_file_that_is_too_big_is_refused_and_not_cut() -> None:
    """The first half of a key would be a key."""
    keys_file("k" * 1024 * 1024)
    assert 1 == len(source().read().settings.config.api_keys)

    keys_file("k" * (1024 * 1024 + 1))
    with pytest.raises(ConfigError, match=r"expected a file of keys of at most 1,048,576 bytes, keys has more\.$"):
        source().read()


def test_a_key_in_place_of_a_files_name_is_not_repeated() -> None:
    write(Path("headgate.toml"), MINE + 'api_key_file = "${KEY}"\n')

    with pytest.raises(ConfigError, match=r"api_key_file: cannot read \$\{KEY\} \(No such file or directory\)"):
        source(environ={"KEY": "sesame"}).read()


def test_an_empty_key_file_is_an_error() -> None:
    """It would open the door to everybody."""
    keys_file("# none yet\n")

    with pytest.raises(ConfigError, match="expected one key on each line, got none in keys"):
        source().read()


# The verb


def test_check_says_what_the_file_comes_to(capsys: pytest.CaptureFixture[str]) -> None:
    write(Path("headgate.toml"), MINE)

    assert 0 == cli.main(["config", "check"])
    assert "headgate.toml: good, 1 upstream, listens on 127.0.0.1 port 4283\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nprot = 1", "bad.toml:2: server.prot: there is no such key. Did you mean port?"),
        ('[server]\nhost = "0.0.0.0"', "expected API keys, since 0.0.0.0 can be reached from other machines."),
        (MINE + 'api_key_env = "NO_SUCH"', "upstream mine: the environment variable NO_SUCH is not set."),
        (MINE.replace(":1", ":1?key=a"), "bad.toml:3: upstream[0].url: the URL holds a query. Leave it out."),
        (MINE + 'headers = { "a b" = "c" }', "upstream mine: expected a header name of letters, digits and hyphens"),
        ('[server]\ncors_origins = ["*"]', "bad.toml:2: server.cors_origins[0]: expected an origin such as"),
    ],
)
def test_check_finds_what_serve_would_refuse(text: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(Path("bad.toml"), text)

    assert 2 == cli.main(["config", "check", "bad.toml"])

    error = capsys.readouterr().err
    assert f"headgate config: {words}" in error
    assert 1 == error.count("\n")


def test_show_prints_the_origin_of_every_value(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(Path("headgate.toml"), MINE)
    monkeypatch.setenv("HEADGATE_PORT", "7")
    monkeypatch.setenv("HEADGATE_PROT", "8")

    assert 0 == cli.main(["config", "show"])

    said = capsys.readouterr()
    lines = [line.split() for line in said.out.splitlines()]
    assert "# file: headgate.toml" == said.out.splitlines()[0]
    assert ["port", "=", "7", "#", "HEADGATE_PORT"] in lines
    assert ["name", "=", '"mine"', "#", "headgate.toml:2"] in lines
    assert "headgate config: warning: HEADGATE_PROT: there is no such variable; it has no effect.\n" == said.err


def test_init_writes_a_file_that_only_its_owner_reads_and_never_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == cli.main(["config", "init"])
    assert 0 == cli.main(["config", "check"])
    if os.name == "posix":
        assert 0 == Path("headgate.toml").stat().st_mode & 0o077

    Path("headgate.toml").write_text(MINE)
    assert 2 == cli.main(["config", "init"])
    assert MINE == Path("headgate.toml").read_text()
    assert "headgate.toml is there already and stays as it is. Name another file." in capsys.readouterr().err


def test_schema_prints_what_editors_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == cli.main(["config", "schema"])
    assert json.loads(json.dumps(schema())) == json.loads(capsys.readouterr().out)


def test_it_does_not_wait_for_the_gateways_modules() -> None:
    """Whoever prints the schema should not wait for what only `check` needs."""
    code = "import sys; from headgate.cli import config; print('asyncio' in sys.modules, 'uvicorn' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "False False\n" == result.stdout
