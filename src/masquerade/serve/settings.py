"""What a gateway is told: one frozen value that travels to every worker, and holds no secret."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from masquerade.errors import BadInput
from masquerade.serve.quota import Limits

_VERSION_SEGMENT = re.compile(r"/v[0-9][^/]*(?:/|$)")


class Service(NamedTuple):
    """What is told of one upstream."""

    name: str
    """As its option is called."""
    address: str | None
    key_env: str | None
    key_file: Path | None

    @property
    def holds_key(self) -> bool:
        """Whether the gateway, not its client, has the credentials for it."""
        return bool(self.key_env or self.key_file)

    @property
    def base(self) -> str | None:
        """Its address up to and including the version segment, without a slash at the end."""
        if self.address is None:
            return None
        base = self.address.rstrip("/")
        return base if _VERSION_SEGMENT.search(urlsplit(base).path) else base + "/v1"

    def check(self, client_keys: bool) -> None:
        """Refuse what contradicts itself.

        Raises:
            BadInput: it does.
        """
        if self.address is not None:
            _check_address(self.address)
        if self.key_env and self.key_file:
            raise BadInput("the upstream's key comes from a variable or from a file, not from both")
        if self.holds_key and self.address is None:
            raise BadInput(f"an upstream key without an upstream: give --{self.name}, the address it is for")
        if client_keys and self.address and not self.holds_key:
            raise BadInput("client keys need the upstream's own key: name its variable or file")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one gateway. Secrets are named here (a file, a variable), never held.

    Raises:
        BadInput: the settings contradict each other or would serve strangers with the gateway's own key.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    upstream: str | None = None
    """Base address of an OpenAI-compatible service, with or without ``/v1``; None: the mirror model."""
    recogniser: Path | None = None
    """Folder of a trained classifier of pictures (as ``masquerade open`` makes it), to be the service."""
    upstream_key_env: str | None = None
    """Name of the environment variable with the service's key; None: the client's credentials pass."""
    upstream_key_file: Path | None = None
    """The same from a file, for orchestrators that mount secrets; at most one of the two."""
    anthropic: str | None = None
    """Base address of a service that speaks Anthropic's API; None: none, or the mirror model where there is
    no other upstream either."""
    anthropic_key_env: str | None = None
    """As ``upstream_key_env``, for that service."""
    anthropic_key_file: Path | None = None
    client_keys: Path | None = None
    """TOML file of the keys that this gateway gives out; None: no key of its own is asked for."""
    policy: Path | None = None
    journal: Path | None = None
    """Folder of the journal; None: one beside the key."""
    no_journal: bool = False
    journal_required: bool = False
    """Whether no request is taken while the journal cannot be written."""
    store: str | None = None
    """Where the sealed store is: a file, or the address of a Redis; None: a file beside the key."""
    workers: int = 1
    max_body: int = 32 << 20
    """Largest request accepted, in bytes (a reply may be four times as large)."""
    requests_per_minute: int | None = None
    """Of one tenant, unless the file of client keys says otherwise; None: as many as it likes. Of these and
    the next two limits, each worker has its part (``quota.py``)."""
    bytes_per_minute: int | None = None
    """The same for the bodies that it sends."""
    max_concurrent: int | None = None
    """Requests of one tenant at a time."""
    max_upload: int = 512 << 20
    """Largest file accepted, in bytes; no more of it than a line is held in memory."""
    max_held: int = 256 << 20
    """Bytes of requests and replies that one worker holds at once, all together; what is beyond is refused
    with status 503. A request takes several times its bytes of memory while it is masked."""
    threads: int = 4
    """Threads of one worker that mask and restore large bodies, so that small ones need not wait."""
    timeout: float = 600.0
    """Seconds that one request may take in all."""
    connect_timeout: float = 10.0
    idle_timeout: float = 120.0
    """Seconds that the upstream may stay silent, before its reply and between two pieces of it, and that a
    client may take nothing of what it is sent."""
    grace: float = 30.0
    """Seconds that running replies are given to finish when the gateway is told to stop."""
    log: Literal["json", "text", "off"] = "json"
    no_watch: bool = False
    """Whether changed files (policy, client keys) are read anew at SIGHUP only."""
    otel: str | None = None
    """Base address of an OpenTelemetry collector (OTLP over HTTP); None: what
    ``OTEL_EXPORTER_OTLP_ENDPOINT`` says, else nothing is traced."""
    trace_upstream: bool = False
    """Whether the service is told a request's ``traceparent``, by which requests can be linked."""
    trust_tenant_header: bool = False
    """Whether ``x-masquerade-tenant`` names the tenant: only behind a proxy of one's own that sets it."""
    playground: bool = True
    hosts: tuple[str, ...] = ()
    """Further names by which browsers may reach the playground, when it listens on loopback."""

    def __post_init__(self) -> None:
        if self.otel is not None:
            _check_address(self.otel, "collector")
        if self.recogniser is not None and self.upstream is not None:
            raise BadInput("a recogniser is the model service itself: give it or an upstream, not both")
        for service in self.services.values():
            service.check(bool(self.client_keys))
        if any(service.holds_key for service in self.services.values()) and not (
            self.client_keys or self.loopback
        ):
            raise BadInput(
                "this would let anyone who reaches the port spend the upstream's key: "
                "give out client keys, or listen on 127.0.0.1"
            )
        for name in (
            "workers",
            "threads",
            "max_body",
            "max_upload",
            "timeout",
            "connect_timeout",
            "idle_timeout",
        ):
            if getattr(self, name) <= 0:
                raise BadInput(f"{name} must be greater than 0")
        Limits.of(self)
        if self.max_held < self.max_body:
            raise BadInput("max_held must not be less than max_body: no such body could be taken")
        if not 0 <= self.port <= 65535:
            raise BadInput("the port is a number from 0 to 65535")
        if self.log not in ("json", "text", "off"):
            raise BadInput("the log format is json, text or off")

    @property
    def services(self) -> dict[str, Service]:
        """The upstreams, by the API that they speak."""
        return {
            "openai": Service("upstream", self.upstream, self.upstream_key_env, self.upstream_key_file),
            "anthropic": Service(
                "anthropic", self.anthropic, self.anthropic_key_env, self.anthropic_key_file
            ),
        }

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the gateway."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def dump(self) -> str:
        """The settings as JSON, for a worker process; the inverse of :meth:`load`."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def load(cls, text: str) -> Settings:
        """Read what :meth:`dump` wrote."""
        told: dict[str, Any] = json.loads(text)
        for field in fields(cls):
            if "Path" in str(field.type) and told[field.name] is not None:
                told[field.name] = Path(told[field.name])
        return cls(**{**told, "hosts": tuple(told["hosts"])})


def _check_address(address: str, whose: str = "upstream") -> None:
    """Refuse an address that is unusable; its text is not repeated, for it may hold a password."""
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise BadInput(f"the {whose} is an address such as https://api.example.com/v1")
    if parts.username is not None or parts.password is not None:
        raise BadInput(f"the {whose}'s address holds credentials: name a variable or a file for its key")
    if parts.query or parts.fragment:
        raise BadInput(f"the {whose}'s address has a '?' or '#' part: give it up to the version only")


def read(path: Path) -> str:
    """The text of a file that settings name.

    Raises:
        BadInput: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        raise BadInput(f"cannot be read: {problem.strerror}", source=str(path)) from None
    except UnicodeDecodeError:
        raise BadInput("is not UTF-8 text", source=str(path)) from None
