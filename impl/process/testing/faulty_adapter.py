"""The good adapter, which misbehaves when the seed of a run is 7, or with FAULT@p=1 when its p is 1; faults
named at_start, at_stop, at_release and after_* do so there.

usage: faulty_adapter.py FAULT[@MEMBER=JSON] [MEMBER=JSON ...]
"""

import ctypes
import json
import math
import os
import resource
import struct
import sys
import time
from typing import Any, Callable

from good_adapter import Adapter, claims_of

STRAY_FLOOD = 4 << 20
ERROR_FLOOD = 10 << 20
FOREVER = 1000.0


def segfault() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print("about to crash", file=sys.stderr, flush=True)
    ctypes.string_at(0)


def raw(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def leave_grandchild(own_session: bool = False) -> None:
    """A process that holds all three pipes and ignores what it can; its number goes to standard error."""
    pid = os.fork()
    if pid == 0:
        if own_session:
            os.setsid()
        time.sleep(FOREVER)
        os._exit(0)
    print(f"grandchild {pid}.", file=sys.stderr, flush=True)


def header_line(reply: dict[str, Any]) -> bytes:
    return json.dumps(reply).encode() + b"\n"


def changed(reply: dict[str, Any], **members: Any) -> bytes:
    return header_line({**reply, **members})


def with_tensor(reply: dict[str, Any], **members: Any) -> bytes:
    return changed(reply, tensors=[{**reply["tensors"][0], **members}])


def tell_test() -> None:
    """A test that waits for a fault to begin names a file for it."""
    if path := os.environ.get("DROPCHECK_TEST_TOUCH"):
        open(path, "w").close()


def loop(reply: dict[str, Any], data: bytes) -> None:
    tell_test()
    while True:
        pass


def exit_in_frame(reply: dict[str, Any], data: bytes) -> None:
    raw(header_line(reply) + data[:5])
    os._exit(0)


def half_frame(reply: dict[str, Any], data: bytes) -> None:
    raw(header_line(reply) + data[:5])
    time.sleep(FOREVER)


def half_line(reply: dict[str, Any], data: bytes) -> None:
    raw(header_line(reply)[:9])
    time.sleep(FOREVER)


def flood_lines(reply: dict[str, Any], data: bytes) -> None:
    while True:
        raw(b"all work and no play\n" * 1000)


def flood_line(reply: dict[str, Any], data: bytes) -> None:
    while True:
        raw(b"x" * 4096)


def stray_flood(reply: dict[str, Any], data: bytes) -> None:
    raw(b"n\n" * (STRAY_FLOOD // 2) + header_line(reply) + data)


def error_flood(reply: dict[str, Any], data: bytes) -> None:
    for _ in range(ERROR_FLOOD // 4096):
        os.write(2, b"e" * 4095 + b"\n")
    raw(header_line(reply) + data)


def error_flood_forever(reply: dict[str, Any], data: bytes) -> None:
    while True:
        os.write(2, b"e" * 4095 + b"\n")


def leave_and_exit(reply: dict[str, Any], data: bytes) -> None:
    leave_grandchild()
    os._exit(3)


def leave_and_go_on(reply: dict[str, Any], data: bytes) -> None:
    leave_grandchild()
    raw(header_line(reply) + data)


def leave_daemon(reply: dict[str, Any], data: bytes) -> None:
    leave_grandchild(own_session=True)
    raw(header_line(reply) + data)


def leave_and_loop(reply: dict[str, Any], data: bytes) -> None:
    leave_grandchild()
    loop(reply, data)


def eat_memory(reply: dict[str, Any], data: bytes) -> None:
    """Up to a GiB, in steps that leave time to be looked at."""
    eaten = []
    for _ in range(64):
        eaten.append(b"x" * (16 << 20))
        time.sleep(0.01)
    raw(header_line(reply) + data)


def late(reply: dict[str, Any], data: bytes) -> None:
    time.sleep(10)
    raw(header_line(reply) + data)


def ignore_sigterm(reply: dict[str, Any], data: bytes) -> None:
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(FOREVER)


def slow(reply: dict[str, Any], data: bytes) -> None:
    time.sleep(4)
    raw(header_line(reply) + data)


def go_deaf(reply: dict[str, Any], data: bytes) -> None:
    raw(header_line(reply) + data)
    os.close(0)
    time.sleep(FOREVER)


def deaf(reply: dict[str, Any], data: bytes) -> None:
    os.close(0)
    raw(header_line(reply) + data)
    time.sleep(FOREVER)


def close_output(reply: dict[str, Any], data: bytes) -> None:
    os.close(1)
    time.sleep(FOREVER)


def early_reply(reply: dict[str, Any], data: bytes) -> None:
    raw(header_line({"seq": reply["seq"] + 1}))
    raw(header_line(reply) + data)


WRITE: dict[str, Callable[[dict[str, Any], bytes], bytes]] = {
    "nbytes_huge": lambda r, d: changed(r, nbytes=2**62) + d,
    "nbytes_above_64_bits": lambda r, d: changed(r, nbytes=2**70) + d,
    "nbytes_negative": lambda r, d: changed(r, nbytes=-24) + d,
    "nbytes_text": lambda r, d: changed(r, nbytes="24") + d,
    "nbytes_small": lambda r, d: changed(r, nbytes=4) + d,
    "nbytes_missing": lambda r, d: header_line({k: v for k, v in r.items() if k != "nbytes"}) + d,
    "shape_negative": lambda r, d: with_tensor(r, shape=[-6]) + d,
    "shape_overflow": lambda r, d: with_tensor(r, shape=[2**62, 8]) + d,
    "shape_above_64_bits": lambda r, d: with_tensor(r, shape=[2**64 + 6]) + d,
    "shape_other": lambda r, d: with_tensor(r, shape=[3, 2]) + d,
    "shape_text": lambda r, d: with_tensor(r, shape="six") + d,
    "shape_long": lambda r, d: with_tensor(r, shape=[1] * 1000) + d,
    "dtype_wrong": lambda r, d: with_tensor(r, dtype="f64") + d,
    "dtype_unknown": lambda r, d: with_tensor(r, dtype="float7") + d,
    "no_tensors": lambda r, d: header_line({"seq": r["seq"]}),
    "tensors_text": lambda r, d: changed(r, tensors="y") + d,
    "tensor_number": lambda r, d: changed(r, tensors=[5]) + d,
    "too_many_tensors": lambda r, d: changed(r, tensors=r["tensors"] * 2) + d,
    "other_seq": lambda r, d: changed(r, seq=r["seq"] + 5) + d,
    "seq_text": lambda r, d: changed(r, seq=str(r["seq"])) + d,
    "two_replies": lambda r, d: header_line(r) + d + header_line(r) + d,
    "print_between": lambda r, d: b"a line between\n\x1b[32mgreen\x1b[0m\n{\"level\": \"info\"}\n" + header_line(r) + d,
    "print_inside": lambda r, d: header_line(r) + b"hello\n" + d,
    "print_without_line_feed": lambda r, d: b"loading... " + header_line(r) + d,
    "nan_literal": lambda r, d: changed(r, effective_p=math.nan) + d,
    "deep": lambda r, d: b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n" + header_line(r) + d,
    "skipped": lambda r, d: header_line({"seq": r["seq"], "skipped": True, "message": "not on Sundays"}),
    "errored": lambda r, d: header_line({"seq": r["seq"], "errored": True, "message": "no luck",
                                         "traceback": "line 1\nline 2"}),
    "errored_memory": lambda r, d: header_line({"seq": r["seq"], "errored": True, "kind": "out_of_memory",
                                                "message": "out of memory, says the kernel"}),
    "errored_argument": lambda r, d: header_line({"seq": r["seq"], "errored": True, "kind": "invalid_argument",
                                                  "message": "bad seed", "traceback": "line 1"}),
    "errored_without_reason": lambda r, d: header_line({"seq": r["seq"], "errored": True}),
    "errored_kind": lambda r, d: header_line({"seq": r["seq"], "errored": True, "kind": "sad"}),
    "errored_with_bytes": lambda r, d: header_line({"seq": r["seq"], "errored": True, "nbytes": len(d)}) + d,
    "effective_p": lambda r, d: changed(r, effective_p=1.5) + d,
    "words_negative": lambda r, d: changed(r, rng_words=-1) + d,
    "warnings_text": lambda r, d: changed(r, warnings="careful") + d,
    "facts_list": lambda r, d: changed(r, facts=[1]) + d,
    "nan_filled": lambda r, d: header_line(r) + struct.pack("<f", math.nan) * (len(d) // 4),
}

ACT: dict[str, Callable[[dict[str, Any], bytes], None]] = {
    "segfault": lambda r, d: segfault(),
    "exit": lambda r, d: os._exit(0),
    **{f.__name__: f
       for f in (loop, exit_in_frame, half_frame, half_line, flood_lines, flood_line, stray_flood, error_flood,
                 error_flood_forever, leave_and_exit, leave_and_go_on, leave_daemon, leave_and_loop, eat_memory,
                 late, ignore_sigterm, slow, go_deaf, deaf, close_output, early_reply)},
}


class FaultyAdapter(Adapter):
    def __init__(self, fault: str, when: tuple[str, Any], claims: dict[str, Any]) -> None:
        super().__init__(claims)
        self.fault = fault
        self.when = when
        self.due = False

    def is_due(self, request: dict[str, Any]) -> bool:
        member, value = self.when
        return request["cmd"] == "run" and request.get(member) == value

    def serve(self) -> None:
        if self.fault == "segfault_at_start":
            segfault()
        if self.fault == "banner":
            raw(b"Welcome to the library\n")
        super().serve()

    def answer(self, request: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        if self.fault == "segfault_at_" + request["cmd"]:
            segfault()
        if self.fault == "loop_at_" + request["cmd"]:
            loop({}, b"")
        self.due = self.is_due(request)
        return super().answer(request, payload)

    def send(self, reply: dict[str, Any], payload: bytes) -> None:
        if self.due and self.fault in WRITE:
            raw(WRITE[self.fault](reply, payload))
        elif self.due and self.fault in ACT:
            ACT[self.fault](reply, payload)
        else:
            super().send(reply, payload)


if __name__ == "__main__":
    known = list(WRITE) + list(ACT) + ["segfault_at_start", "segfault_at_stop", "segfault_at_release",
                                       "segfault_at_backward", "loop_at_stop", "banner"]
    name, _, condition = sys.argv[1].partition("@")
    if name not in known:
        sys.exit(f"unknown fault {name}")
    moment = next(iter(claims_of([condition or "seed=7"]).items()))
    FaultyAdapter(name, moment, claims_of(sys.argv[2:])).serve()
