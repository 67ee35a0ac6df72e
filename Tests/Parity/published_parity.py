#!/usr/bin/env python3
"""Loads published models with transformers and compares tokens, logits, probabilities of tokens, embeddings and fill-mask results
(each within 1e-4), and reads the cards of their exports with huggingface_hub.

Usage: published_parity.py BUILD
BUILD contains kantaibertd, kantaibert-train, kbctl and kb-bench. Runs with any transformers version from 4.46. Starts a service, trains
a tiny model of each kind on a few hundred lines, and compares the answers of each generation with those of transformers. Exits with
status 1 at the first difference.
"""
import json, os, pathlib, random, signal, subprocess, sys, tempfile, time
import huggingface_hub, torch, transformers

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
TOLERANCE = 1e-4
SETTINGS = """
models: [filler, teller]
filler: {objective: mlm, preset: tiny, max_steps: 60, license: cc-by-4.0, language: ["no", en]}
teller: {objective: clm, preset: tiny, max_steps: 60, license: house-rules}
inbox: {stable: 100ms}
schedule: {settle: 100ms}
serving: {precision: float32}
"""
TEXTS = ["the old man walks to the river", "a young king sees the house.", "The  River — naïve 🙂 \u7406\u6027"]


def corpus():
    words = ["the", "old", "young", "man", "king", "river", "house", "walks", "sees", "to", "a", "naïve", "—", "🙂"]
    lines = random.Random(5)
    return "".join(" ".join(lines.choices(words, k=9)) + "\n\n" for _ in range(800))


def ours(build, directory, ids):
    done = subprocess.run([build / "kb-bench", "logits", directory, *map(str, ids)], capture_output=True, text=True)
    if done.returncode: sys.exit(f"{directory}: {done.stderr}")
    return torch.tensor(json.loads(done.stdout)).reshape(len(ids), -1)


def compare_embedding(found, directory, tokenizer, text):
    """Returns the largest difference from the mean pooling of sentence-transformers."""
    encoded = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        output = transformers.AutoModel.from_pretrained(directory, add_pooling_layer=False).eval()(**encoded).last_hidden_state
    if found["tokens"] != output.shape[1]: sys.exit(f"{text!r}: the embedding is of {found['tokens']} tokens, not {output.shape[1]}")
    return (output[0].mean(0) - torch.tensor(found["embedding"])).abs().max().item()


def check_card(build, socket, name, folder):
    """Exports a model and checks what huggingface_hub reads from its card."""
    done = subprocess.run([build / "kbctl", "export", name, folder, "--onnx", "--socket", socket], capture_output=True, text=True)
    if done.returncode: sys.exit(f"kbctl export: {done.stderr}")
    # Raises an error if the results are not in the form of a model index.
    data = huggingface_hub.ModelCard.load(folder / "README.md", ignore_metadata_errors=False).data.to_dict()
    arguments = json.loads((folder / "training_args.json").read_text())
    masked = name == "filler"
    results = data["model-index"][0]["results"][0]
    metrics = {metric["type"]: metric["value"] for metric in results["metrics"]}
    evaluation = arguments["evaluation"]
    for found, expected in [
            (data["pipeline_tag"], "fill-mask" if masked else "text-generation"), (data["library_name"], "transformers"),
            ((data["license"], data.get("license_name")), ("cc-by-4.0", None) if masked else ("other", "house-rules")),
            (data.get("language"), ["no", "en"] if masked else None), (results["task"]["type"], data["pipeline_tag"]),
            (metrics, {key: round(evaluation[key], 4) for key in metrics}),
            (transformers.AutoTokenizer.from_pretrained(folder).model_max_length, arguments["longest_position"])]:
        if found != expected: sys.exit(f"the card of {name} has {found}, expected {expected}")
    if "loss" not in metrics or "bits_per_byte" not in metrics: sys.exit(f"the card of {name} has the results {metrics}")


def check(build, socket, name, directory):
    """Returns the largest difference between logits and between scores."""
    def kbctl(*words):
        done = subprocess.run([build / "kbctl", *words, "-m", name, "--json", "--socket", socket], capture_output=True, text=True)
        if done.returncode: sys.exit(f"kbctl {words}: {done.stderr}")
        return json.loads(done.stdout)

    kind = transformers.AutoModelForMaskedLM if name == "filler" else transformers.RobertaForCausalLM
    model, tokenizer = kind.from_pretrained(directory).float().eval(), transformers.AutoTokenizer.from_pretrained(directory)
    worst = 0.0
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        tokens = kbctl("tokenize", text)["ids"]
        if [token for token in ids if token not in (0, 2)] != [token for token in tokens if token not in (0, 2)]:
            sys.exit(f"{name}, {text!r}: token ids differ: {ids} and {tokens}")
        with torch.no_grad(): expected = model(torch.tensor([ids])).logits[0]
        worst = max(worst, (ours(build, directory, ids) - expected).abs().max().item())
        worst = max(worst, compare_embedding(kbctl("embed", text)["embeddings"][0], directory, tokenizer, text))
        if name == "teller":
            scores = kbctl("score", "--tokens", text)["token_scores"]
            if [score["id"] for score in scores] != ids[1:]: sys.exit(f"{name}, {text!r}: other tokens are scored: {scores}")
            likely = torch.log_softmax(expected[:-1], -1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
            worst = max(worst, (likely - torch.tensor([score["log_probability"] for score in scores])).abs().max().item())
    if name == "filler":
        pipeline = transformers.pipeline("fill-mask", model=str(directory))
        for text in ("the old <mask> walks to the river", "a young king sees the <mask>"):
            found = kbctl("fill", text)["masks"][0]["fillings"]
            for mine, theirs in zip(found, pipeline(text), strict=True):
                if (mine["token"], mine["token_str"], mine["sequence"]) != (theirs["token"], theirs["token_str"], theirs["sequence"]):
                    sys.exit(f"{text!r}: candidates differ: {mine} and {theirs}")
                worst = max(worst, abs(mine["score"] - theirs["score"]))
    if not worst <= TOLERANCE: sys.exit(f"{name}: results differ by {worst:.2e}")
    return worst


def main(build):
    with tempfile.TemporaryDirectory(prefix="kb-published-") as folder:
        state = pathlib.Path(folder)
        (state / "kantaibert.yaml").write_text(SETTINGS)
        (state / "inbox").mkdir()
        (state / "inbox" / "corpus.txt").write_text(corpus())
        socket = state / "io.kantaibert"
        with open(state / "log", "w") as log:
            service = subprocess.Popen([build / "kantaibertd", "--state-dir", state, "--config", state / "kantaibert.yaml"], stderr=log)
        try:
            while not os.path.exists(socket):
                if service.poll() is not None: sys.exit((state / "log").read_text())
                time.sleep(0.05)
            if subprocess.run([build / "kbctl", "watch", "--exit-when-served", "--socket", socket], stdout=subprocess.DEVNULL).returncode:
                sys.exit((state / "log").read_text())
            errors = [check(build, socket, name, state / "models" / name / "current") for name in ("filler", "teller")]
            for name in ("filler", "teller"): check_card(build, socket, name, state / f"exported-{name}")
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait()
    print(json.dumps({"check": "published", "transformers": transformers.__version__, "directories": len(errors), "error": max(errors),
                      "tolerance": TOLERANCE, "passed": True}))


main(pathlib.Path(sys.argv[1]).resolve())
