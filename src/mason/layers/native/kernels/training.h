/* Norms, activations and losses as a step of training asks for them, there and back. */

FN void NAME(write)(void *to, int half, int64_t i, VEC values) {
    if (half)
        NAME(narrow)((uint16_t *)to + i, (NAME(words))values);
    else
        *(VEC *)((float *)to + i) = values;
}

/* Numbers `i` of row `row`, without the row's mean where that is taken off. */
FN VEC NAME(apart)(const NormPass *job, int64_t row, int64_t i) {
    return NAME(load)(job->x, job->half, row * job->width + i) - job->means[row];
}

FN float NAME(one_apart)(const NormPass *job, int64_t row, int64_t i) {
    return get(job->x, job->half, row * job->width + i) - job->means[row];
}

/* Rows `first` to `last` brought to the same scale; their means and scales are kept. */
static TARGET void NAME(norm_forward)(const NormPass *job, int64_t first, int64_t last) {
    int64_t width = job->width, vectors = width / LANES * LANES;
    for (int64_t row = first; row < last; row++) {
        int64_t i = 0;
        job->means[row] = 0;
        if (job->centred) {
            VEC sums = {0};
            for (; i < vectors; i += LANES) sums += NAME(apart)(job, row, i);
            float sum = NAME(total)(sums);
            for (; i < width; i++) sum += NAME(one_apart)(job, row, i);
            job->means[row] = sum / width;
        }
        VEC squares = {0};
        for (i = 0; i < vectors; i += LANES) {
            VEC part = NAME(apart)(job, row, i);
            squares += part * part;
        }
        float square = NAME(total)(squares);
        for (; i < width; i++)
            square += NAME(one_apart)(job, row, i) * NAME(one_apart)(job, row, i);
        float by = job->scales[row] = 1 / sqrtf(square / width + job->epsilon);
        for (i = 0; i < vectors; i += LANES) {
            VEC y =
                NAME(apart)(job, row, i) * by * (NAME(load_fp32)(job->weight + i) + job->offset);
            if (job->bias) y += NAME(load_fp32)(job->bias + i);
            NAME(write)(job->y, job->to_half, row * width + i, y);
        }
        for (; i < width; i++)
            put(job->y, job->to_half, row * width + i,
                NAME(one_apart)(job, row, i) * by * (job->weight[i] + job->offset) +
                    (job->bias ? job->bias[i] : 0));
    }
}

/* The gradients of x, and what these rows add to those of weight and bias, which lie in `sums`. */
static TARGET void NAME(norm_backward)(const NormPass *job, int64_t first, int64_t last,
                                       float *sums) {
    int64_t width = job->width, vectors = width / LANES * LANES;
    float *own = sums + width;
    for (int64_t row = first; row < last; row++) {
        int64_t at = row * width, i = 0;
        float by = job->scales[row];
        VEC means = {0}, alongs = {0};
        for (; i < vectors; i += LANES) {
            VEC x = NAME(apart)(job, row, i) * by,
                grad = NAME(load)(job->grad, job->to_half, at + i);
            VEC inner = grad * (NAME(load_fp32)(job->weight + i) + job->offset);
            means += inner, alongs += inner * x;
            *(VEC *)(sums + i) = NAME(load_fp32)(sums + i) + grad * x;
            *(VEC *)(own + i) = NAME(load_fp32)(own + i) + grad;
        }
        float mean = NAME(total)(means), along = NAME(total)(alongs);
        for (; i < width; i++) {
            float x = NAME(one_apart)(job, row, i) * by,
                  grad = get(job->grad, job->to_half, at + i);
            float inner = grad * (job->weight[i] + job->offset);
            mean += inner, along += inner * x;
            sums[i] += grad * x, own[i] += grad;
        }
        mean = job->centred ? mean / width : 0, along /= width;
        for (i = 0; i < vectors; i += LANES) {
            VEC x = NAME(apart)(job, row, i) * by,
                grad = NAME(load)(job->grad, job->to_half, at + i);
            VEC inner = grad * (NAME(load_fp32)(job->weight + i) + job->offset);
            NAME(write)(job->x_grad, job->half, at + i, (inner - mean - x * along) * by);
        }
        for (; i < width; i++) {
            float x = NAME(one_apart)(job, row, i) * by,
                  grad = get(job->grad, job->to_half, at + i);
            float inner = grad * (job->weight[i] + job->offset);
            put(job->x_grad, job->half, at + i, (inner - mean - x * along) * by);
        }
    }
}

/* LANES numbers of a row, of which `count` are there. */
FN VEC NAME(some)(const void *from, int half, int64_t i, int64_t count) {
    if (count >= LANES) return NAME(load)(from, half, i);
    float rest[LANES] = {0};
    for (int64_t k = 0; k < count; k++) rest[k] = get(from, half, i + k);
    return NAME(load_fp32)(rest);
}

FN void NAME(write_some)(void *to, int half, int64_t i, int64_t count, VEC values) {
    if (count >= LANES)
        NAME(write)(to, half, i, values);
    else
        for (int64_t k = 0; k < count; k++) put(to, half, i + k, values[k]);
}

/* Rows `first` to `last`: act(x), or act(the first half of x) times the second where gated. */
FN void NAME(activation_forward_as)(const ActivationPass *job, int64_t first, int64_t last,
                                    int kind) {
    int64_t width = job->width, apart = job->gated ? 2 * width : width;
    for (int64_t row = first; row < last; row++)
        for (int64_t i = 0; i < width; i += LANES) {
            int64_t from = row * apart + i, left = width - i;
            VEC value, grad;
            NAME(both)(NAME(some)(job->x, job->half, from, left), kind, &value, &grad);
            if (job->gated) value *= NAME(some)(job->x, job->half, from + width, left);
            NAME(write_some)(job->y, job->half, row * width + i, left, value);
        }
}

FN void NAME(activation_backward_as)(const ActivationPass *job, int64_t first, int64_t last,
                                     int kind) {
    int64_t width = job->width, apart = job->gated ? 2 * width : width;
    for (int64_t row = first; row < last; row++)
        for (int64_t i = 0; i < width; i += LANES) {
            int64_t from = row * apart + i, left = width - i;
            VEC value, grad, given = NAME(some)(job->grad, job->half, row * width + i, left);
            NAME(both)(NAME(some)(job->x, job->half, from, left), kind, &value, &grad);
            if (job->gated) {
                VEC up = NAME(some)(job->x, job->half, from + width, left);
                NAME(write_some)(job->y, job->half, from + width, left, given * value);
                grad *= up;
            }
            NAME(write_some)(job->y, job->half, from, left, given * grad);
        }
}

static TARGET void NAME(activation_forward)(const ActivationPass *job, int64_t first,
                                            int64_t last) {
    if (job->kind == GELU)
        NAME(activation_forward_as)(job, first, last, GELU);
    else if (job->kind == RELU)
        NAME(activation_forward_as)(job, first, last, RELU);
    else if (job->kind == SILU)
        NAME(activation_forward_as)(job, first, last, SILU);
    else
        NAME(activation_forward_as)(job, first, last, GELU_TANH);
}

static TARGET void NAME(activation_backward)(const ActivationPass *job, int64_t first,
                                             int64_t last) {
    if (job->kind == GELU)
        NAME(activation_backward_as)(job, first, last, GELU);
    else if (job->kind == RELU)
        NAME(activation_backward_as)(job, first, last, RELU);
    else if (job->kind == SILU)
        NAME(activation_backward_as)(job, first, last, SILU);
    else
        NAME(activation_backward_as)(job, first, last, GELU_TANH);
}

/* The loss of rows `first` to `last` of logits, which their gradients take the place of if asked
 * for. A row stays in a core's cache from its first reading to its last. */
static TARGET void NAME(cross_entropy)(const CrossEntropy *job, int64_t first, int64_t last) {
    int64_t count = job->count, vectors = count / LANES * LANES;
    float even = job->smoothing / count;
    for (int64_t row = first; row < last; row++) {
        uint16_t *own = job->logits + row * count;
        int64_t i = 0, right = job->targets[row];
        VEC tops = (VEC){0} - INFINITY, all = {0}, sums = {0};
        for (; i < vectors; i += LANES) {
            VEC x = NAME(load_bf16)(own + i);
            if (job->bias) x += NAME(load_fp32)(job->bias + i);
            NAME(ints) above = x > tops;
            tops = (VEC)((above & (NAME(ints))x) | (~above & (NAME(ints))tops));
            all += x;
        }
        float top = -INFINITY, whole = NAME(total)(all);
        for (int lane = 0; lane < LANES; lane++) top = tops[lane] > top ? tops[lane] : top;
        for (; i < count; i++) {
            float x = of_bf16(own[i]) + (job->bias ? job->bias[i] : 0);
            top = x > top ? x : top, whole += x;
        }
        for (i = 0; i < vectors; i += LANES) {
            VEC x = NAME(load_bf16)(own + i);
            if (job->bias) x += NAME(load_fp32)(job->bias + i);
            sums += NAME(exponential)(x - top);
        }
        float sum = NAME(total)(sums);
        for (; i < count; i++) sum += expf(of_bf16(own[i]) + (job->bias ? job->bias[i] : 0) - top);
        float wanted = of_bf16(own[right]) + (job->bias ? job->bias[right] : 0);
        job->losses[row] = top + logf(sum) - (1 - job->smoothing) * wanted - even * whole;
        if (!job->grads) continue;
        float by = 1 / sum, exact = expf(wanted - top) * by - even - (1 - job->smoothing);
        for (i = 0; i < vectors; i += LANES) {
            VEC x = NAME(load_bf16)(own + i);
            if (job->bias) x += NAME(load_fp32)(job->bias + i);
            NAME(narrow)(own + i, (NAME(words))(NAME(exponential)(x - top) * by - even));
        }
        for (; i < count; i++) {
            float x = of_bf16(own[i]) + (job->bias ? job->bias[i] : 0);
            own[i] = to_bf16(expf(x - top) * by - even);
        }
        own[right] = to_bf16(exact);
    }
}
