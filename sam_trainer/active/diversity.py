"""Diversity sampling on case vectors (N, D): k-center, medoid, k-means++ draws, as indices. Pure functions.

Cases without a vector are not for these functions; whoever calls leaves them out.
"""

from __future__ import annotations

import numpy as np

from sam_infer.arrays import Float64Array


def distances(points: Float64Array, others: Float64Array) -> Float64Array:
    """Euclidean distances (N, M)."""
    squared = (points**2).sum(1)[:, None] + (others**2).sum(1)[None] - 2 * points @ others.T
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))


def nearest(points: Float64Array, others: Float64Array) -> Float64Array:
    """Distance (N,) of each point to the nearest of the others; infinite where there are none."""
    return np.asarray(distances(points, others).min(axis=1)) if len(others) else np.full(len(points), np.inf)


def medoid(points: Float64Array) -> int:
    """The point nearest to all others: what a pool mostly looks like."""
    return int(distances(points, points).sum(axis=1).argmin())


def farthest(points: Float64Array, taken: Float64Array) -> int:
    """The next centre of a k-center greedy cover (arXiv 1708.00489); the medoid where nothing is taken."""
    return int(nearest(points, taken).argmax()) if len(taken) else medoid(points)


def spread_draw(points: Float64Array, taken: Float64Array, rng: np.random.Generator) -> int:
    """The next point of k-means++: drawn by the square of its distance to what is taken; the longest one first."""
    if not len(taken):
        return int(np.linalg.norm(points, axis=1).argmax())
    weight = nearest(points, taken) ** 2
    total = float(weight.sum())
    if total <= 1e-24:  # all the same as what is taken
        return int(rng.integers(len(points)))
    return int(rng.choice(len(points), p=weight / total))


def ranks(values: Float64Array) -> Float64Array:
    """Ranks scaled to [0, 1], ties sharing their mean."""
    if len(values) == 1:
        return np.zeros(1)
    order = np.argsort(values, kind="stable")
    placed = np.empty(len(values))
    placed[order] = np.arange(len(values))
    _, inverse = np.unique(values, return_inverse=True)
    means = np.bincount(inverse, weights=placed) / np.bincount(inverse)
    return np.asarray(means[inverse] / (len(values) - 1))
