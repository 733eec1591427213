// Gowin MULT18X18 as its documentation describes it (UG287), in the part that the chip uses: signed, no reset, no
// cascade; and what yosys makes of a product, without registers. Yosys ships no model. Other settings give X.
module MULT18X18(
    input [17:0] A, B, SIA, SIB, input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET, output [35:0] DOUT,
    output [17:0] SOA, SOB);
    parameter AREG = 1'b0, BREG = 1'b0, OUT_REG = 1'b0, PIPE_REG = 1'b0, ASIGN_REG = 1'b0, BSIGN_REG = 1'b0;
    parameter SOA_REG = 1'b0, MULT_RESET_MODE = "SYNC";

    reg [17:0] a, b;
    reg [35:0] pipeline, out;
    wire [17:0] a_used = AREG ? a : A;
    wire [17:0] b_used = BREG ? b : B;
    wire signed [18:0] a_wide = {ASIGN && a_used[17], a_used};
    wire signed [18:0] b_wide = {BSIGN && b_used[17], b_used};
    wire signed [37:0] product = a_wide * b_wide;
    wire [35:0] piped = PIPE_REG ? pipeline : product[35:0];
    always @(posedge CLK) if (CE) begin
        a <= A;
        b <= B;
        pipeline <= product[35:0];
        out <= piped;
    end
    wire known = !ASIGN_REG && !BSIGN_REG && !ASEL && !BSEL && !((AREG || BREG || PIPE_REG || OUT_REG) && RESET);
    assign DOUT = !known ? 36'bx : OUT_REG ? out : piped;
    assign {SOA, SOB} = 36'bx;
endmodule
