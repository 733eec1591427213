// The LUTs inside yosys' model of CCU2C; Icarus cannot read the file in which yosys has them.
module LUT4(input A, B, C, D, output Z);
    parameter [15:0] INIT = 0;
    assign Z = INIT[{D, C, B, A}];
endmodule

module LUT2(input A, B, output Z);
    parameter [3:0] INIT = 0;
    assign Z = INIT[{B, A}];
endmodule
