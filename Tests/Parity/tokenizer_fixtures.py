#!/usr/bin/env python3
"""Records the results of Hugging Face `tokenizers`, for Tests/TokenizersTests.

Usage: tokenizer_fixtures.py [OUT]
OUT/training.jsonl          {name, texts, vocab_size, min_frequency, tokens, merges}: a tokenizer trained on `texts`, one sequence each
OUT/shapes/NAME/            tokenizer.json in a supported form; encodings.jsonl: {text, ids, split_ids, tokens, decoded, special_ids,
                            skipped}: with and without the post-processor, decoded with and without special tokens; `split_ids` are
                            those of `split_special_tokens=True`
OUT/random.jsonl            {text, ids} of random Unicode strings, by the tokenizer in OUT/nasty-700
"""
import json, pathlib, random, sys, tempfile
from tokenizers import ByteLevelBPETokenizer
import tokenizer_parity as parity

OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "TokenizersTests/Fixtures")
rng = random.Random(20)


def lines(path, values):
    path.write_text("".join(json.dumps(v) + "\n" for v in values))


def train(texts, vocab, frequency):
    t = ByteLevelBPETokenizer()
    t.train_from_iterator(texts, vocab_size=vocab, min_frequency=frequency, show_progress=False, special_tokens=parity.SPECIALS)
    return t


trainings = []
for name, texts in parity.corpora(rng):
    texts = [t[:3000] for t in texts]
    for vocab, frequency in [(300, 2), (500, 1)]:
        content = json.loads(train(texts, vocab, frequency).to_str())["model"]
        tokens = sorted(content["vocab"], key=content["vocab"].get)
        trainings.append({"name": name, "texts": texts, "vocab_size": vocab, "min_frequency": frequency, "tokens": tokens[261:], "merges": content["merges"]})
lines(OUT / "training.jsonl", trainings)

bare = ByteLevelBPETokenizer.from_file(str(OUT / "nasty-700/vocab.json"), str(OUT / "nasty-700/merges.txt"))
bare.add_special_tokens(parity.SPECIALS)
texts = [parity.random_text(rng, rng.randint(1, 12)) for _ in range(150)]
lines(OUT / "random.jsonl", [{"text": t, "ids": bare.encode(t).ids} for t in texts])

probes = ["", " ", "<mask>", " <mask>", "a \u3000\t<mask> b", "<mask><mask>", "<mask> <mask>", "x<s> y</s>", "  <s>  </s>  <ss> ", "the th the the th", "th th",
          "é é", "数学  は", "<|endoftext|> end", " <|endoftext|>", "hello world, this is long enough to be cut", "'s<mask>'s", "\n<mask>\n", "<mask", "< mask>"]
with tempfile.TemporaryDirectory() as folder:
    model = pathlib.Path(folder) / "model"
    model.mkdir()
    train([(OUT / "nasty.txt").read_bytes().decode() + " the th" * 50], 330, 2).save_model(str(model))
    for directory, tokenizer in parity.variants(model, pathlib.Path(folder)):
        shape = OUT / "shapes" / directory.name
        if shape.name.endswith("-strings") and not shape.name.startswith(("roberta", "gpt2")): continue
        shape.mkdir(parents=True, exist_ok=True)
        (shape / "tokenizer.json").write_bytes((directory / "tokenizer.json").read_bytes())
        values = []
        for text in probes + texts[:30]:
            plain, special = tokenizer.encode(text, add_special_tokens=False), tokenizer.encode(text)
            tokenizer.encode_special_tokens = True    # `split_special_tokens` of transformers
            split = tokenizer.encode(text, add_special_tokens=False)
            tokenizer.encode_special_tokens = False
            values.append({"text": text, "ids": plain.ids, "split_ids": split.ids, "tokens": [tokenizer.id_to_token(i) for i in plain.ids],
                           "decoded": tokenizer.decode(plain.ids, skip_special_tokens=False), "special_ids": special.ids,
                           "skipped": tokenizer.decode(special.ids, skip_special_tokens=True)})
        lines(shape / "encodings.jsonl", values)
