"""`photoreal view`: walk through a scene in the browser."""

import socket
import time
from dataclasses import dataclass
from pathlib import Path

import tyro

from photoreal.core import PhotorealError
from photoreal.view.viewer import serve


@dataclass(frozen=True)
class View:
    """Show splats, points and cameras of a scene folder in the browser, with a switch for each."""

    scene: tyro.conf.Positional[Path] = tyro.MISSING
    """Scene folder."""
    port: int = 8080
    """Port to listen on; the next free one is taken when it is in use."""
    host: str = "127.0.0.1"
    """Address to listen on; the default can only be reached from this machine."""

    def run(self) -> None:
        """Carry out the verb."""
        _refuse_unusable(self.host, self.port)
        server = serve(self.scene, port=self.port, host=self.host)
        print(f"open http://{self.host}:{server.get_port()} in a browser; Ctrl-C ends", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            server.stop()


def _refuse_unusable(host: str, port: int) -> None:
    """The server itself would wait forever."""
    if not 0 < port < 65536:
        raise PhotorealError(f"--port is {port}; it must be from 1 to 65535")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as trial:
            trial.bind(address)
    except OSError as error:
        raise PhotorealError(
            f"no server can listen on --host {host} ({error.strerror}); it must be an address of this machine"
        ) from error
