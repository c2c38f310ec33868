/* Products of many rows in bf16 with packed weights in bf16, for one instruction set; sums are
 * fp32. Weights lie as [blocks of 16 outputs, inputs / 2, 16, 2]. */
#if defined(USE_TILES)
/* What 16 outputs of a row are, by their sums. */
FN VEC NAME(settled)(const Bf16Product *job, int64_t block, const float *sums) {
    VEC out = NAME(load_fp32)(sums) + NAME(load_fp32)(job->biases + block * BLOCK);
    return job->activation == PLAIN ? out : NAME(activated)(out, job->activation);
}

/* Two blocks of a row into y. */
FN void NAME(settle_two)(const Bf16Product *job, int64_t row, const int64_t *blocks,
                         const float *sums) {
    int64_t at = row * job->outputs + blocks[0] * BLOCK;
    VEC two[2] = {NAME(settled)(job, blocks[0], sums),
                  NAME(settled)(job, blocks[1], sums + 16 * BLOCK)};
    if (job->half) {
        __m512i line = NAME(halved)((__m512)two[0], (__m512)two[1]);
        _mm512_storeu_si512((uint16_t *)job->y + at, line);
        return;
    }
    for (int b = 0; b < 2; b++) {
        int64_t left = job->outputs - blocks[b] * BLOCK;
        float *to = (float *)job->y + row * job->outputs + blocks[b] * BLOCK;
        if (left >= BLOCK)
            *(VEC *)to = two[b];
        else
            for (int64_t i = 0; i < left; i++) to[i] = two[b][i];
    }
}

/* 32 rows and 32 outputs at once; what is beyond the last is computed and not kept. */
FN void NAME(bf16_tiles)(const Bf16Product *job, int64_t row, int64_t block, int64_t second) {
    int64_t depth = job->depth;
    const uint16_t *x = job->x + row * depth;
    const uint16_t *upper = job->packed + block * BLOCK * depth;
    const uint16_t *lower = job->packed + second * BLOCK * depth;
    NAME(zero_sums)();
    for (int64_t k = 0; k < depth; k += 32) {
        if (row == 0) {
            NAME(fetch)((const char *)(upper + (2 * depth + k) * BLOCK));
            NAME(fetch)((const char *)(lower + (2 * depth + k) * BLOCK));
        }
        _tile_loadd(4, x + k, 2 * depth);
        _tile_loadd(6, upper + k * BLOCK, LINE);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, lower + k * BLOCK, LINE);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, x + 16 * depth + k, 2 * depth);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    float sums[4][16 * BLOCK] __attribute__((aligned(64)));
    NAME(store_sums)(sums);
    int64_t blocks[2] = {block, second};
    for (int64_t r = 0; r < 32 && row + r < job->rows; r++)
        NAME(settle_two)(job, row + r, blocks, sums[r / 16 * 2] + r % 16 * BLOCK);
}

/* Blocks `first` to `last` of all rows, two at once; the last of an odd number is its own other. */
static TARGET void NAME(bf16_product)(const Bf16Product *job, int64_t first, int64_t last) {
    NAME(configure)();
    for (int64_t block = first; block < last; block += 2)
        for (int64_t row = 0; row < job->rows; row += 32)
            NAME(bf16_tiles)(job, row, block, block + 1 < last ? block + 1 : block);
    _tile_release();
}

/* A row in bf16, with zeros up to `depth`. */
static TARGET void NAME(to_bf16_row)(const float *x, int64_t width, int64_t depth, uint16_t *to) {
    int64_t i = 0;
    for (; i + 32 <= width; i += 32)
        _mm512_storeu_si512(to + i,
                            NAME(halved)(_mm512_loadu_ps(x + i), _mm512_loadu_ps(x + i + 16)));
    for (; i < depth; i++) to[i] = i < width ? to_bf16(x[i]) : 0;
}
#endif
