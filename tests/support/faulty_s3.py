"""An HTTP server in front of moto's S3 that answers wrongly, late or in part when a rule says so.

It forwards all other requests and answers unchanged.
"""

import http.client
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Callable, Iterator
from urllib.parse import unquote, urlsplit

import pytest

from warehouse import objects
from warehouse.database import retry

LIST = "list-type=2"  # a part of every request for a listing
HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "host")


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Request(BaseHTTPRequestHandler):
    """One request, which the action of a rule answers."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with suppress(OSError):  # the client is gone
            self.server.action_on(self)(self)

    do_PUT = do_HEAD = do_GET

    def ask_moto(self) -> Answer:
        """Forward the request to moto. Return its answer."""
        moto = http.client.HTTPConnection(self.server.moto)
        headers = {key: value for key, value in self.headers.items()
                   if key.lower() not in HOP_BY_HOP}
        moto.request(self.command, self.path, self.sent, headers)
        response = moto.getresponse()
        answer = Answer(response.status, dict(response.getheaders()), response.read())
        moto.close()
        return answer

    def answer(self, answer: Answer, length: int | None = None) -> None:
        """Send an answer. Its Content-Length may differ from that of the body."""
        self.send_response(answer.status)
        for key, value in answer.headers.items():
            if key.lower() not in HOP_BY_HOP:
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(answer.body) if length is None else length))
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()

    def log_message(self, *_) -> None:
        pass


Action = Callable[[Request], None]


def forward(request: Request) -> None:
    request.answer(request.ask_moto())


def send_half(request: Request) -> None:
    """Send half of the body, and close the connection."""
    whole = request.ask_moto()
    half = Answer(whole.status, whole.headers, whole.body[: len(whole.body) // 2])
    request.answer(half, len(whole.body))
    request.close_connection = True


def corrupt(request: Request) -> None:
    """Change one byte of the body. Its length and the checksum in the header stay as they were."""
    answer = request.ask_moto()
    middle = len(answer.body) // 2
    changed = bytes([answer.body[middle] ^ 1])
    answer.body = answer.body[:middle] + changed + answer.body[middle + 1 :]
    request.answer(answer)


class Stall:
    """Send half of the body, set `reached`, and send nothing more until `release` is set."""

    def __init__(self):
        self.reached, self.release = threading.Event(), threading.Event()

    def __call__(self, request: Request) -> None:
        whole = request.ask_moto()
        half = Answer(whole.status, whole.headers, whole.body[: len(whole.body) // 2])
        request.answer(half, len(whole.body))
        self.reached.set()
        self.release.wait()
        request.close_connection = True


def refuse(status: int, code: str, message: str = "Refused.", **headers: str) -> Action:
    """Answer with an error, as S3 words it."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()

    def action(request: Request) -> None:
        request.answer(Answer(status, {"Content-Type": "application/xml", **headers}, body))
    return action


def answer_after(happens: Callable[[], object]) -> Action:
    """Call a function after moto has answered and before the client gets that answer."""
    def action(request: Request) -> None:
        answer = request.ask_moto()
        happens()
        request.answer(answer)
    return action


@dataclass
class Rule:
    text: str
    action: Action
    times: int


class FaultyS3(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, moto: str):
        super().__init__(("127.0.0.1", 0), Request)
        self.moto = urlsplit(moto).netloc
        self.rules: list[Rule] = []
        self.asked: list[str] = []
        self.deciding = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def on(self, text: str, action: Action, times: int = 1) -> Action:
        """Use the action for the first requests, `times` of them, with the text in their first line."""
        self.rules.append(Rule(text, action, times))
        return action

    def forget(self) -> None:
        """Release the stalled answers, and forward every request from now on."""
        for rule in self.rules:
            if isinstance(rule.action, Stall):
                rule.action.release.set()
        self.rules.clear()

    def action_on(self, request: Request) -> Action:
        line = f"{request.command} {unquote(request.path)}"
        with self.deciding:
            self.asked.append(line)
            for rule in self.rules:
                if rule.text in line and rule.times:
                    rule.times -= 1
                    return rule.action
        return forward


@contextmanager
def serving_faulty_s3(moto: str) -> Iterator[FaultyS3]:
    """Serve until the end of the block."""
    server = FaultyS3(moto)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.forget()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def no_pauses(monkeypatch):
    """Let boto3 and the toolkit try again without a pause."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount",
                        lambda self, context: 0)
    monkeypatch.setattr(retry, "LONGEST_PAUSE", 0.01)


@pytest.fixture
def s3(s3_endpoint, bucket, no_pauses, monkeypatch):
    with serving_faulty_s3(s3_endpoint) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.url)
        objects.s3.cache_clear()
        yield s3
