"""Runs a service with the two tiny models of the Swift tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("KANTAIBERT_BUILD", ROOT / ".build" / "release"))
MODELS = ROOT / "Tests" / "InferenceTests" / "Fixtures"

SETTINGS = """
models: [filler, teller]
filler: {objective: mlm, preset: tiny}
teller: {objective: clm, preset: tiny}
serving: {precision: float32}
"""


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yields the path of the service's socket."""
    program = BUILD / "kantaibertd"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    state = tmp_path_factory.mktemp("kb")
    for name, fixture in (("filler", "mlm"), ("teller", "clm")):
        shutil.copytree(MODELS / fixture, state / "models" / name / "1")
        (state / "models" / name / "current").symlink_to("1")
    (state / "kantaibert.yaml").write_text(SETTINGS)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(state / "notify"))
    notify.settimeout(60)
    with open(state / "log", "wb") as log:
        process = subprocess.Popen(
            [program, "--state-dir", state, "--config", state / "kantaibert.yaml"],
            env={**os.environ, "NOTIFY_SOCKET": str(state / "notify")},
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 60
        while b"READY=1" not in notify.recv(4096):
            assert time.monotonic() < deadline
        yield str(state / "io.kantaibert")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, (state / "log").read_text()
