"""Front end for int8 .tflite models.

`reader` makes a `Graph` of the file's tables; `rules` goes through its operators: `constant_folding` computes what
depends on sizes alone, `float_functions` makes tables of what a converter left in floats, and the rules of
`host.operators` check the rest. `settled_file` writes the model so understood for the reference interpreter.
"""

from .reader import load, parse
from .rules import KINDS

__all__ = ["KINDS", "load", "parse"]
