"""From the memory to the units of a compact chip, one instruction at a time; the semaphores that tell what is done."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..array import delay
from ..decoder import Decoder
from ..interfaces import PC_BITS, IssueLayout, field
from ..isa import FIELDS_HEAD, INSTRUCTION_BITS, INSTRUCTION_BYTES, Fault, Opcode
from ..tag_queue import TAG_BITS
from ..waits import SemaphoreLayout, reached, units
from .memory import FETCH_SLOTS, PERIOD, READ_LATENCY, TimedRead

__all__ = ["CompactIssue", "SettingLayout"]

#: Work of a unit that was issued and has not retired. Fetching an instruction takes longer than what a unit does behind
#: its address generator, so that it is never much.
_IN_FLIGHT_BITS = 3


class SettingLayout(data.StructLayout):
    """A configuration register and its value, for the unit whose bit of `en` is set (HOST's first)."""
    def __init__(self, config):
        super().__init__({"en": len(units(config)), "index": 5, "value": 32})


class CompactIssue(wiring.Component):
    """Fetches an instruction, waits until its waits hold, hands it to its unit, and fetches the next.

    So what waits holds up all that follows; units still overlap. Tag waits, too, for the work that it closes.
    Set_Configuration does not go through the unit's port: once the unit can take an instruction, its registers are
    written one after the other. A fault in the instruction stream counts only when all work before it is done.

    Parameters
    ----------
    config : Config

    Members
    -------
    fetch : Out(TimedRead)
        See `CompactMemory`.
    load : In(1), address : In(16)
        The first instruction is that one; during reset.
    issue : Out(stream of IssueLayout), one a unit, HOST first
        `ready` must not depend on `valid`.
    setting : Out(SettingLayout)
        Meanwhile the payload of `issue` is the whole Set_Configuration.
    retire : In(number of units)
        Pulses, one bit a unit.
    interrupt : Out(stream of 16 bits)
    ready : In(1), snapshot : Out(1), tag : Out(12)
        Record the counters under this number; only with `ready`.
    halt : Out(1), fault : Out(4)
        Halt, or a fault of this instruction, is reached, and everything before it is done.
    pc : Out(16)
        Address of the instruction.
    blocked_by : Out(3)
        The unit for which it waits, or 0.
    blocked : Out(number of units)
        Then: the bit of the unit whose instruction it is.
    progress : Out(1)
        An instruction is on its way, or the host has an interrupt to take.

    Latency
    -------
    An instruction arrives READ_LATENCY cycles after the fetch slot of its last part. It is issued `DECODE` cycles
    later at the earliest, Set_Configuration takes one more. The next is fetched from the cycle after that on. A
    semaphore counts in the cycle after the retire pulse.
    """

    #: Cycles from an instruction's arrival to its issue: into its memory and out of it, and a cycle for each wait.
    DECODE = 4

    @staticmethod
    def parts(config):
        """Reads of the memory that an instruction takes."""
        return INSTRUCTION_BYTES // (2 * config.banks)

    def __init__(self, config):
        self._config = config
        count = len(units(config))
        super().__init__({
            "fetch": Out(TimedRead(config.memory_bits - (2 * config.banks - 1).bit_length(), 16 * config.banks)),
            "load": In(1), "address": In(PC_BITS), "issue": Out(stream.Signature(IssueLayout())).array(count),
            "setting": Out(SettingLayout(config)), "retire": In(count), "interrupt": Out(stream.Signature(16)),
            "ready": In(1), "snapshot": Out(1), "tag": Out(TAG_BITS), "halt": Out(1), "fault": Out(4),
            "pc": Out(PC_BITS),
            "blocked_by": Out(3), "blocked": Out(count), "progress": Out(1)})

    def elaborate(self, platform):
        m = Module()
        config, parts = self._config, self.parts(self._config)
        m.submodules.decoder = decoder = Decoder(config)
        # One more than the last address, to see the end of the program.
        pc = Signal(range(config.instruction_depth + 1), reset_less=True)
        word = Signal(INSTRUCTION_BITS)
        part = Signal(range(parts))
        second = Signal()

        def of(opcode, name):
            return field(word, opcode, name)

        # Semaphores, and what keeps Halt and Tag waiting. Both by unit number; NONE has nothing to do.
        semaphores, idle = Signal(SemaphoreLayout(config)), Signal(8)
        issued = Signal(len(self.issue))
        m.d.comb += idle[0].eq(1)
        for i, unit in enumerate(units(config)):
            in_flight = Signal(_IN_FLIGHT_BITS, name=f"in_flight{i}")
            m.d.sync += [in_flight.eq(in_flight + issued[i] - self.retire[i]),
                         semaphores[unit].eq(semaphores[unit] + self.retire[i])]
            m.d.comb += idle[unit].eq(in_flight == 0)
        quiet = idle[:len(self.issue) + 1].all()

        # The wait that is looked at: the first until it holds, then the second.
        head, offset = {}, 0
        for f in FIELDS_HEAD:
            head[f.name] = word[offset:offset + f.width]
            offset += f.width
        wait_unit, wait_count, met = Signal(3), Signal(16), Signal()
        m.d.comb += [
            wait_unit.eq(Mux(second, head["wait1_unit"], head["wait0_unit"])),
            wait_count.eq(Mux(second, head["wait1_count"], head["wait0_count"])),
            met.eq(reached(semaphores, wait_unit, wait_count)),
        ]

        first = config.instruction_base // (2 * config.banks)
        ready, moves, arrives, fetching = Signal(), Signal(), Signal(), Signal()
        queue = Signal.like(decoder.queue)  # `decoder.queue` in EXECUTE, for which it is late
        m.d.comb += [
            decoder.word.eq(word), self.pc.eq(pc),
            self.fetch.address.eq(first + Cat(part, pc)),
            ready.eq((Cat(issue.ready for issue in self.issue) & queue).any()),
            self.interrupt.payload.eq(of(Opcode.INTERRUPT, "code")),
            self.tag.eq(of(Opcode.TAG, "tag")),
            self.setting.index.eq(Mux(second, of(Opcode.SET_CONFIGURATION, "index1"),
                                      of(Opcode.SET_CONFIGURATION, "index0"))),
            self.setting.value.eq(Mux(second, of(Opcode.SET_CONFIGURATION, "value1"),
                                      of(Opcode.SET_CONFIGURATION, "value0"))),
            self.progress.eq(moves | fetching | self.interrupt.valid),
        ]
        m.d.comb += [issue.payload.eq(Cat(word, self.pc)) for issue in self.issue]

        # The instruction is held by the output registers of block RAM, where it costs no logic.
        hold, legal, words = Signal(), Signal(), []
        for n in range(parts):
            m.submodules[f"word{n}"] = memory = Memory(shape=len(self.fetch.data), depth=2, init=[],
                                                       attrs={"no_rw_check": 1, "ram_style": '"block"'})
            write, read = memory.write_port(), memory.read_port()
            m.d.comb += [write.en.eq(arrives & (part == n)), write.data.eq(self.fetch.data), read.en.eq(hold)]
            words.append(read.data)
        m.d.comb += word.eq(Cat(words))
        assert len(FETCH_SLOTS) == 1 and READ_LATENCY < PERIOD  # one part under way
        m.d.comb += arrives.eq(delay(m, "fetch_line", self.fetch.en, READ_LATENCY))
        with m.If(self.load):
            m.d.sync += pc.eq(self.address)
        with m.FSM():
            with m.State("FETCH"):
                # Behind the last instruction something is read as well, and not used: that it is the end comes late.
                m.d.comb += self.fetch.en.eq(self.fetch.slot)
                with m.If(pc == config.instruction_depth):
                    m.d.comb += self.fault.eq(Mux(quiet, Fault.PROGRAM_END, Fault.NONE))
                with m.Else():
                    m.d.comb += fetching.eq(1)
                with m.If(arrives & fetching):
                    m.d.sync += part.eq(part + 1)
                    with m.If(part == parts - 1):
                        m.d.sync += part.eq(0)
                        m.next = "HOLD"

            with m.State("HOLD"):
                m.d.comb += [hold.eq(1), fetching.eq(1)]
                m.d.sync += legal.eq(1)
                m.next = "WAIT"

            with m.State("WAIT"):
                # Known a cycle late, which is before the second wait ends.
                m.d.sync += [legal.eq(decoder.legal), queue.eq(decoder.queue)]
                with m.If(~legal):
                    m.d.comb += self.fault.eq(Mux(quiet, Fault.ILLEGAL_INSTRUCTION, Fault.NONE))
                with m.Elif(met):
                    m.d.sync += second.eq(~second)
                    with m.If(second):
                        m.next = "EXECUTE"
                with m.Else():
                    m.d.comb += [self.blocked_by.eq(wait_unit), self.blocked.eq(decoder.queue)]

            with m.State("EXECUTE"):
                with m.Switch(of(Opcode.NOP, "opcode")):
                    with m.Case(Opcode.NOP, Opcode.SYNCHRONISE):
                        m.d.comb += moves.eq(1)
                    with m.Case(Opcode.INTERRUPT):
                        m.d.comb += [self.interrupt.valid.eq(1), moves.eq(self.interrupt.ready)]
                    with m.Case(Opcode.TAG):
                        m.d.comb += [moves.eq(idle.bit_select(of(Opcode.TAG, "unit"), 1) & self.ready),
                                     self.snapshot.eq(moves)]
                    with m.Case(Opcode.HALT):
                        m.d.comb += self.halt.eq(quiet)
                    with m.Case(Opcode.SET_CONFIGURATION), m.If(ready):
                        m.d.comb += [self.setting.en.eq(queue), moves.eq(second)]
                        m.d.sync += second.eq(~second)
                    with m.Default():
                        m.d.comb += [Cat(issue.valid for issue in self.issue).eq(queue), moves.eq(ready),
                                     issued.eq(Mux(ready, queue, 0))]
                with m.If(moves):
                    m.d.sync += pc.eq(pc + 1)
                    m.next = "FETCH"
        return m
