"""The conformance matrix: records of what was found, as JSON Lines and as Markdown."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from . import evidence

SCHEMA = {"name": "dropcheck.matrix", "major": 1, "minor": 0}
MACHINE = ("processor", "cores", "memory_gib", "operating_system")
NOT_KNOWN = "not known"
# What became of an implementation.
JUDGED, NOT_JUDGED, NOT_INSTALLED, NOT_RUN = "judged", "not judged", "not installed", "not run"


# ---- as JSON Lines


def json_lines(records: list[dict[str, Any]], profile: str) -> str:
    """One line that says what it is, then one for each implementation."""
    header = {"record": "header", "schema": SCHEMA, "profile": profile, "implementations": len(records)}
    lines = [header, *({"record": "implementation", **record} for record in records)]
    return "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)


def findings_record(run: dict[str, Any]) -> dict[str, Any]:
    """What a run found, without what is known of the implementation from elsewhere."""
    header, facts = run["header"], run.get("environment", {}).get("facts", {})
    claims = header["backends"][0].get("capabilities", {})
    return {
        "dropcheck": header["tool_version"],
        "plan_hash": header["plan_hash"],
        "alpha": header["alpha"],
        "dialect_rules": header.get("dialect_rules", []),
        "claims": {
            key: claims.get(key)
            for key in (
                "name",
                "version",
                "device",
                "ops",
                "dtypes",
                "seed_semantics",
                "seed_bits",
                "backward",
                "in_place",
                "notes",
            )
        },
        "machine": {key: facts.get(key, NOT_KNOWN) for key in MACHINE},
        "wall_seconds": facts.get("wall_seconds", NOT_KNOWN),
        "mask_entries": evidence.mask_entries(run),
        "verdict": run["footer"]["verdict"],
        "suites": evidence.suites_of(run),
        "findings": evidence.findings_of(run),
        "advice": evidence.findings_of(run, "recommended"),
    }


# ---- as Markdown


def markdown(records: list[dict[str, Any]], profile: str, command: str) -> str:
    """One page: a table of all, then a section each."""
    judged = [record for record in records if record["status"] == JUDGED]
    parts = [
        "# Conformance matrix\n",
        f"Released implementations of dropout, judged with the profile `{profile}`. Written by\n",
        f"```sh\n{command}\n```\n",
        "which makes the virtual environments, installs the pinned versions, runs everything and writes "
        "this page and [conformance_matrix.jsonl](conformance_matrix.jsonl). No figure here is typed by "
        "hand. With names it judges those again and keeps the other rows.\n",
        f"{len(judged)} of {len(records)} implementations were judged.\n",
        "".join(f"- {line}\n" for line in circumstances(judged)),
        "## Implementation by suite\n",
        legend(),
        suite_table(records),
        "## What was asked, and how\n",
        asked_table(records),
        dialect_section(judged),
        "## One by one\n",
        *(section(record) for record in records),
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts if part)


def legend() -> str:
    return (
        '"differs 3 of 58": of 58 results of the suite 3 differ from what the dialect in the third column '
        'expects. "not claimed": the implementation offers nothing of what the suite asks for. '
        '"inconclusive": it could not be decided. Differing is no defect by itself: a dialect says what one '
        "framework documents.\n"
    )


def circumstances(judged: list[dict[str, Any]]) -> list[str]:
    """What all judged implementations have in common, or the several values."""
    machines = {
        "; ".join(f"{key.replace('_', ' ')}: {record['machine'][key]}" for key in MACHINE)
        for record in judged
    }
    days = sorted(record["judged_on"] for record in judged)
    lines = [
        f"dropcheck {text(version, 40)}" for version in sorted({record["dropcheck"] for record in judged})
    ]
    lines += [f"machine: {text(machine, 300)}" for machine in sorted(machines)]
    alphas = sorted({record["alpha"] for record in judged})
    lines += [f"a correct implementation fails with probability {alpha:g} at most" for alpha in alphas]
    if days:
        lines.append(f"judged on {days[0]}" + (f" to {days[-1]}" if days[-1] != days[0] else ""))
    return lines


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def suite_table(records: list[dict[str, Any]]) -> str:
    suites = list(dict.fromkeys(suite for record in records for suite in record.get("suites", {})))
    rows = []
    for record in records:
        row = [
            f"[{text(record['title'], 80)}](#{anchor(record['title'])})",
            versions(record),
            record["dialect"],
        ]
        if record["status"] == JUDGED:
            row += [cell(record["suites"].get(suite)) for suite in suites]
        else:
            row += [record["status"]] + [""] * (len(suites) - 1)
        rows.append(row[: 3 + max(len(suites), 1)])
    return table(["implementation", "versions", "dialect", *(suites or ["result"])], rows)


def cell(counts: dict[str, int] | None) -> str:
    """What became of a suite, the worst first."""
    if counts is None or evidence.decided(counts) == 0:
        return "not claimed"
    words = {"fail": "differs", "error": "error", "inconclusive": "inconclusive"}
    bad = [f"{word} {counts[verdict]}" for verdict, word in words.items() if counts[verdict]]
    if bad:
        return f"{', '.join(bad)} of {evidence.decided(counts)}"
    return f"pass {counts['pass']}"


def versions(record: dict[str, Any]) -> str:
    """ "numpy 2.4.6 (2026-05-01)" for each package that makes the implementation; empty without any."""
    if record["status"] in (NOT_RUN, NOT_INSTALLED):
        return ""
    parts = []
    for name, package in record["packages"].items():
        day = package["released"] or f"date {NOT_KNOWN}"
        parts.append(f"{text(name, 60)} {text(package['version'] or NOT_KNOWN, 60)} ({day})")
    return ", ".join(parts)


def asked_table(records: list[dict[str, Any]]) -> str:
    rows = []
    for record in records:
        if record["status"] != JUDGED:
            continue
        claims = record["claims"]
        seeds = str(claims["seed_semantics"])
        if seeds in ("per_call", "stateful"):
            seeds += f", {claims['seed_bits']} bits"
        rows.append(
            [
                text(record["title"], 80),
                text(record["form"], 120),
                text(record["language"], 40),
                text(" ".join(claims["dtypes"] or []), 80),
                text(seeds, 40),
                yes(claims["backward"]),
                f"{record['mask_entries']:.3g}",
                str(record["wall_seconds"]),
            ]
        )
    head = ["implementation", "form", "language", "dtypes", "seeds", "gradient", "mask entries", "seconds"]
    return table(head, rows)


def yes(value: Any) -> str:
    return "yes" if value else "no"


def dialect_section(judged: list[dict[str, Any]]) -> str:
    """The axes of each dialect that was used."""
    dialects: dict[str, list[dict[str, str]]] = {}
    for record in judged:
        if record["dialect_rules"]:
            dialects.setdefault(record["dialect"], record["dialect_rules"])
    if not dialects:
        return ""
    parts = ["## What the dialects expect\n"]
    for name, rules in dialects.items():
        rows = [[text(rule.get(key, ""), 300) for key in ("axis", "value", "allows")] for rule in rules]
        parts += [f"### Dialect {text(name, 60)}\n", table(["axis", "expects", "so that this passes"], rows)]
    return "\n".join(parts)


def section(record: dict[str, Any]) -> str:
    lines = [f"### {text(record['title'], 80)}\n"]
    links = f"[home page]({record['homepage']}), [documentation]({record['documentation']})"
    facts = [text(record["form"], 300), versions(record), links]
    lines.append(". ".join(fact for fact in facts if fact) + ".\n")
    if record["status"] != JUDGED:
        return "\n".join([*lines, f"**{record['status']}**: {text(record['reason'], 600)}\n"])
    lines.append(f"**{conclusion(record)}**\n")
    lines += [f"- {text(note, 400)}" for note in record["claims"]["notes"] or []]
    allows = [rule for rule in record["dialect_rules"] if rule.get("allows")]
    if allows:
        lines.append("- The dialect allows: " + "; ".join(text(rule["allows"], 300) for rule in allows) + ".")
    if record["findings"]:
        lines.append("")
        lines += [finding(each) for each in record["findings"]]
    for each in record["advice"]:
        lines.append(
            f"- advice only, it decides nothing: {code(each['check'], 80)}: {text(each['message'], 300)}"
        )
    return "\n".join(lines) + "\n"


def conclusion(record: dict[str, Any]) -> str:
    """One sentence, which never says more than the results do."""
    counts = {
        verdict: sum(suite[verdict] for suite in record["suites"].values()) for verdict in evidence.RANKS
    }
    total, dialect = evidence.decided(counts), record["dialect"]
    differing = [each["check"] for each in record["findings"] if each["counts"]["fail"]]
    further = [f"{counts[verdict]} ended in an error" for verdict in ("error",) if counts[verdict]]
    further += [f"{counts[verdict]} are inconclusive" for verdict in ("inconclusive",) if counts[verdict]]
    rest = f"; {' and '.join(further)}" if further else ""
    if differing:
        return (
            f"Differs from dialect {dialect} in {len(differing)} "
            f"check{'s' if len(differing) > 1 else ''}: {counts['fail']} of {total} results{rest}."
        )
    if counts["pass"] == 0:
        return f"Nothing could be decided: of {total} results none passed{rest}."
    if further:
        return f"No difference from dialect {dialect} was found: {counts['pass']} of {total} passed{rest}."
    return f"Conforms to dialect {dialect}: all {total} results passed."


def finding(each: dict[str, Any]) -> str:
    """The worst case of a check, with what it takes to see it again."""
    counts = each["counts"]
    words = {"fail": "differ", "error": "ended in an error", "inconclusive": "inconclusive"}
    shares = [f"{counts[verdict]} {word}" for verdict, word in words.items() if counts[verdict]]
    title = f" ({text(each['title'], 120)})" if each["title"] else ""
    lines = [
        f"- {code(each['check'], 80)}{title}: of {evidence.decided(counts)} results {', '.join(shares)}. The "
        f"clearest case, {code(each['case'], 300)}: {text(each['message'], 700)}"
    ]
    if each["statistic"] is not None:
        lines.append(f"  - {statistic_text(each['statistic'])}")
    if each["repro"]:
        lines.append(f"  - {code(each['repro'], 2000)}")
    return "\n".join(lines)


def statistic_text(statistic: dict[str, Any]) -> str:
    """Name, effect with its interval, p-value and level."""
    parts = [text(statistic.get("name", ""), 120)]
    effect = statistic.get("effect")
    if effect:
        shown = f"{short(effect['value'])} {text(effect.get('unit', ''), 100)}"
        if "lower" in effect and "upper" in effect:
            shown += f", interval [{short(effect['lower'])}, {short(effect['upper'])}]"
        parts.append(f"effect {shown}")
    parts.append(f"p-value {p_value_text(statistic)}")
    if "alpha" in statistic:
        parts.append(f"significance level {short(statistic['alpha'])}")
    return "; ".join(parts)


def p_value_text(statistic: dict[str, Any]) -> str:
    """As a number, or as a power of ten where a double cannot hold it."""
    exponent = evidence.number(statistic.get("log10_p"))
    if exponent == -math.inf:
        return "0 (the hypothesis excludes it)"
    if exponent < -300:
        return f"10^{exponent:.0f}"
    return short(statistic.get("p_value"))


def short(value: Any) -> str:
    return f"{evidence.number(value):.4g}"


def anchor(title: str) -> str:
    """The fragment that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def text(value: Any, limit: int) -> str:
    """Text of others as plain Markdown of one line."""
    flat = re.sub(r"\s+", " ", str(value)).strip()
    flat = "".join(c for c in flat if c.isprintable())
    cut = flat if len(flat) <= limit else flat[: limit - 3] + "..."
    return re.sub(r"([\\`*\[\]<|]|\b_|_\b)", r"\\\1", cut)  # an underscore inside a word is plain


def code(value: Any, limit: int) -> str:
    """The same as code; it holds no backquotes then, and no bars, which would end a cell of a table."""
    flat = re.sub(r"\s+", " ", str(value)).replace("`", "'").replace("|", "/")
    return f"`{flat if len(flat) <= limit else flat[: limit - 3] + '...'}`"
