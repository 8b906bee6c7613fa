"""Tokens: two roles that never stand in for each other, files that nobody else can read."""

import copy
import os
import pickle
from pathlib import Path

import pytest

from wai_ops.config.connection import cloudflare_connection
from wai_ops.config.credentials import Credential, Role, Secret, find_token, read_credentials_file
from wai_ops.config.settings import Settings, Target
from wai_ops.config.show import settings_table
from wai_ops.core.errors import AccessError, UsageError

TOKEN = "rt-0123456789"
OTHER = "op-0123456789"


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_secret_hides_itself_everywhere_but_in_reveal() -> None:
    secret = Secret(TOKEN)
    credential = Credential(secret=secret, origin="env X")
    for text in (str(secret), repr(secret), f"{secret}", repr(credential), repr([secret])):
        assert TOKEN not in text
    assert secret.reveal() == TOKEN
    assert secret == Secret(TOKEN)
    assert secret != Secret(OTHER)
    for way in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            way(secret)


def test_each_role_has_its_own_variable_and_no_fallback() -> None:
    runtime_only, operator_only = {"CLOUDFLARE_API_TOKEN": TOKEN}, {"WAI_OPERATOR_TOKEN": OTHER}
    found = find_token(Role.RUNTIME, runtime_only, None)
    assert found == Credential(secret=Secret(TOKEN), origin="env CLOUDFLARE_API_TOKEN")
    assert find_token(Role.OPERATOR, runtime_only, None) is None
    assert find_token(Role.RUNTIME, operator_only, None) is None
    found = find_token(Role.OPERATOR, operator_only, None)
    assert found == Credential(secret=Secret(OTHER), origin="env WAI_OPERATOR_TOKEN")


def test_a_file_is_read_with_its_lines_and_the_environment_beats_it(tmp_path: Path) -> None:
    file = private(
        tmp_path / "c",
        f'# two tokens\n\nCLOUDFLARE_API_TOKEN={TOKEN}\n WAI_OPERATOR_TOKEN = "{OTHER}"\n',
    )
    assert find_token(Role.RUNTIME, {}, file) == Credential(
        secret=Secret(TOKEN), origin=f"{file}:3"
    )
    assert find_token(Role.OPERATOR, {}, file) == Credential(
        secret=Secret(OTHER), origin=f"{file}:4"
    )
    environ = {"CLOUDFLARE_API_TOKEN": "from-the-environment"}
    found = find_token(Role.RUNTIME, environ, file)
    assert found is not None
    assert found.secret.reveal() == "from-the-environment"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604, 0o700, 0o666])
def test_a_file_that_others_could_read_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, mode: int
) -> None:
    file = private(tmp_path / "c", f"CLOUDFLARE_API_TOKEN={TOKEN}\n", mode)
    with pytest.raises(AccessError) as caught:
        find_token(Role.RUNTIME, {}, file)
    error = caught.value
    assert error.exit_code == 4
    assert error.message == f"the credentials file is not used: its mode is {mode:04o}, not 0600"
    assert (error.where, error.hint) == (str(file), f"chmod 600 {file}")


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_file_is_accepted(tmp_path: Path, mode: int) -> None:
    file = private(tmp_path / "c", f"CLOUDFLARE_API_TOKEN={TOKEN}\n", mode)
    assert find_token(Role.RUNTIME, {}, file) is not None


def test_what_is_no_plain_file_of_the_user_is_refused(tmp_path: Path) -> None:
    real = private(tmp_path / "real", f"CLOUDFLARE_API_TOKEN={TOKEN}\n")
    link, folder, fifo = tmp_path / "link", tmp_path / "folder", tmp_path / "fifo"
    link.symlink_to(real)
    folder.mkdir(mode=0o600)
    os.mkfifo(fifo, 0o600)
    told = {}
    for path in (link, folder, fifo, tmp_path / "missing"):
        with pytest.raises(AccessError) as caught:
            read_credentials_file(path)
        told[path.name] = caught.value.message.rpartition(": ")[2]
    assert told == {
        "link": "it is a symbolic link",
        "folder": "it is not a regular file",
        "fifo": "it is not a regular file",
        "missing": "no such file or directory",
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    file = private(tmp_path / "c", f"CLOUDFLARE_API_TOKEN={TOKEN}\n")
    os.chown(file, 12345, -1)
    with pytest.raises(AccessError, match="it belongs to another user"):
        read_credentials_file(file)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("CLOUDFLARE_API_TOKEN s3cr3t\n", 1, "a line must be NAME=value"),
        ("\ns3cr3t=x\n", 2, "a line must be NAME=value"),
        (
            "CLOUDFLARE_API_TOKEN=s3cr3t\nCLOUDFLARE_API_TOKEN=b\n",
            2,
            "CLOUDFLARE_API_TOKEN is set twice",
        ),
    ],
)
def test_a_bad_line_is_named_by_number_and_never_repeated(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    file = private(tmp_path / "c", text)
    with pytest.raises(AccessError) as caught:
        read_credentials_file(file)
    assert caught.value.where == f"{file}:{line}"
    assert caught.value.message.startswith(message)
    assert "s3cr3t" not in caught.value.message


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c"
    file.write_bytes(b"\xff\xfe\x00")
    file.chmod(0o600)
    with pytest.raises(AccessError, match="not a short UTF-8 text"):
        read_credentials_file(file)


@pytest.mark.parametrize("text", ["a b", "a\tb", "a\nb", "a\x1b[31m", "tök", "\x7f", "x" * 5000])
def test_what_can_be_no_token_is_refused_unseen(text: str) -> None:
    with pytest.raises(AccessError) as caught:
        find_token(Role.RUNTIME, {"CLOUDFLARE_API_TOKEN": text}, None)
    assert caught.value.where == "env CLOUDFLARE_API_TOKEN"
    assert text not in caught.value.message


def test_a_missing_credential_says_which_and_what_to_do() -> None:
    with pytest.raises(AccessError) as caught:
        cloudflare_connection(Settings(), {}, role=Role.RUNTIME)
    assert caught.value.message == "CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN are not set"
    assert caught.value.hint is not None
    assert "Workers AI: Read" in caught.value.hint
    assert "--local" in caught.value.hint
    with pytest.raises(AccessError, match=r"^WAI_OPERATOR_TOKEN is not set$"):
        cloudflare_connection(
            Settings(account_id="acc"), {"CLOUDFLARE_API_TOKEN": TOKEN}, role=Role.OPERATOR
        )


def test_a_connection_is_made_of_settings_and_credentials(tmp_path: Path) -> None:
    file = private(tmp_path / "c", f"CLOUDFLARE_ACCOUNT_ID=acc\nCLOUDFLARE_API_TOKEN={TOKEN}\n")
    settings = Settings(credentials_file=file, gateway="agents")
    connection = cloudflare_connection(settings, {}, role=Role.RUNTIME)
    assert connection.target is Target.CLOUDFLARE
    assert connection.base_url == "https://api.cloudflare.com/client/v4"
    assert (connection.account_id, connection.gateway) == ("acc", "agents")
    assert connection.token.reveal() == TOKEN
    assert TOKEN not in repr(connection)


def test_loopback_counts_as_local_and_loses_its_last_slash() -> None:
    settings = Settings(account_id="a", base_url="http://127.0.0.1:8787/client/v4/")
    connection = cloudflare_connection(settings, {"CLOUDFLARE_API_TOKEN": TOKEN}, role=Role.RUNTIME)
    assert connection.target is Target.LOCAL
    assert connection.base_url == "http://127.0.0.1:8787/client/v4"


@pytest.mark.parametrize("name", ["base_url", "gateway_base_url"])
def test_a_token_goes_to_another_host_only_when_the_environment_names_it(name: str) -> None:
    url = "https://proxy.example/v4"
    settings = Settings(account_id="a", **{name: url})  # type: ignore[arg-type]  # one of two fields
    variable = {
        "base_url": "CLOUDFLARE_BASE_URL",
        "gateway_base_url": "CLOUDFLARE_AI_GATEWAY_BASE_URL",
    }[name]
    environ = {"CLOUDFLARE_API_TOKEN": TOKEN}
    for more in ({}, {variable: "https://elsewhere.example/v4"}):
        with pytest.raises(UsageError, match=f"{name} names another host"):
            cloudflare_connection(settings, environ | more, role=Role.RUNTIME)
    connection = cloudflare_connection(settings, environ | {variable: url}, role=Role.RUNTIME)
    assert getattr(connection, name) == url


@pytest.mark.parametrize(
    "url", ["http://api.cloudflare.com/client/v4", "ftp://127.0.0.1/", "https://u:p@host/", "x"]
)
def test_no_connection_exists_to_an_address_that_leaks(url: str) -> None:
    settings = Settings(account_id="a", base_url=url)
    environ = {"CLOUDFLARE_API_TOKEN": TOKEN, "CLOUDFLARE_BASE_URL": url}
    with pytest.raises(UsageError):
        cloudflare_connection(settings, environ, role=Role.RUNTIME)


def test_config_show_tells_where_a_token_is_and_never_what_it_is(tmp_path: Path) -> None:
    file = private(tmp_path / "c", f"WAI_OPERATOR_TOKEN={OTHER}\n")
    settings = Settings(credentials_file=file)
    table = settings_table(settings, {"CLOUDFLARE_API_TOKEN": TOKEN})
    rows = {row.name: (row.value, row.origin) for row in table.rows}
    assert rows["CLOUDFLARE_API_TOKEN"] == ("set", "env CLOUDFLARE_API_TOKEN")
    assert rows["WAI_OPERATOR_TOKEN"] == ("set", f"{file}:1")
    assert TOKEN not in repr(table)
    assert OTHER not in repr(table)
    file.chmod(0o644)
    rows = {row.name: (row.value, row.origin) for row in settings_table(settings, {}).rows}
    assert rows["CLOUDFLARE_API_TOKEN"][0] == "not usable"
