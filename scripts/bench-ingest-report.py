#!/usr/bin/env python3
"""Turns what bench-ingest.sh has measured into a Markdown table.

usage: bench-ingest-report.py RESULTS.jsonl QUESTIONS.json QUESTIONS-WHILE-WRITING.json EVENTS-PER-SECOND TABLE.md BUILD-PROFILE
"""

import json
import os
import pathlib
import platform
import sys

SAID = {
    "fast": "as fast as they are taken",
    "rate": "at a steady rate",
    "backlog": "a backlog, from the moment that it is taken",
}


def main(results_path, questions_path, writing_path, rate, table_path, profile):
    runs = [json.loads(line) for line in pathlib.Path(results_path).read_text().splitlines()]
    quiet, busy = (json.loads(pathlib.Path(path).read_text()) for path in (questions_path, writing_path))
    text = "\n".join(
        [
            "# Benchmark of the ledger",
            "",
            f"{profile} build, {platform.machine()}, {os.cpu_count()} cores for everything together, Linux {platform.release()}.",
            "",
            *writing(runs),
            "",
            *reading(quiet, busy, rate),
            "",
        ]
    )
    pathlib.Path(table_path).write_text(text)
    print(text)


def writing(runs):
    yield "| events | how | seconds | events/s | visible p50 ms | visible p99 ms | CPU µs/event: ingest | Postgres | NATS |"
    yield "|---:|---|---:|---:|---:|---:|---:|---:|---:|"
    for run in runs:
        report = run["report"]
        seconds = report.get("drained_seconds") or report["committed_seconds"]
        visible = [f"{report[name]:,.0f}" if name in report else "–" for name in ("visible_p50_ms", "visible_p99_ms")]
        cpu = [
            f"{(run['cpu_after'][name] - run['cpu_before'][name]) * 1e6 / report['events']:.1f}"
            for name in ("usage-ingest", "postgres", "nats")
        ]
        cells = [f"{report['events']:,}", SAID[run["name"]], f"{seconds:.1f}", f"{report['events'] / seconds:,.0f}", *visible, *cpu]
        yield "| " + " | ".join(cells) + " |"


def reading(quiet, busy, rate):
    yield f"| question | p50 ms | p95 ms | max ms | p50 ms while {rate} events/s are written | p95 ms | max ms |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for alone, beside in zip(quiet, busy, strict=True):
        figures = [f"{times[name]:.0f}" for times in (alone, beside) for name in ("p50_ms", "p95_ms", "max_ms")]
        yield f"| {alone['question']} | " + " | ".join(figures) + " |"


if __name__ == "__main__":
    if len(sys.argv) != 7:
        sys.exit(__doc__)
    main(*sys.argv[1:])
