"""The only reader of the environment and of `cella.toml`.

The settings are those of the capabilities' own small config classes, put together in `Config`.
A setting is spelled the same everywhere: `file_link_validity = …` in `cella.toml`,
`CELLA_FILE_LINK_VALIDITY` in the environment, which wins. In the environment lists are written
with commas (`admin,demo`) and tables as `gcs=82800,default=2592000`. Names are the original's
where it had one.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_origin, get_type_hints

import msgspec

from cella.access.rules import AccessConfig
from cella.api.config import ApiConfig
from cella.db import DatabaseConfig
from cella.encoding.config import ZencoderConfig
from cella.errors import BadConfig
from cella.flows.config import FlowsConfig, LoginConfig, SweepConfig, VerifyConfig
from cella.identity.config import BlenderIdConfig, OidcConfig
from cella.jobs.retry import JobsConfig
from cella.links.bunny import BunnyConfig
from cella.links.cdnsun import CdnsunConfig
from cella.links.cloudfront import CloudfrontConfig
from cella.links.nginx import NginxConfig
from cella.links.validity import LinkConfig
from cella.media.config import EncodingConfig, FfmpegConfig
from cella.media.sandbox import SandboxConfig
from cella.outbound import OutboundConfig
from cella.settings import SECRET, Settings, is_secret, printable
from cella.store.config import AzureConfig, GcsConfig, PillarConfig, S3Config, StoreConfig

PREFIX = "CELLA_"
_NO_SETTINGS = {
    *("CELLA_CONFIG", "CELLA_URL", "CELLA_TOKEN", "CELLA_DRILL_SECONDS", "CELLA_DRILL_SEED"),
    *("CELLA_TEST_GCS_URL", "CELLA_TEST_S3_URL", "CELLA_TEST_AZURE_URL"),
}
_CLOUDS = ("AWS_", "AZURE_", "IDENTITY_")
FILE = "cella.toml"


class ServiceConfig(Settings, kw_only=True, frozen=True):
    """The process as a whole.

    `data` is the folder of the embedded database, store and scratch. `auth_token_hmac_key`
    keys the HMACs of tokens. Secrets that are left empty are made once and kept in `data`.
    """

    data: str = "data"
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8333
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    embedded_worker: bool = True
    log_format: Literal["auto", "console", "json"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    auth_token_hmac_key: Annotated[str, SECRET] = ""


class Section(NamedTuple):
    """One capability's settings: the attribute of `Config`, their prefix, their class."""

    name: str
    prefix: str
    type: type[msgspec.Struct]


SECTIONS: tuple[Section, ...] = (
    Section("service", "", ServiceConfig),
    Section("api", "", ApiConfig),
    Section("access", "", AccessConfig),
    Section("links", "", LinkConfig),
    Section("bunny", "bunny_", BunnyConfig),
    Section("cdnsun", "cdnsun_", CdnsunConfig),
    Section("cloudfront", "cloudfront_", CloudfrontConfig),
    Section("nginx", "nginx_", NginxConfig),
    Section("flows", "", FlowsConfig),
    Section("login", "login_", LoginConfig),
    Section("database", "database_", DatabaseConfig),
    Section("store", "store_", StoreConfig),
    Section("gcs", "gcs_", GcsConfig),
    Section("s3", "s3_", S3Config),
    Section("azure", "azure_", AzureConfig),
    Section("pillar", "pillar_", PillarConfig),
    Section("sweep", "sweep_", SweepConfig),
    Section("verify", "verify_", VerifyConfig),
    Section("jobs", "jobs_", JobsConfig),
    Section("sandbox", "sandbox_", SandboxConfig),
    Section("ffmpeg", "ffmpeg_", FfmpegConfig),
    Section("encoding", "encoding_", EncodingConfig),
    Section("zencoder", "zencoder_", ZencoderConfig),
    Section("oidc", "oidc_", OidcConfig),
    Section("blender_id", "blender_id_", BlenderIdConfig),
    Section("outbound", "outbound_", OutboundConfig),
)


class Config(msgspec.Struct, kw_only=True, frozen=True):
    """Everything that can be set."""

    service: ServiceConfig
    api: ApiConfig
    access: AccessConfig
    links: LinkConfig
    bunny: BunnyConfig
    cdnsun: CdnsunConfig
    cloudfront: CloudfrontConfig
    nginx: NginxConfig
    flows: FlowsConfig
    login: LoginConfig
    database: DatabaseConfig
    store: StoreConfig
    gcs: GcsConfig
    s3: S3Config
    azure: AzureConfig
    pillar: PillarConfig
    sweep: SweepConfig
    verify: VerifyConfig
    jobs: JobsConfig
    sandbox: SandboxConfig
    ffmpeg: FfmpegConfig
    encoding: EncodingConfig
    zencoder: ZencoderConfig
    oidc: OidcConfig
    blender_id: BlenderIdConfig
    outbound: OutboundConfig

    @property
    def data(self) -> Path:
        """The data directory."""
        return Path(self.service.data).absolute()


class Setting(NamedTuple):
    """One setting: where it belongs, its name on the outside, its type and default."""

    section: Section
    field: str
    name: str
    type: Any
    default: Any

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.name.upper()


def settings() -> Iterator[Setting]:
    """Every setting there is, in the order of the sections."""
    for section in SECTIONS:
        hints = get_type_hints(section.type, include_extras=True)
        for field in msgspec.structs.fields(section.type):
            default = field.default
            if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
                default = field.default_factory()
            name = section.prefix + field.name
            yield Setting(section, field.name, name, hints[field.name], default)


SECRETS = frozenset(setting.field for setting in settings() if is_secret(setting.type))
"""The fields that nobody is to see."""


def load(
    environment: Mapping[str, str] = os.environ,
    *,
    overrides: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> Config:
    """Read `cella.toml` (or what `CELLA_CONFIG` names) and the environment.

    `overrides`, by name of setting, win over both; None values in it count as not given.
    Raises `BadConfig`, naming the setting, where one is unknown or does not fit.
    """
    known = {setting.name: setting for setting in settings()}
    values: dict[str, tuple[Any, str]] = {}
    path = _file(environment, folder or Path.cwd())
    if path is not None:
        for name, value in _read(path).items():
            if name not in known:
                raise BadConfig(f"{path.name}: there is no setting `{name}`.")
            values[name] = (value, f"{path.name}: `{name}`")
    for variable, text in environment.items():
        name = variable.removeprefix(PREFIX).lower()
        if variable.startswith(PREFIX) and name in known:
            values[name] = (_spread(text, known[name].type), variable)
    for name, value in (overrides or {}).items():
        if value is not None:
            values[name] = (value, f"--{name.replace('_', '-')}")
    parts: dict[str, dict[str, Any]] = {section.name: {} for section in SECTIONS}
    for name, (value, place) in values.items():
        setting = known[name]
        try:
            fitted = msgspec.convert(value, setting.type, strict=False)
        except msgspec.ValidationError as error:
            raise BadConfig(f"{place} does not fit: {error}.") from None
        parts[setting.section.name][setting.field] = fitted
    made: dict[str, Any] = {
        section.name: section.type(**parts[section.name]) for section in SECTIONS
    }
    return Config(**made)


def unknown_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Variables that begin like a setting of ours and are none: misspelt, or of another version."""
    known = {setting.variable for setting in settings()} | _NO_SETTINGS
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def machine_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What clouds tell programs on their machines, in the clouds' own words."""
    return {name: text for name, text in environment.items() if name.startswith(_CLOUDS)}


def effective(config: Config) -> Iterator[tuple[Setting, Any]]:
    """Every setting with the value in force; secrets and passwords as `***`."""
    values = {section.name: dict(printable(getattr(config, section.name))) for section in SECTIONS}
    for setting in settings():
        yield setting, values[setting.section.name][setting.field]


def _file(environment: Mapping[str, str], folder: Path) -> Path | None:
    named = environment.get("CELLA_CONFIG")
    if named:
        if not Path(named).is_file():
            raise BadConfig("CELLA_CONFIG names a file that is not there.")
        return Path(named)
    usual = folder / FILE
    return usual if usual.is_file() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path.name} is not valid TOML: {error}.") from None


def _spread(text: str, wanted: Any) -> Any:
    """Text of the environment as the list or table that the setting wants."""
    bare = wanted.__origin__ if get_origin(wanted) is Annotated else wanted
    origin = get_origin(bare) or bare
    if origin is dict:
        pairs = (item.partition("=") for item in text.split(",") if item.strip())
        return {name.strip(): value.strip() for name, _, value in pairs}
    if origin in (list, tuple, set, frozenset):
        return [item.strip() for item in text.split(",") if item.strip()]
    return text
