"""The closed set of primitive ops. Each knows its shape rule, weights, MACs and Keras lowering in one place."""

from archspec.ops.base import Op as Op
from archspec.ops.base import Reach as Reach
from archspec.ops.base import Shape as Shape
from archspec.ops.base import ShapeError as ShapeError
from archspec.ops.base import Weight as Weight
from archspec.ops.base import show as show
from archspec.ops.base import volume as volume
from archspec.ops.free import Activation as Activation
from archspec.ops.free import Add as Add
from archspec.ops.free import Concat as Concat
from archspec.ops.free import Dropout as Dropout
from archspec.ops.free import GlobalPool as GlobalPool
from archspec.ops.free import Multiply as Multiply
from archspec.ops.free import Pad as Pad
from archspec.ops.free import Pool as Pool
from archspec.ops.free import Reshape as Reshape
from archspec.ops.free import Resize as Resize
from archspec.ops.free import Shuffle as Shuffle
from archspec.ops.free import Split as Split
from archspec.ops.weighted import BatchNorm as BatchNorm
from archspec.ops.weighted import Conv as Conv
from archspec.ops.weighted import Dense as Dense
from archspec.ops.weighted import DepthwiseConv as DepthwiseConv
from archspec.ops.weighted import Fill as Fill
from archspec.ops.weighted import TransposeConv as TransposeConv
