"""Keras' dropout on one of its backends, judged by dropcheck.

    dropcheck run --backend="exec:python3 keras_adapter.py --backend=jax --form=layer"

--backend=jax|torch|tensorflow
--form=layer        keras.layers.Dropout, SpatialDropout1D to 3D and AlphaDropout with a seed (the default)
--form=functional   keras.random.dropout with a keras.random.SeedGenerator
--form=unseeded     keras.random.dropout without a seed, after keras.utils.set_random_seed
"""

import argparse
import os
import sys

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--backend", choices=("jax", "torch", "tensorflow"), default="jax")
parser.add_argument("--form", choices=("layer", "functional", "unseeded"), default="layer")
choice = parser.parse_args()

os.environ["KERAS_BACKEND"] = choice.backend
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import keras  # noqa: E402

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from dropcheck_adapter import serve  # noqa: E402

DTYPES = {"f32": "float32", "f64": "float64", "f16": "float16", "bf16": "bfloat16"}
CHANNEL_RANKS = {"dropout1d": 3, "dropout2d": 4, "dropout3d": 5}
layers = {}
generator = None  # the stream that a seed begins


def set_seed(seed):
    global generator
    if choice.form == "unseeded":
        keras.utils.set_random_seed(seed)
    else:
        generator = keras.random.SeedGenerator(seed)
        layers.clear()


def channel_noise(shape):
    """One mask entry for all of the dimensions after the first two."""
    return tuple(shape[:2]) + (1,) * (len(shape) - 2)


def make_layer(op, p, dtype, shape):
    options = {"seed": 0, "dtype": DTYPES[dtype]}  # the stream's state replaces that of the seed
    if op == "dropout":
        return keras.layers.Dropout(p, **options)
    if op == "dropout1d":
        return keras.layers.SpatialDropout1D(p, **options)
    if op == "dropout2d":
        return keras.layers.SpatialDropout2D(p, data_format="channels_first", **options)
    if op == "dropout3d":
        return keras.layers.SpatialDropout3D(p, data_format="channels_first", **options)
    noise = None if op == "alpha_dropout" else channel_noise(shape)
    return keras.layers.AlphaDropout(p, noise_shape=noise, **options)


def call_layer(x, op, p, dtype, train):
    key = (op, p, dtype, tuple(x.shape) if op == "feature_alpha_dropout" else None)
    if key not in layers:
        layers[key] = make_layer(op, p, dtype, x.shape)
    layer = layers[key]
    own = getattr(layer, "seed_generator", None)  # none with a rate of 0
    if own is not None:
        own.state.assign(generator.state)
    if op == "dropout1d":  # has no data_format: (N, L, C)
        y = keras.ops.transpose(layer(keras.ops.transpose(x, (0, 2, 1)), training=train), (0, 2, 1))
    else:
        y = layer(x, training=train)
    if own is not None:
        generator.state.assign(own.state)
    return y


def call(x, op, p, dtype, train):
    rank = len(x.shape)
    if rank != CHANNEL_RANKS.get(op, rank) or (op == "feature_alpha_dropout" and rank < 2):
        raise NotImplementedError(f"{op} has no meaning for rank {rank} here")
    if choice.form == "layer":
        return call_layer(x, op, p, dtype, train)
    if not train:
        return x
    noise = channel_noise(x.shape) if op in CHANNEL_RANKS else None
    return keras.random.dropout(x, p, noise_shape=noise, seed=generator)


def call_with_gradient(function, x):
    """y, and a function of dy that gives dx."""
    if choice.backend == "jax":
        import jax

        y, gradient = jax.vjp(function, x)
        return y, lambda dy: gradient(dy)[0]
    if choice.backend == "torch":
        import torch

        x = x.requires_grad_()
        y = function(x)
        return y, lambda dy: torch.autograd.grad(y, x, dy, retain_graph=True)[0]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return y, lambda dy: tape.gradient(y, x, output_gradients=dy)


def sent(tensor):
    """What goes over the wire; NumPy cannot read a scalar in bf16 from TensorFlow by itself."""
    return tensor.numpy() if choice.backend == "tensorflow" else tensor


@serve(
    name=f"keras-{choice.form}-{choice.backend}",
    implementation_version=keras.__version__,
    library=f"keras {keras.__version__} on {choice.backend}",
    ops=["dropout", *CHANNEL_RANKS]
    + (["alpha_dropout", "feature_alpha_dropout"] if choice.form == "layer" else []),
    dtypes=[dtype for dtype in DTYPES if dtype != "f64" or choice.backend != "jax"],
    tensors="torch" if choice.backend == "torch" else "numpy",
    reseed=set_seed,
    seed_bits=32 if choice.backend == "jax" or choice.form == "unseeded" else 31,
    notes=[
        "SpatialDropout1D gets the transposed tensor (N, L, C); the others work on channels_first",
        "feature_alpha_dropout is AlphaDropout with noise_shape=(N, C, 1, ...)",
    ]
    if choice.form == "layer"
    else [
        "the channel operators are the same function with noise_shape=(N, C, 1, ...)",
        "eval mode is left to programs, which then do not call the function: x comes back",
    ],
)
class Dropout:
    def forward(self, x, op, p, dtype, train, save):
        x = keras.ops.convert_to_tensor(x)
        if not save:
            return sent(call(x, op, p, dtype, train))
        y, self.gradient = call_with_gradient(lambda value: call(value, op, p, dtype, train), x)
        return sent(y)

    def backward(self, dy):
        dx = self.gradient(keras.ops.convert_to_tensor(dy))
        if dx is None:
            raise RuntimeError("the gradient is None: the result does not depend on the input")
        return sent(dx)
