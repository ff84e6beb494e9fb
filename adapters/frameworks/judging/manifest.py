"""Reads frameworks.toml: which implementations there are, and what each needs."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

Record = TypeVar("Record")
NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[A-Za-z0-9,._-]+\])?==[A-Za-z0-9.+!]+")
KINDS = {"str": str, "float": (int, float), "bool": bool, "list[str]": list, "dict[str, str]": dict}


class ManifestError(Exception):
    """The file says something that cannot be meant; the text names the place."""


@dataclass(frozen=True)
class Environment:
    """What an implementation needs. Without requirements there is no virtual environment."""

    name: str
    requirements: list[str] = field(default_factory=list)  # NAME==VERSION, for pip
    first: list[str] = field(default_factory=list)  # the same, installed before the others can be built
    pip: list[str] = field(default_factory=list)  # further arguments of pip
    apt: list[str] = field(default_factory=list)  # Debian packages, which are looked for and never installed
    programs: list[str] = field(default_factory=list)  # on the search path
    build: str = ""  # shell command


@dataclass(frozen=True)
class Implementation:
    """One way to drop things, and how it is judged."""

    name: str
    title: str
    language: str
    environment: str
    dialect: str
    homepage: str
    documentation: str
    command: str = ""  # of the adapter, a shell command; or else
    backend: str = ""  # a backend that dropcheck has itself
    form: str = ""  # which of its interfaces is asked
    packages: list[str] = field(default_factory=list)  # whose versions are those of the implementation
    variables: dict[str, str] = field(default_factory=dict)  # of the process environment
    minutes: float = 15  # after which it is ended
    short: bool = False  # part of the short form


@dataclass(frozen=True)
class Manifest:
    environments: dict[str, Environment]
    implementations: dict[str, Implementation]


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file. Raises ManifestError, or OSError where there is none."""
    try:
        return manifest_of(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path.name} is no TOML: {error}") from error


def manifest_of(document: Mapping[str, Any]) -> Manifest:
    """The manifest that a parsed document describes, checked. Raises ManifestError."""
    unknown = set(document) - {"environment", "implementation"}
    if unknown:
        raise ManifestError(f"{sorted(unknown)[0]} is not known: only environment and implementation are")
    environments = table_of(document, "environment", Environment)
    implementations = table_of(document, "implementation", Implementation)
    for environment in environments.values():
        check_environment(environment)
    for implementation in implementations.values():
        check_implementation(implementation, environments)
    return Manifest(environments, implementations)


def table_of(document: Mapping[str, Any], kind: str, record: type[Record]) -> dict[str, Record]:
    table = document.get(kind, {})
    if not isinstance(table, dict):
        raise ManifestError(f"{kind} is no table")
    return {name: record_of(f"{kind}.{name}", name, members, record) for name, members in table.items()}


def record_of(where: str, name: str, members: Any, record: type[Record]) -> Record:
    """A record with these members: all are known and of their type, and none that is needed is missing."""
    if not NAME.fullmatch(name):
        raise ManifestError(f"{where}: a name has small letters, digits, - and _ only")
    if not isinstance(members, dict):
        raise ManifestError(f"{where} is no table")
    kinds = {each.name: str(each.type) for each in fields(record) if each.name != "name"}  # type: ignore[arg-type]
    for key, value in members.items():
        if key not in kinds:
            raise ManifestError(f"{where}: {key} is not known: only {', '.join(kinds)} are")
        if not isinstance(value, KINDS[kinds[key]]) or (kinds[key] == "float" and isinstance(value, bool)):
            raise ManifestError(f"{where}: {key} is of another type than {kinds[key]}")
        items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        if not all(isinstance(item, str) for item in items):
            raise ManifestError(f"{where}: {key} has items that are no texts")
    try:
        return record(name=name, **members)
    except TypeError as error:
        raise ManifestError(f"{where}: {str(error).partition('() ')[2]}") from error


def check_environment(environment: Environment) -> None:
    for requirement in environment.requirements + environment.first:
        if not PINNED.fullmatch(requirement):
            where = f"environment.{environment.name}"
            raise ManifestError(f"{where}: {requirement} does not pin a version: write NAME==VERSION")


def check_implementation(one: Implementation, environments: Mapping[str, Environment]) -> None:
    where = f"implementation.{one.name}"
    if one.environment not in environments:
        raise ManifestError(f"{where}: there is no environment {one.environment}")
    if bool(one.command) == bool(one.backend):
        raise ManifestError(f"{where}: it needs either a command or a backend")
    if one.minutes <= 0:
        raise ManifestError(f"{where}: minutes is not above 0")
    for address in (one.homepage, one.documentation):
        if not address.startswith("https://"):
            raise ManifestError(f"{where}: {address!r} is no https address")
    environment = environments[one.environment]
    known = {package_name(each) for each in environment.requirements}
    for package in one.packages:
        if package not in known | set(environment.apt) | set(environment.programs):
            raise ManifestError(f"{where}: the environment {environment.name} does not ask for {package}")
    for text in (one.command, *one.variables.values()):
        filled(text, where, **dict.fromkeys(("python", "here", "environment"), ""))
    filled(environment.build, where, **dict.fromkeys(("python", "here", "environment"), ""))


def package_name(requirement: str) -> str:
    """NAME of NAME[extra]==VERSION."""
    return re.split(r"[\[=]", requirement, maxsplit=1)[0]


def filled(text: str, where: str, **places: str) -> str:
    """The text with its placeholders replaced, as words of a shell. Raises ManifestError for unknown ones."""
    try:
        return text.format(**{key: shlex.quote(value) if value else "" for key, value in places.items()})
    except (KeyError, IndexError, ValueError) as error:
        raise ManifestError(f"{where}: {text!r} has an unknown placeholder: {error}") from error
