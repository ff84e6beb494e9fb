"""Serves a dropout written in Python to dropcheck. One file, standard library only: copy it beside your code.

    from dropcheck_adapter import serve

    @serve(name="my-dropout", dtypes=["f32"])
    def dropout(x, p, train, seed):
        return my_kernel(x, p, seed) if train else x

    dropcheck run --backend="exec:python3 my_adapter.py"

`serve` answers requests until dropcheck stops it, if what it decorates belongs to the program's main module.
In an imported module it does nothing, so that tests can import the function.

**Arguments.** The function gets, by name, those of the following that it takes:

    x           the input; see Tensors
    p           drop probability, a float; may be outside [0, 1] or NaN, to see whether it is refused
    train       True in training mode
    seed        an int of up to 64 bits; None: continue the stream (stateful), or seeds cannot be set
    shape       tuple of extents; with array and list the only place where it is told
    dtype, op   words of docs/descriptor.md, such as "f32" and "dropout"
    in_place    True: write the result to x. Taking it claims the feature
    threads     how many threads to use, or None. Taking it claims the feature
    offset      into the random stream; only with `offset_unit`
    attributes  dict with further options (docs/attributes.md)
    want        list of what to send back: "y", "mask", "packed_mask"; what is not wanted may be None
    save        True: a backward pass will follow

Further inputs of forms come under their own names.

**Results.** Return y; or (y, mask) with `mask=True`, where 1 or True means kept; or a `Result`. In place, x
is sent back, whatever was returned.

**Gradients**, one of three ways:

* decorate a class with `forward(self, x, ...)` and `backward(self, dy)`. Each call has its own instance;
* `backward=function`: called as function(saved, dy) with what forward put into `Result(y, saved=...)`;
* `backward="autograd"` with torch tensors.

**Tensors.** `tensors` says what x is: "torch", "numpy", "array" or "list" (the last two flat, in row-major
order). Left out, it is torch when the program has imported torch, else numpy when it has imported numpy, else
array. Half types are those of torch and NumPy. For bf16 NumPy needs ml_dtypes; without it x has the bit
patterns as uint16, and so has y (`bf16_from_f32`, `f32_from_bf16`). With array and list they come as floats,
and results are rounded to nearest even: to f16 at once, to bf16 by way of float32.

**Errors.** ValueError (or the types in `refuses`) means that the request is refused, as a p outside [0, 1]
must be; NotImplementedError that this cannot be done, which is never held against you; MemoryError that
memory ran out. Any other exception is a failure.

Standard output belongs to the protocol (harness/abi/adapter_protocol.md). `serve` sends what is printed to
standard error; call `take_standard_streams()` before imports that print.
"""

from __future__ import annotations

import array
import ctypes
import dataclasses
import inspect
import io
import json
import math
import os
import struct
import sys
import traceback
import warnings
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Type,
    TypeVar,
    Union,
)

__all__ = ["Result", "serve", "take_standard_streams", "bf16_from_f32", "f32_from_bf16"]

PROTOCOL_VERSION = 1
MAX_LINE_BYTES = 1 << 20
MAX_STATE_BYTES = 1 << 24
MAX_TEXT_BYTES = 4000  # the protocol allows 4096 for a text, or for a fact with its name
MAX_WARNINGS = 200  # and 256 items in a list
SEED_SEMANTICS = ("per_call", "stateful", "fixed", "none")
ARGUMENTS = (
    "x",
    "p",
    "train",
    "seed",
    "shape",
    "dtype",
    "op",
    "in_place",
    "threads",
    "offset",
    "attributes",
    "want",
    "save",
)
ITEM_BYTES = {
    "f64": 8,
    "f32": 4,
    "f16": 2,
    "bf16": 2,
    "i64": 8,
    "i32": 4,
    "u8": 1,
    "bool": 1,
    "c64": 8,
    "c128": 16,
}
NUMPY_NAMES = {
    "f64": "float64",
    "f32": "float32",
    "f16": "float16",
    "i64": "int64",
    "i32": "int32",
    "u8": "uint8",
    "bool": "bool",
    "c64": "complex64",
    "c128": "complex128",
}
TORCH_NAMES = {**NUMPY_NAMES, "bf16": "bfloat16"}
ARRAY_CODES = {"f64": "d", "f32": "f", "i64": "q", "i32": "i", "u8": "B"}


@dataclasses.dataclass
class Result:
    """What a call returns when y alone does not say it."""

    y: Any = None
    mask: Any = None  # 1 or True: kept; shape of x
    saved: Any = None  # handed to backward
    outputs: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # further outputs of forms
    rng_words: Optional[int] = None  # words of the generator that the call used
    effective_p: Optional[float] = None  # the drop probability that the generator really has
    version_delta: Optional[int] = None  # of the input's version counter
    aliases_input: Optional[bool] = None  # None: found out where that is possible
    warnings: Sequence[str] = ()
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)


class WireError(Exception):
    """The other side broke the framing; nothing after it can be read."""


class RequestError(Exception):
    """A request that makes no sense, or a result that cannot be sent: answered as failed."""


class Skipped(Exception):
    """Asks for what was not claimed."""


# ---- the wire


class Wire:
    """Frames: one line of JSON, then as many bytes as its member nbytes says."""

    def __init__(self, source: io.BufferedReader, sink: io.BufferedWriter) -> None:
        self._source = source
        self._sink = sink

    def read_request(self) -> Optional[Dict[str, Any]]:
        """The next line; None at the end of input."""
        line = self._source.readline(MAX_LINE_BYTES + 1)
        if not line:
            return None
        if not line.endswith(b"\n"):
            raise WireError("a request line ends early or is longer than 1 MiB")
        try:
            request = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise WireError(f"a request line is no JSON: {error}") from error
        if not isinstance(request, dict):
            raise WireError("a request line is no JSON object")
        return request

    def read_into(self, buffer: bytearray) -> None:
        if self._source.readinto(buffer) != len(buffer):  # a buffered reader gives less only at the end
            raise WireError("the input ended inside a frame")

    def skip_bytes(self, count: int) -> None:
        while count > 0:
            got = len(self._source.read(min(count, 1 << 16)))
            if got == 0:
                raise WireError("the input ended inside a frame")
            count -= got

    def write(self, reply: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        nbytes = sum(memoryview(buffer).nbytes for buffer in buffers)
        line = json.dumps({**reply, "nbytes": nbytes} if buffers else reply, allow_nan=False)
        self._sink.write(line.encode("ascii") + b"\n")
        for buffer in buffers:
            self._sink.write(buffer)
        self._sink.flush()


_process_wire: Optional[Wire] = None


def take_standard_streams() -> Wire:
    """Keeps standard input and output for the protocol.

    From now on descriptor 0 is empty, and what is written to descriptor 1, by Python or by any library, goes
    to standard error. A second call changes nothing.
    """
    global _process_wire
    if _process_wire is None:
        requests, replies = os.dup(0), os.dup(1)
        os.set_blocking(requests, True)
        os.set_blocking(replies, True)
        _process_wire = Wire(io.open(requests, "rb"), io.open(replies, "wb"))
        os.dup2(2, 1)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)  # last words of a crash must not be lost
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
    return _process_wire


# ---- numbers


def number(value: Any, name: str) -> float:
    """A JSON number, or one of the texts for numbers that JSON lacks."""
    if isinstance(value, str) and value in ("nan", "inf", "-inf", "-0"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RequestError(f"{name} is no number: {value!r}")
    return float(value)


def integer(value: Any, name: str) -> int:
    """A JSON integer from 0 to 2^64 - 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 64:
        raise RequestError(f"{name} is no integer of 64 bits without sign: {value!r}")
    return value


def element_count(shape: Iterable[int]) -> int:
    return math.prod(shape)


def float_bits(values: array.array[float]) -> array.array[int]:
    bits = array.array("I")
    bits.frombytes(values.tobytes())
    return bits


def bf16_from_f32(values: Any) -> Any:
    """Bit patterns of bf16, rounded to nearest even: a NumPy array for one, else array("H")."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(values, (numpy.ndarray, numpy.generic)):
        bits = numpy.asarray(values, dtype=numpy.float32).view(numpy.uint32)
        rounded = (bits + (((bits >> 16) & 1) + numpy.uint32(0x7FFF))) >> 16
        quiet = (bits >> 16) | 0x40
        return numpy.where(numpy.isnan(values), quiet, rounded).astype(numpy.uint16)
    patterns = float_bits(array.array("f", values))
    return array.array("H", [_bf16_pattern(bits) for bits in patterns])


def _bf16_pattern(bits: int) -> int:
    if bits & 0x7FFFFFFF > 0x7F800000:  # NaN stays NaN
        return bits >> 16 | 0x40
    return bits + 0x7FFF + (bits >> 16 & 1) >> 16


def f32_from_bf16(patterns: Any) -> Any:
    """Floats of bf16 bit patterns: a NumPy array of float32 for one, else array("f")."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(patterns, (numpy.ndarray, numpy.generic)):
        return (numpy.asarray(patterns).astype(numpy.uint32) << 16).view(numpy.float32)
    values = array.array("f")
    values.frombytes(array.array("I", [pattern << 16 for pattern in patterns]).tobytes())
    return values


def f16_bytes(values: Iterable[float]) -> bytes:
    """IEEE half precision, rounded to nearest even. From 65520 up that is infinity, where struct raises."""
    fitting = [math.copysign(math.inf, value) if abs(value) >= 65520 else value for value in values]
    return struct.pack(f"<{len(fitting)}e", *fitting)


def packed_bits(mask: Any) -> bytes:
    """Bytes of 0 and 1 as bits, least significant first."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        return bytes(numpy.packbits(numpy.frombuffer(mask, dtype=numpy.uint8), bitorder="little"))
    flat = bytes(mask)
    bits = 0  # bit k of every byte comes from the entries k, k + 8, k + 16, ...
    for k in range(8):
        bits |= int.from_bytes(flat[k::8], "little") << k
    return bits.to_bytes((len(flat) + 7) // 8, "little")


# ---- tensors


@dataclasses.dataclass
class Encoded:
    """A tensor as it is sent: dtype and shape that were really produced, and dense bytes."""

    dtype: str
    shape: List[int]
    data: Any
    owner: Any = None  # keeps the memory of data alive

    def described(self, name: str) -> Dict[str, Any]:
        return {"name": name, "dtype": self.dtype, "shape": self.shape}


class ArrayTensors:
    """x as a flat array or list of numbers."""

    dtypes = tuple(ARRAY_CODES) + ("f16", "bf16")

    def __init__(self, as_list: bool) -> None:
        self._as_list = as_list

    def decode(self, dtype: str, shape: Sequence[int], data: bytearray) -> Any:
        if dtype == "f16":
            values = array.array("f", struct.unpack(f"<{element_count(shape)}e", data))
        elif dtype == "bf16":
            patterns = array.array("H")
            patterns.frombytes(data)
            values = f32_from_bf16(patterns)
        else:
            values = array.array(ARRAY_CODES[dtype])
            values.frombytes(data)
        return values.tolist() if self._as_list else values

    def fill(self, dtype: str, shape: Sequence[int], value: float) -> Any:
        encoded = self.encode([value if dtype[0] in "fb" else int(value)], dtype, [1])
        return self.decode(dtype, shape, bytearray(encoded.data) * element_count(shape))

    def encode(self, value: Any, dtype: str, shape: Sequence[int]) -> Encoded:
        if dtype in ("f16", "bf16"):
            values = array.array("f", value) if dtype == "bf16" else list(value)
            data = f16_bytes(values) if dtype == "f16" else bf16_from_f32(values).tobytes()
        else:
            values = value if isinstance(value, array.array) else array.array(ARRAY_CODES[dtype], value)
            dtype = _array_dtype(values)
            data = values.tobytes()
        same = len(values) == element_count(shape)
        return Encoded(dtype, list(shape) if same else [len(values)], data)

    def mask(self, value: Any, shape: Sequence[int]) -> Encoded:
        entries = list(value)
        _check_mask(all(entry in (0, 1) for entry in entries))
        same = len(entries) == element_count(shape)
        return Encoded("u8", list(shape) if same else [len(entries)], bytes(map(int, entries)))

    def aliases(self, x: Any, y: Any) -> Optional[bool]:
        return True if y is x else None


def _array_dtype(values: array.array[Any]) -> str:
    for dtype, code in ARRAY_CODES.items():
        if values.typecode == code:
            return dtype
    raise RequestError(f"the result is an array of type {values.typecode!r}")


def _check_mask(sound: bool) -> None:
    if not sound:
        raise RequestError("the mask has entries other than 0 and 1")


class NumpyTensors:
    """x as a NumPy array. Whatever NumPy converts may be returned."""

    dtypes = tuple(TORCH_NAMES)

    def __init__(self) -> None:
        import numpy

        self._numpy = numpy
        self._kinds = {word: numpy.dtype(name) for word, name in NUMPY_NAMES.items()}
        try:
            import ml_dtypes

            self._kinds["bf16"] = numpy.dtype(ml_dtypes.bfloat16)
        except ImportError:
            self._kinds["bf16"] = numpy.dtype("uint16")
        self._words = {kind: word for word, kind in self._kinds.items()}

    def decode(self, dtype: str, shape: Sequence[int], data: bytearray) -> Any:
        return self._numpy.ndarray(shape, self._kinds[dtype], buffer=data)

    def fill(self, dtype: str, shape: Sequence[int], value: float) -> Any:
        kind = self._kinds[dtype]
        if kind == self._numpy.uint16:
            return self._numpy.full(shape, bf16_from_f32([value])[0], kind)
        return self._numpy.full(shape, value, kind)

    def encode(self, value: Any, dtype: str, shape: Sequence[int]) -> Encoded:
        del dtype, shape  # the result has its own
        result = self._numpy.asarray(value, order="C")
        if result.dtype not in self._words:
            raise RequestError(f"the result has dtype {result.dtype}")
        return Encoded(self._words[result.dtype], list(result.shape), self._bytes(result))

    def mask(self, value: Any, shape: Sequence[int]) -> Encoded:
        del shape
        mask = self._numpy.asarray(value, order="C")
        if mask.dtype != bool:
            _check_mask(bool(((mask == 0) | (mask == 1)).all()))
            mask = mask.astype(bool)
        return Encoded("u8", list(mask.shape), self._bytes(mask))

    def aliases(self, x: Any, y: Any) -> Optional[bool]:
        if y is x:
            return True
        return bool(self._numpy.may_share_memory(x, y)) if isinstance(y, self._numpy.ndarray) else None

    def _bytes(self, value: Any) -> Any:
        return value.reshape(-1).view(self._numpy.uint8)


class TorchTensors:
    """x as a torch tensor on one device."""

    dtypes = tuple(TORCH_NAMES)

    def __init__(self, device: str) -> None:
        import torch

        self._torch = torch
        self._device = device
        self._kinds = {word: getattr(torch, name) for word, name in TORCH_NAMES.items()}
        self._words = {kind: word for word, kind in self._kinds.items()}

    def decode(self, dtype: str, shape: Sequence[int], data: bytearray) -> Any:
        kind = self._kinds[dtype]
        if not data:  # frombuffer refuses it
            return self._torch.empty(tuple(shape), dtype=kind, device=self._device)
        return self._torch.frombuffer(data, dtype=kind).reshape(tuple(shape)).to(self._device)

    def fill(self, dtype: str, shape: Sequence[int], value: float) -> Any:
        return self._torch.full(tuple(shape), value, dtype=self._kinds[dtype], device=self._device)

    def encode(self, value: Any, dtype: str, shape: Sequence[int]) -> Encoded:
        del dtype, shape
        result = self._torch.as_tensor(value).detach().cpu().contiguous()
        if result.dtype not in self._words:
            raise RequestError(f"the result has dtype {result.dtype}")
        return Encoded(self._words[result.dtype], list(result.shape), self._bytes(result), owner=result)

    def mask(self, value: Any, shape: Sequence[int]) -> Encoded:
        del shape
        mask = self._torch.as_tensor(value).detach()
        if mask.dtype != self._torch.bool:
            _check_mask(bool(((mask == 0) | (mask == 1)).all()))
        flags = mask.to(self._torch.uint8).cpu().contiguous()
        return Encoded("u8", list(flags.shape), self._bytes(flags), owner=flags)

    def aliases(self, x: Any, y: Any) -> Optional[bool]:
        if not isinstance(y, self._torch.Tensor):
            return None
        return y is x or (y.numel() > 0 and y.data_ptr() == x.data_ptr())

    def gradient(self, saved: Any, dy: Any) -> Any:
        leaf, y = saved
        try:
            return self._torch.autograd.grad(y, leaf, dy, retain_graph=True)[0]
        except RuntimeError as error:
            if "retain_graph=False" not in str(error):
                raise
            return self._torch.autograd.grad(y, leaf, dy)[0]  # torch.compile's runs once only

    @staticmethod
    def _bytes(tensor: Any) -> Any:
        nbytes = tensor.numel() * tensor.element_size()
        return (ctypes.c_char * nbytes).from_address(tensor.data_ptr()) if nbytes else b""


def tensors_for(kind: Optional[str], device: str) -> Any:
    """The conversion named by `kind`; without a name that of what the program has imported."""
    if kind is None:
        kind = "torch" if "torch" in sys.modules else "numpy" if "numpy" in sys.modules else "array"
    if kind == "torch":
        return TorchTensors(device)
    if kind == "numpy":
        return NumpyTensors()
    if kind in ("array", "list"):
        return ArrayTensors(kind == "list")
    raise ValueError(f'tensors is "torch", "numpy", "array" or "list", not {kind!r}')


# ---- errors


def text(value: object) -> str:
    """The last part of a text, without what is no Unicode."""
    return str(value).encode("utf-8", "replace")[-MAX_TEXT_BYTES:].decode("utf-8", "ignore")


def errored(error: BaseException, kind: str) -> Dict[str, Any]:
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    message = text(error) or type(error).__name__
    return {"errored": True, "message": message, "kind": kind, "traceback": text(trace)}


def is_out_of_memory(error: BaseException) -> bool:
    """Frameworks have classes of their own for it, which share a name."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


# ---- adapter


@dataclasses.dataclass
class Kernel:
    """What is judged: a function of arguments by name, or a class with such a method `forward`."""

    target: Callable[..., Any]
    parameters: Tuple[str, ...]
    required: Tuple[str, ...]  # those without a default
    takes_all: bool  # has **kwargs
    backward: Optional[Callable[[Any, Any], Any]] = None
    saves_itself: bool = False  # an instance of a class keeps what its backward needs

    def takes(self, name: str) -> bool:
        return self.takes_all or name in self.parameters


def kernel_of(target: Any, backward: Optional[Callable[[Any, Any], Any]]) -> Kernel:
    """A function, or a class with forward and perhaps backward."""
    is_class = inspect.isclass(target)
    parameters = list(inspect.signature(target.forward if is_class else target).parameters.values())
    if is_class:
        parameters = parameters[1:]  # self
        if hasattr(target, "backward"):
            backward = _backward_of_instance
    named = [parameter for parameter in parameters if parameter.kind != parameter.VAR_KEYWORD]
    names = tuple(parameter.name for parameter in named)
    required = tuple(parameter.name for parameter in named if parameter.default is parameter.empty)
    return Kernel(target, names, required, len(named) < len(parameters), backward, saves_itself=is_class)


def _backward_of_instance(saved: Any, dy: Any) -> Any:
    return saved.backward(dy)


@dataclasses.dataclass
class Claims:
    """What the reply to start says; serve() documents the members."""

    name: str
    dtypes: Sequence[str]
    ops: Sequence[str]
    seed_semantics: str
    seed_bits: int
    offset_unit: str
    features: List[str]
    forms: Sequence[str]
    promises: Sequence[str]
    facts: Dict[str, Any]  # members that go into the reply as they are

    def reply(self) -> Dict[str, Any]:
        members = {
            "version": PROTOCOL_VERSION,
            "name": self.name,
            "ops": list(self.ops),
            "dtypes": list(self.dtypes),
            "seed_semantics": self.seed_semantics,
            "seed_bits": self.seed_bits,
            "offset_unit": self.offset_unit,
            "features": self.features,
            "forms": list(self.forms),
            "promises": list(self.promises),
            **self.facts,
        }
        return {name: value for name, value in members.items() if value not in ("", [], None)}


class Adapter:
    """Answers requests about one kernel."""

    def __init__(
        self,
        kernel: Kernel,
        claims: Claims,
        tensors: Any,
        reseed: Optional[Callable[[int], Any]],
        refuses: Tuple[Type[BaseException], ...],
        autograd: bool,
        state: Optional[Tuple[Callable[[], bytes], Callable[[bytes], Any]]] = None,
    ) -> None:
        self._kernel = kernel
        self._claims = claims
        self._tensors = tensors
        self._reseed = reseed
        self._refuses = refuses
        self._autograd = autograd
        self._state = state
        self._saved: Dict[int, Any] = {}
        self._last_token = 0
        self._answers = {
            "start": self._start,
            "run": self._run,
            "backward": self._backward,
            "release": self._release,
            "save_state": self._save_state,
            "load_state": self._load_state,
            "stop": self._stop,
        }

    def serve(self, wire: Wire) -> None:
        """Answers until stop or the end of input."""
        while True:
            request = wire.read_request()
            if request is None:
                return
            reply, encoded = self._answer(wire, request)
            wire.write({"seq": request.get("seq"), **reply}, [tensor.data for tensor in encoded])
            if request.get("cmd") == "stop":
                return

    def _answer(self, wire: Wire, request: Dict[str, Any]) -> Tuple[Dict[str, Any], List[Encoded]]:
        try:
            data = self._payload(wire, request)
            answer = self._answers.get(request.get("cmd", ""))
            if answer is None:
                raise RequestError(f"unknown cmd {request.get('cmd')!r}")
            return answer(request, data)
        except WireError:
            raise
        except Skipped as reason:
            return {"skipped": True, "message": text(reason)}, []
        except Exception as error:
            return errored(error, "out_of_memory" if is_out_of_memory(error) else "failed"), []

    def _payload(self, wire: Wire, request: Dict[str, Any]) -> Dict[str, bytearray]:
        """The bytes of each tensor of the frame, which is read to its end in any case."""
        nbytes = request.get("nbytes", 0)
        if isinstance(nbytes, bool) or not isinstance(nbytes, int) or nbytes < 0:
            raise WireError(f"nbytes is no count: {nbytes!r}")
        if request.get("cmd") == "load_state" and nbytes <= MAX_STATE_BYTES:
            state = bytearray(nbytes)
            wire.read_into(state)
            return {"state": state}
        try:
            entries = _entries(request, "tensors")
            needed = sum(_entry_bytes(entry) for entry in entries)
            if needed != nbytes:
                raise RequestError(f"the frame has {nbytes} bytes, its tensors need {needed}")
            data = {entry["name"]: bytearray(_entry_bytes(entry)) for entry in entries}
        except (RequestError, MemoryError):
            wire.skip_bytes(nbytes)
            raise
        for buffer in data.values():
            wire.read_into(buffer)
        return data

    def _start(self, request: Dict[str, Any], data: Dict[str, bytearray]) -> Answer:
        del data
        if request.get("version") != PROTOCOL_VERSION:
            raise RequestError(
                f"this adapter speaks version 1 of the protocol, not {request.get('version')!r}"
            )
        return self._claims.reply(), []

    def _stop(self, request: Dict[str, Any], data: Dict[str, bytearray]) -> Answer:
        del request, data
        return {}, []

    def _release(self, request: Dict[str, Any], data: Dict[str, bytearray]) -> Answer:
        del data
        self._saved.pop(integer(request.get("saved"), "saved"), None)
        return {}, []

    def _save_state(self, request: Dict[str, Any], data: Dict[str, bytearray]) -> Answer:
        del request, data
        if self._state is None:
            raise Skipped("the state of the generator cannot be told")
        state = bytes(self._state[0]())
        if not 1 <= len(state) <= MAX_STATE_BYTES:
            raise RequestError(f"the state has {len(state)} bytes: 1 to {MAX_STATE_BYTES} are possible")
        return {}, [Encoded("u8", [len(state)], state)]

    def _load_state(self, request: Dict[str, Any], data: Dict[str, bytearray]) -> Answer:
        del request
        if self._state is None:
            raise Skipped("the state of the generator cannot be set")
        self._state[1](bytes(data["state"]))
        return {}, []

    def _run(self, request: Dict[str, Any], data: Dict[str, bytearray]) -> Answer:
        self._check_claimed(request)
        arguments = self._arguments(request, data)
        leaf = arguments["x"]
        if self._autograd and arguments["save"]:
            leaf.requires_grad_()
            if arguments["in_place"]:  # a leaf cannot be overwritten
                arguments["x"] = leaf.clone()
        try:
            result, saved, noted = self._call(arguments)
        except Exception as error:
            return self._refusal(error), []
        if arguments["in_place"]:
            result.y = arguments["x"]
        encoded, described = self._outputs(arguments, result)
        reply = {"tensors": described, **self._observed(arguments, result, noted)}
        if arguments["save"]:
            reply["saved"] = self._keep((leaf, result.y) if self._autograd else saved)
        return reply, encoded

    def _backward(self, request: Dict[str, Any], data: Dict[str, bytearray]) -> Answer:
        if not self._autograd and self._kernel.backward is None:
            raise Skipped("there is no backward pass")
        if request.get("attributes") or request.get("want", ["dx"]) != ["dx"]:
            raise Skipped("a backward pass gives dx alone, without options")
        inputs = self._inputs(request, data)
        if list(inputs) != ["dy"]:
            raise Skipped(f"a backward pass takes dy, not {', '.join(inputs) or 'nothing'}")
        token = integer(request.get("saved"), "saved")
        if token not in self._saved:
            raise RequestError(f"no call is saved as {token}")
        backward: Callable[[Any, Any], Any] = self._kernel.backward or self._tensors.gradient
        try:
            dx = backward(self._saved[token], inputs["dy"])
        except Exception as error:
            return self._refusal(error), []
        entry = _entries(request, "tensors" if data else "fill")[0]
        encoded = self._encode("dx", dx, entry["dtype"], entry["shape"])
        return {"tensors": [encoded.described("dx")]}, [encoded]

    def _check_claimed(self, request: Dict[str, Any]) -> None:
        """Raises Skipped for what was not claimed, rather than answer another question."""
        claims, features = self._claims, self._claims.features
        op = request.get("op", "dropout")
        if op not in claims.ops:
            raise Skipped(f"operator {op} is not supported")
        for entry in _entries(request, "tensors") + _entries(request, "fill"):
            if entry["dtype"] not in claims.dtypes:
                raise Skipped(f"dtype {entry['dtype']} is not supported")
        if request.get("in_place") and "in_place" not in features:
            raise Skipped("working in place is not supported")
        if request.get("save") and "backward" not in features:
            raise Skipped("there is no backward pass")
        if request.get("threads") and "threads" not in features:
            raise Skipped("the number of threads cannot be set")
        if request.get("offset") and not claims.offset_unit:
            raise Skipped("offsets are not supported")
        if request.get("attributes") and not self._kernel.takes("attributes"):
            raise Skipped(f"attributes are not supported: {', '.join(request['attributes'])}")
        for name in request.get("want", ["y"]):
            if name in ("mask", "packed_mask") and name not in features:
                raise Skipped(f"there is no {name}")
        if "seed" in request and claims.seed_semantics in ("fixed", "none"):
            raise Skipped("seeds cannot be set")
        if "seed" not in request and claims.seed_semantics == "per_call":
            raise RequestError("every call needs a seed")

    def _inputs(self, request: Dict[str, Any], data: Dict[str, bytearray]) -> Dict[str, Any]:
        """The tensors of a request by name, sent or constant."""
        inputs = {}
        for entry in _entries(request, "tensors"):
            inputs[entry["name"]] = self._tensors.decode(entry["dtype"], entry["shape"], data[entry["name"]])
        for entry in _entries(request, "fill"):
            value = number(entry.get("value"), "value")
            inputs[entry["name"]] = self._tensors.fill(entry["dtype"], entry["shape"], value)
        return inputs

    def _arguments(self, request: Dict[str, Any], data: Dict[str, bytearray]) -> Dict[str, Any]:
        """All that a forward function may take, by name."""
        inputs = self._inputs(request, data)
        if "x" not in inputs:
            raise RequestError("the request has no x")
        for name in inputs:
            if not self._kernel.takes(name):
                raise Skipped(f"input {name} is not supported")
        entries = _entries(request, "tensors") + _entries(request, "fill")
        x = next(entry for entry in entries if entry["name"] == "x")
        return {
            **inputs,
            "p": number(request.get("p"), "p"),
            "train": bool(request.get("train", True)),
            "seed": integer(request["seed"], "seed") if "seed" in request else None,
            "shape": tuple(x["shape"]),
            "dtype": x["dtype"],
            "op": request.get("op", "dropout"),
            "in_place": bool(request.get("in_place", False)),
            "threads": integer(request.get("threads", 0), "threads") or None,
            "offset": integer(request.get("offset", 0), "offset"),
            "attributes": request.get("attributes", {}),
            "want": list(request.get("want", ["y"])),
            "save": bool(request.get("save", False)),
        }

    def _call(self, arguments: Dict[str, Any]) -> Tuple[Result, Any, List[str]]:
        """The result of forward, what its backward needs, and the warnings that it gave."""
        if self._reseed is not None and arguments["seed"] is not None:
            self._reseed(arguments["seed"])
        taken = {name: value for name, value in arguments.items() if self._kernel.takes(name)}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if self._kernel.saves_itself:
                saved = self._kernel.target()
                result = self._result(saved.forward(**taken))
            else:
                result = self._result(self._kernel.target(**taken))
                saved = result.saved
        return result, saved, [text(warning.message) for warning in caught]

    def _result(self, returned: Any) -> Result:
        if isinstance(returned, Result):
            return dataclasses.replace(returned)
        if isinstance(returned, tuple) and len(returned) == 2 and "mask" in self._claims.features:
            return Result(y=returned[0], mask=returned[1])
        return Result(y=returned)

    def _refusal(self, error: Exception) -> Dict[str, Any]:
        """The reply for what the kernel raised."""
        if isinstance(error, NotImplementedError):
            return {"skipped": True, "message": text(error) or "not implemented"}
        if is_out_of_memory(error):
            return errored(error, "out_of_memory")
        return errored(error, "invalid_argument" if isinstance(error, self._refuses) else "failed")

    def _keep(self, saved: Any) -> int:
        if saved is None:
            raise RequestError("a backward pass will follow, but the result has nothing saved")
        self._last_token += 1
        self._saved[self._last_token] = saved
        return self._last_token

    def _encode(self, name: str, value: Any, dtype: str, shape: Sequence[int]) -> Encoded:
        if value is None:
            raise RequestError(f"the function returned no {name}")
        encoded: Encoded = self._tensors.encode(value, dtype, shape)
        return encoded

    def _outputs(
        self, arguments: Dict[str, Any], result: Result
    ) -> Tuple[List[Encoded], List[Dict[str, Any]]]:
        """What was wanted, in that order."""
        encoded, described = [], []
        for name in arguments["want"]:
            if name == "y":
                tensor = self._encode(name, result.y, arguments["dtype"], arguments["shape"])
            elif name in ("mask", "packed_mask"):
                tensor = self._mask(arguments, result, packed=name == "packed_mask")
            else:
                value = result.outputs.get(name)
                tensor = self._encode(name, value, arguments["dtype"], arguments["shape"])
            encoded.append(tensor)
            described.append(tensor.described(name))
        return encoded, described

    def _mask(self, arguments: Dict[str, Any], result: Result, packed: bool) -> Encoded:
        if result.mask is None:
            raise RequestError("the function returned no mask")
        mask: Encoded = self._tensors.mask(result.mask, arguments["shape"])
        if not packed:
            return mask
        if tuple(mask.shape) != arguments["shape"]:
            raise RequestError(f"the mask has shape {mask.shape}, x {list(arguments['shape'])}")
        bits = packed_bits(mask.data)
        return Encoded("u8", [len(bits)], bits)

    def _observed(self, arguments: Dict[str, Any], result: Result, noted: List[str]) -> Dict[str, Any]:
        """Optional members of a reply."""
        aliases = result.aliases_input
        if aliases is None and result.y is not None:
            aliases = self._tensors.aliases(arguments["x"], result.y)
        told_p = result.effective_p is not None and math.isfinite(result.effective_p)
        members = {
            "rng_words": None if result.rng_words is None else int(result.rng_words),
            "effective_p": float(result.effective_p) if told_p and result.effective_p is not None else None,
            "version_delta": None if result.version_delta is None else int(result.version_delta),
            "aliases_input": aliases,
            "warnings": (noted + [text(warning) for warning in result.warnings])[:MAX_WARNINGS],
            "facts": {str(name): text(value) for name, value in result.facts.items()},
        }
        return {name: value for name, value in members.items() if value not in (None, [], {})}


Answer = Tuple[Dict[str, Any], List[Encoded]]


def _entries(request: Dict[str, Any], member: str) -> List[Dict[str, Any]]:
    """The descriptions of tensors under `member`, each with a name, a known dtype and a shape."""
    entries = request.get(member, [])
    if not isinstance(entries, list):
        raise RequestError(f"{member} is no list")
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise RequestError(f"an entry of {member} has no name")
        if entry.get("dtype") not in ITEM_BYTES:
            raise RequestError(f"{entry['name']} has the unknown dtype {entry.get('dtype')!r}")
        if not isinstance(entry.get("shape"), list):
            raise RequestError(f"{entry['name']} has no shape")
        for extent in entry["shape"]:
            integer(extent, f"an extent of {entry['name']}")
    if len({entry["name"] for entry in entries}) != len(entries):
        raise RequestError(f"{member} names a tensor twice")
    return entries


def _entry_bytes(entry: Dict[str, Any]) -> int:
    return element_count(entry["shape"]) * ITEM_BYTES[entry["dtype"]]


# ---- serve

Target = TypeVar("Target", bound=Callable[..., Any])


def serve(
    *,
    name: str,
    dtypes: Sequence[str] = ("f32",),
    ops: Sequence[str] = ("dropout",),
    seed_semantics: Optional[str] = None,
    reseed: Optional[Callable[[int], Any]] = None,
    backward: Union[None, str, Callable[[Any, Any], Any]] = None,
    mask: bool = False,
    tensors: Optional[str] = None,
    device: str = "cpu",
    seed_bits: int = 64,
    offset_unit: str = "",
    features: Sequence[str] = (),
    forms: Sequence[str] = (),
    promises: Sequence[str] = (),
    get_state: Optional[Callable[[], bytes]] = None,
    set_state: Optional[Callable[[bytes], Any]] = None,
    refuses: Tuple[Type[BaseException], ...] = (ValueError,),
    implementation_version: str = "",
    library: str = "",
    notes: Sequence[str] = (),
    exact_stream: str = "",
    conforms_to: str = "",
) -> Callable[[Target], Target]:
    """Decorates the function or class that is judged, and serves it if it belongs to the main module.

    seed_semantics: "per_call", "stateful", "fixed" or "none"; left out: "stateful" with `reseed`, else
        "per_call" when the function takes a seed, else "none".
    reseed: called as reseed(seed) before a call that has a seed, e.g. torch.manual_seed.
    mask: the function returns (y, mask), or a Result with a mask.
    device: of x with torch tensors; otherwise a fact for the report.
    features: further ones that it claims: "rng_words", "effective_rate".
    promises: words that docs/adding_a_backend.md explains, e.g. "batch_split".
    get_state, set_state: tell and set the generator's state as bytes, e.g. pickle.dumps(random.getstate()).
    refuses: exceptions by which a request is refused.
    The others are members of the reply to start (harness/abi/adapter_protocol.md).

    Raises ValueError or TypeError for claims that contradict each other.
    """

    def decorate(target: Target) -> Target:
        autograd = backward == "autograd"
        kernel = kernel_of(target, backward if callable(backward) else None)
        if isinstance(backward, str) and not autograd:
            raise ValueError(f'backward is a function or "autograd", not {backward!r}')
        seeds = seed_semantics or ("stateful" if reseed else "per_call" if kernel.takes("seed") else "none")
        if seeds not in SEED_SEMANTICS:
            raise ValueError(f"seed_semantics is one of {', '.join(SEED_SEMANTICS)}, not {seeds!r}")
        _check_parameters(kernel, forms)
        conversion = tensors_for(tensors, device)
        if autograd and not isinstance(conversion, TorchTensors):
            raise ValueError('backward="autograd" needs torch tensors')
        for dtype in dtypes:
            if dtype not in conversion.dtypes:
                raise ValueError(f"dtype {dtype!r} is none of {', '.join(conversion.dtypes)}")
        claimed = ["constant_input"]
        claimed += ["mask", "packed_mask"] if mask else []
        claimed += ["backward"] if autograd or kernel.backward else []
        claimed += [word for word in ("in_place", "threads") if word in kernel.parameters]
        if (get_state is None) != (set_state is None):
            raise ValueError("get_state and set_state belong together")
        state = (get_state, set_state) if get_state and set_state else None
        claimed += ["recompute"] if state else []
        claimed += [word for word in features if word not in claimed]
        facts = {
            "implementation_version": implementation_version,
            "library": library,
            "device": device,
            "notes": list(notes),
            "exact_stream": exact_stream,
            "conforms_to": conforms_to,
        }
        claims = Claims(name, dtypes, ops, seeds, seed_bits, offset_unit, claimed, forms, promises, facts)
        if getattr(target, "__module__", None) == "__main__":
            _serve_process(Adapter(kernel, claims, conversion, reseed, refuses, autograd, state))
        return target

    return decorate


def _check_parameters(kernel: Kernel, forms: Sequence[str]) -> None:
    """A parameter that is never given would only show when a call fails."""
    if not kernel.takes("x"):
        raise TypeError("the function takes no x")
    unknown = [name for name in kernel.required if name not in ARGUMENTS]
    if unknown and not forms:
        raise TypeError(f"the function takes {', '.join(unknown)}; known are {', '.join(ARGUMENTS)}")


def _serve_process(adapter: Adapter) -> None:
    if sys.byteorder != "little":
        sys.exit("dropcheck_adapter: the protocol is little-endian, this machine is not")
    try:
        adapter.serve(take_standard_streams())
    except WireError as error:
        sys.exit(f"dropcheck_adapter: {error}")
    except BrokenPipeError:
        sys.exit("dropcheck_adapter: nobody reads the replies")
