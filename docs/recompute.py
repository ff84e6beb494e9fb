#!/usr/bin/env python3
"""Computes every p-value of a results.jsonl again, from its counts and null parameters alone, with SciPy.

    python3 docs/recompute.py results.jsonl

Prints the largest relative difference for each statistic and engine. Exit code 1 when one is above 1e-6
(1e-4 for saddlepoint tails, of which numerical derivatives are taken here), or the file holds no statistics.
"""
import json
import math
import sys
from fractions import Fraction

import numpy as np
from scipy import optimize, special, stats

SMALLEST = 1e-290  # below, engines report bounds on log10 of the p-value
TOLERANCE = 1e-6
SADDLEPOINT_TOLERANCE = 1e-4

# --- keyed uniform numbers

M = (1 << 64) - 1
G = 0x9E3779B97F4A7C15


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M
    return z ^ (z >> 31)


def derived_key(key, i):
    return mix((mix((key + G) & M) + (i + 1) * G) & M)


def uniform(key, i):
    return ((derived_key(key, i) >> 12) + 0.5) * 2.0**-52


# --- laws


def doubled(lower, upper):
    return min(1.0, 2 * min(lower, upper))


def binomial(n, x, p):
    return doubled(stats.binom.cdf(x, n, p), stats.binom.sf(x - 1, n, p))


def hypergeometric(n, a, b, x):
    """Common drops x of two masks of n entries with a and b drops. The weights of all overlaps within 45
    standard deviations, by the ratios of neighbours."""
    mode = (a + 1) * (b + 1) // (n + 2)
    spread = math.sqrt(a / n * (n - a) * (b / n) * ((n - b) / max(n - 1, 1)))
    margin = int(45 * spread + 50)
    first, last = max(0, a + b - n, min(mode, x) - margin), min(a, b, max(mode, x) + margin)
    k = np.arange(first, last, dtype=float)
    logs = np.cumsum(np.log((a - k) / (k + 1)) + np.log((b - k) / (n - a - b + k + 1)))
    logs = np.concatenate([[0.0], logs])
    weights = np.exp(logs - logs.max())
    at = x - first
    return doubled(weights[: at + 1].sum() / weights.sum(), weights[at:].sum() / weights.sum())


def gamma(mean, variance, x):
    law = stats.gamma(mean * mean / variance, scale=variance / mean)
    return doubled(law.cdf(x), law.sf(x))


def petrov(z, skewness, quartic=0.0):
    """Doubled normal tail with the first terms of Cramer's series, constant beyond its limits."""
    limits = [37.0]
    if skewness != 0:
        limits.append((6 * 0.5 / abs(skewness)) ** (1 / 3))
    if quartic != 0:
        limits.append((24 * 0.25 / abs(quartic)) ** 0.25)
    size, skewness = min(abs(z), min(limits)), math.copysign(1, z) * skewness
    return min(1.0, 2 * stats.norm.sf(size) * math.exp(skewness * size**3 / 6 + quartic * size**4 / 24))


def bit_moments(p):
    """Skewness and kurtosis of one centred entry."""
    return (1 - 2 * p) / math.sqrt(p * (1 - p)), 1 / (p * (1 - p)) - 3


def product_moments(offsets, skewness, kurtosis):
    """Of a sum of products of independent factors at t + offsets, times the root of the number of products,
    and times it: skewness, and fourth cumulant less 3 times its square."""
    shifts = [sum(1 for a in offsets if a + u in offsets) for u in range(1, max(offsets) + 1)]
    s = len(offsets)
    shared = 2 * 3 * sum(kurtosis**m - 1 for m in shifts)
    return skewness**s, kurtosis**s - 3 + shared - 3 * skewness ** (2 * s)


def saddlepoint(cumulants, s):
    """Doubled tail at s of a sum of mean 0, by Lugannani and Rice; cumulants(theta) is K, K', K''."""
    if s == 0:
        return 1.0
    end = s / cumulants(0.0)[2]
    while abs(cumulants(end)[1]) < abs(s):
        end *= 2
    theta = optimize.brentq(lambda t: cumulants(t)[1] - s, 0.0, end, xtol=1e-300, rtol=1e-14)
    normal_sizes = lambda t, k, k1, k2: (math.sqrt(max(0, 2 * (t * k1 - k))), abs(t) * math.sqrt(k2))
    w, u = normal_sizes(theta, *cumulants(theta))
    if u < 0.1:  # next to the mean the digits of w cancel; 1/u - 1/w hardly changes there
        w_there, u_there = normal_sizes(theta * 0.1 / u, *cumulants(theta * 0.1 / u))
        difference = 1 / u_there - 1 / w_there
        w = u / (1 - u * difference)
    else:
        difference = 1 / u - 1 / w
    return min(1.0, 2 * (stats.norm.sf(w) + stats.norm.pdf(w) * difference))


def chain_k(theta, m, p):
    """ln E exp(theta sum a_t a_(t+1)) of a chain of m independent entries, a = d - p, from the eigenvalues of
    its 2x2 matrix; complex theta for derivatives."""
    q = 1 - p
    kept, dropped, unequal = (np.exp(theta * c) for c in (p * p, q * q, -p * q))
    trace, determinant = q * kept + p * dropped, p * q * (kept * dropped - unequal * unequal)
    root = np.sqrt(trace * trace - 4 * determinant)
    first, second = (trace + root) / 2, (trace - root) / 2
    two = q * q * kept + 2 * p * q * unequal + p * p * dropped
    share = (first - two) / root  # weight of the smaller eigenvalue
    return (m - 1) * np.log(first) + np.log(1 - share + share * (second / first) ** (m - 1))


def chain_cumulants(chains, p):
    """Of independent chains, {length: number}. K' by a complex step, K'' by a difference of K'."""
    k = lambda theta: sum(count * chain_k(theta + 0j, m, p) for m, count in chains.items() if m > 1)
    k1 = lambda theta: k(theta + 1e-20j).imag / 1e-20
    unit = 1e-4 / math.sqrt((k1(1e-4) - k1(-1e-4)) / 2e-4)
    return lambda theta: (k(theta).real, k1(theta), (k1(theta + unit) - k1(theta - unit)) / (2 * unit))


def block_cumulants(bits, blocks, p, reach):
    """Of the sum over blocks of (c - bits p)^2 / (bits p q) - 1; c only where Chernoff's bound on its tail is
    above exp(-reach), and a bound on the probability of all others."""
    c = np.arange(bits + 1)
    rate = c / bits
    divergence = bits * (special.rel_entr(rate, p) + special.rel_entr(1 - rate, 1 - p))
    c = c[divergence <= reach]
    ln_pmf = stats.binom.logpmf(c, bits, p)
    y = (c - bits * p) ** 2 / (bits * p * (1 - p)) - 1
    mass = special.logsumexp(ln_pmf)

    def cumulants(theta):
        ln_tilted = special.logsumexp(ln_pmf + theta * y)
        weights = np.exp(ln_pmf + theta * y - ln_tilted)
        mean = (weights * y).sum()
        return blocks * (ln_tilted - mass), blocks * mean, blocks * (weights * (y - mean) ** 2).sum()

    return cumulants, (0.0 if len(c) == bits + 1 else 2 * blocks * math.exp(-reach))


def ln_without_run(n, length, rate):
    """ln P(no run of `length` or more in n entries): its generating function's smallest root (Feller, XIII.7)."""
    if length > n:
        return 0.0
    e = 0.0
    for _ in range(200):
        e = (1 - rate) * rate**length * math.exp((length + 1) * math.log1p(e))
    return math.log1p(-rate * e / (1 - rate)) - math.log1p(-length * e) - (n + 1) * math.log1p(e)


# --- statistics: p-value from counts c, null parameters par and p


def one_rate(c, null, p):
    return binomial(c["n"], c["x"], p)


def worst_rate(c, null, p):
    cells = next(c[name] for name in ("lanes", "positions", "cells", "distances") if name in c)
    return min(1.0, cells * binomial(c["n"], c["x"], null.get("probability", p)))


def both_dropped(c, null, p):
    return binomial(c["n"], c["x"], p * p)


def pit_chi_squared(x, n, p, key):
    v = np.array([uniform(key, j) for j in range(len(x))])
    x, n = np.array(x), np.array(n)
    lower = stats.binom.cdf(x - 1, n, p) + v * stats.binom.pmf(x, n, p)
    upper = stats.binom.sf(x, n, p) + (1 - v) * stats.binom.pmf(x, n, p)
    z = np.where(lower <= upper, stats.norm.ppf(lower), stats.norm.isf(upper))
    return stats.chi2.sf((z * z).sum(), len(x))


def lanes(c, null, p):
    """c: the counts of modulus 1024, which serve all moduli."""
    m, longer = int(null["modulus"]), c["longer_lanes"]
    trials = [c["trials"][0]] * longer + [c["trials"][1]] * (1024 - longer)
    x, n = (np.array(a).reshape(-1, m).sum(axis=0) for a in (c["drops"], trials))
    return x, n, m


def lanes_pearson(c, null, p):
    x, n, m = lanes(c, null, p)
    half, rate = m // 2, (x - n * p) / n
    square = (rate[:half] - rate[half:]) ** 2 / (1 / n[:half] + 1 / n[half:])
    return stats.chi2.sf(square.sum() / (p * (1 - p)), half)


def lanes_pit(c, null, p):
    x, n, m = lanes(c, null, p)
    return pit_chi_squared(x, n, p, derived_key(c["pit_key"], m))


def pooled(observed, expected):
    """Pearson's test of cells joined from each outer end towards the largest until 1000 are expected."""
    o, e = list(observed), list(expected)
    top = int(np.argmax(e))

    def one_side(o, e):  # from the outer end inwards; returns closed cells, rest
        cells, so, se = [], 0.0, 0.0
        for x, m in zip(o, e):
            so += x
            se += m
            if se >= 1000:
                cells.append((so, se))
                so = se = 0.0
        return cells, so, se

    left, lo, le = one_side(o[:top], e[:top])
    right, ro, re = one_side(o[:top:-1], e[:top:-1])
    cells, middle = left + right, (o[top] + lo + ro, e[top] + le + re)
    if middle[1] < 1000 and cells:
        cells[-1] = (cells[-1][0] + middle[0], cells[-1][1] + middle[1])
    else:
        cells.append(middle)
    return stats.chi2.sf(sum((x - m) ** 2 / m for x, m in cells), len(cells) - 1)


def word_histogram(c, null, p):
    bits, first = c["bits"], c["first"]
    histogram = np.atleast_1d(c["histogram"])
    observed = np.zeros(bits + 1)
    observed[first : first + len(histogram)] = histogram
    return pooled(observed, observed.sum() * stats.binom.pmf(np.arange(bits + 1), bits, p))


def distances(c, null, p):
    histogram = c["histogram"] if isinstance(c["histogram"], list) else [c["histogram"]]
    observed = np.zeros(c["cells"])
    observed[: len(histogram)] = histogram
    observed[-1] = c["longer"]
    r = p if null["kind"] == "drops" else 1 - p
    law = r * (1 - r) ** np.arange(c["cells"])
    law[-1] = (1 - r) ** (c["cells"] - 1)
    return pooled(observed, observed.sum() * law)


def dispersion(c, null, p):
    bits, blocks, exact = c["bits"], c["blocks"], Fraction(p)
    d = (c["sum_squares"] - 2 * bits * exact * c["sum_drops"] + blocks * (bits * exact) ** 2) / (
        bits * exact * (1 - exact))
    s = float(d - blocks)
    if s < 0:
        return saddlepoint(block_cumulants(bits, blocks, p, 100 + math.log(blocks))[0], s)
    best = 1.0
    for reach in (45, 90, 200, 700, math.inf):
        cumulants, outside = block_cumulants(bits, blocks, p, reach + math.log(blocks))
        tail = saddlepoint(cumulants, s)
        best = min(best, tail + 2 * outside)
        if outside == 0 or tail > 2e6 * outside:
            return best


def longest_run(c, null, p):
    rate = p if null["kind"] == "drops" else 1 - p
    chunks = list(zip(np.atleast_1d(c["chunk_sizes"]).tolist(), np.atleast_1d(c["chunks"]).tolist()))
    ln_none = lambda length: sum(count * ln_without_run(n, length, rate) for n, count in chunks)
    return doubled(math.exp(ln_none(c["length"] + 1)), -math.expm1(ln_none(c["length"])))


def walk(c, null, p):
    x = max(c["highest"], -c["lowest"]) * null["unit"] / math.sqrt(c["n"] * p * (1 - p))
    return min(1.0, sum((-1) ** k * 4 * stats.norm.sf((2 * k + 1) * x) for k in range(1000)))


def position_of_drops(c, null, p):
    drops, entries = np.array(c["drops"]), np.array(c["entries"])
    n, total = int(entries.sum()), int(drops.sum())
    away = np.abs(np.cumsum(drops) * n - np.cumsum(entries) * total).max() / n
    return stats.kstwobign.sf(away / math.sqrt(total * (1 - total / n)))


def block_rates(c, null, p):
    u = []
    for k, blocks in enumerate(np.atleast_1d(c["histogram"])):
        x, key = c["first"] + k, derived_key(c["pit_key"], c["first"] + k)
        below, at = stats.binom.cdf(x - 1, c["bits"], p), stats.binom.pmf(x, c["bits"], p)
        u += [below + uniform(key, i) * at for i in range(blocks)]
    u = np.sort(u)
    n = len(u)
    d = max((np.arange(1, n + 1) / n - u).max(), (u - np.arange(n) / n).max())
    return min(1.0, 2 * stats.ksone.sf(d, n))


def weighted_sum(c, null, p):
    t = abs(float(c["sum_kept"] - (1 - Fraction(p)) * c["sum"]))
    if t == 0:
        return 1.0
    spread = p * (1 - p) * c["sum_squares"] + c["largest"] * max(p, 1 - p) * t / 3
    return min(1.0, 2 * math.exp(-t * t / (2 * spread)))


def alpha_sum(c, null, p):
    """A sum whose weights differ from element to element: deviation and sum of squares are real numbers."""
    t = abs(null["deviation"])
    if t == 0:
        return 1.0
    spread = p * (1 - p) * null["sum_squares"] + null["max_abs"] * max(p, 1 - p) * t / 3
    return min(1.0, 2 * math.exp(-t * t / (2 * spread)))


def subnetworks(c, null, p):
    expected = c["n"] / 1024
    return stats.chi2.sf(sum((x - expected) ** 2 for x in c["subnetworks"]) / expected, 1023)


def dropped_together(c, null, p):
    return min(1.0, c["sets"] * binomial(c["n"], c["x"], p ** bin(c["units"]).count("1")))


def passes(c, null, p):
    n, mean = c["n"], null["mean"]
    if "variance" in null:
        t = abs(c["sum_squares"] - 2 * mean * c["sum"] + n * mean**2 - n * null["variance"])
    else:
        t = abs(c["sum"] - n * mean)
    spread = n * null["term_variance"] + null["term_bound"] * t / 3
    return min(1.0, 2 * math.exp(-t * t / (2 * spread)))


def positions_pearson(c, null, p):
    n, x = c["calls"], np.array(c["drops"])
    return stats.chi2.sf(((x - n * p) ** 2).sum() / (n * p * (1 - p)), len(x))


def positions_pit(c, null, p):
    return pit_chi_squared(c["drops"], [c["calls"]] * len(c["drops"]), p, c["pit_key"])


def lag_agreements(c, null, p):
    return binomial(c["n"], c["n"] - c["n1L"] - c["n1R"] + 2 * c["n11"], 0.5)


def lag_saddlepoint(c, null, p):
    chains = {}
    for size, count in zip(np.atleast_1d(c["chunk_sizes"]).tolist(), np.atleast_1d(c["chunks"]).tolist()):
        if size > c["lag"]:
            short, longer = divmod(size, c["lag"])
            chains[short + 1] = chains.get(short + 1, 0) + count * longer
            chains[short] = chains.get(short, 0) + count * (c["lag"] - longer)
    exact = Fraction(p)
    s = float(c["n11"] - exact * (c["n1L"] + c["n1R"]) + exact * exact * c["n"])
    s = math.copysign(max(0.0, abs(s) - min(p, 1 - p) / 2), s)  # half a step of the lattice inwards
    return saddlepoint(chain_cumulants(chains, p), s)


def worst_pair(c, null, p):
    return min(1.0, c["pairs"] * hypergeometric(c["n"], *c["drops"], c["both"]))


def all_pairs(c, null, p):
    n, exact = c["n"], Fraction(p)
    square = (c["both_squared"] - 2 * exact * c["both_times_drops"] + 2 * n * exact**2 * c["both"]
              + exact**2 * c["drops_squared"] - 2 * n * exact**3 * c["drops"] + c["pairs"] * n**2 * exact**4)
    return gamma(null["mean"], null["variance"], float(square / (n * (exact * (1 - exact)) ** 2)))


def overlap(c, null, p):
    return hypergeometric(c["n"], c["first"], c["second"], c["both"])


def seam(c, null, p):
    return hypergeometric(c["pairs"], c["left"], c["right"], c["both"])


def serial_patterns(c, null, p):
    def pearson(x):
        drops = np.array([bin(w).count("1") for w in range(len(x))])
        expected = c["windows"] * p**drops * (1 - p) ** (math.log2(len(x)) - drops)
        return ((x - expected) ** 2 / expected).sum()

    x = np.array(c["patterns"], dtype=float)
    shorter = x[: len(x) // 2] + x[len(x) // 2 :]  # the last entry is the highest bit
    return stats.chi2.sf(pearson(x) - pearson(shorter), len(x) // 2)


def triple(c, null, p):
    n, pairs, three = c["entries"], sum(c["pairs"]), c["triples"]
    if p == 0.5:
        return min(1.0, c["cells"] * binomial(n, 3 * c["drops"] + 4 * three - 2 * pairs, 0.5))
    exact = Fraction(p)
    z = float(three - exact * pairs + 3 * exact**2 * c["drops"] - exact**3 * n) / math.sqrt(n * (p * (1 - p)) ** 3)
    skewness, quartic = product_moments([0, *c["offsets"]], *bit_moments(p))
    return min(1.0, c["cells"] * petrov(z, skewness / math.sqrt(n), quartic / n))


def rank_law():
    """Ranks 64, 63, 62 and 61 or less of a random 64 x 64 matrix of fair bits."""
    law = []
    for deficit in range(3):
        rank = 64 - deficit
        probability = Fraction(1, 2 ** (deficit * deficit))
        for i in range(rank):
            probability *= (1 - Fraction(1, 2 ** (64 - i))) ** 2 / (1 - Fraction(1, 2 ** (rank - i)))
        law.append(float(probability))
    return np.array(law + [1 - sum(law)])


def matrix_ranks(c, null, p):
    return pooled(c["matrices"], sum(c["matrices"]) * rank_law())


def low_ranks(c, null, p):
    return binomial(c["n"], c["x"], rank_law()[3])


def complexity(c, null, p):
    bits, all_ = c["bits"], np.atleast_1d(c["complexities"]).tolist()
    below = lambda length: Fraction(2 * 4**length + 1, 3 * 2**bits)
    above = lambda length: Fraction(4 ** (bits - length + 1) - 1, 3 * 2**bits)
    one = lambda length: 2 * (below(length) if 2 * length < bits else above(length))
    return min(1.0, len(all_) * float(min(one(length) for length in all_)))


def coincidences(c, null, p):
    if "pairs" in c:
        mean, x = c["pairs"] / 2**24, c["collisions"]
    else:
        m, x = c["birthdays"], c["repeats"]
        mean = c["years"] * (m - 1) * (m - 2) // 2 * m / 2**33
    return doubled(stats.poisson.cdf(x, mean), stats.poisson.sf(x - 1, mean))


def frequency(c, null, p):
    half, v = np.array(c["autocovariances"], dtype=float), p * (1 - p)
    circular = np.concatenate([half, half[-2:0:-1]])
    angles = 2 * math.pi / 4096 * (c["frequency"] * np.arange(4096) % 4096)
    power = ((circular - circular.mean()) * np.cos(angles)).sum() / (4096 * v)
    spread = (2 if c["frequency"] == 2048 else 1) + ((1 - 3 * v) / v - 3) / 4096
    return min(1.0, c["cells"] * gamma(c["blocks"], c["blocks"] * spread, power))


def lane_pattern(c, null, p):
    half = c["entries_of_half"]
    return min(1.0, c["cells"] * hypergeometric(2 * half, half, c["odd"] + c["even"], c["odd"]))


def word_weights(c, null, p):
    n, mean = c["pairs"], 64 * Fraction(p)
    z = float(c["products"] - mean * (c["margins"] - n * mean)) / (64 * p * (1 - p) * math.sqrt(n))
    skewness, kurtosis = bit_moments(p)
    skewness, quartic = product_moments([0, 1], skewness / 8, 3 + (kurtosis - 3) / 64)
    return petrov(z, skewness / math.sqrt(n), quartic / n)


def seed_distance(c, null, p):
    return min(1.0, c["tests"] * hypergeometric(c["n"], c["first"], c["second"], c["both"]))


def repeats(c, null, p):
    rare = p if null["rare_is_drop"] == 1 else 1 - p
    anchor = rare ** null["anchor_rare_bits"] * (1 - rare) ** null["anchor_common_bits"]
    none = math.exp(c["places"] * math.log1p(-anchor))
    counts = none <= 1e-12
    if c["anchors"] == 0 and counts:
        return none
    return 1.0 if c["repeated"] == 0 else min(1.0, null["expected_repeats"] + (none if counts else 0))


# --- which is which: by id, and by a count that only this statistic of the id has

RULES = [
    ("S1", "x", one_rate),
    ("S2", "chi_squared", lanes_pearson),
    ("S2", "randomised_pit_chi_squared", lanes_pit),
    ("S3", "lanes", worst_rate),
    ("S4", "sum_squares", dispersion),
    ("S5", "histogram", word_histogram),
    ("S5", "x", worst_rate),
    ("S6", "axis", both_dropped),
    ("S10", "axis", both_dropped),
    ("S6", "binomial_exact", lag_agreements),
    ("S7", "binomial_exact", lag_agreements),
    ("S6", "saddlepoint", lag_saddlepoint),
    ("S7", "saddlepoint", lag_saddlepoint),
    ("S8", "both", worst_pair),
    ("S9", "both_squared", all_pairs),
    ("S11", "both_squared", all_pairs),
    ("S11", "pairs", worst_pair),
    ("S11", "first", overlap),
    ("S12", "histogram", distances),
    ("S12", "x", worst_rate),
    ("S13", "length", longest_run),
    ("S14", "pit_key", block_rates),
    ("S14", "highest", walk),
    ("S14", "kolmogorov_limit", position_of_drops),
    ("S15", "patterns", serial_patterns),
    ("S16", "triples", triple),
    ("S17", "matrices", matrix_ranks),
    ("S17", "x", low_ranks),
    ("S18", "complexities", complexity),
    ("S19", "autocovariances", frequency),
    ("S19", "odd", lane_pattern),
    ("S20", "collisions", coincidences),
    ("S21", "repeats", coincidences),
    ("S22", "products", word_weights),
    ("S23", "left", seam),
    ("S23", "x", one_rate),
    ("S24", "repeated", repeats),
    ("S25", "sum_kept", weighted_sum),
    ("S29", "positions", worst_rate),
    ("S29", "chi_squared", positions_pearson),
    ("S29", "randomised_pit_chi_squared", positions_pit),
    ("S30", "distance", seed_distance),
    ("E1", "subnetworks", subnetworks),
    ("E2", "units", dropped_together),
    ("E3", "sum_squares", passes),
]

# Rows of a dialect's checklist have an id each, R and their number, and few laws.
LAWS = {
    "Binomial(n, p)": one_rate,
    "hypergeometric given the drops of both": overlap,
    "Bernstein's bound for sum w (p - d), d = 1 with probability p": alpha_sum,
}


def rule_for(s, counts):
    if s["id"].startswith("R"):
        return LAWS.get(s["null"]["law"])
    for id_, mark, rule in RULES:
        if id_ == s["id"] and (mark in counts or mark == s["engine"]):
            return rule
    return None


def integers(counts):
    whole = lambda value: [int(v) for v in value] if isinstance(value, list) else int(value)
    return {name: whole(value) for name, value in counts.items()}


def counts_of(s, group):
    """Of the statistic, or for lanes of the one of its group that has them for all."""
    if s["counts"] or s["id"] != "S2":
        return integers(s["counts"])
    return next((integers(other["counts"]) for other in group if other["counts"]), {})


def main(path):
    worst, left_out, done = {}, {}, 0
    with open(path, encoding="utf-8") as file:
        results = [r for r in map(json.loads, file) if r["record"] == "result"]
    for record in results:
        for group in [record["statistics"]] + [stage.get("statistics", []) for stage in record["stages"]]:
            for s in group:
                key = (s["id"], s["engine"])
                counts = counts_of(s, group)
                rule = rule_for(s, counts)
                why = None
                if s["log10_p"] == "-Inf" or s["p_value"] < SMALLEST:
                    why = "below %g" % SMALLEST
                elif s["engine"].endswith(("_chernoff", "_bound")) and s["id"] != "S24":
                    why = "a bound"
                elif not counts:
                    why = "integers not recorded"
                elif rule is None:
                    why = "no rule"
                if why:
                    left_out[key, why] = left_out.get((key, why), 0) + 1
                    continue
                null = dict(s["null"]["parameters"], kind=s["name"].split()[-1])
                p = rule(counts, null, null.get("p"))
                worst[key] = max(worst.get(key, 0), abs(p - s["p_value"]) / s["p_value"])
                done += 1
    for key, difference in sorted(worst.items()):
        print(*key, "%.1e" % difference)
    for (key, why), number in sorted(left_out.items()):
        print(*key, "left out: %d," % number, why)
    print(done, "computed again,", sum(left_out.values()), "left out")
    if not worst and not left_out:
        print("no statistics in", path)
        return 1
    limit = lambda key: SADDLEPOINT_TOLERANCE if key[1] == "saddlepoint" else TOLERANCE
    return 1 if any(not difference <= limit(key) for key, difference in worst.items()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
