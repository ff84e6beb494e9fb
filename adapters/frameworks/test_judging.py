"""Tests of tools/judge-frameworks. The program dropcheck and the implementations are played by small scripts.

python3 adapters/frameworks/test_judging.py
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TOOL = ROOT / "tools" / "judge-frameworks"

if sys.version_info < (3, 11):
    raise unittest.SkipTest("tools/judge-frameworks needs Python 3.11 or newer")

sys.path.insert(0, str(HERE))
from judging import environments, evidence, matrix, processes  # noqa: E402
from judging.manifest import Environment, ManifestError, manifest_of, read_manifest  # noqa: E402


def statistic(log10_p: float, alpha: float = 1e-9, **members: Any) -> dict[str, Any]:
    return {
        "id": "S1",
        "name": "drop rate",
        "p_value": 10**log10_p,
        "log10_p": log10_p,
        "alpha": alpha,
        **members,
    }


def result(check: str, verdict: str, **members: Any) -> dict[str, Any]:
    base = {
        "record": "result",
        "check": check,
        "level": "required",
        "case": "op=dropout,p=0.1,shape=8",
        "protocol": "mask",
        "verdict": verdict,
        "statistics": [],
        "stages": [],
        "message": "",
        "comparisons": 8,
    }
    return {**base, **members}


def run_of(results: list[dict[str, Any]], **members: Any) -> dict[str, Any]:
    """The lines of results.jsonl, as read."""
    checks = [
        {"id": "mask_rate.drop_rate", "title": "drop rate"},
        {"id": "mask_rate.lanes"},
        {"id": "scale.kept"},
    ]
    header = {
        "record": "header",
        "schema": {"name": "dropcheck.results", "major": 1, "minor": 3},
        "tool_version": "0.1.0",
        "plan_hash": "ab",
        "alpha": 1e-6,
        "dialect": "pytorch",
        "profile": "frameworks",
        "checks": checks,
        "backends": [
            {
                "spec": "exec:x",
                "open_error": "",
                "capabilities": {
                    "name": "x",
                    "dtypes": ["f32"],
                    "seed_semantics": "per_call",
                    "seed_bits": 64,
                    "notes": [],
                },
            }
        ],
    }
    footer = {"record": "footer", "verdict": "pass", "complete": True}
    facts = {
        "processor": "a processor",
        "cores": "2",
        "memory_gib": "8",
        "operating_system": "an OS",
        "wall_seconds": "1.5",
    }
    environment = {"record": "environment", "facts": facts}
    run = {"header": header, "results": results, "environment": environment, "footer": footer}
    return {**run, **members}


def lines_of(run: dict[str, Any]) -> str:
    records = [run["header"], *run["results"], run["environment"], run["footer"]]
    return "".join(json.dumps(record) + "\n" for record in records)


def record_of(run: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A record of the matrix."""
    base = {
        "name": "x",
        "title": "X",
        "language": "Python",
        "form": "x.dropout",
        "homepage": "https://x.org",
        "documentation": "https://x.org/docs",
        "dialect": "pytorch",
        "status": "judged",
        "reason": "",
        "judged_on": "2026-01-02",
        "packages": {"x": {"version": "1.0", "released": "2025-12-31"}},
    }
    return {**base, **matrix.findings_record(run), **members}


class ManifestIsChecked(unittest.TestCase):
    document = {
        "environment": {"e": {"requirements": ["x==1.0"]}},
        "implementation": {
            "i": {
                "title": "I",
                "language": "C",
                "environment": "e",
                "dialect": "pytorch",
                "command": "{python} {here}/i.py",
                "homepage": "https://i.org",
                "documentation": "https://i.org",
            }
        },
    }

    def changed(self, kind: str, **members: Any) -> dict[str, Any]:
        document = json.loads(json.dumps(self.document))
        next(iter(document[kind].values())).update(members)
        return document

    def test_the_file_itself_is_sound_and_names_twelve_frameworks(self):
        manifest = read_manifest(HERE / "frameworks.toml")
        used = {each.environment for each in manifest.implementations.values()}
        self.assertEqual(used, set(manifest.environments))
        self.assertGreaterEqual(len(used), 12)
        short = {each.environment for each in manifest.implementations.values() if each.short}
        self.assertEqual(short, {"torch", "onnxruntime", "node"})
        for each in manifest.implementations.values():
            for word in each.command.split():
                if word.startswith("{here}"):
                    self.assertTrue(Path(word.format(here=HERE)).exists(), word)

    def test_a_sound_document_is_read(self):
        one = manifest_of(self.document).implementations["i"]
        self.assertEqual((one.name, one.backend, one.minutes, one.short), ("i", "", 15, False))

    def test_faults_are_named(self):
        cases = [
            ("environment", {"requirements": ["x"]}, "does not pin"),
            ("environment", {"requirements": ["x>=1"]}, "does not pin"),
            ("environment", {"requirements": "x==1"}, "another type"),
            ("environment", {"requirements": [1]}, "no texts"),
            ("environment", {"requirement": []}, "not known"),
            ("environment", {"build": "make {nowhere}"}, "placeholder"),
            ("implementation", {"environment": "f"}, "no environment f"),
            ("implementation", {"backend": "libtorch"}, "either"),
            ("implementation", {"command": ""}, "either"),
            ("implementation", {"command": "{pyhton} x"}, "placeholder"),
            ("implementation", {"homepage": "http://i.org"}, "https"),
            ("implementation", {"packages": ["y"]}, "does not ask for y"),
            ("implementation", {"minutes": 0}, "minutes"),
            ("implementation", {"minutes": True}, "another type"),
        ]
        for kind, members, words in cases:
            with self.subTest(members), self.assertRaisesRegex(ManifestError, words):
                manifest_of(self.changed(kind, **members))
        for document, words in [
            ({"x": {}}, "x is not known"),
            ({"environment": {"A b": {}}}, "a name has"),
            ({"implementation": {"i": {}}}, "missing"),
        ]:
            with self.subTest(document), self.assertRaisesRegex(ManifestError, words):
                manifest_of(document)


class EnvironmentsTellWhatIsMissing(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def prepare(self, **members: Any) -> dict[str, Any]:
        return environments.prepare(
            Environment("e", **members), self.folder / "made", self.folder, self.folder
        )

    def test_a_missing_program_and_a_missing_package_are_named(self):
        record = self.prepare(programs=["no-such-program"])
        self.assertFalse(record["installed"])
        self.assertIn("no-such-program", record["reason"])
        if environments.shutil.which("dpkg-query"):
            self.assertIn("apt-get install no-such-package", self.prepare(apt=["no-such-package"])["reason"])

    def test_a_failing_build_gives_its_reason(self):
        record = self.prepare(
            build="echo start; echo 'x.cpp:3:1: fatal error: no y.h' >&2; echo 'hint: z' >&2; exit 3"
        )
        self.assertEqual((record["installed"], record["reason"]), (False, "x.cpp:3:1: fatal error: no y.h"))

    def test_what_is_made_is_made_again_only_when_something_changed(self):
        source = self.folder / "adapter.cpp"
        source.write_text("1")
        count = self.folder / "count"
        build = "echo x >> {here}/count"
        for text, expected in (("1", 1), ("1", 1), ("2", 2), ("2", 2)):
            source.write_text(text)
            self.assertTrue(self.prepare(build=build)["installed"])
            self.assertEqual(len(count.read_text().split()), expected)

    def test_the_reason_is_the_last_error(self):
        output = (
            "Collecting x\nERROR: first\nERROR: No matching distribution found for x==9\n\nhint: see above\n"
        )
        self.assertEqual(environments.last_reason(output), "ERROR: No matching distribution found for x==9")
        self.assertEqual(environments.last_reason("a\nb\nnote: c\n"), "b")
        self.assertEqual(environments.last_reason(""), "it gave no reason")

    def test_versions_and_days(self):
        changelog = (
            "x (1.0) unstable; urgency=low\n\n  * y\n\n -- A B <a@b.c>  Sun, 04 Dec 2022 23:30:00 +0100\n"
        )
        self.assertEqual(environments.changelog_day(changelog), "2022-12-04")
        self.assertIsNone(environments.changelog_day("nothing"))
        files = [{"upload_time": "2026-08-25T00:00:10"}, {"upload_time": "2026-08-24T22:53:10"}, {}, 3]
        self.assertEqual(environments.first_day(files), "2026-08-24")
        for nothing in (None, [], [{"upload_time": "yesterday"}]):
            self.assertIsNone(environments.first_day(nothing))
        self.assertEqual(environments.normal("Foo_bar.Baz"), "foo-bar-baz")
        self.assertIsNone(environments.debian_version("no-such-package"))


class ChildrenAreEnded(unittest.TestCase):
    """A child starts a grandchild in a session of its own; both are to be gone."""

    script = (
        "import os, signal, subprocess, sys, time\n"
        "if sys.argv[2] == 'stubborn': signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "child = subprocess.Popen(sleep, start_new_session=True)\n"
        "open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid} ')\n"
        "time.sleep(60)\n"
    )

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        patience = processes.PATIENCE_S
        self.addCleanup(setattr, processes, "PATIENCE_S", patience)
        processes.PATIENCE_S = 1

    def run_logged(self, *command: str, seconds: float = 30) -> processes.Outcome:
        return processes.run_logged(
            [sys.executable, "-c", *command], self.folder / "log", seconds, self.folder
        )

    def test_status_and_output_are_kept(self):
        outcome = self.run_logged("import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)")
        self.assertEqual((outcome.exit_code, outcome.timed_out), (7, False))
        self.assertEqual(sorted((self.folder / "log").read_text().split()), ["err", "out"])

    def test_a_stubborn_child_is_killed_with_its_own(self):
        pids = self.folder / "pids"
        begin = time.monotonic()
        outcome = self.run_logged(self.script, str(pids), "stubborn", seconds=3)
        self.assertTrue(outcome.timed_out)
        self.assertLess(time.monotonic() - begin, 25)
        for pid in pids.read_text().split():
            self.assert_gone(int(pid))

    def assert_gone(self, pid: int) -> None:
        for _ in range(100):
            try:
                if "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]:
                    return
            except OSError:
                return
            time.sleep(0.05)
        self.fail(f"process {pid} is still there")


class EvidenceIsSorted(unittest.TestCase):
    def read(self, text: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "results.jsonl"
            path.write_text(text)
            return evidence.read_results(path)

    def test_a_file_is_read_back(self):
        run = run_of([result("scale.kept", "pass")])
        self.assertEqual(self.read(lines_of(run))["results"], run["results"])

    def test_what_cannot_be_trusted_is_refused(self):
        sound = run_of([result("scale.kept", "pass")])
        two = {**sound["header"], "backends": sound["header"]["backends"] * 2}
        other = {**sound["header"], "schema": {"name": "dropcheck.results", "major": 2}}
        cases = [
            (lines_of(sound).rpartition('{"record": "footer"')[0], "not finished"),
            (lines_of({**sound, "footer": {**sound["footer"], "complete": False}}), "not finished"),
            (lines_of({**sound, "header": two}), "one backend"),
            (lines_of({**sound, "header": other}), "schema"),
            (lines_of(run_of([result("scale.kept", "splendid")])), "splendid"),
            (lines_of(sound)[:-20], "cannot be read"),
            ("", "cannot be read"),
        ]
        for text, words in cases:
            with self.subTest(words), self.assertRaisesRegex(evidence.UnreadableResults, words):
                self.read(text)

    def test_recommended_results_do_not_count(self):
        run = run_of(
            [result("mask_rate.lanes", "fail", level="recommended"), result("mask_rate.lanes", "pass")]
        )
        self.assertEqual(evidence.suites_of(run)["mask_rate"]["fail"], 0)
        self.assertEqual(evidence.findings_of(run), [])
        self.assertEqual(
            [each["check"] for each in evidence.findings_of(run, "recommended")], ["mask_rate.lanes"]
        )

    def test_the_worst_case_is_the_failure_with_the_smallest_p_value(self):
        later = [
            {"stage": 1, "mask_entries": 8, "outcome": "suspicious"},
            {"stage": 2, "mask_entries": 64, "outcome": "fail", "statistics": [statistic(-30, cell=5)]},
        ]
        run = run_of(
            [
                result("mask_rate.drop_rate", "inconclusive", case="open", statistics=[statistic(-90)]),
                result("mask_rate.drop_rate", "fail", case="weak", statistics=[statistic(-12)]),
                result(
                    "mask_rate.drop_rate", "fail", case="strong", statistics=[statistic(-5)], stages=later
                ),
                result("mask_rate.drop_rate", "pass", case="fine", statistics=[statistic(-99, alpha=0)]),
                result("scale.kept", "pass"),
            ]
        )
        [found] = evidence.findings_of(run)
        self.assertEqual(
            (found["case"], found["statistic"]["cell"], found["title"]), ("strong", 5, "drop rate")
        )
        self.assertEqual((found["counts"]["fail"], found["counts"]["pass"]), (2, 1))

    def test_an_exact_failure_is_worse_than_any_p_value(self):
        results = [
            result("scale.kept", "fail", case="a", statistics=[statistic(-300)]),
            result("scale.kept", "fail", case="b"),
        ]
        self.assertEqual(evidence.worst_of(results)["case"], "b")

    def test_a_rejected_statistic_is_quoted_before_a_smaller_p_value(self):
        one = result(
            "scale.kept", "fail", statistics=[statistic(-8, alpha=1e-9), statistic(-7, alpha=1e-6, cell=1)]
        )
        self.assertEqual(evidence.quoted_statistic(one)["cell"], 1)

    def test_texts_for_numbers(self):
        self.assertEqual(evidence.log10_p({"log10_p": "-Inf"}), -math.inf)
        self.assertEqual(evidence.log10_p({"log10_p": "NaN"}), 0.0)
        self.assertFalse(evidence.rejects({"p_value": "NaN", "alpha": 1}))

    def test_a_sample_counts_once_however_many_checks_look_at_it(self):
        stages = [
            {"stage": 1, "mask_entries": 100},
            {"stage": 1, "mask_entries": 100},
            {"stage": 2, "mask_entries": 800},
        ]
        run = run_of(
            [
                result("mask_rate.lanes", "pass", stages=stages[:1]),
                result("mask_rate.drop_rate", "pass", stages=stages),
                result("mask_rate.drop_rate", "pass", stages=stages[:1], case="other"),
            ]
        )
        self.assertEqual(evidence.mask_entries(run), 1000)


class MatrixSaysNoMoreThanTheResults(unittest.TestCase):
    def conclusion(self, *verdicts: str) -> str:
        return matrix.conclusion(record_of(run_of([result("scale.kept", verdict) for verdict in verdicts])))

    def test_conclusions(self):
        self.assertEqual(
            self.conclusion("pass", "unsupported"), "Conforms to dialect pytorch: all 1 results passed."
        )
        self.assertEqual(
            self.conclusion("fail", "pass"), "Differs from dialect pytorch in 1 check: 1 of 2 results."
        )
        self.assertIn("; 1 ended in an error", self.conclusion("fail", "error"))
        for verdict in ("error", "inconclusive", "unsupported"):
            self.assertIn("Nothing could be decided", self.conclusion(verdict))
        for verdict in ("error", "inconclusive"):
            self.assertIn(
                "No difference from dialect pytorch was found: 1 of 2 passed",
                self.conclusion("pass", verdict),
            )

    def test_cells(self):
        counts = dict.fromkeys(evidence.RANKS, 0)
        cases = [
            ({"pass": 5}, "pass 5"),
            (
                {"pass": 5, "fail": 2, "error": 1, "inconclusive": 3},
                "differs 2, error 1, inconclusive 3 of 11",
            ),
            ({"unsupported": 9}, "not claimed"),
            ({"error": 1}, "error 1 of 1"),
        ]
        for some, expected in cases:
            self.assertEqual(matrix.cell({**counts, **some}), expected)
        self.assertEqual(matrix.cell(None), "not claimed")

    def test_a_page_has_effect_interval_p_value_and_repro(self):
        effect = {"value": 0.25, "unit": "drop probability", "lower": 0.2, "upper": 0.3}
        failed = result(
            "mask_rate.drop_rate",
            "fail",
            statistics=[statistic(-400.2, p_value=0.0, effect=effect)],
            message="drops | too often",
            repro="dropcheck run --backend=exec:x",
        )
        rules = [{"axis": "p = 1", "value": "refused", "allows": "p = 1 is refused"}]
        run = run_of([failed])
        run["header"]["dialect_rules"] = rules
        absent = {
            "name": "y",
            "title": "Y",
            "language": "C",
            "form": "y",
            "homepage": "https://y.org",
            "packages": {},
            "documentation": "https://y.org",
            "dialect": "dlib",
            "status": "not installed",
            "reason": "no y.h",
        }
        page = matrix.markdown([record_of(run), absent], "frameworks", "tools/judge-frameworks")
        for expected in (
            "1 of 2 implementations were judged.",
            "| [X](#x) | x 1.0 (2025-12-31) | pytorch | differs 1 of 1 | not claimed |",
            "| [Y](#y) |  | dlib | not installed |  |",
            "effect 0.25 drop probability, interval [0.2, 0.3]; p-value 10^-400; significance level 1e-09",
            "drops \\| too often",
            "`dropcheck run --backend=exec:x`",
            "| p = 1 | refused | p = 1 is refused |",
            "The dialect allows: p = 1 is refused.",
            "**not installed**: no y.h",
        ):
            self.assertIn(expected, page)
        self.assertNotIn("defect", page.replace("Differing is no defect by itself", ""))

    def test_json_lines_can_be_read_again(self):
        lines = [
            json.loads(line) for line in matrix.json_lines([record_of(run_of([]))], "frameworks").splitlines()
        ]
        self.assertEqual([line["record"] for line in lines], ["header", "implementation"])
        self.assertEqual(lines[0]["schema"]["name"], "dropcheck.matrix")

    def test_texts_of_others_stay_on_their_line(self):
        self.assertEqual(matrix.text("a\n| b `c` <d> x_y \x1b[31m", 99), "a \\| b \\`c\\` \\<d> x_y \\[31m")
        self.assertEqual(matrix.text("x" * 50, 10), "xxxxxxx...")
        self.assertEqual(matrix.code("a`b|\nc", 20), "`a'b/ c`")


FAKE = """#!{python}
import json, os, sys, time
options = dict(word[2:].split("=", 1) for word in sys.argv[2:] if "=" in word)
run = json.load(open({run!r}))
behaviour = options["backend"].rpartition(" ")[2]
print("last words of", options["backend"])
if behaviour == "crash": sys.exit(11)
if behaviour == "hang":
    open({pid!r}, "w").write(str(os.getpid()))
    time.sleep(60)
if behaviour == "closed": run["header"]["backends"][0]["open_error"] = "it does not open"
if behaviour == "differs":
    run["results"][0].update(verdict="fail", repro="run " + options["backend"])
    run["footer"].update(verdict="fail")
run["header"]["dialect"] = options["dialect"]
lines = [run["header"], *run["results"], run["environment"], run["footer"]]
with open(os.path.join(options["out"], "results.jsonl"), "w") as file:
    for line in lines: print(json.dumps(line), file=file)
sys.exit(1 if behaviour == "differs" else 0)
"""

MANIFEST = """
[environment.plain]
[environment.broken]
programs = ["no-such-program"]
"""


class TheToolGoesOn(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        (self.folder / "run.json").write_text(json.dumps(run_of([result("scale.kept", "pass")])))
        self.dropcheck = self.folder / "dropcheck"
        names = {
            "python": sys.executable,
            "run": str(self.folder / "run.json"),
            "pid": str(self.folder / "pid"),
        }
        self.dropcheck.write_text(FAKE.format(**names))
        self.dropcheck.chmod(0o755)
        self.write_manifest(good="fine", other="differs")

    def write_manifest(self, dialect: str = "pytorch", **behaviours: str) -> None:
        text = MANIFEST
        for name, behaviour in behaviours.items():
            environment = "broken" if behaviour == "broken" else "plain"
            text += (
                f'[implementation.{name}]\ntitle = "{name}"\nlanguage = "C"\nenvironment = "{environment}"\n'
                f'dialect = "{dialect}"\nhomepage = "https://x.org"\ndocumentation = "https://x.org"\n'
                f'command = "play {behaviour}"\nminutes = 0.5\n'
            )
        (self.folder / "manifest.toml").write_text(text)

    def command(self, *arguments: str) -> list[str]:
        places = [
            f"--manifest={self.folder}/manifest.toml",
            f"--dropcheck={self.dropcheck}",
            f"--docs={self.folder}",
            f"--out={self.folder}/out",
            f"--environments={self.folder}/environments",
        ]
        return [sys.executable, str(TOOL), *places, *arguments]

    def run_tool(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=120)

    def rows(self) -> dict[str, Any]:
        lines = (self.folder / "out" / "conformance_matrix.jsonl").read_text().splitlines()
        return {row["name"]: row for row in map(json.loads, lines[1:])}

    def test_differences_are_findings_and_no_failure_of_the_tool(self):
        self.assertEqual(self.run_tool().returncode, 0)
        rows = self.rows()
        self.assertEqual(rows["good"]["findings"], [])
        self.assertEqual(rows["other"]["suites"]["scale"]["fail"], 1)
        self.assertIn("play differs", rows["other"]["findings"][0]["repro"])
        self.assertTrue((self.folder / "conformance_matrix.md").exists())  # the folder of --docs

    def test_a_name_renews_its_row_alone(self):
        self.run_tool()
        self.write_manifest(good="fine", other="differs", third="fine")
        kept = (self.folder / "out" / "other" / "results.jsonl").stat().st_mtime_ns
        self.assertEqual(self.run_tool("third").returncode, 0)
        self.assertEqual(
            {name: row["status"] for name, row in self.rows().items()},
            {"good": "judged", "other": "judged", "third": "judged"},
        )
        self.assertEqual((self.folder / "out" / "other" / "results.jsonl").stat().st_mtime_ns, kept)

    def test_results_of_another_question_do_not_count(self):
        self.run_tool()
        self.write_manifest(dialect="dlib", good="fine", other="differs")
        self.run_tool("good")
        self.assertEqual(self.rows()["other"]["status"], "not run")
        self.run_tool("good", "--profile=quick")
        self.assertEqual(self.rows()["good"]["status"], "judged")
        self.assertNotIn("quick", (self.folder / "conformance_matrix.md").read_text())

    def test_it_goes_on_after_failures_and_says_so(self):
        self.write_manifest(a="broken", b="crash", c="closed", d="fine")
        done = self.run_tool()
        self.assertEqual(done.returncode, 1)
        rows = self.rows()
        self.assertEqual(
            [rows[name]["status"] for name in "abcd"], ["not installed", "not judged", "not judged", "judged"]
        )
        self.assertIn("no-such-program", rows["a"]["reason"])
        self.assertIn("last words of exec:play crash", rows["b"]["reason"])
        self.assertEqual(rows["c"]["reason"], "it does not open")
        self.assertIn("not judged: a, b, c", done.stderr)

    def test_a_failure_replaces_the_earlier_result(self):
        self.run_tool()
        self.dropcheck.write_text("#!/bin/sh\nexit 3\n")
        self.assertEqual(self.run_tool("good").returncode, 1)
        self.assertEqual(self.rows()["good"]["status"], "not judged")

    def test_one_that_hangs_is_ended(self):
        self.write_manifest(a="hang", b="fine")
        manifest = self.folder / "manifest.toml"
        manifest.write_text(manifest.read_text().replace("minutes = 0.5", "minutes = 0.05"))
        self.assertEqual(self.run_tool().returncode, 1)
        self.assertIn("not finished after 0.05 minutes", self.rows()["a"]["reason"])
        self.assertEqual(self.rows()["b"]["status"], "judged")

    def test_ctrl_c_ends_the_children(self):
        self.write_manifest(a="hang")
        tool = subprocess.Popen(self.command(), stderr=subprocess.PIPE, text=True)
        pid = self.folder / "pid"
        try:
            for _ in range(600):
                if pid.exists() and pid.read_text():
                    break
                time.sleep(0.05)
            tool.send_signal(signal.SIGINT)
            _, errors = tool.communicate(timeout=60)
        finally:
            tool.kill()
        self.assertEqual(tool.returncode, 2, errors)
        with self.assertRaises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)

    def test_wrong_command_lines_are_code_4(self):
        for arguments, words in [
            (["nope"], "nope is not known"),
            (["--must-pass=nope"], "nope is not known"),
            (["--nope"], "unrecognized"),
            (["--dropcheck=/no/such"], "is not there"),
            (["--manifest=/no/such"], "No such file"),
        ]:
            with self.subTest(arguments):
                done = self.run_tool(*arguments)
                self.assertEqual(done.returncode, 4)
                self.assertIn(words, done.stderr)

    def test_install_only_judges_nothing(self):
        self.write_manifest(a="broken", b="fine")
        self.assertEqual(self.run_tool("--install-only", "b", "--dropcheck=/no/such").returncode, 0)
        self.assertEqual(self.run_tool("--install-only").returncode, 1)
        self.assertFalse((self.folder / "out" / "conformance_matrix.md").exists())
        self.assertTrue((self.folder / "environments" / "plain.json").exists())

    def test_what_must_pass_decides_the_exit_code(self):
        self.write_manifest(good="fine", other="differs", third="hang")
        self.assertEqual(self.run_tool("good", "other", "--must-pass=good").returncode, 0)
        done = self.run_tool("good", "other", "--must-pass=good", "--must-pass=other")
        self.assertEqual(done.returncode, 1)
        self.assertIn("other does not pass", done.stderr)
        unjudged = self.run_tool("good", "--must-pass=third")
        self.assertEqual(unjudged.returncode, 1, "what was not judged did not pass")
        self.assertEqual(self.run_tool("good", "--must-pass=nope").returncode, 4)

    def test_list_shows_what_there_is(self):
        done = self.run_tool("--list")
        self.assertEqual(done.returncode, 0)
        self.assertEqual([line.split()[0] for line in done.stdout.splitlines()], ["good", "other"])


if __name__ == "__main__":
    unittest.main()
