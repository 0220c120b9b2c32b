"""What a spec asks of its targets."""

import pytest

from archspec.analysis import document, network
from archspec.diagnostics import Diagnostic, Source, SpecError
from archspec.spec import BORDERS, Budget, Nms, Target

SPEC = """\
archspec: 1
model: tiny
input: {size: [8, 8, 3], range: [0, 1]}
layers:
- Conv: {depth: 4, name: a}
- Conv: {depth: 4, name: b}
targets: {arm64-v8a: TARGET}
"""


def target(text: str) -> Target:
    return network(document(Source("tiny.yaml", SPEC.replace("TARGET", text)))).graph.head.targets["arm64-v8a"]


def findings(text: str) -> list[Diagnostic]:
    with pytest.raises(SpecError) as caught:
        target(text)
    return list(caught.value.diagnostics)


def test_all_that_a_target_can_say_is_read() -> None:
    text = (
        '{quantize: int8, io: uint8, outputs: [b], float_rows: [a], int16_rows: [b], min_runtime: "2.17.0", '
        "budget: {kilobytes: 1.5, peak_ram_kilobytes: 2, minstructions: 3, macs: 4}}"
    )
    assert target(text) == Target("int8", "uint8", None, ("b",), ("a",), ("b",), "2.17.0", Budget(1.5, 2, 3, 4))
    assert target("{}") == Target()


def test_suppression_of_boxes_is_read_and_held_against_the_outputs() -> None:
    heads = "".join(
        f"- SSDHead: {{from: input, values: {n}, scale: 0.5, name: {name}}}\n" for n, name in ((4, "b"), (3, "s"))
    )
    text = f"archspec: 1\nmodel: m\ninput: {{size: [8, 8, 3], range: [0, 1]}}\nlayers:\n{heads}"

    def targets(ask: str, outputs: str = "[b, s]") -> dict[str, Target]:
        made = network(document(Source("t.yaml", f"{text}outputs: {outputs}\ntargets: {{x86_64: {ask}}}\n")))
        return dict(made.graph.head.targets)

    assert targets("{nms: {}}")["x86_64"].nms == Nms(0.01, 0.5, 100)
    assert targets("{nms: {score: 0.2, overlap: 0.4, most: 7}}")["x86_64"].nms == Nms(0.2, 0.4, 7)
    assert targets("{}")["x86_64"].nms is None
    for ask, outputs, code, message in (
        ("{nms: {}}", "[s, b]", "conflicting-keys", "`nms` needs the heads of an SSD: an SSD gives maps of boxes"),
        ("{nms: {}, outputs: [b]}", "[b, s]", "conflicting-keys", "`nms` needs the heads of an SSD: "),
        ("{nms: {}, outputs: [b, t]}", "[b, s]", "unknown-row", "no row has the name `t`"),
        ("{nms: {overlap: 0}}", "[b, s]", "out-of-range", "`overlap` must be a number above 0, at most 1, not `0`"),
        ("{nms: {iou: 0.5}}", "[b, s]", "unknown-key", "no key `iou` in `nms`"),
        ("{nms: 100}", "[b, s]", "wrong-type", "`nms` must be a mapping"),
    ):
        with pytest.raises(SpecError) as caught:
            targets(ask, outputs)
        (found,) = caught.value.diagnostics
        assert (found.code, found.message[: len(message)]) == (code, message)


@pytest.mark.parametrize("scheme", BORDERS)
def test_inputs_and_outputs_have_the_schemes_own_type_unless_another_is_named(scheme: str) -> None:
    assert target(f"{{quantize: {scheme}}}").border == BORDERS[scheme][0]
    for border in ("int8", "uint8", "int16", "float32"):
        text = f"{{quantize: {scheme}, io: {border}}}"
        if border in BORDERS[scheme]:
            assert target(text).border == border
        else:
            (found,) = findings(text)
            assert found.message == f"a file of scheme `{scheme}` has no `{border}` inputs and outputs"


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("{outputs: [c]}", "unknown-row", "no row has the name `c`"),
        ("{float_rows: [a, a]}", "duplicate-name", "row `a` stands twice"),
        ("{int16_rows: [d]}", "unknown-row", "no row has the name `d`"),
        ("{float_rows: [a], int16_rows: [a]}", "conflicting-keys", "row `a` cannot be both float and at 16 bits"),
        (
            "{quantize: none, float_rows: [a]}",
            "conflicting-keys",
            "`float_rows` changes nothing under `quantize: none`",
        ),
        (
            "{quantize: int16x8, int16_rows: [a]}",
            "conflicting-keys",
            "`int16_rows` changes nothing under `quantize: int16x8`",
        ),
        ("{min_runtime: 2.20}", "wrong-type", '`min_runtime` must be a release in quotes, as "2.17.0", not `2.2`'),
        ("{budget: {kilobytes: 0}}", "out-of-range", "`kilobytes` must be a number above 0, not `0`"),
        ("{budget: {size: 1}}", "unknown-key", "no key `size` in `budget`"),
    ],
)
def test_what_is_wrong_is_found(text: str, code: str, message: str) -> None:
    (found,) = findings(text)
    assert (found.code, found.message) == (code, message)
    assert found.span.start >= SPEC.index("TARGET")
