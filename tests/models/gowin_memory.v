// Gowin block memories as their documentation describes them (UG285), in the part that the chip uses: words of 9, 18 or
// 36 bits, no reset, no output register, no block select, contents 0 at first. Yosys ships no models. Other settings
// give X.

`define CONTENTS \
    parameter [287:0] INIT_RAM_00 = 0, INIT_RAM_01 = 0, INIT_RAM_02 = 0, INIT_RAM_03 = 0, INIT_RAM_04 = 0, \
        INIT_RAM_05 = 0, INIT_RAM_06 = 0, INIT_RAM_07 = 0, INIT_RAM_08 = 0, INIT_RAM_09 = 0, INIT_RAM_0A = 0, \
        INIT_RAM_0B = 0, INIT_RAM_0C = 0, INIT_RAM_0D = 0, INIT_RAM_0E = 0, INIT_RAM_0F = 0, INIT_RAM_10 = 0, \
        INIT_RAM_11 = 0, INIT_RAM_12 = 0, INIT_RAM_13 = 0, INIT_RAM_14 = 0, INIT_RAM_15 = 0, INIT_RAM_16 = 0, \
        INIT_RAM_17 = 0, INIT_RAM_18 = 0, INIT_RAM_19 = 0, INIT_RAM_1A = 0, INIT_RAM_1B = 0, INIT_RAM_1C = 0, \
        INIT_RAM_1D = 0, INIT_RAM_1E = 0, INIT_RAM_1F = 0, INIT_RAM_20 = 0, INIT_RAM_21 = 0, INIT_RAM_22 = 0, \
        INIT_RAM_23 = 0, INIT_RAM_24 = 0, INIT_RAM_25 = 0, INIT_RAM_26 = 0, INIT_RAM_27 = 0, INIT_RAM_28 = 0, \
        INIT_RAM_29 = 0, INIT_RAM_2A = 0, INIT_RAM_2B = 0, INIT_RAM_2C = 0, INIT_RAM_2D = 0, INIT_RAM_2E = 0, \
        INIT_RAM_2F = 0, INIT_RAM_30 = 0, INIT_RAM_31 = 0, INIT_RAM_32 = 0, INIT_RAM_33 = 0, INIT_RAM_34 = 0, \
        INIT_RAM_35 = 0, INIT_RAM_36 = 0, INIT_RAM_37 = 0, INIT_RAM_38 = 0, INIT_RAM_39 = 0, INIT_RAM_3A = 0, \
        INIT_RAM_3B = 0, INIT_RAM_3C = 0, INIT_RAM_3D = 0, INIT_RAM_3E = 0, INIT_RAM_3F = 0

// One port, which reads or writes; what was read stays while it writes.
module SPX9(input [35:0] DI, input [2:0] BLKSEL, input [13:0] AD, input WRE, CLK, CE, OCE, RESET, output [35:0] DO);
    parameter BIT_WIDTH = 36, READ_MODE = 1'b0, WRITE_MODE = 2'b00, BLK_SEL = 3'b000, RESET_MODE = "SYNC";
    `CONTENTS;
    localparam known = READ_MODE == 0 && WRITE_MODE == 0 && BLK_SEL == 0;

    wire [35:0] word;
    block_memory #(.WIDTH(BIT_WIDTH)) cells(
        .clk(CLK), .write(CE && WRE), .write_address(AD), .data(DI), .read_address(AD), .word(word));
    reg [35:0] out = 0;
    always @(posedge CLK) if (CE && !WRE) out <= known && BLKSEL == 0 && !RESET ? word : 36'bx;
    assign DO = out;
endmodule

// A port that writes and one that reads, on the same clock. What is read of a word that is written in the same cycle is
// not defined: here it is wrong in all bits.
module SDPX9B(input CLKA, CEA, CLKB, CEB, OCE, RESETA, RESETB, input [13:0] ADA, ADB, input [35:0] DI,
              input [2:0] BLKSELA, BLKSELB, output [35:0] DO);
    parameter BIT_WIDTH_0 = 36, BIT_WIDTH_1 = 36, READ_MODE = 1'b0, BLK_SEL_0 = 3'b000, BLK_SEL_1 = 3'b000;
    parameter RESET_MODE = "SYNC";
    `CONTENTS;
    localparam known = READ_MODE == 0 && BIT_WIDTH_0 == BIT_WIDTH_1 && BLK_SEL_0 == 0 && BLK_SEL_1 == 0;

    wire [35:0] word;
    block_memory #(.WIDTH(BIT_WIDTH_0)) cells(
        .clk(CLKA), .write(CEA), .write_address(ADA), .data(DI), .read_address(ADB), .word(word));
    wire clash = CEA && ADA[13:5] == ADB[13:5];
    reg [35:0] out = 0;
    always @(posedge CLKB) if (CEB)
        out <= known && BLKSELA == 0 && BLKSELB == 0 && !RESETA && !RESETB ? word ^ {36{clash}} : 36'bx;
    assign DO = out;
endmodule

// What both are made of: four bytes of nine bits a row. With 18 and 36 bits the lowest address bits enable bytes.
module block_memory #(parameter WIDTH = 36) (
    input clk, write, input [13:0] write_address, read_address, input [35:0] data, output [35:0] word);
    reg [35:0] rows [0:511];
    integer i;
    initial for (i = 0; i < 512; i = i + 1) rows[i] = 0;

    function [5:0] place(input [4:0] low);
        place = WIDTH == 36 ? 0 : WIDTH == 18 ? (low[4] ? 18 : 0) : 9 * low[4:3];
    endfunction

    wire [3:0] bytes = WIDTH == 36 ? write_address[3:0] : WIDTH == 18 ? {2'b0, write_address[1:0]} : 4'b1;
    wire [35:0] mask = {{9{bytes[3]}}, {9{bytes[2]}}, {9{bytes[1]}}, {9{bytes[0]}}} << place(write_address[4:0]);
    wire [35:0] old = rows[write_address[13:5]];
    always @(posedge clk) if (write)
        rows[write_address[13:5]] <= WIDTH < 9 ? 36'bx : old & ~mask | (data << place(write_address[4:0])) & mask;
    assign word = rows[read_address[13:5]] >> place(read_address[4:0]);
endmodule
