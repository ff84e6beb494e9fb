"""Flax Linen: layers whose paths read the same without their separators get one mask.

pip install jax==0.10.2 flax==0.12.8
"""

import flax
import jax
import jax.numpy as jnp
from flax import linen as nn


class Block(nn.Module):
    inner: str

    @nn.compact
    def __call__(self, x):
        return nn.Dropout(0.5, deterministic=False, name=self.inner)(x)


class Model(nn.Module):
    @nn.compact
    def __call__(self, x):
        paths = ("block1", "2_drop"), ("block12", "_drop"), ("block3", "drop")
        return [Block(inner, name=outer)(x) for outer, inner in paths]


x = jnp.ones(100_000)
for separated in (False, True):
    flax.config.update("flax_fix_rng_separator", separated)
    first, second, third = (y != 0 for y in Model().apply({}, x, rngs={"dropout": jax.random.key(0)}))
    print(f"separator {separated}: block1/2_drop agrees with block12/_drop on {jnp.mean(first == second):.4f}"
          f" of the mask entries, with block3/drop on {jnp.mean(first == third):.4f}")
