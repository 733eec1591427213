// Icarus knows no default values of ports; yosys' models for iCE40 leave them out on this.
`define NO_ICE40_DEFAULT_ASSIGNMENTS
