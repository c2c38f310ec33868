/* Attention by tiles, for one instruction set: of whole sequences, and of many new rows of one over
 * a cache. Numbers are in pieces of bf16 (tiles.h), sums in fp32. What a row gives does not hang on
 * how many rows are asked for. */
#if defined(USE_TILES)
/* Keys as tiles read values: 32 of them two by two, 16 features [keys / 32, width / 16, pieces,
 * tile]. */
FN void NAME(pair_values)(const float *value, int64_t apart, int64_t count, int64_t width,
                          int pieces, char *to) {
    const __m512i order =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    for (int64_t key = 0; key < count; key += 32)
        for (int64_t i = 0; i < width; i += 16, to += pieces * TILE)
            for (int64_t pair = 0; pair < 16; pair++) {
                int64_t at = key + 2 * pair;
                __m512 first = _mm512_setzero_ps(), second = first;
                if (at < count) first = _mm512_loadu_ps(value + at * apart + i);
                if (at + 1 < count) second = _mm512_loadu_ps(value + (at + 1) * apart + i);
                for (int p = 0; p < pieces; p++) {
                    __m512i both = NAME(halved)(first, second);
                    first = NAME(left_over)(first, _mm512_castsi512_si256(both));
                    second = NAME(left_over)(second, _mm512_extracti64x4_epi64(both, 1));
                    both = _mm512_permutexvar_epi16(order, both);
                    _mm512_store_si512(to + p * TILE + pair * LINE, both);
                }
            }
}

/* Keys as tiles read them: [keys / 16, width / 32, pieces, tile], whole pairs of tiles. */
FN void NAME(lay_keys)(const float *key, int64_t apart, int64_t count, int64_t width, int pieces,
                       char *to) {
    int64_t size = 32 * pieces * width, stride = (count + 31) / 32 * 32;
    for (int64_t at = 0; at < stride; at += 16, to += size) {
        int64_t left = count - at < 0 ? 0 : count - at;
        NAME(halve)(key + at * apart, apart, width, left < 16 ? left : 16, pieces, to);
        for (int64_t tile = 0; tile < size; tile += TILE) NAME(turn_tile)(to + tile);
    }
}

/* Lines times columns, and in how many pieces each is. */
typedef struct {
    const char *lines;   /* [depth, pieces, tile] */
    const char *columns; /* [depth, `step` bytes], two tiles of pieces `over` bytes apart */
    int64_t depth, step, over;
    int of_lines, of_columns;
} NAME(Pair);

/* sums[16, 32], rows `apart`: the pieces that matter beside the first. */
FN void NAME(two_tiles)(NAME(Pair) job, float *sums, int64_t apart) {
    int most = job.of_lines > job.of_columns ? job.of_lines : job.of_columns;
    __asm__ volatile("" ::: "memory"); /* what is loaded was stored, which GCC 12 does not know */
    _tile_zero(0);
    _tile_zero(1);
    for (int64_t k = 0; k < job.depth; k++, job.columns += job.step)
        for (int a = 0; a < job.of_lines; a++, job.lines += TILE) {
            _tile_loadd(4, job.lines, LINE);
            for (int b = 0; b < job.of_columns && a + b < most; b++) {
                _tile_loadd(6, job.columns + b * TILE, LINE);
                _tile_loadd(7, job.columns + job.over + b * TILE, LINE);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(1, 4, 7);
            }
        }
    _tile_stored(0, sums, apart * 4);
    _tile_stored(1, sums + 16, apart * 4);
}

/* Where the parts of a head lie in the room for them; see `room_of_tiles`. */
typedef struct {
    char *keys, *values, *queries, *weights;
    float *scores; /* [16, wide], with room for a vector beyond a row's last */
    int64_t width, stride, wide;
    int pieces, held; /* of queries and weights, of keys and values */
} NAME(Head);

FN NAME(Head) NAME(divide)(float *room, int64_t count, int64_t width, int pieces, int held) {
    int64_t stride = (count + 31) / 32 * 32, size = 2 * held * stride * width;
    NAME(Head)
    head = {.width = width,
            .stride = stride,
            .pieces = pieces,
            .held = held,
            .wide = (stride > width ? stride : width) + LANES};
    head.keys = (char *)(((uintptr_t)room + LINE - 1) / LINE * LINE);
    head.values = head.keys + size, head.queries = head.values + size;
    head.weights = head.queries + 32 * pieces * width;
    head.scores = (float *)(head.weights + 32 * pieces * stride);
    return head;
}

/* Scores of 16 queries with the first `seen` keys, in whole pairs of tiles. */
FN void NAME(score_tiles)(const NAME(Head) * head, int64_t seen) {
    int64_t size = 32 * head->held * head->width;
    for (int64_t at = 0; at < seen; at += 32)
        NAME(two_tiles)((NAME(Pair)){head->queries, head->keys + at / 16 * size, head->width / 32,
                                     head->held * TILE, size, head->pieces, head->held},
                        head->scores + at, head->wide);
}

/* What weights in place of the scores make of the first `seen` values; in their place. */
FN void NAME(mix_tiles)(const NAME(Head) * head, int64_t seen, int64_t rows) {
    int64_t size = head->held * TILE, depth = (seen + 31) / 32;
    NAME(halve)(head->scores, head->wide, 32 * depth, rows, head->pieces, head->weights);
    for (int64_t i = 0; i < head->width; i += 32)
        NAME(two_tiles)((NAME(Pair)){head->weights, head->values + i / 16 * size, depth,
                                     head->width / 16 * size, size, head->pieces, head->held},
                        head->scores + i, head->wide);
}

/* The same as `encoder_attention` for heads whose features fill tiles; `room`: see `room_of_tiles`.
 */
static TARGET void NAME(encoder_attention_tiles)(const Encoder *job, const float *fused,
                                                 int64_t count, int64_t number, int64_t first,
                                                 int64_t last, float *out, float *room) {
    int64_t width = job->head_width, inner = job->heads * width, apart = 3 * inner;
    const float *query = fused + number * width, *key = query + inner, *value = key + inner;
    NAME(Head) head = NAME(divide)(room, count, width, 1, 1);
    NAME(lay_keys)(key, apart, count, width, 1, head.keys);
    NAME(pair_values)(value, apart, count, width, 1, head.values);
    NAME(configure)();
    for (int64_t row = first; row < last; row += 16) {
        int64_t rows = last - row < 16 ? last - row : 16;
        NAME(halve)(query + row * apart, apart, width, rows, 1, head.queries);
        NAME(score_tiles)(&head, count);
        for (int64_t r = 0; r < rows; r++) {
            float *own = head.scores + r * head.wide;
            for (int64_t i = 0; i < head.stride; i += LANES)
                *(VEC *)(own + i) = NAME(load_fp32)(own + i) * (float)job->scale;
            NAME(soften)(own, count);
            memset(own + count, 0, sizeof(float) * (head.stride - count));
        }
        NAME(mix_tiles)(&head, count, rows);
        for (int64_t r = 0; r < rows; r++)
            memcpy(out + (row - first + r) * inner + number * width, head.scores + r * head.wide,
                   sizeof(float) * width);
    }
    _tile_release();
}

/* A head's keys and values from wherever they are, in fp32 and as tiles read them. */
FN void NAME(lay_head)(const Attention *job, int64_t row, int64_t kv_head, int64_t count,
                       const NAME(Head) * head, float *wide) {
    int64_t width = job->width;
    for (int side = 0; side < 2; side++) {
        for (int64_t k = 0; k < count; k++) {
            int64_t at = (place_of(job, row, k) * job->kv_heads + kv_head) * width;
            for (int64_t i = 0; i < width; i += LANES)
                *(VEC *)(wide + k * width + i) =
                    NAME(load)(side ? job->values : job->keys, job->held, at + i);
        }
        if (side)
            NAME(pair_values)(wide, width, count, width, head->held, head->values);
        else
            NAME(lay_keys)(wide, width, count, width, head->held, head->keys);
    }
}

/* Scores to weights, for rows from `row` on; what a row does not see weighs nothing. */
FN void NAME(soften_seen)(const Attention *job, int64_t row, int64_t rows, int64_t seen,
                          const NAME(Head) * head) {
    for (int64_t r = 0; r < rows; r++) {
        float *own = head->scores + r * head->wide;
        int64_t end = job->ends[row + r];
        int64_t start = job->window && end > job->window ? end - job->window : 0;
        for (int64_t k = start; job->softcap != 0 && k < end; k++)
            own[k] = job->softcap * tanhf(own[k] / job->softcap);
        NAME(soften)(own + start, end - start);
        memset(own, 0, sizeof(float) * start);
        memset(own + end, 0, sizeof(float) * ((seen + 31) / 32 * 32 - end));
    }
}

/* Many new rows of one sequence, each the next, look at what their query heads share. */
static TARGET int NAME(attend_run)(const Attention *job, int64_t first, int64_t last,
                                   int64_t kv_head) {
    int64_t width = job->width, shared = job->heads / job->kv_heads, count = job->ends[last - 1];
    int pieces = job->held ? 2 : 3, held = job->held ? 1 : 3; /* a cache in bf16 is whole in one */
    int64_t size = room_of_tiles(count, width, 3);
    float *room = malloc(sizeof(float) * (size + (count + 16) * width));
    if (room == NULL) return 1;
    float *wide = room + size, *query = wide + count * width;
    NAME(Head) head = NAME(divide)(room, count, width, pieces, held);
    NAME(lay_head)(job, first, kv_head, count, &head, wide);
    NAME(configure)();
    for (int64_t row = first; row < last; row += 16) {
        int64_t rows = last - row < 16 ? last - row : 16, seen = job->ends[row + rows - 1];
        for (int64_t h = kv_head * shared; h < (kv_head + 1) * shared; h++) {
            for (int64_t r = 0; r < rows; r++)
                NAME(turn_head)(job, job->query, (row + r) * job->query_stride + h * width, row + r,
                                job->scale, query + r * width);
            NAME(halve)(query, width, width, rows, pieces, head.queries);
            NAME(score_tiles)(&head, seen);
            NAME(soften_seen)(job, row, rows, seen, &head);
            NAME(mix_tiles)(&head, seen, rows);
            for (int64_t r = 0; r < rows; r++)
                for (int64_t i = 0; i < width; i += LANES)
                    NAME(save)(job->out, job->half, ((row + r) * job->heads + h) * width + i,
                               NAME(load_fp32)(head.scores + r * head.wide + i));
        }
    }
    _tile_release();
    free(room);
    return 0;
}
#endif
