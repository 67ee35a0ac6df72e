#!/usr/bin/env python3
"""Generates a table of customer support messages and the lines that Python extracts from it.

    python3 Tests/Parity/support_reference.py Tests/CorporaTests/Fixtures
    python3 Tests/Parity/support_reference.py --lines TABLE.csv     prints the lines of another table

The lines are those of csv.DictReader, cleaned as in the book: lowercase, a-z, white space and apostrophes, at least 30 words.
Line ends within a text become spaces, because each text is one line.
"""
import csv
import random
import re
import sys

SAID = """thanks for reaching out We're sorry I'd can't please DM "quote" us your account #number @115712 https://t.co/x
ΟΔΟΣ İstanbul K naïve 💯🤥 so, then 3.5 o'clock – \u00a0 \u2028 \u3000 a\u0085b""".split(" ")


def table(path):
    random.seed(6)
    with open(path, "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["tweet_id", "author_id", "text", "response_tweet_id"])
        for number in range(400):
            words = random.choices(SAID, k=random.randrange(70))
            text = "".join(word + random.choice([" ", " ", " ", "\n", "\r\n", "\r", "\t", ", "]) for word in words)
            writer.writerow([number, "user", text, random.choice(["", "1,2"])])
        # Irregular rows that no writer produces but a reader may encounter.
        words = " ".join(["word"] * 30)
        file.write(f'1,short\r\n\r\n\n2,u,{words},x,too,many\r3,u,{words} in "the" middle,\n4,u,"{words}" behind,\r\n')
        file.write(f'5,u,,\r\n6,u,"{words} ""quoted"""""')


def lines(path):
    with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
        for row in csv.DictReader(file):
            text = re.sub(r"\r\n|\r|\n", " ", row["text"] or "")
            text = re.sub(r"[^a-z\s\']", "", text.lower())
            if len(text.split()) >= 30:
                yield text


if sys.argv[1] == "--lines":
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    for line in lines(sys.argv[2]):
        print(line)
else:
    table(f"{sys.argv[1]}/support.csv")
    with open(f"{sys.argv[1]}/support.txt", "w", encoding="utf-8", newline="\n") as file:
        for line in lines(f"{sys.argv[1]}/support.csv"):
            file.write(line + "\n")
