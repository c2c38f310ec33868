/* Attention of the query heads of one row that share a key head, for one instruction set. */

/* A head's features, each turned with the one half a head on (rotate-half), times `scale`. */
FN void NAME(turn_head)(const Attention *job, const void *x, int64_t start, int64_t row,
                        float scale, float *to) {
    int64_t width = job->width, half = width / 2;
    for (int64_t i = 0; i < width; i++) to[i] = get(x, job->half, start + i) * scale;
    if (job->cosine == NULL) return;
    const float *cosine = job->cosine + row * width, *sine = job->sine + row * width;
    for (int64_t i = 0; i < half; i++) {
        float first = to[i], second = to[i + half];
        to[i] = first * cosine[i] - second * sine[i];
        to[i + half] = second * cosine[i + half] + first * sine[i + half];
    }
}

/* A row's keys and values into the cache. */
static TARGET void NAME(store)(const Attention *job, int64_t row) {
    int64_t width = job->width, size = job->kv_heads * width;
    int64_t to = place_of(job, row, job->ends[row] - 1) * size;
    for (int64_t head = 0; head < size; head += width) {
        float key[width];
        NAME(turn_head)(job, job->key, row * job->key_stride + head, row, 1, key);
        for (int64_t i = 0; i < width; i++) {
            float value = get(job->value, job->half, row * job->value_stride + head + i);
            put(job->keys, job->held, to + head + i, key[i]);
            put(job->values, job->held, to + head + i, value);
        }
    }
}

/* scores[h * room + k]: `heads` queries, a constant where it is used, times every key. */
FN void NAME(score)(const Attention *job, const float *query, int64_t first, int64_t count,
                    int heads, float *scores, int64_t room) {
    int64_t width = job->width, step = job->kv_heads * width;
    for (int64_t k = 0; k < count; k++) {
        int64_t at = first + k * step, i = 0;
        VEC sums[4] = {0};
        for (; i + LANES <= width; i += LANES) {
            __builtin_prefetch(place(job, job->keys, at + SOON * step + i), 0, 2);
            VEC key = NAME(load)(job->keys, job->held, at + i);
#pragma GCC unroll 4
            for (int h = 0; h < heads; h++) sums[h] += NAME(load_fp32)(query + h * width + i) * key;
        }
#pragma GCC unroll 4
        for (int h = 0; h < heads; h++) {
            float all = NAME(total)(sums[h]);
            for (int64_t j = i; j < width; j++)
                all += query[h * width + j] * get(job->keys, job->held, at + j);
            scores[h * room + k] = all;
        }
    }
}

/* Some vectors of features, from `i` on, of what `heads` queries read of the values. */
FN void NAME(mix_some)(const Attention *job, const float *weights, int64_t room, int64_t first,
                       int64_t count, int64_t i, int vectors, int heads, float *out) {
    int64_t width = job->width, step = job->kv_heads * width;
    VEC sums[4][4] = {0};
    for (int64_t k = 0; k < count; k++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            int64_t at = first + k * step + i + v * LANES;
            __builtin_prefetch(place(job, job->values, at + SOON * step), 0, 2);
            VEC value = NAME(load)(job->values, job->held, at);
#pragma GCC unroll 4
            for (int h = 0; h < heads; h++) sums[v][h] += weights[h * room + k] * value;
        }
    for (int v = 0; v < vectors; v++)
        for (int h = 0; h < heads; h++) *(VEC *)(out + h * width + i + v * LANES) = sums[v][h];
}

/* out[h * width + i]: all features, by weights that sum to 1. */
FN void NAME(mix)(const Attention *job, const float *weights, int64_t room, int64_t first,
                  int64_t count, int heads, float *out) {
    const int vectors = LANES == 16 ? 4 : 2; /* as many sums as there are registers for */
    int64_t width = job->width, step = job->kv_heads * width, i = 0;
    for (; i + vectors * LANES <= width; i += vectors * LANES)
        NAME(mix_some)(job, weights, room, first, count, i, vectors, heads, out);
    for (; i + LANES <= width; i += LANES)
        NAME(mix_some)(job, weights, room, first, count, i, 1, heads, out);
    for (; i < width; i++)
        for (int h = 0; h < heads; h++) {
            float sum = 0;
            for (int64_t k = 0; k < count; k++)
                sum += weights[h * room + k] * get(job->values, job->held, first + k * step + i);
            out[h * width + i] = sum;
        }
}

/* Scores to weights that sum to 1; there is room for a vector beyond `count`. */
FN void NAME(soften)(float *scores, int64_t count) {
    float most = scores[0], sum = 0;
    VEC highest = (VEC){0} + most, sums = {0};
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
        highest = -NAME(least)(-highest, -NAME(load_fp32)(scores + i));
    for (int lane = 0; lane < LANES; lane++) most = highest[lane] > most ? highest[lane] : most;
    for (; i < count; i++) most = scores[i] > most ? scores[i] : most;
    for (i = 0; i < count; i += LANES) {
        VEC weights = NAME(exponential)(NAME(load_fp32)(scores + i) - most);
        *(VEC *)(scores + i) = weights;
        if (i + LANES <= count) sums += weights;
    }
    sum = NAME(total)(sums);
    for (i = count - count % LANES; i < count; i++) sum += scores[i];
    for (i = 0; i < count; i++) scores[i] /= sum;
}

/* Up to four heads together. */
FN void NAME(look_back)(const Attention *job, const float *query, int64_t first, int64_t count,
                        int heads, float *scores, int64_t room, float *out) {
    NAME(score)(job, query, first, count, heads, scores, room);
    for (int h = 0; h < heads; h++) {
        for (int64_t k = 0; job->softcap != 0 && k < count; k++)
            scores[h * room + k] = job->softcap * tanhf(scores[h * room + k] / job->softcap);
        NAME(soften)(scores + h * room, count);
    }
    NAME(mix)(job, scores, room, first, count, heads, out);
}

/* Keys or values of one head, from wherever the blocks of a sequence are, one after the other. */
FN void NAME(collect)(const Attention *job, const void *cache, int64_t row, int64_t kv_head,
                      int64_t start, int64_t count, char *to) {
    int64_t bytes = job->width * (job->held ? 2 : 4);
    for (int64_t k = 0; k < count; k++) {
        int64_t at = (place_of(job, row, start + k) * job->kv_heads + kv_head) * job->width;
        memcpy(to + k * bytes, place(job, cache, at), bytes);
    }
}

static TARGET int NAME(attend)(const Attention *job, int64_t row, int64_t kv_head) {
    int64_t shared = job->heads / job->kv_heads, width = job->width, end = job->ends[row];
    int64_t start = job->window && end > job->window ? end - job->window : 0, count = end - start;
    int64_t room = count + LANES, collected = job->blocks == NULL ? 0 : count * width;
    int64_t first = (place_of(job, row, start) * job->kv_heads + kv_head) * width;
    float *query = calloc(2 * shared * width + 4 * room + 2 * collected, sizeof(float));
    if (query == NULL) return 1;
    float *mixed = query + shared * width, *scores = mixed + shared * width;
    Attention own = *job;
    if (job->blocks != NULL) {
        char *keys = (char *)(scores + 4 * room), *values = keys + 4 * collected;
        NAME(collect)(job, job->keys, row, kv_head, start, count, keys);
        NAME(collect)(job, job->values, row, kv_head, start, count, values);
        own.keys = keys, own.values = values, own.kv_heads = 1, first = 0;
    }
    for (int64_t h = 0; h < shared; h++) {
        int64_t from = row * job->query_stride + (kv_head * shared + h) * width;
        NAME(turn_head)(job, job->query, from, row, job->scale, query + h * width);
    }
    for (int64_t h = 0; h < shared; h += 4) {
        float *of = query + h * width, *out = mixed + h * width;
        switch (shared - h) {
        case 1: NAME(look_back)(&own, of, first, count, 1, scores, room, out); break;
        case 2: NAME(look_back)(&own, of, first, count, 2, scores, room, out); break;
        case 3: NAME(look_back)(&own, of, first, count, 3, scores, room, out); break;
        default: NAME(look_back)(&own, of, first, count, 4, scores, room, out);
        }
    }
    int64_t to = (row * job->heads + kv_head * shared) * width;
    for (int64_t i = 0; i < shared * width; i++) put(job->out, job->half, to + i, mixed[i]);
    free(query);
    return 0;
}
