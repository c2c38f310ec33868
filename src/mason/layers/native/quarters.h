/* Products of weights in 4 bits, in groups of 32 inputs with a step and a lowest value each, for
 * one instruction set. Lanes are outputs, so that nothing is added across them; whatever rows are
 * beside it, a row's products are added in one order. */
#if LANES == 16
#define SOME 4 /* rows at once: as many sums as there are registers for */
/* Number `i` of each eight: a permutation looks at the lowest 4 bits of its places alone. */
FN VEC NAME(quarter)(NAME(ints) eight, int i) {
    const __m512 values = _mm512_set_ps(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return (VEC)_mm512_permutexvar_ps(_mm512_srli_epi32((__m512i)eight, 4 * i), values);
}
#elif LANES == 8
#define SOME 2
FN VEC NAME(quarter)(NAME(ints) eight, int i) {
    return (VEC)_mm256_cvtepi32_ps((__m256i)(eight >> 4 * i & 15));
}
#else
#define SOME 2
FN VEC NAME(quarter)(NAME(ints) eight, int i) {
    VEC wide;
    for (int lane = 0; lane < LANES; lane++) wide[lane] = eight[lane] >> 4 * i & 15;
    return wide;
}
#endif

/* Numbers of 16 bits with 5 of exponent; none is infinite. */
FN VEC NAME(load_fp16)(const uint16_t *from) {
    NAME(ints) bits = (NAME(ints))NAME(load_bf16)(from);
    VEC size = (VEC)((bits & 0x7fff0000) >> 3) * 0x1p112f;
    return (VEC)((NAME(ints))size | (bits & INT32_MIN));
}

/* LANES outputs from `lane` of a block on, for `rows` rows. */
FN void NAME(lanes)(const Quarters *job, int64_t block, int64_t lane, int64_t row, int rows) {
    const float *x = job->x + row * job->depth;
    int64_t groups = job->depth / GROUP;
    VEC sum[SOME] = {0};
    for (int64_t g = 0; g < groups; g++) {
        int64_t at = block * groups + g;
        const int32_t *from = job->packed + at * GROUP / 8 * BLOCK + lane;
        const uint16_t *grid = job->grid + at * 2 * BLOCK + lane;
        VEC part[SOME][4] = {0};
        __builtin_prefetch((const char *)grid + AHEAD / 4);
#pragma GCC unroll 4
        for (int j = 0; j < GROUP / 8; j++) {
            __builtin_prefetch((const char *)(from + j * BLOCK) + AHEAD);
            NAME(ints) eight = *(const NAME(ints) *)(from + j * BLOCK);
#pragma GCC unroll 8
            for (int i = 0; i < 8; i++) {
                VEC weight = NAME(quarter)(eight, i);
#pragma GCC unroll 4
                for (int r = 0; r < rows; r++)
                    part[r][i % 4] += weight * x[r * job->depth + g * GROUP + j * 8 + i];
            }
        }
        VEC step = NAME(load_fp16)(grid), low = NAME(load_fp16)(grid + BLOCK);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
            sum[r] += step * ((part[r][0] + part[r][1]) + (part[r][2] + part[r][3])) +
                      low * job->totals[(row + r) * groups + g];
    }
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < LANES; i++) {
            int64_t output = block * BLOCK + lane + i;
            if (output >= job->outputs) break;
            float bias = job->bias == NULL ? 0 : get(job->bias, job->half, output);
            put(job->y, job->half, (row + r) * job->outputs + output, sum[r][i] + bias);
        }
}

/* Blocks `first` to `last` of all rows. */
static TARGET void NAME(quarters)(const Quarters *job, int64_t first, int64_t last) {
    for (int64_t block = first; block < last; block++)
        for (int64_t lane = 0; lane < BLOCK; lane += LANES) {
            int64_t row = 0;
            for (; row + SOME <= job->rows; row += SOME) NAME(lanes)(job, block, lane, row, SOME);
            for (; row < job->rows; row++) NAME(lanes)(job, block, lane, row, 1);
        }
}
#undef SOME
