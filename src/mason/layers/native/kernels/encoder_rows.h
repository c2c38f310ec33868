/* What an encoder does beside products: norms, activations, attention of whole sequences. */

/* y = norm(x + added) * weight + bias, for one row. */
static TARGET void NAME(add_norm)(const float *x, const float *added, const float *weight,
                                  const float *bias, double epsilon, int64_t width, float *y) {
    VEC sums = {0};
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) {
        VEC sum = NAME(load_fp32)(x + i) + NAME(load_fp32)(added + i);
        *(VEC *)(y + i) = sum;
        sums += sum;
    }
    float sum = NAME(total)(sums);
    for (; i < width; i++) sum += y[i] = x[i] + added[i];
    float mean = sum / width, square = 0;
    VEC squares = {0};
    for (i = 0; i + LANES <= width; i += LANES) {
        VEC apart = NAME(load_fp32)(y + i) - mean;
        squares += apart * apart;
    }
    square = NAME(total)(squares);
    for (; i < width; i++) square += (y[i] - mean) * (y[i] - mean);
    float by = 1 / sqrt((double)square / width + epsilon);
    for (i = 0; i + LANES <= width; i += LANES) {
        VEC normed = (NAME(load_fp32)(y + i) - mean) * by;
        *(VEC *)(y + i) = normed * NAME(load_fp32)(weight + i) + NAME(load_fp32)(bias + i);
    }
    for (; i < width; i++) y[i] = (y[i] - mean) * by * weight[i] + bias[i];
}

static TARGET void NAME(activate)(float *x, int64_t count, int kind) {
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        VEC part = NAME(activated)(NAME(load_fp32)(x + i), kind);
        *(VEC *)(x + i) = part;
    }
    if (i < count) {
        float rest[LANES] = {0};
        memcpy(rest, x + i, sizeof(float) * (count - i));
        VEC part = NAME(activated)(NAME(load_fp32)(rest), kind);
        *(VEC *)rest = part;
        memcpy(x + i, rest, sizeof(float) * (count - i));
    }
}

/* Scores of `rows` queries and all keys, whose features lie side by side: [width, stride]. */
FN void NAME(match)(const float *query, int64_t apart, const float *keys, int64_t stride,
                    int64_t width, float scale, int rows, float *scores) {
    for (int64_t j = 0; j < stride; j += LANES) {
        VEC sums[4] = {0};
        for (int64_t i = 0; i < width; i++) {
            VEC key = NAME(load_fp32)(keys + i * stride + j);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) sums[r] += query[r * apart + i] * key;
        }
        for (int r = 0; r < rows; r++) *(VEC *)(scores + r * stride + j) = sums[r] * scale;
    }
}

/* What `rows` queries read of the values, by weights that sum to 1. */
FN void NAME(gather)(const float *weights, int64_t stride, const float *value, int64_t apart,
                     int64_t count, int64_t width, int rows, float *out, int64_t out_apart) {
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) {
        VEC sums[4] = {0};
        for (int64_t j = 0; j < count; j++) {
            VEC from = NAME(load_fp32)(value + j * apart + i);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) sums[r] += weights[r * stride + j] * from;
        }
        for (int r = 0; r < rows; r++) *(VEC *)(out + r * out_apart + i) = sums[r];
    }
    for (; i < width; i++)
        for (int r = 0; r < rows; r++) {
            float sum = 0;
            for (int64_t j = 0; j < count; j++)
                sum += weights[r * stride + j] * value[j * apart + i];
            out[r * out_apart + i] = sum;
        }
}

/* One head of one sequence: queries `first` to `last` look at all its rows.
 * `room`: numbers for [width + 4, stride], stride being `count` in whole vectors. */
static TARGET void NAME(encoder_attention)(const Encoder *job, const float *fused, int64_t count,
                                           int64_t head, int64_t first, int64_t last, float *out,
                                           float *room) {
    int64_t width = job->head_width, inner = job->heads * width, apart = 3 * inner;
    int64_t stride = (count + LANES - 1) / LANES * LANES;
    const float *query = fused + head * width, *key = query + inner, *value = key + inner;
    float *scores = room + width * stride;
    memset(room, 0, sizeof(float) * width * stride);
    for (int64_t j = 0; j < count; j++)
        for (int64_t i = 0; i < width; i++) room[i * stride + j] = key[j * apart + i];
    for (int64_t row = first; row < last; row += 4) {
        int rows = last - row < 4 ? last - row : 4;
        const float *from = query + row * apart;
        float *to = out + (row - first) * inner + head * width;
        if (rows == 4)
            NAME(match)(from, apart, room, stride, width, job->scale, 4, scores);
        else
            for (int r = 0; r < rows; r++)
                NAME(match)(from + r * apart, apart, room, stride, width, job->scale, 1,
                            scores + r * stride);
        for (int r = 0; r < rows; r++) {
            float *own = scores + r * stride;
            NAME(soften)(own, count);
        }
        if (rows == 4)
            NAME(gather)(scores, stride, value, apart, count, width, 4, to, inner);
        else
            for (int r = 0; r < rows; r++)
                NAME(gather)(scores + r * stride, stride, value, apart, count, width, 1,
                             to + r * inner, inner);
    }
}
