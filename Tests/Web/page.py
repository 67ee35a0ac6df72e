"""Drives the page in a browser."""

import glob
import json
import sysconfig

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from servers import wait

PAGES = ["chat", "fill", "surprise", "training", "models", "corpora"]


class Page:
    def __init__(self, servers, shots):
        self.servers = servers
        self.shots = shots
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                         "--window-size=1280,860"]:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.script = self.driver.execute_script
        self.command = self.driver.execute_cdp_cmd

    def open(self, fragment):
        self.driver.get(f"{self.servers.base}/#{fragment}")

    def find(self, selector):
        found = self.all(selector)
        assert found, f"nothing on the page is {selector}"
        return found[0]

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        """Returns the element's text, read by one script because the element may be replaced at any time."""
        return self.script(
            "const found = document.querySelector(arguments[0]);"
            "return found && found.getClientRects().length ? found.innerText : ''", selector)

    def click(self, selector):
        wait(f"{selector} can be clicked", lambda: self.script(
            "const found = document.querySelector(arguments[0]);"
            "if (!found || found.disabled || !found.getClientRects().length) return false; found.click(); return true;",
            selector))

    def write(self, selector, text):
        element = self.find(selector)
        element.clear()
        element.send_keys(text)

    def until(self, selector, word, seconds=60):
        return wait(f"{selector} says {word!r}, not {self.text(selector)!r}",
                    lambda: word in self.text(selector), seconds)

    def drop(self, path):
        """Drops a file on the page."""
        box = self.script("const b = document.getElementById('drop').getBoundingClientRect();"
                          "return [b.x + b.width / 2, b.y + b.height / 2]")
        for kind in ["dragEnter", "dragOver", "drop"]:
            self.command("Input.dispatchDragEvent", {
                "type": kind, "x": box[0], "y": box[1],
                "data": {"items": [], "files": [path], "dragOperationsMask": 1}})

    def resize(self, width, height):
        self.command("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})

    def throttle(self, bytes_per_second):
        """Limits the download rate in bytes per second; -1 removes the limit."""
        self.command("Network.enable", {})
        self.command("Network.emulateNetworkConditions", {
            "offline": False, "latency": 0, "downloadThroughput": bytes_per_second, "uploadThroughput": -1})

    def shoot(self):
        """Takes screenshots of every page in both themes, on a wide screen and a phone; returns axe-core's findings."""
        problems = []
        for width, height in [(1280, 860), (360, 740)]:
            self.resize(width, height)
            for theme in ["light", "dark"]:
                self.script("localStorage.setItem('kantaibert.theme', JSON.stringify(arguments[0]))", theme)
                for page in PAGES:
                    self.open(page)
                    self.driver.refresh()
                    wait("the page shows the service", lambda: self.script(
                        "return document.getElementById('service').dataset.state === 'up' &&"
                        " document.querySelector('#chat-model option')"))
                    wait("the page has drawn", lambda: self.script(
                        "return !document.getElementById('page-training').getClientRects().length ||"
                        " document.querySelector('.line.train')"))
                    problems += self.inspect(f"{page}-{theme}-{width}", width)
        self.command("Emulation.clearDeviceMetricsOverride", {})
        return problems

    def inspect(self, name, width):
        """Takes a screenshot; returns axe-core's findings and whether the page is wider than the window."""
        self.driver.save_screenshot(f"{self.shots}/{name}.png")
        problems = [f"{name}: {problem}" for problem in self._axe()]
        if self.script("return document.documentElement.scrollWidth") > width:
            problems.append(f"{name}: wider than the window")
        return problems

    def _axe(self):
        with open(glob.glob(f"{sysconfig.get_paths()['purelib']}/axe_playwright_python/axe.min.js")[0]) as file:
            axe = file.read()
        # Not by a script element, which the page's content security policy forbids.
        self.command("Runtime.evaluate", {"expression": axe})
        found = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] })"
            ".then((result) => done(result.violations.map((one) => [one.id, one.help, one.nodes.map((n) => n.html)])))")
        return [f"{name}: {help}: {nodes[:2]}" for name, help, nodes in found]

    def addresses(self):
        """Returns the URLs requested by the page since the last call."""
        asked = set()
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                asked.add(message["params"]["request"]["url"])
        return asked

    def complaints(self):
        """Returns the errors in the browser's console, except for intentional error responses."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] == "SEVERE" and "Failed to load resource" not in entry["message"]]
