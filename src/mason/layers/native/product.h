/* Products of weights of one KIND, held as WEIGHT, for one instruction set. */
#define OF(stem) NAME(PASTE(stem, KIND))

/* sums[o * rows + r]: `outputs` rows of weights times `rows` rows of x. The counts are constants
 * where it is used, so that the sums stay in registers. Whatever they are, a sum adds its
 * products in one order: what a row gives does not depend on the rows beside it. */
FN void OF(tile)(const WEIGHT *weight, const float *x, int64_t inputs, int outputs, int rows,
                 float *sums) {
    VEC even[8] = {0}, odd[8] = {0};
    int64_t k = 0, size = outputs * inputs * (int64_t)sizeof(WEIGHT);
    int64_t ahead = (AHEAD + size - 1) / size * size;
    for (; k + 2 * LANES <= inputs; k += 2 * LANES)
#pragma GCC unroll 4
        for (int o = 0; o < outputs; o++) {
            const WEIGHT *from = weight + o * inputs + k;
            __builtin_prefetch((const char *)from + ahead);
            VEC first = OF(load)(from), second = OF(load)(from + LANES);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                even[o * rows + r] += first * NAME(load_fp32)(x + r * inputs + k);
                odd[o * rows + r] += second * NAME(load_fp32)(x + r * inputs + k + LANES);
            }
        }
#pragma GCC unroll 4
    for (int o = 0; o < outputs; o++)
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            float sum = NAME(total)(even[o * rows + r] + odd[o * rows + r]);
            for (int64_t i = k; i < inputs; i++)
                sum += PASTE(one, KIND)(weight[o * inputs + i]) * x[r * inputs + i];
            sums[o * rows + r] = sum;
        }
}

/* The tiles of `rows` rows from `row` on, `outputs` outputs at once and the last ones singly. */
FN void OF(strip)(const Product *job, int64_t first, int64_t last, int64_t row, int outputs,
                  int rows) {
    const float *x = job->x + row * job->inputs;
    int64_t o = first;
    float sums[8];
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
    int64_t row = 0;
    for (; row + 4 <= job->rows; row += 4) OF(strip)(job, first, last, row, LANES == 16 ? 2 : 1, 4);
    for (; row + 2 <= job->rows; row += 2) OF(strip)(job, first, last, row, 2, 2);
    for (; row < job->rows; row++) OF(strip)(job, first, last, row, 4, 1);
}

#undef OF
#undef KIND
#undef WEIGHT
