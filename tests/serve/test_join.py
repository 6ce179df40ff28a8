"""Several organisations, each a process of its own, sum over a mailbox with real TLS."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import ipaddress
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

import numpy as np
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.compute.rig import HIGH, LOW, chi_square

from masquerade import crypto
from masquerade.compute.messages import Kind
from masquerade.errors import BadInput, KeyProblem, ProtocolProblem
from masquerade.keys import Identity
from masquerade.serve.join import join
from masquerade.serve.mailbox import _KEPT, Limits, Mailbox
from masquerade.serve.roster import Roster, read_values

CANARY = 1234.5625
NPY = b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (5,), }".ljust(127) + b"\n"

RUNS = "import sys; from masquerade.serve.cli import main; sys.exit(main())"

# The command, but once it has the shares it stands still: to be killed there.
HOLDS = """
import sys, time
from masquerade.compute.protocol import Client
from masquerade.serve.cli import main
real = Client.receive
def receive(self, message):
    if self.state == "shared":
        print("holding", file=sys.stderr, flush=True)
        time.sleep(600)
    return real(self, message)
Client.receive = receive
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, signed by itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mailbox of a test")])
    now = datetime.datetime.now(datetime.UTC)
    here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([here]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until_it_answers(port: int, certificate: Path) -> None:
    trust = ssl.create_default_context(cafile=str(certificate))
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=trust))
    for _ in range(300):
        try:
            opener.open(f"https://127.0.0.1:{port}/healthz", timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the mailbox does not answer")


class Organisations:
    """Identities, a roster, and one process each."""

    def __init__(self, folder: Path, count: int, port: int, certificate: Path, **settings: object) -> None:
        self.folder, self.certificate = folder, certificate
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("MASQUERADE")},
            "MASQUERADE_HOME": str(folder / "home"),
        }
        self.identities = [Identity.generate() for _ in range(count + 1)]
        for i, identity in enumerate(self.identities):
            path = folder / f"{i}.identity"
            path.write_text(identity.export())
            path.chmod(0o600)
        told = {"task": "a test", "length": 3, "bound": 2000.0, **settings}
        lines = [f'mailbox = "https://127.0.0.1:{port}"', f'session = "{os.urandom(32).hex()}"', "[sum]"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in told.items()]
        lines += ["[aggregator]", 'name = "registry"', f'key = "{self.identities[-1].public}"']
        for i in range(count):
            lines += ["[[client]]", f'name = "hospital {i}"', f'key = "{self.identities[i].public}"']
        self.roster = folder / "roster.toml"
        self.roster.write_text("\n".join(lines) + "\n")
        self.agreed = Roster.parse(self.roster.read_text())

    def start(self, i: int, *more: str, program: str = RUNS) -> subprocess.Popen[str]:
        start = [sys.executable, "-c", program]
        named = {"identity": self.folder / f"{i}.identity", "output": self.folder / f"{i}.json"}
        told = named | {"ca": self.certificate, "timeout": 100}
        command = [*start, "join", str(self.roster), *(f"--{name}={value}" for name, value in told.items())]
        return subprocess.Popen([*command, *more], env=self.environment, stderr=subprocess.PIPE, text=True)

    def result(self, i: int) -> dict:  # type: ignore[type-arg]
        found = json.loads((self.folder / f"{i}.json").read_text())
        assert isinstance(found, dict)
        return found


def end(*processes: subprocess.Popen[str]) -> None:
    """Those that have not ended by themselves."""
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


@pytest.fixture
def mailbox(tls: tuple[Path, Path]) -> Iterator[int]:
    """The command ``masquerade mailbox`` in a process of its own; its port."""
    port = free_port()
    command = [sys.executable, "-m", "masquerade.serve.cli", "mailbox", "--port", str(port),
               "--certificate", str(tls[0]), "--certificate-key", str(tls[1])]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        until_it_answers(port, tls[0])
        yield port
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0
        assert said.count("\n") == 1, "a mailbox says that it listens, and nothing of what passes through it"
    finally:
        end(process)


def test_five_organisations_of_which_one_is_killed(
    tmp_path: Path, tls: tuple[Path, Path], mailbox: int
) -> None:
    them = Organisations(tmp_path, 5, mailbox, tls[0])
    values = np.arange(15).reshape(5, 3) * 10.5 + CANARY / 8
    (tmp_path / "0.json.values.json").write_text(json.dumps(values[0].tolist()))
    (tmp_path / "1.csv").write_text(",".join(map(str, values[1])) + "\n")
    for i in (2, 3, 4):
        np.save(tmp_path / f"{i}.npy", values[i])
    files = ["0.json.values.json", "1.csv", "2.npy", "3.npy", "4.npy"]
    processes = [
        them.start(i, "--values", str(tmp_path / files[i]), program=HOLDS if i == 4 else RUNS)
        for i in range(5)
    ]
    processes.append(them.start(5, "--patience", "8"))
    try:
        assert processes[4].stderr is not None
        for line in processes[4].stderr:
            if line == "holding\n":
                break
        processes[4].kill()
        processes[4].wait()
        said = {i: processes[i].communicate(timeout=120)[1] for i in (0, 1, 2, 3, 5)}
        assert [processes[i].returncode for i in said] == [0] * 5, said
    finally:
        end(*processes)
    assert "upload: time is over, 1 missing" in said[5]
    for i in (0, 1, 2, 3, 5):
        found = them.result(i)
        assert found["survivors"] == [f"hospital {k}" for k in range(4)]
        assert (found["clients"], found["clipped"]) == (5, 0)
        np.testing.assert_allclose(found["sum"], values[:4].sum(axis=0), atol=1e-5)
        assert (tmp_path / f"{i}.json").stat().st_mode & 0o077 == 0
    assert not (tmp_path / "4.json").exists()


def test_too_few_organisations_are_refused_by_all(
    tmp_path: Path, tls: tuple[Path, Path], mailbox: int
) -> None:
    them = Organisations(tmp_path, 3, mailbox, tls[0])
    np.save(tmp_path / "v.npy", np.full(3, CANARY))
    processes = [them.start(i, "--values", str(tmp_path / "v.npy")) for i in (0, 1)]
    processes.append(them.start(3, "--patience", "6"))
    try:
        said = [process.communicate(timeout=120)[1] for process in processes]
    finally:
        end(*processes)
    assert [process.returncode for process in processes] == [76, 76, 76], said
    assert "2 clients sent KEYS, and the round takes 3 or more" in said[2]
    for text in said[:2]:
        assert "the aggregator gave up: 2 clients sent KEYS" in text
    assert not list(tmp_path.glob("*.json"))
    assert not any(str(CANARY) in text for text in said)


def test_clients_end_when_their_aggregator_is_killed(
    tmp_path: Path, tls: tuple[Path, Path], mailbox: int
) -> None:
    them = Organisations(tmp_path, 3, mailbox, tls[0])
    np.save(tmp_path / "v.npy", np.full(3, CANARY))
    aggregator = them.start(3, "--patience", "60")
    client = them.start(0, "--values", str(tmp_path / "v.npy"), "--timeout", "8")
    try:
        assert client.stderr is not None
        assert client.stderr.readline() == "keys sent\n"
        aggregator.kill()
        _, said = client.communicate(timeout=60)
    finally:
        end(aggregator, client)
    assert client.returncode == 76
    assert said == "masquerade: the round did not end within 8 seconds\n"
    assert not list(tmp_path.glob("*.json"))


# -- in one process: what the mailbox sees ---------------------------------------------------------------


@pytest.fixture
def watched(tls: tuple[Path, Path]) -> Iterator[tuple[Mailbox, int]]:
    """A mailbox in this process, over TLS all the same."""
    app, port = Mailbox(), free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            app, port=port, ssl_certfile=tls[0], ssl_keyfile=tls[1], log_config=None, lifespan="on"
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until_it_answers(port, tls[0])
        yield app, port
    finally:
        server.should_exit = True
        thread.join(30)


def all_join(them: Organisations, values: list[np.ndarray | None], **more: object) -> dict[int, object]:  # type: ignore[type-arg]
    out: dict[int, object] = {}

    def one(i: int) -> None:
        try:
            out[i] = join(them.agreed, them.identities[i], values[i], ca=them.certificate, timeout=60, **more)  # type: ignore[arg-type]
        except Exception as problem:
            out[i] = problem

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(values))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    return out


def all_learn_the_sum(them: Organisations, without: int | None = None, **more: object) -> None:
    """Clients with 0, 1, 2 and so on join; all but one that drops out, and the aggregator, learn one sum."""
    count = len(them.identities) - 1
    outcomes = all_join(them, [*(np.full(3, float(i)) for i in range(count)), None], **more)
    stayed = [i for i in range(count) if i != without]
    for i in (*stayed, count):
        assert outcomes[i].survivors == tuple(f"hospital {k}" for k in stayed)  # type: ignore[attr-defined]
        np.testing.assert_allclose(outcomes[i].values, sum(stayed), atol=1e-5)  # type: ignore[attr-defined]


def test_the_mailbox_sees_sealed_bytes_only(
    tmp_path: Path, tls: tuple[Path, Path], watched: tuple[Mailbox, int]
) -> None:
    app, port = watched
    them = Organisations(tmp_path, 3, port, tls[0], length=20_000, bits=32, fraction_bits=8)
    outcomes = all_join(them, [np.zeros(20_000)] * 3 + [None])
    for outcome in outcomes.values():
        assert not outcome.values.any()  # type: ignore[attr-defined]
    roster = them.agreed
    (room,) = app.store._rooms.values()
    kept = [message for box in room.boxes.values() for message in box]
    assert len(kept) == 1 + 3 * 5 + 3 * 5
    assert sum(map(len, kept)) + len(kept) * _KEPT == room.bytes == app.store.bytes
    large = [message for message in kept if len(message) >= 80_000]
    assert len(large) == 6  # three uploads and three results, all of zeros before they were masked and sealed
    for message in large:
        assert LOW < chi_square(message[-80_000:]) < HIGH
    for secret in (roster.round.context, roster.session, *(member.key for member in roster.clients), b"mqs1"):
        assert not any(secret in message for message in kept)


def test_what_others_leave_in_a_room_is_passed_over(
    tmp_path: Path, tls: tuple[Path, Path], watched: tuple[Mailbox, int]
) -> None:
    """By somebody who knows the room: before everything else, in every box."""
    app, port = watched
    them = Organisations(tmp_path, 4, port, tls[0])
    context = them.agreed.round.context

    def name(text: str) -> str:
        return crypto.sha256(b"masquerade mailbox" + context + text.encode())[:16].hex()

    for box in ("hello", "aggregator", *map(str, range(4))):
        for i, junk in enumerate((b"", b"\x01", b"\x01" + bytes(4), bytes(300), b"\xfb" + bytes(96))):
            app.store.reserve(len(junk))
            app.store.put(name("room"), name(f"box {box}"), f"{i:016x}{name(box)[:16]}", junk)
    all_learn_the_sum(them)


def test_what_a_client_sent_does_not_stop_it_when_it_comes_back(
    tmp_path: Path, tls: tuple[Path, Path], watched: tuple[Mailbox, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent back without its greeting, it is sealed under the key that this client opens that kind with."""
    app, port = watched
    them = Organisations(tmp_path, 3, port, tls[0])
    context = them.agreed.round.context
    put = app.store.put

    def reflect(room: str, box: str, name: str, message: bytes) -> bool:
        if message[:1] == bytes([Kind.KEYS]):
            client = int.from_bytes(message[1:5], "little")
            back = crypto.sha256(b"masquerade mailbox" + context + b"box %d" % client)[:16].hex()
            copy = message[:1] + message[101:]
            app.store.reserve(len(copy))
            put(room, back, name[::-1], copy)
        return put(room, box, name, message)

    monkeypatch.setattr(app.store, "put", reflect)
    all_learn_the_sum(them)


def test_a_copy_of_a_message_in_a_box_stops_nobody(
    tmp_path: Path, tls: tuple[Path, Path], watched: tuple[Mailbox, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, port = watched
    them = Organisations(tmp_path, 3, port, tls[0])
    put = app.store.put

    def twice(room: str, box: str, name: str, message: bytes) -> bool:
        app.store.reserve(len(message))
        put(room, box, name[::-1], message)
        return put(room, box, name, message)

    monkeypatch.setattr(app.store, "put", twice)
    all_learn_the_sum(them)


class BadMailbox:
    """Says what a test tells it to, over TLS, to whoever asks."""

    def __init__(self, tls: tuple[Path, Path], *pieces: bytes, times: int = 1) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, tls))
        self._context, self._pieces, self._times = context, pieces, times
        self.sent = self.asked = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(0.1)
        self.port = int(self._listening.getsockname()[1])
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> BadMailbox:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)
        self._listening.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError):
                plain, _ = self._listening.accept()
                plain.settimeout(5)
                with self._context.wrap_socket(plain, server_side=True) as line:
                    line.recv(1 << 16)
                    self.asked += 1
                    line.sendall(self._pieces[0])
                    for _ in range(self._times):
                        for piece in self._pieces[1:]:
                            line.sendall(piece)
                            self.sent += len(piece)


def joins(tmp_path: Path, tls: tuple[Path, Path], port: int, timeout: float) -> str:
    them = Organisations(tmp_path, 3, port, tls[0])
    roster = them.agreed
    with pytest.raises(ProtocolProblem) as caught:
        join(roster, them.identities[0], np.zeros(3), ca=tls[0], timeout=timeout)
    return str(caught.value)


def test_a_mailbox_without_end_fills_no_memory(tmp_path: Path, tls: tuple[Path, Path]) -> None:
    chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    start = b"HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n"
    with BadMailbox(tls, start, chunk, times=300) as bad:
        assert "within 2 seconds" in joins(tmp_path, tls, bad.port, 2)
    assert bad.asked >= 2, "what is too large is passed over, and the next message asked for"
    assert bad.sent < bad.asked * (16 << 20), "most of it is not even taken"


def test_what_a_mailbox_compressed_is_not_blown_up(tmp_path: Path, tls: tuple[Path, Path]) -> None:
    small = gzip.compress(bytes(64 << 20))
    head = b"HTTP/1.1 200 x\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(small)
    tracemalloc.start()
    try:
        with BadMailbox(tls, head, small) as bad:
            assert "within 2 seconds" in joins(tmp_path, tls, bad.port, 2)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_mailbox_that_cannot_answer_now_is_asked_again(
    tmp_path: Path, tls: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("masquerade.serve.join._REACH_SECONDS", 1.0)
    monkeypatch.setattr("masquerade.serve.join._RETRY_SECONDS", 0.05)
    with BadMailbox(tls, b"HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n") as bad:
        assert "cannot be reached" in joins(tmp_path, tls, bad.port, 20)
    assert bad.asked > 2


def test_a_certificate_for_another_name_is_refused(
    tmp_path: Path, tls: tuple[Path, Path], watched: tuple[Mailbox, int]
) -> None:
    """One that is trusted, but says 127.0.0.1, where the roster says localhost."""
    app, port = watched
    them = Organisations(tmp_path, 3, port, tls[0])
    roster = Roster.parse(them.roster.read_text().replace("127.0.0.1", "localhost"))
    with pytest.raises(ProtocolProblem, match="certificate is not one that is trusted"):
        join(roster, them.identities[0], np.zeros(3), ca=tls[0], timeout=20)
    assert not app.store._rooms


def test_a_client_whose_messages_are_changed_on_the_way_drops_out(
    tmp_path: Path, tls: tuple[Path, Path], watched: tuple[Mailbox, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, port = watched
    them = Organisations(tmp_path, 4, port, tls[0])
    put = app.store.put

    def bend(room: str, box: str, name: str, message: bytes) -> bool:
        if message[:5] == bytes([Kind.UPLOAD, 2, 0, 0, 0]):  # of client 2, on its way to the aggregator
            message = message[:-1] + bytes([message[-1] ^ 1])
        return put(room, box, name, message)

    monkeypatch.setattr(app.store, "put", bend)
    all_learn_the_sum(them, without=2, patience=3.0)


def test_a_mailbox_that_is_not_there(
    tmp_path: Path, tls: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("masquerade.serve.join._REACH_SECONDS", 1.0)
    them = Organisations(tmp_path, 3, free_port(), tls[0])
    roster = them.agreed
    with pytest.raises(ProtocolProblem, match="cannot be reached"):
        join(roster, them.identities[0], np.zeros(3), ca=tls[0], timeout=20)


def test_a_message_larger_than_the_mailbox_takes(
    tmp_path: Path, tls: tuple[Path, Path], watched: tuple[Mailbox, int]
) -> None:
    app, port = watched
    app.store.limits = Limits(message=3000)
    them = Organisations(tmp_path, 3, port, tls[0], length=5000)
    outcomes = all_join(them, [np.zeros(5000)] * 3 + [None], patience=3.0)
    assert all(isinstance(outcomes[i], ProtocolProblem) for i in range(4))
    assert "at most 3,000 bytes" in str(outcomes[0])
    assert "0 clients sent UPLOAD" in str(outcomes[3])


def test_weights_and_clipping(tmp_path: Path, tls: tuple[Path, Path], watched: tuple[Mailbox, int]) -> None:
    _, port = watched
    them = Organisations(
        tmp_path, 3, port, tls[0], length=2, bound=10.0, weight_bound=100.0, fraction_bits=16
    )
    outcomes = all_join(them, [np.array([50.0, i]) for i in range(3)] + [None], weight=5.0, clip=True)
    assert {i: getattr(o, "clipped", o) for i, o in outcomes.items() if i < 3} == {0: 1, 1: 1, 2: 1}, outcomes
    assert {i: type(o).__name__ for i, o in outcomes.items()}[3] == "Outcome" or "no values" in str(
        outcomes[3]
    )
    for i in range(3):
        np.testing.assert_allclose(outcomes[i].values, [10.0, 1.0], atol=1e-3)  # type: ignore[attr-defined]
        assert outcomes[i].weight == 15.0  # type: ignore[attr-defined]


def test_a_second_try_of_a_session_is_refused(
    tmp_path: Path, tls: tuple[Path, Path], watched: tuple[Mailbox, int]
) -> None:
    _, port = watched
    them = Organisations(tmp_path, 3, port, tls[0])
    all_join(them, [np.zeros(3)] * 3 + [None])
    roster = them.agreed
    with pytest.raises(ProtocolProblem, match="new session"):
        join(roster, them.identities[0], np.ones(3), ca=tls[0], timeout=20)
    with pytest.raises(ProtocolProblem, match="new session"):
        join(roster, them.identities[3], None, ca=tls[0], timeout=20)


def test_what_does_not_fit_is_refused_before_anything_is_sent(
    tmp_path: Path, tls: tuple[Path, Path], watched: tuple[Mailbox, int]
) -> None:
    app, port = watched
    them = Organisations(tmp_path, 3, port, tls[0])
    roster = them.agreed
    for identity, values, told in (
        (Identity.generate(), np.zeros(3), KeyProblem),
        (them.identities[0], np.zeros(4), BadInput),
        (them.identities[0], None, BadInput),
        (them.identities[3], np.zeros(3), BadInput),
        (them.identities[0], np.array([0, CANARY * 10, 0]), BadInput),
    ):
        with pytest.raises(told) as caught:
            join(roster, identity, values, ca=tls[0], timeout=5)
        assert str(CANARY * 10) not in str(caught.value)
    with pytest.raises(ProtocolProblem, match="certificate is not one that is trusted"):
        join(roster, them.identities[0], np.zeros(3), timeout=20)
    assert not app.store._rooms


# -- files -----------------------------------------------------------------------------------------------


def text(**changes: str) -> str:
    keys = [f"{i:064x}" for i in range(4)]
    parts = {
        "mailbox": 'mailbox = "https://relay.example.org:8443"',
        "session": f'session = "{"ab" * 32}"',
        "sum": '[sum]\ntask = "mean age"\nlength = 2\nbound = 150.0',
        "aggregator": f'[aggregator]\nname = "registry"\nkey = "{keys[3]}"',
        "clients": "\n".join(f'[[client]]\nname = "c{i}"\nkey = "{keys[i]}"' for i in range(3)),
    }
    return "\n".join((parts | changes).values())


def test_a_roster_is_read_and_its_task_is_bound() -> None:
    roster = Roster.parse(text())
    assert roster.round.length == 2
    assert roster.format.bits == 64
    other = Roster.parse(text(sum='[sum]\ntask = "mean height"\nlength = 2\nbound = 150.0'))
    assert other.round.context != roster.round.context
    weighted = Roster.parse(text(sum='[sum]\ntask = "t"\nlength = 2\nbound = 1\nweight_bound = 9'))
    assert weighted.round.length == 3


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"mailbox": "mailbox = 3"}, "https"),
        ({"mailbox": 'mailbox = "http://relay.example.org"'}, "https"),
        ({"mailbox": ""}, "no mailbox"),
        ({"session": 'session = "ab"'}, "session is 64"),
        ({"sum": "[sum]\nlength = 2\nbound = 1.0"}, "no task"),
        ({"sum": '[sum]\ntask = "t"\nlength = 2.5\nbound = 1.0'}, "length is a number"),
        ({"sum": '[sum]\ntask = "t"\nlength = true\nbound = 1.0'}, "length is a number"),
        ({"sum": '[sum]\ntask = "t"\nlength = 2\nbound = 1.0\nwide = 1'}, "means nothing"),
        ({"sum": '[sum]\ntask = "t"\nlength = 2\nbound = 1e9\nbits = 32'}, "no room|wrap"),
        ({"sum": '[sum]\ntask = "t"\nlength = 0\nbound = 1.0'}, "length is 1"),
        ({"clients": f'[[client]]\nname = "c"\nkey = "{1:064x}"'}, "at least three"),
        ({"clients": f'[client]\nname = "c"\nkey = "{1:064x}"'}, "two brackets"),
        ({"aggregator": f'[aggregator]\nname = "registry"\nkey = "{1:064x}"'}, "same key"),
        ({"aggregator": f'[aggregator]\nname = "c1"\nkey = "{9:064x}"'}, "same name"),
        ({"aggregator": '[aggregator]\nname = "registry"\nkey = "no"'}, "key is 64"),
        ({"sum": "[sum"}, "not TOML"),
        ({"sum": '[sum]\ntask = "t"\nlength = 2\nbound = 1' + "0" * 400}, "bound is too large"),
        (
            {"sum": '[sum]\ntask = "t"\nlength = 2\nbound = 1\ncorrupt = 1' + "0" * 400},
            "corrupt is too large",
        ),
        ({"sum": '[sum]\ntask = "t"\nlength = 2\nbound = 1\nweight_bound = 0'}, "weight_bound"),
        ({"sum": "[sum]\nlength = 1" + "0" * 5000}, "not TOML: a number is too long"),
        ({"sum": "[sum]\nlength = " + "[" * 20000}, "not TOML"),
        ({"mailbox": 'mailbox = "https://[::1"'}, "https"),
        ({"mailbox": 'mailbox = "https://relay.example.org:port"'}, "https"),
        ({"mailbox": 'mailbox = "https://relay.example.org:99999"'}, "https"),
        ({"mailbox": 'mailbox = "https://me:word@relay.example.org"'}, "https"),
    ],
)
def test_rosters_that_cannot_be_used(changes: dict[str, str], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        Roster.parse(text(**changes))


def test_values_are_read_from_three_kinds_of_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[1.5, 2], [3, 4]], ">f4", order="F"))
    (tmp_path / "a.csv").write_text("\ufeff1.5, 2\n\n3,4\n", encoding="utf-8")
    (tmp_path / "a.json").write_text("[[1.5, 2], [3, 4]]")
    for suffix in ("npy", "csv", "json"):
        np.testing.assert_array_equal(read_values(tmp_path / f"a.{suffix}"), [1.5, 2, 3, 4])


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"age,height\n1,2\n", "line 1: column 1 holds no number"),
        ("a.csv", b"1,2\n3,1234.5625x\n", "line 2: column 2 holds no number"),
        ("a.csv", b"\xff\xfe", "UTF-8"),
        ("a.json", b'{"a": 1', "line 1: is not JSON"),
        ("a.json", b'{"a": 1}', "real numbers"),
        ("a.json", b'["1234.5625"]', "real numbers"),
        ("a.json", b"[[1], [1, 2]]", "regular"),
        ("a.json", b"[1234" + b"5" * 5000 + b"]", "too long"),
        ("a.json", b"[" * 50000, "too deep"),
        ("a.npy", b"nonsense", "no .npy"),
        ("a.npy", b"PK\x03\x04nonsense", "no .npy"),
        ("a.npy", NPY.replace(b"5,)", b"5,("), "no .npy"),
        ("a.npy", NPY.replace(b"(5,)", b"(9999999999999999,)"), "no .npy"),
        ("a.txt", b"1", "npy, .csv or .json"),
    ],
)
def test_values_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadInput, match=told) as caught:
        read_values(path)
    assert "1234" not in str(caught.value)


def test_an_npy_file_of_objects_is_not_run(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(BadInput, match="plain numbers"):
        read_values(tmp_path / "a.npy")
    with pytest.raises(BadInput, match="cannot be read"):
        read_values(tmp_path / "missing.npy")


def test_an_identity_is_made_once_and_kept_closed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "masquerade.serve.cli", "keys", "identity", str(tmp_path / "me")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert (tmp_path / "me").stat().st_mode & 0o077 == 0
    identity = Identity.parse((tmp_path / "me").read_text())
    assert done.stdout == identity.public + "\n"
    assert identity.export().strip() not in done.stdout + done.stderr + repr(identity)
    again = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert again.returncode == 77
    assert Identity.parse((tmp_path / "me").read_text()).public == identity.public
    line = identity.export().strip()
    for last in set("abcdefghijklmnopqrstuvwxyz234567") - {line[-1]}:
        with pytest.raises(KeyProblem, match="typing error"):
            Identity.parse(line[:-1] + last)
    with pytest.raises(KeyProblem, match="expected one identity"):
        Identity.parse("# nothing\n")
