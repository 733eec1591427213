// Gowin MULT18X18 as its documentation describes it (UG287), in the part that the chip uses: what yosys makes of a
// product, without registers. Yosys ships no model. Other settings give X.
module MULT18X18(
    input [17:0] A, B, SIA, SIB, input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET, output [35:0] DOUT,
    output [17:0] SOA, SOB);
    parameter AREG = 1'b0, BREG = 1'b0, OUT_REG = 1'b0, PIPE_REG = 1'b0, ASIGN_REG = 1'b0, BSIGN_REG = 1'b0;
    parameter SOA_REG = 1'b0, MULT_RESET_MODE = "SYNC";

    localparam known = !AREG && !BREG && !OUT_REG && !PIPE_REG && !ASIGN_REG && !BSIGN_REG;
    wire signed [18:0] a = {ASIGN && A[17], A};
    wire signed [18:0] b = {BSIGN && B[17], B};
    wire signed [37:0] product = a * b;
    assign DOUT = known && !ASEL && !BSEL ? product[35:0] : 36'bx;
    assign {SOA, SOB} = 36'bx;
endmodule
