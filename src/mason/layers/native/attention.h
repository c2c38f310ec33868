/* Attention of the query heads of one row that share a key head, for one instruction set. */

FN float NAME(dot)(const float *x, const void *y, int half, int64_t start, int64_t width) {
    VEC sum = {0};
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES)
        sum += NAME(load_fp32)(x + i) * NAME(load)(y, half, start + i);
    float all = NAME(total)(sum);
    for (; i < width; i++) all += x[i] * get(y, half, start + i);
    return all;
}

FN void NAME(add)(float *to, float by, const void *x, int half, int64_t start, int64_t width) {
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) {
        VEC sum = NAME(load_fp32)(to + i) + by * NAME(load)(x, half, start + i);
        *(VEC *)(to + i) = sum;
    }
    for (; i < width; i++) to[i] += by * get(x, half, start + i);
}

/* Scores to weights that sum to 1; there is room for a vector beyond `count`. */
FN void NAME(soften)(float *scores, int64_t count) {
    float most = scores[0], sum = 0;
    for (int64_t i = 1; i < count; i++) most = scores[i] > most ? scores[i] : most;
    for (int64_t i = 0; i < count; i += LANES) {
        VEC weights = NAME(exponential)(NAME(load_fp32)(scores + i) - most);
        *(VEC *)(scores + i) = weights;
    }
    for (int64_t i = 0; i < count; i++) sum += scores[i];
    for (int64_t i = 0; i < count; i++) scores[i] /= sum;
}

static TARGET int NAME(attend)(const Attention *job, int64_t row, int64_t kv_head) {
    int64_t shared = job->heads / job->kv_heads, width = job->width, end = job->ends[row];
    int64_t start = job->window && end > job->window ? end - job->window : 0, count = end - start;
    int64_t room = count + LANES, step = job->kv_heads * width;
    int64_t first = (job->places[row] * job->capacity + start) * step + kv_head * width;
    float *query = calloc(shared * (2 * width + room), sizeof(float));
    if (query == NULL) return 1;
    float *mixed = query + shared * width, *scores = mixed + shared * width;
    for (int64_t h = 0; h < shared; h++)
        for (int64_t i = 0; i < width; i++) {
            int64_t from = row * job->query_stride + (kv_head * shared + h) * width;
            query[h * width + i] = job->scale * turned(job, job->query, from, row, i);
        }
    for (int64_t k = 0; k < count; k++)
        for (int64_t h = 0; h < shared; h++)
            scores[h * room + k] =
                NAME(dot)(query + h * width, job->keys, job->held, first + k * step, width);
    for (int64_t h = 0; h < shared; h++) {
        for (int64_t k = 0; job->softcap != 0 && k < count; k++)
            scores[h * room + k] = job->softcap * tanhf(scores[h * room + k] / job->softcap);
        NAME(soften)(scores + h * room, count);
    }
    for (int64_t k = 0; k < count; k++)
        for (int64_t h = 0; h < shared; h++)
            NAME(add)(mixed + h * width, scores[h * room + k], job->values, job->held,
                      first + k * step, width);
    int64_t to = (row * job->heads + kv_head * shared) * width;
    for (int64_t i = 0; i < shared * width; i++) put(job->out, job->half, to + i, mixed[i]);
    free(query);
    return 0;
}
