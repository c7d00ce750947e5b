"""Where a cluster's API server is and what to show there: as a pod by the service account, from outside by a kubeconfig."""

import base64
import contextlib
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from headrace import errors

#: Where a pod finds its service account.
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
#: Seconds after which a token's file is read again: the cluster replaces it long before it expires.
TOKEN_SECONDS = 60.0


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster and who speaks to it. `token` answers with the bearer token of now, or nothing."""

    server: str
    namespace: str
    tls: ssl.SSLContext
    token: Callable[[], str]
    hostname: str = ""


def find(
    variables: Mapping[str, str], *, kubeconfig: str = "", context: str = "", namespace: str = ""
) -> Access:
    """The kubeconfig that is named, else the pod's service account, else the user's kubeconfig.

    Raises errors.SettingsError with what is missing.
    """
    if not kubeconfig and "KUBERNETES_SERVICE_HOST" in variables and (ACCOUNT / "token").exists():
        return _in_cluster(variables, namespace)
    path = Path(kubeconfig or variables.get("KUBECONFIG", "").split(os.pathsep)[0] or "~/.kube/config")
    return _outside(path.expanduser(), context, namespace)


def _in_cluster(variables: Mapping[str, str], namespace: str) -> Access:
    host, port = variables["KUBERNETES_SERVICE_HOST"], variables.get("KUBERNETES_SERVICE_PORT", "443")
    name = f"[{host}]" if ":" in host else host
    return Access(
        server=f"https://{name}:{port}",
        namespace=namespace or (ACCOUNT / "namespace").read_text().strip(),
        tls=ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt")),
        token=_from_file(ACCOUNT / "token"),
    )


def _outside(path: Path, context: str, namespace: str) -> Access:
    content = read(path)
    context = context or str(content.get("current-context") or "")
    try:
        chosen = _named(content, "contexts", "context", context)
        cluster = _named(content, "clusters", "cluster", str(chosen.get("cluster")))
        user = _named(content, "users", "user", str(chosen.get("user")))
        server = str(cluster["server"])
    except (KeyError, TypeError, AttributeError) as error:
        raise errors.SettingsError(f"the kubeconfig {path} is not complete: {error}") from None
    for kind in ("exec", "auth-provider"):
        if kind in user:
            raise errors.SettingsError(
                f"the user of the context {context!r} in {path} signs in by `{kind}`, which an agent does not start:"
                " make a service account with the manifests in deploy/kubernetes, and a kubeconfig with its token."
            )
    try:
        return Access(
            server=server,
            namespace=namespace or str(chosen.get("namespace") or "default"),
            tls=_tls(path.parent, cluster, user),
            token=_token(path.parent, user),
            hostname=str(cluster.get("tls-server-name") or ""),
        )
    except (OSError, ValueError) as error:
        raise errors.SettingsError(f"the kubeconfig {path} cannot be used: {error}") from None


def read(path: Path) -> dict[str, Any]:
    """A file of YAML or JSON. Raises errors.SettingsError with its name."""
    try:
        text = path.read_text()
    except OSError as error:
        raise errors.SettingsError(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        content: Any = (
            msgspec.json.decode(text) if text.lstrip().startswith("{") else msgspec.yaml.decode(text)
        )
    except ImportError:
        raise errors.SettingsError(
            f"{path} is YAML: install headrace[kubernetes] to read it, or give it as JSON."
        ) from None
    except msgspec.DecodeError as error:
        raise errors.SettingsError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise errors.SettingsError(f"{path} holds no fields")
    return content  # pyright: ignore[reportUnknownVariableType] - whatever it holds, its names are strings


def _named(content: dict[str, Any], kind: str, inside: str, name: str) -> dict[str, Any]:
    for item in content.get(kind) or ():
        if item.get("name") == name:
            return item.get(inside) or {}
    raise KeyError(f"there is no {inside} {name!r}")


def _tls(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    """Trust in the cluster's own authority, and the user's certificate where there is one."""
    authority = _content(folder, cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _content(folder, user, "client-certificate"), _content(folder, user, "client-key")
    if certificate and key:
        with _briefly(certificate + b"\n" + key) as name:
            context.load_cert_chain(name)
    return context


def _token(folder: Path, user: dict[str, Any]) -> Callable[[], str]:
    if user.get("tokenFile"):
        return _from_file(folder / str(user["tokenFile"]))
    token = str(user.get("token") or "")
    return lambda: token


def _content(folder: Path, fields: dict[str, Any], name: str) -> bytes:
    """What stands in the file itself, or in another one that it names."""
    if fields.get(f"{name}-data"):
        return base64.b64decode(fields[f"{name}-data"])
    return (folder / str(fields[name])).read_bytes() if fields.get(name) else b""


@contextlib.contextmanager
def _briefly(content: bytes) -> Generator[str]:
    """A file that only the owner can read, for what takes names of files only."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file.name


def _from_file(path: Path) -> Callable[[], str]:
    read_at, token = -TOKEN_SECONDS, ""

    def current() -> str:
        nonlocal read_at, token
        if time.monotonic() - read_at >= TOKEN_SECONDS:
            token, read_at = path.read_text().strip(), time.monotonic()
        return token

    return current
