"""What a way to execute layers costs, to choose the cheapest."""

from systolith.rtl.isa import Unit

__all__ = ["cost"]

#: What a layer of a part costs beside its work and its tensors, in bytes of instructions, about: at all, and for each
#: block of output channels (weights, parameters, configuration, array, activation).
_LAYER_COST = 128
_BLOCK_COST = 112


def cost(config, shapes, layers, work, parts, channels):
    """Bytes that cross the link and cycles of work, as one sum.

    Parameters
    ----------
    config : Config
    shapes : dict from tensor number to (height, width, channels)
    layers : dict from operator number to Layer, whole
    work : dict from operator number to about how many cycles it takes, see `Layer.work`
    parts : list of Part
    channels : int, pieces into which the channels are cut
    """
    moved = sum(part.layouts[t].size for part in parts for t in (*part.writes, *part.reads))
    cycles = instructions = 0
    for i, layer in layers.items():
        height, width, depth = shapes[layer.target]
        # A tile takes `tile_beats` cycles to shift in, however few pixels there are.
        least = config.tile_beats if layer.unit is Unit.MATRIX else 1
        whole = max(height * width, least) * depth
        for part in parts:
            layout, kept = part.layouts[layer.target], part.layers[i].kept
            made = layout.height - kept
            instructions += _LAYER_COST + _BLOCK_COST * -(-layout.channels // config.cols)
            cycles += work[i] * max(made * layout.width, least) * layout.channels / whole
            padding = (layout.size - layout.height * layout.row_bytes) * made / layout.height
            cycles += padding / config.cols * config.beats
            if part.layers[i].moves_kept(layout):
                cycles += kept * layout.row_bytes / config.cols * config.vector_beats
    weights = sum(layer.weight_bytes for layer in layers.values())
    # Weights that do not all fit are sent again for each part; pieces of channels have their own.
    fit = weights / channels <= config.weight_memory_rows * config.cols
    again = 0 if fit else weights * (len(parts) / channels - 1)
    return moved + instructions + cycles + again
