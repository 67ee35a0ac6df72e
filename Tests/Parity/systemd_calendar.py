#!/usr/bin/env python3
"""Records the results of `systemd-analyze calendar` for calendar expressions, for Tests/SchedulingTests.

Usage: systemd_calendar.py [OUT]
OUT: one line {expression, zone, base, normalized, elapses} per expression, with up to 5 elapses after `base` in the local time zone
`zone`, in seconds since 1970 (systemd-analyze does not print fractions); `normalized` and `elapses` are null for invalid expressions.
"""
import calendar, json, os, pathlib, random, re, subprocess, sys, time

OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "SchedulingTests/Fixtures/calendar.jsonl")
BERLIN, UTC, LORD_HOWE, SANTIAGO = "Europe/Berlin", "UTC", "Australia/Lord_Howe", "America/Santiago"


def at(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S"))


def ask(expression, zone, base):
    """Returns (normalized, elapses), or (None, None) if the expression is invalid."""
    said = subprocess.run(["systemd-analyze", "calendar", "--iterations=5", f"--base-time=@{base}", expression],
                          env={"TZ": zone, "PATH": os.environ["PATH"], "LC_ALL": "C", "SYSTEMD_PAGER": ""}, text=True, capture_output=True)
    if said.returncode: return None, None
    times = re.findall(r"\(in UTC\): \w+ ([\d-]+ [\d:]+) UTC", said.stdout) or re.findall(
        r"(?:Next elapse|Iter. #\d+): \w+ ([\d-]+ [\d:]+) UTC", said.stdout)
    return re.search(r"Normalized form: (.*)", said.stdout)[1], [at(t) for t in times]


# The examples of systemd.time(7), from both columns of its table, and further cases.
VALID = """
Sat,Thu,Mon..Wed,Sat..Sun|Mon,Sun 12-*-* 2,1:23|Wed *-1|Wed..Wed,Wed *-1|Wed, 17:48|Wed..Sat,Tue 12-10-15 1:2:3|*-*-7 0:0:0|10-15
monday *-12-* 17:00|Mon,Fri *-*-3,1,2 *:30:45|12,14,13,12:20,10,30|12..14:10,20,30|mon,fri *-1/2-1,3 *:30:45|03-05 08:05:40|08:05:40|05:40
Sat,Sun 12-05 08:05:40|Sat,Sun 08:05:40|2003-03-05 05:40|05:40:23.4200004/3.1700005|2003-02..04-05|2003-03-05 05:40 UTC|2003-03-05|03-05
hourly|daily|daily UTC|monthly|weekly|weekly Pacific/Auckland|yearly|annually|*:2/3|minutely|quarterly|semiannually|semi-annually|biannually
bi-annually|anually|DAILY|Weekly utc|*-*~1|*-02~3|*-05~07/1|*-*~1..5|Mon *-*~1..7|Mon *-*-1..7|Fri *-*-13|*-*-31|*-02-29|Mon *-2-29|*-02-30
*-*-* *:*:*|*:*|*-*-*|*-*-*~1|Mon..Fri 22:00|mon-fri 7:0|Mon..Fri,Sun 1:00|Sat..Sun *-*-* 23:59:59|*:0/10|*:*:0/20|*:*:0/0.5|*:*:5..7|0..23/2:0
0/6:30|22:00|00:00:00.000001|*-*-* 23:59:59.999999|2026-*-* 00:00|2026..2030-1-1|2024/4-02-29|70-1-1|69-1-1|99-12-31|2199-12-31 23:59:59|1970-1-1
2025-1-1|@1800000000|@0|02:30|*:0/30|2..4:30|*-3-29 2:30|*-10-25 2:30|01:30..59/7|0:0/15:0|10:00 Europe/Berlin|2:30 America/New_York|2:0 Asia/Kolkata
*-*-1 0:0 Pacific/Apia|*:0/20 Australia/Lord_Howe|Mon 9:00 Africa/Casablanca|*-*-* 1:59:60/1 UTC|1,3,5:2,4,6:1,2|*-1,2,3-*|*-*-1,15,31 6:00|Mon *-*-* *:0
*-*-5/10|*-*-5/10 1/5:2/9|*-*~28|*-*~1/3|*-*~2..9/3|*-*~1,3,15|1..3/5:0|0..0:0|0:0..10/3|*-*-* 00:00:59.5..59.9/0.2|Thu *-11~1..7|  daily|*-4..9/2-*
Sun *-4~1..7 2:00|Sun *-10~1..7 2:30|Tuesday|Tue,|*-*-*  3:00|Wed  3:00|1:2:3 Etc/GMT+5|*-*-* 12:00 GMT|12:00 utc|12:00 Factory|22:00 Zulu|*-12-31 23:59:59
*:*:10.25,20.5|*:*:3/7.25|20-2-29|*-2-28..29|Mon,Tue,Wed,Thu,Fri,Sat,Sun *-*-* 4:00|2026-11-25 11:00..13:00/20|2026..2027/2-6-1
""".replace("\n", "|").split("|")
INVALID = """
*/3:00|foo|Mony|Mon..|Mon..Wed..Fri|Fri..Mon|Mon;Tue|Mon 25:00|24:00|12:60|12:00:60|12:00:61|*-13-1|*-0-1|*-1-0|*-1-32|*-*~29|*-*~0|1969-1-1|2200-1-1
10..5:00|Sun..Mon|*-*-*-*|*~1~1|1~2-3|12|12:|:30|12:30:|*:*:*:*|-5:00|+5:00|5/0:00|5/:00|/5:00|5..:00|..5:00|0/24:00|23/1:00|*:59/1|12-31/1|*-*-31/1
*-12/1-1|2199/1-1-1|*-*~1/1/1|00:00:0..0.5|00:00:1.5..2|daily weekly|daily 12:00|12:00 daily|12:00 Mon|Europe/Berlin|UTC|12:00 Europe/Berlim|12:00 europe/berlin
12:00 UTC UTC|12:00 ../../etc/passwd|12:00 /usr/share/zoneinfo/UTC|@|@-1|@99999999999999999999|@12 3|@7258118400|12:00:00.|12:00:.5|12.5:00|1.5-1|Mon-|Mon. 1:00
Mon...Wed|Mon,,Tue|,Mon|2026-11-25T12:00|2026/11/25|11/25|tomorrow|now|+1h|99999999999:00|2147483648-1-1|12:00:2148|*-*-1,|1,:00|*,1:00|1-2 3|**:00|*-**
""".replace("\n", "|").split("|")

cases = []
cases += [(e, BERLIN, at("2026-03-28 22:00:00")) for e in VALID + ["daily ", " "] if e]
cases += [(e, UTC, at("2026-11-25 11:00:00")) for e in INVALID if e]

# Times around the start and end of daylight saving time in each zone.
CHANGES = {BERLIN: ["2026-03-29 01:00:00", "2026-10-25 01:00:00"], LORD_HOWE: ["2026-04-04 15:00:00", "2026-10-03 15:30:00"],
           SANTIAGO: ["2026-04-05 03:00:00", "2026-09-06 04:00:00"], "America/New_York": ["2026-03-08 07:00:00", "2026-11-01 06:00:00"]}
for zone, changes in CHANGES.items():
    for change in changes:
        for hours in [-26, -1.5, -1, -0.75, -0.25, 0, 0.25, 0.75, 1, 2]:
            for expression in ["02:30", "*:0/30", "1..3:15", "00:00", "*-*-* 0..23/2:10", "01:45"]:
                cases.append((expression, zone, at(change) + int(hours * 3600)))

# 29 February, the 31st, and the largest supported time.
for base in ["2096-03-01 00:00:00", "2190-02-25 01:10:00", "2199-12-31 22:59:00", "2027-12-31 23:59:59"]:
    for expression in ["*-02-29", "Mon *-2-29", "*-*-31", "*-02-30", "Mon *-*-1..7", "*-*~1", "daily", "*:*", "Fri *-2~1..3"]:
        cases.append((expression, UTC, at(base)))

rng = random.Random(6)


def field(low, high, fractions=False):
    def number():
        return f"{rng.randint(low, high)}" + (f".{rng.choice(['5', '25', '1234567'])}" if fractions and rng.random() < 0.3 else "")

    def element():
        text = number()
        if rng.random() < 0.3: text += ".." + number()
        if rng.random() < 0.3: text += f"/{rng.randint(1, max(2, (high - low) // 2))}"
        return text
    return "*" if rng.random() < 0.4 else ",".join(element() for _ in range(rng.choice([1, 1, 1, 2, 3])))


def anything():
    parts = []
    if rng.random() < 0.3:
        days = ["Mon", "tue", "Wednesday", "THU", "Fri", "Sat", "Sun"]
        parts.append(",".join(rng.choice(days) + (".." + rng.choice(days) if rng.random() < 0.4 else "") for _ in range(rng.randint(1, 3))))
    if rng.random() < 0.7:
        year = "" if rng.random() < 0.3 else ("*" if rng.random() < 0.7 else field(2025, 2040)) + "-"
        # For day lists counted from the end of the month, systemd 252 accepts three days fewer for each further item, a bug we do not reproduce.
        parts.append(year + field(1, 12) + rng.choice(["-" + field(1, 28), "-" + field(1, 31), "~" + field(1, 20)]))
    if rng.random() < 0.8: parts.append(field(0, 23) + ":" + field(0, 59) + ("" if rng.random() < 0.4 else ":" + field(0, 59, True)))
    if rng.random() < 0.2: parts.append(rng.choice(["UTC", BERLIN, "Asia/Tokyo", "America/Sao_Paulo"]))
    return " ".join(parts)


zones = [BERLIN, UTC, "America/St_Johns", "Asia/Kathmandu"]
cases += [(anything(), rng.choice(zones), rng.randint(at("2026-01-01 00:00:00"), at("2030-01-01 00:00:00"))) for _ in range(400)]

with OUT.open("w") as out:
    for expression, zone, base in dict.fromkeys(cases):
        normalized, elapses = ask(expression, zone, base)
        out.write(json.dumps({"expression": expression, "zone": zone, "base": base, "normalized": normalized, "elapses": elapses}) + "\n")
