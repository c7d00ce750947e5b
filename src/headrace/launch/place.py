"""Where an agent launches: its folders, its policy, and what of its own environment runs are given."""

import dataclasses
import ipaddress
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from headrace import errors
from headrace.launch import policy as policies
from headrace.wire import storage

#: What of the agent's environment a process on the same machine is given. An allow-list: what else is there is the agent's own.
PASSED = frozenset(
    (
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "TEMP",
        "TMP",
        "TERM",
        "VIRTUAL_ENV",
        "PYTHONPATH",
        "PYTHONUNBUFFERED",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "LD_LIBRARY_PATH",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "all_proxy",
        "HEADRACE_PROFILE",
    )
)
#: What a run is given wherever it is launched: nothing that speaks of this machine.
PASSED_ANYWHERE = frozenset(
    (
        "HEADRACE_HIDE_EXCEPTION_TEXT",
        "HEADRACE_EXTRA_LOGGERS",
        "HEADRACE_RESULTS_DAYS",
        "HEADRACE_STORAGE_SECONDS",
    )
)
#: `OTEL_`: where a run sends its trace; what its headers hold is the collector's, and no secret of the agent's own.
_ANYWHERE_PREFIXES = ("OTEL_",)
_PREFIXES = ("LC_", "XDG_")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """One agent's. Below `folder` each run has its directory; `home` is the data folder, `variables` the agent's environment."""

    folder: Path
    home: Path
    variables: Mapping[str, str]
    policy: policies.Policy = dataclasses.field(default_factory=policies.Policy)

    def environment(self, server_url: str) -> dict[str, str]:
        """What every run on this machine is given."""
        passed = {
            name: value
            for name, value in self.variables.items()
            if name in PASSED or name.startswith(_PREFIXES)
        }
        return {**passed, **self.anywhere(server_url), "HEADRACE_HOME": str(self.home)}

    def anywhere(self, server_url: str) -> dict[str, str]:
        """What a run is given that sees nothing of this machine."""
        passed = {
            name: value
            for name, value in self.variables.items()
            if name in PASSED_ANYWHERE or name.startswith(_ANYWHERE_PREFIXES)
        }
        return {**passed, "HEADRACE_SERVER_URL": server_url}

    def for_storage(self, reference: storage.Storage) -> dict[str, str]:
        """What a run needs to reach its flow's content, as far as the agent has it and gives it; the run says what it lacks."""
        return {
            name: self.variables[name]
            for name in storage.variables(reference)
            if name in self.variables and self.policy.admits_reference(name)
        }

    def resolved(self, value: str) -> str:
        """The value with each `${NAME}` replaced from the agent's environment. Raises errors.LaunchError in words."""

        def replace(found: re.Match[str]) -> str:
            name = found[1]
            if name in policies.SECRETS:
                raise errors.LaunchError(
                    f"the run config asks for ${{{name}}}, which is the agent's own and not given to runs.",
                    reason="not_admitted",
                )
            if name not in self.variables:
                raise errors.LaunchError(
                    f"the run config asks for ${{{name}}}, and the agent's environment has no such variable."
                )
            return self.variables[name]

        return _REFERENCE.sub(replace, value)


def references(values: Iterable[str]) -> list[str]:
    """The names that the values ask for with `${NAME}`."""
    return sorted({name for value in values for name in _REFERENCE.findall(value)})


def reachable(url: str, what: str, section: str) -> str:
    """The server's address, for a container or pod (`what`) with a network of its own. Raises errors.LaunchError for a loopback's.

    `section` is the part of the policy file in which another address can stand.
    """
    host = urlsplit(url).hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost" or host.endswith(".localhost")
    if local:
        raise errors.LaunchError(
            f"a {what} does not reach the server at {url}, for that is its own address there: start the agent with an"
            f" address that {what}s reach (HEADRACE_SERVER_URL), or name it in the policy file: [{section}] server_url."
        )
    return url
