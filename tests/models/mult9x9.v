// Gowin MULT9X9 as its documentation describes it (UG287), in the part that the chip uses: signed, no reset, no
// cascade. Yosys ships no model. Other settings give X.
module MULT9X9(
    input [8:0] A, B, SIA, SIB, input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET, output [17:0] DOUT);
    parameter AREG = 1'b0, BREG = 1'b0, OUT_REG = 1'b0, PIPE_REG = 1'b0, ASIGN_REG = 1'b0, BSIGN_REG = 1'b0;
    parameter SOA_REG = 1'b0, MULT_RESET_MODE = "SYNC";

    reg signed [8:0] a, b;
    reg signed [17:0] pipeline, out;
    wire signed [8:0] a_used = AREG ? a : A;
    wire signed [8:0] b_used = BREG ? b : B;
    wire signed [17:0] product = a_used * b_used;
    wire signed [17:0] piped = PIPE_REG ? pipeline : product;
    always @(posedge CLK) if (CE) begin
        a <= A;
        b <= B;
        pipeline <= product;
        out <= piped;
    end
    assign DOUT = !(ASIGN && BSIGN) || ASEL || BSEL || RESET ? 18'bx : OUT_REG ? out : piped;
endmodule
