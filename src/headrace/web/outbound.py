"""Requests that the server makes to addresses which people gave: only to public ones, and to the private ones that the
setting `private_receivers` names.

A name is resolved once, every address found is checked, and the connection is made to a checked address: what the name
means a moment later changes nothing. Redirects are not followed; an exchange has ten seconds and an answer 64 KiB.
"""

import asyncio
import dataclasses
import functools
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping

from headrace import errors
from headrace.web import targets

#: Seconds for everything: name, connection, request, answer.
SECONDS = 10.0
#: Seconds for one of several addresses to accept a connection.
CONNECT_SECONDS = 4.0
#: Ports of public addresses that https may use.
HTTPS_PORTS = frozenset({443, 8443})

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: From a name and port to addresses.
Resolve = Callable[[str, int], Awaitable[list[str]]]


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(each) for each in text.split())


# Addresses that are never somebody's public service, with the metadata services that have a public address.
_NOT_PUBLIC = _networks(
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24"
    " 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4"
    " 168.63.129.16/32 2001::/23 2001:db8::/32 2002::/16 3fff::/20"
)
#: Beyond it IPv6 has loopback, link-local, unique local, multicast, IPv4-mapped and NAT64 addresses, and nothing public.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
#: What a *name* in `private_receivers` may stand for; link-local (metadata services) only where a network says so.
_PRIVATE = _networks("10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.168.0.0/16 ::1/128 fc00::/7")


@dataclasses.dataclass(frozen=True)
class Checked:
    """Addresses that may be connected to; `private` ones may be spoken to without TLS and on any port."""

    addresses: tuple[str, ...]
    private: bool


def is_public(address: Address) -> bool:
    """Whether the address is one of the public internet's."""
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return not any(address in network for network in _NOT_PUBLIC)


async def resolve(host: str, port: int) -> list[str]:
    """The addresses that the system knows for a name, each once."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Outbound:
    """The way out of one service: `service.part(Outbound)`.

    Attributes
    ----------
    resolve: how names become addresses.
    tls: whose certificates are trusted; None: the system's.
    """

    def __init__(self) -> None:
        self.resolve: Resolve = resolve
        self.tls: ssl.SSLContext | None = None
        self._names: frozenset[str] = frozenset()
        self._networks: tuple[Network, ...] = ()

    def allow(self, private: str) -> None:
        """Sets which private receivers may be reached: names and networks, separated by commas.

        Raises errors.SettingsError for what is neither.
        """
        names: set[str] = set()
        networks: list[Network] = []
        for entry in (each.strip().lower() for each in private.split(",")):
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                if "/" in entry or not targets.HOST.fullmatch(entry or "x"):
                    raise errors.SettingsError(
                        f"private_receivers: {entry!r} is neither a host name nor a network like 10.0.0.0/8"
                    ) from None
                names |= {entry} - {""}
        self._names, self._networks = frozenset(names), tuple(networks)

    def names(self, host: str) -> bool:
        """Whether the setting names this host."""
        return host.lower() in self._names

    async def check(self, host: str, port: int, ports: frozenset[int] = HTTPS_PORTS) -> Checked:
        """The addresses of a host, all of them checked. Raises errors.Undelivered where one may not be reached."""
        try:
            found = await self.resolve(host, port)
        except OSError:
            found = []
        if not found:
            raise errors.Undelivered(f"the name {host} has no address")
        addresses = [ipaddress.ip_address(each) for each in found]
        closed = [each for each in addresses if not is_public(each)]
        if not all(self._allows(each, host) for each in closed):
            raise errors.Undelivered(
                f"{host} is inside a private or reserved network, where nothing is sent: an administrator of the"
                " server names it in the setting private_receivers"
            )
        if not closed and port not in ports:
            usual = ", ".join(str(each) for each in sorted(ports))
            raise errors.Undelivered(f"{host}: nothing is sent to port {port}; allowed are {usual}")
        return Checked(tuple(str(each) for each in addresses), private=bool(closed))

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes = b""
    ) -> targets.Reply:
        """One exchange. Raises errors.Undelivered in words that tell no more of the URL than its host."""
        from headrace.web import exchange  # with h11 20 ms, for servers that send anything

        place = targets.read_url(url)
        try:
            async with asyncio.timeout(SECONDS) as limit:
                reader, writer = await self._connect(place)
                try:
                    return await exchange.send(reader, writer, place, method, headers, body, limit)
                finally:
                    writer.transport.abort()
        except TimeoutError:
            raise errors.Undelivered(f"{place.host} did not answer within {SECONDS:.0f} s") from None
        except ssl.SSLCertVerificationError as error:
            raise errors.Undelivered(
                f"the certificate of {place.host} is not accepted: {error.verify_message}"
            ) from None
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise errors.Undelivered(f"{place.host} cannot be reached: {why}") from None
        except exchange.NotHttp:
            raise errors.Undelivered(f"{place.host} does not speak HTTP") from None

    def trusted(self) -> ssl.SSLContext:
        """Whose certificates are trusted."""
        return self.tls or _system_tls()

    def _allows(self, address: Address, host: str) -> bool:
        named = self.names(host) and any(address in network for network in _PRIVATE)
        return named or any(address in network for network in self._networks)

    async def _connect(self, place: targets.Url) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        checked = await self.check(place.host, place.port)
        if place.scheme == "http" and not checked.private:
            raise errors.Undelivered(
                f"{place.host} is reached over https only: http shows everybody what is sent"
            )
        tls = self.trusted() if place.scheme == "https" else None
        failed: OSError | None = None
        for address in checked.addresses:
            try:
                async with asyncio.timeout(CONNECT_SECONDS if len(checked.addresses) > 1 else SECONDS):
                    return await asyncio.open_connection(
                        address, place.port, ssl=tls, server_hostname=place.host if tls else None
                    )
            except OSError as error:  # TimeoutError is one
                failed = error
        assert failed is not None
        raise failed


@functools.cache
def _system_tls() -> ssl.SSLContext:
    return ssl.create_default_context()
