#!/usr/bin/env python3
"""Runs our ONNX models with ONNX Runtime and compares the logits with those of transformers, within 1e-4.

Usage: onnx_parity.py KB_BENCH
Needs onnx, onnxruntime, torch and transformers. Tests models of both kinds with random weights, tied and untied, alone and in a batch with
padding, with the weights in the file and in model.safetensors beside it. Exits with status 1 at the first difference.
"""
import json, pathlib, subprocess, sys, tempfile
import numpy, onnx, onnxruntime, torch, transformers

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
KIND = {"mlm": transformers.RobertaForMaskedLM, "clm": transformers.RobertaForCausalLM}
TOLERANCE = 1e-4
# The last has the longest sequence of the model, 38 tokens.
BATCHES = [[[0, 17, 5, 90, 4, 66, 31, 2]], [[0, 9, 2]], [[0, 17, 5, 90, 4, 2], [0, 33, 2], [0, 7, 8, 9, 2]], [[0, *range(20, 56), 2]]]


def run(bench, *words):
    done = subprocess.run([bench, *map(str, words)], capture_output=True, text=True)
    if done.returncode: sys.exit(f"kb-bench {words[0]}: {done.stderr}")


def main(bench):
    worst, count = 0.0, 0
    for kind in KIND:
        for tied in (True, False):
            torch.manual_seed(count)
            config = transformers.RobertaConfig(
                vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
                max_position_embeddings=40, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2,
                is_decoder=kind == "clm", tie_word_embeddings=tied, layer_norm_eps=1e-5, initializer_range=0.2)
            model = KIND[kind](config).eval()
            with torch.no_grad():
                for parameter in model.parameters(): parameter.add_(torch.randn_like(parameter) * 0.05)
            for limit in (None, 50_000):
                with tempfile.TemporaryDirectory() as folder:
                    theirs, ours = pathlib.Path(folder) / "theirs", pathlib.Path(folder) / "ours"
                    ours.mkdir()
                    model.save_pretrained(theirs)
                    run(bench, "logits", theirs, 0, 2, "--write", ours)
                    run(bench, "onnx", ours, ours / "model.onnx", *([] if limit is None else ["--limit", limit]))
                    if limit is None: (ours / "model.safetensors").unlink()
                    onnx.checker.check_model(str(ours / "model.onnx"), full_check=True)
                    session = onnxruntime.InferenceSession(str(ours / "model.onnx"), providers=["CPUExecutionProvider"])
                    for rows in BATCHES:
                        length = max(map(len, rows))
                        ids = numpy.array([row + [1] * (length - len(row)) for row in rows], dtype=numpy.int64)
                        mask = (ids != 1).astype(numpy.int64)
                        found = session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]
                        with torch.no_grad():
                            expected = model(torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).logits.numpy()
                        error = float(numpy.abs(found - expected)[mask == 1].max())
                        if found.shape != expected.shape or not error <= TOLERANCE:
                            sys.exit(f"{kind} tied={tied} limit={limit} {rows}: logits differ by {error:.2e}")
                        worst, count = max(worst, error), count + 1
    print(json.dumps({"check": "onnx", "onnxruntime": onnxruntime.__version__, "transformers": transformers.__version__,
                      "batches": count, "error": worst, "tolerance": TOLERANCE, "passed": True}))


main(sys.argv[1])
