// Lattice ECP5 DP16KD as its documentation describes it (FPGA-TN-02204), in the part that the chip uses: no reset, no
// chip select, contents 0 at first, one port that writes. Ports of 1 to 18 bits both, or A writes and B reads 36. Yosys
// ships no model. Bits that a port reads while the other one writes them are not defined: here all of them are wrong.
module DP16KD(
    input CLKA, CEA, OCEA, WEA, RSTA, CSA0, CSA1, CSA2, ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9,
    ADA10, ADA11, ADA12, ADA13, DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9, DIA10, DIA11, DIA12,
    DIA13, DIA14, DIA15, DIA16, DIA17,
    input CLKB, CEB, OCEB, WEB, RSTB, CSB0, CSB1, CSB2, ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9,
    ADB10, ADB11, ADB12, ADB13, DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9, DIB10, DIB11, DIB12,
    DIB13, DIB14, DIB15, DIB16, DIB17,
    output DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9, DOA10, DOA11, DOA12, DOA13, DOA14, DOA15,
    DOA16, DOA17,
    output DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9, DOB10, DOB11, DOB12, DOB13, DOB14, DOB15,
    DOB16, DOB17);
    parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18, REGMODE_A = "NOREG", REGMODE_B = "NOREG";
    parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL", CLKAMUX = "CLKA", CLKBMUX = "CLKB";
    parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC", CSDECODE_A = "0b000", CSDECODE_B = "0b000";
    parameter GSR = "AUTO";
    parameter [319:0] INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0, INITVAL_04 = 0,
    INITVAL_05 = 0, INITVAL_06 = 0, INITVAL_07 = 0, INITVAL_08 = 0, INITVAL_09 = 0, INITVAL_0A = 0, INITVAL_0B = 0,
    INITVAL_0C = 0, INITVAL_0D = 0, INITVAL_0E = 0, INITVAL_0F = 0, INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 = 0,
    INITVAL_13 = 0, INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0, INITVAL_18 = 0, INITVAL_19 = 0,
    INITVAL_1A = 0, INITVAL_1B = 0, INITVAL_1C = 0, INITVAL_1D = 0, INITVAL_1E = 0, INITVAL_1F = 0, INITVAL_20 = 0,
    INITVAL_21 = 0, INITVAL_22 = 0, INITVAL_23 = 0, INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0, INITVAL_27 = 0,
    INITVAL_28 = 0, INITVAL_29 = 0, INITVAL_2A = 0, INITVAL_2B = 0, INITVAL_2C = 0, INITVAL_2D = 0, INITVAL_2E = 0,
    INITVAL_2F = 0, INITVAL_30 = 0, INITVAL_31 = 0, INITVAL_32 = 0, INITVAL_33 = 0, INITVAL_34 = 0, INITVAL_35 = 0,
    INITVAL_36 = 0, INITVAL_37 = 0, INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A = 0, INITVAL_3B = 0, INITVAL_3C = 0,
    INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0;
    localparam wide = DATA_WIDTH_B == 36;

    wire [13:0] address_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1,
        ADA0};
    wire [13:0] address_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1,
        ADB0};
    wire [17:0] data_a = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5,
        DIA4, DIA3, DIA2, DIA1, DIA0};
    wire [17:0] data_b = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5,
        DIB4, DIB3, DIB2, DIB1, DIB0};
    wire known = CLKAMUX == "CLKA" && CLKBMUX == "CLKB" && !RSTA && !RSTB
        && !CSA0 && !CSA1 && !CSA2 && !CSB0 && !CSB1 && !CSB2 && (!wide || REGMODE_A == REGMODE_B);

    // Four bytes of 9 bits each; narrow words leave out the ninth.
    reg [35:0] store [0:511];
    integer i;
    initial for (i = 0; i < 512; i = i + 1) store[i] = 0;

    function [5:0] place(input integer width, input [4:0] low);
        case (width)
            36: place = 0;
            18: place = low[4] ? 18 : 0;
            9: place = 9 * low[4:3];
            4: place = 9 * low[4:3] + 4 * low[2];
            2: place = 9 * low[4:3] + 2 * low[2:1];
            default: place = 9 * low[4:3] + low[2:0];
        endcase
    endfunction

    // Bits that are written: with 18 and 36 bits the low address bits enable bytes.
    function [35:0] enabled(input integer width, input [4:0] low);
        case (width)
            36: enabled = {{9{low[3]}}, {9{low[2]}}, {9{low[1]}}, {9{low[0]}}};
            18: enabled = {18'b0, {9{low[1]}}, {9{low[0]}}} << place(18, low);
            default: enabled = ((36'b1 << width) - 1) << place(width, low);
        endcase
    endfunction

    wire [35:0] mask_a = CEA && WEA ? enabled(DATA_WIDTH_A, address_a[4:0]) : 0;
    wire [35:0] mask_b = CEB && WEB ? enabled(DATA_WIDTH_B, address_b[4:0]) : 0;
    wire [35:0] value_a = DATA_WIDTH_A == 36 ? {data_b, data_a}
        : {18'b0, data_a} << place(DATA_WIDTH_A, address_a[4:0]);
    wire [35:0] value_b = {18'b0, data_b} << place(DATA_WIDTH_B, address_b[4:0]);
    wire same = address_a[13:5] == address_b[13:5];
    wire [35:0] old_a = store[address_a[13:5]], old_b = store[address_b[13:5]];
    wire [35:0] new_a = old_a & ~mask_a | value_a & mask_a, new_b = old_b & ~mask_b | value_b & mask_b;

    reg [35:0] latch_a = 0, latch_b = 0, out_a = 0, out_b = 0;
    always @(posedge CLKA) begin
        if (mask_a != 0) store[address_a[13:5]] <= new_a;
        if (CEA && (!WEA || WRITEMODE_A != "NORMAL"))
            latch_a <= ((WRITEMODE_A == "WRITETHROUGH" ? new_a : old_a) ^ (same ? mask_b : 0))
                >> place(DATA_WIDTH_A, address_a[4:0]);
        if (OCEA) out_a <= latch_a;
    end
    always @(posedge CLKB) begin
        if (mask_b != 0) store[address_b[13:5]] <= new_b;
        if (CEB && (!WEB || WRITEMODE_B != "NORMAL"))
            latch_b <= ((WRITEMODE_B == "WRITETHROUGH" ? new_b : old_b) ^ (same ? mask_a : 0))
                >> place(DATA_WIDTH_B, address_b[4:0]);
        if (OCEB && (OCEA || !wide)) out_b <= latch_b;
    end
    always @(posedge CLKA) if (!known || (mask_a != 0 && mask_b != 0)) $fatal(1, "DP16KD: not in this model");
    wire [35:0] result_a = REGMODE_A == "OUTREG" ? out_a : latch_a;
    wire [35:0] result_b = REGMODE_B == "OUTREG" ? out_b : latch_b;
    assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2,
        DOA1, DOA0} = wide ? result_b[17:0] : result_a[17:0];
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2,
        DOB1, DOB0} = wide ? result_b[35:18] : result_b[17:0];
endmodule
