"""Random programs on a chip, and on what it must agree with."""

from systolith.rtl.packets import Space, State
from systolith.sim.random_program import random_program

__all__ = ["check_random_program"]


def check_random_program(driver, reference, config, seed, **length):
    """What a random program leaves and counts must be the same behind both drivers; returns how many tags it sets."""
    program, ends = random_program(config, seed, **length), []
    for device in driver, reference:
        device.write(Space.UNIFIED_BUFFER, program.buffer_address, program.unified_buffer)
        device.write(Space.WEIGHTS, 0, program.weights)
        device.write(Space.INSTRUCTIONS, 0, program.instructions)
        host = bytearray(program.host_memory)
        status = device.run(0, host)
        assert status["state"] == State.HALTED
        left = device.read(Space.UNIFIED_BUFFER, program.buffer_address, len(program.unified_buffer))
        ends.append(((status, left, host, device.interrupts), device.tags(config.tag_depth)))
    (end, tags), (end_due, tags_due) = ends
    assert end == end_due
    assert end[1] != program.unified_buffer
    # What has not been tagged holds anything.
    tagged = [pair for pair in zip(tags, tags_due) if pair[1]["cycles"]]
    assert all(tag == due for tag, due in tagged)
    return len(tagged)
