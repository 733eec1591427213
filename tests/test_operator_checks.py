"""The rules of operators: whatever does not fit is refused with a sentence."""


import numpy as np
import pytest
from damage import refused_after_damage
from model_builder import Spec, constant, one_operator
from random_operators import Random
from systolith.host import tflite
from systolith.host.graph import ModelError
from systolith.host.operators.comparison_rules import LOGICAL


@pytest.mark.parametrize("kind", sorted(tflite.KINDS - {"EXP", "GELU", "TILE", *LOGICAL, "SELECT_V2"}))
def test_damage_is_refused_or_harmless(kind):
    random = Random(11)
    assert any([refused_after_damage(random.rng, one_operator(kind, *getattr(random, kind)())) for _ in range(60)])


X = Spec((1, 4, 4, 4))
FOUR = [[0, 0], [1, 1], [1, 1], [0, 0]]
REFUSED = {
    "scale of ELU": ("ELU", [Spec((1, 4), 1)], Spec((1, 4), 1e-8), None, "output scale less than"),
    "scale of RSQRT": ("RSQRT", [Spec((1, 4), 1)], Spec((1, 4), 5000.0), None, r"output scale more than 2\*\*12"),
    "scale of L2": ("L2_NORMALIZATION", [X], X, ("L2NormOptions", {}), "scale 1/128 and zero point 0"),
    "activation of L2": ("L2_NORMALIZATION", [X], Spec(X.shape, 1 / 128),
                         ("L2NormOptions", {"fusedActivationFunction": 1}), "the activation RELU, expected none"),
    "scale of PRELU": ("PRELU", [Spec((1, 4), 1e5), Spec((4,), 1e5)], Spec((1, 4), 1), None, "output scale less than"),
    "slopes": ("PRELU", [X, Spec((3,))], X, None, "do not broadcast"),
    "integer slopes": ("PRELU", [X, constant([1, 1, 1, 1])], X, None, "computes on int32"),
    "scale of a square": ("SQUARED_DIFFERENCE", [Spec((4,), 1e4)] * 2, Spec((4,), 1e-8), None, "output scale less"),
    "scale of a maximum": ("REDUCE_MAX", [X, constant(1)], Spec((1, 4, 4), 0.1), ("ReducerOptions", {}),
                           "its input's scale and zero point"),
    "axis of a minimum": ("REDUCE_MIN", [X, constant(-5)], X, ("ReducerOptions", {}), "reduces dimensions"),
    "vector": ("BATCH_MATMUL", [Spec((4,)), X], X, ("BatchMatMulOptions", {}), "less than two dimensions"),
    "matrices": ("BATCH_MATMUL", [Spec((2, 3)), Spec((4, 2))], Spec((2, 2)), ("BatchMatMulOptions", {}), "do not fit"),
    "batches": ("BATCH_MATMUL", [Spec((2, 4, 4)), Spec((3, 4, 4))], Spec((3, 4, 4)), ("BatchMatMulOptions", {}),
                "do not broadcast"),
    "no options": ("BATCH_MATMUL", [X, X], X, None, "lacks the option adj_x"),
    "corners": ("RESIZE_BILINEAR", [X, constant([4, 4])], X,
                ("ResizeBilinearOptions", {"alignCorners": True, "halfPixelCenters": True}), "only one of these"),
    "variable axis": ("SPLIT", [Spec(()), X], [X], ("SplitOptions", {"numSplits": 1}), "a single int32 constant"),
    "axes": ("SPLIT", [constant([1, 2]), X], [X], ("SplitOptions", {"numSplits": 1}), "a single int32 constant"),
    "axis of a split": ("SPLIT", [constant(4), X], [X], ("SplitOptions", {"numSplits": 1}), "no dimension 4 of 4"),
    "split of a scalar": ("SPLIT", [constant(0), Spec(())], [Spec(())], ("SplitOptions", {"numSplits": 1}),
                          "no dimension 0 of 0"),
    "parts": ("SPLIT", [constant(1), X], [X, X], ("SplitOptions", {"numSplits": 3}), "into 3 equal parts for 2"),
    "uneven parts": ("SPLIT", [constant(1), X], [X] * 3, ("SplitOptions", {"numSplits": 3}), "4 elements into 3"),
    "shape of a part": ("SPLIT", [constant(1), X], [Spec((1, 2, 4, 4)), X], ("SplitOptions", {"numSplits": 2}),
                        r"shape \[1, 4, 4, 4\], expected \[1, 2, 4, 4\]"),
    "sizes": ("SPLIT_V", [X, constant([1, 2]), constant(1)], [X, X], None, r"4 elements into parts of \[1, 2\]"),
    "two rests": ("SPLIT_V", [X, constant([-1, -1]), constant(1)], [X, X], None, "into parts of"),
    "number of sizes": ("SPLIT_V", [X, constant([4]), constant(1)], [X, X], None, r"int32 constant of shape \[2\]"),
    "two outputs": ("ABS", [X], [X, X], ("AbsOptions", {}), "must have one output, not 2"),
    "no output": ("UNPACK", [X], [], ("UnpackOptions", {"axis": 1, "num": 4}), "must have outputs"),
    "indices to unpack": ("UNPACK", [X], [Spec((1, 4, 4))] * 3, ("UnpackOptions", {"axis": 1, "num": 3}),
                          "3 of 4 indices into 3 outputs"),
    "axis to unpack": ("UNPACK", [X], [X], ("UnpackOptions", {"axis": -5, "num": 1}), "no dimension -5 of 4"),
    "shapes to pack": ("PACK", [X, Spec((1, 4))], X, ("PackOptions", {"axis": 0, "valuesCount": 2}),
                       "packs tensors of different shapes"),
    "number to pack": ("PACK", [X, X], X, ("PackOptions", {"axis": 0, "valuesCount": 3}), "packs 3 inputs but has 2"),
    "axis to pack": ("PACK", [X, X], X, ("PackOptions", {"axis": 5, "valuesCount": 2}), "no dimension 5 of 5"),
    "integers to pack": ("PACK", [X, constant([1])], X, ("PackOptions", {"axis": 0, "valuesCount": 2}),
                         "computes on int32"),
    "slice": ("SLICE", [X, constant([0, 3, 0, 0]), constant([1, 2, 4, 4])], X, None, "not all in the shape"),
    "negative slice": ("SLICE", [X, constant([0, -1, 0, 0]), constant([1, 2, 4, 4])], X, None, "not all in the shape"),
    "nothing": ("SLICE", [X, constant([0, 4, 0, 0]), constant([1, 0, 4, 4])], X, None, r"expected \[1, 0, 4, 4\]"),
    "ranges": ("SLICE", [X, constant([0]), constant([1])], X, None, r"int32 constant of shape \[4\]"),
    "index": ("GATHER", [X, constant([4])], X, ("GatherOptions", {"axis": 1}), "indices outside 0 to 3"),
    "negative index": ("GATHER", [X, constant(-1)], X, ("GatherOptions", {"axis": 1}), "indices outside 0 to 3"),
    "variable indices": ("GATHER", [X, Spec((1,))], X, ("GatherOptions", {"axis": 1}), "an int32 constant"),
    "long indices": ("GATHER", [X, constant([1], np.int64)], X, ("GatherOptions", {"axis": 1}), "not int64"),
    "axis to gather": ("GATHER", [X, constant([1])], X, ("GatherOptions", {"axis": 7}), "no dimension 7 of 4"),
    "batch to gather": ("GATHER", [X, constant([1, 1])], X, ("GatherOptions", {"axis": 1, "batchDims": 1}),
                        "1 batch dimensions, which"),
    "mirror": ("MIRROR_PAD", [X, constant([[0, 0], [4, 0], [0, 0], [0, 0]])], X, ("MirrorPadOptions", {"mode": 0}),
               "has to mirror"),
    "negative mirror": ("MIRROR_PAD", [X, constant([[0, 0], [-1, 0], [0, 0], [0, 0]])], X,
                        ("MirrorPadOptions", {"mode": 1}), "less than nothing"),
    "mode of mirror": ("MIRROR_PAD", [X, constant(FOUR)], X, ("MirrorPadOptions", {"mode": 2}), "has the mode 2"),
    "times": ("TILE", [X, constant([1, 1, -2, 1])], X, ("TileOptions", {}), "expected positive numbers"),
    "number of times": ("TILE", [X, constant([1])], X, ("TileOptions", {}), r"int32 constant of shape \[4\]"),
    "broadcast": ("BROADCAST_TO", [X, constant([1, 4, 5, 4])], Spec((1, 4, 5, 4)), ("BroadcastToOptions", {}),
                  "cannot broadcast"),
    "fewer dimensions": ("BROADCAST_TO", [X, constant([4])], Spec((4,)), ("BroadcastToOptions", {}),
                         "cannot broadcast"),
    "rank of blocks": ("SPACE_TO_BATCH_ND", [Spec((4, 4)), constant([2]), constant([[0, 0]])], X, None,
                       "3 or 4 dimensions"),
    "blocks of nothing": ("SPACE_TO_BATCH_ND", [X, constant([0, 2]), constant([[0, 0]] * 2)], X, None, "has blocks of"),
    "blocks": ("SPACE_TO_BATCH_ND", [X, constant([3, 2]), constant([[0, 0]] * 2)], X, None, "cannot cut"),
    "negative crop": ("BATCH_TO_SPACE_ND", [X, constant([1, 1]), constant([[0, -1]] * 2)], X, None,
                      "no negative numbers"),
    "batch of blocks": ("BATCH_TO_SPACE_ND", [X, constant([2, 1]), constant([[0, 0]] * 2)], X, None,
                        "from a batch of 1"),
    "block size": ("DEPTH_TO_SPACE", [X], X, ("DepthToSpaceOptions", {"blockSize": 0}), "between 1 and 4096"),
    "channels of blocks": ("DEPTH_TO_SPACE", [X], X, ("DepthToSpaceOptions", {"blockSize": 3}), "from 4 channels"),
    "size of blocks": ("SPACE_TO_DEPTH", [X], X, ("SpaceToDepthOptions", {"blockSize": 3}), "into blocks of 3"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    *parts, expected = REFUSED[case]
    with pytest.raises(ModelError, match=rf"operator 0 \({parts[0]}\) .*{expected}"):
        tflite.parse(one_operator(*parts))
