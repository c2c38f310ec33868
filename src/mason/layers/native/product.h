/* Products of weights of one KIND, held as WEIGHT, for one instruction set. */
#define OF(stem) NAME(PASTE(stem, KIND))

/* sums[o * rows + r]: `outputs` rows of weights times `rows` rows of x. The counts are constants
 * where it is used, so that the sums stay in registers. Whatever they are, a sum adds its
 * products in one order: what a row gives does not depend on the rows beside it. */
FN void OF(tile)(const WEIGHT *weight, const float *x, int64_t inputs, int outputs, int rows,
                 float *sums) {
    VEC sum[16] = {0};
    int64_t k = 0, size = outputs * inputs * (int64_t)sizeof(WEIGHT);
    int64_t ahead = (AHEAD + size - 1) / size * size;
    for (; k + LANES <= inputs; k += LANES)
#pragma GCC unroll 8
        for (int o = 0; o < outputs; o++) {
            const WEIGHT *from = weight + o * inputs + k;
            __builtin_prefetch((const char *)from + ahead);
            VEC part = OF(load)(from);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++)
                sum[o * rows + r] += part * NAME(load_fp32)(x + r * inputs + k);
        }
#pragma GCC unroll 8
    for (int o = 0; o < outputs; o++)
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            float all = NAME(total)(sum[o * rows + r]);
            for (int64_t i = k; i < inputs; i++)
                all += PASTE(one, KIND)(weight[o * inputs + i]) * x[r * inputs + i];
            sums[o * rows + r] = all;
        }
}

/* The tiles of `rows` rows from `row` on, `outputs` outputs at once and the last ones singly. */
FN void OF(strip)(const Product *job, int64_t first, int64_t last, int64_t row, int outputs,
                  int rows) {
    const float *x = job->x + row * job->inputs;
    int64_t o = first;
    float sums[16];
    for (; o + outputs <= last; o += outputs) {
        OF(tile)((const WEIGHT *)job->weight + o * job->inputs, x, job->inputs, outputs, rows, sums);
        finish(job, o, row, outputs, rows, sums);
    }
    for (; o < last; o++) {
        OF(tile)((const WEIGHT *)job->weight + o * job->inputs, x, job->inputs, 1, rows, sums);
        finish(job, o, row, 1, rows, sums);
    }
}

/* Outputs `first` to `last` of all rows; the weights come from memory once. */
static TARGET void OF(product)(const Product *job, int64_t first, int64_t last) {
    const int wide = LANES == 16 ? 4 : 2; /* as many sums as there are registers for */
    int64_t row = 0;
    for (; row + 4 <= job->rows; row += 4) OF(strip)(job, first, last, row, wide, 4);
    for (; row + 2 <= job->rows; row += 2) OF(strip)(job, first, last, row, 4, 2);
    for (; row < job->rows; row++) OF(strip)(job, first, last, row, 8, 1);
}

#undef OF
#undef KIND
#undef WEIGHT
