"""Pools, means and sums: the vector unit."""

import numpy as np
from systolith.host.graph import activation_range
from systolith.host.quantisation import rescale_factor
from systolith.rtl.isa import AVERAGE_FRACTION, Function, Unit
from systolith.sim.arithmetic import quantise_multiplier, requantise

from ..layer import Padding, Quantisation
from ..layout import image_shape
from ..vector import PoolLayer
from ..window import Geometry
from .on_host import need, need_vector
from .sliding import MOST_STEPS, window

__all__ = ["average_pool", "max_pool", "reduce"]


def average_pool(graph, operator, config, x, y):
    """AVERAGE_POOL_2D; windows at the edge of the image have fewer elements."""
    need_vector(config)
    kernel = operator.options["filter_h"], operator.options["filter_w"]
    geometry, _ = window(operator.options, x, y, kernel, None)
    need(y.shape[2] < MOST_STEPS, "its output is wider than an instruction can say")
    seen = [{min(size, first + length) - max(0, first) for first in
             (output * stride - before for output in range(outputs))}
            for outputs, size, length, stride, before in zip(y.shape[1:3], x.shape[1:3], kernel, geometry.stride,
                                                             geometry.before)]
    need(min(seen[0] | seen[1]) > 0, "it has windows outside the image")
    dividers = {count: _divider(count) for count in {rows * columns for rows in seen[0] for columns in seen[1]}}
    whole, channels = kernel[0] * kernel[1], x.shape[-1]
    multiplier, shift = dividers.pop(whole, (0, 0))
    low, high = activation_range(operator.options["activation"], y.scale[0], y.zero_point[0])
    same = np.ones(channels, np.int64)
    quantisation = Quantisation(0 * same, multiplier * same, shift * same, 0, low, high)
    return PoolLayer("", "", Unit.VECTOR, [x.index], -1, 0, {x.index: Padding()}, geometry=geometry,
                     function=Function.AVERAGE, quantisation=quantisation, dividers=dividers)


def max_pool(graph, operator, config, x, y):
    """MAX_POOL_2D."""
    need_vector(config)
    kernel = operator.options["filter_h"], operator.options["filter_w"]
    geometry, padding = window(operator.options, x, y, kernel, -128)
    need(y.shape[2] < MOST_STEPS, "its output is wider than an instruction can say")
    low, high = activation_range(operator.options["activation"], y.scale[0], y.zero_point[0])
    none = np.zeros(0, np.int64)
    return PoolLayer("", "", Unit.VECTOR, [x.index], -1, 0, {x.index: padding}, geometry=geometry,
                     function=Function.MAXIMUM, quantisation=Quantisation(none, none, none, 0, low, high))


def reduce(graph, operator, config, x, y):
    """MEAN or SUM over the pixels of an image."""
    need_vector(config)
    axes = {int(a) % len(x.shape) for a in np.atleast_1d(graph.tensors[operator.inputs[1]].data)}
    wanted = {axis for axis, size in enumerate(x.shape[:-1]) if size > 1}
    need(wanted <= axes and len(x.shape) - 1 not in axes, "it does not go over all pixels and no channels")
    *kernel, channels = image_shape(x.shape)
    need(max(kernel) < MOST_STEPS, "its input is larger than an instruction can say")
    count = int(np.prod(kernel))
    multiplier, shift = (int(v) for v in quantise_multiplier(rescale_factor(x, y)))
    if operator.kind == "MEAN":
        # The division by the count is in the multiplier, as in the reference.
        more = min(count.bit_length() - 1, 32, 31 + shift)
        multiplier, shift = (multiplier << more) // count, shift - more
    need(-31 <= shift <= 30 and multiplier < 1 << 31, "its rescaling factor is out of the chip's range")
    same = np.ones(channels, np.int64)
    quantisation = Quantisation(-int(x.zero_point[0]) * count * same, multiplier * same, shift * same,
                                int(y.zero_point[0]), -128, 127)
    return PoolLayer("", "", Unit.VECTOR, [x.index], -1, 0, {x.index: Padding()}, geometry=Geometry(tuple(kernel)),
                     function=Function.SUM, quantisation=quantisation)


def _divider(count):
    """Multiplier and shift by which AVERAGE divides every sum of `count` int8, halves away from zero."""
    need(count <= 1 << 16, f"it averages {count} elements, and the chip at most 65,536")
    fraction, shift = np.frexp(1 / (count << AVERAGE_FRACTION))
    # Rounded up, so that an exact half stays one.
    multiplier = int(np.ceil(fraction * (1 << 31)))
    sums = np.arange(-128 * count, 127 * count + 1)
    expected = np.where(sums > 0, (sums + count // 2) // count, -((-sums + count // 2) // count))
    need(np.array_equal(requantise(sums << AVERAGE_FRACTION, multiplier, shift), expected),
          f"the chip cannot divide by {count} exactly")
    return multiplier, int(shift)
