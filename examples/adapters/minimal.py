# A dropout for dropcheck without any library: dropcheck run --backend="exec:python3 minimal.py"
import array, ctypes as c, json, os, random
# Standard output belongs to the protocol; what is printed goes to standard error.
requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", 0); os.dup2(2, 1)
def drop(x, p, train, seed):  # the kernel; c_float and array("f") round to float32
    draw, scale = random.Random(seed).random, c.c_float(1 / c.c_float(1 - p).value).value if p < 1 else 0.0
    return array.array("f", [v * (scale if draw() >= p else 0.0) for v in x]) if train and p > 0 else x
for r in map(json.loads, requests):
    x, p, y = array.array("f", requests.read(r.get("nbytes", 0))), float(r.get("p", "nan")), b""
    out = {"errored": True, "message": f"{r['cmd']} with p = {p} is refused", "kind": "invalid_argument"}
    if 0 <= p <= 1: y, out = drop(x, p, r["train"], r["seed"]), {"tensors": [dict(*r["tensors"], name="y")]}
    elif r["cmd"] in ("start", "stop"): out = {"version": 1, "name": "minimal", "seed_semantics": "per_call"}
    replies.write(json.dumps({**out, "seq": r["seq"], "nbytes": 4 * len(y)}).encode() + b"\n" + bytes(y))
    if r["cmd"] == "stop": break
