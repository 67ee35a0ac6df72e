"""Runs kantaibertd and kantaibert-web on a temporary state directory."""

import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

SETTINGS = """\
models: [kantaibert, assistant]
kantaibert:
  objective: mlm
  preset: tiny
  max_time: 6s
  eval_steps: 40
assistant:
  objective: clm
  preset: tiny
  max_time: 12s
  num_train_epochs: 8
  eval_steps: 40
schedule:
  settle: 500ms
inbox:
  stable: 200ms
"""


def grammar(lines, seed):
    """Returns sentences of a small artificial language that a tiny model can learn. Paragraphs are so long that generated
    text rarely ends early."""
    pick = random.Random(seed).choice
    return "".join(
        f"{pick(['the', 'every', 'some'])} {pick(['red', 'old', 'small', 'wise'])} "
        f"{pick(['fox', 'judge', 'baker', 'sailor', 'child'])} {pick(['sees', 'finds', 'keeps', 'forgets'])} "
        f"{pick(['a', 'the', 'that'])} {pick(['lamp', 'letter', 'river', 'garden', 'story'])} "
        f"{pick(['at night', 'in spring', 'near the sea', 'with joy'])}.\n" + ("\n" if line % 40 == 0 else "")
        for line in range(1, lines + 1))


def wait(what, condition, seconds=60, every=0.05):
    """Waits for `condition` to be true and returns its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(every)
    raise AssertionError(f"within {seconds} s it has not come that {what}")


class Servers:
    def __init__(self, build):
        self.build = build
        self.folder = tempfile.mkdtemp(prefix="kantaibert-web-")
        with open(f"{self.folder}/settings.yaml", "w") as file:
            file.write(SETTINGS)
        self.service = self.web = None

    def start_service(self):
        self.service = self._start(
            "kantaibertd", "--state-dir", f"{self.folder}/state", "--config", f"{self.folder}/settings.yaml")

    def start_web(self):
        self.web = self._start(
            "kantaibert-web", "--listen", "127.0.0.1:0", "--socket", f"{self.folder}/state/io.kantaibert", "--inbox",
            f"{self.folder}/state/inbox", "--token-file", f"{self.folder}/token", "--upload-limit-mb", "8")
        said = wait("the page is served", lambda: re.search(r"listening on (http://\S+)/", self.log("kantaibert-web")))
        self.base = said.group(1)
        with open(f"{self.folder}/token") as file:
            self.token = file.read().strip()

    def stop_service(self):
        self.service.send_signal(signal.SIGTERM)
        assert self.service.wait(30) == 0, "kantaibertd did not end well"

    def get(self, path):
        """Returns the status, the headers and the body of a response."""
        try:
            with urllib.request.urlopen(self.base + path, timeout=30) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def log(self, program):
        with open(f"{self.folder}/{program}.log") as file:
            return file.read()

    def end(self):
        for process in (self.web, self.service):
            if process and process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, program, *arguments):
        with open(f"{self.folder}/{program}.log", "a") as log:
            return subprocess.Popen(
                [f"{self.build}/{program}", *arguments], stderr=log, stdin=subprocess.DEVNULL,
                env={**os.environ, "KANTAIBERT_THREADS": os.environ.get("KANTAIBERT_THREADS", "2")})
