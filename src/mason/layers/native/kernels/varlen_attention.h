/* Attention of whole sequences in bf16, there and back, by tiles; scores are never held (Dao 2023).
 *
 * A tile is 16 rows of 64 bytes, and a product takes 32 numbers deep. The rows of a head are filled
 * up with zeros to 32 rows and 32 features and laid out as tiles, each in one piece, of four kinds:
 *   plain    [rows / 16][features / 32]: 16 rows of 32 features
 *   across   [rows / 16][features / 32]: 16 pairs of features of 16 rows
 *   paired   [rows / 32][features / 16]: 16 pairs of rows of 16 features
 *   upright  [rows / 32][features / 16]: 16 features of 32 rows
 * Plain and upright stand on the left of a product, across and paired on its right.
 */
#if defined(USE_TILES)
#define SIZE 512 /* bf16 numbers of a tile; its sums are SIZE / 2 floats */
#define SPAN 512 /* keys that a block of queries looks at in one go */
#define APART (SPAN + 16)

FN int64_t NAME(even)(int64_t count) { return (count + 31) / 32 * 32; }

/* e^x in fp32 to about 2e-6, for x that is no infinity. */
FN __m512 NAME(power)(__m512 x) {
    __m512 t = _mm512_mul_ps(x, _mm512_set1_ps(1.44269504f));
    __m512 whole = _mm512_roundscale_ps(t, 8), rest = _mm512_sub_ps(t, whole);
    __m512 sum = _mm512_set1_ps(1.33335581e-3f);
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(9.61812911e-3f));
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(5.55041087e-2f));
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(2.40226507e-1f));
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(6.93147181e-1f));
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(sum, whole);
}

/* A square of 16 x 16 words of 32 bits, rows for columns. */
FN void NAME(turn)(const void *from, void *to) {
    __m512i a[16], b[16];
    for (int i = 0; i < 16; i++) a[i] = _mm512_loadu_si512((const char *)from + 64 * i);
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
        a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
        a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
        a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        __m512i first = _mm512_shuffle_i32x4(a[i], a[i + 4], 0x88);
        __m512i second = _mm512_shuffle_i32x4(a[i + 8], a[i + 12], 0x88);
        __m512i third = _mm512_shuffle_i32x4(a[i], a[i + 4], 0xdd);
        __m512i fourth = _mm512_shuffle_i32x4(a[i + 8], a[i + 12], 0xdd);
        char *at = (char *)to + 64 * i;
        _mm512_storeu_si512(at, _mm512_shuffle_i32x4(first, second, 0x88));
        _mm512_storeu_si512(at + 64 * 4, _mm512_shuffle_i32x4(third, fourth, 0x88));
        _mm512_storeu_si512(at + 64 * 8, _mm512_shuffle_i32x4(first, second, 0xdd));
        _mm512_storeu_si512(at + 64 * 12, _mm512_shuffle_i32x4(third, fourth, 0xdd));
    }
}

/* Feature i with feature i + width / 2 turned by an angle, or back (`side` -1), in fp32. */
FN void NAME(rotate)(const VarlenAttention *job, float *restrict x, int64_t row, float side) {
    int64_t half = job->width / 2;
    const float *cosine = job->cosine + row * job->width, *sine = job->sine + row * job->width;
    for (int64_t i = 0; i < half; i++) {
        float low = x[i], high = x[i + half];
        /* Back is the transpose, whatever the two halves of the angles are. */
        float cross_low = side > 0 ? sine[i] : sine[i + half];
        float cross_high = side > 0 ? sine[i + half] : sine[i];
        x[i] = low * cosine[i] - side * high * cross_low;
        x[i + half] = high * cosine[i + half] + side * low * cross_high;
    }
}

/* The rows of one head as plain tiles; `turned`: by each row's angle. */
static TARGET void NAME(lay)(const VarlenAttention *job, const uint16_t *from, int64_t stride,
                             int64_t first, int64_t count, int turned, uint16_t *tiles) {
    int64_t width = job->width, deep = NAME(even)(width) / 32, rows = NAME(even)(count);
    float wide[WIDEST] = {0};
    for (int64_t row = 0; row < rows; row++) {
        uint16_t *to = tiles + (row / 16 * deep * 16 + row % 16) * 32;
        if (row >= count) {
            for (int64_t d = 0; d < deep; d++) memset(to + d * SIZE, 0, 64);
            continue;
        }
        const uint16_t *own = from + (first + row) * stride;
        if (!turned && width % 32 == 0) {
            for (int64_t d = 0; d < deep; d++) memcpy(to + d * SIZE, own + 32 * d, 64);
            continue;
        }
        for (int64_t i = 0; i < width; i++) wide[i] = of_bf16(own[i]);
        if (turned) NAME(rotate)(job, wide, first + row, 1);
        for (int64_t d = 0; d < deep; d++) {
            __m512 low = _mm512_loadu_ps(wide + 32 * d), high = _mm512_loadu_ps(wide + 32 * d + 16);
            _mm512_storeu_si512(to + d * SIZE, (__m512i)_mm512_cvtne2ps_pbh(high, low));
        }
    }
}

static TARGET void NAME(turn_all)(const uint16_t *from, int64_t count, uint16_t *to) {
    for (int64_t i = 0; i < count; i++) NAME(turn)(from + i * SIZE, to + i * SIZE);
}

/* Plain tiles as paired ones. */
static TARGET void NAME(pair)(const uint16_t *plain, int64_t rows, int64_t width, uint16_t *to) {
    int64_t deep = NAME(even)(width) / 32;
    for (int64_t row = 0; row < NAME(even)(rows); row += 2)
        for (int64_t d = 0; d < deep; d++) {
            const uint16_t *from = plain + ((row / 16 * deep + d) * 16 + row % 16) * 32;
            for (int part = 0; part < 2; part++) {
                __m256i even = _mm256_loadu_si256((const void *)(from + 16 * part));
                __m256i odd = _mm256_loadu_si256((const void *)(from + 32 + 16 * part));
                __m512i both = _mm512_or_si512(_mm512_cvtepu16_epi32(even),
                                               _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16));
                int64_t tile = row / 32 * 2 * deep + 2 * d + part;
                _mm512_storeu_si512(to + tile * SIZE + row % 32 / 2 * 32, both);
            }
        }
}

/* Keys that query `row` sees begin at `first`. */
FN int64_t NAME(begin)(const VarlenAttention *job, int64_t row) {
    return job->window && row >= job->window ? row - job->window + 1 : 0;
}

/* The first of `keys` keys beyond those that query `row` sees. */
FN int64_t NAME(end)(const VarlenAttention *job, int64_t row, int64_t keys) {
    int64_t last = job->causal ? row + 1 : job->window ? row + job->window : keys;
    return last < keys ? last : keys;
}

/* The lanes of 16 from `at` on that lie in [first, last). */
FN __mmask16 NAME(inside)(int64_t at, int64_t first, int64_t last) {
    if (at >= first && at + 16 <= last) return 0xffff;
    int64_t low = first - at, high = last - at;
    low = low < 0 ? 0 : low > 16 ? 16 : low, high = high < 0 ? 0 : high > 16 ? 16 : high;
    return high > low ? (1u << high) - (1u << low) : 0;
}

FN void NAME(keep)(uint16_t *to, __mmask16 lanes, __m512 values) {
    _mm256_mask_storeu_epi16(to, lanes, (__m256i)_mm512_cvtneps_pbh(values));
}

/* Sums of 2 x 2 tiles over `deep` steps: left tiles lie `left_step` apart, and so on. */
FN void NAME(square)(const uint16_t *left, int64_t left_apart, int64_t left_step,
                     const uint16_t *right, int64_t right_apart, int64_t right_step, int64_t deep,
                     float *sums, int64_t down, int64_t along, int64_t stride, int add) {
    if (add) {
        _tile_loadd(0, sums, stride);
        _tile_loadd(1, sums + along, stride);
        _tile_loadd(2, sums + down, stride);
        _tile_loadd(3, sums + down + along, stride);
    } else {
        NAME(zero_sums)();
    }
    for (int64_t k = 0; k < deep; k++) {
        _tile_loadd(4, left + k * left_step, 64);
        _tile_loadd(6, right + k * right_step, 64);
        _tile_loadd(7, right + right_apart + k * right_step, 64);
        _tile_loadd(5, left + left_apart + k * left_step, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sums, stride);
    _tile_stored(1, sums + along, stride);
    _tile_stored(2, sums + down, stride);
    _tile_stored(3, sums + down + along, stride);
}

/* Bit k: whether the pair of a query and key 64 * block + k is kept, of 64 keys. */
FN uint64_t NAME(kept_keys)(const VarlenAttention *job, int64_t pairs, int64_t block) {
    NAME(words) count;
    for (int lane = 0; lane < LANES; lane++) count[lane] = lane;
    NAME(words) bytes = NAME(hashed)(count + (uint32_t)(pairs + 16 * block), &job->drop);
    return _mm512_cmpge_epu8_mask((__m512i)bytes, _mm512_set1_epi8((char)job->drop.limit));
}

/* The first of the words of a query's pairs; a word serves four keys. */
FN int64_t NAME(words_of)(const VarlenAttention *job, int64_t head, int64_t query, int64_t keys) {
    return (head * job->starts[job->sequences] + query) * ((keys + 63) / 64 * 16);
}

/* Weights of one query, as bf16 in plain tiles; returns what the sums so far are multiplied by. */
FN float NAME(softmax_block)(const VarlenAttention *job, const float *scores, int64_t start,
                             int64_t columns, int64_t first, int64_t last, int64_t pairs,
                             float *top, float *total, uint16_t *to) {
    __m512 scale = _mm512_set1_ps(job->scale), most = _mm512_set1_ps(-INFINITY);
    for (int64_t j = 0; j < columns; j += 16) {
        __m512 x = _mm512_mul_ps(_mm512_loadu_ps(scores + j), scale);
        most = _mm512_mask_max_ps(most, NAME(inside)(start + j, first, last), most, x);
    }
    float before = *top, now = _mm512_reduce_max_ps(most);
    now = now > before ? now : before;
    *top = now;
    __m512 less = _mm512_set1_ps(now == -INFINITY ? 0 : now), sums = _mm512_setzero_ps();
    __m512 up = _mm512_set1_ps(job->drop.scale);
    uint64_t kept = 0;
    for (int64_t j = 0; j < columns; j += 32) {
        __m512 parts[2];
        for (int k = 0; k < 2; k++) {
            __m512 x = _mm512_fmsub_ps(_mm512_loadu_ps(scores + j + 16 * k), scale, less);
            __mmask16 seen = NAME(inside)(start + j + 16 * k, first, last);
            parts[k] = _mm512_maskz_mov_ps(seen, NAME(power)(x));
            sums = _mm512_add_ps(sums, parts[k]);
        }
        if (job->drop.limit) {
            if (j % 64 == 0) kept = NAME(kept_keys)(job, pairs, (start + j) / 64);
            for (int k = 0; k < 2; k++)
                parts[k] = _mm512_maskz_mul_ps(kept >> (j % 64 + 16 * k), parts[k], up);
        }
        __m512bh both = _mm512_cvtne2ps_pbh(parts[1], parts[0]);
        _mm512_storeu_si512(to + j / 32 * SIZE, (__m512i)both);
    }
    float by = before == -INFINITY ? 0 : expf(before - now);
    *total = *total * by + _mm512_reduce_add_ps(sums);
    return by;
}

/* What 32 queries from `row` on read, and the logarithms of their sums. */
FN void NAME(attend_block)(const VarlenAttention *job, int64_t sequence, int64_t head, int64_t row,
                           int64_t queries, int64_t keys, const uint16_t *query,
                           const uint16_t *key, const uint16_t *value, float *scores,
                           uint16_t *weights, float *sums) {
    int64_t deep = NAME(even)(job->width) / 32, far = row + 31 < queries ? row + 31 : queries - 1;
    int64_t first = NAME(begin)(job, row) / 64 * 64, last = NAME(end)(job, far, keys);
    int64_t origin = job->starts[sequence];
    float top[32], total[32] = {0};
    for (int i = 0; i < 32; i++) top[i] = -INFINITY;
    for (int64_t start = first; start < last; start += SPAN) {
        int64_t columns = NAME(even)(last - start < SPAN ? last - start : SPAN);
        for (int64_t j = 0; j < columns; j += 32)
            NAME(square)(query + row / 16 * deep * SIZE, deep * SIZE, SIZE,
                         key + (start + j) / 16 * deep * SIZE, deep * SIZE, SIZE, deep, scores + j,
                         16 * APART, 16, 4 * APART, 0);
        for (int64_t i = 0; i < 32; i++) {
            uint16_t *to = weights + (i / 16 * (columns / 32) * 16 + i % 16) * 32;
            if (row + i >= queries) {
                for (int64_t j = 0; j < columns / 32; j++) memset(to + j * SIZE, 0, 64);
                continue;
            }
            int64_t pairs = NAME(words_of)(job, head, origin + row + i, keys);
            float by = NAME(softmax_block)(job, scores + i * APART, start, columns,
                                           NAME(begin)(job, row + i), NAME(end)(job, row + i, keys),
                                           pairs, top + i, total + i, to);
            for (int64_t d = 0; start > first && d < 2 * deep; d++) {
                float *own = sums + ((i / 16 * 2 * deep + d) * 16 + i % 16) * 16;
                _mm512_storeu_ps(own, _mm512_mul_ps(_mm512_loadu_ps(own), _mm512_set1_ps(by)));
            }
        }
        for (int64_t d = 0; d < 2 * deep; d += 2)
            NAME(square)(weights, columns / 32 * SIZE, SIZE,
                         value + (start / 32 * 2 * deep + d) * SIZE, SIZE, 2 * deep * SIZE,
                         columns / 32, sums + d * 256, 2 * deep * 256, 256, 64, start > first);
    }
    for (int64_t i = 0; i < 32 && row + i < queries; i++) {
        uint16_t *to = job->out + ((origin + row + i) * job->heads + head) * job->width;
        for (int64_t d = 0; d < 2 * deep; d++) {
            const float *own = sums + ((i / 16 * 2 * deep + d) * 16 + i % 16) * 16;
            __m512 mean = _mm512_div_ps(_mm512_loadu_ps(own), _mm512_set1_ps(total[i]));
            NAME(keep)(to + 16 * d, NAME(inside)(16 * d, 0, job->width), mean);
        }
        job->sums[head * job->starts[job->sequences] + origin + row + i] = top[i] + logf(total[i]);
    }
}

/* One head of one sequence. */
static TARGET int NAME(varlen_attention)(const VarlenAttention *job, int64_t sequence,
                                         int64_t head) {
    int64_t origin = job->starts[sequence], queries = job->starts[sequence + 1] - origin;
    int64_t from = job->key_starts[sequence], keys = job->key_starts[sequence + 1] - from;
    int64_t width = job->width, deep = NAME(even)(width), group = job->heads / job->kv_heads;
    int64_t wide_keys = (keys + 63) / 64 * 64 * deep, wide_queries = NAME(even)(queries) * deep;
    int64_t whole = 3 * wide_keys + wide_queries + 32 * SPAN;
    uint16_t *plain = aligned_alloc(64, sizeof(uint16_t) * whole + 4 * 32 * (APART + deep));
    if (plain == NULL) return 1;
    uint16_t *key = plain + wide_keys, *value = key + wide_keys, *query = value + wide_keys;
    uint16_t *weights = query + wide_queries;
    float *scores = (float *)(weights + 32 * SPAN), *sums = scores + 32 * APART;
    int turned = job->cosine != NULL;
    int64_t other = head / group * width, tiles = NAME(even)(keys) / 16 * (deep / 32);
    NAME(lay)(job, job->key + other, job->key_stride, from, keys, turned, plain);
    NAME(turn_all)(plain, tiles, key);
    NAME(lay)(job, job->value + other, job->value_stride, from, keys, 0, plain);
    NAME(pair)(plain, keys, width, value);
    NAME(lay)(job, job->query + head * width, job->query_stride, origin, queries, turned, query);
    NAME(configure)();
    for (int64_t row = 0; row < queries; row += 32)
        NAME(attend_block)(job, sequence, head, row, queries, keys, query, key, value, scores,
                           weights, sums);
    _tile_release();
    free(plain);
    return 0;
}
#include "varlen_attention_backward.h"
#undef SIZE
#undef SPAN
#undef APART
#endif
