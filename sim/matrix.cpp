// A verilated matrix unit with all that it needs around it: queues of instructions and weight rows, and the bytes that
// it reads as the unified buffer.

#include <cstdint>
#include <cstring>
#include <vector>

#include "Vchip.h"
#include "verilated.h"

namespace {

// Ports are integers or arrays of 32-bit words, by their width; either is little endian on the machines we run on.
template <class Port>
void set(Port &port, const uint8_t *bytes, size_t count) {
    std::memcpy(&port, bytes, count);
}

class Unit {
public:
    Unit(size_t rows, size_t cols, size_t weight_bytes, size_t read_latency, size_t weight_latency)
        : chip_(&context_), rows_(rows), cols_(cols), weight_bytes_(weight_bytes), reads_(read_latency), taken_(weight_latency) {
        chip_.rst = 1;
        cycle();
        cycle();
        chip_.rst = 0;
        cycles_ = 0;
    }
    ~Unit() { chip_.final(); }

    // Issues one instruction, `size` bytes of payload; cycles until it retires, or 0 after `limit`.
    uint64_t run(const uint8_t *instruction, size_t size, const uint8_t *buffer, const uint8_t *weights,
                 size_t weight_rows, uint64_t limit) {
        buffer_ = buffer;
        weights_ = weights;
        weight_rows_ = weight_rows;
        set(chip_.unit___05Fissue___05Fpayload, instruction, size);
        chip_.unit___05Fissue___05Fvalid = 1;
        for (uint64_t n = 1; n <= limit; ++n) {
            cycle();
            if (issued_) chip_.unit___05Fissue___05Fvalid = 0;
            if (retired_) return n;
        }
        return 0;
    }

    // Row of the accumulators, 4 bytes a column.
    void read(uint16_t row, uint8_t *data) {
        chip_.acc_read___05Fen = 1;
        chip_.acc_read___05Faddress = row;
        cycle();
        chip_.acc_read___05Fen = 0;
        std::memcpy(data, &chip_.acc_read___05Fdata, 4 * cols_);
    }

    uint64_t cycles() const { return cycles_; }

private:
    struct Read {
        bool en = false;
        uint32_t address = 0;
    };

    void cycle() {
        chip_.clk = 0;
        // What was asked for `read_latency` cycles ago.
        Read &slot = reads_[cycles_ % reads_.size()];
        if (slot.en) set(chip_.buffer___05Fdata, buffer_ + slot.address, rows_);
        chip_.weights___05Fvalid = weight_rows_ > 0;
        // What was taken `weight_latency` cycles ago.
        const uint8_t *&taken = taken_[cycles_ % taken_.size()];
        if (taken) set(chip_.weights___05Fpayload, taken, weight_bytes_);
        taken = nullptr;
        chip_.eval();
        slot = {bool(chip_.buffer___05Fen), chip_.buffer___05Faddress};
        if (weight_rows_ > 0 && chip_.weights___05Fready) {
            taken = weights_;
            weights_ += weight_bytes_;
            --weight_rows_;
        }
        issued_ = chip_.unit___05Fissue___05Fready;
        retired_ = chip_.unit___05Fretire;
        chip_.clk = 1;
        chip_.eval();
        ++cycles_;
    }

    VerilatedContext context_;
    Vchip chip_;
    const size_t rows_, cols_, weight_bytes_;
    std::vector<Read> reads_;
    std::vector<const uint8_t *> taken_;
    const uint8_t *buffer_ = nullptr, *weights_ = nullptr;
    size_t weight_rows_ = 0;
    bool issued_ = false, retired_ = false;
    uint64_t cycles_ = 0;
};

}  // namespace

extern "C" {

Unit *unit_create(size_t rows, size_t cols, size_t weight_bytes, size_t read_latency, size_t weight_latency) {
    return new Unit(rows, cols, weight_bytes, read_latency, weight_latency);
}

void unit_destroy(Unit *unit) { delete unit; }

uint64_t unit_run(Unit *unit, const uint8_t *instruction, size_t size, const uint8_t *buffer, const uint8_t *weights,
                  size_t weight_rows, uint64_t limit) {
    return unit->run(instruction, size, buffer, weights, weight_rows, limit);
}

void unit_read(Unit *unit, uint16_t row, uint8_t *data) { unit->read(row, data); }

uint64_t unit_cycles(Unit *unit) { return unit->cycles(); }

}  // extern "C"
