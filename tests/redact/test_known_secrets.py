"""Which values count as credentials of this process, and the key of the masks."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wai_ops.config.settings import RedactionSettings, Settings
from wai_ops.core.errors import DataError
from wai_ops.core.secret_names import is_secret_name
from wai_ops.observe.redact.known import KEY_FILE, known_secrets, redaction_key, redactor_for


@pytest.mark.parametrize(
    "name",
    [
        *("CLOUDFLARE_API_TOKEN", "WAI_OPERATOR_TOKEN", "GITHUBTOKEN", "DB_PASSWORD_2", "api_key"),
        *("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "GCP_CREDENTIALS", "TLS_KEY_B64"),
        *("DB_PASSPHRASE", "CLIENT_SECRET", "WAI_AFFINITY_KEY", "MYSQL_PWD"),
    ],
)
def test_a_name_tells_a_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["PATH", "PWD", "OLDPWD", "KEYBOARD", "TOKENIZERS_PARALLELISM", "SECRETARY", "MAX_TOKENS_OUT"],
)
def test_a_name_that_tells_none(name: str) -> None:
    assert not is_secret_name(name)


def test_words_paths_and_short_values_are_no_secrets(tmp_path: Path) -> None:
    environ = {
        "A_TOKEN": "opaque-77-value",
        "B_TOKEN": "short77",
        "C_TOKEN": "production",
        "D_TOKEN": "not-configured",
        "E_KEY": str(tmp_path / "key.pem"),
        "F_KEY": "/Zm9vYmFy+Zm9vYmFy/Zm9v=",
        "G_PASSWORD": "correcthorse",
        "H_URL": "postgres://ada:s3cr3t-word@db/x",
        "I_URL": "https://example.com/plain",
        "HOME": "/home/ada-77-value",
    }
    assert known_secrets(Settings(), environ) == {
        "A_TOKEN": "opaque-77-value",
        "F_KEY": "/Zm9vYmFy+Zm9vYmFy/Zm9v=",
        "G_PASSWORD": "correcthorse",
        "H_URL-password": "s3cr3t-word",
    }


def test_both_roles_of_the_credentials_file_are_known_and_what_the_settings_name(
    tmp_path: Path,
) -> None:
    file = tmp_path / "credentials"
    file.touch(mode=0o600)
    file.write_text("CLOUDFLARE_API_TOKEN=from-file-1234\nWAI_OPERATOR_TOKEN=operator-5678\n")
    settings = Settings(
        credentials_file=file,
        redaction=RedactionSettings(variables={"LEGACY_LOGIN": "legacy-login"}),
    )
    environ = {"CLOUDFLARE_API_TOKEN": "from-environ-1234", "LEGACY_LOGIN": "ada:lovelace"}
    assert known_secrets(settings, environ) == {
        "CLOUDFLARE_API_TOKEN": "from-environ-1234",
        "CLOUDFLARE_API_TOKEN-file": "from-file-1234",
        "WAI_OPERATOR_TOKEN": "operator-5678",
        "legacy-login": "ada:lovelace",
    }
    settings = Settings(state_dir=tmp_path / ".wai", redaction=settings.redaction)
    masked = redactor_for(settings, environ).text("login ada:lovelace")
    assert masked.startswith("login [redacted:legacy-login:")


def test_the_key_is_made_once_private_and_the_first_of_many_holds(tmp_path: Path) -> None:
    state = tmp_path / ".wai"
    assert redaction_key(state, makes_folder=False) is None
    assert not state.exists()
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: redaction_key(state, makes_folder=True), range(40)))
    assert len(keys) == 1
    assert stat.S_IMODE((state / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in state.iterdir()] == [KEY_FILE]


def test_a_damaged_key_is_said_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("no key")
    with pytest.raises(DataError) as caught:
        redaction_key(tmp_path, makes_folder=True)
    assert "damaged" in caught.value.message
    assert (tmp_path / KEY_FILE).read_text() == "no key"
