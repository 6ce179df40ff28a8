"""The playground's side of the gateway: turns, streams, pictures, and policies that are edited there."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from gateway_rig import Answer, Gateway, Service, gateway, pieces
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.errors import Blocked, PolicyProblem
from masquerade.keys import Key
from masquerade.mask.policy import Policy
from masquerade.mask.span import KINDS, Fate
from masquerade.mask.text import Masker
from masquerade.serve.call import Call
from masquerade.serve.draft import LARGEST, TENANT, Drafts, weaker, written
from masquerade.serve.room import Room
from masquerade.serve.settings import Settings
from masquerade.serve.trial import Trial
from masquerade.serve.upstream import Body, LocalReply, mirrored
from masquerade.wire.sse import EventStream

EMAIL, PHONE, CARD = "ada.lovelace@example.com", "(212) 555-0147", "4111 1111 1111 1111"
TEXT = f"Ada Lovelace wrote from {EMAIL}, {PHONE}; card {CARD}, staff E-123456, project Halcyon."
PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n canary").decode()

OWN = """version = 1

[fates]
EMAIL = "plausible"
STAFF_ID = "redact"

[thresholds]
PHONE = 0.6

[[deny]]
kind = "PROJECT"
words = ["Halcyon"]
match = "ignore-case"

[[allow]]
words = ["support@example.com"]

[[pattern]]
kind = "STAFF_ID"
expression = 'E-[0-9]{6}'
"""


# ---- a gateway in front of a service that records ----


@pytest.fixture(scope="module")
def shared(upstream: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.toml").write_text(OWN)
    with gateway(folder, upstream=upstream.url, policy=folder / "own.toml", max_body=300_000) as running:
        yield running
        log = running.log_path.read_text()
        assert not any(value in log for value in (EMAIL, PHONE, CARD, "Halcyon", "canary"))


@pytest.fixture
def seen(upstream: Service) -> Iterator[Service]:
    upstream.reset()
    yield upstream
    assert not any(value.encode() in upstream.everything for value in (EMAIL, PHONE, CARD, "Halcyon"))


def ask(running: Gateway, text: str = TEXT, **more: Any) -> Answer:
    return running.post("/playground/try", {"text": text, **more})


def events(body: bytes) -> list[tuple[str, Any]]:
    found = EventStream().feed(body)
    return [
        (event.name.decode(), json.loads(event.data))
        for event in found
        if event.data not in (None, b"[DONE]")
    ]


def said(told: list[tuple[str, Any]], name: str) -> str:
    chunks = (tree["choices"] for each, tree in told if each == name and tree.get("choices"))
    return "".join(choices[0]["delta"].get("content") or "" for choices in chunks)


# ---- turns ----


def test_a_value_keeps_its_token_through_the_turns(shared: Gateway, seen: Service) -> None:
    first = ask(shared, f"Call {PHONE}.", model="m").json
    history = [
        {"role": "user", "content": f"Call {PHONE}."},
        {"role": "assistant", "content": first["restored"]},
    ]
    second = ask(shared, f"And {PHONE} again?", model="m", history=history).json
    (token,) = {span["surrogate"] for span in first["spans"]}
    assert {span["surrogate"] for span in second["spans"]} == {token}
    sent = seen.last["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert all(token in message["content"] for message in sent)
    assert PHONE in second["restored"]


def test_a_name_of_an_earlier_turn_is_known_in_the_next(shared: Gateway, seen: Service) -> None:
    history = [{"role": "user", "content": "Ada Lovelace is ill."}, {"role": "assistant", "content": "Oh."}]
    alone = shared.post("/playground/mask", {"text": "Will Lovelace come?", "history": history}).json
    assert "Lovelace" not in alone["masked"]
    told = ask(shared, "Will Lovelace come?", history=history, model="m").json
    assert told["masked"] == alone["masked"] == seen.last["messages"][-1]["content"]


@pytest.mark.parametrize(
    "history",
    [
        [{"role": "system", "content": "x"}],
        [{"role": "user"}],
        [{"role": "user", "content": 1}],
        "x",
        [{"role": "user", "content": "x"}] * 201,
    ],
)
def test_history_that_is_none_is_refused(shared: Gateway, seen: Service, history: Any) -> None:
    assert ask(shared, history=history, model="m").error["code"] == "invalid_request"
    assert seen.requests == []


def test_what_history_holds_is_blocked_too(shared: Gateway, seen: Service) -> None:
    history = [{"role": "user", "content": f"card {CARD}"}, {"role": "assistant", "content": "?"}]
    policy = {"toml": OWN.replace("[fates]", '[fates]\nCREDIT_CARD = "block"')}
    answer = ask(shared, "hello", history=history, policy=policy, model="m")
    assert (answer.status, answer.json["error"]["counts"]) == (400, {"CREDIT_CARD": 1})
    assert seen.requests == []


# ---- streams ----


def test_a_stream_shows_the_services_bytes_and_the_same_restored(shared: Gateway, seen: Service) -> None:
    answer = ask(shared, model="m", stream=True)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    told = events(answer.body)
    assert told[0][0] == "sent" and told[-1] == ("end", {})
    assert told[0][1]["masked"] == seen.last["messages"][0]["content"] and seen.last["stream"] is True
    _, _, parts = mirrored("/chat/completions", seen.requests[-1].body)
    events_of_service = [event for event in EventStream().feed(b"".join(parts)) if event.data]
    shown = [event.data for event in EventStream().feed(answer.body) if event.name == b"model"]
    assert shown == [event.data for event in events_of_service]
    answered, back = said(told, "model"), said(told, "back")
    assert PHONE in back and PHONE not in answered and EMAIL not in answered
    whole = ask(shared, model="m").json
    assert (answered, back) == (whole["reply"], whole["restored"])


def test_a_token_is_never_shown_in_part(shared: Gateway, seen: Service) -> None:
    token = ask(shared, f"Call {PHONE}.", model="m").json["spans"][0]["surrogate"]
    told = events(ask(shared, f"Call {PHONE}.", model="m", stream=True).body)
    back = [tree["choices"][0]["delta"].get("content") or "" for name, tree in told if name == "back"]
    cut = [tree["choices"][0]["delta"].get("content") or "" for name, tree in told if name == "model"]
    assert not any(token in piece for piece in cut)  # it came in pieces
    assert not any("[PHONE" in "".join(back[:n]) for n in range(len(back) + 1))


def test_a_service_that_does_not_stream_is_shown_all_the_same(shared: Gateway, seen: Service) -> None:
    async def whole(request: web.Request, body: bytes) -> web.StreamResponse:
        asked = {**json.loads(body), "stream": False}
        return await pieces(request, *mirrored("/chat/completions", json.dumps(asked).encode()))

    seen.behave = whole
    told = dict(events(ask(shared, model="m", stream=True).body))
    assert PHONE in told["back"]["choices"][0]["message"]["content"]
    assert PHONE not in told["model"]["choices"][0]["message"]["content"]


def test_a_stream_that_ends_in_an_event_says_so(shared: Gateway, seen: Service) -> None:
    async def cut(request: web.Request, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'data: {"choices":[{"index":0,"delta":{"content":"half"}}]}\n\ndata: {"cho')
        await response.write_eof()
        return response

    seen.behave = cut
    told = events(ask(shared, model="m", stream=True).body)
    assert told[-1][0] == "error" and told[-1][1]["error"]["code"] == "upstream_failed"
    assert said(told, "back") == "half"


def test_a_stream_that_breaks_keeps_what_came_and_says_so(shared: Gateway, seen: Service) -> None:
    async def breaks(request: web.Request, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for n, part in enumerate(mirrored("/chat/completions", body)[2]):
            await response.write(part)
            if n == 12:
                assert request.transport is not None
                request.transport.close()
        return response

    seen.behave = breaks
    told = events(ask(shared, model="m", stream=True).body)
    assert said(told, "model") and said(told, "back")
    assert told[-1][0] == "error" and told[-1][1]["error"]["code"] == "upstream_failed"


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_service_that_refuses_is_told(shared: Gateway, seen: Service, status: int) -> None:
    async def refuses(request: web.Request, body: bytes) -> web.StreamResponse:
        return web.json_response({"error": {"message": "no"}}, status=status)

    seen.behave = refuses
    told = events(ask(shared, model="m", stream=True).body)
    assert [name for name, _ in told] == ["sent", "error"]
    assert str(status) in told[-1][1]["error"]["message"]
    assert ask(shared, model="m").status == 502


def test_a_page_that_leaves_releases_the_service(shared: Gateway, seen: Service) -> None:
    async def forever(request: web.Request, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        while True:
            await response.write(b'data: {"choices":[{"index":0,"delta":{"content":"on "}}]}\n\n')
            await asyncio.sleep(0.02)

    seen.behave = forever
    body = json.dumps({"text": "x", "model": "m", "stream": True}).encode()
    with socket.create_connection(("127.0.0.1", shared.port), timeout=10) as line:
        head = f"POST /playground/try HTTP/1.1\r\nhost: 127.0.0.1:{shared.port}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        line.sendall(head.encode() + body)
        came = b""
        while b"event: back" not in came:
            came += line.recv(4096)
    assert seen.cancelled.wait(10)


# ---- policies ----


def check(running: Gateway, toml: Any = None) -> Answer:
    return running.post("/playground/policy", {} if toml is None else {"toml": toml})


def test_the_policy_in_force_is_where_an_editor_begins(shared: Gateway) -> None:
    told = check(shared).json
    assert (told["toml"], told["whole"], told["file"], told["service"]) == (OWN, True, "own.toml", "model")
    assert told["weaker"] == []
    assert told["kinds"]["EMAIL"] == {"fate": "plausible", "found": True}
    assert told["kinds"]["PROJECT"] == {"fate": "token", "found": True}
    assert check(shared, OWN).json == {"kinds": told["kinds"], "weaker": []}


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ("version = 1\n[fates]\nEMAIL = 'burn'\n", 3),
        ("version = 1\n\n[fates\n", 3),
        ("version = 1\n[[pattern]]\nkind = 'X1'\nexpression = '('\n", 4),
        ("version = 1\n[finder]\nuse = 'onnx:/etc'\n", 3),
        ("", None),
        ("version = 1\n# " + "x" * (LARGEST + len(OWN)), None),
        ("version = 1\n" + "[[pattern]]\nkind = 'X1'\nexpression = 'abc'\n" * 66, None),
        ("version = 1\nx = " + "[" * 5000, None),
    ],
    ids=["fate", "syntax", "expression", "models", "empty", "long", "expressions", "deep"],
)
def test_an_impossible_policy_is_refused_with_its_line(
    shared: Gateway, seen: Service, toml: str, line: int | None
) -> None:
    for answer in (check(shared, toml), ask(shared, model="m", policy={"toml": toml})):
        assert (answer.status, answer.json["error"]["code"]) == (400, "policy")
        assert answer.json["error"]["line"] == line
    assert seen.requests == []


@pytest.mark.parametrize("body", [[], 1, {"toml": 1}, {"toml": ["x"]}])
def test_what_is_no_policy_is_refused(shared: Gateway, body: Any) -> None:
    assert shared.post("/playground/policy", body).error["code"] == "invalid_request"


@pytest.mark.parametrize(
    "headers", [{"origin": "https://attacker.example"}, {"sec-fetch-site": "cross-site"}]
)
def test_other_sites_may_not_read_the_policy(shared: Gateway, headers: dict[str, str]) -> None:
    answer = shared.post("/playground/policy", {}, headers)
    assert answer.status == 403 and b"Halcyon" not in answer.body


CHANGES: dict[str, tuple[str, str]] = {
    "fate": ('EMAIL = "plausible"', 'EMAIL = "token"'),
    "threshold": ("PHONE = 0.6", "PHONE = 0.7"),
    "deny": ('"Halcyon"', '"Halcyonic"'),
    "allow": ('"support@example.com"', '"support@example.com", "ada.lovelace@example.com"'),
    "pattern": ("{6}", "{7}"),
    "rules": ("version = 1\n", "version = 1\nrules = false\n"),
    "finder": ("version = 1\n", 'version = 1\n[finder]\nuse = "rules"\n'),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_weaker_policy_is_tried_on_the_mirror_only(shared: Gateway, seen: Service, what: str) -> None:
    toml = OWN.replace(*CHANGES[what])
    if what == "rules":
        toml = toml.replace("[thresholds]\nPHONE = 0.6\n", "").replace('EMAIL = "plausible"\n', "")
    assert what in [each["what"] for each in check(shared, toml).json["weaker"]]
    for stream in (False, True):
        answer = ask(shared, policy={"toml": toml}, model="m", stream=stream)
        told = events(answer.body)[0][1] if stream else answer.json
        assert told["model"] == "mirror"
        assert what in [each["what"] for each in told["mirrored"]]
    assert seen.requests == []


def test_a_stricter_policy_goes_to_the_service(shared: Gateway, seen: Service) -> None:
    toml = (
        OWN.replace('"plausible"', '"redact"')
        .replace("0.6", "0.3")
        .replace('"Halcyon"', '"Halcyon", "Kestrel"')
    )
    assert check(shared, toml).json["weaker"] == []
    told = ask(shared, f"{TEXT} Kestrel.", policy={"toml": toml}, model="m").json
    assert (told["model"], told["mirrored"]) == ("m", [])
    assert "[EMAIL_REDACTED]" in seen.last["messages"][0]["content"]
    assert b"Kestrel" not in seen.everything


def test_a_rule_that_hides_a_value_does_not_leave_it_elsewhere(shared: Gateway, seen: Service) -> None:
    """As strict, rule by rule; but a password that is a note, label and all, is looked for nowhere else."""
    text = "password: hunter22 then run login hunter22 now"
    toml = OWN.replace("[fates]", '[fates]\nNOTE = "redact"')
    toml += "\n[[pattern]]\nkind = 'NOTE'\nexpression = 'password: [a-z0-9]+'\n"
    assert check(shared, toml).json["weaker"] == []
    told = ask(shared, text, policy={"toml": toml}, model="m").json
    assert "login hunter22" in told["masked"]
    assert (told["model"], told["mirrored"]) == ("mirror", [{"what": "here", "name": ""}])
    assert seen.requests == []


def test_a_models_name_is_held_to_the_policy_in_force(shared: Gateway, seen: Service) -> None:
    toml = OWN + "\n[[pattern]]\nkind = 'X1'\nexpression = 'GB.{3,30}'\nscore = 0.5\n"
    toml = toml.replace("[fates]", '[fates]\nX1 = "redact"')
    answer = ask(shared, "x", policy={"toml": toml}, model="GB33BUKB20201555555555")
    assert answer.error["param"] == "model"
    assert seen.requests == []


def test_where_others_reach_the_gateway_lists_are_not_shown_and_hold(
    upstream: Service, tmp_path: Path
) -> None:
    upstream.reset()
    (tmp_path / "own.toml").write_text(OWN)
    with gateway(tmp_path, upstream=upstream.url, policy=tmp_path / "own.toml", host="0.0.0.0") as running:
        told = check(running).json
        assert not any(word in json.dumps(told) for word in ("Halcyon", "E-[0-9]", "support", "own.toml"))
        assert "not shown" in told["toml"] and told["whole"] is False
        assert check(running, told["toml"]).json["weaker"] == []
        answer = ask(running, policy={"toml": told["toml"] + "\n"}, model="m").json
        assert answer["model"] == "m"
        assert not any(word in upstream.everything for word in (b"Halcyon", b"E-123456"))


# ---- pictures ----


def test_a_picture_is_refused_where_nothing_masks_it(shared: Gateway, seen: Service) -> None:
    for question in ({"model": "m"}, {}, {"model": "m", "stream": True}):
        answer = ask(shared, "what is it?", picture=PIXEL, **question)
        assert (answer.status, answer.error["code"]) == (400, "invalid_request")
        assert "pictures" in answer.error["message"]
        assert answer.error["param"] == "messages[0].content[1].image_url"
    assert seen.requests == []


@pytest.mark.parametrize("picture", [1, ["x"], "https://example.com/x.png", "file:///etc/passwd"])
def test_a_picture_is_a_data_address(shared: Gateway, seen: Service, picture: Any) -> None:
    assert ask(shared, picture=picture, model="m").status == 400
    assert seen.requests == []


# ---- the law: towards a service, no policy is weaker than the one in force ----


class Recording:
    """A service in this process that keeps what it is sent."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def send(self, method: str, path: str, body: Body, headers: Mapping[str, str]) -> LocalReply:
        assert isinstance(body, bytes)
        self.bodies.append(body)
        return LocalReply(mirrored(path, body))

    async def close(self) -> None: ...


def tried(trial: Trial, question: dict[str, Any]) -> tuple[int, bytes]:
    """What the page gets, without a socket."""
    body = json.dumps(question).encode()
    out: list[dict[str, Any]] = []

    async def run() -> None:
        room = Room(64 << 20, 2)
        came = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if came:
                return came.pop()
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: dict[str, Any]) -> None:
            out.append(message)

        headers = [(b"content-type", b"application/json")]
        scope = {"method": "POST", "path": "/playground/try", "headers": headers}
        call = Call(scope, receive, send, 60.0, room.lease())
        await trial.ask(call)
        call.lease.close()
        room.close()
        assert room.held == 0

    asyncio.run(run())
    return out[0]["status"], b"".join(message.get("body", b"") for message in out)


WORDS = [
    "Ada Lovelace",
    "Lovelace",
    "Halcyon",
    EMAIL,
    "support@example.com",
    "E-123456",
    "4111",
    "555",
    "from",
]
VALUES = [
    *WORDS,
    PHONE,
    CARD,
    "Grace Hopper",
    "203.0.113.42",
    "GB33BUKB20201555555555",
    "张伟在北京",
    "E-999999",
    "password: hunter22 then run login hunter22 now",
]
SHOWN = sorted(
    {"EMAIL", "PHONE", "CREDIT_CARD", "PERSON", "LOCATION", "IP_ADDRESS", "IBAN", "STAFF_ID", "PROJECT"}
)
OWNS = [
    Policy(),
    Policy.parse(OWN, finders=False),
    Policy.parse(OWN.replace('"redact"', '"block"'), finders=False),
    Policy(fates=dict.fromkeys(("EMAIL", "PHONE"), Fate.PLAUSIBLE), thresholds={"default": 0.2}),
]


def entries(name: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    def toml(entry: dict[str, Any]) -> str:
        return f"[[{name}]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in entry.items())

    return st.lists(st.fixed_dictionaries(fields).map(toml), max_size=2).map("".join)


@st.composite
def drafts(draw: st.DrawFn) -> tuple[Policy, str]:
    """A policy in force, and a draft: its own text changed a little, or anything."""
    own = draw(st.sampled_from(OWNS))
    kinds = st.sampled_from([*SHOWN, "X1"])
    words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=2, unique=True)
    extra = draw(
        st.tuples(
            entries("deny", kind=kinds, words=words, match=st.sampled_from(["exact", "ignore-case"])),
            entries("allow", words=words),
            entries(
                "pattern",
                kind=kinds,
                expression=st.sampled_from(
                    [
                        "E-[0-9]{6}",
                        "[A-Z][a-z]+ [A-Z][a-z]+",
                        "[0-9]+",
                        ".+@",
                        "GB.{5}",
                        "password: [a-z0-9]+",
                    ]
                ),
                score=st.sampled_from([0.3, 0.6, 1.0]),
            ),
        )
    )
    base = written(own) if draw(st.booleans()) else "version = 1\n[fates]\n[thresholds]\n"
    for kind, fate in draw(st.dictionaries(kinds, st.sampled_from(list(Fate)), max_size=3)).items():
        lines = [line for line in base.split("\n") if not line.startswith(f'{kind} = "')]
        base = "\n".join(lines).replace("[fates]", f'[fates]\n{kind} = "{fate}"')
    if draw(st.booleans()):
        base = base.replace(
            "[thresholds]", f"[thresholds]\nIP_ADDRESS = {draw(st.sampled_from([0.1, 0.5, 0.9]))}"
        )
    finder = draw(st.sampled_from(["", "", '[finder]\nuse = "rules"\n']))
    if draw(st.integers(0, 9)) == 0:
        base = base.replace("version = 1\n", "version = 1\nrules = false\n")
    kept = [part for part in extra if draw(st.booleans())]
    return own, "\n".join([base, finder, *kept])


KEY = Key.generate()
REACHED = {"service": 0, "mirror": 0, "refused": 0}


@given(drafts(), st.lists(st.sampled_from(VALUES), min_size=1, max_size=5), st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_draft_lets_more_through_to_a_service(
    drawn: tuple[Policy, str], values: list[str], turns: bool
) -> None:
    own, toml = drawn
    text = " is with ".join(values) + "."
    history = [{"role": "user", "content": f"About {values[0]}."}, {"role": "assistant", "content": "Yes."}]
    service = Recording()
    trial = Trial(Settings(log="off"), KEY, own, (), service, lambda call: {})
    question: dict[str, Any] = {
        "text": text,
        "history": history if turns else [],
        "policy": {"toml": toml},
        "model": "m",
    }
    status, body = tried(trial, question)
    assert status in (200, 400)
    if not service.bodies:
        REACHED["refused" if status == 400 else "mirror"] += 1
        assert status == 400 or json.loads(body)["model"] == "mirror"
        return
    REACHED["service"] += 1
    texts = [*(turn["content"] for turn in question["history"]), text]
    try:
        known = Masker(KEY, own, TENANT).mask_all(texts)
    except Blocked:
        raise AssertionError("the policy in force blocks this") from None
    contents = [message["content"] for message in json.loads(service.bodies[0])["messages"]]
    for source, spans, left, sent in zip(texts, known.all_spans, known.texts, contents, strict=True):
        for start, end, kind, _ in spans:
            value = source[start:end]
            assert sent.count(value) <= left.count(value), (kind, "got through")
            if own.fate(kind) is Fate.REDACT:
                assert value not in json.loads(body)["restored"] or value in left


def test_the_law_was_put_to_all_ways() -> None:
    if sum(REACHED.values()) >= 100:
        assert min(REACHED.values()) > 0, REACHED


@given(drafts())
@settings(max_examples=100, deadline=None)
def test_what_is_as_strict_as_itself(drawn: tuple[Policy, str]) -> None:
    own, toml = drawn
    assert list(weaker(own, own)) == []
    assert list(weaker(Policy.parse(written(own), finders=False), own)) == []
    try:
        draft = Policy.parse(toml, finders=False)
    except PolicyProblem:
        return
    assert list(weaker(draft, draft)) == []
    if not list(weaker(draft, own)) and not list(weaker(own, draft)):
        assert {kind: draft.fate(kind) for kind in KINDS} == {kind: own.fate(kind) for kind in KINDS}


def test_no_draft_is_kept() -> None:
    made = Drafts(KEY, Policy(), (), None, private=True)
    before = dict(vars(made))
    made.of('version = 1\n[[deny]]\nkind = "X1"\nwords = ["canary"]\n')
    assert vars(made) == before and "canary" not in repr(vars(made))


@pytest.mark.parametrize("expression", ["(\\pL{9}){9}", "(\\pL{99}){9}", "((a{9}){9}){9}x"])
def test_a_policy_that_is_long_and_sly_is_refused(expression: str) -> None:
    made = Drafts(KEY, Policy(), (), None, private=True)
    sly = f"[[pattern]]\nkind = 'X1'\nexpression = '{expression}'\n"
    with pytest.raises(PolicyProblem):
        made.of("version = 1\n" + sly * 500)
