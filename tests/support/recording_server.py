"""A server that answers like a Redshift that is waking up, and records every request.

It speaks the part of PostgreSQL's protocol, version 3, that a connection needs: no TLS, no password.
"""

import socket
import struct
import threading
from contextlib import contextmanager
from typing import Iterator

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
VERSION = "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2, Redshift 1.0.1"
RESET = ""  # a refusal that closes the connection without an answer


def pack_message(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return kind + struct.pack("!i", len(body) + 4) + body


def pack_text(*values: str) -> bytes:
    return b"".join(value.encode() + b"\0" for value in values)


class RecordingServer:
    """Refuse one connection with the text of each of the `refusals`, and accept all later ones."""

    def __init__(self, *refusals: str, port: int = 0):
        self.refusals = list(refusals)
        self.requests: list[int] = []  # for TLS or GSSAPI, before a startup packet
        self.startups: list[dict[str, str]] = []
        self.statements: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:  # closed
                return
            with connection, connection.makefile("rwb", 0) as stream:
                self.converse(stream)

    def converse(self, stream) -> None:
        code, body = self.read_startup(stream)
        while code in (SSL_REQUEST, GSS_REQUEST):
            self.requests.append(code)
            stream.write(b"N")
            code, body = self.read_startup(stream)
        words = body.decode().split("\0")
        self.startups.append(dict(zip(words[0:-2:2], words[1:-2:2], strict=True)))
        if self.refusals:
            if said := self.refusals.pop(0):
                stream.write(pack_message(b"E", pack_text("SFATAL", "C57P03", f"M{said}"), b"\0"))
            return
        stream.write(pack_message(b"R", struct.pack("!i", 0)) + b"".join(
            pack_message(b"S", pack_text(*status)) for status in (
                ("server_version", "8.0.2"), ("client_encoding", "UNICODE"),
                ("DateStyle", "ISO, MDY"), ("integer_datetimes", "on"))))
        status = b"I"
        while True:
            stream.write(pack_message(b"Z", status))
            kind, length = stream.read(1), stream.read(4)
            if kind != b"Q":  # X, or the end
                return
            sql = stream.read(struct.unpack("!i", length)[0] - 4).rstrip(b"\0").decode()
            self.statements.append(sql)
            status = {"BEGIN": b"T", "COMMIT": b"I", "ROLLBACK": b"I"}.get(sql, status)
            value = {"SELECT version()": VERSION, "SELECT CURRENT_SCHEMA()": "public"}.get(sql)
            if value:
                stream.write(pack_message(b"T", struct.pack("!h", 1), pack_text("x"),
                                          struct.pack("!ihihih", 0, 0, 25, -1, -1, 0)))
                stream.write(pack_message(b"D", struct.pack("!hi", 1, len(value)), value.encode()))
            stream.write(pack_message(b"C", pack_text(sql.split()[0])))

    @staticmethod
    def read_startup(stream) -> tuple[int, bytes]:
        head = stream.read(8)
        if len(head) < 8:
            return 0, b""
        length, code = struct.unpack("!ii", head)
        return code, stream.read(length - 8)


@contextmanager
def running_recording_server(*refusals: str, **options) -> Iterator[RecordingServer]:
    server = RecordingServer(*refusals, **options)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
        thread.join()
