"""The CRC a bit a cycle is that of zlib."""

import random
import zlib

from benches import run_benches
from systolith.rtl.serial_crc import SerialCrc


def test_bytes_make_their_crc_and_match_it():
    random.seed(4)
    dut = SerialCrc()

    async def take(context, data):
        for byte in data:
            context.set(dut.data, byte)
            context.set(dut.valid, 1)
            await context.tick().until(dut.ready)
            context.set(dut.valid, random.randrange(2))  # is not looked at while a byte is taken in
            await context.tick().repeat(SerialCrc.CYCLES - 2)
            context.set(dut.valid, 0)
            await context.tick()
        assert context.get(dut.ready)

    async def testbench(context):
        for length in (0, 1, 2, 17):
            context.set(dut.start, 1)
            await context.tick()
            context.set(dut.start, 0)
            data = random.randbytes(length)
            await take(context, data)
            crc = zlib.crc32(data)
            assert context.get(dut.crc) == crc
            await take(context, crc.to_bytes(4, "little"))
            assert context.get(dut.match_detected)
            await take(context, b"\0")
            assert not context.get(dut.match_detected)

    run_benches(dut, testbench)
