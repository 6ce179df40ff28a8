"""A gateway's settings and client keys: what is refused before anything is served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from masquerade.errors import BadInput
from masquerade.serve.clients import Clients, new_key
from masquerade.serve.settings import Settings

HELD = {"upstream": "https://api.example.com", "upstream_key_env": "K"}


def test_settings_travel_to_a_worker() -> None:
    told = Settings(policy=Path("/x/policy.toml"), hosts=("a", "b"), upstream="https://api.example.com")
    assert Settings.load(told.dump()) == told
    assert Settings.load(Settings().dump()) == Settings()


def test_client_keys_that_are_nested_too_deeply() -> None:
    with pytest.raises(BadInput, match="nested too deeply"):
        Clients.parse("client = " + "[" * 50_000)


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("https://api.example.com", "https://api.example.com/v1"),
        ("https://api.example.com/", "https://api.example.com/v1"),
        ("https://api.example.com/v1/", "https://api.example.com/v1"),
        ("https://api.example.com/openai/v1", "https://api.example.com/openai/v1"),
        ("https://api.example.com/api", "https://api.example.com/api/v1"),
        ("https://api.example.com/v1beta/openai/", "https://api.example.com/v1beta/openai"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
        ("http://v1.example.com", "http://v1.example.com/v1"),
    ],
)
def test_the_version_is_added_where_it_is_missing(address: str, base: str) -> None:
    assert Settings(upstream=address).services["openai"].base == base
    assert Settings(anthropic=address).services["anthropic"].base == base


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"upstream": "api.example.com"}, "such as https"),
        ({"upstream": "ftp://api.example.com"}, "such as https"),
        ({"upstream": "http://"}, "such as https"),
        ({"upstream": "http://a:99999999"}, "such as https"),
        ({"upstream": "https://me:hunter2@api.example.com"}, "credentials"),
        ({"upstream": "https://api.example.com/v1?key=hunter2"}, "up to the version"),
        ({"upstream_key_env": "K"}, "without an upstream: give --upstream"),
        ({"anthropic_key_file": Path("x")}, "without an upstream: give --anthropic"),
        ({"anthropic": "https://me:hunter2@api.example.com"}, "credentials"),
        ({**HELD, "anthropic": "https://api.example.com", "client_keys": Path("x")}, "own key"),
        ({**HELD, "upstream_key_file": Path("x")}, "not from both"),
        ({"upstream": "https://api.example.com", "client_keys": Path("x")}, "need the upstream's own key"),
        ({**HELD, "host": "0.0.0.0"}, "anyone"),
        ({"anthropic": "https://a.example", "anthropic_key_env": "K", "host": "0.0.0.0"}, "anyone"),
        ({**HELD, "host": "gateway.example.com"}, "anyone"),
        ({"workers": 0}, "workers"),
        ({"max_body": 0}, "max_body"),
        ({"timeout": -1}, "timeout"),
        ({"port": 70000}, "port"),
        ({"log": "xml"}, "log"),
    ],
)
def test_what_makes_no_sense_is_refused(told: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why) as problem:
        Settings(**told)
    assert "hunter2" not in str(problem.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.5"])
def test_a_held_key_may_be_used_on_this_machine(host: str) -> None:
    assert Settings(**HELD, host=host).loopback


def test_a_held_key_with_client_keys_may_be_used_from_anywhere() -> None:
    told = Settings(**HELD, host="0.0.0.0", client_keys=Path("x"))
    assert told.services["openai"].holds_key
    assert not told.services["anthropic"].holds_key


def entry(name: str, tenant: str, digest: str) -> str:
    return f'[[client]]\nname = "{name}"\ntenant = "{tenant}"\nhash = "{digest}"\n'


def test_a_client_is_found_by_its_key_alone() -> None:
    (one, one_hash), (two, two_hash) = new_key(), new_key()
    clients = Clients.parse(entry("a", "acme", one_hash) + entry("b", "beta", two_hash.upper()))
    found = [clients.find(key.encode()) for key in (one, two)]
    assert [client and client.tenant for client in found] == ["acme", "beta"]
    for wrong in ("", one[:-1], one_hash, one.upper(), new_key()[0]):
        assert clients.find(wrong.encode()) is None
    assert len(one) == len("mq-") + 52
    assert one not in repr(found)


HASH = "0" * 64


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no \\[\\[client\\]\\]"),
        ("client = 1", "no \\[\\[client\\]\\]"),
        ("[[client]]\nname = x", "not TOML.*line 2"),
        ("[[client]]\nname = 'a'\ntenant = 'b'\n", "client 1 needs exactly"),
        (entry("a", "b", HASH) + "key = 'mq-x'\n", "client 1 needs exactly"),
        (entry("a", "b", HASH) + entry("a", "b", "1" * 63), "client 2: hash"),
        (entry(" ", "b", HASH), "client 1: name"),
        (entry("a", "b c", HASH), "client 1: tenant"),
        (entry("a", "caller:1", HASH), "client 1: tenant"),
        (entry("a", "b", HASH) * 2, "client 2 has the key of another"),
    ],
)
def test_a_client_file_that_is_wrong_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadInput, match=f"clients.toml: .*{why}"):
        Clients.parse(text, source="clients.toml")
