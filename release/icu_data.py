"""Reduces the locale data of ICU to the root and English locales.

Foundation's copy of ICU contains the data of every locale, a hundred character encodings, dictionaries and
transliterations: 34 MB. The programs use none of it: they print English, sort and fold text by code points, and read
encodings with kantaibert-read's own tables. ICU falls back to the root locale for a locale that it does not have.

The format is ICU's: a header with its size in its first two bytes, then a table of contents (a count, and for each item the
offsets of its name and data from the start of the table, sorted by name), names, and data aligned to 16 bytes.
"""

import re
import struct

KEPT_LOCALES = {"root", "pool", "res_index", "en", "en_US", "en_US_POSIX"}
# Tables that are not about one locale.
LOCALE = re.compile(r"[a-z]{2,3}(_\w+)?")
DROPPED = re.compile(r".*\.cnv|.*\.dict|unames\.icu|translit/.*|rbnf/.*")


def is_kept(name):
    if DROPPED.fullmatch(name):
        return False
    if not name.endswith(".res"):
        return True
    stem = name.removesuffix(".res").rpartition("/")[2]
    return stem in KEPT_LOCALES or not LOCALE.fullmatch(stem)


def reduce(data):
    (header,) = struct.unpack_from("<H", data, 0)
    if data[2:4] != b"\xda\x27" or data[8] != 0:
        raise ValueError("this is not ICU data of a little-endian machine")
    (count,) = struct.unpack_from("<I", data, header)
    entries = []
    for index in range(count):
        name, start = struct.unpack_from("<II", data, header + 4 + 8 * index)
        name = data[header + name : data.index(b"\0", header + name)]
        entries.append((name, header + start))
    ends = [start for _, start in entries[1:]] + [len(data)]
    kept = [
        (name, data[start:end])
        for (name, start), end in zip(entries, ends)
        if is_kept(name.decode().partition("/")[2])
    ]
    names = b"".join(name + b"\0" for name, _ in kept)
    names_at = 4 + 8 * len(kept)
    items_at = names_at + len(names)
    padding = -(header + items_at) % 16
    table, items, name_at = struct.pack("<I", len(kept)), b"", names_at
    for name, item in kept:
        table += struct.pack("<II", name_at, items_at + padding + len(items))
        name_at += len(name) + 1
        items += item + bytes(-len(item) % 16)
    return data[:header] + table + names + bytes(padding) + items
