#!/usr/bin/env python3
"""Turns the reports of the load generator into a Markdown table and a JSON file.

usage: bench-report.py RESULTS.jsonl MEMORY.jsonl TABLE.md FIGURES.json BUILD-PROFILE

Each figure is the median over the rounds. Added latencies are differences to the run without a gateway in the same round.
Exit code 1 when a request failed: figures with failures in them are not a comparison.
"""

import json
import pathlib
import platform
import statistics
import sys

SCENARIOS = {
    "chat": "chat, 1 KB answers, as many as possible",
    "steady": "chat, 200 requests/s",
    "stream": "stream of 50 chunks at once",
    "paced": "stream of 50 chunks, 20 ms apart, 64 at a time",
    "prompt": "chat with a prompt of 100 kB",
    "prompt200": "chat with a prompt of 200 kB",
    "half": "chat at half of the proxy's saturation",
    "first": "100 streams/s of 10 chunks, 10 ms apart",
}
TARGETS = ("direct", "nginx", "bare", "proxy")
COLUMNS = (
    ("load", None),
    ("gateway", None),
    ("requests/s", "requests_per_second"),
    ("requests/s × nginx", "throughput_ratio"),
    ("CPU µs/request", "cpu_us_per_request"),
    ("CPU × nginx", "cpu_ratio"),
    ("CPU × bare", "cpu_bare_ratio"),
    ("added p50 µs", "added_p50_us"),
    ("added p99 µs", "added_p99_us"),
    ("first chunk added p50 µs", "added_first_chunk_p50_us"),
    ("chunks/s", "chunks_per_second"),
    ("RSS MiB", "rss_mib"),
)


def main(results_path, memory_path, table_path, figures_path, profile):
    runs = [json.loads(line) for line in pathlib.Path(results_path).read_text().splitlines()]
    figures = {scenario: figures_of(runs, scenario) for scenario in SCENARIOS}
    memory = [json.loads(line) for line in pathlib.Path(memory_path).read_text().splitlines()]
    table = table_of(figures, profile, rounds=max(run["round"] for run in runs))
    table += per_100_kb(figures) + memory_lines(memory)
    pathlib.Path(table_path).write_text(table)
    pathlib.Path(figures_path).write_text(json.dumps({"profile": profile, "figures": figures, "memory": memory, "runs": runs}, indent=2) + "\n")
    print(table)
    return report_failures(runs)


def figures_of(runs, scenario):
    by_target = {target: {} for target in TARGETS}
    for run in runs:
        if run["scenario"] == scenario:
            by_target[run["target"]][run["round"]] = run["report"]
    figures = {target: medians(reports, by_target["direct"]) for target, reports in by_target.items()}
    # Without a gateway the measured process is the upstream itself; its cost is no gateway's.
    figures["direct"]["cpu_us_per_request"] = None
    for target in TARGETS:
        figures[target]["cpu_ratio"] = ratio(figures, target, "nginx", "cpu_us_per_request")
        figures[target]["cpu_bare_ratio"] = ratio(figures, target, "bare", "cpu_us_per_request")
        figures[target]["throughput_ratio"] = ratio(figures, target, "nginx", "requests_per_second")
    return figures


def ratio(figures, target, base, name):
    value, beside = figures[target][name], figures[base][name]
    return value / beside if value is not None and beside else None


def per_100_kb(figures):
    """What each further 100 kB of a prompt cost."""
    costs = {
        target: figures["prompt200"][target]["cpu_us_per_request"] - figures["prompt"][target]["cpu_us_per_request"]
        for target in TARGETS
        if target != "direct"
    }
    listed = ", ".join(f"{target} {cost:.1f} µs" for target, cost in costs.items())
    return f"\nCPU per further 100 kB of prompt: {listed} (proxy {costs['proxy'] / costs['nginx']:.2f} × nginx).\n"


def memory_lines(memory):
    said = {
        "idle": "idle",
        "open-streams": "at most, with {count:,} open streams",
        "many-requests": "after {count:,} more requests",
    }
    lines = [f"- {said[line['memory']].format(**line)}: {line['after_kb'] / 1024:.0f} MiB (before: {line['before_kb'] / 1024:.0f})" for line in memory]
    return "\nThe proxy's resident memory:\n\n" + "\n".join(lines) + "\n"


def medians(reports, direct):
    def median(read):
        values = [read(report, direct[number]) for number, report in reports.items()]
        return statistics.median(values) if values and None not in values else None

    def added(name):
        return None if reports is direct else median(lambda report, base: report[name] - base[name])

    def of_stream(read):
        return median(lambda report, base: read(report["stream"], base["stream"]) if "stream" in report else None)

    first_chunk = "first_chunk_p50_us"
    return {
        "requests_per_second": median(lambda report, _: report["requests_per_second"]),
        "cpu_us_per_request": median(lambda report, _: report["processes"]["cpu_us_per_request"]),
        "rss_mib": median(lambda report, _: report["processes"]["rss_kb"] / 1024) if reports is not direct else None,
        "p50_us": median(lambda report, _: report["p50_us"]),
        "p99_us": median(lambda report, _: report["p99_us"]),
        "added_p50_us": added("p50_us"),
        "added_p99_us": added("p99_us"),
        "chunks_per_second": of_stream(lambda stream, _: stream["chunks_per_second"]),
        "added_first_chunk_p50_us": None
        if reports is direct
        else of_stream(lambda stream, base: stream[first_chunk] - base[first_chunk]),
    }


def table_of(figures, profile, rounds):
    lines = [
        "# Benchmark",
        "",
        f"{profile} build, {platform.machine()}, Linux {platform.release()}, medians of {rounds} rounds that took turns. One worker per "
        "gateway, pinned to its own core.",
        "Only the CPU columns compare across machines: the load generator and the upstream share the other core.",
        "",
        "| " + " | ".join(title for title, _ in COLUMNS) + " |",
        "|" + "|".join("---" if field is None else "---:" for _, field in COLUMNS) + "|",
    ]
    for scenario, title in SCENARIOS.items():
        for target in TARGETS:
            cells = [shown(name, figures[scenario][target].get(name)) for _, name in COLUMNS if name]
            lines.append("| " + " | ".join([title, target, *cells]) + " |")
    return "\n".join(lines) + "\n"


def shown(name, value):
    if value is None:
        return "–"
    return f"{value:.2f}" if name.endswith("_ratio") else f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"


def report_failures(runs):
    failed = [run for run in runs if run["report"]["errors"]]
    for run in failed:
        report = run["report"]
        where = f"{run['scenario']} through {run['target']}, round {run['round']}"
        print(f"{where}: {report['errors']} of {report['errors'] + report['requests']} failed: "
              f"{report.get('first_error')}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
