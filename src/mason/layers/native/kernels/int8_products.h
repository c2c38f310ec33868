/* Products of rows in 8 bits with weights in 8 bits, for one instruction set.
 *
 * Sums are of whole numbers and so exact: every instruction set gives the same, and a row gives
 * the same whatever rows are beside it. Weights lie as [blocks of 16 outputs, inputs / 4, 16, 4].
 */

/* y = activation((x * step + low * total) * scale + bias), for 16 outputs of a row. */
FN void NAME(settle)(const Int8Product *job, int64_t row, int64_t block, const int32_t *sums) {
    float step = job->steps[row], low = job->lows[row];
    int64_t first = block * BLOCK, left = job->outputs - first;
    float out[BLOCK];
    for (int o = 0; o < BLOCK; o++)
        out[o] = (sums[o] * step + job->totals[first + o] * low) * job->scales[first + o] +
                 job->biases[first + o];
    float *to = job->y + row * job->outputs + first;
    for (int o = 0; o < BLOCK; o += LANES) {
        VEC part = NAME(load_fp32)(out + o);
        if (job->activation != PLAIN) part = NAME(activated)(part, job->activation);
        if (left >= BLOCK)
            *(VEC *)(to + o) = part;
        else
            *(VEC *)(out + o) = part;
    }
    if (left < BLOCK) memcpy(to, out, sizeof(float) * left);
}

#if defined(USE_TILES)
/* Eight tiles of 16 lines of 64 bytes. */
FN void NAME(configure)(void) {
    static const struct {
        uint8_t palette, start, rest[14];
        uint16_t columns[16];
        uint8_t rows[16];
    } shape = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&shape);
}

/* The sums of a product, two tiles by two. */
FN void NAME(zero_sums)(void) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

/* The same to four tiles in memory, one after the other. */
FN void NAME(store_sums)(void *to) {
    _tile_stored(0, to, LINE);
    _tile_stored(1, (char *)to + TILE, LINE);
    _tile_stored(2, (char *)to + 2 * TILE, LINE);
    _tile_stored(3, (char *)to + 3 * TILE, LINE);
}

/* 32 rows and 32 outputs at once, or half of either; what is beyond the last is not kept. */
FN void NAME(tiles)(const Int8Product *job, int64_t row, int64_t block, int64_t last) {
    int64_t depth = job->depth, size = BLOCK * depth;
    const uint8_t *x = job->x + row * depth;
    const int8_t *weight = job->packed + block * size;
    int lower = row + 16 < job->rows, second = block + 1 < last;
    NAME(zero_sums)();
    for (int64_t k = 0; k < depth; k += 64) {
        _tile_loadd(4, x + k, depth);
        _tile_loadd(6, weight + k * BLOCK, 64);
        _tile_dpbusd(0, 4, 6);
        if (second) {
            _tile_loadd(7, weight + size + k * BLOCK, 64);
            _tile_dpbusd(1, 4, 7);
        }
        if (lower) {
            _tile_loadd(5, x + 16 * depth + k, depth);
            _tile_dpbusd(2, 5, 6);
            if (second) _tile_dpbusd(3, 5, 7);
        }
    }
    int32_t sums[4][16 * BLOCK];
    NAME(store_sums)(sums);
    for (int64_t r = 0; r < 32 && row + r < job->rows; r++)
        for (int64_t b = 0; b < 2 && block + b < last; b++)
            NAME(settle)(job, row + r, block + b, sums[r / 16 * 2 + b] + r % 16 * BLOCK);
}

static TARGET void NAME(int8_product)(const Int8Product *job, int64_t first, int64_t last) {
    NAME(configure)();
    for (int64_t block = first; block < last; block += 2)
        for (int64_t row = 0; row < job->rows; row += 32) NAME(tiles)(job, row, block, last);
    _tile_release();
}
#else
#if defined(USE_DOTS)
#define MANY WIDE_ROWS
/* Some rows and two blocks of outputs. */
FN void NAME(dots)(const Int8Product *job, int64_t row, int64_t block, int blocks, int rows) {
    int64_t depth = job->depth, size = BLOCK * depth;
    const uint8_t *x = job->x + row * depth;
    const int8_t *weight = job->packed + block * size;
    __m512i sums[2 * WIDE_ROWS];
    for (int i = 0; i < blocks * rows; i++) sums[i] = _mm512_setzero_si512();
    for (int64_t k = 0; k < depth; k += 4)
#pragma GCC unroll 2
        for (int b = 0; b < blocks; b++) {
            __m512i from = _mm512_loadu_si512(weight + b * size + k * BLOCK);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                int32_t four;
                memcpy(&four, x + r * depth + k, 4);
                sums[b * rows + r] =
                    _mm512_dpbusd_epi32(sums[b * rows + r], _mm512_set1_epi32(four), from);
            }
        }
    int32_t kept[BLOCK];
    for (int b = 0; b < blocks; b++)
        for (int r = 0; r < rows; r++) {
            _mm512_storeu_si512(kept, sums[b * rows + r]);
            NAME(settle)(job, row + r, block + b, kept);
        }
}
#elif LANES >= 8
#define MANY 2
/* Some rows and a block of outputs; products of 16 bits, for those of 8 would not hold them. */
FN void NAME(dots)(const Int8Product *job, int64_t row, int64_t block, int blocks, int rows) {
    int64_t depth = job->depth, size = BLOCK * depth;
    const uint8_t *x = job->x + row * depth;
    for (int b = 0; b < blocks; b++) {
        const int8_t *weight = job->packed + (block + b) * size;
        __m256i sums[4 * WIDE_ROWS];
        for (int i = 0; i < 4 * rows; i++) sums[i] = _mm256_setzero_si256();
        for (int64_t k = 0; k < depth; k += 4)
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                int32_t four;
                memcpy(&four, x + r * depth + k, 4);
                __m256i wide = _mm256_broadcastq_epi64(_mm_cvtepu8_epi16(_mm_cvtsi32_si128(four)));
#pragma GCC unroll 4
                for (int part = 0; part < 4; part++) {
                    const void *at = weight + k * BLOCK + 16 * part;
                    __m256i from = _mm256_cvtepi8_epi16(_mm_loadu_si128(at));
                    sums[4 * r + part] =
                        _mm256_add_epi32(sums[4 * r + part], _mm256_madd_epi16(wide, from));
                }
            }
        int32_t halves[2 * BLOCK], kept[BLOCK];
        for (int r = 0; r < rows; r++) {
            for (int part = 0; part < 4; part++)
                _mm256_storeu_si256((void *)(halves + 8 * part), sums[4 * r + part]);
            for (int o = 0; o < BLOCK; o++) kept[o] = halves[2 * o] + halves[2 * o + 1];
            NAME(settle)(job, row + r, block + b, kept);
        }
    }
}
#else
#define MANY 2
FN void NAME(dots)(const Int8Product *job, int64_t row, int64_t block, int blocks, int rows) {
    int64_t depth = job->depth;
    for (int b = 0; b < blocks; b++)
        for (int r = 0; r < rows; r++) {
            const uint8_t *x = job->x + (row + r) * depth;
            const int8_t *weight = job->packed + (block + b) * BLOCK * depth;
            int32_t kept[BLOCK] = {0};
            for (int64_t k = 0; k < depth; k += 4)
                for (int o = 0; o < BLOCK; o++)
                    for (int i = 0; i < 4; i++) kept[o] += x[k + i] * weight[k * BLOCK + 4 * o + i];
            NAME(settle)(job, row + r, block + b, kept);
        }
}
#endif

FN void NAME(all_rows)(const Int8Product *job, int64_t block, int blocks) {
    int64_t row = 0;
    for (; row + MANY <= job->rows; row += MANY) NAME(dots)(job, row, block, blocks, MANY);
    for (; row + 2 <= job->rows; row += 2) NAME(dots)(job, row, block, blocks, 2);
    for (; row < job->rows; row++) NAME(dots)(job, row, block, blocks, 1);
}

static TARGET void NAME(int8_product)(const Int8Product *job, int64_t first, int64_t last) {
    int64_t block = first;
    for (; block + 2 <= last; block += 2) NAME(all_rows)(job, block, 2);
    if (block < last) NAME(all_rows)(job, block, 1);
}
#undef MANY
#endif

/* A row as whole numbers from 0 to 255, x = low + step * number; zeros up to `depth`. */
static TARGET void NAME(to_uint8)(const float *x, int64_t width, int64_t depth, uint8_t *to,
                                  float *step, float *low) {
    VEC least = {0}, most = {0};
    float down = x[0], up = x[0];
    int64_t i = 0;
    if (width >= LANES) {
        least = most = NAME(load_fp32)(x);
        for (; i + LANES <= width; i += LANES) {
            VEC part = NAME(load_fp32)(x + i);
            least = NAME(least)(least, part);
            most = -NAME(least)(-most, -part);
        }
        for (int lane = 0; lane < LANES; lane++) {
            down = least[lane] < down ? least[lane] : down;
            up = most[lane] > up ? most[lane] : up;
        }
    }
    for (; i < width; i++) down = x[i] < down ? x[i] : down, up = x[i] > up ? x[i] : up;
    *low = down, *step = (up - down) / 255;
    float by = up > down ? 255 / (up - down) : 0;
    i = 0;
#if LANES == 16
    for (; i + LANES <= width; i += LANES) {
        VEC place = (NAME(load_fp32)(x + i) - down) * by;
        _mm_storeu_si128((void *)(to + i),
                         _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32((__m512)place)));
    }
#endif
    for (; i < width; i++) {
        float place = rintf((x[i] - down) * by);
        to[i] = place > 255 ? 255 : place;
    }
    memset(to + width, 0, depth - width);
}
