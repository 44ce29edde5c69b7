"""Headless Chromium for the tests of the page, by Debian's chromium-driver and python3-selenium.

`Browser` is one tab that remembers what it asked for and what it complained of; `Person` uses it
and counts the steps: typing a text, pressing a key and clicking are one each.
"""
import json
import os
import shutil
import subprocess
import tempfile

import pytest

from conftest import BUILD, wait_for

AXE_VERSION = "4.10.3"
NPM_SECONDS = 40
PHONE = (390, 844)


def missing():
    """What is not installed here, or an empty text."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "python3-selenium"
    return " ".join(name for name in ("chromium", "chromedriver") if not shutil.which(name))


class Browser:
    def __init__(self, folder):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                         "--disable-background-networking", "--window-size=1280,900",
                         "--hide-scrollbars", f"--user-data-dir={folder}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
        self.driver.set_page_load_timeout(60)

    def close(self):
        self.driver.quit()

    def run(self, script, *args):
        return self.driver.execute_script(script, *args)

    def devtools(self, command, **parameters):
        return self.driver.execute_cdp_cmd(command, parameters)

    def colours(self, scheme):
        self.devtools("Emulation.setEmulatedMedia",
                      features=[{"name": "prefers-color-scheme", "value": scheme}])

    def phone(self):
        self.devtools("Emulation.setDeviceMetricsOverride", width=PHONE[0], height=PHONE[1],
                      deviceScaleFactor=2, mobile=True)

    def desk(self):
        self.devtools("Emulation.clearDeviceMetricsOverride")

    def open(self, url):
        self.driver.get(url)

    def text(self, selector):
        """The text of all that matches, as far as it is shown."""
        return self.run("return [...document.querySelectorAll(arguments[0])]"
                        ".map(e => e.innerText).join(' ')", selector)

    def texts(self, selector):
        return self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)",
                        selector)

    def sees(self, selector, text):
        wait_for(lambda: text in self.text(selector), f"{selector} shows {text!r}; it shows "
                 f"{self.text(selector)!r}")

    def asked(self):
        """The addresses asked for since the last call."""
        found = []
        for entry in self.driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                found.append(event["params"]["request"]["url"])
        return found

    def complaints(self):
        """What the console said since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def overflow(self):
        """By how many pixels the page is wider than the window."""
        return self.run("return document.documentElement.scrollWidth - window.innerWidth")

    def shot(self, name):
        """A picture of the page in HOURGLASS_SHOTS, if that folder is wanted."""
        folder = os.environ.get("HOURGLASS_SHOTS")
        if folder:
            self.driver.save_screenshot(os.path.join(folder, f"{name}.png"))


class Person:
    """Somebody at the page, who counts."""

    def __init__(self, browser):
        self.browser, self.steps = browser, 0

    def types(self, text):
        self.steps += 1
        self.browser.driver.switch_to.active_element.send_keys(text)

    def presses(self, *keys):
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.keys import Keys
        self.steps += 1
        chain = ActionChains(self.browser.driver)
        named = [getattr(Keys, key.upper(), key) if len(key) > 1 else key for key in keys]
        for key in named[:-1]:
            chain.key_down(key)
        chain.send_keys(named[-1])
        for key in reversed(named[:-1]):
            chain.key_up(key)
        chain.perform()

    def clicks(self, selector, text=""):
        """What is shown, matches and has the text, once it is there."""
        from selenium.common.exceptions import WebDriverException
        self.steps += 1

        def click():
            for one in self.browser.driver.find_elements("css selector", selector):
                try:
                    if text in one.text and one.is_displayed():
                        one.click()
                        return True
                except WebDriverException:
                    pass  # it was replaced meanwhile
            return False
        wait_for(click, f"{selector} {text!r} can be clicked")


def axe_source():
    """axe-core from npm, into the build folder; None when it cannot be had."""
    folder = os.path.join(os.path.dirname(BUILD), "npm")
    path = os.path.join(folder, "node_modules", "axe-core", "axe.min.js")
    if not os.path.exists(path):
        if not shutil.which("npm"):
            return None
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        with tempfile.TemporaryDirectory(dir=os.path.dirname(folder)) as place:
            try:
                subprocess.run(["npm", "install", "--no-save", "--ignore-scripts", "--prefix", place,
                                f"axe-core@{AXE_VERSION}"], check=True, timeout=NPM_SECONDS,
                               stdin=subprocess.DEVNULL, capture_output=True)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.replace(os.path.join(place, "node_modules", "axe-core", "axe.min.js"), path)
            except (subprocess.SubprocessError, OSError):
                return None
    with open(path, encoding="utf-8") as source:
        return source.read()


def audit(browser, source):
    """What axe-core finds serious or critical: ["rule: element", ...]."""
    browser.run(source)
    found = browser.driver.execute_async_script(
        "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']})"
        ".then(r => done(r.violations), e => done([{id: String(e), impact: 'critical', nodes: []}]));")
    return [f"{rule['id']}: {[node['html'] for node in rule['nodes']]}" for rule in found
            if rule["impact"] in ("serious", "critical")]


needs_browser = pytest.mark.skipif(bool(missing()), reason=f"not installed: {missing()} "
                                   "(packaging/deps.sh test installs it where the distribution has it)")
