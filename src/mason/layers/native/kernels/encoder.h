/* A whole encoder in one call: rows of sequences, a few sequences at a time through all layers. */
enum { TOGETHER = 256 }; /* rows, about, that go through the layers at once */

/* y[rows, outputs] = activation(x[rows, inputs] weight^T + bias), x rounded row by row. */
static int product_int8(const PackedWeights *weights, const float *x, float *y, int64_t rows,
                        int64_t activation) {
    int64_t depth = weights->depth, room = (rows + 31) / 32 * 32;
    uint8_t *bytes = malloc(room * depth + 64);
    float *steps = malloc(sizeof(float) * 2 * rows);
    if (bytes == NULL || steps == NULL) {
        free(bytes), free(steps);
        return 1;
    }
    for (int64_t row = 0; row < rows; row++)
        chosen->to_uint8(x + row * weights->inputs, weights->inputs, depth, bytes + row * depth,
                         steps + row, steps + rows + row);
    memset(bytes + rows * depth, 0, (room - rows) * depth);
    Int8Product job = {weights->packed,
                       weights->scales,
                       weights->totals,
                       weights->biases,
                       bytes,
                       steps,
                       steps + rows,
                       y,
                       rows,
                       depth,
                       weights->outputs,
                       activation};
    int64_t blocks = (weights->outputs + BLOCK - 1) / BLOCK, parts = (blocks + 7) / 8;
#pragma omp parallel for schedule(static) if (rows * depth * weights->outputs > 1 << 22)
    for (int64_t part = 0; part < parts; part++)
        chosen->int8_product(&job, part * 8, part * 8 + 8 < blocks ? part * 8 + 8 : blocks);
    free(bytes), free(steps);
    return 0;
}

/* Products of rows in bf16 [rows up to whole tiles, depth] with weights in bf16. */
static void multiply_bf16(Bf16Product job) {
    int64_t blocks = (job.outputs + BLOCK - 1) / BLOCK, parts = (blocks + 7) / 8;
#pragma omp parallel for schedule(static) if (job.rows * job.depth * job.outputs > 1 << 22)
    for (int64_t part = 0; part < parts; part++)
        chosen->bf16_product(&job, part * 8, part * 8 + 8 < blocks ? part * 8 + 8 : blocks);
}

/* The same with rows rounded to bf16. With a `second` map, whose inputs are whole tiles, an
 * activation stands between the two, and what it gives is in bf16. */
static int product_bf16(const PackedWeights *weights, const PackedWeights *second, const float *x,
                        float *y, int64_t rows, int64_t activation) {
    int64_t depth = weights->depth, room = (rows + 31) / 32 * 32;
    int64_t between = second == NULL ? 0 : second->depth;
    uint16_t *halves = malloc(sizeof(uint16_t) * room * (depth + between) + LINE);
    if (halves == NULL) return 1;
    uint16_t *start = (uint16_t *)(((uintptr_t)halves + LINE - 1) / LINE * LINE);
    uint16_t *inner = start + room * depth;
    for (int64_t row = 0; row < rows; row++)
        chosen->to_bf16_row(x + row * weights->inputs, weights->inputs, depth, start + row * depth);
    memset(start + rows * depth, 0, sizeof(uint16_t) * (room - rows) * depth);
    memset(inner + rows * between, 0, sizeof(uint16_t) * (room - rows) * between);
    Bf16Product job = {.packed = weights->packed,
                       .biases = weights->biases,
                       .x = start,
                       .rows = rows,
                       .depth = depth,
                       .outputs = weights->outputs,
                       .activation = activation,
                       .y = second == NULL ? (void *)y : inner,
                       .half = second != NULL};
    multiply_bf16(job);
    if (second != NULL)
        multiply_bf16((Bf16Product){.packed = second->packed,
                                    .biases = second->biases,
                                    .x = inner,
                                    .rows = rows,
                                    .depth = between,
                                    .outputs = second->outputs,
                                    .activation = PLAIN,
                                    .y = y});
    free(halves);
    return 0;
}

/* The same for weights of either kind. */
static int product_of_weights(const PackedWeights *weights, const float *x, float *y, int64_t rows,
                              int64_t activation) {
    if (weights->kind == BF16) return product_bf16(weights, NULL, x, y, rows, activation);
    return product_int8(weights, x, y, rows, activation);
}

/* Whose turn it is: sequences `first` to `last`, of which `kept` rows go on after attention. */
typedef struct {
    const Encoder *model;
    const int64_t *offsets;
    const int64_t *wanted; /* of each sequence, or NULL: every row goes on */
    int64_t first, last, rows, longest;
    float *hidden, *fused, *mixed, *added, *between, *room;
} Turn;

static int64_t mix(const Turn *turn, const int64_t *wanted) {
    const Encoder *model = turn->model;
    int64_t inner = model->heads * model->head_width, start = turn->offsets[turn->first], kept = 0;
    int whole = chosen->encoder_attention_tiles != NULL && model->head_width % 32 == 0;
    for (int64_t s = turn->first; s < turn->last; s++) {
        int64_t from = turn->offsets[s] - start, count = turn->offsets[s + 1] - turn->offsets[s];
        int64_t first = wanted ? wanted[s] : 0, last = wanted ? first + 1 : count;
        for (int64_t head = 0; head < model->heads; head++)
            (whole ? chosen->encoder_attention_tiles : chosen->encoder_attention)(
                model, turn->fused + 3 * inner * from, count, head, first, last,
                turn->mixed + kept * inner, turn->room);
        if (wanted)
            memcpy(turn->hidden + kept * model->width, turn->hidden + (from + first) * model->width,
                   sizeof(float) * model->width);
        kept += last - first;
    }
    return kept;
}

static int feed_forward(const EncoderLayer *layer, const float *x, const Turn *turn, int64_t rows) {
    int64_t kind = turn->model->activation;
    if (layer->up.kind == BF16 && layer->down.kind == BF16 && layer->up.outputs % (2 * BLOCK) == 0)
        return product_bf16(&layer->up, &layer->down, x, turn->added, rows, kind);
    return product_of_weights(&layer->up, x, turn->between, rows, kind) ||
           product_of_weights(&layer->down, turn->between, turn->added, rows, PLAIN);
}

static int pass_layer(Turn *turn, const EncoderLayer *layer, const int64_t *wanted) {
    const Encoder *model = turn->model;
    int64_t width = model->width;
    float *hidden = turn->hidden;
    if (product_of_weights(&layer->fused, hidden, turn->fused, turn->rows, PLAIN)) return 1;
    int64_t rows = turn->rows = mix(turn, wanted);
    if (product_of_weights(&layer->output, turn->mixed, turn->added, rows, PLAIN)) return 1;
    for (int64_t at = 0; at < rows * width; at += width)
        chosen->add_norm(hidden + at, turn->added + at, layer->norm, layer->norm + width,
                         model->epsilon, width, hidden + at);
    if (feed_forward(layer, hidden, turn, rows)) return 1;
    for (int64_t at = 0; at < rows * width; at += width)
        chosen->add_norm(hidden + at, turn->added + at, layer->norm + 2 * width,
                         layer->norm + 3 * width, model->epsilon, width, hidden + at);
    return 0;
}

static int take_turn(Turn *turn, const float *x, float *out) {
    const Encoder *model = turn->model;
    int64_t width = model->width, inner = model->heads * model->head_width, widest = 0;
    for (int64_t i = 0; i < model->depth; i++)
        if (model->layers[i].up.outputs > widest) widest = model->layers[i].up.outputs;
    int64_t start = turn->offsets[turn->first];
    int64_t room = room_of_tiles(turn->longest, model->head_width, 1);
    turn->rows = turn->offsets[turn->last] - start;
    float *all = malloc(sizeof(float) * (turn->rows * (2 * width + 4 * inner + widest) + room));
    if (all == NULL) return 1;
    turn->hidden = all, turn->added = all + turn->rows * width;
    turn->fused = turn->added + turn->rows * width,
    turn->mixed = turn->fused + turn->rows * 3 * inner;
    turn->between = turn->mixed + turn->rows * inner,
    turn->room = turn->between + turn->rows * widest;
    memcpy(all, x + start * width, sizeof(float) * turn->rows * width);
    int failed = 0;
    for (int64_t i = 0; i < model->depth && !failed; i++)
        failed = pass_layer(turn, model->layers + i, i + 1 == model->depth ? turn->wanted : NULL);
    int64_t to = turn->wanted ? turn->first : start;
    if (!failed) memcpy(out + to * width, turn->hidden, sizeof(float) * turn->rows * width);
    free(all);
    return failed;
}

/* out = the last layer's rows, or of each sequence the one it is `wanted` of. */
int mason_encode(const Encoder *model, const int64_t *offsets, int64_t sequences,
                 const int64_t *wanted, const float *x, float *out) {
    Turn *turns = calloc(sequences, sizeof(Turn));
    if (turns == NULL) return 1;
    int64_t count = 0;
    for (int64_t s = 0; s < sequences;) {
        Turn *turn = turns + count++;
        *turn = (Turn){.model = model, .offsets = offsets, .wanted = wanted, .first = s};
        do {
            int64_t length = offsets[s + 1] - offsets[s];
            turn->longest = length > turn->longest ? length : turn->longest;
            s++;
        } while (s < sequences && offsets[s + 1] - offsets[turn->first] <= TOGETHER);
        turn->last = s;
    }
    int failed = 0;
#pragma omp parallel for schedule(dynamic) reduction(| : failed) if (count >= omp_get_max_threads())
    for (int64_t i = 0; i < count; i++) failed |= take_turn(turns + i, x, out);
    free(turns);
    return failed;
}

int mason_product_int8_dynamic(const PackedWeights *weights, const float *x, float *y,
                               int64_t rows) {
    return product_int8(weights, x, y, rows, PLAIN);
}
