"""A TCP proxy in front of PostgreSQL that cuts, holds, delays or answers at a chosen statement.

It reads the client's messages one by one (PostgreSQL manual: Message Formats), so its actions do not
depend on when packets arrive.
"""

import select
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Callable

import pytest

CONNECT, QUERY = "connect", "query"


class Session:
    """A client's connection and its connection to the server. The action of a rule gets both."""

    def __init__(self, client: socket.socket, server_address: tuple[str, int]):
        self.client = client
        self.server = socket.create_connection(server_address)

    def end(self) -> None:
        """Shut down both connections. Both sides, and the thread that waits for them, notice it."""
        for side in (self.client, self.server):
            with suppress(OSError):  # over already
                side.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.client.close()
        self.server.close()

    def reply(self) -> bytes:
        """Return the server's answer to a query, up to ReadyForQuery."""
        answer = b""
        while not answer.endswith((b"Z\0\0\0\5I", b"Z\0\0\0\5T", b"Z\0\0\0\5E")):
            answer += receive(self.server)
        return answer


Action = Callable[[Session, bytes], None]


def forward(session: Session, message: bytes) -> None:
    session.server.sendall(message)


def cut(session: Session, message: bytes) -> None:
    """Cut the connection before the server gets the message."""
    raise ConnectionError


def lose_the_reply(session: Session, message: bytes) -> None:
    """Cut the connection after the server has done what the message asks for."""
    forward(session, message)
    session.reply()
    raise ConnectionError


def delay(seconds: float) -> Action:
    def action(session: Session, message: bytes) -> None:
        time.sleep(seconds)
        forward(session, message)
    return action


def replace_by(sql: str) -> Action:
    """Let the server run this SQL instead of the client's query."""
    def action(session: Session, message: bytes) -> None:
        text = sql.encode() + b"\0"
        forward(session, b"Q" + struct.pack("!i", len(text) + 4) + text)
    return action


class Hold:
    """Set `reached` when the message comes, and forward it when `release` is set."""

    def __init__(self):
        self.reached, self.release = threading.Event(), threading.Event()

    def __call__(self, session: Session, message: bytes) -> None:
        self.reached.set()
        self.release.wait()
        forward(session, message)


class Abandon(Hold):
    """Cut the client's connection, and let the server notice only when `release` is set."""

    def __call__(self, session: Session, message: bytes) -> None:
        session.client.shutdown(socket.SHUT_RDWR)
        self.reached.set()
        self.release.wait()
        raise ConnectionError


def fail(message: str, code: str = "XX000", **fields: str) -> Action:
    """Answer with an error instead of the server. Fields such as D (detail) add to it.

    The server gets no message: its transaction goes on until the client rolls back.
    """
    def action(session: Session, _: bytes) -> None:
        answer = {"S": "ERROR", "C": code, "M": message, **fields}
        body = b"".join(f"{key}{value}\0".encode() for key, value in answer.items()) + b"\0"
        session.client.sendall(
            b"E" + struct.pack("!i", len(body) + 4) + body + b"Z\0\0\0\5E")
    return action


@dataclass
class Rule:
    of: str
    text: bytes
    action: Action
    times: int
    after: bytes


class Proxy:
    """A context manager that listens on a port of 127.0.0.1."""

    def __init__(self, server_address: tuple[str, int]):
        self.server_address = server_address
        self.rules: list[Rule] = []
        self.sessions: list[Session] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for rule in self.rules:
            if isinstance(rule.action, Hold):
                rule.action.release.set()
        for session in self.sessions:
            session.end()
        for thread in self.threads:
            thread.join()

    def on(
        self, text: str, action: Action, times: int = 1, of: str = QUERY, after: str = ""
    ) -> Action:
        """Use the action for the first messages, `times` of them, of this kind and with this text.

        With `after`, wait first for a message with that text.
        """
        self.rules.append(Rule(of, text.encode(), action, times, after.encode()))
        return action

    def action_on(self, kind: str, message: bytes) -> Action:
        for rule in self.rules:
            if rule.after:
                if rule.after in message:
                    rule.after = b""
            elif rule.of == kind and rule.text in message and rule.times:
                rule.times -= 1
                return rule.action
        return forward

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:  # closed
                return
            self.threads.append(threading.Thread(target=self.serve, args=(client,)))
            self.threads[-1].start()

    def serve(self, client: socket.socket) -> None:
        try:
            session = Session(client, self.server_address)
        except OSError:
            client.close()
            return
        self.sessions.append(session)
        try:
            self.relay(session)
        except OSError:  # either side is gone, or a rule says so
            pass
        finally:
            session.close()

    def relay(self, session: Session) -> None:
        pending, head = b"", 0  # the first message has no byte for its kind
        while True:
            ready, _, _ = select.select([session.client, session.server], [], [])
            if session.server in ready:
                session.client.sendall(receive(session.server))
            if session.client not in ready:
                continue
            pending += receive(session.client)
            while len(pending) >= head + 4:
                end = head + struct.unpack_from("!i", pending, head)[0]
                if len(pending) < end:
                    break
                message, pending = pending[:end], pending[end:]
                kind = CONNECT if not head else QUERY if message[:1] == b"Q" else ""
                # Encryption is asked for by a message without a user; the true first one follows.
                head = 1 if head or b"user\0" in message else 0
                self.action_on(kind, message)(session, message)


def receive(side: socket.socket) -> bytes:
    """Read what has arrived. Raise ConnectionError at the end of the stream."""
    if data := side.recv(1 << 16):
        return data
    raise ConnectionError


@pytest.fixture
def proxy(tcp):
    with Proxy(("127.0.0.1", tcp.port)) as proxy:
        yield proxy


def block(error: str, code: int) -> str:
    """Return the details of an error in the frame that Redshift puts around them."""
    line = f"\n  {'-' * 47}\n"
    return f"{line}  error:  {error}\n  code:      {code}\n  context:   \n  query:     1234{line}"

DENIED = "S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid 6F0A"

NO_ROLE = ("User arn:aws:redshift:us-west-2:123456789012:dbuser:dwh/awsuser is not authorized to"
           " assume IAM Role arn:aws:iam::123456789012:role/dwh")
