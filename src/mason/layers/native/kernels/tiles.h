/* Products of rows with weights in bf16 or 8 bits by tiles of 16 lines of 64 bytes.
 *
 * A tile of weights is 16 outputs as they lie. Rows lie across, 16 beside each other, in pieces
 * that tiles multiply exactly: one in bf16 or two, then of 16 bits together; or two digits of 8
 * bits, 127 * 256 for the largest number of the row. Whatever rows are beside it, a
 * row's products are added in one order. Digits of few rows are multiplied without tiles, whose
 * whole sums are the same.
 */
#if defined(USE_TILES)
/* A tile's columns become its lines. */
FN void NAME(turn_tile)(void *tile) {
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i lines[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) lines[i] = _mm512_load_si512((char *)tile + i * LINE);
#pragma GCC unroll 4
    for (int bit = 0; bit < 4; bit++) { /* exchange squares of 1, 2, 4 and 8 numbers */
        const int s = 1 << bit;
        const __mmask16 right = _mm512_test_epi32_mask(lane, _mm512_set1_epi32(s));
        const __m512i left_of = _mm512_mask_add_epi32(lane, right, lane, _mm512_set1_epi32(16 - s));
        const __m512i right_of = _mm512_mask_add_epi32(_mm512_add_epi32(lane, _mm512_set1_epi32(s)),
                                                       right, lane, _mm512_set1_epi32(16));
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            if (i & s) continue;
            __m512i upper = lines[i], lower = lines[i + s];
            lines[i] = _mm512_permutex2var_epi32(upper, left_of, lower);
            lines[i + s] = _mm512_permutex2var_epi32(upper, right_of, lower);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) _mm512_store_si512((char *)tile + i * LINE, lines[i]);
}

/* 32 numbers in bf16, to the nearest, as they stand. */
FN __m512i NAME(halved)(__m512 first, __m512 second) {
    return (__m512i)_mm512_cvtne2ps_pbh(second, first);
}

/* What is left of numbers behind their halves. */
FN __m512 NAME(left_over)(__m512 numbers, __m256i halves) {
    __m512i wide = _mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16);
    return _mm512_sub_ps(numbers, _mm512_castsi512_ps(wide));
}

/* `count` of 16 rows, which lie `apart`, as lines of bf16: [inputs / 32, pieces, tile]. A piece is
 * what those before it leave of a number, to the nearest. */
FN void NAME(halve)(const float *x, int64_t apart, int64_t inputs, int64_t count, int pieces,
                    char *to) {
    for (int64_t k = 0; k < inputs; k += 32, to += pieces * TILE) {
        for (int p = 0; p < pieces; p++)
            memset(to + p * TILE + count * LINE, 0, TILE - count * LINE);
        for (int64_t r = 0; r < count; r++) {
            const float *from = x + r * apart + k;
            __m512 first = _mm512_loadu_ps(from), second = _mm512_loadu_ps(from + 16);
            for (int p = 0; p < pieces; p++) {
                __m512i line = NAME(halved)(first, second);
                _mm512_store_si512(to + p * TILE + r * LINE, line);
                first = NAME(left_over)(first, _mm512_castsi512_si256(line));
                second = NAME(left_over)(second, _mm512_extracti64x4_epi64(line, 1));
            }
        }
    }
}

/* What divides a row into 127 * 256 steps either way. */
FN float NAME(step_of)(const float *x, int64_t inputs) {
    __m512 most = _mm512_setzero_ps();
    int none = 0; /* no number stays none */
    for (int64_t i = 0; i < inputs; i += LANES) {
        __m512 part = _mm512_loadu_ps(x + i);
        none |= _mm512_cmp_ps_mask(part, part, _CMP_UNORD_Q);
        most = _mm512_max_ps(most, _mm512_abs_ps(part));
    }
    float all = _mm512_reduce_max_ps(most);
    return none ? NAN : all > 0x1p-96f ? all / (127 * 256) : 0;
}

/* `count` of 16 rows as lines of the digits of whole numbers: [inputs / 64, WORD, tile]. */
FN void NAME(to_digit_lines)(const float *x, int64_t inputs, int64_t count, int fill, char *to,
                             float *steps) {
    const __m512i middle = _mm512_set1_epi32(0x8080); /* digits from -128 on, not from 0 */
    for (int r = 0; r < 16; r++) steps[r] = r < count ? NAME(step_of)(x + r * inputs, inputs) : 0;
    for (int64_t k = 0; k < inputs; k += LINE, to += WORD * TILE) {
        for (int d = 0; d < WORD && fill; d++)
            memset(to + d * TILE + count * LINE, 0, TILE - count * LINE);
        for (int64_t r = 0; r < count; r++) {
            __m512 by = _mm512_set1_ps(steps[r] > 0 ? 1 / steps[r] : 0);
#pragma GCC unroll 4
            for (int part = 0; part < 4; part++) {
                __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(x + r * inputs + k + 16 * part), by);
                __m512i whole = _mm512_add_epi32(_mm512_cvtps_epi32(scaled), middle);
                whole = _mm512_xor_si512(whole, middle);
                char *own = to + r * LINE + 16 * part;
                for (int d = 0; d < WORD; d++, whole = _mm512_srli_epi32(whole, 8))
                    _mm_store_si128((void *)(own + d * TILE), _mm512_cvtepi32_epi8(whole));
            }
        }
    }
}

/* Lay 16 rows across. */
static TARGET void NAME(lay_across)(int kind, const Product *job, int64_t group) {
    int64_t left = job->rows - 16 * group, inputs = job->inputs, count = left < 16 ? left : 16;
    int64_t size = size_of_group(kind, inputs, job->pieces);
    const float *x = job->x + 16 * group * inputs;
    char *to = job->laid + group * size;
    if (kind == BF16)
        NAME(halve)(x, inputs, inputs, count, job->pieces, to);
    else
        NAME(to_digit_lines)(x, inputs, count, job->rows > DOTTED, to, job->steps + 16 * group);
    if (kind == INT8 && job->rows <= DOTTED) return;
    for (int64_t at = 0; at < size; at += TILE) NAME(turn_tile)(to + at);
}

/* Sums of 16 rows to what an output of theirs is. */
FN VEC NAME(finished)(const Product *job, int64_t output, const float *sums) {
    float bias = job->bias == NULL ? 0 : get(job->bias, job->half, output);
    float scale = job->scales == NULL ? 1 : job->scales[output];
    __m512 by = _mm512_set1_ps(scale);
    return (VEC)_mm512_fmadd_ps((__m512)NAME(load_fp32)(sums), by, _mm512_set1_ps(bias));
}

/* The sums [16 outputs, 16 rows] of two blocks and a group of rows into y: both, or the second
 * times silu of the first. */
FN void NAME(unlay)(const Product *job, const int64_t *blocks, int64_t group, float *sums) {
    float *second = sums + 16 * BLOCK;
    int64_t outputs = job->gated ? job->outputs / 2 : job->outputs;
    for (int o = 0; o < BLOCK; o++) {
        VEC one = NAME(finished)(job, blocks[0] * BLOCK + o, sums + 16 * o);
        VEC other = NAME(finished)(job, blocks[1] * BLOCK + o, second + 16 * o);
        if (job->gated) one *= NAME(inverse)(1.0f + NAME(exponential)(-one)) * other;
        *(VEC *)(sums + 16 * o) = one;
        *(VEC *)(second + 16 * o) = other;
    }
    for (int b = 0; b < (job->gated ? 1 : 2); b++) {
        NAME(turn_tile)(sums + b * 16 * BLOCK);
        for (int64_t r = 0; r < 16 && 16 * group + r < job->rows; r++)
            NAME(save)(job->y, job->half, (16 * group + r) * outputs + blocks[b] * BLOCK,
                       NAME(load_fp32)(sums + b * 16 * BLOCK + 16 * r));
    }
}

/* A tile's worth of weights into the second cache, ahead of their use. */
FN void NAME(fetch)(const char *from) {
#pragma GCC unroll 16
    for (int line = 0; line < 16; line++) __builtin_prefetch(from + line * LINE, 0, 2);
}

/* Two blocks of outputs and a group of 16 rows, or two: `more`. */
FN void NAME(multiply_bf16)(const Product *job, const int64_t *blocks, int64_t group, int more) {
    int64_t apart = job->inputs * 2, size = size_of_group(BF16, job->inputs, job->pieces);
    const char *upper = (const char *)job->weight + blocks[0] * BLOCK * apart;
    const char *lower = (const char *)job->weight + blocks[1] * BLOCK * apart;
    const char *x = job->laid + group * size;
    NAME(zero_sums)();
    for (int64_t k = 0; k < apart; k += LINE, x += job->pieces * TILE) {
        if (group == 0) {
            NAME(fetch)(upper + (k + apart) * 16);
            NAME(fetch)(lower + (k + apart) * 16);
        }
        _tile_loadd(4, upper + k, apart);
        _tile_loadd(5, lower + k, apart);
        for (int piece = 0; piece < job->pieces; piece++) {
            _tile_loadd(6, x + piece * TILE, LINE);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 5, 6);
            if (more) {
                _tile_loadd(7, x + size + piece * TILE, LINE);
                _tile_dpbf16ps(2, 4, 7);
                _tile_dpbf16ps(3, 5, 7);
            }
        }
    }
    float sums[4][16 * BLOCK] __attribute__((aligned(64)));
    NAME(store_sums)(sums);
    NAME(unlay)(job, blocks, group, sums[0]);
    if (more) NAME(unlay)(job, blocks, group + 1, sums[2]);
}

/* Sixteen sums of each digit, which lie `apart`, and what the lowest is worth, to what they are. */
FN void NAME(join_digits)(const int32_t *parts, int64_t apart, const float *steps, float *to) {
    __m512 low = _mm512_cvtepi32_ps(_mm512_load_si512(parts));
    __m512 high = _mm512_cvtepi32_ps(_mm512_load_si512(parts + apart));
    __m512 sum = _mm512_fmadd_ps(high, _mm512_set1_ps(0x1p8f), low);
    _mm512_storeu_ps(to, _mm512_mul_ps(sum, _mm512_loadu_ps(steps)));
}

/* Two blocks of outputs and a group of 16 rows. */
FN void NAME(multiply_digits)(const Product *job, const int64_t *blocks, int64_t group) {
    int64_t apart = job->inputs;
    const char *upper = (const char *)job->weight + blocks[0] * BLOCK * apart;
    const char *lower = (const char *)job->weight + blocks[1] * BLOCK * apart;
    const char *x = job->laid + group * size_of_group(INT8, job->inputs, WORD);
    NAME(zero_sums)();
    for (int64_t k = 0; k < apart; k += LINE, x += WORD * TILE) {
        if (group == 0) {
            NAME(fetch)(upper + (k + apart) * 16);
            NAME(fetch)(lower + (k + apart) * 16);
        }
        _tile_loadd(4, upper + k, apart);
        _tile_loadd(5, lower + k, apart);
        _tile_loadd(6, x, LINE);
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(2, 5, 6);
        _tile_loadd(7, x + TILE, LINE);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(3, 5, 7);
    }
    int32_t parts[2 * WORD][16 * BLOCK] __attribute__((aligned(64)));
    NAME(store_sums)(parts);
    float sums[2][16 * BLOCK] __attribute__((aligned(64)));
    for (int b = 0; b < 2; b++)
        for (int i = 0; i < 16 * BLOCK; i += LANES)
            NAME(join_digits)(parts[WORD * b] + i, 16 * BLOCK, job->steps + 16 * group,
                              sums[b] + i);
    NAME(unlay)(job, blocks, group, sums[0]);
}

/* What the bytes of weights are more than they stand for makes of each digit of a row. */
FN void NAME(excess)(const char *x, int64_t inputs, int32_t *excess) {
    __m512i sums[WORD] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    for (int64_t k = 0; k < inputs; k += LINE, x += WORD * TILE)
        for (int d = 0; d < WORD; d++)
            sums[d] = _mm512_dpbusd_epi32(sums[d], _mm512_set1_epi8(-128),
                                          _mm512_load_si512(x + d * TILE));
    for (int d = 0; d < WORD; d++) excess[d] = _mm512_reduce_add_epi32(sums[d]);
}

/* The sums of one row's digits with four outputs, two each of two blocks, to [block, digit,
 * output]. */
FN void NAME(dot)(const Product *job, const int64_t *blocks, int output, const char *x,
                  const int32_t *excess, int32_t (*parts)[WORD][BLOCK]) {
    int64_t apart = job->inputs;
    const __m512i sign = _mm512_set1_epi8(-128);
    __m512i sums[4][WORD];
#pragma GCC unroll 4
    for (int o = 0; o < 4; o++)
#pragma GCC unroll 2
        for (int d = 0; d < WORD; d++) sums[o][d] = _mm512_setzero_si512();
    const char *from[4];
    for (int o = 0; o < 4; o++)
        from[o] = (const char *)job->weight + (blocks[o / 2] * BLOCK + output + o % 2 * 8) * apart;
    for (int64_t k = 0; k < apart; k += LINE, x += WORD * TILE)
#pragma GCC unroll 4
        for (int o = 0; o < 4; o++) {
            __builtin_prefetch(from[o] + k + BLOCK * apart, 0, 2);
            __m512i weight = _mm512_xor_si512(_mm512_loadu_si512(from[o] + k), sign);
#pragma GCC unroll 2
            for (int d = 0; d < WORD; d++)
                sums[o][d] =
                    _mm512_dpbusd_epi32(sums[o][d], weight, _mm512_load_si512(x + d * TILE));
        }
#pragma GCC unroll 4
    for (int o = 0; o < 4; o++)
#pragma GCC unroll 2
        for (int d = 0; d < WORD; d++)
            parts[o / 2][d][output + o % 2 * 8] = _mm512_reduce_add_epi32(sums[o][d]) - excess[d];
}

/* Two blocks of outputs and at most DOTTED rows. */
FN void NAME(dot_digits)(const Product *job, const int64_t *blocks, int32_t (*excess)[WORD]) {
    float sums[2][16 * BLOCK] __attribute__((aligned(64))) = {{0}};
    for (int64_t row = 0; row < job->rows; row++) {
        int32_t parts[2][WORD][BLOCK] __attribute__((aligned(64)));
        float steps[BLOCK], own[BLOCK];
        for (int o = 0; o < BLOCK; o++) steps[o] = job->steps[row];
        for (int output = 0; output < 8; output++)
            NAME(dot)(job, blocks, output, job->laid + row * LINE, excess[row], parts);
        for (int b = 0; b < 2; b++) {
            NAME(join_digits)(parts[b][0], BLOCK, steps, own);
            for (int o = 0; o < BLOCK; o++) sums[b][16 * o + row] = own[o];
        }
    }
    NAME(unlay)(job, blocks, 0, sums[0]);
}

/* Blocks `first` to `last` of all rows, two far from each other at once: memory gives several long
 * runs faster than one. The last of an odd number is its own other. Where y is gated, they are
 * blocks of gates, each with what it lets through. */
static TARGET void NAME(tile_product)(int kind, const Product *job, int64_t first, int64_t last) {
    int64_t run = job->gated ? last - first : (last - first + 1) / 2;
    int64_t apart = job->gated ? job->outputs / BLOCK / 2 : run, groups = (job->rows + 15) / 16;
    int32_t excess[DOTTED][WORD];
    int dotted = kind == INT8 && job->rows <= DOTTED;
    for (int64_t row = 0; row < job->rows && dotted; row++)
        NAME(excess)(job->laid + row * LINE, job->inputs, excess[row]);
    if (!dotted) NAME(configure)();
    for (int64_t block = first; block < first + run; block++) {
        int64_t second = job->gated || block + apart < last ? block + apart : block;
        int64_t blocks[2] = {block, second}, group = 0;
        if (dotted) {
            NAME(dot_digits)(job, blocks, excess);
            continue;
        }
        if (kind == INT8)
            for (; group < groups; group++) NAME(multiply_digits)(job, blocks, group);
        for (; group + 2 <= groups; group += 2) NAME(multiply_bf16)(job, blocks, group, 1);
        if (group < groups) NAME(multiply_bf16)(job, blocks, group, 0);
    }
    if (!dotted) _tile_release();
}
#endif
