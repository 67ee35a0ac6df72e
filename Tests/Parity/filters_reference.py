#!/usr/bin/env python3
"""Computes Python's results for texts that the text filters must process identically.

    python3 Tests/Parity/filters_reference.py > Tests/TextFiltersTests/Fixtures/filters.json
"""
import json
import random
import re

URL = re.compile(r"\b(?:[Hh][Tt][Tt][Pp][Ss]?://|[Ww]{3}\.)\S+")
MENTION = re.compile(r"(?<!\w)@\w+")
ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)|[ -/]*[0-~])")
OVERSTRIKE = re.compile(r"_\x08(?=[^\n])|(.)\x08(?=\1)")

WRITTEN = [
    "",
    "Of the Difference between PURE and Empirical Knowledge",
    "It's 20 o'clock — isn't it?",
    "ΟΔΟΣ ΟΔΟΣ. ΣΑΣ Σ ΑΣ' ΑΣ'Α Α.Σ Σ1 1Σ Α\u0301Σ ΑΣ\u0301 ΑΣ\u0301Β \u00adΣ Α\u00adΣ\u00ad",
    "İstanbul IĞDIR ǅ Ǆ ẞ Å Ω K ſ ﬁ Ⅷ Ⓐ 𐐀 𐓆 Ꭰ Ჿ Ⴀ Ꮿ",
    "ПРИВЕТ, МИР! ԱՐԵՒ ŐŰ ÀÉÎÕÜ Ÿ Ɐ Ȿ Ꞌ",
    "a\u0085b\u00a0c\u1680d\u2003e\u2028f\u2029g\u202fh\u205fi\u3000j\u001ck\u001fl\u200bm\ufeffn\u180eo",
    "  leading\tand  trailing\u3000 ",
    "@one @two_2 mail@example.org a@b @ @@x (@three) é@four 中@five @ünï_1 @٣ @²x _@six",
    "https://t.co/AbC http://x HTTPS://Y.Z/?q=1&r=2#s www.example.org WWW.X wwww.no xhttp://no éhttp://no",
    "http:// https://\u3000www. www.\u00a0x (http://a.b) \"www.c.d\" http://é.中/路 -https://e",
    "💯🤥 ok 👩‍👩‍👧 fin",
    "k K K",
]
ALPHABET = "aAzZ09 _-'.:/@#\t\u00a0\u0130\u0131\u03a3\u03c3\u0301\u00ad\u2028\u4e2d\u00e9\u00c9\U0001f600\U00010400\u212a"
WORDS = ["http://", "https://", "www.", "@", "WWW.", "Σ", " ", "'", "x", "é"]


def made_up(random):
    parts = [random.choice(ALPHABET if random.random() < 0.7 else WORDS) for _ in range(random.randrange(40))]
    return "".join(parts)


TERMINAL = [
    "\x1b[1;31mred\x1b[0m \x1b]0;title\x07text \x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\ \x1b(B\x1b7\x1b",
    "N\bNA\bAM\bME\bE _\bu_\bn_\bd_\be_\br _\bx\bx é\bé _\b中 a\bb \n\b\n _\b\nx\b",
    "\x1b[12 \x1b[1\n\x1b]open\nend \x1b[?25h\x1b[2 q \x1bP1$r\x1b\\ \x1b\x1b[m \x1b[",
]
TERMINAL_PARTS = ["\x1b", "[", "]", "\b", "_", "m", "1;2", "\x07", "\\", " ", "(", "x", "é", "中", "\n", "P"]


def results(text):
    return {
        "text": text,
        "lowercase": text.lower(),
        "keep": re.sub(r"[^a-z\s\']", "", text),
        "keep_others": re.sub(r"[^A-Zé一-鿿😀-😂-]", "", text),
        "strip_urls": URL.sub("", text),
        "strip_mentions": MENTION.sub("", text),
        "strip_ansi": OVERSTRIKE.sub("", ANSI.sub("", text)),
        "tweets": re.sub(r"[^a-z\s\']", "", text.lower()),
        "words": len(text.split()),
    }


random.seed(6)
texts = WRITTEN + [made_up(random) for _ in range(300)]
texts += TERMINAL + ["".join(random.choices(TERMINAL_PARTS, k=random.randrange(30))) for _ in range(200)]
print(json.dumps([results(text) for text in texts], ensure_ascii=True, indent=0))
