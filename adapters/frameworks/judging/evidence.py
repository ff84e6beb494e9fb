"""Reads a results.jsonl (docs/results_format.md) and sorts what it says about one backend."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

SCHEMA = "dropcheck.results"
MAJOR = 1
RANKS = ("fail", "error", "inconclusive", "expected_fail", "pass", "unsupported")


class UnreadableResults(Exception):
    """The file cannot be used; the text says why."""


def read_results(path: Path) -> dict[str, Any]:
    """The lines of a complete run of one backend, by kind. Raises UnreadableResults."""
    run: dict[str, Any] = {"results": []}
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                if record["record"] == "result":
                    run["results"].append(record)
                else:
                    run[record["record"]] = record
        check_run(run)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableResults(f"results.jsonl cannot be read: {error!r}") from error
    return run


def check_run(run: dict[str, Any]) -> None:
    schema = run["header"]["schema"]
    if schema["name"] != SCHEMA or schema["major"] != MAJOR:
        raise UnreadableResults(f"results.jsonl is of another schema than {SCHEMA} {MAJOR}")
    if not run.get("footer", {}).get("complete", False):
        raise UnreadableResults("the run was not finished")
    if len(run["header"]["backends"]) != 1:
        raise UnreadableResults("the run was not of one backend")
    for result in run["results"]:
        if result["verdict"] not in RANKS:
            raise UnreadableResults(f"unknown verdict {result['verdict']!r}")


def suites_of(run: dict[str, Any]) -> dict[str, dict[str, int]]:
    """By suite, in the order of the header, how many required results have each verdict."""
    suites = {suite_of(check["id"]): dict.fromkeys(RANKS, 0) for check in run["header"]["checks"]}
    for result in run["results"]:
        if result["level"] == "required":
            suites.setdefault(suite_of(result["check"]), dict.fromkeys(RANKS, 0))[result["verdict"]] += 1
    return suites


def suite_of(check: str) -> str:
    return check.partition(".")[0]


def decided(counts: dict[str, int]) -> int:
    """Results that are about something that the implementation claims."""
    return sum(counts.values()) - counts["unsupported"]


def findings_of(run: dict[str, Any], level: str = "required") -> list[dict[str, Any]]:
    """For each check with a failure, an error or no conclusion, in the order of the header: its counts and
    the worst case, which is the one that fails with the smallest p-value."""
    by_check: dict[str, list[dict[str, Any]]] = {check["id"]: [] for check in run["header"]["checks"]}
    titles = {check["id"]: check.get("title", "") for check in run["header"]["checks"]}
    for result in run["results"]:
        if result["level"] == level:
            by_check.setdefault(result["check"], []).append(result)
    findings = []
    for check, results in by_check.items():
        if not results or RANKS.index(min(results, key=badness)["verdict"]) > RANKS.index("inconclusive"):
            continue
        counts = {verdict: sum(each["verdict"] == verdict for each in results) for verdict in RANKS}
        findings.append(
            {"check": check, "title": titles.get(check, ""), "counts": counts, **worst_of(results)}
        )
    return findings


def worst_of(results: list[dict[str, Any]]) -> dict[str, Any]:
    """What the worst result says."""
    worst = min(results, key=badness)
    statistic = quoted_statistic(worst)
    return {
        "verdict": worst["verdict"],
        "case": worst["case"],
        "message": worst.get("message", ""),
        "comparisons": worst.get("comparisons", 0),
        "statistic": statistic and summary_of(statistic),
        "repro": worst.get("repro", ""),
    }


def badness(result: dict[str, Any]) -> tuple[int, float]:
    """Sorts the worst first. An exact check that fails leaves no doubt."""
    statistic = quoted_statistic(result)
    return RANKS.index(result["verdict"]), -math.inf if statistic is None else log10_p(statistic)


def quoted_statistic(result: dict[str, Any]) -> dict[str, Any] | None:
    """Of all stages the statistic that rejects most clearly, or else that with the smallest p-value."""
    statistics = list(result.get("statistics", []))
    for stage in result.get("stages", []):
        statistics += stage.get("statistics", [])
    return min(statistics, key=lambda each: (not rejects(each), log10_p(each)), default=None)


def rejects(statistic: dict[str, Any]) -> bool:
    p_value, alpha = number(statistic.get("p_value")), number(statistic.get("alpha"))
    return p_value <= alpha  # false for NaN


def log10_p(statistic: dict[str, Any]) -> float:
    value = number(statistic.get("log10_p"))
    return 0.0 if math.isnan(value) else value


def number(value: Any) -> float:
    """JSON's numbers, and the texts for those that it lacks; NaN for anything else."""
    if isinstance(value, (int, float)):
        return float(value)
    return {"Inf": math.inf, "-Inf": -math.inf}.get(value, math.nan) if isinstance(value, str) else math.nan


def summary_of(statistic: dict[str, Any]) -> dict[str, Any]:
    """The members that a reader of the matrix needs."""
    members = ("id", "name", "cell", "effect", "p_value", "log10_p", "alpha")
    return {member: statistic[member] for member in members if member in statistic}


def mask_entries(run: dict[str, Any]) -> int:
    """Mask entries that were looked at, each sample once however many checks share it."""
    samples: dict[tuple[str, str], int] = {}
    for result in run["results"]:
        stages = result.get("stages", [])
        first = [k == 0 or stage["stage"] != stages[k - 1]["stage"] for k, stage in enumerate(stages)]
        entries = sum(stage["mask_entries"] for stage, counts in zip(stages, first, strict=True) if counts)
        key = (result["case"], result["protocol"])
        samples[key] = max(samples.get(key, 0), entries)
    return sum(samples.values())
