#!/usr/bin/env python3
"""Computes Hugging Face's results for a model directory, the reference values of Tests/InferenceTests.

Usage: inference_reference.py [--mlm DIR] [--clm DIR] < REQUEST > ANSWER

REQUEST is a JSON object with these optional keys; ANSWER has the same keys:
    fill      [{"text", "top_k", "targets"?}]       the fill-mask pipeline: a list of candidates per mask, without the ids
                                                    that have no token
    greedy    [{"prompt", "max_new_tokens"}]        greedy continuation of <s> and the prompt, without special tokens that are
                                                    never generated: {"text", "tokens"}. Uses the forward pass, because
                                                    generate() of transformers 5.23 counts positions from 0
    score     {"mlm": [text], "clm": [text]}        [{"log_likelihood", "tokens"}]: causal models score the tokens and </s>
                                                    after <s>; masked models score each token while it is masked
    tokens    [{"ids", "top"}]                      a causal model's log-probability of each of the ids after the first, which are
                                                    read exactly as they are, and the most likely ids in its place:
                                                    [{"log_probabilities", "top": [[{"id", "log_probability"}]]}]
    embed     {"mlm": [text], "clm": [text]}        mean pooling of sentence-transformers: the mean of the last layer's output
                                                    over the tokens of the attention mask: [{"embedding", "tokens"}]
    warpers   {"logits": [float], "cases": [{"temperature", "top_k", "top_p", "min_p", "repetition_penalty", "history"}]}
                                                    the probabilities after transformers' own processors, in their order
"""
import argparse
import json
import sys

import torch
from transformers import AutoModel, AutoTokenizer, RobertaForCausalLM, RobertaForMaskedLM, pipeline
from transformers.generation import logits_process as warp


def fill(model, tokenizer, requests):
    pipe = pipeline("fill-mask", model=model, tokenizer=tokenizer)
    answers = []
    for request in requests:
        options = {"targets": request["targets"]} if request.get("targets") else {}
        nameless = model.config.vocab_size - len(tokenizer)    # rows without a token, which the pipeline also returns
        answer = pipe(request["text"], top_k=request["top_k"] + nameless, **options)
        masks = [answer] if isinstance(answer[0], dict) else answer
        answers.append([[f for f in mask if f["token"] < len(tokenizer)][: request["top_k"]] for mask in masks])
    return answers


def greedy(model, tokenizer, requests):
    never = [0, 1, 3, 4, *range(len(tokenizer), model.config.vocab_size)]
    answers = []
    for request in requests:
        ids = [0] + tokenizer.encode(request["prompt"], add_special_tokens=False, split_special_tokens=True)
        room = model.config.max_position_embeddings - 2 - len(ids) + 1    # the last token is only predicted
        new = []
        for _ in range(min(room, request["max_new_tokens"])):
            logits = model(input_ids=torch.tensor([ids + new]), use_cache=False).logits[0, -1]
            logits[never] = -torch.inf
            if (best := int(logits.argmax())) == 2:
                break
            new.append(best)
        answers.append({"text": tokenizer.decode(new), "tokens": new})
    return answers


def score(model, tokenizer, texts, causal):
    answers = []
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        whole = torch.tensor([0] + ids + [2])
        if causal:
            logp = torch.log_softmax(model(input_ids=whole[None, :-1]).logits[0].double(), -1)
            picked = logp.gather(1, whole[1:, None])
        else:
            rows = whole.repeat(len(ids), 1)
            places = torch.arange(len(ids))
            rows[places, places + 1] = 4
            logits = model(input_ids=rows).logits.double() if ids else torch.zeros(0, 1, model.config.vocab_size)
            logp = torch.log_softmax(logits[places, places + 1], -1)
            picked = logp.gather(1, torch.tensor(ids, dtype=torch.long)[:, None])
        answers.append({"log_likelihood": picked.sum().item(), "tokens": picked.numel()})
    return answers


def tokens(model, tokenizer, requests):
    answers = []
    for request in requests:
        ids = torch.tensor([request["ids"]])
        logp = torch.log_softmax(model(input_ids=ids).logits[0, :-1].double(), -1)
        top = logp[:, :len(tokenizer)].topk(request["top"])    # rows without a token are never likely tokens
        answers.append({
            "log_probabilities": logp.gather(1, ids[0, 1:, None])[:, 0].tolist(),
            "top": [[{"id": id, "log_probability": p} for id, p in zip(*row)]
                    for row in zip(top.indices.tolist(), top.values.tolist())]})
    return answers


def embed(directory, tokenizer, texts):
    model = AutoModel.from_pretrained(directory, add_pooling_layer=False).eval()
    encoded = tokenizer(texts, padding=True, return_tensors="pt", split_special_tokens=True)
    mask = encoded["attention_mask"]
    output = model(**encoded).last_hidden_state
    means = (output * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return [{"embedding": mean.tolist(), "tokens": int(count)} for mean, count in zip(means, mask.sum(1))]


def warpers(request):
    answers = []
    for case in request["cases"]:
        scores = torch.tensor([request["logits"]], dtype=torch.float64)
        history = torch.tensor([case.get("history", [])], dtype=torch.long)
        steps = []
        if case.get("repetition_penalty", 1) != 1:
            steps.append(warp.RepetitionPenaltyLogitsProcessor(case["repetition_penalty"]))
        steps.append(warp.TemperatureLogitsWarper(float(case.get("temperature", 1))))
        if case.get("top_k"):
            steps.append(warp.TopKLogitsWarper(case["top_k"]))
        if case.get("top_p", 1) < 1:
            steps.append(warp.TopPLogitsWarper(case["top_p"]))
        if case.get("min_p"):
            steps.append(warp.MinPLogitsWarper(case["min_p"]))
        for step in steps:
            scores = step(history, scores)
        answers.append(torch.softmax(scores, -1)[0].tolist())
    return answers


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mlm")
    parser.add_argument("--clm")
    arguments = parser.parse_args()
    request, answer = json.load(sys.stdin), {}
    with torch.no_grad():
        if arguments.mlm:
            tokenizer = AutoTokenizer.from_pretrained(arguments.mlm)
            model = RobertaForMaskedLM.from_pretrained(arguments.mlm).eval()
            answer["fill"] = fill(model, tokenizer, request.get("fill", []))
            answer.setdefault("score", {})["mlm"] = score(
                model, tokenizer, request.get("score", {}).get("mlm", []), causal=False)
            answer.setdefault("embed", {})["mlm"] = embed(
                arguments.mlm, tokenizer, request.get("embed", {}).get("mlm", []))
        if arguments.clm:
            tokenizer = AutoTokenizer.from_pretrained(arguments.clm)
            model = RobertaForCausalLM.from_pretrained(arguments.clm).eval()
            answer["greedy"] = greedy(model, tokenizer, request.get("greedy", []))
            answer.setdefault("score", {})["clm"] = score(
                model, tokenizer, request.get("score", {}).get("clm", []), causal=True)
            answer["tokens"] = tokens(model, tokenizer, request.get("tokens", []))
            answer.setdefault("embed", {})["clm"] = embed(
                arguments.clm, tokenizer, request.get("embed", {}).get("clm", []))
        if "warpers" in request:
            answer["warpers"] = warpers(request["warpers"])
    json.dump(answer, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
