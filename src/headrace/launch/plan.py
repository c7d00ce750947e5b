"""From an assignment and its run config to a workload: command, environment, directory. Decides; starts nothing."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from headrace import errors, launch, settings
from headrace.launch import directory as run_directory
from headrace.wire import run_configs, runs

#: What of the agent's environment a run is given. An allow-list: what else is there is the agent's own.
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
        "HEADRACE_HIDE_EXCEPTION_TEXT",
        "HEADRACE_EXTRA_LOGGERS",
        "HEADRACE_RESULTS_DAYS",
        "HEADRACE_PROFILE",
    )
)
_PASSED_PREFIXES = ("LC_", "XDG_")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
#: What no run config may ask for: the agent's own secrets.
_SECRET = frozenset(f"HEADRACE_{name.upper()}{end}" for name in settings.SECRETS for end in ("", "_FILE"))


def environment(home: Path, server_url: str, variables: Mapping[str, str]) -> dict[str, str]:
    """What every run on this machine is given, out of the agent's `variables`."""
    passed = {
        name: value
        for name, value in variables.items()
        if name in PASSED or name.startswith(_PASSED_PREFIXES)
    }
    return {**passed, "HEADRACE_HOME": str(home), "HEADRACE_SERVER_URL": server_url}


def name_of(assignment: runs.Assignment) -> str:
    """One workload for each fence of a run."""
    return f"{assignment.flow_run_id}-{assignment.fence}"


def workload(
    handover: run_directory.Handover, folder: Path, home: Path, variables: Mapping[str, str]
) -> launch.Workload:
    """The process that runs this assignment in a directory below `folder`. Raises errors.LaunchError in words."""
    assignment = handover.assignment
    config = assignment.run_config
    if not isinstance(config, run_configs.LocalRun):
        raise errors.LaunchError(
            f"this agent starts processes; it cannot launch a {run_configs.kind(config)} run."
        )
    name = name_of(assignment)
    directory = folder / name
    own = {key: resolved(value, variables) for key, value in config.env.items()}
    return launch.Workload(
        name=name,
        # -P: what lies in the working directory must not stand in for our modules
        command=(sys.executable, "-P", "-m", "headrace.engine.supervisor", str(directory)),
        directory=directory,
        environment={**environment(home, handover.server_url, variables), **own},
        working_directory=Path(resolved(config.working_dir, variables)).expanduser()
        if config.working_dir
        else None,
        files=run_directory.files(handover),
    )


def resolved(value: str, variables: Mapping[str, str]) -> str:
    """The value with each `${NAME}` replaced from the agent's environment."""

    def replace(found: re.Match[str]) -> str:
        name = found[1]
        if name in _SECRET:
            raise errors.LaunchError(
                f"the run config asks for ${{{name}}}, which is the agent's own and not given to runs."
            )
        if name not in variables:
            raise errors.LaunchError(
                f"the run config asks for ${{{name}}}, and the agent's environment has no such variable."
            )
        return variables[name]

    return _REFERENCE.sub(replace, value)
