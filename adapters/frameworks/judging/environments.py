"""Makes the environments of the implementations, and finds out what is in them."""

from __future__ import annotations

import email.utils
import functools
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import processes
from .manifest import Environment, filled, package_name

INSTALL_S = 45 * 60
INDEX_S = 30  # for an answer about release dates
PYPI = "https://pypi.org/pypi"


class NotInstalled(Exception):
    """What is missing, in one sentence."""


def prepare(environment: Environment, folder: Path, root: Path, here: Path) -> dict[str, Any]:
    """Makes an environment in folder/NAME unless it is there already.

    Returns its record, which is also kept in folder/NAME.json: `installed`; `reason`, a sentence where it is
    not; `packages`, for each package that the environment asks for by name its `version` and the day on which
    that was `released`, both null where they are not known.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{environment.name}.json"
    record: dict[str, Any] = {
        "name": environment.name,
        "fingerprint": fingerprint(environment, here),
        "installed": True,
        "reason": "",
        "packages": {},
    }
    before = read_record(kept)
    try:
        look_for(environment)
        if not is_made(environment, folder, record, before):
            make(environment, folder, root, here)
        record["packages"] = packages_of(environment, folder, before.get("packages", {}))
    except NotInstalled as error:
        record.update(installed=False, reason=str(error))
    kept.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


def read_record(path: Path) -> dict[str, Any]:
    """An earlier record; empty where there is none that can be read."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def fingerprint(environment: Environment, here: Path) -> str:
    """Of all that decides what is in an environment: its entry, Python's version, sources that are built."""
    parts = [json.dumps(asdict(environment), sort_keys=True), sys.version]
    if environment.build:
        for source in sorted([*here.glob("*.cpp"), *(here.parent / "cpp").glob("*.hpp")]):
            parts.append(hashlib.sha256(source.read_bytes()).hexdigest())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def python_of(environment: Environment, folder: Path) -> Path:
    """The interpreter for its adapters: that of its virtual environment, or this one where it has none."""
    return folder / environment.name / "bin" / "python" if environment.requirements else Path(sys.executable)


def is_made(environment: Environment, folder: Path, record: dict[str, Any], before: dict[str, Any]) -> bool:
    same = before.get("fingerprint") == record["fingerprint"] and before.get("installed") is True
    return same and (folder / environment.name).exists() and python_of(environment, folder).exists()


def look_for(environment: Environment) -> None:
    """Raises NotInstalled where programs or Debian packages are missing."""
    absent = [program for program in environment.programs if shutil.which(program) is None]
    if absent:
        raise NotInstalled(f"it needs {' and '.join(absent)} on the search path: install that and run again")
    if shutil.which("dpkg-query") is None:
        return  # no Debian: the build says what is missing
    absent = [package for package in environment.apt if debian_version(package) is None]
    if absent:
        raise NotInstalled(f"it needs Debian packages: run apt-get install {' '.join(absent)}")


def make(environment: Environment, folder: Path, root: Path, here: Path) -> None:
    """Installs and builds. Raises NotInstalled."""
    log = folder / f"{environment.name}.log"
    log.write_bytes(b"")
    place = folder / environment.name
    if environment.requirements:
        python = python_of(environment, folder)
        if not python.exists():
            step([sys.executable, "-m", "venv", str(place)], log, root)
        pip = [str(python), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--quiet"]
        if environment.first:
            step([*pip, *environment.first], log, root)
        step([*pip, *environment.pip, *environment.requirements], log, root)
    else:
        place.mkdir(parents=True, exist_ok=True)
    if environment.build:
        places = places_of(environment, folder, root, here)
        step(["/bin/sh", "-c", filled(environment.build, environment.name, **places)], log, root)


def places_of(environment: Environment, folder: Path, root: Path, here: Path) -> dict[str, str]:
    """The values of placeholders, as short as they can be from the root of the repository."""
    paths = {"python": python_of(environment, folder), "here": here, "environment": folder / environment.name}
    return {key: str(seen_from(path, root)) for key, path in paths.items()}


def seen_from(path: Path, root: Path) -> Path:
    """Relative to the root where it lies in it. Links stay: they tell a virtual environment where it is."""
    path = Path(os.path.abspath(path))
    return path.relative_to(root) if path.is_relative_to(root) else path


def step(command: list[str], log: Path, root: Path) -> None:
    """Runs one command. Raises NotInstalled with the reason that it gave last."""
    begin = log.stat().st_size
    try:
        outcome = processes.run_logged(command, log, INSTALL_S, root)
    except OSError as error:
        raise NotInstalled(f"{command[0]} cannot be run: {error.strerror}") from error
    if outcome.timed_out:
        raise NotInstalled(f"installing takes longer than {INSTALL_S // 60} minutes")
    if outcome.exit_code != 0:
        with log.open("rb") as output:
            output.seek(begin)
            raise NotInstalled(last_reason(output.read().decode(errors="replace")))


def last_reason(output: str) -> str:
    """The last line that names an error, or the last line that is no hint."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [
        line for line in lines if re.match(r"(?:ERROR|error|[\w/.+-]+(?::\d+)*: (?:fatal )?error):", line)
    ]
    others = [line for line in lines if not re.match(r"(?:hint|note|\[notice\])", line)]
    return (errors or others or ["it gave no reason"])[-1][:300]


# ---- versions and dates


def packages_of(environment: Environment, folder: Path, before: dict[str, Any]) -> dict[str, Any]:
    """Version and release day of each package by name. Days that an earlier record has are not asked for."""
    packages: dict[str, Any] = {}
    installed = pip_versions(environment, folder) if environment.requirements else {}
    for requirement in environment.requirements:
        name = package_name(requirement)
        version = installed.get(normal(name))
        known = before.get(name, {})
        released = known.get("released") if known.get("version") == version else None
        packages[name] = {"version": version, "released": released or (version and pypi_day(name, version))}
    for package in environment.apt:
        packages[package] = {"version": debian_version(package), "released": debian_day(package)}
    for program in environment.programs:
        packages[program] = {"version": program_version(program), "released": None}
    return packages


def normal(name: str) -> str:
    """The name as an index has it (the normalised names of PyPA's specification)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def output_of(command: list[str], seconds: float = 120) -> str | None:
    """What a command prints; None when it fails."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, text=True
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None


def pip_versions(environment: Environment, folder: Path) -> dict[str, str]:
    python = str(python_of(environment, folder))
    listed = output_of([python, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"])
    try:
        return {normal(entry["name"]): entry["version"] for entry in json.loads(listed or "[]")}
    except (ValueError, KeyError, TypeError):
        return {}


def debian_version(package: str) -> str | None:
    """None where it is not installed."""
    listed = output_of(["dpkg-query", "-W", "-f=${db:Status-Status} ${Version}", package])
    status, _, version = (listed or "").partition(" ")
    return version if status == "installed" else None


def debian_day(package: str) -> str | None:
    """The day of the newest entry in the package's changelog; None where that cannot be read."""
    for name in ("changelog.Debian.gz", "changelog.gz"):
        try:
            with gzip.open(f"/usr/share/doc/{package}/{name}", "rt", encoding="utf-8") as changelog:
                return changelog_day(changelog.read(1 << 16))
        except (OSError, UnicodeDecodeError):
            continue
    return None


def changelog_day(text: str) -> str | None:
    """The day in the first trailer line of a changelog: " -- NAME <ADDRESS>  Mon, 01 Jan 2024 00:00:00 +0000"
    (deb-changelog(5))."""
    trailer = re.search(r"^ -- .*>  (.*)$", text, re.MULTILINE)
    try:
        return email.utils.parsedate_to_datetime(trailer[1]).date().isoformat() if trailer else None
    except ValueError:
        return None


def program_version(program: str) -> str | None:
    lines = (output_of([program, "--version"], 20) or "").splitlines()
    return lines[0].strip().removeprefix("v") if lines else None


@functools.cache
def pypi_day(name: str, version: str) -> str | None:
    """The day on which the first file of a version came to PyPI; None where that cannot be found out.

    https://docs.pypi.org/api/json/: a release has its files in `urls`, a project those of all in `releases`.
    A local part of the version such as +cpu is none of PyPI's.
    """
    public = version.partition("+")[0]
    release = answer_of(f"{PYPI}/{normal(name)}/{public}/json")
    if release is not None:
        return first_day(release.get("urls"))
    releases = (answer_of(f"{PYPI}/{normal(name)}/json") or {}).get("releases")
    return first_day(releases.get(public)) if isinstance(releases, dict) else None


def answer_of(address: str) -> dict[str, Any] | None:
    """The JSON object at an address; None where there is none."""
    try:
        with urllib.request.urlopen(address, timeout=INDEX_S) as answer:
            document = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def first_day(files: Any) -> str | None:
    """The earliest day in a list of PyPI's descriptions of files."""
    times = [str(each.get("upload_time", "")) for each in files or [] if isinstance(each, dict)]
    days = [time[:10] for time in times if re.match(r"\d{4}-\d{2}-\d{2}T", time)]
    return min(days, default=None)
