/* What works on single rows: gates, norms and widening, for one instruction set. */

FN void NAME(save)(void *to, int half, int64_t i, VEC values) {
    if (!half)
        *(VEC *)((float *)to + i) = values;
    else
        for (int lane = 0; lane < LANES; lane++) put(to, 1, i + lane, values[lane]);
}

/* y[to + i] = silu(x[from + i]) * x[from + width + i]. */
static TARGET void NAME(gate)(const void *x, void *y, int half, int64_t from, int64_t to,
                              int64_t width) {
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) {
        VEC gate = NAME(load)(x, half, from + i), up = NAME(load)(x, half, from + width + i);
        VEC silu = gate / (1.0f + NAME(exponential)(-gate));
        for (int lane = 0; half && lane < LANES; lane++) silu[lane] = rounded(silu[lane], 1);
        NAME(save)(y, half, to + i, silu * up);
    }
    for (; i < width; i++) {
        float gate = get(x, half, from + i), silu = gate / (1 + expf(-gate));
        put(y, half, to + i, rounded(silu, half) * get(x, half, from + width + i));
    }
}

/* y = weight * x / rms(x) for the row that starts at `at`; see mason_norm. */
static TARGET void NAME(norm)(const void *x, const void *weight, void *y, int half, int64_t at,
                              int64_t width, double epsilon, double offset) {
    VEC squares = {0};
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) {
        VEC part = NAME(load)(x, half, at + i);
        squares += part * part;
    }
    float sum = NAME(total)(squares);
    for (; i < width; i++) sum += get(x, half, at + i) * get(x, half, at + i);
    float by = 1 / sqrt((double)sum / width + epsilon);
    for (i = 0; i + LANES <= width; i += LANES) {
        VEC normed = NAME(load)(x, half, at + i) * by;
        /* As the plain path rounds: without an offset the normed row first. */
        for (int lane = 0; half && offset == 0 && lane < LANES; lane++)
            normed[lane] = rounded(normed[lane], 1);
        NAME(save)(y, half, at + i, normed * ((float)offset + NAME(load)(weight, half, i)));
    }
    for (; i < width; i++) {
        float normed = get(x, half, at + i) * by;
        if (offset == 0) normed = rounded(normed, half);
        put(y, half, at + i, normed * ((float)offset + get(weight, half, i)));
    }
}

/* wide[at + i] = weight[at + i] * scale. */
static TARGET void NAME(widen)(const int8_t *weight, float scale, void *wide, int half, int64_t at,
                               int64_t width) {
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES)
        NAME(save)(wide, half, at + i, NAME(load_int8)(weight + at + i) * scale);
    for (; i < width; i++) put(wide, half, at + i, weight[at + i] * scale);
}
