#!/usr/bin/env python3
"""Sends the same requests to a running service and to transformers and compares the answers.

Usage: serving_parity.py SOCKET [--mlm NAME=DIR] [--clm NAME=DIR] [--text FILE] [--count 40]

DIR is the directory of the serving generation of NAME. The requests are made from the lines of FILE (default: a few sentences): one
word becomes a mask, and the beginning of the line a prompt. Prints a JSON object; exits with status 1 if a candidate or a greedy text
differs (unless transformers' scores of two candidates agree to six digits) or a score differs by more than 1e-4.
"""
import argparse
import json
import pathlib
import socket
import sys

import torch
from transformers import AutoTokenizer, RobertaForCausalLM, RobertaForMaskedLM, logging

from inference_reference import fill, greedy, score

SENTENCES = ["Human thinking involves human reason.", "The faculty of judgement is a peculiar talent.", "All our knowledge begins with experience.",
             "Space is not a conception derived from outward experiences.", "Thoughts without content are void.", "Naïve café — “quoted” 🙂 text."]


class Service:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.received = b""

    def call(self, method, **parameters):
        """Returns the parameters of the replies; several if the method streams."""
        message = {"method": "io.kantaibert.Inference." + method, "parameters": parameters, "more": method == "Generate"}
        self.socket.sendall(json.dumps(message).encode() + b"\0")
        replies = []
        while True:
            while b"\0" not in self.received:
                self.received += self.socket.recv(1 << 16) or sys.exit("the service closed the connection")
            line, self.received = self.received.split(b"\0", 1)
            reply = json.loads(line)
            if "error" in reply:
                raise RuntimeError(reply)
            replies.append(reply["parameters"])
            if not reply.get("continues"):
                return replies


def compare_fill(service, name, model, tokenizer, sentences):
    texts = []
    for sentence in sentences:
        words = sentence.split(" ")
        for place in {len(words) // 2, len(words) - 1}:
            texts.append(" ".join(words[:place] + ["<mask>"] + words[place + 1:]))
        texts.append(" ".join(["<mask>", *words[1:-1], "<mask>"]))
    texts = [text for text in texts if len(tokenizer.encode(text)) <= model.config.max_position_embeddings - 2]
    worst, different = 0.0, []
    for text, expected in zip(texts, fill(model, tokenizer, [{"text": text, "top_k": 5} for text in texts])):
        found = [mask["fillings"] for mask in service.call("FillMask", text=text, model=name, top_k=5)[0]["masks"]]
        for ours, theirs in zip(found, expected, strict=True):
            for a, b in zip(ours, theirs, strict=True):
                worst = max(worst, abs(a["score"] - b["score"]))
                if a["token"] != b["token"] and abs(a["score"] - b["score"]) < 1e-6:
                    continue
                if any(a[key] != b[key] for key in ("token", "token_str", "sequence")):
                    different.append({"text": text, "ours": a, "theirs": b})
    return {"masked_texts": len(texts), "score_error": worst, "different": different}


def compare_generate(service, name, model, tokenizer, sentences):
    requests = [{"prompt": " ".join(s.split(" ")[:3]), "max_new_tokens": 20} for s in sentences]
    different = []
    for request, expected in zip(requests, greedy(model, tokenizer, requests)):
        sampling = {"temperature": 0, "max_new_tokens": 20}
        text = "".join(r["text"] for r in service.call("Generate", prompt=request["prompt"], model=name, sampling=sampling))
        if text != expected["text"]:
            different.append({"prompt": request["prompt"], "ours": text, "theirs": expected["text"]})
    return {"prompts": len(requests), "different": different}


def compare_score(service, name, model, tokenizer, sentences, causal):
    worst = 0.0
    for sentence, expected in zip(sentences, score(model, tokenizer, sentences, causal)):
        found = service.call("Score", text=sentence, model=name)[0]
        assert found["tokens"] == expected["tokens"], sentence
        worst = max(worst, abs(found["log_likelihood"] - expected["log_likelihood"]) / expected["tokens"])
    return {"scored_texts": len(sentences), "log_likelihood_error_per_token": worst}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    parser.add_argument("--mlm")
    parser.add_argument("--clm")
    parser.add_argument("--text")
    parser.add_argument("--count", type=int, default=40)
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    sentences = SENTENCES
    if arguments.text:
        lines = pathlib.Path(arguments.text).read_text(errors="replace").split("\n")
        lines = [line.strip() for line in lines if len(line.split()) >= 4]
        sentences = lines[:: max(1, len(lines) // arguments.count)][: arguments.count]
    service, report = Service(arguments.socket), {}
    with torch.no_grad():
        for objective, cls in (("mlm", RobertaForMaskedLM), ("clm", RobertaForCausalLM)):
            if not (given := getattr(arguments, objective)):
                continue
            name, directory = given.split("=", 1)
            tokenizer, model = AutoTokenizer.from_pretrained(directory), cls.from_pretrained(directory).eval()
            compare = compare_generate if objective == "clm" else compare_fill
            report[objective] = compare(service, name, model, tokenizer, sentences)
            report[objective] |= compare_score(service, name, model, tokenizer, sentences, objective == "clm")
    print(json.dumps(report, indent=1, ensure_ascii=False))
    errors = [part.get(key, 0) for part in report.values() for key in ("score_error", "log_likelihood_error_per_token")]
    sys.exit(int(max(errors, default=0) > 1e-4 or any(part["different"] for part in report.values())))


main()
