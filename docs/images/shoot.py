"""Take the pictures of the playground again: `python docs/images/shoot.py`.

Starts a gateway with the mirror model on a free port of this machine, opens the page in a headless Chromium
(which must be installed, with chromedriver and `pip install masquerade[test]`), and writes
`playground-{light,dark,zh}.png` beside this file.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

PICTURES = {"light": ("en", "light"), "dark": ("en", "dark"), "zh": ("zh", "light")}
WIDTH, HEIGHT = 1440, 900
ANSWERED = "return /\\d/.test(document.getElementById('answered-foot').textContent)"


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        start = (
            "from masquerade.serve.gateway import serve; from masquerade.serve.settings import Settings; "
            f"serve(Settings(port={port}, log='off'))"
        )
        environment = {**os.environ, "MASQUERADE_HOME": f"{scratch}/home"}
        gateway = subprocess.Popen([sys.executable, "-c", start], env=environment)
        try:
            wait_for_gateway(f"http://127.0.0.1:{port}/healthz")
            shoot(f"http://127.0.0.1:{port}", f"{scratch}/profile")
        finally:
            gateway.terminate()
            gateway.wait(30)


def wait_for_gateway(address: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            build_opener(ProxyHandler({})).open(address, timeout=2).close()
            return
        except URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def shoot(origin: str, profile: str) -> None:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "hide-scrollbars", "no-proxy-server"):
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={profile}")
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        screen = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        browser.get(origin)  # the first question of all also pays for the rules being compiled
        WebDriverWait(browser, 10).until(lambda page: page.execute_script(ANSWERED))
        for name, (language, scheme) in PICTURES.items():
            chosen = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": chosen})
            browser.get(f"{origin}/?lang={language}")
            WebDriverWait(browser, 10).until(lambda page: page.execute_script(ANSWERED))
            picture = browser.execute_cdp_cmd(
                "Page.captureScreenshot", {"format": "png", "optimizeForSpeed": False}
            )
            Path(__file__).with_name(f"playground-{name}.png").write_bytes(base64.b64decode(picture["data"]))
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
