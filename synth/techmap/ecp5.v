// An open input of an ECP5's logic is 1; a 0 is a wire to a cell that drives it. Sums have many such inputs: their
// tables are rewritten here for ones.
module CCU2C (input CIN, A0, B0, C0, D0, A1, B1, C1, D1, output S0, S1, COUT);
    parameter INIT0 = 16'h0000, INIT1 = 16'h0000, INJECT1_0 = "YES", INJECT1_1 = "YES";

    parameter _TECHMAP_CONSTMSK_A0_ = 1'b0, _TECHMAP_CONSTVAL_A0_ = 1'b0;
    parameter _TECHMAP_CONSTMSK_B0_ = 1'b0, _TECHMAP_CONSTVAL_B0_ = 1'b0;
    parameter _TECHMAP_CONSTMSK_C0_ = 1'b0, _TECHMAP_CONSTVAL_C0_ = 1'b0;
    parameter _TECHMAP_CONSTMSK_D0_ = 1'b0, _TECHMAP_CONSTVAL_D0_ = 1'b0;
    parameter _TECHMAP_CONSTMSK_A1_ = 1'b0, _TECHMAP_CONSTVAL_A1_ = 1'b0;
    parameter _TECHMAP_CONSTMSK_B1_ = 1'b0, _TECHMAP_CONSTVAL_B1_ = 1'b0;
    parameter _TECHMAP_CONSTMSK_C1_ = 1'b0, _TECHMAP_CONSTVAL_C1_ = 1'b0;
    parameter _TECHMAP_CONSTMSK_D1_ = 1'b0, _TECHMAP_CONSTVAL_D1_ = 1'b0;

    // Inputs D, C, B, A that are 0.
    localparam [3:0] ZERO0 = {
        _TECHMAP_CONSTMSK_D0_ && _TECHMAP_CONSTVAL_D0_ === 1'b0, _TECHMAP_CONSTMSK_C0_ && _TECHMAP_CONSTVAL_C0_ === 1'b0,
        _TECHMAP_CONSTMSK_B0_ && _TECHMAP_CONSTVAL_B0_ === 1'b0, _TECHMAP_CONSTMSK_A0_ && _TECHMAP_CONSTVAL_A0_ === 1'b0};
    localparam [3:0] ZERO1 = {
        _TECHMAP_CONSTMSK_D1_ && _TECHMAP_CONSTVAL_D1_ === 1'b0, _TECHMAP_CONSTMSK_C1_ && _TECHMAP_CONSTVAL_C1_ === 1'b0,
        _TECHMAP_CONSTMSK_B1_ && _TECHMAP_CONSTVAL_B1_ === 1'b0, _TECHMAP_CONSTMSK_A1_ && _TECHMAP_CONSTVAL_A1_ === 1'b0};
    wire _TECHMAP_FAIL_ = !ZERO0 && !ZERO1;

    // The table that gives for ones what it gave for zeros. Its first four bits, from which the carry is generated
    // whatever C and D are, stay what they are for C and D.
    function [15:0] with_ones(input [15:0] init, input [3:0] zero);
        integer i;
        for (i = 0; i < 16; i = i + 1)
            with_ones[i] = init[i & ~((i & 12) == 0 ? zero & 3 : zero)];
    endfunction

    CCU2C #(.INIT0(with_ones(INIT0, ZERO0)), .INIT1(with_ones(INIT1, ZERO1)),
            .INJECT1_0(INJECT1_0), .INJECT1_1(INJECT1_1)) _TECHMAP_REPLACE_ (
        .CIN(CIN), .S0(S0), .S1(S1), .COUT(COUT),
        .A0(A0 | ZERO0[0]), .B0(B0 | ZERO0[1]), .C0(C0 | ZERO0[2]), .D0(D0 | ZERO0[3]),
        .A1(A1 | ZERO1[0]), .B1(B1 | ZERO1[1]), .C1(C1 | ZERO1[2]), .D1(D1 | ZERO1[3]));
endmodule
