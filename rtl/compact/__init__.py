"""The parts of compact chips, which share one memory with one port: see docs/decisions/0013.

`top` connects them; the host port, the decoder and the array's cells are those of all chips.
"""
