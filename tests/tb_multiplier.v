// All pairs of factors through a multiplier, one a cycle in each of its products, b held now and then; of wide factors
// all pairs of extremes, and pairs that are spread over them. It must have each product after LATENCY cycles. Ends with
// PASS, or with the first wrong product.
module tb_multiplier;
    parameter WIDTH = 8, PRODUCTS = 1, HELD = 0, LATENCY = 3;
    localparam WIDE = WIDTH > 9;
    localparam PAIRS = WIDE ? 1 << 18 : 1 << 2 * WIDTH;

    reg clk = 0;
    reg [WIDTH*PRODUCTS-1:0] a = 0, b = 0;
    reg load = 1;
    wire [2*WIDTH*PRODUCTS-1:0] product;
    dut dut(.clk(clk), .a(a), .b(b), .load(load), .product(product));

    // What the products must be, newest first; the factors b in use.
    reg [2*WIDTH*PRODUCTS-1:0] expected [0:LATENCY-1];
    reg signed [WIDTH-1:0] active [0:PRODUCTS-1];
    reg signed [WIDTH-1:0] factor;
    integer t, n, stage;

    // The number's low two bits choose an extreme.
    function signed [WIDTH-1:0] extreme(input integer number);
        case (number & 3)
            0: extreme = 1 << WIDTH - 1;
            1: extreme = (1 << WIDTH - 1) - 1;
            2: extreme = -1;
            default: extreme = 1;
        endcase
    endfunction

    function signed [WIDTH-1:0] spread(input integer number, input [31:0] odd);
        spread = (number * odd) >> 32 - WIDTH;
    endfunction

    initial begin
        for (t = 0; t < PAIRS + LATENCY; t = t + 1) begin
            // Without holding, b runs through its values fast and a slowly; with it, the other way round.
            load = !HELD || t % (1 << WIDTH) == 0;
            for (n = 0; n < PRODUCTS; n = n + 1) begin
                factor = WIDE ? (t < 16 ? extreme(t) : spread(t, 32'h9e3779b1)) : (HELD ? t : t >> WIDTH) + 77 * n;
                a[WIDTH*n +: WIDTH] = factor;
                if (load) active[n] = WIDE ? (t < 16 ? extreme(t >> 2) : spread(t, 32'h85ebca6b))
                                           : (HELD ? t >> WIDTH : t) - 5 * n;
                b[WIDTH*n +: WIDTH] = load ? active[n] : ~active[n];
                expected[0][2*WIDTH*n +: 2*WIDTH] = factor * active[n];
            end
            #1 clk = 1;
            #1 clk = 0;
            if (t >= LATENCY - 1 && product !== expected[LATENCY-1]) begin
                $display("FAIL at %0d: %h instead of %h", t, product, expected[LATENCY-1]);
                $finish;
            end
            for (stage = LATENCY - 1; stage > 0; stage = stage - 1) expected[stage] = expected[stage-1];
        end
        $display("PASS");
        $finish;
    end
endmodule
