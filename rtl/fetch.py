"""The instruction memory and the path from it to dispatch."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .decoder import Decoder
from .delay import delayed
from .interfaces import PC_BITS, IssueLayout, MemoryWrite, field
from .isa import INSTRUCTION_BITS, Fault, Opcode
from .waits import units

__all__ = ["DecodedLayout", "Fetch"]

#: What dispatch executes itself, by the names of its bits.
_OWN = {"nothing": (Opcode.NOP, Opcode.SYNCHRONISE), "interrupt": (Opcode.INTERRUPT,), "tag": (Opcode.TAG,),
        "halt": (Opcode.HALT,)}


class DecodedLayout(data.StructLayout):
    """An instruction at dispatch.

    Members
    -------
    issue : itself
    fault : the fault that it is, `isa.Fault`
    queue : the unit whose queue takes it, one bit each
    own : what dispatch does itself, one bit each: nothing, interrupt, tag, halt
    work : whether it counts in the semaphore of its unit

    One bit of `queue` and `own` is set, none for a fault.
    """
    def __init__(self, config):
        super().__init__({"issue": IssueLayout(), "fault": 4, "queue": len(units(config)),
                          "own": data.StructLayout(dict.fromkeys(_OWN, 1)), "work": 1})


class Fetch(wiring.Component):
    """Reads instructions one after the other, from the first cycle after its reset on.

    Parameters
    ----------
    config : Config
        `instruction_depth` is the size of the memory.

    Members
    -------
    write : In(MemoryWrite(16, 128))
        To the instruction memory; works during reset, too.
    address : In(16)
        Of the first instruction; taken in the first cycle after reset.
    instructions : Out(stream of DecodedLayout)
        In order of their addresses. What follows the last instruction of the memory is a PROGRAM_END fault.

    Latency
    -------
    The first instruction is there FIRST cycles after reset, then one every second cycle.
    """

    #: Cycles from reset to the first instruction.
    FIRST = 8

    def __init__(self, config):
        self._config = config
        super().__init__({"write": In(MemoryWrite(PC_BITS, INSTRUCTION_BITS)), "address": In(PC_BITS),
                          "instructions": Out(stream.Signature(DecodedLayout(config)))})

    def elaborate(self, platform):
        m = Module()
        depth = self._config.instruction_depth
        m.submodules.memory = memory = Memory(shape=INSTRUCTION_BITS, depth=depth, init=[],
                                              attrs={"no_rw_check": 1})  # loaded between programs
        write, read = memory.write_port(), memory.read_port()
        # In registers first, as the blocks of the memory may be anywhere. They have no reset, for programs are written
        # during it.
        m.d.comb += [port.eq(delayed(m, value, 2)) for port, value in (
            (write.en, self.write.en), (write.addr, self.write.address[:len(write.addr)]),
            (write.data, self.write.data))]
        m.submodules.decoder = decoder = Decoder(self._config)

        # One bit more than an address, to count past the end of the largest memory.
        pc = Signal(PC_BITS + 1)
        started = Signal()
        read_pc, fetched_pc = Signal.like(pc, reset_less=True), Signal.like(pc, reset_less=True)
        read_valid, fetched_valid, decoded_valid = (
            Signal(name=name) for name in ("read_valid", "fetched_valid", "decoded_valid"))
        fetched_end, decoded_end = (Signal(name=name, reset_less=True) for name in ("fetched_end", "decoded_end"))

        # All stages move together, in every second cycle at most and when the last one is empty: a register of its own
        # says so, as the memory and the stages lie far from dispatch, which knows late whether it takes an instruction.
        # What the memory reads has a cycle to get there and one to come, to registers without an enable that may be
        # beside it. A word is taken from these a cycle late, as the enable of so many bits may be anywhere, and so is
        # what the decoder says of it, two cycles after it at the earliest, for behind it is a register.
        decoded, head = (
            Signal(DecodedLayout(self._config), name=name, reset_less=True) for name in ("decoded", "head"))
        word = Signal(INSTRUCTION_BITS, reset_less=True)
        advance = Signal()
        fetched = delayed(m, read.data, 1)
        legal, queue, work = (delayed(m, value, 1) for value in (decoder.legal, decoder.queue, decoder.work))
        opcode = field(word, Opcode.NOP, "opcode")
        own = {name: delayed(m, ~decoder.queue.any() & Cat(opcode == o for o in opcodes).any(), 1)
               for name, opcodes in _OWN.items()}
        with m.If(delayed(m, advance, 1)):
            m.d.sync += [
                word.eq(fetched),
                decoded.fault.eq(Mux(decoded_end, Fault.PROGRAM_END,
                                     Mux(legal, Fault.NONE, Fault.ILLEGAL_INSTRUCTION))),
                decoded.queue.eq(Mux(legal & ~decoded_end, queue, 0)), decoded.work.eq(work),
                *(decoded.own[name].eq(legal & ~decoded_end & bit) for name, bit in own.items()),
            ]
        m.d.comb += [
            read.addr.eq(read_pc[:len(read.addr)]),
            read.en.eq(1),
            decoder.word.eq(word),
            self.instructions.payload.eq(head),
        ]
        with m.If(~started):
            m.d.sync += [pc.eq(self.address), started.eq(1)]
        # Not in the same cycle: nothing advances before the second.
        with m.If(advance):
            m.d.sync += [
                pc.eq(pc + 1), read_pc.eq(pc), read_valid.eq(1),
                fetched_pc.eq(read_pc), fetched_valid.eq(read_valid),
                fetched_end.eq(read_pc >= depth),
                decoded.issue.word.eq(word), decoded.issue.pc.eq(fetched_pc[:PC_BITS]), decoded_end.eq(fetched_end),
                decoded_valid.eq(fetched_valid),
                head.eq(decoded), self.instructions.valid.eq(decoded_valid), advance.eq(0),
            ]
        with m.Elif(~self.instructions.valid | self.instructions.ready):
            m.d.sync += [self.instructions.valid.eq(0), advance.eq(1)]
        return m
