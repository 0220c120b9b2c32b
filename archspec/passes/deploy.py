"""Which passes make a network fit for the runtime of an ABI."""

from __future__ import annotations

from functools import partial

from archspec.graph import Graph
from archspec.passes.fold import fold
from archspec.passes.norms import ahead, alone, spread
from archspec.passes.rewrite import Pass, Rewrite
from archspec.passes.runtime import clamped, without_bilinear, without_dense
from archspec.passes.tail import merge_tail
from archspec.passes.thin import thin, transposed
from archspec.passes.tidy import tidy
from archspec.spec import Target

FORMS = {"arm64-v8a": "xnnpack", "armeabi-v7a": "builtin", "x86_64": "xnnpack"}
"""The kernels that an ABI's runtime has; networks are brought into a form that these run well."""

PLAIN = "plain"
"""The form that a network has by itself."""

BEFORE: tuple[Pass, ...] = (tidy, fold, spread, ahead)
XNNPACK: tuple[Pass, ...] = (alone, clamped)
BUILTIN: tuple[Pass, ...] = (alone, clamped, without_dense, without_bilinear)

PASSES: dict[str, tuple[Pass, ...]] = {
    "xnnpack": (*BEFORE, merge_tail, thin, partial(transposed, tiles=True), *XNNPACK),
    "builtin": (*BEFORE, merge_tail, thin, transposed, *BUILTIN),
    # no quantizer knows DEPTH_TO_SPACE with activations of 16 bits
    "xnnpack16": (*BEFORE, partial(merge_tail, phases=False), *XNNPACK),
    "builtin16": (*BEFORE, partial(merge_tail, phases=False), *BUILTIN),
    PLAIN: (),
}
"""By form, in order."""


def deploy(graph: Graph, form: str) -> Rewrite:
    """The network in a form of `PASSES`, and how its weights are made."""
    rewrite = Rewrite(graph, lambda weights: weights)
    for step in PASSES[form]:
        rewrite = rewrite.then(step)
    return rewrite


def form_for(abi: str, target: Target, graph: Graph) -> str:
    """The form that a network is deployed in for a target: the first of `PASSES` that makes the same graph."""
    wide = target.quantize == "int16x8" or target.int16_rows
    own = FORMS[abi] + ("16" if wide else "")
    wanted = deploy(graph, own).graph
    return next(form for form in PASSES if form == own or (form != PLAIN and deploy(graph, form).graph == wanted))
