"""The playground in a real Chromium, served by a real gateway whose model is the mirror."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest
from aiohttp import web
from gateway_rig import Gateway, Service, gateway

from masquerade.mask.policy import Policy
from masquerade.mask.span import KINDS
from masquerade.serve.draft import written
from masquerade.serve.playground import CONTENT_SECURITY_POLICY, assets

EMAIL, PHONE, CARD = "ada.lovelace@example.com", "(212) 555-0147", "4111 1111 1111 1111"
LARGEST = 64 << 10


# ---- the files themselves ----


def body(path: str) -> str:
    return assets()[path][1].decode()


def test_every_file_is_there_with_its_type() -> None:
    types = {path: kind.partition(";")[0] for path, (kind, _) in assets().items()}
    assert types == {
        "/": "text/html",
        "/playground/playground.css": "text/css",
        "/playground/playground.js": "text/javascript",
        "/playground/picture.js": "text/javascript",
        "/playground/policy.js": "text/javascript",
        "/playground/stream.js": "text/javascript",
        "/playground/turns.js": "text/javascript",
        "/playground/text.js": "text/javascript",
        "/playground/words.js": "text/javascript",
        "/playground/favicon.svg": "image/svg+xml",
        "/playground/kinds.json": "application/json",
    }


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    page = body("/")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page)
    assert set(re.findall(r"(?:src|href)=\"([^\"]*)\"", page)) - {"#typed", "#mask", "#arrow"} <= set(
        assets()
    )
    for path in assets():
        addresses = set(re.findall(r"\bhttps?://[^\s\"'`$]+", body(path)))
        assert addresses <= {"http://www.w3.org/2000/svg"}, path
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|Storage|cookie", body(path)
        )
    assert "url(" not in body("/playground/playground.css")
    assert "@import" not in body("/playground/playground.css")


def test_every_kind_has_a_colour_of_its_own() -> None:
    rows = re.findall(r'\[data-kind="(\w+)"\] \{ --hue: (\d+);', body("/playground/playground.css"))
    assert [kind for kind, _ in rows] == list(KINDS)
    assert len({hue for _, hue in rows}) == len(KINDS)


# ---- a gateway and a browser ----


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a gateway of our own, with the mirror as its model."""
    port = free_port()
    start = (
        "from masquerade.serve.gateway import serve; from masquerade.serve.settings import Settings; "
        f"serve(Settings(port={port}, max_body={LARGEST}, log='off'))"
    )
    environment = {**os.environ, "MASQUERADE_HOME": str(tmp_path_factory.mktemp("home"))}
    environment.pop("MASQUERADE_KEY", None)
    gateway = subprocess.Popen([sys.executable, "-c", start], env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: gateway.poll() is not None or answers(address + "/healthz"), 20)
        assert gateway.poll() is None, "the gateway did not start"
        yield address
    finally:
        gateway.terminate()
        try:
            gateway.wait(15)
        except subprocess.TimeoutExpired:
            gateway.kill()
            gateway.wait()


def answers(address: str) -> bool:
    try:
        with build_opener(ProxyHandler({})).open(address, timeout=2):
            return True
    except OSError:
        return False


def wait_for(ready: Callable[[], object], seconds: float = 8.0) -> object:
    end = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.03)
    return found


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    driver = shutil.which("chromedriver")
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not (driver and binary):
        pytest.skip("no Chromium with chromedriver on the path: the page can only be tested in a browser")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "no-proxy-server",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        f"user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(executable_path=driver))
    yield browser
    browser.quit()


class Page:
    """The page as a person meets it: panes by name, keys, and what is marked."""

    def __init__(self, browser: Any, origin: str) -> None:
        self.browser, self.origin = browser, origin

    def open(
        self, query: str = "?lang=en", width: int = 1440, height: int = 900, scheme: str = "light"
    ) -> Page:
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.browser.get(f"{self.origin}/{query}")
        self.browser.get_log("browser")
        self.settle()
        return self

    def cdp(self, command: str, **arguments: Any) -> Any:
        return self.browser.execute_cdp_cmd(command, arguments)

    def js(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def at(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def text(self, selector: str) -> str:
        return str(self.js("return document.querySelector(arguments[0]).textContent", selector))

    def marks(self, pane: str) -> list[tuple[str, str, str]]:
        """(kind, fate, text) of everything marked in a pane, in order."""
        script = """return [...document.querySelectorAll(arguments[0] + ' mark')]
            .map(mark => [mark.dataset.kind, mark.dataset.fate, mark.textContent])"""
        return [tuple(mark) for mark in self.js(script, pane)]

    def settle(self) -> None:
        """Wait until the model's answer to the present text is shown."""
        wait_for(lambda: self.js("return /\\d/.test(document.getElementById('answered-foot').textContent)"))

    def type(self, text: str) -> Page:
        """Replace the text as one input of the keyboard (or of an input method), then wait for the answer."""
        self.at("#typed").click()
        self.js("document.getElementById('typed').select()")
        self.cdp("Input.insertText", text=text)
        self.settle()
        return self

    def put(self, text: str) -> None:
        """Replace the text at once, and wait for nothing."""
        script = "const typed = document.getElementById('typed'); typed.value = arguments[0];"
        self.js(script + "typed.dispatchEvent(new Event('input'))", text)

    def press(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.browser).send_keys(*keys).perform()

    def control(self, key: str, *held: str) -> None:
        from selenium.webdriver import ActionChains

        keys = ActionChains(self.browser)
        for each in ("\ue009", *held):
            keys.key_down(each)
        keys.send_keys(key)
        for each in ("\ue009", *held):
            keys.key_up(each)
        keys.perform()

    def focus(self) -> str:
        return str(
            self.js("const e = document.activeElement; return e.id || e.tagName + ' ' + e.textContent")
        )

    def choose(self, kind: str, fate: str) -> None:
        from selenium.webdriver.support.ui import Select

        Select(self.at(f"#kinds [data-kind={kind}] select")).select_by_value(fate)


@pytest.fixture
def page(chromium: Any, origin: str) -> Page:
    return Page(chromium, origin)


browser_test = pytest.mark.browser


# ---- what it shows ----


@browser_test
def test_typing_shows_what_left_and_what_came_back(page: Page) -> None:
    page.open().type(f"Write to {EMAIL} or call {PHONE}. Card {CARD}.")
    assert page.marks("#typed-layer") == [
        ("EMAIL", "token", EMAIL),
        ("PHONE", "token", PHONE),
        ("CREDIT_CARD", "redact", CARD),
    ]
    saw = page.text("#saw")
    assert not any(secret in saw for secret in (EMAIL, PHONE, CARD, "ada", "0147", "4111"))
    assert saw.startswith("Write to ") and saw.endswith("[CREDIT_CARD_REDACTED].")
    assert [mark[:2] for mark in page.marks("#saw")] == [mark[:2] for mark in page.marks("#typed-layer")]
    back = page.text("#back")
    assert EMAIL in back and PHONE in back and CARD not in back
    assert ("EMAIL", "token", EMAIL) in page.marks("#back")
    assert not any(secret in page.text("#answered") for secret in (EMAIL, PHONE, CARD))
    assert re.fullmatch(r"masked in [\d.]+ ms", page.text("#saw-foot"))
    assert "1 stays redacted" in page.text("#back-foot")


@browser_test
def test_the_first_text_is_already_answered_in_the_readers_language(page: Page) -> None:
    page.open("?lang=en")
    assert EMAIL in page.text("#back") and EMAIL not in page.text("#saw")
    page.open("?lang=zh")
    assert "zhang.wei@example.com" in page.text("#back") and "example" not in page.text("#saw")


@browser_test
@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("服务器10.1.2.3在访问，卡号4111111111111111被拒", ["10.1.2.3", "4111111111111111"]),
        ("手机13812345678邮箱zhang.wei@example.com谢谢", ["13812345678", "zhang.wei@example.com"]),
        (f"🙏🏽 {EMAIL} 👩‍💻 {PHONE} 𝔘", [EMAIL, PHONE]),
        (f"first line\n\n\t{EMAIL}\nlast 🙂", [EMAIL]),
    ],
)
def test_marks_stand_exactly_on_the_values(page: Page, text: str, values: list[str]) -> None:
    page.open().type(text)
    assert [value for _, _, value in page.marks("#typed-layer")] == values
    gaps = re.split("|".join(map(re.escape, values)), text)
    unmarked = page.js(
        """return [...document.querySelector('#saw').childNodes]
            .filter(node => node.nodeType === 3).map(node => node.data).join('')"""
    )
    assert unmarked == "".join(gaps)


@browser_test
def test_every_example_shows_something_private(page: Page) -> None:
    page.open()
    for number in range(page.js("return document.querySelectorAll('#examples button').length")):
        page.js("document.querySelectorAll('#examples button')[arguments[0]].click()", number)
        page.settle()
        found = page.marks("#typed-layer")
        assert len(found) >= 2
        assert not any(value in page.text("#saw") for _, _, value in found)


@browser_test
def test_html_is_shown_as_text(page: Page) -> None:
    attack = f"<img src=x onerror=\"document.title='gone'\"><script>document.title='gone'</script> {EMAIL}"
    page.open().type(attack)
    for pane in ("#typed-layer", "#saw", "#answered", "#back"):
        assert (
            page.js("return document.querySelectorAll(arguments[0] + ' :is(img, script)').length", pane) == 0
        )
    assert attack in page.text("#back")
    assert page.browser.title != "gone"


@browser_test
def test_marks_lie_under_the_letters_and_scroll_with_them(page: Page) -> None:
    text = "\n".join(
        f"{n} write to {EMAIL}, thank you very much indeed {'🙏 ' * 9}谢谢你们" for n in range(40)
    )
    page.open().type(text)
    page.js("document.getElementById('typed').scrollTop = 700")
    heights = page.js(
        """const typed = document.getElementById('typed'), layer = document.getElementById('typed-layer');
        return [typed.scrollHeight, layer.offsetHeight, typed.clientWidth, layer.clientWidth]"""
    )
    assert heights[0] == heights[1] and heights[2] == heights[3]
    wait_for(lambda: "-700px" in page.js("return document.getElementById('typed-layer').style.transform"))


@browser_test
def test_one_value_lights_up_in_every_pane(page: Page) -> None:
    page.open().type(f"{EMAIL} and {PHONE} and {EMAIL}")
    lit = "return [...document.querySelectorAll(arguments[0] + ' mark.lit')].map(mark => mark.textContent)"
    page.js("document.getElementById('saw').focus()")
    page.press("\ue014")  # right arrow
    assert page.js(lit, "#typed-layer") == [EMAIL, EMAIL]
    assert EMAIL in page.js(lit, "#back")
    page.press("\ue014")
    assert page.js(lit, "#typed-layer") == [PHONE]
    page.js("const typed = document.getElementById('typed'); typed.focus(); typed.setSelectionRange(3, 3)")
    wait_for(lambda: page.js(lit, "#typed-layer") == [EMAIL, EMAIL])


# ---- fates ----


@browser_test
def test_the_reader_chooses_what_becomes_of_a_kind(page: Page) -> None:
    page.open().type(f"{EMAIL} and {PHONE}")
    page.choose("EMAIL", "keep")
    wait_for(lambda: EMAIL in page.text("#saw"))
    page.choose("EMAIL", "redact")
    wait_for(lambda: page.text("#saw").startswith("[EMAIL_REDACTED] and "))
    page.settle()
    assert EMAIL not in page.text("#back") and PHONE in page.text("#back")
    page.choose("EMAIL", "plausible")
    wait_for(lambda: "@" in page.text("#saw") and EMAIL not in page.text("#saw"))
    page.settle()
    assert EMAIL in page.text("#back")
    page.at("#fates-reset").click()
    wait_for(lambda: ("EMAIL", "token") in [mark[:2] for mark in page.marks("#saw")])


@browser_test
def test_a_blocked_text_says_so_and_is_not_answered(page: Page) -> None:
    page.open().type(f"{EMAIL} and {PHONE}")
    page.choose("EMAIL", "block")
    notice = wait_for(lambda: page.js("return document.querySelector('#saw [role=alert]')?.textContent"))
    assert "Nothing was sent" in str(notice) and "EMAIL" in str(notice) and EMAIL not in str(notice)
    time.sleep(1.2)
    assert page.text("#answered") == page.text("#back") == "No answer."
    assert EMAIL in [value for _, _, value in page.marks("#typed-layer")]
    page.choose("EMAIL", "token")
    page.settle()
    assert EMAIL in page.text("#back")


@browser_test
def test_a_model_with_a_name_is_asked_only_on_request(page: Page) -> None:
    page.open()
    assert page.text("#answered-foot").startswith("mirror answered in ")
    page.at("#model").send_keys("mirror\t")
    wait_for(lambda: "Ctrl" in page.text("#answered-foot"))
    offered = "return [...document.querySelectorAll('#models option')].map(o => o.value)"
    wait_for(lambda: page.js(offered) == ["mirror"])
    assert not page.at("#live").is_selected()
    page.at("#ask").click()
    page.settle()
    assert EMAIL in page.text("#back")


# ---- when something is wrong ----


@browser_test
def test_a_text_that_is_too_large_is_refused_in_place(page: Page) -> None:
    page.open()
    page.put("x" * (LARGEST + 1))
    notice = wait_for(lambda: page.js("return document.querySelector('#saw [role=alert]')?.textContent"))
    assert "larger" in str(notice)


@browser_test
def test_a_lost_gateway_is_reported_and_can_be_tried_again(page: Page) -> None:
    page.open()
    page.cdp("Network.enable")
    lost = {"latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    page.cdp("Network.emulateNetworkConditions", offline=True, **lost)
    try:
        page.at("#typed").send_keys("x")
        notice = wait_for(lambda: page.js("return document.querySelector('[role=alert]')?.textContent"))
        assert "does not answer" in str(notice)
    finally:
        lost = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        page.cdp("Network.emulateNetworkConditions", offline=False, **lost)
    page.at("[role=alert] button").click()
    page.settle()
    assert EMAIL in page.text("#back")


@browser_test
def test_an_answer_to_an_older_text_is_dropped(page: Page) -> None:
    page.open()
    page.js(
        """const real = window.fetch; let first = true;
        window.fetch = async (path, options) => {
          const late = path.endsWith('mask') && first;
          if (late) { first = false; options = {...options, signal: undefined}; }
          const response = await real(path, options);
          if (late) { await new Promise(done => setTimeout(done, 600)); window.lateArrived = true; }
          return response;
        };"""
    )
    page.put("old@example.com is old")
    time.sleep(0.2)
    page.put("new@example.com is new")
    wait_for(lambda: page.text("#saw").endswith(" is new"))
    wait_for(lambda: page.js("return window.lateArrived"))
    time.sleep(0.1)
    assert page.text("#saw").endswith(" is new")
    page.settle()
    assert "new@example.com" in page.text("#back") and "old@example.com" not in page.text("#back")


# ---- people ----


@browser_test
def test_everything_works_by_keyboard_and_focus_is_seen(page: Page) -> None:
    page.open()
    page.js("document.activeElement.blur()")
    visited = []
    for _ in range(60):
        page.press("\ue004")  # tab
        visited.append(page.focus())
        if visited[-1].startswith("BODY"):
            break
        outline = page.js(
            "const s = getComputedStyle(document.activeElement); return s.outlineStyle + s.outlineWidth"
        )
        assert outline.startswith("solid") and not outline.endswith("0px"), visited[-1]
        box = page.js("const b = document.activeElement.getBoundingClientRect(); return [b.width, b.height]")
        assert min(box) >= 13, visited[-1]
    order = [
        "lang-en",
        "theme",
        "live",
        "ask",
        "typed",
        "saw",
        "answered",
        "back",
        "fates-all",
        "tab-0",
        "code",
    ]
    assert [stop for stop in visited if stop in order] == order
    page.js("document.getElementById('live').click()")
    page.js("document.getElementById('typed').focus()")
    page.control("a")
    page.cdp("Input.insertText", text=f"only keys {EMAIL}")
    wait_for(lambda: page.text("#saw").startswith("only keys "))
    assert "Ctrl" in page.text("#answered-foot")
    page.control("\ue007")  # enter
    page.settle()
    assert EMAIL in page.text("#back")
    page.js("document.getElementById('tab-0').focus()")
    page.press("\ue014")
    assert page.focus() == "tab-1" and "curl" in page.text("#code")


@browser_test
def test_it_speaks_both_languages(page: Page) -> None:
    page.open("?lang=en")
    assert page.js("return document.documentElement.lang") == "en"
    page.at("#lang-zh").click()
    page.settle()
    assert page.js("return document.documentElement.lang") == "zh-Hans"
    assert page.text("#saw-name") == "模型看到的"
    assert page.js("return document.querySelector('#typed-layer mark').dataset.label") == KINDS["CREDIT_CARD"]
    page.type("邮箱zhang.wei@example.com")
    page.at("#lang-en").click()
    page.settle()
    assert page.text("#saw-name") == "What the model saw"
    assert "zhang.wei@example.com" in page.text("#back")  # what was typed stays
    missing = page.browser.execute_async_script(
        """const done = arguments[0];
        import('/playground/words.js').then(({WORDS}) => {
          const shape = (words, at = '') => Object.entries(words).flatMap(([name, value]) =>
            value && typeof value === 'object' ? shape(value, at + name + '.') : [at + name + typeof value]);
          const [en, zh] = [shape(WORDS.en), shape(WORDS.zh)];
          const used = [...document.querySelectorAll('[data-t], [data-t-label], [data-t-hint]')]
            .map(e => e.dataset.t ?? e.dataset.tLabel ?? e.dataset.tHint).filter(key => !(key in WORDS.en));
          done([...en.filter(x => !zh.includes(x)), ...zh.filter(x => !en.includes(x)), ...used]);
        })"""
    )
    assert missing == []


@browser_test
def test_it_follows_the_system_and_its_own_switch(page: Page) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    page.open(scheme="light")
    light = page.js(paper)
    page.open(scheme="dark")
    dark = page.js(paper)
    assert light != dark
    page.at("#theme").click()
    assert page.js(paper) == light
    page.at("#theme").click()
    assert page.js(paper) == dark


@browser_test
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_the_contrast_that_reading_needs(page: Page, scheme: str) -> None:
    """WCAG 2.2, 1.4.3 (AA): 4.5 to 1 for text, labels of every kind and the quiet words included."""
    page.open(scheme=scheme)
    page.at("#fates-all").click()
    poor = page.js(
        """const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
        const light = (colour) => {
          canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
          const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const ratio = (a, b) => {
          const [more, less] = [light(a), light(b)].sort((x, y) => y - x);
          return (more + 0.05) / (less + 0.05);
        };
        const probe = document.body.appendChild(document.createElement('i'));
        const colour = (value, kind) => {
          probe.dataset.kind = kind ?? '';
          probe.style.color = value;
          return getComputedStyle(probe).color;
        };
        const poor = [];
        const check = (name, a, b, least = 4.5) => {
          if (ratio(a, b) < least) poor.push([name, ratio(a, b)]);
        };
        const grounds = ['--paper', '--card', '--outside'].map(name => [name, colour(`var(${name})`)]);
        for (const [name, ground] of grounds) {
          for (const ink of ['--ink', '--soft', '--brand']) check(ink + name, colour(`var(${ink})`), ground);
        }
        check('button', colour('var(--on-brand)'), colour('var(--brand)'));
        check('alarm', colour('var(--alarm)'), colour('var(--alarm-wash)'));
        for (const {dataset: {kind}} of document.querySelectorAll('#kinds li')) {
          check(kind, colour('var(--ink)'), colour('var(--fill)', kind));
          for (const [name, ground] of grounds) {
            check(kind + name, colour('var(--name)', kind), ground);
            check(kind + ' rule' + name, colour('var(--under)', kind), ground, 3);
          }
          check(kind + ' lit', colour('light-dark(white, oklch(0.15 0 0))'), colour('var(--name)', kind));
        }
        return poor;"""
    )
    assert poor == []


@browser_test
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [360, 768, 1024, 1440])
def test_no_width_needs_sideways_scrolling(page: Page, width: int, language: str) -> None:
    page.open(f"?lang={language}", width=width, height=800)
    page.at("#fates-all").click()
    assert page.js("return document.documentElement.scrollWidth") <= width
    page.at("#fates-all").click()


@browser_test
def test_a_screen_reader_is_told_what_happened(page: Page) -> None:
    page.open().type(f"{EMAIL} and {PHONE}")
    said = wait_for(lambda: "2 private values" in page.text("#status") and page.text("#status"))
    assert "EMAIL" in str(said) and EMAIL not in str(said)
    unnamed = page.js(
        """return [...document.querySelectorAll('button, select, textarea, input')].filter(e =>
            !(e.textContent.trim() || e.ariaLabel || e.ariaLabelledByElements?.length || e.labels?.length))
            .length"""
    )
    assert unnamed == 0


# ---- what leaves the page ----


@browser_test
def test_it_talks_to_its_own_origin_only_and_the_console_stays_empty(page: Page, origin: str) -> None:
    page.open()
    page.js(
        """window.violations = [];
        document.addEventListener('securitypolicyviolation', e => window.violations.push(e.blockedURI))"""
    )
    page.type(f"Write to {EMAIL}")
    page.at("#lang-zh").click()
    page.at("#theme").click()
    page.choose("EMAIL", "redact")
    page.settle()
    asked = page.js("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert asked and all(address.startswith(origin + "/") for address in asked)
    assert page.browser.get_log("browser") == []
    assert page.js("return window.violations") == []
    assert page.js("return [document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]


def test_the_gateway_serves_it_under_its_policy(origin: str) -> None:
    for path in assets():
        with build_opener(ProxyHandler({})).open(origin + path, timeout=5) as answer:
            assert answer.read() == assets()[path][1]
            assert answer.headers["content-type"] == assets()[path][0]
            assert answer.headers["x-content-type-options"] == "nosniff"
    with build_opener(ProxyHandler({})).open(origin, timeout=5) as answer:
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


# ---- the client snippet ----


@browser_test
def test_the_python_snippet_runs_as_it_stands(page: Page, origin: str, tmp_path: Path) -> None:
    page.open()
    program = page.text("#code")
    assert origin in program
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    assert "ada@example.com" in run.stdout


@browser_test
def test_snippets_can_be_copied(page: Page, origin: str) -> None:
    page.open()
    page.cdp(
        "Browser.grantPermissions",
        permissions=["clipboardReadWrite", "clipboardSanitizedWrite"],
        origin=origin,
    )
    page.js("document.getElementById('tab-1').click()")
    page.at("#code-copy").click()
    wait_for(lambda: page.text("#code-copy") == "Copied")
    copied = page.browser.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied == page.text("#code") and copied.startswith(f"curl {origin}/v1/")


# ---- a conversation that lives in the page ----

ATTACK = """<img src=x onerror="document.title='gone'"><script>document.title='gone'</script>"""
FOREIGN = ":is(#typed-layer, .text, #kinds, #policy, #attached, #reduced, #turns, #weaker, dialog)"


def nothing_was_parsed(page: Page) -> None:
    found = page.js(
        "return document.querySelectorAll(arguments[0] + ' :is(img, script, iframe, b)').length", FOREIGN
    )
    assert found == 0 and page.browser.title != "gone"


@browser_test
def test_a_value_keeps_its_token_through_the_turns(page: Page) -> None:
    page.open().type(f"Is {PHONE} hers?")
    (first,) = page.marks("#saw")
    page.at("#next").click()
    assert page.at("#typed").get_attribute("value") == "" and page.focus() == "typed"
    page.type(f"And {PHONE}, or {EMAIL}?")
    assert first in page.marks("#saw") and first in page.marks("#turn-list")
    assert "1 of 20" in page.text("#talk-note")
    page.js("document.getElementById('saw').focus()")
    page.press("\ue014")
    lit = "return [...document.querySelectorAll('#turn-list mark.lit')].map(mark => mark.textContent)"
    assert {first[2], PHONE} <= set(page.js(lit))
    page.control("\ue007", "\ue008")  # enter, with shift
    wait_for(lambda: page.js("return document.querySelectorAll('#turn-list > li').length") == 2)
    page.at("#fresh").click()
    assert page.text("#turn-list") == page.text("#saw").replace("Nothing to send yet.", "") == ""


@browser_test
def test_a_question_is_sent_with_its_history(page: Page, real: tuple[Gateway, Service]) -> None:
    page.open().type("Ada Lovelace is ill.")
    page.at("#next").click()
    page.at("#model").send_keys("m\t")
    page.put("Will Lovelace come?")
    page.at("#ask").click()
    page.settle()
    sent = real[1].last["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert b"Lovelace" not in real[1].everything
    assert "Lovelace" in page.text("#back")


@browser_test
def test_after_a_reload_nothing_is_left(page: Page) -> None:
    page.open().type(f"Is {PHONE} hers?")
    page.at("#next").click()
    page.type(f"And {EMAIL}?")
    page.browser.refresh()
    page.settle()
    assert page.js("return document.querySelectorAll('#turn-list > li').length") == 0
    assert page.js("return document.documentElement.textContent.includes(arguments[0])", "And ") is False
    stored = """const done = arguments[0];
        Promise.all([caches.keys(), indexedDB.databases(), navigator.serviceWorker.getRegistrations()])
          .then(all => done([document.cookie, localStorage.length, sessionStorage.length,
            ...all.map(a => a.length)]))"""
    assert page.browser.execute_async_script(stored) == ["", 0, 0, 0, 0, 0]


@browser_test
def test_a_conversation_ends_somewhere_and_says_so(page: Page, real: tuple[Gateway, Service]) -> None:
    page.open()
    real[1].behave = slowly("ok")
    ask_service(page, "x" * 100_001)
    page.settle()
    page.at("#next").click()
    assert "Begin a new one" in page.text("#talk-note")
    page.put("one more")
    page.at("#ask").click()
    time.sleep(0.3)
    assert len(asked(real[1])) == 1
    page.at("#fresh").click()
    page.put("first")
    page.at("#ask").click()
    page.settle()
    assert [len(json.loads(body)["messages"]) for body in asked(real[1])] == [1, 1]
    ends = page.browser.execute_async_script(
        """const done = arguments[0], turn = {typed: 'x', restored: 'y'};
        import('/playground/turns.js').then(({full}) => done([19, 20].map(n => full(Array(n).fill(turn)))))"""
    )
    assert ends == [False, True]


@browser_test
def test_a_conversation_is_exported_masked_unless_originals_are_chosen(page: Page, tmp_path: Path) -> None:
    page.open().type(f"Write to {EMAIL}, card {CARD}.")
    page.at("#next").click()
    page.cdp("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.js("""const revoke = URL.revokeObjectURL; window.revoked = 0;
        URL.revokeObjectURL = address => { window.revoked++; revoke.call(URL, address); }""")
    page.at("#export-open").click()
    page.at("#export-save").click()
    told = json.loads(saved(tmp_path / "conversation.json"))
    assert told["originals"] is False and set(told["turns"][0]) == {"model", "saw", "answered"}
    assert not any(value in json.dumps(told) for value in (EMAIL, CARD, "ada", "4111"))
    page.at("#export-open").click()
    page.at("#export-originals").click()
    page.at("#export-save").click()
    told = json.loads(saved(tmp_path / "conversation-with-originals.json"))
    assert (
        told["turns"][0]["typed"] == f"Write to {EMAIL}, card {CARD}." and EMAIL in told["turns"][0]["back"]
    )
    page.at("#export-open").click()
    assert page.at("#export-masked").is_selected()
    page.press("\ue00c")  # escape
    wait_for(lambda: page.js("return window.revoked") == 2)


def saved(path: Path) -> str:
    wait_for(path.exists)
    return path.read_text()


# ---- an answer as it comes in ----


@pytest.fixture(scope="module")
def served(upstream: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("served"), upstream=upstream.url) as running:
        yield running


@pytest.fixture
def real(page: Page, served: Gateway, upstream: Service) -> tuple[Gateway, Service]:
    """The page, at a gateway in front of a service that records."""
    upstream.reset()
    page.origin = served.address
    return served, upstream


def slowly(*texts: str, pause: float = 0.0, after: str = "") -> Any:
    """A service that says these, and then ends, hangs (``wait``) or breaks off (``break``)."""

    async def behave(request: web.Request, body: bytes) -> web.StreamResponse:
        if request.method == "GET":  # the names of its models
            return web.json_response({"object": "list", "data": []})
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for text in texts:
            chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
            await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
            await asyncio.sleep(pause)
        if after == "wait":
            await asyncio.sleep(60)
        if after == "break":
            assert request.transport is not None
            request.transport.close()
        return response

    return behave


def asked(service: Service) -> list[bytes]:
    return [seen.body for seen in service.requests if seen.method == "POST"]


def ask_service(page: Page, text: str) -> None:
    page.at("#model").send_keys("m\t")
    page.put(text)
    wait_for(lambda: page.js("return document.querySelectorAll('#saw mark').length") or "@" not in text)
    page.at("#ask").click()


@browser_test
def test_a_token_is_held_back_until_it_is_whole(page: Page, real: tuple[Gateway, Service]) -> None:
    page.open().type(f"Write to {EMAIL}")
    token = page.marks("#saw")[0][2]
    real[1].behave = slowly("Gladly: ", token[:9], after="wait")
    ask_service(page, f"Write to {EMAIL}")
    wait_for(lambda: page.text("#answered") == f"Gladly: {token[:9]}")
    wait_for(lambda: "9 characters held back" in page.text("#back-foot"))
    assert page.text("#back") == "Gladly: " and page.text("#answered .held") == token[:9]
    page.at("#stop").click()
    page.settle()
    real[1].behave = slowly("Gladly: ", token[:9], token[9:], " and more")
    page.at("#ask").click()
    page.settle()
    assert page.text("#answered") == f"Gladly: {token} and more"
    assert page.text("#back") == f"Gladly: {EMAIL} and more"


@browser_test
def test_stopping_keeps_what_came_and_releases_the_service(page: Page, real: tuple[Gateway, Service]) -> None:
    page.open()
    real[1].behave = slowly("so far, so good", after="wait")
    ask_service(page, f"Write to {EMAIL}")
    wait_for(lambda: "so far, so good" in page.text("#back"))
    page.at("#stop").click()
    page.settle()
    assert page.text("#back") == "so far, so goodYou stopped it here."
    assert real[1].cancelled.wait(10)
    assert page.focus() == "ask" and not page.at("#stop").is_displayed()
    page.at("#next").click()
    assert "You stopped it here." in page.text("#turn-list")


@browser_test
def test_an_answer_that_breaks_off_is_kept_and_says_so(page: Page, real: tuple[Gateway, Service]) -> None:
    page.open()
    real[1].behave = slowly("half of", " it", after="break")
    ask_service(page, f"Write to {EMAIL}")
    page.settle()
    assert page.text("#back").startswith("half of itThe answer broke off here.")
    assert "broke off its reply" in page.text("#answered")

    async def refuses(request: web.Request, body: bytes) -> web.StreamResponse:
        return web.json_response({"error": {"message": ATTACK}}, status=404)

    real[1].behave = refuses
    page.at("#ask").click()
    notice = wait_for(lambda: page.js("return document.querySelector('#answered [role=alert]')?.textContent"))
    assert "404" in str(notice)
    nothing_was_parsed(page)


@browser_test
def test_what_a_model_answers_is_shown_as_text(page: Page, real: tuple[Gateway, Service]) -> None:
    page.open()
    real[1].behave = slowly(*(f"{ATTACK}<b>bold</b>"[n : n + 5] for n in range(0, 110, 5)))
    ask_service(page, f"{ATTACK} {EMAIL}")
    page.settle()
    assert ATTACK in page.text("#answered") and ATTACK in page.text("#back")
    page.at("#next").click()
    assert ATTACK in page.text("#turn-list")
    nothing_was_parsed(page)


# ---- the policy ----


def write_policy(page: Page, toml: str) -> None:
    script = "const text = document.getElementById('policy-text'); text.value = arguments[0];"
    page.js("document.getElementById('policy').open = true")
    page.js(script + "text.dispatchEvent(new Event('input'))", toml)


def policy_of(page: Page) -> str:
    return str(page.js("return document.getElementById('policy-text').value"))


@browser_test
def test_a_policy_takes_effect_as_it_is_written(page: Page) -> None:
    page.open().type(f"{EMAIL} is staff E-123456")
    assert policy_of(page) == written(Policy())
    write_policy(page, policy_of(page) + "\n[[pattern]]\nkind = 'STAFF_ID'\nexpression = 'E-[0-9]{6}'\n")
    wait_for(lambda: "STAFF_ID" in [mark[0] for mark in page.marks("#saw")])
    page.settle()
    assert "E-123456" not in page.text("#saw") and "E-123456" in page.text("#back")
    assert page.text("#policy-state") == "This policy is in effect, in this page."
    page.choose("STAFF_ID", "redact")
    wait_for(lambda: "[STAFF_ID_REDACTED]" in page.text("#saw"))
    assert 'STAFF_ID = "redact"' in policy_of(page)
    assert (
        page.text("#policy-command") == "masquerade check policy.toml\nmasquerade serve --policy policy.toml"
    )
    page.at("#fates-reset").click()
    wait_for(lambda: "E-123456" in page.text("#saw"))
    assert policy_of(page) == written(Policy())


@browser_test
def test_a_fault_is_shown_at_its_line_and_the_last_good_policy_holds(page: Page) -> None:
    page.open().type(EMAIL)
    write_policy(page, f"{written(Policy())}\n[fates.{ATTACK[:9]}]\n")
    wait_for(lambda: "Line 12" in page.text("#policy-fault"))
    assert page.js("return document.getElementById('policy-text').ariaInvalid") == "true"
    assert page.text("#policy-lines strong") == "12"
    assert EMAIL not in page.text("#saw") and not page.at("#policy-save").is_enabled()
    page.at("#policy-go").click()
    here = "const t = document.activeElement; return [t.id, t.value.slice(t.selectionStart, t.selectionEnd)]"
    assert page.js(here) == ["policy-text", f"[fates.{ATTACK[:9]}]"]
    write_policy(page, f"version = 1\n[fates]\n{ATTACK[:4]} = 'keep'\n")
    wait_for(lambda: "Line 3" in page.text("#policy-fault"))
    nothing_was_parsed(page)
    write_policy(page, "version = 1\n[finder]\nuse = 'onnx:/etc'\n")
    wait_for(lambda: "loads no models" in page.text("#policy-fault"))


@browser_test
def test_the_editor_lets_the_keyboard_go(page: Page) -> None:
    page.open()
    page.js("document.getElementById('policy').open = true")
    page.js("const t = document.getElementById('policy-text'); t.focus(); t.setSelectionRange(0, 0)")
    page.press("\ue004")
    assert policy_of(page).startswith("  version") and page.focus() == "policy-text"
    page.control("z")
    assert policy_of(page).startswith("version")
    page.press("\ue00c")
    page.press("\ue004")
    assert page.focus() != "policy-text"


@browser_test
def test_fates_are_written_where_they_stand(page: Page) -> None:
    page.open()
    changed = page.browser.execute_async_script(
        """const done = arguments[arguments.length - 1];
        import('/playground/policy.js').then(({withFate}) => done(arguments[0].map(c => withFate(...c))))""",
        [
            ['version = 1\n[fates]\nEMAIL = "keep" # mine\n\n[thresholds]\n', "EMAIL", "block"],
            ["version = 1\n[fates]\n\n[thresholds]\nEMAIL = 0.2\n", "EMAIL", "block"],
            ["version = 1\n", "EMAIL", "block"],
            ["version = 1\nfates.EMAIL = 'keep'\n", "EMAIL", "block"],
            ['version = 1\n[fates]\nEMAIL = "keep"\n', "EMAIL", None],
        ],
    )
    assert [Policy.parse(toml).fate("EMAIL").value for toml in changed] == ["block"] * 4 + ["token"]
    assert "# mine" in changed[0]


@browser_test
def test_a_weaker_policy_is_tried_on_the_mirror_only(page: Page, real: tuple[Gateway, Service]) -> None:
    page.open()
    write_policy(page, written(Policy()) + f'\n[[allow]]\nwords = ["{EMAIL}"]\n')
    wait_for(lambda: "only the mirror is asked" in page.text("#weaker"))
    ask_service(page, f"Write to {EMAIL}, call {PHONE}")
    page.settle()
    assert page.text("#answered-foot").startswith("mirror answered in ")
    assert EMAIL in page.text("#answered") and asked(real[1]) == []
    write_policy(page, written(Policy()).replace("default = 0.5", "default = 0.4"))
    wait_for(lambda: not page.at("#weaker").is_displayed())
    page.at("#ask").click()
    wait_for(lambda: page.text("#answered-foot").startswith("m answered in "))
    assert EMAIL.encode() not in real[1].everything and PHONE.encode() not in real[1].everything


@browser_test
def test_a_policy_is_saved_as_it_stands(page: Page, tmp_path: Path) -> None:
    page.open().type(EMAIL)
    page.choose("EMAIL", "redact")
    wait_for(lambda: "[EMAIL_REDACTED]" in page.text("#saw"))
    page.js("document.getElementById('policy').open = true")
    page.cdp("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.at("#policy-save").click()
    text = saved(tmp_path / "policy.toml")
    assert text == policy_of(page) and Policy.parse(text, finders=False).fate("EMAIL") == "redact"


# ---- pictures ----


def drawn_file(folder: Path, name: str, side: str = "left") -> Path:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed to draw a picture with")
    picture = image.new("RGB", (200, 160))
    picture.paste((250, 240, 230), (0, 0, 100, 160) if side == "left" else (100, 0, 200, 160))
    picture.save(folder / name, "PNG")
    return folder / name


def drop(page: Page, name: str, kind: str) -> None:
    page.js(
        """const data = new DataTransfer();
        data.items.add(new File([new Uint8Array([1, 2, 3])], arguments[0], {type: arguments[1]}));
        for (const type of ['dragover', 'drop'])
          document.getElementById('typed').dispatchEvent(
            new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}))""",
        name,
        kind,
    )


@browser_test
def test_a_picture_is_drawn_here_and_refused_where_nothing_masks_it(
    page: Page, real: tuple[Gateway, Service], tmp_path: Path
) -> None:
    page.open()
    page.js("window.made = 0; URL.createObjectURL = () => { window.made++; throw new Error(); }")
    page.at("#picture-file").send_keys(str(drawn_file(tmp_path, f"{ATTACK[:21].replace('/', '')}.png")))
    notice = wait_for(lambda: page.js("return document.querySelector('#saw [role=alert]')?.textContent"))
    assert "The picture was not sent" in str(notice) and "recogniser" in str(notice)
    sizes = "return [...document.querySelectorAll('#thumb, .refused')].map(c => [c.width, c.height])"
    wait_for(lambda: page.js(sizes) == [[160, 128], [160, 128]])
    assert "<img" in page.text("#picture-name")
    nothing_was_parsed(page)
    page.at("#picture-remove").click()
    page.settle()
    assert EMAIL in page.text("#back") and asked(real[1]) == []
    assert page.js("return window.made") == 0
    assert page.browser.get_log("browser") == [] or all(
        "400" in line["message"] for line in page.browser.get_log("browser")
    )


@browser_test
def test_only_pictures_can_be_dropped(page: Page) -> None:
    page.open()
    drop(page, f"{ATTACK}.html", "text/html")
    wait_for(lambda: "Only pictures" in page.text("#picture-name"))
    drop(page, f"{ATTACK}.png", "image/png")  # which cannot be drawn; the gateway decides
    wait_for(lambda: page.js("return document.querySelector('#saw [role=alert]')?.textContent"))
    nothing_was_parsed(page)


@browser_test
def test_a_picture_that_is_too_large_is_not_read(page: Page) -> None:
    page.open()
    page.js(
        """const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(arguments[0])], 'x.png', {type: 'image/png'}));
        const options = {dataTransfer: data, bubbles: true, cancelable: true};
        document.body.dispatchEvent(new DragEvent('drop', options))""",
        LARGEST,
    )
    wait_for(lambda: "larger than this gateway accepts" in page.text("#picture-name"))


@browser_test
def test_a_recogniser_shows_what_it_saw_of_a_picture(page: Page, tmp_path: Path) -> None:
    from test_recogniser import handover

    for name, data in handover().files().items():
        (tmp_path / name).write_bytes(data)
    with gateway(tmp_path / "home", recogniser=tmp_path) as running:
        page.origin = running.address
        page.open()
        assert page.at("#model").get_attribute("value") == "recogniser"
        page.at("#picture-file").send_keys(str(drawn_file(tmp_path, "right.png", "right")))
        wait_for(lambda: "right (" in page.text("#back"))
        assert "28 × 28" in page.text("#reduced-name")
        bright = page.js(
            """const canvas = document.getElementById('reduced-canvas');
            const data = canvas.getContext('2d').getImageData(0, 14, 28, 1).data;
            return [canvas.width, canvas.height, data[4 * 3], data[4 * 24]]"""
        )
        assert bright[:3] == [28, 28, 0] and bright[3] > 200


# ---- all of it, on every screen ----


@browser_test
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [360, 390, 768, 1400])
def test_nothing_new_needs_sideways_scrolling(page: Page, tmp_path: Path, width: int, language: str) -> None:
    page.open(f"?lang={language}", width=width, height=800)
    page.at("#next").click()
    write_policy(page, f"{written(Policy())}# {'long ' * 60}\n[[allow]]\nwords = ['{EMAIL}']\n")
    wait_for(lambda: page.at("#weaker").is_displayed())
    write_policy(page, f"{policy_of(page)}word = 1\n")
    wait_for(lambda: page.at("#policy-fault").is_displayed())
    page.at("#picture-file").send_keys(str(drawn_file(tmp_path, f"{'name' * 40}.png")))
    wait_for(lambda: page.js("return document.querySelector('.refused') !== null"))
    assert page.js("return document.documentElement.scrollWidth") <= width
    page.at("#export-open").click()
    box = page.js(
        "const b = document.getElementById('export').getBoundingClientRect(); return [b.left, b.right]"
    )
    assert box[0] >= 0 and box[1] <= width


@browser_test
def test_an_answer_without_end_is_cut_and_the_service_released(
    page: Page, real: tuple[Gateway, Service]
) -> None:
    page.open()
    real[1].behave = slowly("x" * 1_000_001, after="wait")
    ask_service(page, "Go on.")
    wait_for(lambda: "longer than this page shows" in page.text("#back"), 20)
    assert real[1].cancelled.wait(10)


@browser_test
def test_what_is_new_speaks_to_a_screen_reader_and_to_the_keyboard(page: Page) -> None:
    page.open().type(f"Call {PHONE}")
    page.js("document.getElementById('next').focus()")
    page.press("\ue007")
    wait_for(lambda: "kept above" in page.text("#status"))
    page.type(f"And {PHONE}?")
    page.js("document.getElementById('policy').open = true")
    unnamed = page.js(
        """return [...document.querySelectorAll('button, select, textarea, input, canvas, [tabindex="0"]')]
          .filter(e => e.checkVisibility() && !(e.textContent.trim() || e.ariaLabel
            || e.ariaLabelledByElements?.length || e.labels?.length)).map(e => e.id)"""
    )
    assert unnamed == []
    page.js("document.getElementById('export-open').focus()")
    page.press("\ue007")
    wait_for(lambda: page.js("return document.getElementById('export').open"))
    page.press("\ue00c")
    assert page.focus() == "export-open"
