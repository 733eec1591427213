// Some of Verilator's operators in fewer instructions. The code of a chip executes over a thousand of them each cycle.
//
// Each macro takes the place of the function of its name in Verilator's verilated_funcs.h, which tells what it does;
// (VL_NAME)(...) still calls that. tests/test_verilator.py compares them.

#pragma once

#include <algorithm>
#include <cstdint>

#include "verilated.h"

namespace systolith {

// Two shifts, instead of a mask, a negation and a disjunction.
inline IData sign_extended(int bits, IData value) {
    return static_cast<IData>(static_cast<int32_t>(value << (32 - bits)) >> (32 - bits));
}
inline QData sign_extended(int bits, QData value) {
    return static_cast<QData>(static_cast<int64_t>(value << (64 - bits)) >> (64 - bits));
}

inline QData shifted_right_signed(int result_bits, int bits, QData value, IData count) {
    const auto extended = static_cast<int64_t>(sign_extended(bits, value));
    return static_cast<QData>(extended >> std::min<IData>(count, 63)) & VL_MASK_Q(result_bits);
}

// Words of up to 128 bits as one number.
inline WDataOutP shifted_right(int bits, WDataOutP result, WDataInP const value, IData count) {
    const int words = VL_WORDS_I(bits);
    if (words > 4) return VL_SHIFTR_WWI(bits, bits, 32, result, value, count);
    unsigned __int128 number = 0;
    for (int i = words - 1; i >= 0; --i) number = number << 32 | value[i];
    number = count < 128 ? number >> count : 0;
    for (int i = 0; i < words; ++i) result[i] = static_cast<EData>(number >> 32 * i);
    return result;
}

}  // namespace systolith

#define VL_EXTENDS_II(obits, lbits, lhs) systolith::sign_extended(lbits, static_cast<IData>(lhs))
#define VL_EXTENDS_QI(obits, lbits, lhs) systolith::sign_extended(lbits, static_cast<QData>(lhs))
#define VL_EXTENDS_QQ(obits, lbits, lhs) systolith::sign_extended(lbits, static_cast<QData>(lhs))
// The low bits of a product, which is all that is used, are those of its factors' low bits, whatever their sign.
#define VL_MULS_III(lbits, lhs, rhs) (static_cast<IData>(lhs) * static_cast<IData>(rhs))
#define VL_MULS_QQQ(lbits, lhs, rhs) (static_cast<QData>(lhs) * static_cast<QData>(rhs))
#define VL_SHIFTRS_QQI(obits, lbits, rbits, lhs, rhs) systolith::shifted_right_signed(obits, lbits, lhs, rhs)
#define VL_SHIFTR_WWI(obits, lbits, rbits, owp, lwp, rhs) systolith::shifted_right(obits, owp, lwp, rhs)
