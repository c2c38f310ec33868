/* The gated activation of one row, for one instruction set. */

/* y[to + i] = silu(x[from + i]) * x[from + width + i]. */
static TARGET void NAME(gate)(const void *x, void *y, int half, int64_t from, int64_t to,
                              int64_t width) {
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) {
        VEC gate = NAME(load)(x, half, from + i), up = NAME(load)(x, half, from + width + i);
        VEC silu = gate / (1.0f + NAME(exponential)(-gate));
        for (int lane = 0; lane < LANES; lane++)
            put(y, half, to + i + lane, rounded(silu[lane], half) * up[lane]);
    }
    for (; i < width; i++) {
        float gate = get(x, half, from + i), silu = gate / (1 + expf(-gate));
        put(y, half, to + i, rounded(silu, half) * get(x, half, from + width + i));
    }
}
