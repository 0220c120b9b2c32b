"""Graph to graph, for deployment. Each pass keeps what the network answers; none knows a framework."""

from archspec.passes.deploy import PLAIN, deploy, form_for
from archspec.passes.fold import LINEAR, fold_batch_norm, fold_weights, foldable
from archspec.passes.rewrite import Pass, Rewrite, Weights

__all__ = [
    "LINEAR",
    "PLAIN",
    "Pass",
    "Rewrite",
    "Weights",
    "deploy",
    "fold_batch_norm",
    "fold_weights",
    "foldable",
    "form_for",
]
