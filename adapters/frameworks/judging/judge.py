"""Judges the implementations of frameworks.toml, each as its users have it; writes the conformance matrix.

    tools/judge-frameworks [NAME...]

Without names all are judged. Each gets a virtual environment with pinned versions and one run of
`dropcheck run`. What was found is kept, so that judging one again renews its row alone. The matrix goes to
the folder of the results, and to docs/ for the profile `frameworks`.

Exit code: 0 when all that was asked for could be judged, whatever was found; 1 when something could not be
installed or judged, or one of --must-pass does not pass; 2 after Ctrl-C; 4 for a wrong command line.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import environments, evidence, matrix, processes
from .manifest import Implementation, Manifest, ManifestError, filled, read_manifest
from .matrix import JUDGED, NOT_INSTALLED, NOT_JUDGED, NOT_RUN

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
DOCS_PROFILE = "frameworks"  # the profile that docs/ is about
SHORT_PROFILE = "smoke"
EXIT_OK, EXIT_NOT_JUDGED, EXIT_INTERRUPTED, EXIT_USAGE = 0, 1, 2, 4


def say(message: str) -> None:
    print(f"judge-frameworks: {message}", file=sys.stderr, flush=True)


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        say(f"{message}; --help shows what there is")
        sys.exit(EXIT_USAGE)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    about = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="tools/judge-frameworks", description=__doc__, formatter_class=about)
    parser.add_argument("names", nargs="*", metavar="NAME", help="judge these only")
    parser.add_argument("--list", action="store_true", help="show what can be judged, and end")
    parser.add_argument(
        "--dropcheck", type=Path, default=ROOT / "build/release/dropcheck", help="the program"
    )
    parser.add_argument(
        "--environments",
        type=Path,
        default=ROOT / "out/frameworks/environments",
        help="folder of virtual environments",
    )
    parser.add_argument("--out", type=Path, help="folder of results; out/frameworks by default")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder of the matrix of all")
    parser.add_argument("--manifest", type=Path, default=HERE / "frameworks.toml", help="what can be judged")
    parser.add_argument("--profile", help=f"of dropcheck; {DOCS_PROFILE} by default")
    parser.add_argument("--install-only", action="store_true", help="make the environments and judge nothing")
    parser.add_argument(
        "--short",
        action="store_true",
        help=f"a few implementations with the profile {SHORT_PROFILE}; docs/ is left alone",
    )
    parser.add_argument(
        "--must-pass", action="append", default=[], metavar="NAME", help="exit code 1 unless this one passes"
    )
    options = parser.parse_args(arguments)
    options.profile = options.profile or (SHORT_PROFILE if options.short else DOCS_PROFILE)
    options.out = (
        options.out or ROOT / ("out/frameworks_short" if options.short else "out/frameworks")
    ).resolve()
    options.environments = Path(os.path.abspath(options.environments))
    return options


def main(arguments: Sequence[str]) -> int:
    """Does what the command line says. Returns the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a kill ends the children as Ctrl-C does
    options = parse(arguments)
    try:
        manifest = read_manifest(options.manifest)
        chosen = choose(manifest, options)
        if options.list:
            return show(manifest, chosen)
        if not options.install_only and not os.access(options.dropcheck, os.X_OK):
            raise ManifestError(
                f"{options.dropcheck} is not there: tools/verify builds it, or give --dropcheck=PATH"
            )
        return judge_all(manifest, chosen, options)
    except (ManifestError, OSError) as error:
        say(str(error))
        return EXIT_USAGE
    except KeyboardInterrupt:
        say("interrupted; what was judged before is kept")
        return EXIT_INTERRUPTED


def choose(manifest: Manifest, options: argparse.Namespace) -> list[Implementation]:
    """Those that the command line names. Raises ManifestError for a name that is not there."""
    all_of_them = manifest.implementations
    for name in options.names + options.must_pass:
        if name not in all_of_them:
            raise ManifestError(f"{name} is not known: only {', '.join(all_of_them)} are")
    chosen = [each for each in all_of_them.values() if not options.names or each.name in options.names]
    return [each for each in chosen if each.short] if options.short and not options.names else chosen


def show(manifest: Manifest, chosen: list[Implementation]) -> int:
    for each in chosen:
        environment = manifest.environments[each.environment]
        needs = environment.requirements + environment.apt + environment.programs
        print(f"{each.name:<24} {each.title}, dialect {each.dialect}; needs {', '.join(needs)}")
    return EXIT_OK


def judge_all(manifest: Manifest, chosen: list[Implementation], options: argparse.Namespace) -> int:
    """Installs and judges one after the other, goes on after every failure, and writes the matrix."""
    options.out.mkdir(parents=True, exist_ok=True)
    installed: dict[str, dict[str, Any]] = {}
    failed = []
    for count, one in enumerate(chosen, 1):
        label = f"[{count}/{len(chosen)}] {one.name}"
        if one.environment not in installed:
            say(f"{label}: making the environment {one.environment}")
            environment = manifest.environments[one.environment]
            installed[one.environment] = environments.prepare(environment, options.environments, ROOT, HERE)
        environment_record = installed[one.environment]
        if not environment_record["installed"]:
            say(f"{label}: not installed: {environment_record['reason']}")
        if options.install_only:
            if not environment_record["installed"]:
                failed.append(one.name)
            continue
        judgement = judge(one, manifest, environment_record, options, label)
        if judgement["status"] != JUDGED:
            failed.append(one.name)
    if options.install_only:
        bad: list[str] = []
    else:
        records = write_matrix(manifest, options)
        bad = [name for name in options.must_pass if records[name].get("verdict") != "pass"]
        for name in bad:
            say(f"{name} does not pass, which --must-pass asks for: {options.out / name / 'report.md'}")
    if failed:
        say(
            f"not judged: {', '.join(failed)}"
            if not options.install_only
            else f"not installed: {', '.join(failed)}"
        )
    return EXIT_NOT_JUDGED if failed or bad else EXIT_OK


# ---- one implementation


def judge(
    one: Implementation,
    manifest: Manifest,
    installed: dict[str, Any],
    options: argparse.Namespace,
    label: str,
) -> dict[str, Any]:
    """Runs dropcheck on one implementation. Returns its judgement, which is also kept in out/NAME."""
    folder = options.out / one.name
    shutil.rmtree(folder, ignore_errors=True)  # an old result must not pass for the new one
    folder.mkdir(parents=True)
    judgement: dict[str, Any] = {
        "name": one.name,
        "asked": asked(one, manifest, options.profile),
        "status": NOT_INSTALLED,
        "reason": installed["reason"],
        "judged_on": datetime.date.today().isoformat(),
        "packages": {
            name: installed["packages"].get(name, {"version": None, "released": None})
            for name in one.packages
        },
    }
    if installed["installed"]:
        say(f"{label}: judging with the profile {options.profile} and the dialect {one.dialect}")
        judgement.update(run(one, manifest, folder, options, label))
    (folder / "judgement.json").write_text(json.dumps(judgement, indent=1) + "\n", encoding="utf-8")
    if judgement["status"] == NOT_JUDGED:
        say(f"{label}: not judged: {judgement['reason']}")
    return judgement


def asked(one: Implementation, manifest: Manifest, profile: str) -> str:
    """Tells results of this question from those of another: another profile, dialect, command or version."""
    requirements = manifest.environments[one.environment].requirements
    question = [profile, one.dialect, one.command, one.backend, requirements, sorted(one.variables.items())]
    return hashlib.sha256(json.dumps(question).encode()).hexdigest()[:16]


def run(
    one: Implementation, manifest: Manifest, folder: Path, options: argparse.Namespace, label: str
) -> dict[str, Any]:
    """Status and reason. The results are in the folder."""
    places = environments.places_of(manifest.environments[one.environment], options.environments, ROOT, HERE)
    where = f"implementation.{one.name}"
    backend = one.backend or f"exec:{filled(one.command, where, **places)}"
    variables = {key: value.format(**places) for key, value in one.variables.items()}
    command = [
        str(options.dropcheck.resolve()),
        "run",
        f"--backend={backend}",
        f"--dialect={one.dialect}",
        f"--profile={options.profile}",
        "--pursue-always",  # each check as if it ran alone
        f"--out={folder}",
    ]
    begin = time.monotonic()
    outcome = processes.run_logged(
        command,
        folder / "console.txt",
        one.minutes * 60,
        ROOT,
        variables,
        lambda seconds: say(f"{label}: still judging after {seconds:.0f} s"),
    )
    console = (folder / "console.txt").read_text(encoding="utf-8", errors="replace")
    reason = trouble(outcome, console, folder, one.minutes)
    if reason is None:
        say(f"{label}: judged in {time.monotonic() - begin:.0f} s: {last_line(console)}")
    return {"status": NOT_JUDGED if reason else JUDGED, "reason": reason or "", "variables": variables}


def trouble(outcome: processes.Outcome, console: str, folder: Path, minutes: float) -> str | None:
    """Why there is no judgement; None where there is one. Failures and errors of cells are findings."""
    if outcome.timed_out:
        return f"it was not finished after {minutes:g} minutes"
    try:
        backend = evidence.read_results(folder / "results.jsonl")["header"]["backends"][0]
    except evidence.UnreadableResults as error:
        return f"{error}; dropcheck ended with status {outcome.exit_code}: {last_line(console)}"
    return str(backend["open_error"]) or None


def last_line(console: str) -> str:
    lines = [line.strip() for line in console.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


# ---- all of them


def write_matrix(manifest: Manifest, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Writes the matrix of all kept results of this profile. Returns its records by name."""
    records = [record_of(one, manifest, options) for one in manifest.implementations.values()]
    if options.short:
        records = [record for record in records if record["status"] != NOT_RUN]
    folders = [options.out]
    if options.profile == DOCS_PROFILE and not options.short:
        folders.append(options.docs)
    flags = (
        " --short"
        if options.short
        else ""
        if options.profile == DOCS_PROFILE
        else f" --profile={options.profile}"
    )
    for folder in folders:
        (folder / "conformance_matrix.jsonl").write_text(
            matrix.json_lines(records, options.profile), encoding="utf-8"
        )
        (folder / "conformance_matrix.md").write_text(
            matrix.markdown(records, options.profile, f"tools/judge-frameworks{flags}"), encoding="utf-8"
        )
        say(f"wrote {folder / 'conformance_matrix.md'}")
    return {record["name"]: record for record in records}


def record_of(one: Implementation, manifest: Manifest, options: argparse.Namespace) -> dict[str, Any]:
    """All that the matrix says about one implementation, from what is kept."""
    record: dict[str, Any] = {
        "name": one.name,
        "title": one.title,
        "language": one.language,
        "form": one.form,
        "homepage": one.homepage,
        "documentation": one.documentation,
        "dialect": one.dialect,
        "packages": {},
        "status": NOT_RUN,
        "reason": f"no result of the profile {options.profile} is kept",
    }
    folder = options.out / one.name
    judgement = environments.read_record(folder / "judgement.json")
    if judgement.get("asked") != asked(one, manifest, options.profile):
        return record
    record.update({key: judgement[key] for key in ("status", "reason", "judged_on", "packages")})
    if record["status"] == JUDGED:
        try:
            record.update(matrix.findings_record(evidence.read_results(folder / "results.jsonl")))
        except evidence.UnreadableResults as error:
            record.update(status=NOT_JUDGED, reason=str(error))
    for finding in [*record.get("findings", []), *record.get("advice", [])]:
        finding["repro"] = portable(finding["repro"], judgement.get("variables", {}), options)
        finding["message"] = without_folders(finding["message"], options)
    record["reason"] = without_folders(record["reason"], options)
    return record


def portable(repro: str, variables: dict[str, str], options: argparse.Namespace) -> str:
    """A repro line for the root of any checkout whose environments tools/judge-frameworks has made."""
    settings = "".join(f"{key}='{value}' " for key, value in variables.items())
    return without_folders(settings + repro, options) if repro else ""


def without_folders(message: str, options: argparse.Namespace) -> str:
    """Without the places of this machine: paths as they are from the root of the repository."""
    message = message.replace(str(options.environments), "out/frameworks/environments")
    return message.replace(f"{ROOT}/", "")
