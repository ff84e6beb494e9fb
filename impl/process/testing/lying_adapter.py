"""The good adapter with packed masks and constant inputs, which lies about its masks in one way.

usage: lying_adapter.py FAULT [MEMBER=JSON ...]
"""

import sys
from typing import Any, Callable

from good_adapter import Adapter, Frame, claims_of

Lie = Callable[[bytearray, bool], bytes]  # the mask, and whether it is sent without an output


def flipped(mask: bytearray) -> bytes:
    mask[len(mask) // 2] ^= 1
    return bytes(mask)


LIES: dict[str, Lie] = {
    "honest": lambda mask, alone: bytes(mask),
    "beside_output": lambda mask, alone: bytes(mask) if alone else flipped(mask),
    "alone": lambda mask, alone: flipped(mask) if alone else bytes(mask),
    "inverted": lambda mask, alone: bytes(255 - byte for byte in mask[:-1]) + bytes(mask[-1:]),
    "most_significant_first": lambda mask, alone: bytes(int(f"{byte:08b}"[::-1], 2) for byte in mask[:-1])
    + bytes(mask[-1:]),
    "padding": lambda mask, alone: bytes(mask[:-1]) + bytes([mask[-1] | 0x80]),
    "long": lambda mask, alone: bytes(mask) + b"\0",
    "short": lambda mask, alone: bytes(mask[:-1]),
}


class LyingAdapter(Adapter):
    def __init__(self, fault: str, claims: dict[str, Any]) -> None:
        super().__init__({"features": ["packed_mask", "constant_input"], **claims})
        self.lie = LIES[fault]

    def run(self, request: dict[str, Any], payload: bytes) -> Frame:
        reply, data = super().run(request, payload)
        if "packed_mask" not in request["want"]:
            return reply, data
        entry = reply["tensors"][-1]
        honest = data[len(data) - entry["shape"][0]:]
        sent = self.lie(bytearray(honest), request["want"] == ["packed_mask"])
        reply["tensors"][-1] = {**entry, "shape": [len(sent)]}
        return reply, data[:len(data) - len(honest)] + sent


if __name__ == "__main__":
    LyingAdapter(sys.argv[1], claims_of(sys.argv[2:])).serve()
