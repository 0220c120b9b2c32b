"""`let`, variants, and overrides from the command line."""

import pytest
from little import HEAD, assert_finds, built, findings, spec

from archspec.analysis import document, networks
from archspec.diagnostics import Source, SpecError
from archspec.overlay import assignment
from archspec.source import plain

CONV = spec("Conv: {depth: 16, name: c1}")


def test_let_names_values_anywhere() -> None:
    head = "let: {side: 16, thin: 16, k: 5, act: relu6, on: true, r: 2, t: edges, half: 0.5, q: none}\n"
    text = spec(
        "Conv: {depth: $thin, kernel: [$k, 3], activation: $act, norm: $on, repeat: $r, min_depth: $k}", head=head
    ).replace("[32, 32, 3]", "[$side, $side, 3]")
    text += "scale: {width: $half}\ntrain: {task: $t}\ntargets: {x86_64: {quantize: $q}}\nexpect: {params: $p}\n"
    net = built(text.replace("expect: {params: $p}\n", ""))
    assert net.graph.input_shape == (16, 16, 3)
    assert [row.output for row in net.cost.rows] == [(16, 16, 8)]
    assert net.cost.rows[0].repeat == 2
    assert net.graph.head.train is not None
    assert net.graph.head.train.task == "edges"
    assert net.graph.head.targets["x86_64"].quantize == "none"
    assert_finds(text, ("unknown-name", "$p"))


def test_let_names_a_variant_of_a_target() -> None:
    head = "let: {v: thin}\nvariants: {thin: {scale: {width: 0.5}}}\ntargets: {x86_64: {variant: $v}}\n"
    assert built(spec("Conv: {depth: 8}", head=head)).graph.head.targets["x86_64"].variant == "thin"


def test_let_of_a_variant_lies_over_the_heads() -> None:
    text = spec("Dense: {units: $n}", head="let: {n: 10, m: 3}\nvariants: {few: {let: {n: 2}}}\n")
    text = text.replace("- Dense", "- Conv: {depth: $m}\n- GlobalPool\n- Dense")
    assert built(text).graph.rows[-1].output.shape == (10,)
    assert built(text, "few").graph.rows[-1].output.shape == (2,)


def test_wrong_value_of_a_variants_let_shows_the_variant() -> None:
    text = spec("Conv: {depth: $n}", head="let: {n: 10}\nvariants:\n  bad: {let: {n: x}}\n")
    (found,) = assert_finds(text, ("wrong-type", "$n"))
    assert [(o.text, text[o.span.start : o.span.end]) for o in found.others] == [
        ("the value of `n`", "x"),
        ("in this variant", "bad"),
    ]


def test_unused_names_of_head_and_variants() -> None:
    head = "let: {a: 8, b: 1}\nvariants: {v: {let: {a: 4, c: 2}}}\n"
    assert_finds(spec("Conv: {depth: $a}", head=head), ("unused-name", "b"), ("unused-name", "c"))


def test_name_that_only_a_variant_uses_is_used() -> None:
    head = "let: {w: 0.5}\nvariants: {v: {scale: {width: $w}}}\n"
    assert built(spec("Conv: {depth: 8}", head=head), "v").cost.rows[0].output == (32, 32, 4)


def test_name_that_only_a_variant_defines_is_unknown_in_the_head() -> None:
    head = "variants: {v: {let: {a: 4}}}\n"
    assert_finds(spec("Conv: {depth: $a}", head=head), ("unknown-name", "$a"))


def test_variant_lies_over_the_head_one_level_deep() -> None:
    head = (
        "defaults: {all: {norm: false, l2: 0.1}, Conv: {stride: 2}}\n"
        "scale: {width: 0.5, divisor: 4}\n"
        "variants:\n"
        "  other: {defaults: {all: {l2: 0.2}}, scale: {width: 2}, input: {size: 16}, outputs: [c1]}\n"
    )
    graph = built(spec("Conv: {depth: 16, name: c1}", "Conv: {depth: 8, name: c2}", head=head)).graph
    assert [name for name, _ in graph.outputs] == ["c2"]
    text = spec("Conv: {depth: 16, name: c1}", head=head)
    head_, other = built(text).graph, built(text, "other").graph
    assert (head_.input_shape, other.input_shape) == ((32, 32, 3), (16, 16, 3))  # the channels stay
    assert (head_.outputs[0][1].shape, other.outputs[0][1].shape) == ((16, 16, 8), (8, 8, 32))
    assert plain(other.head.defaults["all"]) == {"l2": 0.2}  # replaced whole: one level, not two
    assert plain(other.head.defaults["Conv"]) == {"stride": 2}
    assert (other.head.scale.divisor, other.head.scale.width) == (4, 2)


def test_variant_does_not_inherit_what_the_head_expects() -> None:
    head = "expect: {params: 1}\nvariants: {a: {input: {size: 16}}, b: {expect: {params: 2}}}\n"
    found = assert_finds(spec("Conv: {depth: 8}", head=head), ("unmet-expectation", "1"), ("unmet-expectation", "2"))
    assert [d.message for d in found] == [
        "expected 1 params, counted 248",
        "expected 2 params, counted 248 (variant `b`)",
    ]
    assert [d.label for d in found] == ["off by +247", "off by +246"]


def test_every_network_is_looked_at() -> None:
    head = "variants: {a: {input: {size: 16}}, b: {scale: {width: 0.5}}}\n"
    doc = document(Source("s", spec("Conv: {depth: 8}", head=head)))
    assert [n.variant for n in networks(doc) if not isinstance(n, SpecError)] == [None, "a", "b"]


def test_finding_of_one_variant_shows_it() -> None:
    text = spec(
        "Conv: {depth: 8}", "AvgPool: {padding: valid, kernel: 9}", head="variants:\n  tiny: {input: {size: 8}}\n"
    )
    (found,) = assert_finds(text, ("shape-mismatch", "AvgPool"))
    assert [o.text for o in found.others] == ["the row above is 8×8×8", "in this variant"]


def test_finding_inside_a_variant_does_not_show_it_again() -> None:
    text = spec("Conv: {depth: 8}", head="variants: {v: {scale: {layers: 2}}}\n")
    (found,) = assert_finds(text, ("idle-multiplier", "2"))
    assert found.others == ()


def test_same_place_of_two_variants_is_one_finding() -> None:
    head = "variants: {a: {input: {size: 8}}, b: {input: {size: 6}}}\n"
    text = spec("Conv: {depth: 8}", "AvgPool: {padding: valid, kernel: 9}", head=head)
    assert_finds(text, ("shape-mismatch", "AvgPool"))
    doc = document(Source("s", text))
    errors = [r for r in networks(doc) if isinstance(r, SpecError)]
    assert len(errors) == 2
    assert errors[0].diagnostics == errors[1].diagnostics


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("scale.width=0.5", "scale.width", 0.5),
        ("input.size=[8, 9, 3]", "input.size", [8, 9, 3]),
        ("model=a=b", "model", "a=b"),
        ("input={size: 8}", "input", {"size": 8}),
        (" let.a = x ", "let.a", "x"),
        ("outputs=", "outputs", None),
        ("outputs= # none", "outputs", None),
    ],
)
def test_assignment(text: str, key: str, value: object) -> None:
    got, node = assignment("--set", text)
    assert (got, plain(node)) == (key, value)


@pytest.mark.parametrize("text", ["", "=", "a", "=1", "a.=1", ".a=1", "a..b=1", " =1"])
def test_malformed_override(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        assignment("--set", text)
    (found,) = caught.value.diagnostics
    assert found.code == "malformed-override"
    assert found.span.source.name == f"--set {text}"


@pytest.mark.parametrize(("text", "code"), [("a=[1", "invalid-yaml"), ("a=&b 1", "anchor"), ("a=\udcff", "not-utf8")])
def test_override_that_is_no_value_points_into_the_argument(text: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        assignment("--set", text)
    (found,) = caught.value.diagnostics
    assert (found.code, found.span.source.text) == (code, text)
    assert 2 <= found.span.start <= len(text)


def test_override_changes_the_head() -> None:
    assert built(CONV, sets=["scale.width=0.5", "input.size=16"]).cost.rows[0].output == (16, 16, 8)
    assert built(CONV, sets=["outputs=[c1]", "scale={width: 0.5, divisor: 12}"]).cost.rows[0].output == (32, 32, 12)


def test_override_may_use_a_name() -> None:
    text = spec("Conv: {depth: $n}", head="let: {n: 16}\n")
    assert built(text, sets=["scale.width=0.5", "let.n=32"]).cost.rows[0].output == (32, 32, 16)
    assert built(text, sets=["defaults.Conv.stride=$s", "let.s=2"]).cost.rows[0].output == (16, 16, 16)
    assert_finds(CONV, ("unknown-name", "$w"), sets=["scale.width=$w"])


def test_override_wins_over_a_variant() -> None:
    head = "variants: {v: {input: {size: 16}, scale: {width: 0.5}}, w: {defaults: {all: {l2: 0.1, norm: false}}}}\n"
    text = spec("Conv: {depth: 16}", head=head)
    assert built(text, "v", ["input.size=8"]).cost.rows[0].output == (8, 8, 8)
    assert built(text, "v", ["scale.width=0.25"]).cost.rows[0].output == (16, 16, 4)
    assert built(text, "v", ["scale.divisor=12"]).cost.rows[0].output == (16, 16, 12)
    defaults = built(text, "w", ["defaults.all.l2=0.3"]).graph.head.defaults["all"]
    assert plain(defaults) == {"l2": 0.3, "norm": False}


def test_override_ends_what_was_expected_of_head_and_variants() -> None:
    head = "expect: {params: 1}\nvariants: {v: {input: {size: 16}, expect: {params: 2}}}\n"
    text = spec("Conv: {depth: 8}", head=head)
    assert findings(text, ["scale.width=0.5"]) == ()
    assert_finds(text, ("unmet-expectation", "3"), sets=["expect.params=3"])
    assert_finds(text, *(("unmet-expectation", n) for n in "312"), sets=["expect.macs=3"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scale.widht=0.5", ("unknown-key", "widht")),
        ("scael.width=0.5", ("unknown-key", "scael")),
        ("scale.width=x", ("wrong-type", "x")),
        ("scale=3", ("wrong-type", "3")),
        ("scale.width=", ("wrong-type", "")),
        ("let.foo=3", ("unused-name", "foo")),
        ("scale.layers=2", ("idle-multiplier", "2")),
        ("layers=[]", ("wrong-length", "[]")),
        ("layers.0.depth=3", ("wrong-type", "")),
        ("model.name=x", ("invalid-name", "")),
        ("defaults.Conv.dpth=3", ("unknown-option", "dpth")),
    ],
)
def test_override_that_is_wrong_points_into_the_argument(text: str, expected: tuple[str, str]) -> None:
    (found,) = findings(CONV, [text])
    assert found.span.source.name == f"--set {text}"
    assert found.code == expected[0] or expected[1] == ""
    if expected[1]:
        assert_finds(CONV, expected, sets=[text])


def test_head_is_all_of_a_spec_but_its_rows() -> None:
    assert plain(built(HEAD + "layers: [Flatten]\n").graph.head.tree) == {
        "archspec": 1, "model": "m", "input": {"size": [32, 32, 3], "range": [0, 1]}, "layers": ["Flatten"],
    }  # fmt: skip
