#!/usr/bin/env python3
"""Writes Sources/Tokenizers/UnicodeClassRanges.swift: the character classes \\p{L}, \\p{N} and \\s of the installed `tokenizers`.

Usage: unicode_classes.py [OUT.swift]
Queries the ByteLevel pre-tokenizer for every code point: after a letter, digit or punctuation mark, the code point either continues
the run or starts a new piece.
"""
import pathlib, sys
import tokenizers
from tokenizers.pre_tokenizers import ByteLevel

OTHER, LETTER, NUMBER, SPACE = range(4)
split = ByteLevel(add_prefix_space=False).pre_tokenize_str


def joins(run, character):
    return len(split(run + character)) == 1


def class_of(code):
    if 0xD800 <= code < 0xE000: return OTHER
    character = chr(code)
    found = [c for c, run in ((OTHER, "!"), (LETTER, "a"), (NUMBER, "1")) if joins(run, character)]
    assert len(found) <= 1, hex(code)
    return found[0] if found else SPACE


starts, previous = [], None
for code in range(0x110000):
    current = class_of(code)
    if current != previous: starts.append(code << 2 | current)
    previous = current

default = pathlib.Path(__file__).parent.parent.parent / "Sources/Tokenizers/UnicodeClassRanges.swift"
out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
words = [f"0x{s:06X}," for s in starts]
lines = ["        " + " ".join(words[i : i + 10]) for i in range(0, len(words), 10)]
out.write_text(f"""// Written by Tests/Parity/unicode_classes.py from tokenizers {tokenizers.__version__}; do not edit.

extension UnicodeClasses {{
    /// The boundaries between classes in ascending order, encoded as code point × 4 + class.
    static let ranges: [UInt32] = [
""" + "\n".join(lines) + "\n    ]\n}\n")
