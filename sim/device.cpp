// A verilated chip behind a C interface for ctypes. It clocks itself: Python only moves whole buffers of bytes.
// WEIGHT_BYTES, if it is not 0, is the size of a row of the external weight memory that the chip expects.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <vector>

#include "Vchip.h"
#include "verilated.h"

namespace {

// After the first bytes of an answer, this many cycles without another one end it.
constexpr uint64_t kPause = 256;

class Queue {
public:
    bool empty() const { return first_ == bytes_.size(); }
    size_t size() const { return bytes_.size() - first_; }
    uint8_t front() const { return bytes_[first_]; }

    void push(uint8_t byte) { bytes_.push_back(byte); }
    void push(const uint8_t *data, size_t count) { bytes_.insert(bytes_.end(), data, data + count); }

    void pop(uint8_t *data, size_t count) {
        if (data) std::memcpy(data, bytes_.data() + first_, count);
        first_ += count;
        if (empty()) {
            bytes_.clear();
            first_ = 0;
        }
    }

private:
    std::vector<uint8_t> bytes_;
    size_t first_ = 0;
};

#if WEIGHT_BYTES
// The external weight memory: takes a request a cycle, and answers in order. Row k comes `latency` cycles after its
// request or `interval` after row k - 1, whichever is later, rounded up to a whole cycle.
class WeightMemory {
public:
    explicit WeightMemory(Vchip &chip) : chip_(chip) { chip_.weight_request___05Fready = 1; }

    // The interval is `interval` / `unit` cycles.
    void set(uint64_t interval, uint64_t unit, uint64_t latency) {
        interval_ = interval;
        unit_ = unit;
        latency_ = latency;
    }

    // Before the chip is evaluated in a cycle.
    void answer(uint64_t cycle) {
        const bool due = !answers_.empty() && answers_.front().cycle == cycle;
        chip_.weight_response___05Fvalid = due;
        if (!due) return;
        std::memcpy(&chip_.weight_response___05Fpayload, row(answers_.front().address), WEIGHT_BYTES);
        answers_.pop_front();
    }

    // After it.
    void take(uint64_t cycle) {
        if (chip_.weight_write___05Fen)
            std::memcpy(row(chip_.weight_write___05Faddress), &chip_.weight_write___05Fdata, WEIGHT_BYTES);
        if (!chip_.weight_request___05Fvalid) return;
        time_ = std::max((cycle + latency_) * unit_, time_ + interval_);
        answers_.push_back({(time_ + unit_ - 1) / unit_, chip_.weight_request___05Fpayload});
    }

private:
    struct Answer {
        uint64_t cycle;
        size_t address;
    };

    uint8_t *row(size_t address) {
        const size_t start = address * WEIGHT_BYTES;
        if (bytes_.size() < start + WEIGHT_BYTES) bytes_.resize(start + WEIGHT_BYTES);
        return bytes_.data() + start;
    }

    Vchip &chip_;
    std::vector<uint8_t> bytes_;
    std::deque<Answer> answers_;
    uint64_t interval_ = 1, unit_ = 1, latency_ = 1;
    uint64_t time_ = 0;  // when the last row comes, in units of 1 / unit_ cycles
};
#endif

class Device {
public:
    Device() : chip_(&context_) {
        rx_valid_ = 0;
        rx_payload_ = 0;
        tx_ready_ = 1;
        chip_.rst = 1;
        edge();
        edge();
        chip_.rst = 0;
        cycles_ = 0;
    }
    ~Device() { chip_.final(); }

    size_t run(size_t wanted, uint64_t limit) {
        uint64_t since_byte = 0;
        for (uint64_t n = 0; n < limit && output.size() < wanted; ++n) {
            if (!output.empty() && since_byte++ >= kPause) break;
            if (cycle()) since_byte = 0;
        }
        return output.size();
    }

    uint64_t cycles() const { return cycles_; }

    Queue input, output;

#if WEIGHT_BYTES
    WeightMemory &weights() { return weights_; }
#endif

private:
    // One clock cycle; true if a byte came out.
    bool cycle() {
        rx_valid_ = !input.empty();
        if (!input.empty()) rx_payload_ = input.front();
#if WEIGHT_BYTES
        weights_.answer(cycles_);
#endif
        chip_.clk = 0;
        chip_.eval();
#if WEIGHT_BYTES
        weights_.take(cycles_);
#endif
        const bool sent = tx_valid_;
        if (sent) output.push(tx_payload_);
        if (rx_valid_ && rx_ready_) input.pop(nullptr, 1);
        chip_.clk = 1;
        chip_.eval();
        ++cycles_;
        return sent;
    }

    void edge() {
        chip_.clk = 0;
        chip_.eval();
        chip_.clk = 1;
        chip_.eval();
    }

    VerilatedContext context_;
    Vchip chip_;
    // The ports rx__payload and so on: Verilator spells the second underscore in hexadecimal.
    CData &rx_payload_ = chip_.rx___05Fpayload, &rx_valid_ = chip_.rx___05Fvalid, &rx_ready_ = chip_.rx___05Fready;
    CData &tx_payload_ = chip_.tx___05Fpayload, &tx_valid_ = chip_.tx___05Fvalid, &tx_ready_ = chip_.tx___05Fready;
    uint64_t cycles_ = 0;
#if WEIGHT_BYTES
    WeightMemory weights_{chip_};
#endif
};

}  // namespace

extern "C" {

Device *device_create() { return new Device; }

void device_destroy(Device *device) { delete device; }

// Bytes for the chip; it takes them while it runs.
void device_push(Device *device, const uint8_t *data, size_t count) { device->input.push(data, count); }

// Clocks until `wanted` bytes wait in the output, or some wait and no more come, or for `limit` cycles; returns how
// many wait.
size_t device_run(Device *device, size_t wanted, uint64_t limit) { return device->run(wanted, limit); }

// Moves `count` bytes, no more than wait, out of the output.
void device_pop(Device *device, uint8_t *data, size_t count) { device->output.pop(data, count); }

uint64_t device_cycles(Device *device) { return device->cycles(); }

#if WEIGHT_BYTES
// See WeightMemory::set.
void device_weights(Device *device, uint64_t interval, uint64_t unit, uint64_t latency) {
    device->weights().set(interval, unit, latency);
}
#endif

}  // extern "C"
