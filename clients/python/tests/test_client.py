"""Tests the clients with a running service, against results of transformers (Tests/Parity/inference_reference.py)."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from conftest import MODELS

import kantaibert
from kantaibert import AsyncClient, Client
from kantaibert._protocol import socket_path

REQUEST = json.loads((MODELS / "request.json").read_text())
EXPECTED = json.loads((MODELS / "transformers.json").read_text())


def same(ours: Any, theirs: Any) -> None:
    """Compares the pipeline's nested lists of dictionaries, with scores up to float32 precision."""
    assert type(ours) is type(theirs)
    if isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs):
            same(one, other)
    elif isinstance(theirs, dict):
        assert set(ours) == set(theirs) == {"score", "token", "token_str", "sequence"}
        assert ours["score"] == pytest.approx(theirs["score"], rel=1e-4)
        assert [ours[key] for key in ("token", "token_str", "sequence")] == [
            theirs[key] for key in ("token", "token_str", "sequence")
        ]


@pytest.mark.parametrize("index", range(len(REQUEST["fill"])))
def test_fill_mask_equals_the_pipeline(service: str, index: int) -> None:
    request, masks = REQUEST["fill"][index], EXPECTED["fill"][index]
    theirs = masks[0] if len(masks) == 1 else masks
    same(Client(service).fill_mask(**request), theirs)
    same(asyncio.run(AsyncClient(service).fill_mask(**request)), theirs)


def test_several_texts_return_a_list_of_results(service: str) -> None:
    texts = ["Human<mask>.", "Pure<mask>."]
    client = Client(service)
    both = client.fill_mask(texts, top_k=2)
    assert both == [client.fill_mask(text, top_k=2) for text in texts]
    assert asyncio.run(AsyncClient(service).fill_mask(texts, top_k=2)) == both


def test_generate_streams_pieces_and_sets_the_results(service: str) -> None:
    stream = Client(service).generate("The", max_new_tokens=12, temperature=0)
    pieces = list(stream)
    assert len(pieces) > 1
    assert "".join(pieces) == EXPECTED["greedy"][0]["text"]
    assert stream.finish_reason in ("stop", "length", "end")
    assert stream.generated_tokens == 12 or stream.finish_reason != "length"
    assert stream.receipt is not None and stream.receipt["model"] == "teller"

    async def again() -> list[str]:
        return [piece async for piece in AsyncClient(service).generate("The", max_new_tokens=12, temperature=0)]

    assert "".join(asyncio.run(again())) == "".join(pieces)


def test_abandoned_streams_release_their_slots(service: str) -> None:
    client = Client(service)
    for _ in range(200):
        with client.generate("The", max_new_tokens=200, temperature=1) as stream:
            next(stream, None)  # the generated text may be empty
    assert client.score("The").get("tokens")


def test_seed_determines_the_text(service: str) -> None:
    client = Client(service)
    texts = ["".join(client.generate("The", max_new_tokens=20, seed=seed)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_detokenize_inverts_tokenize(service: str) -> None:
    client = Client(service)
    ids = client.tokenize("naïve café")
    assert client.detokenize(ids) == "naïve café"
    assert asyncio.run(AsyncClient(service).tokenize("naïve café")) == ids


@pytest.mark.parametrize("model", ["mlm", "clm"])
def test_score_equals_transformers(service: str, model: str) -> None:
    name = "filler" if model == "mlm" else "teller"
    for text, theirs in zip(REQUEST["score"][model], EXPECTED["score"][model]):
        ours = Client(service).score(text, model=name)["log_likelihood"]
        assert ours == pytest.approx(theirs["log_likelihood"], abs=1e-3)


def test_error_replies_are_exceptions(service: str) -> None:
    client = Client(service)
    with pytest.raises(kantaibert.NoMask):
        client.fill_mask("nothing to fill")
    with pytest.raises(kantaibert.ModelNotFound) as caught:
        client.score("a", model="nobody")
    assert caught.value.parameters["available"] == ["filler", "teller"]
    with pytest.raises(kantaibert.ServiceError):
        asyncio.run(AsyncClient(service).fill_mask("nothing to fill"))
    with pytest.raises(OSError):
        Client("/none/socket").score("a")


def test_unknown_sampling_options_are_rejected(service: str) -> None:
    for client in (Client(service), AsyncClient(service)):
        with pytest.raises(TypeError, match="temprature"):
            client.generate("the", temprature=1)  # type: ignore[call-arg]


def test_untrusted_var_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.path.exists("/run/kantaibert/io.kantaibert"):
        pytest.skip("a system service is running")
    monkeypatch.delenv("KANTAIBERT_SOCKET", raising=False)
    monkeypatch.chdir(tmp_path)
    assert socket_path(None) == "/run/kantaibert/io.kantaibert"
    folder = tmp_path / "var"
    folder.mkdir(mode=0o755)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "io.kantaibert"))
        listening.listen()
        assert socket_path(None) == "./var/io.kantaibert"
        folder.chmod(0o777)
        with pytest.raises(PermissionError, match="can write to"):
            socket_path(None)
        folder.chmod(0o755)
        folder.rename(tmp_path / "real")
        folder.symlink_to("real")
        with pytest.raises(PermissionError, match="cannot be opened as a folder"):
            socket_path(None)
        if os.geteuid() == 0:
            folder.unlink()
            (tmp_path / "real").rename(folder)
            os.chown(folder, 41001, 41001)
            with pytest.raises(PermissionError, match="another user"):
                socket_path(None)
