"""Settings, and the only reader of the environment (`HEADRACE_…`) and of `config.toml`.

A value comes from the environment, else from the profile in use, else from the file's top, else from its default. Any
setting whose name ends in a secret may be given by file: `HEADRACE_API_KEY_FILE=/run/secrets/key`.
"""

import os
from pathlib import Path
from typing import Any

import msgspec

from headrace import errors


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting there is. Environment: the name in capitals behind `HEADRACE_`; file: the name as it is.

    Attributes
    ----------
    home: where everything of this user lies: database, content, results, agents' journals, configuration.
    profile: which `[profiles.NAME]` of the configuration file is used.
    server_url: where the client, agents and run processes find the server.
    api_key: what they show there.
    project: the project where none is named.
    host, port: what the server listens on.
    public_url: how people reach the server when that is not http://host:port.
    database_url: `sqlite:///PATH` or `postgresql://…`; empty is SQLite under `home`.
    secret_key: signs run tokens; servers that share a database must share it. Empty: a file under `home`.
    log_level, log_format: of the services themselves; the format is text or json.
    hide_exception_text: state messages carry an exception's type and not its text.
    disk_reserve_mb: how much of the disk is kept beside a SQLite database, so that runs under way can end when it is full.
    timing: seconds that replace those of `core.leases.Timing`, by name, for example {"lease": 40}; servers and agents
        must have the same. In the environment as JSON.
    late_seconds: after how long a run that is due counts as late, where its flow says nothing else.
    private_receivers: hosts and networks that are not public and may be sent notifications all the same, separated by
        commas: `mattermost.lan, 10.1.0.0/16`.
    smtp_url: the mail server of notifications: `smtp://user:password@host:587` or `smtps://…`.
    mail_from: who their mails are from.
    oidc_issuer: the identity provider by which people sign in, as its discovery names itself: `https://id.example.com`.
    oidc_client_id, oidc_client_secret: what this server is known by there; without a secret it is a public client.
    oidc_scopes: what is asked for; `openid` and `email` are needed.
    oidc_domains: only addresses of these domains come in by it, separated by commas; empty: all that it has verified.
    oidc_roles: group → administrator, member or viewer. Whoever is in none of them does not come in; empty: roles are
        given here. In the environment as JSON.
    oidc_groups_claim: where it says which groups somebody is in.
    oidc_new_people: who comes in without an account: `invited` people, those of the sign-up `rule` too, or `all`.
    oidc_label: what the button says.
    results_days: for how many days results of runs are kept on the machine where they ran; 0 keeps them for ever.
    agent_policy: the file that says what runs may have that this machine's agent launches (docs/agents.md).
    storage_seconds: how long a storage of content or results may be silent before it counts as unreachable.
    extra_loggers: names of loggers that runs capture although they pass nothing on to the root, separated by commas.
    """

    home: Path
    profile: str = "default"
    server_url: str = "http://127.0.0.1:7400"
    api_key: str = ""
    project: str = ""
    host: str = "127.0.0.1"
    port: int = 7400
    public_url: str = ""
    database_url: str = ""
    secret_key: str = ""
    log_level: str = "INFO"
    log_format: str = "text"
    hide_exception_text: bool = False
    disk_reserve_mb: int = 64
    timing: dict[str, float] = {}
    late_seconds: float = 15
    results_days: int = 30
    agent_policy: str = ""
    storage_seconds: float = 20
    extra_loggers: str = ""
    private_receivers: str = ""
    smtp_url: str = ""
    mail_from: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = ""
    oidc_scopes: str = "openid email profile"
    oidc_domains: str = ""
    oidc_roles: dict[str, str] = {}
    oidc_groups_claim: str = "groups"
    oidc_new_people: str = "invited"
    oidc_label: str = "Single sign-on"

    @property
    def database(self) -> str:
        """The database's URL, SQLite's file included."""
        return self.database_url or f"sqlite:///{self.home / 'server' / 'headrace.db'}"

    @property
    def url(self) -> str:
        """How people reach this server."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 - compared, not bound
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")


#: Settings that may be read from a file named by `HEADRACE_<NAME>_FILE`.
SECRETS = ("api_key", "database_url", "secret_key", "smtp_url", "oidc_client_secret")
#: Settings that are JSON in the environment.
_OBJECTS = ("timing", "oidc_roles")


def home() -> Path:
    """The folder of this user's Headrace: `HEADRACE_HOME`, else the platform's data folder."""
    if given := os.environ.get("HEADRACE_HOME"):
        return Path(given).expanduser()
    import platformdirs  # with tomllib below a tenth of what a run in process imports

    return Path(platformdirs.user_data_dir("headrace", appauthor=False))


def load(**given: Any) -> Settings:
    """The settings in force. What is `given` and not None wins over everything.

    Raises errors.SettingsError with the name of the setting and where it was read.
    """
    base = home()
    values: dict[str, Any] = {**_from_file(base / "config.toml"), **_from_environment()}
    values |= {name: value for name, value in given.items() if value is not None}
    values["home"] = base
    try:
        return msgspec.convert(values, Settings, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise errors.SettingsError(f"a setting is wrong: {error}") from None


def _path(_: type, value: Any) -> Path:
    """Only a path is not of JSON."""
    return Path(value)


def save_profile(name: str, *, server_url: str, api_key: str) -> Path:
    """Keeps where a server is and the key for it; only the user can read the file."""
    folder = home()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "credentials.json"
    known: dict[str, dict[str, str]] = msgspec.json.decode(path.read_bytes()) if path.exists() else {}
    known[name] = {"server_url": server_url, "api_key": api_key}
    draft = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(known))
    draft.replace(path)
    return path


def _from_environment() -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in Settings.__struct_fields__:
        variable = f"HEADRACE_{name.upper()}"
        if name in _OBJECTS and variable in os.environ:
            values[name] = _json(variable)
        elif variable in os.environ:
            values[name] = os.environ[variable]
        elif name in SECRETS and f"{variable}_FILE" in os.environ:
            path = Path(os.environ[f"{variable}_FILE"])
            try:
                values[name] = path.read_text().strip()
            except OSError as error:
                raise errors.SettingsError(f"{variable}_FILE: {error}") from None
    return values


def _json(variable: str) -> Any:
    try:
        return msgspec.json.decode(os.environ[variable])
    except msgspec.DecodeError as error:
        raise errors.SettingsError(f"{variable} is not JSON: {error}") from None


def _from_file(path: Path) -> dict[str, Any]:
    profile = os.environ.get("HEADRACE_PROFILE", "")
    content = _toml(path) if path.exists() else {}
    profiles: dict[str, dict[str, Any]] = content.pop("profiles", {})
    profile = profile or str(content.get("profile", "default"))
    if profile != "default" and profile not in profiles and profile not in _credentials(path):
        raise errors.SettingsError(f"there is no profile {profile!r} in {path}")
    values = {
        **content,
        **_credentials(path).get(profile, {}),
        **profiles.get(profile, {}),
        "profile": profile,
    }
    for name in values:
        if name not in Settings.__struct_fields__:
            import difflib  # only who mistypes waits for it

            close = difflib.get_close_matches(name, Settings.__struct_fields__, 1)
            hint = f", did you mean {close[0]!r}?" if close else ""
            raise errors.SettingsError(f"{path}: there is no setting {name!r}{hint}")
    return values


def _toml(path: Path) -> dict[str, Any]:
    import tomllib  # most have no such file

    try:
        return tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise errors.SettingsError(f"{path}: {error}") from None


def _credentials(config: Path) -> dict[str, dict[str, str]]:
    path = config.with_name("credentials.json")
    return msgspec.json.decode(path.read_bytes()) if path.exists() else {}
