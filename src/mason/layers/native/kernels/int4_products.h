/* Products of weights in 4 bits, in groups of 32 inputs with a step and a lowest value each, for
 * one instruction set. Lanes are outputs, so that nothing is added across them; whatever rows are
 * beside it, a row's products are added in one order. */
#if LANES == 16
#define SOME 4 /* rows, or blocks, at once: as many sums as there are registers for */
#else
#define SOME 2
#endif

/* Numbers of 16 bits with 5 of exponent; none is infinite. */
FN VEC NAME(load_fp16)(const uint16_t *from) {
    NAME(ints) bits = (NAME(ints))NAME(load_bf16)(from);
    VEC size = (VEC)((bits & 0x7fff0000) >> 3) * 0x1p112f;
    return (VEC)((NAME(ints))size | (bits & INT32_MIN));
}

#ifdef USE_DOTS
/* Each group of x as whole numbers in three digits of 8 bits, the largest 2^22: as close as fp32
 * is. Of each eight the even ones come first, as weights lie when they are unpacked to bytes. */
static TARGET void NAME(to_digits)(const float *x, int64_t depth, int8_t *digits, float *steps) {
    const __m128i order = _mm_set_epi8(15, 13, 11, 9, 14, 12, 10, 8, 7, 5, 3, 1, 6, 4, 2, 0);
    for (int64_t i = 0; i < depth; i += GROUP) {
        __m512 parts[2] = {_mm512_loadu_ps(x + i), _mm512_loadu_ps(x + i + LANES)};
        float most =
            _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(parts[0]), _mm512_abs_ps(parts[1])));
        steps[i / GROUP] = most * 0x1p-22f;
        for (int p = 0; p < 2; p++) {
            __m512 scaled = _mm512_mul_ps(parts[p], _mm512_set1_ps(most > 0 ? 0x1p22f / most : 0));
            __m512i whole = _mm512_cvtps_epi32(scaled);
            for (int d = 0; d < DIGITS; d++) {
                __m512i digit = _mm512_srai_epi32(_mm512_slli_epi32(whole, 24), 24);
                __m128i bytes = _mm_shuffle_epi8(_mm512_cvtepi32_epi8(digit), order);
                _mm_storeu_si128((void *)(digits + d * depth + i + p * LANES), bytes);
                whole = _mm512_srai_epi32(_mm512_sub_epi32(whole, digit), 8);
            }
        }
    }
}

typedef int32_t NAME(four) __attribute__((aligned(1), may_alias));

FN __m512i NAME(add_four)(__m512i sum, __m512i weights, const int8_t *digits) {
    return _mm512_dpbusd_epi32(sum, weights, _mm512_set1_epi32(*(const NAME(four) *)digits));
}

/* Group `at` of the weights times `rows` rows, in whole numbers: group `g` of a row. */
FN void NAME(group)(const Int4Product *job, int64_t at, int64_t lane, int64_t row, int64_t g,
                    int rows, VEC *products) {
    const __m512i lowest = _mm512_set1_epi8(15);
    int64_t depth = job->depth, apart = DIGITS * depth;
    const int8_t *x = job->digits + row * apart + g * GROUP;
    __m512i sums[SOME][DIGITS] = {0};
#pragma GCC unroll 4
    for (int j = 0; j < GROUP / 8; j++) {
        __m512i eight = _mm512_loadu_si512(job->packed + (at * GROUP / 8 + j) * BLOCK);
        __m512i even = _mm512_and_si512(eight, lowest);
        __m512i odd = _mm512_and_si512(_mm512_srli_epi32(eight, 4), lowest);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
            for (int d = 0; d < DIGITS; d++) {
                const int8_t *own = x + r * apart + d * depth + j * 8;
                sums[r][d] = NAME(add_four)(NAME(add_four)(sums[r][d], even, own), odd, own + 4);
            }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        VEC low = (VEC)_mm512_cvtepi32_ps(sums[r][0]), mid = (VEC)_mm512_cvtepi32_ps(sums[r][1]);
        VEC high = (VEC)_mm512_cvtepi32_ps(sums[r][2]);
        products[r] =
            (high * 0x1p16f + mid * 0x1p8f + low) * job->steps[(row + r) * (depth / GROUP) + g];
    }
}
#else
#if LANES == 16
/* Number `i` of each eight: a permutation looks at the lowest 4 bits of its places alone. */
FN VEC NAME(code)(NAME(ints) eight, int i) {
    const __m512 values = _mm512_set_ps(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return (VEC)_mm512_permutexvar_ps(_mm512_srli_epi32((__m512i)eight, 4 * i), values);
}
#elif LANES == 8
FN VEC NAME(code)(NAME(ints) eight, int i) {
    return (VEC)_mm256_cvtepi32_ps((__m256i)(eight >> 4 * i & 15));
}
#else
FN VEC NAME(code)(NAME(ints) eight, int i) {
    VEC wide;
    for (int lane = 0; lane < LANES; lane++) wide[lane] = eight[lane] >> 4 * i & 15;
    return wide;
}
#endif

static TARGET void NAME(to_digits)(const float *x, int64_t depth, int8_t *digits, float *steps) {
    (void)x, (void)depth, (void)digits, (void)steps; /* nobody asks for them */
}

/* Group `at` of the weights times `rows` rows, LANES outputs from `lane` on; `g` of a row. */
FN void NAME(group)(const Int4Product *job, int64_t at, int64_t lane, int64_t row, int64_t g,
                    int rows, VEC *products) {
    const float *x = job->x + row * job->depth + g * GROUP;
    VEC sums[SOME][4] = {0};
#pragma GCC unroll 4
    for (int j = 0; j < GROUP / 8; j++) {
        NAME(ints) eight = *(const NAME(ints) *)(job->packed + (at * GROUP / 8 + j) * BLOCK + lane);
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            VEC weight = NAME(code)(eight, i);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) sums[r][i % 4] += weight * x[r * job->depth + j * 8 + i];
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        products[r] = (sums[r][0] + sums[r][1]) + (sums[r][2] + sums[r][3]);
}
#endif

/* Sums of LANES outputs of a row, and their biases, into y. */
FN void NAME(keep_sums)(const Int4Product *job, int64_t output, int64_t row, VEC sums) {
    int64_t left = job->outputs - output, to = row * job->outputs + output;
    if (left >= LANES) {
        VEC bias = job->bias ? NAME(load)(job->bias, job->half, output) : (VEC){0};
        NAME(save)(job->y, job->half, to, sums + bias);
    }
    for (int64_t i = 0; left < LANES && i < left; i++)
        put(job->y, job->half, to + i,
            sums[i] + (job->bias ? get(job->bias, job->half, output + i) : 0));
}

/* LANES outputs from `lane` of some blocks on, `apart` from each other, for `rows` rows. */
FN void NAME(lanes)(const Int4Product *job, int64_t block, int64_t apart, int64_t lane, int64_t row,
                    int blocks, int rows) {
    int64_t groups = job->depth / GROUP;
    VEC sum[SOME] = {0}, products[SOME];
    for (int64_t g = 0; g < groups; g++)
#pragma GCC unroll 4
        for (int b = 0; b < blocks; b++) {
            int64_t at = (block + b * apart) * groups + g;
            const char *packed = (const char *)(job->packed + at * GROUP / 8 * BLOCK);
            const uint16_t *grid = job->grid + at * 2 * BLOCK + lane;
            /* Into the second cache, ahead of their use. */
            for (int line = 0; line < GROUP / 8; line++)
                __builtin_prefetch(packed + line * 64 + AHEAD, 0, 2);
            __builtin_prefetch((const char *)grid + AHEAD / 4, 0, 2);
            NAME(group)(job, at, lane, row, g, rows, products);
            VEC step = NAME(load_fp16)(grid), low = NAME(load_fp16)(grid + BLOCK);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++)
                sum[b * rows + r] += step * products[r] + low * job->totals[(row + r) * groups + g];
        }
    for (int b = 0; b < blocks; b++)
        for (int r = 0; r < rows; r++)
            NAME(keep_sums)(job, (block + b * apart) * BLOCK + lane, row + r, sum[b * rows + r]);
}

#ifdef USE_TILES
/* Three tiles of sums, one of 16 rows by 32 digits, one of the codes they meet. */
FN void NAME(configure_int4)(void) {
    static const struct {
        uint8_t palette, start, rest[14];
        uint16_t columns[16];
        uint8_t rows[16];
    } shape = {1, 0, {0}, {64, 64, 64, 32, 64}, {16, 16, 16, 16, GROUP / 4}};
    _tile_loadconfig(&shape);
}

/* Group `at` of the weights times 16 rows of digits, which are read as if there were as many. */
FN void NAME(group_by_tiles)(const Int4Product *job, int64_t at, const int8_t *digits,
                             int32_t sums[DIGITS][16 * BLOCK]) {
    const __m512i lowest = _mm512_set1_epi8(15);
    char codes[GROUP / 4 * LINE] __attribute__((aligned(64)));
    for (int j = 0; j < GROUP / 8; j++) {
        __m512i eight = _mm512_loadu_si512(job->packed + (at * GROUP / 8 + j) * BLOCK);
        _mm512_store_si512(codes + 2 * j * LINE, _mm512_and_si512(eight, lowest));
        _mm512_store_si512(codes + (2 * j + 1) * LINE,
                           _mm512_and_si512(_mm512_srli_epi32(eight, 4), lowest));
    }
    __asm__ volatile("" : : "r"(codes) : "memory"); /* a tile is loaded from what was stored */
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_loadd(4, codes, LINE);
    _tile_loadd(3, digits, DIGITS * job->depth);
    _tile_dpbssd(0, 3, 4);
    _tile_loadd(3, digits + job->depth, DIGITS * job->depth);
    _tile_dpbssd(1, 3, 4);
    _tile_loadd(3, digits + 2 * job->depth, DIGITS * job->depth);
    _tile_dpbssd(2, 3, 4);
    _tile_stored(0, sums[0], LINE);
    _tile_stored(1, sums[1], LINE);
    _tile_stored(2, sums[2], LINE);
}

/* A block of outputs and 16 rows, added in the order of `lanes`. */
FN void NAME(rows_by_tiles)(const Int4Product *job, int64_t block, int64_t row) {
    int64_t groups = job->depth / GROUP, rows = job->rows - row < 16 ? job->rows - row : 16;
    VEC sum[16] = {0};
    for (int64_t g = 0; g < groups; g++) {
        int64_t at = block * groups + g;
        const uint16_t *grid = job->grid + at * 2 * BLOCK;
        int32_t sums[DIGITS][16 * BLOCK] __attribute__((aligned(64)));
        for (int line = 0; line < GROUP / 8 && row == 0; line++)
            __builtin_prefetch(
                (const char *)(job->packed + (at * GROUP / 8 + line) * BLOCK) + AHEAD, 0, 2);
        __builtin_prefetch((const char *)grid + AHEAD / 4, 0, 2);
        NAME(group_by_tiles)(job, at, job->digits + row * DIGITS * job->depth + g * GROUP, sums);
        VEC step = NAME(load_fp16)(grid), low = NAME(load_fp16)(grid + BLOCK);
#pragma GCC unroll 16
        for (int r = 0; r < 16; r++) {
            if (r >= rows) break;
            VEC least = (VEC)_mm512_cvtepi32_ps(_mm512_load_si512(sums[0] + r * BLOCK));
            VEC mid = (VEC)_mm512_cvtepi32_ps(_mm512_load_si512(sums[1] + r * BLOCK));
            VEC high = (VEC)_mm512_cvtepi32_ps(_mm512_load_si512(sums[2] + r * BLOCK));
            VEC product =
                (high * 0x1p16f + mid * 0x1p8f + least) * job->steps[(row + r) * groups + g];
            sum[r] += step * product + low * job->totals[(row + r) * groups + g];
        }
    }
    for (int r = 0; r < rows; r++) NAME(keep_sums)(job, block * BLOCK, row + r, sum[r]);
}
#endif

/* Blocks `first` to `last` of all rows; of a single row, from several runs of them at once. More
 * rows than `lanes` takes at once go by tiles, with the same sums. */
static TARGET void NAME(int4_product)(const Int4Product *job, int64_t first, int64_t last) {
#ifdef USE_TILES
    if (job->rows > SOME) {
        NAME(configure_int4)();
        for (int64_t block = first; block < last; block++)
            for (int64_t row = 0; row < job->rows; row += 16) NAME(rows_by_tiles)(job, block, row);
        _tile_release();
        return;
    }
#endif
    int64_t run = job->rows == 1 ? (last - first) / SOME : 0;
    for (int64_t block = first; block < first + run; block++)
        for (int64_t lane = 0; lane < BLOCK; lane += LANES)
            NAME(lanes)(job, block, run, lane, 0, SOME, 1);
    for (int64_t block = first + SOME * run; block < last; block++)
        for (int64_t lane = 0; lane < BLOCK; lane += LANES) {
            int64_t row = 0;
            for (; row + SOME <= job->rows; row += SOME)
                NAME(lanes)(job, block, 0, lane, row, 1, SOME);
            for (; row < job->rows; row++) NAME(lanes)(job, block, 0, lane, row, 1, 1);
        }
}
#undef SOME
