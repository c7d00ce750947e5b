"""A TCP relay that keeps every byte its clients send."""

import contextlib
import socket
import threading


class Recorder:
    """Relays to a port of this machine. `sent` has what each connection's client sent, whole and in order."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.sent: list[bytearray] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            kept = bytearray()
            self.sent.append(kept)
            self._open += [client, server]
            for given in ((client, server, kept), (server, client, None)):
                self._threads.append(threading.Thread(target=_relay, args=given))
                self._threads[-1].start()

    def close(self) -> None:
        """Ends the relay; `sent` is then whole."""
        for end in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for end in (self._listener, *self._open):
            end.close()


def _relay(source: socket.socket, target: socket.socket, kept: bytearray | None) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(65536):
            if kept is not None:
                kept += content
            target.sendall(content)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
