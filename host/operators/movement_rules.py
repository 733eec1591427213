"""Rules of `checks` for the operators that move elements: the shape that the output must have, or all outputs'."""

import math

import numpy as np

from ..graph import ModelError
from .movement import strided_slice_indices
from .need import axis_of, constant, need, number, rank

__all__ = ["batch_to_space_nd", "broadcast_to", "concatenated", "depth_to_space", "expanded", "gather", "mirror_padded",
           "pack", "padded", "reshaped", "resized", "resized_bilinear", "sliced", "space_to_batch_nd", "space_to_depth",
           "split", "split_v", "squeezed", "strided", "tile", "transposed", "unpack"]


def _fits(output, x):
    """Whether a file's shape is right: where it leaves sizes open it has 1, so that with others there is too little."""
    return output.sized or math.prod(x.shape) == math.prod(output.shape)


def reshaped(options, output, x, *wanted):
    if _fits(output, x):
        return _regrouped(x, output.shape)
    shape = constant(wanted[0], (None,), long=True).tolist() if wanted else list(options.get("new_shape", output.shape))
    if shape.count(-1) == 1:  # one dimension may take what the others leave
        shape[shape.index(-1)] = math.prod(x.shape) // max(1, -math.prod(shape))
    return _regrouped(x, shape)


def expanded(_options, output, x, axis):
    if _fits(output, x):
        return _regrouped(x, output.shape)
    axis = axis_of(number(axis, long=True), len(x.shape) + 1)
    return *x.shape[:axis], 1, *x.shape[axis:]


def squeezed(options, output, x):
    if _fits(output, x):
        return _regrouped(x, output.shape)
    gone = ({axis_of(axis, len(x.shape)) for axis in options.get("squeeze_dims", ())}
            or {axis for axis, size in enumerate(x.shape) if size == 1})
    return _regrouped(x, [size for axis, size in enumerate(x.shape) if axis not in gone])


def _regrouped(x, shape):
    need(math.prod(x.shape) == math.prod(shape), f"cannot make shape {list(shape)} of {list(x.shape)}")
    return shape


def padded(_options, _output, x, amounts, *fill):
    amounts = constant(amounts, (len(x.shape), 2))
    need((amounts >= 0).all(), "pads by a negative amount")
    need(not fill or (fill[0].data is not None and fill[0].data.size == 1), "needs one constant to fill with")
    return tuple(int(size + sum(pair)) for size, pair in zip(x.shape, amounts.tolist()))


def mirror_padded(options, _output, x, amounts):
    mode = options["mode"]
    need(mode in (0, 1), f"has the mode {mode}, expected 0 (reflect) or 1 (symmetric)")
    amounts = constant(amounts, (len(x.shape), 2), long=True).tolist()
    need(all(0 <= amount <= size - (mode == 0) for size, pair in zip(x.shape, amounts) for amount in pair),
         f"pads by {amounts}, more than the shape {list(x.shape)} has to mirror, or less than nothing")
    return tuple(size + sum(pair) for size, pair in zip(x.shape, amounts))


def concatenated(options, _output, *parts):
    axis = options["axis"]
    dimensions = len(parts[0].shape)
    need(-dimensions <= axis < dimensions and all(len(part.shape) == dimensions for part in parts),
         f"cannot concatenate along dimension {axis} of {dimensions}")
    shapes = [[size for place, size in enumerate(part.shape) if place != axis % dimensions] for part in parts]
    need(all(shape == shapes[0] for shape in shapes), "concatenates tensors of different sizes")
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    return shape


def pack(options, _output, *parts):
    need(options["values_count"] == len(parts), f"packs {options['values_count']} inputs but has {len(parts)}")
    shape = list(parts[0].shape)
    need(all(list(part.shape) == shape for part in parts), "packs tensors of different shapes")
    axis = axis_of(options["axis"], len(shape) + 1)
    return *shape[:axis], len(parts), *shape[axis:]


def unpack(options, outputs, x):
    axis = axis_of(options["axis"], len(x.shape))
    need(options["num"] == len(outputs) == x.shape[axis],
         f"unpacks {options['num']} of {x.shape[axis]} indices into {len(outputs)} outputs")
    return [x.shape[:axis] + x.shape[axis + 1:]] * len(outputs)


def split(options, outputs, axis, x):
    axis = axis_of(number(axis), len(x.shape))
    need(options["num_splits"] == len(outputs) and x.shape[axis] % len(outputs) == 0,
         f"splits {x.shape[axis]} elements into {options['num_splits']} equal parts for {len(outputs)} outputs")
    return [(*x.shape[:axis], x.shape[axis] // len(outputs), *x.shape[axis + 1:])] * len(outputs)


def split_v(_options, outputs, x, sizes, axis):
    axis = axis_of(number(axis), len(x.shape))
    given = constant(sizes, (len(outputs),), long=True).tolist()
    whole, sizes = x.shape[axis], list(given)
    if -1 in sizes:  # one part may take what the others leave
        sizes[sizes.index(-1)] = whole - (sum(sizes) + 1)
    need(min(sizes) >= 0 and sum(sizes) == whole, f"splits {whole} elements into parts of {given}")
    return [(*x.shape[:axis], size, *x.shape[axis + 1:]) for size in sizes]


def sliced(_options, _output, x, begin, size):
    begin, size = (constant(tensor, (len(x.shape),), long=True).tolist() for tensor in (begin, size))
    shape = [whole - first if length == -1 else length for whole, first, length in zip(x.shape, begin, size)]
    need(all(first >= 0 and 0 <= length <= whole - first for whole, first, length in zip(x.shape, begin, shape)),
         f"takes {size} elements from {begin} on, which are not all in the shape {list(x.shape)}")
    return shape


def strided(options, _output, x, begin, end, strides):
    length = (len(begin.shape) and begin.shape[0],)
    begin, end, strides = (constant(tensor, length) for tensor in (begin, end, strides))
    need(length[0] <= len(x.shape) and strides.all(), "slices more dimensions than there are, or with stride 0")
    need(not (options["ellipsis_mask"] or options["new_axis_mask"] or options["offset"]),
         "uses an ellipsis, a new axis or an offset, expected plain ranges")
    try:
        return np.broadcast_to(np.int8(0), x.shape)[strided_slice_indices(options, begin, end, strides)].shape
    except IndexError:
        raise ModelError(f"takes an element outside the shape {list(x.shape)}") from None


def gather(options, _output, x, places):
    axis = axis_of(options["axis"], len(x.shape))
    values = constant(places, (None,) * len(places.shape))
    batch = options["batch_dims"] + (len(places.shape) if options["batch_dims"] < 0 else 0)
    need(0 <= batch <= min(axis, len(places.shape)) and x.shape[:batch] == places.shape[:batch],
         f"has {options['batch_dims']} batch dimensions, which shapes {list(x.shape)} and {list(places.shape)} lack")
    need(((values >= 0) & (values < x.shape[axis])).all(), f"gathers indices outside 0 to {x.shape[axis] - 1}")
    return *x.shape[:axis], *places.shape[batch:], *x.shape[axis + 1:]


def transposed(_options, _output, x, order):
    order = constant(order, (len(x.shape),)).tolist()
    need(sorted(order) == list(range(len(x.shape))), f"has the order {order}, expected a permutation")
    return tuple(x.shape[axis] for axis in order)


def tile(_options, _output, x, times):
    times = constant(times, (len(x.shape),), long=True).tolist()
    need(all(count > 0 for count in times), f"repeats {times} times, expected positive numbers")
    return [size * count for size, count in zip(x.shape, times)]


def broadcast_to(_options, _output, x, shape):
    shape = constant(shape, (None,), long=True).tolist()
    fits = len(x.shape) <= len(shape) and all(
        size in (1, want) for size, want in zip(reversed(x.shape), reversed(shape)))
    need(fits, f"cannot broadcast the shape {list(x.shape)} to {shape}")
    return shape


def _blocks(x, block, amounts):
    """Block sizes, and amounts before and after, of the dimensions between the first and the last."""
    need(len(x.shape) in (3, 4), f"needs tensor {x.index} to have 3 or 4 dimensions, not {len(x.shape)}")
    block = constant(block, (len(x.shape) - 2,)).tolist()
    amounts = constant(amounts, (len(block), 2)).tolist()
    need(min(block) >= 1 and all(amount >= 0 for pair in amounts for amount in pair),
         f"has blocks of {block} with {amounts} around, expected positive and no negative numbers")
    return block, amounts


def space_to_batch_nd(_options, _output, x, block, amounts):
    block, amounts = _blocks(x, block, amounts)
    sizes = [size + sum(pair) for size, pair in zip(x.shape[1:-1], amounts)]
    need(all(size % length == 0 for size, length in zip(sizes, block)), f"cannot cut {sizes} into blocks of {block}")
    return x.shape[0] * math.prod(block), *(size // length for size, length in zip(sizes, block)), x.shape[-1]


def batch_to_space_nd(_options, _output, x, block, amounts):
    block, amounts = _blocks(x, block, amounts)
    count = math.prod(block)
    need(x.shape[0] % count == 0, f"cannot make blocks of {block} from a batch of {x.shape[0]}")
    sizes = (size * length - sum(pair) for size, length, pair in zip(x.shape[1:-1], block, amounts))
    return x.shape[0] // count, *sizes, x.shape[-1]


def _block_size(options, x):
    rank(x, 4)
    need(1 <= options["block_size"] <= 4096, f"must have block_size between 1 and 4096, not {options['block_size']}")
    return options["block_size"]


def space_to_depth(options, _output, x):
    block = _block_size(options, x)
    batch, height, width, depth = x.shape
    need(height % block == width % block == 0, f"cannot cut {[height, width]} into blocks of {block}")
    return batch, height // block, width // block, depth * block * block


def depth_to_space(options, _output, x):
    block = _block_size(options, x)
    batch, height, width, depth = x.shape
    need(depth % (block * block) == 0, f"cannot make blocks of {block} from {depth} channels")
    return batch, height * block, width * block, depth // (block * block)


def resized(options, _output, x, size):
    rank(x, 4)
    need({"align_corners", "half_pixel_centers"} <= options.keys(), "lacks its options")
    return x.shape[0], *constant(size, (2,)).tolist(), x.shape[3]


def resized_bilinear(options, output, x, size):
    shape = resized(options, output, x, size)
    need(not (options["align_corners"] and options["half_pixel_centers"]),
         "aligns corners and has half-pixel centers, expected only one of these")
    return shape
