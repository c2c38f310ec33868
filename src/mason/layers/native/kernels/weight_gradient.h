/* The gradient of a weight, by tiles: rows of gradients and of inputs in bf16, multiplied and
 * summed over the rows in fp32. Both are read once for each block of rows, and laid as products
 * want them.
 */
#if defined(USE_TILES)
/* 32 rows of 16 features, of which `rows` and `features` are there, as a paired tile. */
FN void NAME(pair_some)(const uint16_t *from, int64_t stride, int64_t rows, int64_t features,
                        uint16_t *to) {
    __mmask16 lanes = features >= 16 ? 0xffff : features > 0 ? (1u << features) - 1 : 0;
    for (int64_t p = 0; p < 16; p++) {
        __mmask16 even = 2 * p < rows ? lanes : 0, odd = 2 * p + 1 < rows ? lanes : 0;
        __m256i low = _mm256_maskz_loadu_epi16(even, from + 2 * p * stride);
        __m256i high = _mm256_maskz_loadu_epi16(odd, from + (2 * p + 1) * stride);
        _mm512_storeu_si512(to + 32 * p,
                            _mm512_or_si512(_mm512_cvtepu16_epi32(low),
                                            _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16)));
    }
}

/* Columns 32 * `panel` and the 31 after it of a block of inputs: [rows / 32, 2] paired tiles. */
static TARGET void NAME(lay_inputs)(const WeightGradient *job, int64_t first, int64_t count,
                                    int64_t panel, uint16_t *to) {
    for (int64_t t = 0; t < count; t += 32)
        for (int64_t half = 0; half < 2; half++) {
            int64_t at = 32 * panel + 16 * half;
            NAME(pair_some)(job->x + (first + t) * job->inputs + at, job->inputs, count - t,
                            job->inputs - at, to + (t / 32 * 2 + half) * 512);
        }
}

/* 32 outputs' gradients of all inputs, from a block of rows. */
static TARGET void NAME(weight_gradient)(const WeightGradient *job, int64_t first, int64_t count,
                                         int64_t output, const uint16_t *laid, int add) {
    uint16_t paired[512], left[2 * GRADIENT_ROWS / 32 * 512];
    int64_t steps = (count + 31) / 32, inputs = job->inputs, left_out = job->outputs - output;
    for (int64_t t = 0; t < steps; t++)
        for (int64_t half = 0; half < 2; half++) {
            int64_t at = output + 16 * half;
            NAME(pair_some)(job->grad + (first + 32 * t) * job->outputs + at, job->outputs,
                            count - 32 * t, job->outputs - at, paired);
            NAME(turn)(paired, left + (2 * t + half) * 512);
        }
    NAME(configure)();
    for (int64_t i = 0; i < inputs; i += 32) {
        const uint16_t *right = laid + i / 32 * steps * 1024;
        float *to = job->out + output * inputs + i, some[1024];
        if (left_out >= 32 && inputs - i >= 32) {
            NAME(square)(left, 512, 1024, right, 512, 1024, steps, to, 16 * inputs, 16, 4 * inputs,
                         add);
            continue;
        }
        NAME(square)(left, 512, 1024, right, 512, 1024, steps, some, 512, 16, 128, 0);
        for (int64_t o = 0; o < 32 && o < left_out; o++)
            for (int64_t k = 0; k < 32 && i + k < inputs; k++)
                to[o * inputs + k] = some[32 * o + k] + (add ? to[o * inputs + k] : 0);
    }
    _tile_release();
}
#endif
