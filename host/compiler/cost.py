"""What a way to execute layers costs, to choose the cheapest."""

from systolith.rtl.isa import Unit

from .box import Box

__all__ = ["cost"]

#: What each layer of each part costs beside its work and its tensors, in bytes of instructions: about so much.
_LAYER_COST = 256


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
    cycles = len(parts) * len(layers) * _LAYER_COST
    for i, layer in layers.items():
        whole = Box.whole(shapes[layer.target]).volume
        # A tile takes `tile_beats` cycles to shift in, however few pixels there are.
        least = config.tile_beats if layer.unit is Unit.MATRIX else 1
        for part in parts:
            layout, kept = part.layouts[layer.target], part.layers[i].kept
            made = layout.height - kept
            cycles += work[i] * max(made * layout.width, least) * layout.channels / whole
            padding = (layout.size - layout.height * layout.row_bytes) * made / layout.height
            cycles += padding / config.cols * config.beats
            if part.layers[i].moves_kept(layout):
                cycles += kept * layout.row_bytes / config.cols * config.vector_beats
    weights = sum(layer.weight_bytes for layer in layers.values())
    # Weights that do not all fit are sent again for each part; pieces of channels have their own.
    fit = weights / channels <= config.weight_memory_rows * config.cols
    again = 0 if fit else weights * (len(parts) / channels - 1)
    return moved + cycles + again
