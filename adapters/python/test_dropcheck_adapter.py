"""Drives the adapter files and every example as child processes, through the protocol.

    python3 adapters/python/test_dropcheck_adapter.py

Node and C++ are skipped when node or a C++ compiler is missing, NumPy and torch when they are not installed.
"""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import json
import math
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EXAMPLES = ROOT / "examples" / "adapters"
DEADLINE_S = 60
COMPILER = next(
    (found for found in map(shutil.which, [os.environ.get("CXX", ""), "g++", "c++"]) if found), None
)
NODE = shutil.which("node")
TIES = (1 + 2**-11, 1 + 3 * 2**-11, 1 + 2**-8, 1 + 3 * 2**-8)  # between two numbers of f16, of bf16
CODES = {"f32": "f", "f64": "d"}

sys.path.insert(0, str(HERE))
import dropcheck_adapter as sdk  # noqa: E402

_scratch = tempfile.TemporaryDirectory()
atexit.register(_scratch.cleanup)
_programs: Dict[Path, str] = {}


def has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def compiled(source: Path) -> str:
    """The program of a C++ source, built once; skips the test without a compiler."""
    if COMPILER is None:
        raise unittest.SkipTest("there is no C++ compiler")
    if source not in _programs:
        program = os.path.join(_scratch.name, source.stem)
        flags = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
        include = ["-I", str(ROOT)]
        built = subprocess.run([COMPILER, *flags, *include, str(source), "-o", program])
        _programs[source] = program if built.returncode == 0 else ""
    if not _programs[source]:
        raise AssertionError(f"{source} does not compile")
    return _programs[source]


def command_of(source: Path) -> List[str]:
    """How the adapter in a source file is started; skips the test when that is not possible here."""
    if source.suffix == ".py":
        return [sys.executable, str(source)]
    if source.suffix == ".cpp":
        return [compiled(source)]
    if NODE is None:
        raise unittest.SkipTest("there is no node")
    return [NODE, str(source)]


def floats(values: Sequence[float], dtype: str = "f32") -> bytes:
    return array(CODES[dtype], values).tobytes()


def values_of(data: bytes, dtype: str = "f32") -> List[float]:
    return [float(value) for value in array(CODES[dtype], data)]


def f32(value: float) -> float:
    return array("f", [value])[0]


def unpacked(data: bytes, count: int) -> List[int]:
    return [data[k // 8] >> (k % 8) & 1 for k in range(count)]


def tensor(name: str, shape: Sequence[int], dtype: str = "f32") -> Dict[str, Any]:
    return {"name": name, "dtype": dtype, "shape": list(shape)}


class Peer:
    """The other side of the protocol: one adapter as a child process.

    blocking: whether its ends of the pipes block.
    """

    def __init__(self, command: List[str], blocking: bool = True) -> None:
        self._stderr = tempfile.TemporaryFile()
        requests, our_requests = os.pipe()
        our_replies, replies = os.pipe()
        for descriptor in (requests, replies):
            os.set_blocking(descriptor, blocking)
        self.process = subprocess.Popen(command, stdin=requests, stdout=replies, stderr=self._stderr)
        os.close(requests)
        os.close(replies)
        self.process.stdin = open(our_requests, "wb")
        self.process.stdout = open(our_replies, "rb")
        self._watchdog = threading.Timer(DEADLINE_S, self.process.kill)
        self._watchdog.start()
        self._seq = 0

    def send(self, line: bytes, payload: bytes = b"") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n" + payload)
        self.process.stdin.flush()

    def receive(self) -> Tuple[Dict[str, Any], List[bytes]]:
        """A reply and the bytes of its tensors, or those that follow where it has none."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"no reply; standard error: {self.stderr()}")
        reply = json.loads(line)
        if "tensors" not in reply:
            count = reply.get("nbytes", 0)
            return reply, [self.process.stdout.read(count)] if count else []
        tensors = reply["tensors"]
        sizes = [math.prod(entry["shape"]) * sdk.ITEM_BYTES[entry["dtype"]] for entry in tensors]
        assert sum(sizes) == reply.get("nbytes", 0), reply
        return reply, [self.process.stdout.read(size) for size in sizes]

    def ask(self, cmd: str, payload: bytes = b"", **members: Any) -> Tuple[Dict[str, Any], List[bytes]]:
        self._seq += 1
        request = {"cmd": cmd, "seq": self._seq, **members}
        if payload or "tensors" in members:
            request.setdefault("nbytes", len(payload))
        self.send(json.dumps(request).encode(), payload)
        reply, data = self.receive()
        assert reply["seq"] == self._seq, reply
        return reply, data

    def start(self) -> Dict[str, Any]:
        return self.ask("start", version=1, harness="test")[0]

    def run(self, x: bytes, shape: Sequence[int], **members: Any) -> Tuple[Dict[str, Any], List[bytes]]:
        """A run on x; members as in the protocol, dtype is that of x."""
        described = tensor("x", shape, members.pop("dtype", "f32"))
        request = {"op": "dropout", "p": 0.5, "train": True, "want": ["y"], **members}
        return self.ask("run", x, tensors=[described], **request)

    def stderr(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")

    def end_of_input(self) -> int:
        """Closes the adapter's input; its exit status."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        status = self.process.wait()
        self._watchdog.cancel()
        return status

    def close(self) -> None:
        self._watchdog.cancel()
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._stderr):
            try:
                stream.close()  # type: ignore[union-attr]
            except BrokenPipeError:
                pass


class WithPeer(unittest.TestCase):
    """Starts the adapter of `source`, or of a Python program given as text."""

    source: Optional[Path] = None

    def peer(self, program: Optional[str] = None) -> Peer:
        if program is None:
            assert self.source is not None
            command = command_of(self.source)
        else:
            path = Path(_scratch.name) / f"{self.id()}.py"
            path.write_text(f"import sys\nsys.path.insert(0, {str(HERE)!r})\n{program}")
            command = [sys.executable, str(path)]
        started = Peer(command)
        self.addCleanup(started.close)
        return started


if TYPE_CHECKING:
    Mixin = WithPeer
else:
    Mixin = object  # unittest would run what derives from TestCase


class AnyExample(Mixin):
    """What every example must do. `seeds`: it can be seeded."""

    seeds = True

    def seeded(self, seed: int) -> Dict[str, int]:
        return {"seed": seed} if self.seeds else {}

    def started(self) -> Peer:
        peer: Peer = self.peer()
        reply = peer.start()
        self.assertEqual(reply["version"], 1)
        self.assertTrue(reply["name"])
        self.assertEqual(reply["seed_semantics"], "per_call" if self.seeds else "none")
        return peer

    def test_training_drops_and_scales(self) -> None:
        peer = self.started()
        n, p = 20000, 0.15  # here 1 / fl(1 - p) and 1 / (1 - p) are two float32 numbers
        x = [f32(random.uniform(-1, 1)) for _ in range(n)]
        reply, (y,) = peer.run(floats(x), [4, n // 4], p=p, **self.seeded(1234))
        self.assertEqual(reply["tensors"], [tensor("y", [4, n // 4])])
        scale = f32(1 / f32(1 - p))
        kept = 0
        for before, after in zip(x, values_of(y)):
            self.assertIn(after, (f32(before * scale), 0.0))
            if after == 0:
                self.assertEqual(math.copysign(1, after), math.copysign(1, before))
            kept += after != 0
        self.assertLess(abs(kept - n * (1 - p)), 6 * math.sqrt(n * p * (1 - p)))

    def test_seeds(self) -> None:
        if not self.seeds:
            self.skipTest("it cannot be seeded")
        peer = self.started()
        ones = floats([1.0] * 256)
        seeds = [0, 1, 2**32, 2**53 + 1, 2**53 + 2, 2**63, 2**64 - 2, 2**64 - 1]
        masks = [peer.run(ones, [256], seed=seed)[1][0] for seed in seeds]
        self.assertEqual(len(set(masks)), len(seeds))
        self.assertEqual([peer.run(ones, [256], seed=seed)[1][0] for seed in seeds], masks)

    def test_calls_differ(self) -> None:
        peer = self.started()
        ones = floats([1.0] * 256)
        masks = {peer.run(ones, [256], **self.seeded(k))[1][0] for k in range(20)}
        self.assertEqual(len(masks), 20)

    def test_identity(self) -> None:
        peer = self.started()
        x = floats([1.5, -0.0, math.inf, -math.inf, 3.4e38, 1e-45])
        for members in (
            {"train": False},
            {"p": 0},
            {"p": "-0"},
            {"p": 0, "train": False},
            {"p": 1, "train": False},
        ):
            with self.subTest(members):
                self.assertEqual(peer.run(x, [6], **members, **self.seeded(5))[1], [x])
        self.assertTrue(
            math.isnan(values_of(peer.run(floats([math.nan]), [1], p=0, **self.seeded(5))[1][0])[0])
        )

    def test_p_of_one(self) -> None:
        peer = self.started()
        x = floats([1.0, -1.0, math.nan, math.inf])
        _, (y,) = peer.run(x, [4], p=1, **self.seeded(5))
        self.assertEqual(y[:8], floats([0.0, -0.0]))
        self.assertTrue(all(map(math.isnan, values_of(y)[2:])))

    def test_nan_stays(self) -> None:
        peer = self.started()
        _, (y,) = peer.run(floats([math.nan] * 64), [64], **self.seeded(5))
        self.assertTrue(all(map(math.isnan, values_of(y))))

    def test_bad_p_is_refused(self) -> None:
        peer = self.started()
        for p in ("nan", "inf", "-inf", -0.1, 1.5, -1e-300, 1.0000000000000002):
            for train in (True, False):
                with self.subTest(p=p, train=train):
                    reply, data = peer.run(floats([1.0]), [1], p=p, train=train, **self.seeded(5))
                    self.assertIs(reply.get("errored"), True)
                    self.assertEqual(reply["kind"], "invalid_argument")
                    self.assertTrue(reply["message"])
                    self.assertEqual(data, [])

    def test_shapes(self) -> None:
        peer = self.started()
        for shape in ([], [0], [3, 0, 2], [1], [2, 3, 4], [1] * 8):
            with self.subTest(shape):
                x = floats([1.0] * math.prod(shape))
                reply, (y,) = peer.run(x, shape, **self.seeded(5))
                self.assertEqual(reply["tensors"], [tensor("y", shape)])
                self.assertLessEqual(set(values_of(y)), {0.0, 2.0})

    def test_large_frame(self) -> None:
        peer = self.started()
        x = random.Random(1).randbytes(1 << 20) if hasattr(random.Random, "randbytes") else bytes(1 << 20)
        x = bytes(byte & 0x3F for byte in x)  # no NaN, which would not come back bit by bit
        self.assertEqual(peer.run(x, [1 << 18], train=False, **self.seeded(5))[1], [x])

    def test_unknown_command(self) -> None:
        peer = self.started()
        reply, _ = peer.ask("dance", unknown={"a": [1, "}{", None]})
        self.assertIs(reply.get("errored"), True)
        self.assertIn("message", reply)
        self.assertEqual(peer.run(floats([1.0]), [1], p=0, unknown=7, **self.seeded(5))[1], [floats([1.0])])

    def test_stop(self) -> None:
        peer = self.started()
        self.assertNotIn("errored", peer.ask("stop")[0])
        self.assertEqual(peer.process.wait(), 0)

    def test_end_of_input(self) -> None:
        self.assertEqual(self.started().end_of_input(), 0)


class MinimalPython(AnyExample, WithPeer):
    source = EXAMPLES / "minimal.py"


class MinimalNode(AnyExample, WithPeer):
    source = EXAMPLES / "minimal.mjs"
    seeds = False


class AnySdkExample(AnyExample):
    """What the examples with an adapter file can do besides."""

    def test_masks(self) -> None:
        peer = self.started()
        n = 1003
        want = ["packed_mask", "y", "mask"]
        reply, (packed, y, mask) = peer.run(floats([1.0] * n), [17, 59], seed=9, want=want)
        described = [
            tensor("packed_mask", [126], "u8"),
            tensor("y", [17, 59]),
            tensor("mask", [17, 59], "u8"),
        ]
        self.assertEqual(reply["tensors"], described)
        self.assertEqual([int(v != 0) for v in values_of(y)], list(mask))
        self.assertEqual(unpacked(packed, n), list(mask))
        self.assertEqual(packed[-1] >> (n % 8), 0)

    def test_mask_of_eval(self) -> None:
        peer = self.started()
        self.assertEqual(
            peer.run(floats([1.0] * 9), [9], seed=9, train=False, want=["packed_mask"])[1], [b"\xff\x01"]
        )

    def test_empty_masks(self) -> None:
        peer = self.started()
        reply, _ = peer.run(b"", [0, 4], seed=9, want=["mask", "packed_mask"])
        self.assertEqual(reply["tensors"], [tensor("mask", [0, 4], "u8"), tensor("packed_mask", [0], "u8")])

    def test_fill_is_as_if_sent(self) -> None:
        peer = self.started()
        for value, number in ((2.5, 2.5), ("inf", math.inf), ("-0", -0.0)):
            sent = peer.run(floats([number] * 100), [10, 10], seed=3)
            fill = [{**tensor("x", [10, 10]), "value": value}]
            filled = peer.ask("run", op="dropout", p=0.5, train=True, seed=3, want=["y"], fill=fill)
            self.assertEqual(str(values_of(filled[1][0])), str(values_of(sent[1][0])))

    def test_double(self) -> None:
        peer = self.started()
        reply, (y,) = peer.run(floats([1.0] * 50, "f64"), [50], dtype="f64", p=0.3, seed=4)
        self.assertEqual(reply["tensors"], [tensor("y", [50], "f64")])
        self.assertEqual(set(values_of(y, "f64")), {0.0, 1 / (1 - 0.3)})

    def test_backward(self) -> None:
        peer = self.started()
        n = 200
        saved = []
        outputs = []
        for seed in (7, 8):
            reply, (data,) = peer.run(floats([1.0] * n), [n], p=0.3, seed=seed, save=True)
            self.assertGreater(reply["saved"], 0)
            saved.append(reply["saved"])
            outputs.append(values_of(data))
        self.assertNotEqual(*saved)
        for which in (1, 0, 0):
            token, y = saved[which], outputs[which]
            dy = [float(k) for k in range(n)]
            tensors = [tensor("dy", [n])]
            reply, (dx,) = peer.ask("backward", floats(dy), saved=token, want=["dx"], tensors=tensors)
            self.assertEqual(reply["tensors"], [tensor("dx", [n])])
            self.assertEqual(values_of(dx), [f32(a * b) for a, b in zip(dy, y)])
        for members in ({"want": ["dx", "d_dy"]}, {"attributes": {"create_graph": True}}):
            reply, _ = peer.ask(
                "backward", floats(dy), saved=saved[0], tensors=[tensor("dy", [n])], **members
            )
            self.assertIs(reply.get("skipped"), True)
        self.assertNotIn("errored", peer.ask("release", saved=saved[0])[0])
        self.assertNotIn("errored", peer.ask("release", saved=saved[0])[0])
        for token in (saved[0], 99):
            reply, _ = peer.ask("backward", floats([1.0]), saved=token, tensors=[tensor("dy", [1])])
            self.assertIs(reply.get("errored"), True)

    def test_not_claimed(self) -> None:
        peer = self.started()
        for members in (
            {"op": "dropout2d"},
            {"threads": 2},
            {"offset": 4},
            {"attributes": {"form": "module"}},
        ):
            with self.subTest(members):
                self.assertIs(peer.run(floats([1.0]), [1], seed=1, **members)[0].get("skipped"), True)
        reply, _ = peer.run(b"\0" * 8, [1], dtype="i64", seed=1)
        self.assertIs(reply.get("skipped"), True)

    def test_seed_is_needed(self) -> None:
        reply, _ = self.started().run(floats([1.0]), [1])
        self.assertIs(reply.get("errored"), True)
        self.assertEqual(reply["kind"], "failed")


class WithSdkPython(AnySdkExample, WithPeer):
    source = EXAMPLES / "with_sdk.py"


class WithSdkNode(AnySdkExample, WithPeer):
    source = EXAMPLES / "with_sdk.mjs"


class WithSdkCpp(AnySdkExample, WithPeer):
    source = EXAMPLES / "with_sdk.cpp"

    def test_in_place(self) -> None:
        peer = self.started()
        x = floats([1.0] * 64)
        self.assertEqual(peer.run(x, [64], seed=1, in_place=True)[1], peer.run(x, [64], seed=1)[1])


class AnySdk(Mixin):
    """What each adapter file does with requests, results, errors and noise, by way of its probe."""

    def started(self) -> Peer:
        peer: Peer = self.peer()
        reply = peer.start()
        self.assertEqual(reply["name"], "probe")
        self.assertEqual(reply["seed_semantics"], "stateful")
        self.assertEqual(reply["offset_unit"], "calls")
        features = [
            "backward",
            "constant_input",
            "effective_rate",
            "in_place",
            "mask",
            "packed_mask",
            "rng_words",
        ]
        self.assertEqual(sorted(reply["features"]), features + ["threads"])
        return peer

    def facts(self, peer: Peer, **members: Any) -> Dict[str, str]:
        reply, _ = peer.run(floats([1.0]), [1], **members)
        facts: Dict[str, str] = reply["facts"]
        return facts

    def test_arguments_arrive(self) -> None:
        peer = self.started()
        facts = self.facts(peer, p=0.25, seed=2**64 - 1, threads=3, offset=2**64 - 2)
        expected = {
            "p": "0.25",
            "seed": str(2**64 - 1),
            "threads": "3",
            "offset": str(2**64 - 2),
            "calls": "0",
        }
        self.assertEqual({name: facts[name] for name in expected}, expected)
        self.assertEqual(facts["train"].lower(), "true")
        self.assertEqual(self.facts(peer, train=False)["train"].lower(), "false")

    def test_seeds_arrive_exactly(self) -> None:
        peer = self.started()
        for seed in (0, 2**53 - 1, 2**53, 2**53 + 1, 10**16 + 1, 2**63 + 1, 2**64 - 1):
            self.assertEqual(self.facts(peer, seed=seed)["seed"], str(seed))

    def test_impossible_seeds_are_refused(self) -> None:
        peer = self.started()
        for seed in (-1, 2**64, 0.5, "abc", None):
            with self.subTest(seed=seed):
                self.assertIs(peer.run(floats([1.0]), [1], seed=seed)[0].get("errored"), True)

    def test_texts_for_p(self) -> None:
        peer = self.started()
        self.assertEqual(self.facts(peer, p="nan")["p"].lower(), "nan")
        self.assertEqual(self.facts(peer, p="inf")["p"].lower()[:3], "inf")
        self.assertEqual(self.facts(peer, p="-inf")["p"].lower()[:4], "-inf")
        self.assertEqual(self.facts(peer, p="-0")["p"], "-0.0")
        for p in ("0.5", "NaN", True, None, [0.5]):
            with self.subTest(p=p):
                self.assertIs(peer.run(floats([1.0]), [1], p=p)[0].get("errored"), True)

    def test_stream_continues(self) -> None:
        peer = self.started()
        calls = [self.facts(peer, **members)["calls"] for members in ({"seed": 4}, {}, {}, {"seed": 4}, {})]
        self.assertEqual(calls, ["0", "1", "2", "0", "1"])

    def test_observations(self) -> None:
        reply, _ = self.started().run(floats([1.0] * 5), [5])
        self.assertEqual(reply["rng_words"], 5)
        self.assertEqual(reply["effective_p"], 0.25)
        self.assertEqual(reply["warnings"], ["a warning"])
        self.assertNotIn("saved", reply)

    def test_errors(self) -> None:
        peer = self.started()
        for p, kind, message in (
            (2, "invalid_argument", "refused"),
            (4, "failed", "broken"),
            (5, "out_of_memory", ""),
        ):
            with self.subTest(p=p):
                reply, _ = peer.run(floats([1.0]), [1], p=p)
                self.assertIs(reply.get("errored"), True)
                self.assertEqual(reply["kind"], kind)
                self.assertIn(message, reply["message"])
                self.assertTrue(reply["message"])
        reply, _ = peer.run(floats([1.0]), [1], p=3)
        self.assertEqual((reply.get("skipped"), reply["message"]), (True, "cannot do this"))

    def test_missing_results(self) -> None:
        peer = self.started()
        for members in (
            {"p": 6},
            {"p": 7, "want": ["mask"]},
            {"p": 7, "want": ["packed_mask"]},
            {"want": ["z"]},
        ):
            with self.subTest(members):
                reply, _ = peer.run(floats([1.0]), [1], **members)
                self.assertEqual((reply.get("errored"), reply.get("kind")), (True, "failed"))
        reply, _ = peer.run(floats([1.0]), [1], p=7, save=True)
        self.assertIs(reply.get("errored"), True)

    def test_in_place(self) -> None:
        peer = self.started()
        self.assertEqual(peer.run(floats([1.0, 2.0]), [2], in_place=True)[1], [floats([2.0, 4.0])])

    def test_noise_goes_to_standard_error(self) -> None:
        peer = self.started()
        peer.run(floats([1.0]), [1])
        peer.ask("stop")
        peer.process.wait()
        assert peer.process.stdout is not None
        self.assertEqual(peer.process.stdout.read(), b"")
        self.assertIn("noise from the kernel", peer.stderr())
        self.assertIn('{"seq":-1}', peer.stderr())

    def test_kernel_cannot_read_requests(self) -> None:
        self.assertEqual(self.facts(self.started())["input"], "")

    def test_pipes_that_do_not_block(self) -> None:
        assert self.source is not None
        peer = Peer(command_of(self.source), blocking=False)
        self.addCleanup(peer.close)
        peer.start()
        n = 1 << 18
        request = {"cmd": "run", "seq": 1, "p": 0.5, "nbytes": 4 * n, "tensors": [tensor("x", [n])]}
        for _ in range(2):
            time.sleep(0.1)  # the adapter finds no request
            peer.send(json.dumps(request).encode(), floats([float(k) for k in range(n)]))
            time.sleep(0.5)  # the adapter finds the pipe full
            self.assertEqual(peer.receive()[1], [floats([2.0 * k for k in range(n)])])

    def test_sizes_that_disagree(self) -> None:
        peer = self.started()
        reply, _ = peer.run(bytes(100000), [1])
        self.assertEqual((reply.get("errored"), reply.get("kind")), (True, "failed"))
        reply, _ = peer.ask("run", b"1234", p=0.5, tensors=[tensor("x", [2**40, 2**40])])
        self.assertIs(reply.get("errored"), True)
        reply, _ = peer.ask("run", b"1234", p=0.5, tensors=[tensor("x", [-1])])
        self.assertIs(reply.get("errored"), True)
        reply, _ = peer.ask("run", b"1234", p=0.5, tensors=[tensor("x", [1], "f33")])
        self.assertIs(reply.get("errored"), True)
        self.assertEqual(peer.run(floats([1.0]), [1])[1], [floats([2.0])])

    def test_incomplete_requests(self) -> None:
        peer = self.started()
        x = {**tensor("x", [1]), "value": 1}
        for members in ({}, {"p": 0.5}, {"fill": [x]}, {"p": 0.5, "fill": [tensor("x", [1])]}):
            with self.subTest(members):
                self.assertIs(peer.ask("run", **members)[0].get("errored"), True)
        self.assertNotIn("errored", peer.ask("run", p=0.5, fill=[x])[0])

    def test_another_version(self) -> None:
        self.assertIs(self.peer().ask("start", version=2)[0].get("errored"), True)

    def test_broken_framing_ends_the_program(self) -> None:
        x = b'"tensors":[{"name":"x","dtype":"f32","shape":[1]}]'
        for line in (
            b"what",
            b"[1]",
            b'{"cmd":"run"',
            b'{"cmd":"stop","seq":1}}',
            b'{"a":01}',
            b'{"a":"\\x"}',
            b"[" * 99999,
            b'{"cmd":"run","seq":1,"p":0.5,"nbytes":-4,' + x + b"}",
            b'{"cmd":"run","seq":1,"p":0.5,"nbytes":"4",' + x + b"}",
            b'{"cmd":"run","seq":1,"p":0.5,"nbytes":4,' + x + b"}\n12",
            b'{"a":"' + b"a" * (1 << 20) + b'"}',
        ):
            with self.subTest(line[:60]):
                peer = self.peer()
                try:
                    peer.send(line)
                except BrokenPipeError:
                    pass
                self.assertEqual(self.status(peer), 1)
                self.assertIn("dropcheck_adapter: ", peer.stderr())

    @staticmethod
    def status(peer: Peer) -> int:
        try:
            return peer.end_of_input()
        except BrokenPipeError:
            return peer.process.wait()

    def test_half_types(self) -> None:
        peer = self.peer()
        if "f16" not in peer.start()["dtypes"]:
            self.skipTest("it has no half types")
        values: List[Any] = [
            1.0,
            -0.0,
            0.1,
            1 / 3,
            65504.0,
            65519.99,
            65520.0,
            1e30,
            6e-8,
            2.9e-8,
            3.1e-5,
            1e-45,
            *TIES,
        ]
        for value in [*values, "inf", "-inf"]:
            number = f32(float(value))
            with self.subTest(value):
                self.assertEqual(
                    self.doubled(peer, "f16", number),
                    struct.pack("<e", self.half_of(number) * 2)
                    if abs(self.half_of(number)) < 32760
                    else self.infinity(number),
                )
                bits = struct.unpack("<I", struct.pack("<f", self.bf16_of(number) * 2))[0]
                self.assertEqual(self.doubled(peer, "bf16", number), struct.pack("<H", bits >> 16))

    @staticmethod
    def doubled(peer: Peer, dtype: str, value: float) -> bytes:
        text = value if math.isfinite(value) else "inf" if value > 0 else "-inf"
        fill = [{**tensor("x", [2], dtype), "value": text}]
        return peer.ask("run", p=0.5, fill=fill)[1][0][:2]

    @staticmethod
    def half_of(value: float) -> float:
        """Rounded to f16 by comparing with both neighbours, which struct gives exactly."""
        return (
            math.copysign(math.inf, value)
            if abs(value) >= 65520
            else struct.unpack("<e", struct.pack("<e", value))[0]
        )

    @staticmethod
    def bf16_of(value: float) -> float:
        """The nearest of two neighbours with 8 significant bits, ties to the even one."""
        if not math.isfinite(value) or value == 0:
            return value
        exponent = max(math.frexp(value)[1] - 8, -133)
        return math.ldexp(round(math.ldexp(value, -exponent)), exponent)

    @staticmethod
    def infinity(value: float) -> bytes:
        return b"\x00\x7c" if value > 0 else b"\x00\xfc"


class PythonSdk(AnySdk, WithPeer):
    source = HERE / "testing" / "probe.py"

    def test_noise_of_others(self) -> None:
        peer = self.started()
        peer.run(floats([1.0]), [1])
        peer.ask("stop")
        peer.process.wait()
        self.assertIn("noise before the start", peer.stderr())
        self.assertIn("noise from a child", peer.stderr())

    def test_traceback(self) -> None:
        reply, _ = self.started().run(floats([1.0]), [1], p=4)
        self.assertIn("in misbehave", reply["traceback"])

    def test_long_messages_are_cut(self) -> None:
        peer = self.peer(
            "from dropcheck_adapter import serve\n@serve(name='a')\ndef f(x): raise KeyError('é' * 10**7)"
        )
        peer.start()
        reply, _ = peer.run(floats([1.0]), [1])
        for member in ("message", "traceback"):
            self.assertTrue(3900 < len(reply[member].encode()) <= 4096, member)


class NodeSdk(AnySdk, WithPeer):
    source = ROOT / "adapters" / "node" / "testing" / "probe.mjs"

    def test_range_error_refuses(self) -> None:
        reply, _ = self.started().run(floats([1.0]), [1], p=8)
        self.assertEqual((reply["kind"], reply["message"]), ("invalid_argument", "refused by range"))

    def test_aliases(self) -> None:
        peer = self.started()
        self.assertIs(peer.run(floats([1.0]), [1], p=7)[0].get("aliases_input"), True)
        self.assertNotIn("aliases_input", peer.run(floats([1.0]), [1])[0])

    def test_console_that_was_used_before(self) -> None:
        module = ROOT / "adapters" / "node" / "dropcheck_adapter.mjs"
        path = Path(_scratch.name) / "early.mjs"
        path.write_text(
            f"import {{ serve }} from {json.dumps(str(module))};\n"
            "console.log('early');\n"
            "const shout = () => { console.log('log'); console.info('info'); console.debug('debug'); };\n"
            "serve({ name: 'a' }, (x) => { shout(); return x; });\n"
        )
        peer = Peer(command_of(path))
        self.addCleanup(peer.close)
        assert peer.process.stdout is not None
        self.assertEqual(peer.process.stdout.readline(), b"early\n")
        peer.start()
        self.assertEqual(peer.run(floats([1.0]), [1])[1], [floats([1.0])])
        peer.ask("stop")
        peer.process.wait()
        self.assertEqual(peer.stderr(), "log\ninfo\ndebug\n")


class CppSdk(AnySdk, WithPeer):
    source = ROOT / "adapters" / "cpp" / "testing" / "probe.cpp"

    def test_other_exceptions(self) -> None:
        peer = self.started()
        self.assertEqual(peer.run(floats([1.0]), [1], p=8)[0]["kind"], "invalid_argument")
        self.assertEqual(peer.run(floats([1.0]), [1], p=9)[0]["kind"], "failed")

    def test_json(self) -> None:
        peer = self.started()
        peer.send(
            b' {"cmd" :"r\\u0075n","seq":"\\ud83d\\ude00 \\"","p":5e-1,"x":[true,false,null,[],{}, -1.5E+3], '
            b'"fill":[{"name":"x","dtype":"f32","shape":[],"value":1}]}'
        )
        reply, data = peer.receive()
        self.assertEqual(data, [floats([2.0])])


class PythonKernels(WithPeer):
    """Ways to write a kernel in Python."""

    def test_array_is_the_default(self) -> None:
        peer = self.peer("""
from dropcheck_adapter import Result, serve
@serve(name="a", dtypes=["f32", "f16", "i64", "u8"])
def f(x, shape, dtype, op, want, attributes):
    other = (dtype, op, want, attributes)
    return Result(x, facts={"type": type(x).__name__ + x.typecode, "shape": shape, "other": other})
""")
        self.assertEqual(peer.start()["seed_semantics"], "none")
        facts = peer.run(floats([1.0] * 6), [2, 3], attributes={"a": 1})[0]["facts"]
        self.assertEqual(facts["type"], "arrayf")
        self.assertEqual(facts["shape"], "(2, 3)")
        self.assertEqual(facts["other"], "('f32', 'dropout', ['y'], {'a': 1})")
        self.assertEqual(peer.run(bytes(range(16)), [2], dtype="i64")[1], [bytes(range(16))])
        fill = [{**tensor("x", [2], "u8"), "value": 7}]
        self.assertEqual(peer.ask("run", p=0, fill=fill)[1], [b"\7\7"])

    def test_what_was_really_produced(self) -> None:
        peer = self.peer("""
from array import array
from dropcheck_adapter import serve
@serve(name="a", mask=True)
def f(x, p): return (array("d", x), [0.5]) if p else (x[:2], [1, 0])
""")
        peer.start()
        self.assertEqual(peer.run(floats([1.0] * 3), [3])[0]["tensors"], [tensor("y", [3], "f64")])
        self.assertEqual(peer.run(floats([1.0] * 3), [3], p=0)[0]["tensors"], [tensor("y", [2])])
        self.assertEqual(peer.run(floats([1.0] * 3), [3], p=0, want=["mask"])[1], [b"\1\0"])
        self.assertIs(peer.run(floats([1.0] * 3), [3], p=0, want=["packed_mask"])[0].get("errored"), True)
        self.assertIs(peer.run(floats([1.0]), [1], want=["mask"])[0].get("errored"), True)

    def test_reseed_and_warnings(self) -> None:
        peer = self.peer("""
import random, warnings
from dropcheck_adapter import serve
@serve(name="a", reseed=random.seed)
def f(x):
    warnings.warn("careful")
    return [random.random() for _ in x]
""")
        self.assertEqual(peer.start()["seed_semantics"], "stateful")
        x = floats([1.0])
        ys = [
            peer.run(x, [1], **members)[1] for members in ({"seed": 2**64 - 1}, {}, {"seed": 2**64 - 1}, {})
        ]
        self.assertEqual(ys[:2], ys[2:])
        self.assertNotEqual(ys[0], ys[1])
        self.assertEqual([peer.run(x, [1])[0]["warnings"] for _ in range(2)], [["careful"]] * 2)

    def test_state_of_the_generator(self) -> None:
        peer = self.peer("""
import pickle, random
from dropcheck_adapter import serve
@serve(name="a", reseed=random.seed, promises=["equal_ranks"], get_state=lambda: pickle.dumps(random.getstate()),
       set_state=lambda state: random.setstate(pickle.loads(state)))
def f(x): return [random.random() for _ in x]
""")
        started = peer.start()
        self.assertIn("recompute", started["features"])
        self.assertEqual(started["promises"], ["equal_ranks"])
        x = floats([1.0])
        peer.run(x, [1], seed=5)
        _, (state,) = peer.ask("save_state")
        drawn = [peer.run(x, [1])[1] for _ in range(2)]
        self.assertNotIn("errored", peer.ask("load_state", state)[0])
        self.assertEqual([peer.run(x, [1])[1] for _ in range(2)], drawn)

    def test_no_state(self) -> None:
        peer = self.peer("from dropcheck_adapter import serve\n@serve(name='a')\ndef f(x): return x")
        self.assertNotIn("recompute", peer.start()["features"])
        self.assertIs(peer.ask("save_state")[0].get("skipped"), True)
        self.assertIs(peer.ask("load_state", b"1234")[0].get("skipped"), True)
        self.assertEqual(peer.run(floats([1.0]), [1])[1], [floats([1.0])])

    def test_no_seeds(self) -> None:
        peer = self.peer("from dropcheck_adapter import serve\n@serve(name='a')\ndef f(x): return x")
        self.assertEqual(peer.start()["seed_semantics"], "none")
        self.assertIs(peer.run(floats([1.0]), [1], seed=4)[0].get("skipped"), True)
        self.assertIs(peer.run(floats([1.0]), [1])[0]["aliases_input"], True)
        for members in ({"in_place": True}, {"save": True}, {"want": ["mask"]}, {"threads": 2}):
            self.assertIs(peer.run(floats([1.0]), [1], **members)[0].get("skipped"), True)

    def test_further_inputs_and_outputs(self) -> None:
        peer = self.peer("""
from dropcheck_adapter import Result, serve
@serve(name="a", forms=["decoder_layer"])
def f(x, memory, attributes): return Result(x, outputs={"h": memory})
""")
        self.assertEqual(peer.start()["forms"], ["decoder_layer"])
        tensors = [tensor("x", [1]), tensor("memory", [1])]
        _, data = peer.ask("run", floats([1.0, 2.0]), p=0.5, tensors=tensors, want=["y", "h"])
        self.assertEqual(data, [floats([1.0]), floats([2.0])])

    def test_exceptions_that_refuse(self) -> None:
        peer = self.peer("""
from dropcheck_adapter import serve
@serve(name="a", refuses=(ValueError, KeyError))
def f(x): raise KeyError("p")
""")
        peer.start()
        self.assertEqual(peer.run(floats([1.0]), [1])[0]["kind"], "invalid_argument")

    def test_imported_module_does_not_serve(self) -> None:
        Path(_scratch.name, "imported_adapter.py").write_text(
            "from dropcheck_adapter import serve\n@serve(name='a')\ndef f(x): return 2 * x\n"
        )
        sys.path.insert(0, _scratch.name)
        self.addCleanup(sys.path.remove, _scratch.name)
        self.assertEqual(importlib.import_module("imported_adapter").f(3), 6)

    def test_claims_that_contradict(self) -> None:
        def kernel(x: Any, frequency: Any) -> Any:
            return x

        for members in (
            {"dtypes": ["f33"]},
            {"tensors": "array", "dtypes": ["c64"]},
            {"seed_semantics": "some"},
            {"backward": "autograd", "tensors": "list"},
            {"backward": "me"},
            {"tensors": "abacus"},
        ):
            with self.subTest(members), self.assertRaises(ValueError):
                sdk.serve(name="a", **{"tensors": "array", **members})(lambda x: x)  # type: ignore[arg-type]
        with self.assertRaisesRegex(TypeError, "frequency"):
            sdk.serve(name="a", tensors="array")(kernel)
        with self.assertRaisesRegex(TypeError, "no x"):
            sdk.serve(name="a", tensors="array")(lambda p: p)


class Numbers(unittest.TestCase):
    def test_bf16(self) -> None:
        patterns = sdk.bf16_from_f32([1.0, -2.0, 0.1, 3.39e38, math.inf, math.nan, 1.00390625, 1.01171875])
        self.assertEqual(patterns[:4].tolist(), [0x3F80, 0xC000, 0x3DCD, 0x7F7F])
        self.assertEqual(patterns[4], 0x7F80)
        self.assertTrue(math.isnan(sdk.f32_from_bf16(patterns)[5]))
        self.assertEqual(patterns[6:].tolist(), [0x3F80, 0x3F82])  # ties to even

    def test_all_bf16_patterns_survive(self) -> None:
        patterns = [p for p in range(1 << 16) if p & 0x7FFF <= 0x7F80]
        self.assertEqual(sdk.bf16_from_f32(sdk.f32_from_bf16(patterns)).tolist(), patterns)

    def test_packed_bits_with_and_without_numpy(self) -> None:
        for n in (0, 1, 7, 8, 9, 1000):
            mask = bytes(random.Random(n).randrange(2) for _ in range(n))
            naive = bytes(sum(bit << k for k, bit in enumerate(mask[at : at + 8])) for at in range(0, n, 8))
            self.assertEqual(sdk.packed_bits(mask), naive)

    @unittest.skipUnless(has("numpy"), "there is no numpy")
    def test_with_numpy(self) -> None:
        program = f"""
import sys; sys.path.insert(0, {str(HERE)!r})
import numpy as np, dropcheck_adapter as sdk
values = np.random.default_rng(1).integers(0, 2**32, 100000, dtype=np.uint32).view(np.float32)
values = values[np.isfinite(values)]
patterns = sdk.bf16_from_f32(values)
assert patterns.tolist() == sdk.bf16_from_f32(values.tolist()).tolist()
assert sdk.f32_from_bf16(patterns).tolist() == sdk.f32_from_bf16(patterns.tolist()).tolist()
assert sdk.bf16_from_f32(np.float32(1)) == 0x3F80
assert sdk.packed_bits(b"") == b"" and sdk.packed_bits(bytes([1, 0, 1] * 3)) == b"\\x6d\\x01"
"""
        subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


@unittest.skipUnless(has("numpy"), "there is no numpy")
class NumpyKernels(WithPeer):
    DOUBLE = """
import numpy as np
from dropcheck_adapter import Result, serve
@serve(name="a", dtypes=["f64", "f32", "f16", "bf16"], mask=True)
def f(x, p, in_place):
    assert isinstance(x, np.ndarray)
    if in_place: x += x
    y = {0: x, 0.25: x.T, 0.5: x + x, 0.75: x.astype("f8"), 1: x.astype(">f4")}[p]
    return Result(y, x > 1, facts={"dtype": x.dtype, "shape": x.shape})
"""

    def test_values_and_shapes(self) -> None:
        peer = self.peer(self.DOUBLE)
        peer.start()
        for shape in ([], [0], [2, 0], [2, 3]):
            x = floats([float(k) for k in range(math.prod(shape))])
            reply, (y,) = peer.run(x, shape)
            self.assertEqual(reply["tensors"], [tensor("y", shape)])
            self.assertEqual(values_of(y), [2 * v for v in values_of(x)])
        reply, (mask, packed) = peer.run(floats([0.0, 1.0, 2.0, 3.0]), [2, 2], want=["mask", "packed_mask"])
        self.assertEqual((mask, packed), (b"\0\0\1\1", b"\x0c"))

    def test_what_was_really_produced(self) -> None:
        peer = self.peer(self.DOUBLE)
        peer.start()
        x = floats([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
        reply, (y,) = peer.run(x, [2, 3], p=0.25)
        self.assertEqual(reply["tensors"], [tensor("y", [3, 2])])
        self.assertEqual(values_of(y), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0])
        self.assertIs(reply["aliases_input"], True)
        self.assertIs(peer.run(x, [2, 3], p=0.5)[0]["aliases_input"], False)
        self.assertEqual(peer.run(x, [2, 3], p=0.75)[0]["tensors"], [tensor("y", [2, 3], "f64")])
        self.assertIn(">f4", peer.run(x, [2, 3], p=1)[0]["message"])

    def test_in_place(self) -> None:
        peer = self.peer(self.DOUBLE)
        peer.start()
        self.assertEqual(peer.run(floats([1.0]), [1], in_place=True)[1], [floats([2.0])])

    def test_half(self) -> None:
        peer = self.peer(self.DOUBLE)
        peer.start()
        reply, (y,) = peer.run(struct.pack("<2e", 1, -0.5), [2], dtype="f16")
        self.assertEqual(reply["tensors"], [tensor("y", [2], "f16")])
        self.assertEqual(struct.unpack("<2e", y), (2.0, -1.0))

    def test_bf16_without_ml_dtypes(self) -> None:
        peer = self.peer("sys.modules['ml_dtypes'] = None\n" + self.DOUBLE)
        peer.start()
        reply, (y,) = peer.run(b"\x80\x3f\x00\x40", [2], dtype="bf16", p=0)
        self.assertEqual(reply["facts"]["dtype"], "uint16")
        self.assertEqual((reply["tensors"], y), ([tensor("y", [2], "bf16")], b"\x80\x3f\x00\x40"))
        fill = [{**tensor("x", [2], "bf16"), "value": 1}]
        self.assertEqual(peer.ask("run", p=0, fill=fill)[1], [b"\x80\x3f\x80\x3f"])

    @unittest.skipUnless(has("ml_dtypes"), "there is no ml_dtypes")
    def test_bf16_with_ml_dtypes(self) -> None:
        peer = self.peer(self.DOUBLE)
        peer.start()
        reply, (y,) = peer.run(b"\x80\x3f\x00\x40", [2], dtype="bf16")
        self.assertEqual(reply["facts"]["dtype"], "bfloat16")
        self.assertEqual((reply["tensors"], y), ([tensor("y", [2], "bf16")], b"\x00\x40\x80\x40"))
        fill = [{**tensor("x", [2], "bf16"), "value": 1}]
        self.assertEqual(peer.ask("run", p=0.5, fill=fill)[1], [b"\x00\x40\x00\x40"])


@unittest.skipUnless(has("torch"), "there is no torch")
class TorchKernels(WithPeer):
    DROPOUT = """
import torch
from dropcheck_adapter import serve
@serve(name="a", dtypes=["f64", "f32", "f16", "bf16"], reseed=torch.manual_seed, backward="autograd")
def f(x, p, train, in_place): return torch.nn.functional.dropout(x, p, train, in_place)
"""

    def started(self) -> Peer:
        peer = self.peer(self.DROPOUT)
        reply = peer.start()
        self.assertEqual(reply["seed_semantics"], "stateful")
        self.assertEqual(sorted(reply["features"]), ["backward", "constant_input", "in_place"])
        return peer

    def test_forward(self) -> None:
        peer = self.started()
        for shape in ([], [0], [3, 0], [7, 9]):
            reply, (y,) = peer.run(floats([1.0] * math.prod(shape)), shape, seed=3)
            self.assertEqual(reply["tensors"], [tensor("y", shape)])
            self.assertLessEqual(set(values_of(y)), {0.0, 2.0})
        x = floats([1.0] * 64)
        first, second = (peer.run(x, [64], **members)[1] for members in ({"seed": 2**64 - 1}, {}))
        self.assertNotEqual(first, second)
        self.assertEqual(
            [peer.run(x, [64], **members)[1] for members in ({"seed": 2**64 - 1}, {})], [first, second]
        )
        self.assertIs(peer.run(x, [64], p=0)[0]["aliases_input"], True)
        self.assertIs(peer.run(x, [64])[0]["aliases_input"], False)

    def test_half_types(self) -> None:
        peer = self.started()
        for dtype, one, two in (("f16", b"\x00\x3c", b"\x00\x40"), ("bf16", b"\x80\x3f", b"\x00\x40")):
            reply, (y,) = peer.run(one * 64, [64], dtype=dtype, seed=3)
            self.assertEqual(reply["tensors"], [tensor("y", [64], dtype)])
            self.assertEqual({y[k : k + 2] for k in range(0, 128, 2)}, {b"\0\0", two})

    def test_gradient(self) -> None:
        peer = self.started()
        for in_place in (False, True):
            reply, (y,) = peer.run(floats([1.0] * 64), [64], seed=3, save=True, in_place=in_place)
            dy = [float(k) for k in range(64)]
            for _ in range(2):
                _, (dx,) = peer.ask(
                    "backward", floats(dy), saved=reply["saved"], tensors=[tensor("dy", [64])]
                )
                self.assertEqual(values_of(dx), [a * b for a, b in zip(dy, values_of(y))])
        reply, _ = peer.run(floats([1.0]), [1], train=False, save=True)
        self.assertEqual(
            peer.ask("backward", floats([5.0]), saved=reply["saved"], tensors=[tensor("dy", [1])])[1],
            [floats([5.0])],
        )

    @unittest.skipIf(COMPILER is None, "there is no C++ compiler")
    def test_gradient_of_a_compiled_function(self) -> None:
        peer = self.peer("""
import torch
from dropcheck_adapter import serve
compiled = torch.compile(lambda x: torch.nn.functional.dropout(x, 0.5))
@serve(name="a", reseed=torch.manual_seed, backward="autograd")
def f(x, p): return compiled(x)
""")
        peer.start()
        for n in (64, 65):  # the second size is compiled as a variable, and its gradient may be asked for once
            reply, (y,) = peer.run(floats([1.0] * n), [n], seed=3, save=True)
            self.assertEqual(set(values_of(y)), {0.0, 2.0})
            dy = [float(k) for k in range(n)]
            _, (dx,) = peer.ask("backward", floats(dy), saved=reply["saved"], tensors=[tensor("dy", [n])])
            self.assertEqual(values_of(dx), [a * b for a, b in zip(dy, values_of(y))])

    def test_refusal(self) -> None:
        self.assertEqual(self.started().run(floats([1.0]), [1], p=1.5)[0]["kind"], "invalid_argument")

    def test_masks(self) -> None:
        peer = self.peer("""
import torch
from dropcheck_adapter import serve
@serve(name="a", mask=True)
def f(x, p, seed):
    generator = torch.Generator(); generator.manual_seed(seed)
    mask = torch.empty_like(x).bernoulli_(1 - p, generator=generator)
    return x * mask / (1 - p), mask if p < 0.6 else mask / 2
""")
        peer.start()
        want = ["y", "mask", "packed_mask"]
        _, (y, mask, packed) = peer.run(floats([1.0] * 99), [11, 9], seed=3, want=want)
        self.assertEqual([int(v != 0) for v in values_of(y)], list(mask))
        self.assertEqual(unpacked(packed, 99), list(mask))
        self.assertIs(peer.run(floats([1.0] * 9), [9], p=0.7, seed=3, want=["mask"])[0].get("errored"), True)


if __name__ == "__main__":
    unittest.main()
