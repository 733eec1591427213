// Compares each operator of sim/operators.h with Verilator's own on random operands; prints the names of those that differ.

#include <cstdio>
#include <random>

#include "operators.h"

double sc_time_stamp() { return 0; }

namespace {

std::mt19937_64 source(1);

int up_to(int most) { return static_cast<int>(source() % most) + 1; }

// Random bits, or nearly all of them equal, so that carries and signs run far.
QData operand(int bits) {
    const QData value = source() % 3 ? source() : source() % 2 ? source() % 4 : ~(source() % 4);
    return value & VL_MASK_Q(bits);
}

void expect(const char *name, QData found, QData due, int bits) {
    if ((found ^ due) & VL_MASK_Q(bits)) std::puts(name);
}

#define EXPECT(name, bits, ...) expect(#name, name(__VA_ARGS__), (name)(__VA_ARGS__), bits)

void round() {
    const int narrow = up_to(32), wide = up_to(64), wider = up_to(64), out = wide < wider ? wider : wide;
    const int count = up_to(100) - 1;
    const auto small = static_cast<IData>(operand(narrow)), other = static_cast<IData>(operand(narrow));
    const QData large = operand(wide), factor = operand(wide);
    EXPECT(VL_EXTENDS_II, 32, 32, narrow, small);
    EXPECT(VL_EXTENDS_QI, 64, 64, narrow, small);
    EXPECT(VL_EXTENDS_QQ, 64, 64, wide, large);
    EXPECT(VL_MULS_III, narrow, narrow, small, other);
    EXPECT(VL_MULS_QQQ, wide, wide, large, factor);
    EXPECT(VL_SHIFTRS_QQI, 64, out, wide, 7, large, count);

    const int bits = 64 + up_to(96), words = VL_WORDS_I(bits), distance = up_to(200) - 1;
    VlWide<5> value, found, due;
    for (int i = 0; i < words; ++i) value[i] = static_cast<EData>(operand(32));
    value[words - 1] &= VL_MASK_E(bits);
    found = due = value;
    VL_SHIFTR_WWI(bits, bits, 8, found, value, distance);
    (VL_SHIFTR_WWI)(bits, bits, 8, due, value, distance);
    for (int i = 0; i < words; ++i) expect("VL_SHIFTR_WWI", found[i], due[i], 32);
}

}  // namespace

int main() {
    for (int i = 0; i < 300000; ++i) round();
}
