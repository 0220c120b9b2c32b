"""Blocks of edge networks."""

from dataclasses import replace

from archspec import ops
from archspec.blocks.basic import STYLE, Style, conv
from archspec.blocks.registry import block
from archspec.graph import Net, Tensor
from archspec.kinds import Flag, Initializer, Units


@block
def SideOutput(
    net: Net, x: Tensor, *, depth: Units = 1, upsample: Units = 1, upsample_initializer: Initializer = "glorot_uniform",
    upsample_trainable: Flag = True, style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """An edge map of a stage at input size: a 1×1 convolution, then a transposed one by `upsample`.

    Source: Holistically-Nested Edge Detection, Xie and Tu 2015 (arXiv 1504.06375), figure 3; the transposed kernel is
    2·upsample wide as in the authors' train_val.prototxt. The paper fixes it to bilinear weights
    (`upsample_initializer: bilinear`, `upsample_trainable: false`); the document scanner's blog learns it.
    """
    x = conv(net, x, depth, (1, 1), role="conv", style=style)
    if upsample == 1:
        return x
    trainable = style.trainable and upsample_trainable
    fill = replace(style.fill, initializer=upsample_initializer, trainable=trainable)
    op = ops.TransposeConv(depth, (2 * upsample, 2 * upsample), upsample, bias=True, fill=fill)
    return net.add(op, x, role="upsample")
