"""`cella doctor`: every setting, no secret, and what does not work."""

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Cella
from tests.support.clouds import Cloud
from tests.support.servers import Server

from cella import config


def test_all_is_well_beside_a_running_server(server: Server) -> None:
    done = server.cella("doctor", "--json")
    assert done.returncode == 0, done.stdout
    states = {check["name"]: check["state"] for check in json.loads(done.stdout)["checks"]}
    # Warnings tell of this machine: little space, an old kernel, no ffmpeg.
    assert set(states.values()) <= {"ok", "warning"}
    assert [states[name] for name in ("database", "store", "decoders")] == ["ok"] * 3


def test_every_setting_is_listed_with_its_source(tmp_path: Path, here: Cella) -> None:
    (tmp_path / "cella.toml").write_text('upload_wait = 3\nscheme = "https"\n')
    done = here("doctor", "--json", folder=tmp_path, CELLA_SCHEME="http", CELLA_PORT="9999")
    shown = {each["name"]: each for each in json.loads(done.stdout)["settings"]}
    assert set(shown) == {setting.name for setting in config.settings()}
    found = {name: (each["value"], each["source"]) for name, each in shown.items()}
    assert found["upload_wait"] == (3, "set")
    assert found["scheme"] == ("http", "default")
    assert found["port"] == (9999, "set")
    assert found["host"] == ("127.0.0.1", "default")
    assert found["link_keys"] == ([], "made")
    assert found["zencoder_api_key"] == ("", "default")
    assert all(each["variable"] == f"CELLA_{name.upper()}" for name, each in shown.items())


def test_people_see_every_setting_and_no_secret(tmp_path: Path, here: Cella) -> None:
    secrets = {
        "CELLA_AUTH_TOKEN_HMAC_KEY": "hush-1" * 8,
        "CELLA_LINK_KEYS": f"{'hush-2' * 8},{'hush-3' * 8}",
        "CELLA_DATABASE_URL": "postgresql://user:hush-4@127.0.0.1:1/x",
    }
    for arguments in ([], ["--json"]):
        done = here("doctor", *arguments, folder=tmp_path, **secrets)
        assert "hush" not in done.stdout + done.stderr
        assert "***" in done.stdout
        for setting in config.settings():
            assert setting.name in done.stdout


@pytest.mark.parametrize(
    ("part", "settings"),
    [
        ("database", {"CELLA_DATABASE_URL": "postgresql://127.0.0.1:1/x"}),
        ("store", {"CELLA_STORE_URL": "file:///proc/there/is/none"}),
    ],
)
def test_what_does_not_work_is_named(
    tmp_path: Path, part: str, settings: dict[str, str], here: Cella
) -> None:
    done = here("doctor", "--json", folder=tmp_path, **settings)
    assert done.returncode == 1
    checks = json.loads(done.stdout)["checks"]
    assert [check["name"] for check in checks if check["state"] == "failed"] == [part]


@pytest.mark.parametrize(
    ("cloud", "changed", "named"),
    [
        ("s3", {"CELLA_STORE_URL": "s3://another-bucket"}, "CELLA_STORE_URL"),
        ("azure", {"CELLA_STORE_URL": "az://another-container"}, "CELLA_STORE_URL"),
        ("azure", {"CELLA_AZURE_ACCOUNT_KEY": "d3Jvbmc="}, "CELLA_AZURE_ACCOUNT_KEY"),
        ("s3", {"CELLA_STORE_ENDPOINT": "http://127.0.0.1:1"}, "connection to the store"),
        ("s3", {}, ""),
        ("azure", {}, ""),
    ],
)
def test_what_is_wrong_with_a_cloud_is_told_by_its_setting(
    tmp_path: Path,
    cloud: str,
    changed: dict[str, str],
    named: str,
    here: Cella,
    request: pytest.FixtureRequest,
) -> None:
    found: Cloud = request.getfixturevalue(cloud)
    settings = {
        "CELLA_STORE_URL": f"{found.scheme}://{found.bucket}/{tmp_path.name}",
        "CELLA_STORE_ENDPOINT": found.endpoint,
        "CELLA_S3_ACCESS_KEY_ID": found.clouds.s3.access_key_id,
        "CELLA_S3_SECRET_ACCESS_KEY": found.clouds.s3.secret_access_key,
        "CELLA_AZURE_ACCOUNT": found.clouds.azure.account,
        "CELLA_AZURE_ACCOUNT_KEY": found.clouds.azure.account_key,
    }
    done = here("doctor", "--json", folder=tmp_path, **settings | changed)
    (check,) = [each for each in json.loads(done.stdout)["checks"] if each["name"] == "store"]
    assert check["state"] == ("failed" if named else "ok"), check
    assert named in check["detail"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CELLA_PORT", "abc"),
        ("CELLA_PORT", "99999"),
        ("CELLA_LOG_LEVEL", "loud"),
        ("CELLA_STORE_URL", "ftp://x"),
        ("CELLA_DATABASE_URL", "mysql://x"),
        ("CELLA_CONFIG", "missing.toml"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(
    tmp_path: Path, name: str, value: str, here: Cella
) -> None:
    for command in ("doctor", "serve"):
        done = here(command, folder=tmp_path, **{"CELLA_PORT": "0", name: value})
        assert (done.returncode, done.stdout) == (2, "")
        assert name in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_data_directory_that_cannot_be_is_one_line(tmp_path: Path, here: Cella) -> None:
    (tmp_path / "data").write_text("a file")
    done = here("doctor", folder=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_an_ffmpeg_that_is_none_is_told(tmp_path: Path, here: Cella) -> None:
    done = here("doctor", "--json", folder=tmp_path, CELLA_FFMPEG_BIN="/bin/true")
    assert done.returncode == 0
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["ffmpeg"]["state"] == "warning"
    assert "/bin/true is no ffmpeg" in checks["ffmpeg"]["detail"]
