/* The way back of `varlen_attention.h`: weights are made again from the logarithms of their sums.
 *
 * Keys are the rows of every square of weights here, so that both products which sum over queries
 * find them as they are, and the one that sums over keys finds pairs of rows beside each other.
 */
#define ACROSS 64 /* queries of a block */

/* Int8Product of keys 4 k to 4 k + 3 and 16 queries: what `kept_keys` gives, the other way round.
 */
FN __m512i NAME(kept_queries)(const VarlenAttention *job, int64_t pairs, int64_t apart,
                              int64_t key) {
    NAME(words) count;
    for (int lane = 0; lane < LANES; lane++) count[lane] = lane * (uint32_t)apart;
    return (__m512i)NAME(hashed)(count + (uint32_t)(pairs + key / 4), &job->drop);
}

/* What a block of the way back works on. */
typedef struct {
    const uint16_t *key, *upright_key, *value; /* of the sequence */
    const uint16_t *query, *paired_query, *grad,
        *paired;                                   /* of the head; gradient: of what it read */
    const float *sums, *along;                     /* of each query */
    float *weights, *grads;                        /* [32, ACROSS] */
    uint16_t *by_key, *grad_by_key, *grad_by_pair; /* the same in bf16, as tiles */
    float *of_query, *of_key, *of_value;           /* sums in tiles */
    int64_t queries, keys, pairs, apart;           /* `pairs`: words of the first query's */
} NAME(Back);

/* The squares of 32 keys from `key` on and `across` queries from `row` on, as bf16 in tiles. */
FN void NAME(softmax_backward)(const VarlenAttention *job, const NAME(Back) * now, int64_t key,
                               int64_t row, int64_t across) {
    const __m512 scale = _mm512_set1_ps(job->scale), up = _mm512_set1_ps(job->drop.scale);
    const __m512i limit = _mm512_set1_epi32(job->drop.limit), byte = _mm512_set1_epi32(255);
    const int dropping = job->drop.limit != 0;
    const float *sums = now->sums + row, *along = now->along + row;
    for (int64_t i = 0; i < 32; i += 2) {
        int64_t first = job->causal ? key + i : job->window ? key + i - job->window + 1 : 0;
        int64_t last = job->window ? key + i + job->window : now->queries, apart = 0;
        const float *weights = now->weights + i * ACROSS, *grads = now->grads + i * ACROSS;
        uint16_t *pair = now->grad_by_pair + i / 2 * 32;
        int64_t to = i / 16 * (across / 32) * SIZE + i % 16 * 32;
        for (int64_t j = 0; j < across; j += 16, apart = j / 32 * SIZE + j % 32) {
            __m512i bytes = _mm512_setzero_si512();
            __m256i both[2];
            if (dropping)
                bytes = NAME(kept_queries)(job, now->pairs + (row + j) * now->apart, now->apart,
                                           key + i);
            for (int k = 0; k < 2; k++) {
                /* The next key sees and is seen by one further on, where there is a bound at all.
                 */
                int64_t low = first + (job->causal || job->window ? k : 0);
                int64_t high = job->window ? last + k : last;
                high = key + i + k < now->keys ? high < now->queries ? high : now->queries : low;
                __mmask16 seen = NAME(inside)(row + j, low, high), kept = seen;
                __m512 x = _mm512_loadu_ps(weights + k * ACROSS + j);
                x = NAME(power)(_mm512_fmsub_ps(x, scale, _mm512_loadu_ps(sums + j)));
                __m512 share = _mm512_maskz_mov_ps(seen, x), weight = share;
                __m512 given = _mm512_loadu_ps(grads + k * ACROSS + j);
                if (dropping) {
                    __m512i drawn = _mm512_srli_epi32(bytes, 8 * ((i + k) % 4));
                    kept = _mm512_cmpge_epu32_mask(_mm512_and_si512(drawn, byte), limit);
                    given = _mm512_maskz_mul_ps(kept, given, up);
                    weight = _mm512_maskz_mul_ps(kept, share, up);
                }
                given = _mm512_sub_ps(given, _mm512_loadu_ps(along + j));
                both[k] = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_mul_ps(seen, share, given));
                __m256i half = (__m256i)_mm512_cvtneps_pbh(weight);
                _mm256_storeu_si256((void *)(now->by_key + to + apart + 32 * k), half);
                _mm256_storeu_si256((void *)(now->grad_by_key + to + apart + 32 * k), both[k]);
            }
            __m512i low = _mm512_cvtepu16_epi32(both[0]), high = _mm512_cvtepu16_epi32(both[1]);
            _mm512_storeu_si512(pair + j / 16 * SIZE,
                                _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
        }
    }
}

/* What 32 keys and up to ACROSS queries add to the three sums. */
FN void NAME(backward_block)(const VarlenAttention *job, const NAME(Back) * now, int64_t key,
                             int64_t row, int64_t across, int64_t deep) {
    int64_t apart = deep * SIZE, all = NAME(even)(now->queries) / 16;
    for (int64_t j = 0; j < across; j += 32) {
        int64_t at = (row + j) / 16 * apart, from = key / 16 * apart;
        NAME(square)(now->key + from, apart, SIZE, now->query + at, apart, SIZE, deep,
                     now->weights + j, 16 * ACROSS, 16, 4 * ACROSS, 0);
        NAME(square)(now->value + from, apart, SIZE, now->grad + at, apart, SIZE, deep,
                     now->grads + j, 16 * ACROSS, 16, 4 * ACROSS, 0);
    }
    NAME(softmax_backward)(job, now, key, row, across);
    int64_t step = 2 * deep * SIZE, left = across / 32 * SIZE;
    for (int64_t d = 0; d < 2 * deep; d += 2) {
        int64_t at = row / 32 * step + d * SIZE, to = (key / 16 * 2 * deep + d) * 256;
        NAME(square)(now->by_key, left, SIZE, now->paired + at, SIZE, step, across / 32,
                     now->of_value + to, 2 * deep * 256, 256, 64, 1);
        NAME(square)(now->grad_by_key, left, SIZE, now->paired_query + at, SIZE, step, across / 32,
                     now->of_key + to, 2 * deep * 256, 256, 64, 1);
        for (int64_t j = 0; j < across; j += 32)
            NAME(square)(now->upright_key + key / 32 * step + d * SIZE, SIZE, 0,
                         now->grad_by_pair + j / 16 * SIZE, SIZE, 0, 1,
                         now->of_query + (d * all + (row + j) / 16) * 256, all * 256, 256, 64, 1);
    }
}

/* Sums of rows as bf16, `by` times as large, turned back by each row's angle where `turned`. */
static TARGET void NAME(write_gradient)(const VarlenAttention *job, const float *tiles,
                                        int64_t down, int64_t along, int upright, int64_t first,
                                        int64_t count, float by, int turned, uint16_t *to,
                                        int64_t stride) {
    float square[256], wide[16][WIDEST];
    for (int64_t row = 0; row < count; row += 16) {
        for (int64_t d = 0; 16 * d < NAME(even)(job->width); d++) {
            const float *from = tiles + (row / 16 * down + d * along) * 256;
            if (upright) NAME(turn)(from, square), from = square;
            for (int64_t i = 0; i < 16; i++)
                _mm512_storeu_ps(wide[i] + 16 * d,
                                 _mm512_mul_ps(_mm512_loadu_ps(from + 16 * i), _mm512_set1_ps(by)));
        }
        for (int64_t i = 0; i < 16 && row + i < count; i++) {
            if (turned) NAME(rotate)(job, wide[i], first + row + i, -1);
            uint16_t *own = to + (first + row + i) * stride;
            for (int64_t at = 0; at < job->width; at += 16)
                NAME(keep)(own + at, NAME(inside)(at, 0, job->width),
                           _mm512_loadu_ps(wide[i] + at));
        }
    }
}

/* One head of queries: `now` has what its keys and values are. */
static TARGET void NAME(backward_head)(const VarlenAttention *job, NAME(Back) * now,
                                       int64_t sequence, int64_t head, uint16_t *room,
                                       float *along) {
    int64_t origin = job->starts[sequence], width = job->width, deep = NAME(even)(width) / 32;
    int64_t queries = now->queries, tiles = NAME(even)(queries) / 16 * deep,
            inner = job->heads * width;
    uint16_t *plain = room, *query = room + tiles * SIZE, *paired_query = query + tiles * SIZE;
    uint16_t *grad = paired_query + tiles * SIZE, *paired = grad + tiles * SIZE;
    int turned = job->cosine != NULL;
    NAME(lay)(job, job->query + head * width, job->query_stride, origin, queries, turned, plain);
    NAME(turn_all)(plain, tiles, query);
    NAME(pair)(plain, queries, width, paired_query);
    NAME(lay)(job, job->grad + head * width, inner, origin, queries, 0, plain);
    NAME(turn_all)(plain, tiles, grad);
    NAME(pair)(plain, queries, width, paired);
    now->query = query, now->paired_query = paired_query, now->grad = grad, now->paired = paired;
    float *sums = along + NAME(even)(queries);
    memcpy(sums, job->sums + head * job->starts[job->sequences] + origin, sizeof(float) * queries);
    for (int64_t row = 0; row < NAME(even)(queries); row++) {
        if (row >= queries) {
            along[row] = sums[row] = 0;
            continue;
        }
        int64_t at = (origin + row) * inner + head * width;
        VEC sum = {0};
        int64_t i = 0;
        for (; i + LANES <= width; i += LANES)
            sum += NAME(load_bf16)(job->out + at + i) * NAME(load_bf16)(job->grad + at + i);
        along[row] = NAME(total)(sum);
        for (; i < width; i++) along[row] += of_bf16(job->out[at + i]) * of_bf16(job->grad[at + i]);
    }
    now->along = along, now->sums = sums;
    memset(now->of_query, 0, sizeof(float) * 2 * tiles * 256);
    now->apart = (now->keys + 63) / 64 * 16;
    now->pairs = NAME(words_of)(job, head, origin, now->keys);
    for (int64_t key = 0; key < now->keys; key += 32) {
        int64_t first = job->causal ? key : job->window ? key - job->window + 1 : 0;
        int64_t last = job->window ? key + 31 + job->window : queries;
        first = first < 0 ? 0 : first / 32 * 32, last = last < queries ? last : queries;
        for (int64_t row = first; row < last; row += ACROSS) {
            int64_t left = NAME(even)(last - row);
            NAME(backward_block)(job, now, key, row, left < ACROSS ? left : ACROSS, deep);
        }
    }
    NAME(write_gradient)(job, now->of_query, 1, NAME(even)(queries) / 16, 1, origin, queries,
                         job->scale, turned, job->query_grad + head * width, inner);
}

/* One head of keys of one sequence, and all heads of queries that share it. */
static TARGET int NAME(varlen_attention_backward)(const VarlenAttention *job, int64_t sequence,
                                                  int64_t kv_head) {
    int64_t queries = job->starts[sequence + 1] - job->starts[sequence];
    int64_t from = job->key_starts[sequence], keys = job->key_starts[sequence + 1] - from;
    int64_t width = job->width, deep = NAME(even)(width) / 32, inner = job->kv_heads * width;
    int64_t of_keys = NAME(even)(keys) * deep * 32, of_queries = NAME(even)(queries) * deep * 32;
    int64_t halves = 3 * of_keys + 5 * of_queries + 3 * 32 * ACROSS;
    int64_t floats = 2 * of_keys + of_queries + 2 * 32 * ACROSS + 2 * NAME(even)(queries);
    float *sums = aligned_alloc(64, sizeof(float) * floats + sizeof(uint16_t) * halves);
    if (sums == NULL) return 1;
    NAME(Back) now = {.queries = queries, .keys = keys, .of_key = sums};
    now.of_value = now.of_key + of_keys, now.of_query = now.of_value + of_keys;
    now.weights = now.of_query + of_queries, now.grads = now.weights + 32 * ACROSS;
    float *along = now.grads + 32 * ACROSS;
    uint16_t *key = (uint16_t *)(along + 2 * NAME(even)(queries)), *upright = key + of_keys;
    uint16_t *value = upright + of_keys;
    now.by_key = value + of_keys, now.grad_by_key = now.by_key + 32 * ACROSS;
    now.grad_by_pair = now.grad_by_key + 32 * ACROSS;
    uint16_t *room = now.grad_by_pair + 32 * ACROSS;
    int turned = job->cosine != NULL;
    int64_t other = kv_head * width;
    /* What is paired lies where values will, until it is turned. */
    NAME(lay)(job, job->key + other, job->key_stride, from, keys, turned, key);
    NAME(pair)(key, keys, width, value);
    NAME(turn_all)(value, NAME(even)(keys) / 16 * deep, upright);
    NAME(lay)(job, job->value + other, job->value_stride, from, keys, 0, value);
    now.key = key, now.upright_key = upright, now.value = value;
    memset(sums, 0, sizeof(float) * 2 * of_keys);
    NAME(configure)();
    int64_t group = job->heads / job->kv_heads;
    for (int64_t head = kv_head * group; head < (kv_head + 1) * group; head++)
        NAME(backward_head)(job, &now, sequence, head, room, along);
    _tile_release();
    NAME(write_gradient)(job, now.of_key, 2 * deep, 1, 0, from, keys, job->scale, turned,
                         job->key_grad + other, inner);
    NAME(write_gradient)(job, now.of_value, 2 * deep, 1, 0, from, keys, 1, 0,
                         job->value_grad + other, inner);
    free(sums);
    return 0;
}
#undef ACROSS
