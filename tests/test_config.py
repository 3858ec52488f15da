"""Settings: where they come from, what is said of wrong ones, and what is never shown."""

import json
import os
import re
import subprocess
import sys
import tomllib
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from cella import keyring
from cella.config import SECRETS, Config, Setting, effective, load, settings, unknown_variables
from cella.db import DatabaseConfig
from cella.errors import BadConfig
from cella.links.validity import LinkConfig
from cella.settings import hide_password

ALL = {setting.name: setting for setting in settings()}
PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"

HANDED: dict[str, Any] = {
    # Whatever is no plain default of its type: a value that differs, and fits.
    "log_format": "json",
    "log_level": "debug",
    "encoding_backend": "zencoder",
    "file_link_validity": {"local": 60, "default": 7},
    "link_cdn": {"local": "nginx", "s3": "cloudfront"},
    "cdnsun_key": "hunter6",
    "cloudfront_key": "hunter7",
    "jobs_limits": {"encode": 2, "process": 0},
    "auth_token_hmac_key": "hunter2",
    "link_keys": ["hunter2", "hunter3"],
    "zencoder_api_key": "hunter4",
    "zencoder_notifications_secret": "hunter5",
    "oidc_client_secret": "hunter8",
    "oidc_algorithms": ["ES256", "EdDSA"],
    "oidc_roles": {"studio-admin": "admin", "artist": "demo"},
    "blender_id_roles": {"cloud_demo": "demo"},
}


def _other(setting: Setting) -> Any:
    """A value that fits the setting and is not its default, as TOML has it."""
    if setting.name in HANDED:
        return HANDED[setting.name]
    match setting.default:
        case bool():
            return not setting.default
        case int() | float():
            return setting.default + 1
        case str():
            return setting.default + "else"
        case _:
            return ["one", "two"]


def _as_toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_as_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)


def _as_variable(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return ",".join(f"{key}={each}" for key, each in sorted(value.items()))
        case list() | tuple():
            return ",".join(value)
        case frozenset():
            return ",".join(sorted(value))
        case _:
            return str(value)


def _value(config: Config, setting: Setting) -> Any:
    return getattr(getattr(config, setting.section.name), setting.field)


def _plain(value: Any) -> Any:
    """A value without the difference between a list, a tuple and a set."""
    return sorted(value) if isinstance(value, list | tuple | frozenset) else value


def _load(folder: Path, toml: str = "", **environment: str) -> Config:
    if toml:
        (folder / "cella.toml").write_text(toml)
    return load(environment, folder=folder)


# --- Where settings come from ---


def test_without_anything_all_is_as_by_default(tmp_path: Path) -> None:
    config = _load(tmp_path)
    for setting in ALL.values():
        assert _value(config, setting) == setting.default
    assert config.data == Path.cwd() / "data"


@pytest.mark.parametrize("name", ALL)
def test_a_setting_from_the_file(tmp_path: Path, name: str) -> None:
    value = _other(ALL[name])
    config = _load(tmp_path, f"{name} = {_as_toml(value)}")

    assert _plain(_value(config, ALL[name])) == _plain(value)
    assert [s.name for s in ALL.values() if _value(config, s) != s.default] == [name]


@pytest.mark.parametrize("name", ALL)
def test_a_setting_from_the_environment(tmp_path: Path, name: str) -> None:
    value = _other(ALL[name])
    config = _load(tmp_path, **{ALL[name].variable: _as_variable(value)})

    assert _plain(_value(config, ALL[name])) == _plain(value)
    assert [s.name for s in ALL.values() if _value(config, s) != s.default] == [name]


def test_options_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "cella.toml").write_text('data = "file"\nhost = "file"\nscheme = "file"\nport = 1')
    environment = {"CELLA_DATA": "environment", "CELLA_HOST": "environment", "UNRELATED": "1"}
    config = load(environment, overrides={"data": "option", "port": None}, folder=tmp_path)

    assert config.service.data == "option"
    assert config.service.host == "environment"
    assert config.links.scheme == "file"
    assert config.service.port == 1


def test_lists_and_tables_of_the_environment_may_have_spaces(tmp_path: Path) -> None:
    config = _load(
        tmp_path,
        CELLA_CORS_ORIGINS=" https://a.example , https://b.example,, ",
        CELLA_FILE_LINK_VALIDITY=" gcs = 5, default=6 ,",
        CELLA_VIDEO_ENCODING_ROLES="",
    )
    assert config.api.cors_origins == {"https://a.example", "https://b.example"}
    assert config.links.file_link_validity == {"gcs": 5, "default": 6}
    assert config.access.video_encoding_roles == frozenset()


def test_the_order_of_link_keys_is_kept(tmp_path: Path) -> None:
    assert _load(tmp_path, CELLA_LINK_KEYS="z,a,m").links.link_keys == ("z", "a", "m")


def test_the_file_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "cella.toml").write_text("port = 1")
    (tmp_path / "other.toml").write_text('host = "bücherei.example"', encoding="utf-8")
    config = _load(tmp_path, CELLA_CONFIG=str(tmp_path / "other.toml"))
    assert config.service.port == ALL["port"].default
    assert config.service.host == "bücherei.example"


# --- What is said of wrong ones ---


def test_an_unknown_setting_in_the_file_is_refused(tmp_path: Path) -> None:
    for name in ("prot", "sandbox_tasks", "CELLA_PORT", "config"):
        with pytest.raises(BadConfig, match=rf"cella\.toml: there is no setting `{name}`"):
            _load(tmp_path, f"{name} = 1")


def test_variables_that_are_no_settings_are_told() -> None:
    known = {setting.variable: "1" for setting in ALL.values()}
    others = {"CELLA_CONFIG": "a", "CELLA_URL": "b", "CELLA_TOKEN": "c", "PATH": "d"}
    assert unknown_variables({**known, **others}) == []
    wrong = {"CELLA_PROT": "8000", "CELLA_DATEBASE_URL": "e", "CELLA_SANDBOX_TASKS": "os"}
    assert unknown_variables({**known, **others, **wrong}) == sorted(wrong)


def test_the_module_of_the_sandbox_cannot_be_set(tmp_path: Path) -> None:
    config = _load(tmp_path, CELLA_SANDBOX_TASKS="os")
    assert config == _load(tmp_path)


WRONG = {
    "port": ["x", "", "65536", "-1", "8333.5"],
    "workers": ["0", "many"],
    "embedded_worker": ["maybe", ""],
    "log_level": ["loud"],
    "filesize_limit_bytes_nonsubs": ["32 MiB"],
    "file_link_validity": ["gcs", "gcs=long", "gcs=1.5"],
    "upload_wait": ["ten", "-1"],
    "upload_stall": ["0"],
    "database_readers": ["0"],
}


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in WRONG.items() for t in texts])
def test_a_value_that_does_not_fit_is_refused_by_name(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(BadConfig, match=f"^CELLA_{name.upper()} does not fit"):
        _load(tmp_path, **{f"CELLA_{name.upper()}": text})


def test_an_option_that_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"^--log-level does not fit"):
        load({}, overrides={"log_level": "loud"}, folder=tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        *("port = 'x'", "port = [1]", "[port]", "data = 7", "cors_origins = 'https://a'"),
        *("file_link_validity = 1", "link_keys = [1]", "upload_wait = true"),
    ],
)
def test_a_value_in_the_file_that_does_not_fit_is_refused_by_name(
    tmp_path: Path, line: str
) -> None:
    name = re.split(r"[ \]]", line.strip("["))[0]
    with pytest.raises(BadConfig, match=rf"^cella\.toml: `{name}` does not fit"):
        _load(tmp_path, line)


def test_a_wrong_secret_is_not_repeated(tmp_path: Path) -> None:
    for line in ('link_keys = "hunter2"', "auth_token_hmac_key = ['hunter2']"):
        with pytest.raises(BadConfig) as caught:
            _load(tmp_path, line)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe", b"port = 1\nport = 2"])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cella.toml").write_bytes(content)
    with pytest.raises(BadConfig, match=r"cella\.toml is not valid TOML") as caught:
        _load(tmp_path)
    assert str(tmp_path) not in str(caught.value)


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    for named in (tmp_path / "nowhere.toml", tmp_path):
        with pytest.raises(BadConfig, match="CELLA_CONFIG") as caught:
            _load(tmp_path, CELLA_CONFIG=str(named))
        assert str(tmp_path) not in str(caught.value)


# --- What is never shown ---

URLS = [
    ("", ""),
    ("sqlite:////srv/cella/a:b@c.sqlite", "sqlite:////srv/cella/a:b@c.sqlite"),
    ("sqlite:////srv/cella.sqlite?timeout=5", "sqlite:////srv/cella.sqlite?timeout=5"),
    ("postgresql://db.example/cella", "postgresql://db.example/cella"),
    ("postgresql://cella@db.example/cella", "postgresql://cella@db.example/cella"),
    ("postgresql://u:hunter2@h:5432/d", "postgresql://u:***@h:5432/d"),
    ("postgresql://u:hun@ter2@h/d", "postgresql://u:***@h/d"),
    ("postgresql://u:hun/ter2@h/d", "postgresql://u:***@h/d"),
    ("postgresql://:hunter2@h/d", "postgresql://:***@h/d"),
    ("postgresql://u@h/d?password=hunter2", "postgresql://u@h/d?password=***"),
    ("postgresql:///d?host=h&PASSWORD=hunter2&x=1", "postgresql:///d?host=h&PASSWORD=***&x=1"),
    ("postgresql://u:hunter2@h/d?sslpassword=hunter2", "postgresql://u:***@h/d?sslpassword=***"),
    ("s3://key:hunter2@bucket?secret_key=hunter2", "s3://key:***@bucket?secret_key=***"),
]


@pytest.mark.parametrize(("url", "shown"), URLS)
def test_passwords_in_urls_are_hidden(tmp_path: Path, url: str, shown: str) -> None:
    assert hide_password(url) == shown
    config = _load(tmp_path, CELLA_DATABASE_URL=url, CELLA_STORE_URL=url)
    printed = {setting.name: value for setting, value in effective(config)}
    assert printed["database_url"] == printed["store_url"] == shown


def test_secrets_are_hidden_and_all_else_is_shown(tmp_path: Path) -> None:
    toml = "".join(f"{name} = {_as_toml(_other(setting))}\n" for name, setting in ALL.items())
    config = _load(tmp_path, toml)
    printed = {setting.name: value for setting, value in effective(config)}

    assert list(printed) == list(ALL)
    hidden = {name for name, value in printed.items() if value == "***"}
    assert hidden == {
        "auth_token_hmac_key",
        "azure_account_key",
        "gcs_hmac_secret",
        "link_keys",
        "bunny_key",
        "cdnsun_key",
        "cloudfront_key",
        "nginx_key",
        "oidc_client_secret",
        "s3_secret_access_key",
        "zencoder_api_key",
        "zencoder_notifications_secret",
    }
    assert {ALL[name].field for name in hidden} == SECRETS
    assert "hunter" not in str(printed)
    for name in set(ALL) - hidden:
        assert printed[name] == _value(config, ALL[name])


def test_a_secret_that_is_not_set_is_shown_to_be_none(tmp_path: Path) -> None:
    printed = {setting.name: value for setting, value in effective(_load(tmp_path))}
    assert printed["auth_token_hmac_key"] == ""
    assert printed["link_keys"] == ()


def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    config = _load(
        tmp_path,
        CELLA_AUTH_TOKEN_HMAC_KEY="hunter2",
        CELLA_LINK_KEYS="hunter2,hunter3",
        CELLA_DATABASE_URL="postgresql://u:hunter2@h/d",
        CELLA_HOST="a-host",
    )
    console = Console(width=10_000, file=StringIO(), record=True)
    console.print(config, config.links, config.database)
    for text in (
        *map(repr, (config, config.service, config.links, config.database)),
        f"{config}",
        console.export_text(),
    ):
        assert "hunter" not in text
        assert "***" in text
    assert "host='a-host'" in repr(config)


def test_the_repr_of_settings_names_their_class() -> None:
    assert (
        repr(DatabaseConfig())
        == "DatabaseConfig(url='', readers=4, pool_size=10, search_seconds=5.0)"
    )
    assert "link_keys=()" in repr(LinkConfig())


# --- Secrets that are made ---


def _complete(data: Path, **environment: str) -> Config:
    return keyring.complete(load({"CELLA_DATA": str(data), **environment}, folder=data))


def test_secrets_are_made_once_and_kept_for_their_owner(tmp_path: Path) -> None:
    first, second = _complete(tmp_path / "new"), _complete(tmp_path / "new")

    assert first == second
    assert len(first.service.auth_token_hmac_key) >= 43
    assert [len(key) >= 43 for key in first.links.link_keys] == [True]
    assert first.service.auth_token_hmac_key != first.links.link_keys[0]
    (kept,) = (tmp_path / "new").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert _complete(tmp_path / "other").links != first.links


def test_configured_secrets_win_over_those_that_were_made(tmp_path: Path) -> None:
    made = _complete(tmp_path)
    set_one = _complete(tmp_path, CELLA_LINK_KEYS="mine")
    assert set_one.links.link_keys == ("mine",)
    assert set_one.service == made.service
    set_other = _complete(tmp_path, CELLA_AUTH_TOKEN_HMAC_KEY="mine")
    assert set_other.service.auth_token_hmac_key == "mine"
    assert set_other.links == made.links


def test_nothing_is_made_where_all_is_configured(tmp_path: Path) -> None:
    _complete(tmp_path / "new", CELLA_LINK_KEYS="one", CELLA_AUTH_TOKEN_HMAC_KEY="two")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"auth_token_hmac_key": 1}'])
def test_damaged_secrets_are_not_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secrets.json").write_bytes(content)
    with pytest.raises(BadConfig, match=r"secrets\.json") as caught:
        _complete(tmp_path)
    assert str(tmp_path) not in str(caught.value)
    assert (tmp_path / "secrets.json").read_bytes() == content


def test_processes_that_start_at_once_make_the_same_secrets(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cella import config, keyring\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "c = keyring.complete(config.load({'CELLA_DATA': sys.argv[1]}, folder=Path(sys.argv[1])))\n"
        "print(c.service.auth_token_hmac_key, *c.links.link_keys)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "new")],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = {process.communicate(timeout=60)[0] for process in processes}

    assert [process.returncode for process in processes] == [0] * 4
    assert len(said) == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["secrets.json"]


# --- What is written of them ---

ROW = re.compile(r"^\| `(CELLA_\w+)` \| (`.*?`|none) \| (.+) \|$", re.MULTILINE)
ROWS = {
    variable: (default, meaning) for variable, default, meaning in ROW.findall(PAGE.read_text())
}


def test_every_setting_is_documented_once_and_nothing_else() -> None:
    documented = re.findall(r"^\| `(CELLA_\w+)`", PAGE.read_text(), re.MULTILINE)
    assert documented == [setting.variable for setting in ALL.values()]
    assert list(ROWS) == documented


@pytest.mark.parametrize("name", ALL)
def test_what_is_written_of_a_setting_is_true(tmp_path: Path, name: str) -> None:
    default, meaning = ROWS[ALL[name].variable]
    assert len(meaning.split()) >= 3
    if default == "none":
        assert not ALL[name].default
        return
    written = default.strip("`")
    assert written == _as_variable(ALL[name].default)
    config = _load(tmp_path, **{ALL[name].variable: written})
    assert _value(config, ALL[name]) == ALL[name].default


def test_the_example_of_a_file_is_one(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    config = _load(tmp_path, example)
    changed = [name for name, s in ALL.items() if _value(config, s) != s.default]
    assert sorted(changed) == sorted(tomllib.loads(example))


def test_settings_cannot_be_changed_afterwards(tmp_path: Path) -> None:
    config = _load(tmp_path)
    for section in msgspec.structs.asdict(config).values():
        with pytest.raises(AttributeError):
            setattr(section, section.__struct_fields__[0], None)
