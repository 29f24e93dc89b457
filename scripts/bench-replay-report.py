#!/usr/bin/env python3
"""Turns what bench-replay.sh has noted into a page, or counts the requests that were answered.

  bench-replay-report.py FOUND LIVE REPORT.md MIB EVENTS PROFILE
  bench-replay-report.py --answered FILLING LIVE
"""

import json
import sys

PHASES = {
    "replaying": "while old usage goes to the bus",
    "committing": "while the ledger takes it (2,000/s are sent)",
    "afterwards": "afterwards",
}


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def answered(filling, live):
    reports = lines_of(filling) + [line["report"] for line in lines_of(live)]
    failed = sum(report["errors"] for report in reports)
    if failed:
        sys.exit(f"{failed} requests failed")
    return sum(report["requests"] for report in reports)


def median(values):
    values = sorted(values)
    return values[len(values) // 2]


def page(found, live, mib, events, profile):
    with open(found, encoding="utf-8") as file:
        seconds = dict(line.split() for line in file)
    yield f"# {mib} MiB of journal, {events} events, taken over by a proxy that starts ({profile} build)\n"
    yield f"ready after {seconds['ready_seconds']} s, all on the bus after {seconds['published_seconds']} s, "
    yield f"all committed after {seconds['committed_seconds']} s\n\n"
    yield "| live traffic, as much as is answered | requests/s | p50 ms | p99 ms | failed |\n| --- | --- | --- | --- | --- |\n"
    for phase, words in PHASES.items():
        reports = [line["report"] for line in lines_of(live) if line["phase"] == phase]
        if reports:
            rate = median([report["requests_per_second"] for report in reports])
            p50, p99 = (median([report[f"{name}_us"] for report in reports]) / 1000 for name in ("p50", "p99"))
            failed = sum(report["errors"] for report in reports)
            yield f"| {words} | {rate:.0f} | {p50:.2f} | {p99:.2f} | {failed} |\n"


def main(arguments):
    if arguments[0] == "--answered":
        print(answered(*arguments[1:]))
        return
    found, live, target, mib, events, profile = arguments
    text = "".join(page(found, live, mib, events, profile))
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
