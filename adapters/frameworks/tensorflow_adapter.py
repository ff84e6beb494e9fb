"""TensorFlow's dropout, judged by dropcheck.

    dropcheck run --backend="exec:python3 tensorflow_adapter.py --form=stateless"

--form=dropout     tf.nn.dropout after tf.random.set_seed (the default)
--form=stateless   tf.nn.experimental.stateless_dropout with a seed for each call
--mode=eager|function   function: inside a tf.function, retraced after each tf.random.set_seed as its
                        documentation asks for
"""

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import tensorflow as tf  # noqa: E402

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from dropcheck_adapter import serve  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--form", choices=("dropout", "stateless"), default="dropout")
parser.add_argument("--mode", choices=("eager", "function"), default="eager")
choice = parser.parse_args()

CHANNEL_RANKS = {"dropout1d": 3, "dropout2d": 4, "dropout3d": 5}
traced = {}


def set_seed(seed):
    """A function that was traced keeps the seeds of its tracing."""
    tf.random.set_seed(seed)
    traced.clear()


def noise_shape(op, shape):
    """The channel operators share one mask entry among the dimensions after the first two."""
    return None if op == "dropout" else shape[:2] + [1] * (len(shape) - 2)


def eager(x, seed, op, p):
    if choice.form == "stateless":
        shared = noise_shape(op, x.shape.as_list())
        return tf.nn.experimental.stateless_dropout(x, p, seed=seed, noise_shape=shared)
    return tf.nn.dropout(x, p, noise_shape=noise_shape(op, x.shape.as_list()))


def function_for(op, p):
    if choice.mode == "eager":
        return lambda x, seed: eager(x, seed, op, p)
    if (op, p) not in traced:
        traced[op, p] = tf.function(lambda x, seed: eager(x, seed, op, p))
    return traced[op, p]


@serve(
    name=f"tensorflow-{choice.form}" + ("-function" if choice.mode == "function" else ""),
    implementation_version=tf.__version__,
    library="tensorflow " + tf.__version__,
    ops=["dropout", *CHANNEL_RANKS],
    dtypes=["f32", "f64", "f16", "bf16"],
    tensors="numpy",
    seed_semantics="per_call" if choice.form == "stateless" else "stateful",
    reseed=set_seed if choice.form == "dropout" else None,
    refuses=(ValueError, tf.errors.InvalidArgumentError),
    notes=[
        f"{choice.mode}, {os.cpu_count()} cores",
        "dropout1d, dropout2d and dropout3d are the same function with noise_shape=[N, C, 1, ...]",
        "eval mode is left to programs, which then do not call the function: x comes back",
    ],
)
class Dropout:
    def forward(self, x, op, p, train, seed, save):
        if x.ndim != CHANNEL_RANKS.get(op, x.ndim):
            raise NotImplementedError(f"{op} takes {CHANNEL_RANKS[op]} dimensions, not {x.ndim}")
        if not train and not save:
            return x
        if choice.form == "stateless":  # two numbers of 32 bits
            seed = tf.constant([seed & 0xFFFFFFFF, seed >> 32], tf.int64)
        else:
            seed = None
        function = function_for(op, p) if train else lambda value, seed: tf.identity(value)
        x = tf.constant(x)
        if not save:
            return function(x, seed).numpy()
        with tf.GradientTape() as self.tape:
            self.tape.watch(x)
            y = function(x, seed)
        self.x, self.y = x, y
        return y.numpy()

    def backward(self, dy):
        return self.tape.gradient(self.y, self.x, output_gradients=tf.constant(dy)).numpy()
