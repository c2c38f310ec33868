/* What works on single rows: gates, norms and widening, for one instruction set. */

FN void NAME(save)(void *to, int half, int64_t i, VEC values) {
    if (!half) *(VEC *)((float *)to + i) = values;
#if LANES == 16
    else {
        __m512i bits = (__m512i)values, one = _mm512_set1_epi32(1);
        __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), one);
        __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
        __mmask16 none = _mm512_cmp_ps_mask((__m512)values, (__m512)values, _CMP_UNORD_Q);
        up = _mm512_mask_set1_epi32(_mm512_srli_epi32(up, 16), none, 0x7fc0);
        _mm256_storeu_si256((void *)((uint16_t *)to + i), _mm512_cvtepi32_epi16(up));
    }
#else
    else
        for (int lane = 0; lane < LANES; lane++) put(to, 1, i + lane, values[lane]);
#endif
}

/* y[to + i] = silu(x[from + i]) * x[from + width + i]. */
static TARGET void NAME(gate)(const void *x, void *y, int half, int64_t from, int64_t to,
                              int64_t width) {
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) {
        VEC gate = NAME(load)(x, half, from + i), up = NAME(load)(x, half, from + width + i);
        VEC silu = gate * NAME(inverse)(1.0f + NAME(exponential)(-gate));
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

/* A group's codes of one output as numbers; eight lie in each integer, BLOCK integers apart. */
static TARGET void NAME(widen_int4)(const int32_t *packed, float step, float low, void *wide,
                                    int half, int64_t at) {
    for (int i = 0; i < GROUP; i += LANES) {
        NAME(ints) codes, by;
        for (int lane = 0; lane < LANES; lane++) {
            codes[lane] = packed[(i + lane) / 8 * BLOCK];
            by[lane] = 4 * ((i + lane) % 8);
        }
        codes = (codes >> by & 15) | 0x4b000000; /* 2^23 and the code, as the bits of a float */
        NAME(save)(wide, half, at + i, ((VEC)codes - 0x1p23f) * step + low);
    }
}

/* The largest of some numbers. */
FN float NAME(largest)(const float *x, int64_t count) {
    VEC most = (VEC){0} - INFINITY;
    float largest = -INFINITY;
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) most = -NAME(least)(-most, -NAME(load_fp32)(x + i));
    for (int lane = 0; lane < LANES; lane++) largest = most[lane] > largest ? most[lane] : largest;
    for (; i < count; i++) largest = x[i] > largest ? x[i] : largest;
    return largest;
}

/* Where the first of the largest numbers is, and the logarithm of its share of e to each. */
static TARGET int64_t NAME(likeliest)(const float *x, int64_t width, float *likely) {
    const int64_t few = 1024; /* numbers that are searched one by one */
    float most = -INFINITY, sum = 0;
    int64_t found = 0, i = 0;
    for (int64_t start = 0; start < width; start += few) {
        float largest = NAME(largest)(x + start, width - start < few ? width - start : few);
        if (largest > most) most = largest, found = start;
    }
    while (found + 1 < width && x[found] != most) found++;
    VEC sums = {0};
    for (; i + LANES <= width; i += LANES) sums += NAME(exponential)(NAME(load_fp32)(x + i) - most);
    for (sum = NAME(total)(sums); i < width; i++) sum += expf(x[i] - most);
    *likely = -logf(sum);
    return found;
}
