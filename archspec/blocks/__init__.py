"""The registry of blocks, and the blocks that come with archspec."""

from archspec.blocks import (  # noqa: F401  a module's blocks register themselves
    basic,
    densenet,
    detection,
    hed,
    inception,
    inception_resnet,
    mobilenet,
    resnet,
    segmentation,
    shufflenet,
    xception,
)
from archspec.blocks.registry import BLOCKS as BLOCKS
from archspec.blocks.registry import REQUIRED as REQUIRED
from archspec.blocks.registry import ROW_KEYWORDS as ROW_KEYWORDS
from archspec.blocks.registry import Block as Block
from archspec.blocks.registry import BlockError as BlockError
from archspec.blocks.registry import Option as Option
from archspec.blocks.registry import block as block
from archspec.blocks.registry import load as load
from archspec.blocks.registry import load_entry_points as load_entry_points
