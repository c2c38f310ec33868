/* Products of weights of one KIND, held as WEIGHT, for one instruction set. */
#define OF(stem) NAME(PASTE(stem, KIND))

/* sums[o * rows + r]: `outputs` rows of weights, `apart` rows of them from each other, times
 * `rows` rows of x. The counts are constants where it is used, so that the sums stay in registers.
 * Whatever they are, a sum adds its products in one order: what a row gives does not depend on the
 * rows beside it. */
FN void OF(tile)(const WEIGHT *weight, int64_t apart, int64_t ahead, const float *x, int64_t inputs,
                 int outputs, int rows, float *sums) {
    VEC sum[16] = {0};
    int64_t k = 0, step = apart * inputs;
    for (; k + LANES <= inputs; k += LANES)
#pragma GCC unroll 8
        for (int o = 0; o < outputs; o++) {
            const WEIGHT *from = weight + o * step + k;
            if (k % (int64_t)(64 / sizeof(WEIGHT)) == 0) /* once a line; into the second cache */
                __builtin_prefetch((const char *)from + ahead, 0, 2);
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
            for (int64_t i = k; i < inputs; i++) /* rounded once, however many rows there are */
                all = fmaf(PASTE(one, KIND)(weight[o * step + i]), x[r * inputs + i], all);
            sums[o * rows + r] = all;
        }
}

/* The tiles of `rows` rows from `row` on. `outputs` outputs at once lie far from each other, each
 * the next of a run of its own: memory gives several long runs faster than one. */
FN void OF(strip)(const Product *job, int64_t first, int64_t last, int64_t row, int outputs,
                  int rows) {
    const float *x = job->x + row * job->inputs;
    const WEIGHT *weight = (const WEIGHT *)job->weight + first * job->inputs;
    int64_t run = (last - first) / outputs, o = 0;
    int64_t ahead = last - first > BLOCK ? AHEAD : BLOCK * job->inputs * (int64_t)sizeof(WEIGHT);
    float sums[16];
    for (; o < run; o++) {
        OF(tile)(weight + o * job->inputs, run, ahead, x, job->inputs, outputs, rows, sums);
        finish(job, first + o, run, row, outputs, rows, sums);
    }
    for (o = run * outputs; o < last - first; o++) {
        OF(tile)(weight + o * job->inputs, 0, ahead, x, job->inputs, 1, rows, sums);
        finish(job, first + o, 0, row, 1, rows, sums);
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
