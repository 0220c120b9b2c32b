"""Blocks of DenseNet."""

from dataclasses import replace

from archspec import ops
from archspec.blocks.basic import STYLE, Style, conv, finish
from archspec.blocks.registry import block
from archspec.blocks.xception import separable as separable_conv
from archspec.graph import Net, Tensor
from archspec.kinds import Act, Depth, Expansion, Flag, Small, Stride, Units


@block
def DenseBlock(
    net: Net, x: Tensor, *, layers: Units, growth: Depth, bottleneck: Expansion = 4.0, separable: Flag = False,
    preactivation: Flag = True, activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """Layers that each add `growth` channels to all those before: 1×1 of `bottleneck` times the growth, then 3×3.

    Source: Densely Connected Convolutional Networks, Huang et al. 2016 (arXiv 1608.06993), section 3 (DenseNet-B) and
    table 1. `preactivation` puts batch norm and activation in front of each convolution, as the paper does; without
    it they follow. The light stage of Cinnamon AI's tour of light networks makes the 3×3 `separable`, and is
    `bottleneck: 1`, `preactivation: false`, `norm_after_activation: true`, `bias: true`, `activation: leaky_relu`.
    """
    wide = max(int(round(growth * bottleneck, 9)), 1)  # a decimal such as 0.29 is not exact in binary
    last = replace(style, norm=False, bias=bool(style.bias)) if preactivation else style
    after = "none" if preactivation else activation
    for i in range(1, layers + 1):
        role = f"layer{i}_"
        y = finish(net, x, role=f"{role}preact", activation=activation, style=style) if preactivation else x
        y = conv(net, y, wide, (1, 1), role=f"{role}reduce", style=style, activation=activation)
        if separable:
            y = separable_conv(net, y, growth, (3, 3), role=role, style=last, activation=after)
        else:
            y = conv(net, y, growth, (3, 3), role=f"{role}conv", style=last, activation=after)
        x = net.add(ops.Concat(), x, y, role=f"{role}concat")
    return x


@block
def Transition(
    net: Net, x: Tensor, *, compression: Small = 0.5, stride: Stride = 2, preactivation: Flag = True,
    activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """A 1×1 convolution down to `compression` of the channels, and a mean of `stride` by `stride` pixels.

    Source: Huang et al. 2016 (arXiv 1608.06993), section 3 (DenseNet-C, whose θ is `compression`) and table 1.
    `preactivation` is that of `DenseBlock`.
    """
    narrow = max(int(round(x.shape[-1] * compression, 9)), 1)
    last, after = style, activation
    if preactivation:
        x = finish(net, x, role="preact", activation=activation, style=style)
        last, after = replace(style, norm=False, bias=bool(style.bias)), "none"
    x = conv(net, x, narrow, (1, 1), role="conv", style=last, activation=after)
    return net.add(ops.Pool("avg", (stride, stride), stride, "valid"), x, role="pool")
