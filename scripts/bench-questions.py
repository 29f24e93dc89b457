#!/usr/bin/env python3
"""Asks the ledger what a portal asks, and says how long each answer took.

The admin's token comes on stdin. Each question is asked with different users, keys, teams and times in each round, so that
no answer is repeated. With --plans, the plans that Postgres has logged for the first round of each question are written to
that folder, one file each.

usage: bench-questions.py --url URL --rounds N --out FILE [--plans FOLDER --postgres-log FILE] < TOKEN
"""

import argparse
import datetime
import hashlib
import http.client
import json
import pathlib
import re
import statistics
import sys
import time
import urllib.parse

# As scripts/bench-fill.sql makes them: md5 of a name and a number.
KEYS, USERS, TEAMS, MODELS = 1000, 500, 100, 40


def main():
    arguments = parse_arguments()
    token = sys.stdin.readline().strip()
    ledger = Ledger(arguments.url, token)
    log = PlanLog(arguments.postgres_log, arguments.plans) if arguments.plans else None
    results = []
    for name, question in QUESTIONS.items():
        ledger.ask(question(0))  # Plans and pages are warm, as they are on a day of work.
        if log:
            log.skip()
            ledger.ask(question(1))
            log.write(name)
        times = [ledger.ask(question(number)) for number in range(2, 2 + arguments.rounds)]
        results.append({"question": name, "path": question(2), **figures(times)})
        print(f"{name}: p95 {results[-1]['p95_ms']:.0f} ms", flush=True)
    pathlib.Path(arguments.out).write_text(json.dumps(results, indent=2) + "\n")


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--plans")
    parser.add_argument("--postgres-log")
    return parser.parse_args()


def figures(times):
    times = sorted(times)
    at = lambda share: times[min(len(times) - 1, int(len(times) * share))]
    return {"p50_ms": statistics.median(times), "p95_ms": at(0.95), "max_ms": times[-1], "asked": len(times)}


class Ledger:
    def __init__(self, url, token):
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=120)
        self.headers = {"Authorization": f"Bearer {token}"}

    def ask(self, path):
        """Milliseconds to the last byte of the answer."""
        began = time.monotonic()
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {body[:500]!r}")
        return (time.monotonic() - began) * 1000


class PlanLog:
    """The plans in Postgres' log, as auto_explain writes them."""

    def __init__(self, path, folder):
        self.path, self.folder, self.position = pathlib.Path(path), pathlib.Path(folder), 0
        self.folder.mkdir(parents=True, exist_ok=True)

    def skip(self):
        self.position = self.path.stat().st_size

    def write(self, name):
        with self.path.open(errors="replace") as log:
            log.seek(self.position)
            text = log.read()
        plans = re.findall(r"plan:\n((?:\t.*\n)+)", text)
        # The statement's text is long, changes with each run, and is told by the plan.
        kept = [re.sub(r"(?m)^\tQuery Text:.*\n|^\t", "", plan) for plan in plans if "usage_" in plan]
        (self.folder / f"{name}.txt").write_text("\n".join(kept))


def path_of(operation, **parameters):
    pairs = [(name.rstrip("_"), value) for name, value in parameters.items()]
    return f"/api/v1/usage/{operation}?{urllib.parse.urlencode(pairs)}"


def id_of(what, number):
    return hashlib.md5(f"{what}-{number}".encode()).hexdigest()


def key(number):
    return {"key_id": "key_" + id_of("key", number * 37 % KEYS)}


def user(number):
    return {"user_id": "usr_" + id_of("user", number * 17 % USERS)}


def team(number):
    return {"team_id": "team_" + id_of("team", number * 7 % TEAMS)}


def model(number):
    return {"model": f"model-{number * 3 % MODELS}"}


def days(count, number, exact=False):
    """A period that ends some minutes ago, or at a quarter hour."""
    end = datetime.datetime.now(datetime.timezone.utc).replace(second=13, microsecond=0) - datetime.timedelta(minutes=number)
    if not exact:
        end = end.replace(minute=end.minute // 15 * 15, second=0) - datetime.timedelta(hours=number % 5)
    begin = end - datetime.timedelta(days=count)
    return {"from_": begin.strftime("%Y-%m-%dT%H:%M:%SZ"), "to": end.strftime("%Y-%m-%dT%H:%M:%SZ")}


ZONE = {"time_zone": "Europe/Vienna"}
QUESTIONS = {
    "summary-30d": lambda n: path_of("summary", **days(30, n)),
    "summary-30d-to-the-second": lambda n: path_of("summary", **days(30, n, exact=True)),
    "summary-90d": lambda n: path_of("summary", **days(90, n)),
    "summary-30d-of-a-user": lambda n: path_of("summary", **days(30, n), **user(n)),
    "summary-30d-of-a-key": lambda n: path_of("summary", **days(30, n), **key(n)),
    "summary-30d-of-a-team": lambda n: path_of("summary", **days(30, n), **team(n)),
    "series-cost-by-model-30d": lambda n: path_of("timeseries", metric="cost", interval="day", group="model", **ZONE, **days(30, n)),
    "series-requests-by-team-7d-hours": lambda n: path_of("timeseries", metric="requests", interval="hour", group="team", **ZONE, **days(7, n)),
    "series-cost-by-user-30d": lambda n: path_of("timeseries", metric="cost", interval="day", group="user", **ZONE, **days(30, n)),
    "series-cost-by-key-30d": lambda n: path_of("timeseries", metric="cost", interval="day", group="key", **ZONE, **days(30, n)),
    "series-tokens-of-a-user-30d": lambda n: path_of("timeseries", metric="total_tokens", interval="day", group="model", **ZONE, **days(30, n), **user(n)),
    "series-p95-by-model-7d": lambda n: path_of("timeseries", metric="latency_p95", interval="hour", group="model", **ZONE, **days(7, n)),
    "series-requests-1d-minutes-of-a-user": lambda n: path_of("timeseries", metric="requests", interval="minute", **days(1, n), **user(n)),
    "series-cost-by-model-30d-in-tokyo": lambda n: path_of("timeseries", metric="cost", interval="day", group="model", time_zone="Asia/Tokyo", **days(30, n)),
    "series-cost-90d-weeks": lambda n: path_of("timeseries", metric="cost", interval="week", **ZONE, **days(90, n)),
    "breakdown-by-model-30d": lambda n: path_of("breakdown", group="model", sort="cost", **days(30, n)),
    "breakdown-by-user-30d": lambda n: path_of("breakdown", group="user", sort="cost", **days(30, n)),
    "breakdown-by-key-30d": lambda n: path_of("breakdown", group="key", sort="cost", **days(30, n)),
    "breakdown-by-key-30d-of-a-model": lambda n: path_of("breakdown", group="key", sort="cost", **days(30, n), **model(n)),
    "breakdown-by-team-30d": lambda n: path_of("breakdown", group="team", sort="cost", **days(30, n)),
    "breakdown-by-user-30d-with-percentiles": lambda n: path_of("breakdown", group="user", sort="cost", latency="true", **days(30, n)),
    "filters-30d": lambda n: path_of("filters", **days(30, n)),
    "requests-newest": lambda n: path_of("requests", limit=50),
    "requests-of-a-user": lambda n: path_of("requests", limit=50, **user(n)),
    "requests-of-a-key-failed": lambda n: path_of("requests", limit=50, outcome="upstream_error", **key(n)),
    "requests-of-a-team": lambda n: path_of("requests", limit=50, **team(n)),
    "requests-by-request-id": lambda n: path_of("requests", request_id=f"none-{n}"),
    "chargeback-by-team": lambda n: path_of("chargeback", month=days(3, n)["to"][:7], by="team"),
    "chargeback-by-cost-centre": lambda n: path_of("chargeback", month=days(3, n)["to"][:7], by="cost_centre"),
}

if __name__ == "__main__":
    main()
