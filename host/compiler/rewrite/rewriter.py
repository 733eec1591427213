"""The walk that passes share: from operator to operator, with others in the place of some."""

from dataclasses import replace

from systolith.host.graph import Operator, integers

__all__ = ["Rewriter", "replaced"]


class Rewriter:
    """What a pass asks of the network, and how it adds tensors.

    Members
    -------
    graph : Graph, as it was
    readers : dict, as of `Graph.readers`
    tensors : list of Tensor, the graph's and those that were added
    """

    def __init__(self, graph):
        self.graph, self.readers, self.tensors = graph, graph.readers(), list(graph.tensors)

    def only_reader(self, operator):
        """The operator that reads another's output, as its first input, if nobody else does; or None."""
        output, = operator.outputs
        if len(self.readers[output]) != 1 or self.readers[output] == {None}:
            return None
        reader = self.graph.operators[next(iter(self.readers[output]))]
        return reader if reader.inputs[0] == output else None

    def like(self, tensor, **changes):
        """A new tensor."""
        self.tensors.append(replace(tensor, index=len(self.tensors), **changes))
        return self.tensors[-1]

    def constant(self, values):
        """Number of a new constant of int32."""
        self.tensors.append(integers(len(self.tensors), values))
        return len(self.tensors) - 1

    def reshape(self, source, target):
        """The RESHAPE from one tensor to another."""
        return Operator(0, "RESHAPE", [source.index, self.constant(target.shape)], [target.index])


def replaced(graph, change):
    """The network with some operators replaced.

    Parameters
    ----------
    graph : Graph
    change : function of a `Rewriter` and an operator
        Gives two lists, the operators that go (this one and later ones) and those that come in its place; or None.
    """
    rewriter, operators, gone = Rewriter(graph), [], set()
    for operator in graph.operators:
        if operator.index not in gone:
            before, after = change(rewriter, operator) or ([operator], [operator])
            gone.update(old.index for old in before)
            operators += after
    return graph.with_operators(operators, rewriter.tensors)
