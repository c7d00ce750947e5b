"""S13: requests to addresses that people gave reach public ones only, or what the setting names; and never anything else."""

import asyncio
import ipaddress
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import lacking
from headrace import errors
from headrace.web import outbound, targets
from headrace.web.outbound import Outbound
from receivers import Receiver, drip, say, say_raw

CLOSED = [
    *["0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254"],
    *["169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1"],
    *["192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250"],
    *["240.0.0.1", "255.255.255.255", "168.63.129.16", "192.88.99.1"],
    *[
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
    ],
    *["64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "fc00::1", "fd00:ec2::254"],
    *["fe80::1", "fec0::1", "ff02::1", "3fff::1", "5f00::1"],
]
OPEN = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"]


@pytest.fixture
def inside() -> Outbound:
    """One that may reach the loopback."""
    way = Outbound()
    way.allow("127.0.0.0/8")
    return way


def resolving(*answers: list[str]) -> tuple[outbound.Resolve, list[str]]:
    """A resolver that answers these one after another, and the names that it was asked for."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return resolve, asked


def post(way: Outbound, url: str, body: bytes = b"{}") -> targets.Reply:
    return asyncio.run(way.send("POST", url, headers={"Content-Type": "application/json"}, body=body))


@pytest.mark.parametrize("address", CLOSED)
def test_an_address_that_is_nobodys_public_service_is_refused(address: str) -> None:
    way = Outbound()
    way.resolve, _ = resolving([address])
    assert not outbound.is_public(ipaddress.ip_address(address))
    with pytest.raises(errors.Undelivered, match="private or reserved network"):
        asyncio.run(way.check("example.com", 443))


@pytest.mark.parametrize("address", OPEN)
def test_a_public_address_is_let_through(address: str) -> None:
    way = Outbound()
    way.resolve, _ = resolving([address])
    assert asyncio.run(way.check("example.com", 443)) == outbound.Checked((address,), private=False)


@pytest.mark.parametrize(
    "host",
    [
        *["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "0"],
        *["localhost", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]"],
        *["[64:ff9b::127.0.0.1]", "[fe80::1]", "localhost.", "LOCALHOST", "169.254.169.254", "0xa9fea9fe"],
    ],
)
def test_no_way_of_writing_the_loopback_or_the_metadata_service_reaches_it(
    receiver: Receiver, host: str
) -> None:
    """The real resolver: what it makes of decimal, octal and hexadecimal forms is what is checked."""
    for scheme in ("http", "https"):
        with pytest.raises(errors.Undelivered, match=r"private or reserved|no address"):
            post(Outbound(), f"{scheme}://{host}:{receiver.port}/")
    assert receiver.requests == []


def test_one_closed_address_among_open_ones_is_enough_to_refuse() -> None:
    way = Outbound()
    way.resolve, _ = resolving(["8.8.8.8", "10.0.0.1"])
    with pytest.raises(errors.Undelivered, match="private or reserved"):
        asyncio.run(way.check("example.com", 443))


def test_a_name_that_means_something_else_a_moment_later_is_still_the_checked_address(
    receiver: Receiver, inside: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: the name is asked for once, and the connection is made to the address that was checked."""
    other = Receiver()
    try:
        inside.resolve, asked = resolving(["127.0.0.1"], ["127.0.0.2"], ["169.254.169.254"])
        connected: list[str] = []
        opened = asyncio.open_connection

        async def opening(host: str, *arguments: object, **options: object) -> object:
            connected.append(host)
            return await opened(host, *arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(asyncio, "open_connection", opening)
        assert post(inside, f"http://rebinding.example:{receiver.port}/hook").status == 204
    finally:
        other.close()
    assert (asked, connected) == (["rebinding.example"], ["127.0.0.1"])
    assert receiver.requests[0].headers["host"] == f"rebinding.example:{receiver.port}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(
    receiver: Receiver, inside: Outbound, status: int
) -> None:
    receiver.usual = say(status, Location="http://169.254.169.254/latest/meta-data/")
    reply = post(inside, f"{receiver.url}/hook")
    assert (reply.status, len(receiver.requests)) == (status, 1)


def test_plain_http_and_odd_ports_are_for_private_receivers_only() -> None:
    way = Outbound()
    way.resolve, _ = resolving(["8.8.8.8"])
    with pytest.raises(errors.Undelivered, match="nothing is sent to port 22; allowed are 443, 8443"):
        post(way, "https://example.com:22/")
    with pytest.raises(errors.Undelivered, match="nothing is sent to port 80"):
        post(way, "http://example.com/")
    with pytest.raises(errors.Undelivered, match="over https only"):
        post(way, "http://example.com:443/")


@pytest.mark.parametrize(
    ("allowed", "host", "addresses", "reached"),
    [
        ("10.0.0.0/8", "chat.lan", ["10.1.2.3"], True),
        ("10.0.0.0/8", "chat.lan", ["11.1.2.3"], False),
        ("chat.lan", "chat.lan", ["10.1.2.3"], True),
        ("chat.lan", "chat.lan", ["10.1.2.3", "fd00::1"], True),
        ("chat.lan", "chat.lan.evil.example", ["10.1.2.3"], False),
        ("chat.lan", "evil.chat.lan", ["10.1.2.3"], False),
        # a name never stands for the metadata service, whatever its owner says
        ("chat.lan", "chat.lan", ["169.254.169.254"], False),
        ("chat.lan", "chat.lan", ["::ffff:10.1.2.3"], False),
        ("10.0.0.0/8", "chat.lan", ["::ffff:10.1.2.3"], False),
        ("169.254.0.0/16", "chat.lan", ["169.254.169.254"], True),
        (" CHAT.lan , 192.168.7.0/24", "chat.lan", ["192.168.7.9"], True),
    ],
)
def test_a_private_receiver_is_reached_where_the_setting_names_it(
    allowed: str, host: str, addresses: list[str], reached: bool
) -> None:
    way = Outbound()
    way.allow(allowed)
    way.resolve, _ = resolving(addresses)
    expected = all(not outbound.is_public(ipaddress.ip_address(each)) for each in addresses)
    if reached:
        assert asyncio.run(way.check(host, 8065)).private is expected
    else:
        with pytest.raises(errors.Undelivered):
            asyncio.run(way.check(host, 8065))


@pytest.mark.parametrize("setting", ["10.0.0.0/33", "a b", "http://chat.lan", "chat.lan/x", "chat.lan;x"])
def test_a_setting_that_names_nothing_is_refused_at_the_start(setting: str) -> None:
    with pytest.raises(errors.SettingsError, match="private_receivers"):
        Outbound().allow(setting)


@pytest.mark.parametrize(
    "url",
    [
        *["", "example.com", "ftp://example.com/", "file:///etc/passwd", "gopher://127.0.0.1/", "https://"],
        *[
            "https:///path",
            "https://exa mple.com/",
            "https://example.com/\r\nX: y",
            "https://example.com\\@evil/",
        ],
        *["https://example.com:0/", "https://example.com:99999/", "https://[::1", "https://ex%61mple.com/"],
        *["https://fe80::1%eth0/", "https://exämple.com/", "https://a/" + "x" * 2000, "javascript:alert(1)"],
    ],
)
def test_what_is_no_url_is_refused_in_words_that_do_not_repeat_it(url: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        targets.read_url(url)
    assert not url or url not in refused.value.message


def test_user_and_password_of_a_url_are_sent_and_never_shown(receiver: Receiver, inside: Outbound) -> None:
    url = f"http://me:p%40ss@127.0.0.1:{receiver.port}/hook?token=t#part"
    assert post(inside, url).status == 204
    (request,) = receiver.requests
    assert (request.path, request.headers["authorization"]) == ("/hook?token=t", "Basic bWU6cEBzcw==")
    assert targets.read_url(url).place == f"http://127.0.0.1:{receiver.port}"


def test_an_answer_that_never_ends_is_cut_at_64_kib(receiver: Receiver, inside: Outbound) -> None:
    receiver.usual = say_raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"8000\r\n"
        + b"x" * 0x8000
        + b"\r\n" * 1
        + (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 40
    )
    reply = post(inside, receiver.url)
    assert (reply.status, len(reply.body), reply.whole) == (200, targets.LARGEST, False)


def test_a_head_that_never_ends_is_refused(receiver: Receiver, inside: Outbound) -> None:
    receiver.usual = say_raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000)
    with pytest.raises(errors.Undelivered, match="does not speak HTTP"):
        post(inside, receiver.url)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ten seconds are one."""
    monkeypatch.setattr(outbound, "SECONDS", 1.0)


@pytest.mark.usefixtures("hasty")
def test_a_slow_head_ends_in_time(receiver: Receiver, inside: Outbound) -> None:
    receiver.usual = drip(b"HTTP/1.1 200 OK\r\nX: ")
    begun = time.monotonic()
    with pytest.raises(errors.Undelivered, match="did not answer within 1 s"):
        post(inside, receiver.url)
    assert time.monotonic() - begun < 5


@pytest.mark.usefixtures("hasty")
def test_of_a_slow_body_the_status_counts(receiver: Receiver, inside: Outbound) -> None:
    receiver.usual = drip(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100000\r\n\r\n")
    begun = time.monotonic()
    reply = post(inside, receiver.url)
    assert (reply.status, reply.whole) == (202, False)
    assert time.monotonic() - begun < 5


@pytest.mark.usefixtures("hasty")
def test_a_receiver_that_does_not_read_is_left(inside: Outbound) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as deaf,
        pytest.raises(errors.Undelivered, match="within 1 s"),
    ):
        post(inside, f"http://127.0.0.1:{deaf.getsockname()[1]}/", b"x" * 50_000_000)


@pytest.mark.usefixtures("hasty")
def test_a_name_server_that_does_not_answer_is_not_waited_for() -> None:
    way = Outbound()

    async def never(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    way.resolve = never
    with pytest.raises(errors.Undelivered, match="within 1 s"):
        post(way, "https://example.com/")


def test_a_closed_port_and_another_protocol_are_said_in_words(
    inside: Outbound, free_port: int, receiver: Receiver
) -> None:
    with pytest.raises(errors.Undelivered, match=r"127\.0\.0\.1 cannot be reached"):
        post(inside, f"http://127.0.0.1:{free_port}/secret-path")
    receiver.usual = say_raw(b"220 mail.example ESMTP\r\n")
    with pytest.raises(errors.Undelivered, match="does not speak HTTP"):
        post(inside, receiver.url)


def test_of_several_addresses_the_next_is_taken_where_one_does_not_answer(
    inside: Outbound, receiver: Receiver
) -> None:
    inside.resolve, _ = resolving(["127.0.0.9", "127.0.0.1"])
    assert post(inside, f"http://two.example:{receiver.port}/").status == 204


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for hook.example, signed by itself, with its key."""
    path = tmp_path / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    subject = ["-subj", "/CN=hook.example", "-addext", "subjectAltName=DNS:hook.example"]
    try:
        subprocess.run(
            [*command, *subject, "-keyout", path, "-out", tmp_path / "c"], check=True, capture_output=True
        )
    except FileNotFoundError:
        lacking.missing("openssl is not here")
    path.write_text(path.read_text() + (tmp_path / "c").read_text())
    return path


def secured(listener: socket.socket, certificate: Path) -> Callable[[], None]:
    """Answers 204 to whoever speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as talk:
                    talk.recv(65536)
                    talk.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()

    def end() -> None:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()

    return end


def test_a_certificate_is_checked_against_the_name_and_not_the_address(
    inside: Outbound, certificate: Path
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    end = secured(listener, certificate)
    try:
        inside.resolve, _ = resolving(["127.0.0.1"])
        with pytest.raises(errors.Undelivered, match=r"certificate of hook\.example is not accepted"):
            post(inside, f"https://hook.example:{port}/")
        inside.tls = ssl.create_default_context(cafile=str(certificate))
        assert post(inside, f"https://hook.example:{port}/").status == 204
        with pytest.raises(errors.Undelivered, match=r"certificate of other\.example is not accepted"):
            post(inside, f"https://other.example:{port}/")
    finally:
        end()
