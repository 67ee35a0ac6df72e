#!/usr/bin/env python3
"""Compares kb-bench's tokenizer with the installed Hugging Face libraries: training, encoding, decoding, and loading by transformers.

Usage: tokenizer_parity.py KB_BENCH [--seed N] [--rounds N] [--old PYTHON] [FILE …]
Runs with the pinned reference libraries; --old is the Python of the older transformers (4.46), whose results must match as well. Texts
are generated from the seed, which is printed: prose, CSV, source code, all scripts, control characters, CRLF, long words and text that
resembles special tokens; each FILE is used as training text. Prints the first difference and exits with status 1.
"""
import argparse, json, pathlib, random, subprocess, sys, tempfile, unicodedata
from tokenizers import AddedToken, ByteLevelBPETokenizer, Tokenizer, decoders, models, pre_tokenizers, processors

SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
SPACES = " \t\n\v\f\r\u0085\u00a0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "''", "'", "’s", "'l", "'r", "'v", "'\u017f"]
SCRIPTS = [(0x21, 0x7f), (0xa1, 0x250), (0x370, 0x400), (0x400, 0x530), (0x590, 0x600), (0x600, 0x700), (0x900, 0x980), (0xe00, 0xe80),
           (0x1100, 0x1200), (0x3040, 0x3100), (0x4e00, 0x4f00), (0xac00, 0xad00), (0x1d400, 0x1d800), (0x1f300, 0x1f700), (0x300, 0x370),
           (0x1c80, 0x1c90), (0xa7c0, 0xa800), (0x10ec0, 0x10f00), (0x2150, 0x2190), (0x2460, 0x2500), (0xe000, 0xe010), (0x2ebf0, 0x2ee5e)]


def scalar(rng):
    while True:
        low, high = rng.choice(SCRIPTS) if rng.random() < 0.9 else (0, 0x110000)
        code = rng.randrange(low, high)
        if not 0xD800 <= code < 0xE000: return chr(code)


def piece(rng):
    kind = rng.randrange(12)
    if kind == 0: return rng.choice(SPECIALS)
    if kind == 1: return "".join(rng.choice(SPACES) for _ in range(rng.randint(1, 4)))
    if kind == 2: return rng.choice(CONTRACTIONS)
    if kind == 3: return str(rng.randrange(10 ** rng.randint(1, 9)))
    if kind == 4: return "".join(chr(rng.randrange(32)) for _ in range(rng.randint(1, 3)))
    if kind == 5: return rng.choice(["\r\n", "\n\n", "  ", " ", "--", "...", "{}();", "a,b;c", '"x","y"', "if (a[i] != b) {"])
    if kind == 6: return rng.choice(["x", "ab", "aab", " "]) * rng.randint(1, 300)
    if kind in (7, 8): return "".join(rng.choice("etaoin shrdlu") for _ in range(rng.randint(1, 12)))
    return "".join(scalar(rng) for _ in range(rng.randint(1, 6)))


def random_text(rng, pieces):
    return "".join(piece(rng) + (" " if rng.random() < 0.4 else "") for _ in range(pieces))


def corpora(rng):
    """Yields training texts as (name, sequences)."""
    words = ["".join(rng.choice("abcdeghilmnorstu") for _ in range(rng.randint(1, 9))) for _ in range(400)]
    def prose(n): return " ".join(rng.choices(words, weights=[1 / (i + 1) for i in range(400)], k=n))
    yield "prose", [prose(5000)]
    yield "two sequences", [prose(500) + " ", " " + prose(500)]
    yield "crlf", ["\r\n".join(prose(8) for _ in range(300))]
    yield "csv", ["\n".join(f'{i},"{prose(3)}",{rng.random():.4f},@{rng.choice(words)}' for i in range(500))]
    yield "source", ["\n".join(f"{'    ' * rng.randint(0, 4)}if ({rng.choice(words)}_{i} == {rng.choice(words)}) {{ return '{rng.choice(words)}'; }}" for i in range(400))]
    yield "scripts", ["".join("".join(scalar(rng) for _ in range(rng.randint(1, 5))) + rng.choice([" ", "", "\n"]) for _ in range(3000))]
    yield "control", ["".join(rng.choice(["\0", "\x01", "\x1f", "\x7f", "\x85", "a", " "]) for _ in range(4000))]
    yield "random", [random_text(rng, 1500) for _ in range(3)]
    yield "runs", ["a" * 9999 + " " + "ab" * 5000 + " " + "aab" * 3000 + " " * 5000 + "b"]
    yield "two ways", [" ".join(rng.choice(["abc", "xabc", "abcx", "bc", "ab", "abcd", "zabcd", "bcd", "cd", "abab", "ababc", "cab"]) for _ in range(3000))]
    yield "tokens", [" ".join(rng.choice(["<s>", "</s>", "<mask>", "<pad>s", "<unk>", "<<s>>", "s>", "<s"]) for _ in range(2000))]
    yield "few letters", ["".join(rng.choice("abc ") for _ in range(20000))]
    yield "empty", [""]
    yield "nothing", []


def run(arguments, text=None):
    done = subprocess.run(arguments, input=text, capture_output=True, text=True)
    if done.returncode != 0: sys.exit(f"{' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


def differ(*what):
    print("DIFFERENT:", *what)
    sys.exit(1)


def compare_training(bench, name, texts, vocab, frequency, out):
    theirs = ByteLevelBPETokenizer()
    theirs.train_from_iterator(texts, vocab_size=vocab, min_frequency=frequency, show_progress=False, special_tokens=SPECIALS)
    (out / "theirs").mkdir(exist_ok=True)
    theirs.save_model(str(out / "theirs"))
    files = []
    for i, text in enumerate(texts or [""]):
        files.append(out / f"corpus-{i}.txt")
        files[-1].write_bytes(text.encode())
    run([bench, "tokenizer", "train", *files, "--vocab-size", str(vocab), "--min-frequency", str(frequency), "--out", out / "ours"])
    for file in ("vocab.json", "merges.txt"):
        if (out / "ours" / file).read_bytes() != (out / "theirs" / file).read_bytes(): differ(name, vocab, frequency, file, "see", out)
    return theirs


def compare_encoding(bench, directory, theirs, texts, special, skip=False, split=False):
    arguments = [bench, "tokenizer", "encode", directory]
    theirs.encode_special_tokens = split
    if split: arguments.append("--split-special-tokens")
    if special: arguments.append("--add-special-tokens")
    if skip: arguments.append("--skip-special-tokens")
    lines = run(arguments, "".join(json.dumps(t) + "\n" for t in texts)).splitlines()
    if len(lines) != len(texts): differ("lines", len(lines), len(texts))
    for text, line in zip(texts, lines):
        ours, wanted = json.loads(line), theirs.encode(text, add_special_tokens=special)
        if ours["ids"] != wanted.ids: differ("ids of", repr(text), ours["ids"], wanted.ids)
        tokens = [theirs.id_to_token(i) for i in wanted.ids]
        if ours["tokens"] != tokens: differ("tokens of", repr(text), ours["tokens"], tokens)
        decoded = theirs.decode(wanted.ids, skip_special_tokens=skip)
        if ours["decoded"] != decoded: differ("decoded of", repr(text), repr(ours["decoded"]), repr(decoded))


def variants(model_directory, out):
    """Yields tokenizer.json files in all supported forms, each with Hugging Face's tokenizer loaded from it."""
    vocab, merges = str(model_directory / "vocab.json"), str(model_directory / "merges.txt")
    def base(**options):
        t = Tokenizer(models.BPE.from_file(vocab, merges, **options))
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        t.decoder = decoders.ByteLevel()
        return t
    roberta = base(continuing_subword_prefix="", end_of_word_suffix="")
    roberta.add_special_tokens([AddedToken(s, lstrip=s == "<mask>", normalized=s != "<mask>", special=True) for s in SPECIALS])
    roberta.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    gpt2 = base()
    gpt2.add_special_tokens([AddedToken("<|endoftext|>", special=True)])
    gpt2.post_processor = processors.ByteLevel(trim_offsets=False)
    added = base()
    added.add_special_tokens([AddedToken("<s>", lstrip=True, rstrip=True), AddedToken("<ss>", rstrip=True), AddedToken("</s>", lstrip=True)])
    added.add_tokens([AddedToken("the th", normalized=True), AddedToken("th", normalized=True, lstrip=True), AddedToken("é ", normalized=False), AddedToken("数学", rstrip=True)])
    prefix = base()
    prefix.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    prefix.add_special_tokens([AddedToken(s, lstrip=s == "<mask>") for s in SPECIALS])
    cut = Tokenizer.from_str(roberta.to_str())
    cut.enable_truncation(9)
    left = Tokenizer.from_str(roberta.to_str())
    left.enable_truncation(5, direction="left")
    for name, tokenizer in dict(roberta=roberta, gpt2=gpt2, added=added, prefix=prefix, cut=cut, left=left).items():
        for merges_as in ("pairs", "strings"):
            directory = out / f"{name}-{merges_as}"
            directory.mkdir(exist_ok=True)
            content = json.loads(tokenizer.to_str())
            if merges_as == "strings": content["model"]["merges"] = [" ".join(m) for m in content["model"]["merges"]]
            (directory / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False))
            yield directory, Tokenizer.from_file(str(directory / "tokenizer.json"))


READ_BY_TRANSFORMERS = """
import json, sys
from transformers import AutoTokenizer, __version__
t = AutoTokenizer.from_pretrained(sys.argv[1]); texts = json.load(sys.stdin); out = []
for s in texts:
    ids = t(s, add_special_tokens=False)["input_ids"]
    whole = t(s)["input_ids"]
    out.append([ids, whole, t(s, truncation=True, max_length=9)["input_ids"], t.decode(ids), t.decode(whole, skip_special_tokens=True)])
about = [t.mask_token_id, t.pad_token_id, t.bos_token_id, t.eos_token_id, t.unk_token_id, t.cls_token_id, t.sep_token_id, len(t), t.model_max_length]
print(json.dumps([__version__, about, out]))
"""


def compare_transformers(bench, directory, python, texts):
    version, about, theirs = json.loads(run([python, "-c", READ_BY_TRANSFORMERS, directory], json.dumps(texts)))
    size = len(json.loads((directory / "vocab.json").read_text()))
    if about != [4, 1, 0, 2, 3, 0, 2, size, 512]: differ("transformers", version, "special ids", about)
    modes = [[], ["--add-special-tokens"], ["--add-special-tokens", "--max-length", "9"], [], ["--add-special-tokens", "--skip-special-tokens"]]
    keys = ["ids", "ids", "ids", "decoded", "decoded"]
    stdin = "".join(json.dumps(t) + "\n" for t in texts)
    for mode, (arguments, key) in enumerate(zip(modes, keys)):
        lines = run([bench, "tokenizer", "encode", directory, *arguments], stdin).splitlines()
        for text, line, wanted in zip(texts, lines, theirs):
            ours = json.loads(line)[key]
            if ours != wanted[mode]: differ("transformers", version, arguments, key, repr(text), ours, wanted[mode])
    return version


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("bench"); ap.add_argument("files", nargs="*"); ap.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    ap.add_argument("--rounds", type=int, default=1); ap.add_argument("--old")
    a = ap.parse_intermixed_args()
    print("seed", a.seed, flush=True)
    trained = encoded = 0
    with tempfile.TemporaryDirectory() as folder:
        for round in range(a.rounds):
            rng = random.Random(a.seed + round)
            texts = ["", " ", "<mask>", " <mask>", "<s>"] + [random_text(rng, rng.randint(1, 20)) for _ in range(1500)]
            for number, (name, sequences) in enumerate(corpora(rng)):
                out = pathlib.Path(folder) / f"{round}-{number}"
                out.mkdir()
                settings = [(261, 1), (300, 2), (2000, 1), (30000, 2)] if round == 0 else [(rng.randint(261, 1500), rng.randint(1, 5))]
                for vocab, frequency in settings:
                    theirs = compare_training(a.bench, name, sequences, vocab, frequency, out)
                    trained += 1
                bare = out / "theirs"
                theirs.add_special_tokens(SPECIALS)
                compare_encoding(a.bench, bare, theirs, texts[:300], False)
                encoded += 300
                if round == 0 and name == "scripts":
                    codes = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
                    every = ["".join(f"a{c}a1{c}1.{c}." for c in codes[i : i + 64]) for i in range(0, len(codes), 64)]
                    compare_encoding(a.bench, bare, theirs, every, False)
                    encoded += len(every)
                    print("results match for every code point", flush=True)
                if name in ("random", "scripts", "prose"):
                    for directory, tokenizer in variants(bare, out):
                        for special in (False, True):
                            compare_encoding(a.bench, directory, tokenizer, texts, special, skip=special)
                            compare_encoding(a.bench, directory, tokenizer, texts, special, split=True)
                            encoded += 2 * len(texts)
                    for python in [sys.executable] + ([a.old] if a.old else []):
                        # Older tokenizers versions use an older Unicode version: skip characters that only the newer one classifies as letters.
                        known = texts if python == sys.executable else [t for t in texts if all(unicodedata.category(c) != "Cn" for c in t)]
                        version = compare_transformers(a.bench, out / "ours", python, known[:400])
                        if round == 0: print("transformers", version, "reads", name, flush=True)
        for file in a.files:
            out = pathlib.Path(folder) / pathlib.Path(file).name
            out.mkdir()
            text = open(file, encoding="utf-8", errors="replace", newline="").read()
            for vocab, frequency in [(1000, 2), (52000, 2)]:
                compare_training(a.bench, file, [text], vocab, frequency, out)
                trained += 1
    print(json.dumps({"bench": "tokenizer parity", "seed": a.seed, "trained": trained, "encoded": encoded, "different": 0}))


if __name__ == "__main__": main()
