"""Tests the HTTP API with third-party clients: openai from PyPI, and Prometheus' OpenMetrics parser."""

import openai
from prometheus_client.openmetrics.parser import text_string_to_metric_families


def check(servers):
    client = openai.OpenAI(base_url=f"{servers.base}/v1", api_key="none", max_retries=0)
    assert sorted(model.id for model in client.models.list()) == ["assistant", "kantaibert"]
    assert client.models.retrieve("assistant").created > 1_500_000_000

    # A text may end immediately: find a seed whose text does not.
    for seed in range(50):
        asked = dict(model="assistant", prompt="the old fox", max_tokens=12, temperature=0.8, top_p=0.95, seed=seed)
        whole = client.completions.create(**asked)
        if whole.usage.completion_tokens >= 8:
            break
    assert whole.choices[0].finish_reason in ("stop", "length")
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    assert whole.usage.completion_tokens <= 12
    pieces = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert len(pieces) > 2, "a stream of one piece"
    text = "".join(choice.text for piece in pieces for choice in piece.choices)
    assert text == whole.choices[0].text, f"{text!r} is streamed, {whole.choices[0].text!r} whole"
    assert pieces[-1].usage == whole.usage
    cut = client.completions.create(**{**asked, "stop": [text[3:6]]})
    assert cut.choices[0].text == text[:text.index(text[3:6])] and cut.choices[0].finish_reason == "stop"
    many = client.completions.create(**{**asked, "prompt": ["the", "some"], "n": 2}, extra_body={"top_k": 5})
    assert [choice.index for choice in many.choices] == [0, 1, 2, 3]

    scored = client.completions.create(**{**asked, "prompt": "the old fox", "max_tokens": 1, "echo": True, "logprobs": 2})
    logprobs = scored.choices[0].logprobs
    assert scored.choices[0].text.startswith("the old fox")
    assert "".join(logprobs.tokens).removesuffix("</s>") == scored.choices[0].text
    assert all(own <= max(top.values()) for own, top in zip(logprobs.token_logprobs, logprobs.top_logprobs, strict=True))
    assert logprobs.text_offset[0] == 0 and len(logprobs.text_offset) == len(logprobs.tokens)
    # The client asks for base64 by default, and decodes it.
    embedded = client.embeddings.create(model="kantaibert", input=["the old fox", "some"])
    listed = client.embeddings.create(model="kantaibert", input=["the old fox", "some"], encoding_format="float")
    for ours, plain in zip(embedded.data, listed.data, strict=True):
        assert len(ours.embedding) == len(plain.embedding) > 8
        assert max(abs(a - b) for a, b in zip(ours.embedding, plain.embedding)) < 1e-6

    for wrong, error, code in [
        (dict(model="none"), openai.NotFoundError, "model_not_found"),
        (dict(model="kantaibert"), openai.BadRequestError, "wrong_model"),
        (dict(temperature=-1), openai.BadRequestError, "invalid_value"),
        (dict(suffix="."), openai.BadRequestError, "unsupported_parameter"),
        (dict(extra_body={"temprature": 1}), openai.BadRequestError, "unknown_field"),
        (dict(prompt="fox " * 2000), openai.BadRequestError, "context_length_exceeded"),
    ]:
        try:
            client.completions.create(**{**asked, **wrong})
        except error as thrown:
            assert thrown.code == code, thrown
        else:
            raise AssertionError(f"{wrong} was taken")

    # These models were trained on loose text.
    try:
        client.chat.completions.create(model="assistant", messages=[{"role": "user", "content": "Where?"}])
    except openai.BadRequestError as thrown:
        assert thrown.code == "wrong_model" and "/v1/completions" in thrown.message, thrown
    else:
        raise AssertionError("a model of loose text replied")

    status, headers, text = servers.get("/metrics")
    assert status == 200 and headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["kantaibert_up"].samples[0].value == 1
    assert {sample.labels["model"] for sample in families["kantaibert_model_bits_per_byte"].samples} == {
        "assistant", "kantaibert"}
    assert sum(sample.value for sample in families["kantaibert_events"].samples) > 10
    assert servers.get("/health")[0] == 200
