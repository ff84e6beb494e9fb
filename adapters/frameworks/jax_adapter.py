"""Flax's dropout on JAX, judged by dropcheck.

    dropcheck run --backend="exec:python3 jax_adapter.py --form=nnx"

--form=linen   flax.linen.Dropout with one PRNG key a call (the default)
--form=nnx     flax.nnx.Dropout with a stream nnx.Rngs, which a seed begins and each call continues
--prng=NAME    implementation of the keys: threefry2x32 (JAX's default), rbg, unsafe_rbg
--x64          with 64-bit numbers switched on, for f64
--jit          forward and gradient under jax.jit
"""

import argparse
import os
import sys

import flax
import jax
import jax.numpy as jnp
from flax import linen, nnx

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from dropcheck_adapter import serve  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--form", choices=("linen", "nnx"), default="linen")
parser.add_argument("--prng", default="threefry2x32")
parser.add_argument("--x64", action="store_true")
parser.add_argument("--jit", action="store_true")
choice = parser.parse_args()

jax.config.update("jax_default_prng_impl", choice.prng)
jax.config.update("jax_enable_x64", choice.x64)

CHANNEL_RANKS = {"dropout1d": 3, "dropout2d": 4, "dropout3d": 5}
jitted = {}
stream = None


def set_seed(seed):
    """Begins the stream of --form=nnx."""
    global stream
    stream = nnx.Rngs(dropout=as_user_seed(seed))


def as_user_seed(seed):
    """JAX takes seeds of 64 bits as signed integers."""
    return seed - (1 << 64) if seed >> 63 else seed


def shared_dimensions(op, rank):
    """The channel operators draw one mask entry for all of the dimensions after the first two."""
    return () if op == "dropout" else tuple(range(2, rank))


def layer_for(op, p, train, rank):
    """A function of x and what its randomness comes from: a key, or the stream."""
    shared = shared_dimensions(op, rank)
    if choice.form == "linen":
        layer = linen.Dropout(p, broadcast_dims=shared, deterministic=not train)
        return lambda x, source: layer.apply({}, x, rngs={"dropout": source})
    layer = nnx.Dropout(p, broadcast_dims=shared, deterministic=not train)
    return lambda x, source: layer(x, rngs=source)


def function_for(*question):
    if not choice.jit:
        return layer_for(*question)
    if question not in jitted:
        jitted[question] = (jax.jit if choice.form == "linen" else nnx.jit)(layer_for(*question))
    return jitted[question]


def with_gradient(function, x, source):
    """y, and a function of dy that gives dx first."""
    if choice.form == "linen":
        return jax.vjp(lambda value: function(value, source), x)
    return nnx.vjp(function, x, source, graph_updates=False)


@serve(
    name=f"flax-{choice.form}" + ("-jit" if choice.jit else ""),
    implementation_version=flax.__version__,
    library=f"jax {jax.__version__}, flax {flax.__version__}",
    ops=["dropout", *CHANNEL_RANKS],
    dtypes=["f32", "f16", "bf16"] + (["f64"] if choice.x64 else []),
    tensors="numpy",
    seed_semantics="per_call" if choice.form == "linen" else "stateful",
    reseed=set_seed if choice.form == "nnx" else None,
    # The high half of a seed is only looked at when 64-bit numbers are on.
    seed_bits=64 if choice.x64 else 32,
    notes=[
        f"keys are {choice.prng}, 64-bit numbers {'on' if choice.x64 else 'off'}",
        "the channel operators are Dropout with broadcast_dims of the dimensions after the first two",
    ],
)
class Dropout:
    def forward(self, x, op, p, train, seed, save):
        if x.ndim != CHANNEL_RANKS.get(op, x.ndim):
            raise NotImplementedError(f"{op} takes {CHANNEL_RANKS[op]} dimensions, not {x.ndim}")
        source = jax.random.key(as_user_seed(seed)) if choice.form == "linen" else stream
        function = function_for(op, p, train, x.ndim)
        x = jnp.asarray(x)
        if not save:
            return function(x, source)
        y, self.gradient = with_gradient(function, x, source)
        return y

    def backward(self, dy):
        return self.gradient(jnp.asarray(dy))[0]
