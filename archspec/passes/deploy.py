"""Which passes make a network fit for the runtime of an ABI."""

from __future__ import annotations

from archspec.graph import Graph
from archspec.passes.fold import fold
from archspec.passes.rewrite import Pass, Rewrite

FORMS = {"arm64-v8a": "xnnpack", "armeabi-v7a": "builtin", "x86_64": "xnnpack"}
"""The kernels that an ABI's runtime has; networks are brought into a form that these run well."""

PLAIN = "plain"
"""The form that a network has by itself."""

PASSES: dict[str, tuple[Pass, ...]] = {"xnnpack": (fold,), "builtin": (fold,), PLAIN: ()}
"""By form, in order."""


def deploy(graph: Graph, form: str) -> Rewrite:
    """The network in a form of `PASSES`, and how its weights are made."""
    rewrite = Rewrite(graph, lambda weights: weights)
    for step in PASSES[form]:
        rewrite = rewrite.then(step)
    return rewrite


def form_for(abi: str, graph: Graph) -> str:
    """The form that a network is deployed in on an ABI: the first of `PASSES` that makes the same graph."""
    wanted = deploy(graph, FORMS[abi]).graph
    return next(form for form in PASSES if form != PLAIN and deploy(graph, form).graph == wanted)
