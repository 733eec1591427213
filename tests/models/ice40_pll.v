// Lattice iCE40 SB_PLL40_PAD as a wire: the clock that comes in is the one that is wanted, and it is stable after a
// while. In front of yosys' file, which has the module without contents: Verilator takes the first one.
module SB_PLL40_PAD(input PACKAGEPIN, RESETB, BYPASS, output PLLOUTGLOBAL, LOCK);
    parameter FEEDBACK_PATH = "", PLLOUT_SELECT = "", DIVR = 0, DIVF = 0, DIVQ = 0, FILTER_RANGE = 0;

    reg [3:0] cycles = 0;
    always @(posedge PACKAGEPIN) if (RESETB && !LOCK) cycles <= cycles + 1;
    assign PLLOUTGLOBAL = PACKAGEPIN;
    assign LOCK = &cycles;
endmodule
