/* The layers of a lone decoder in one call: the rows of a decoding step, over its caches.
 *
 * Rows are fp32 from the first layer to the last norm, whatever the weights and the caches are;
 * products by tiles round them (tiles.h).
 */
enum { INT4 = KINDS }; /* a kind of weights beside those of Product */

/* A linear map; what is NULL is not there. */
typedef struct {
    const void *weight; /* as Product or Int4Product have it */
    const void *worth;  /* scales of int8, the grid of 4 bits */
    const float *bias;
    int64_t kind, inputs, outputs;
} Map;

typedef struct {
    const float *weight; /* NULL: rows stay as they are */
    const float *bias;   /* NULL: by the root mean square alone */
    double epsilon, offset;
} Norm;

/* Attention, then feed-forward: each between a norm `before` it and one `after` it. */
typedef struct {
    Map fused, output, up, down;
    Norm before[2], after[2], query, key;
    int64_t window, turning; /* which of the step's angles */
} DecoderLayer;

typedef struct {
    const DecoderLayer *layers;
    Norm last;
    int64_t depth, width, heads, kv_heads, head_width, activation, gated;
    double scale, softcap;
} Decoder;

typedef struct {
    const void *x; /* [rows, width], as is what comes out */
    void *out;
    void *const *keys; /* of each layer [places or blocks, capacity, kv_heads, head_width] */
    void *const *values;
    const float *const *cosines; /* of each way to turn [positions, head_width]; NULL: none */
    const float *const *sines;
    const int64_t *places, *ends, *blocks;             /* see Attention */
    int64_t longest, rows, capacity, ways, half, held; /* `held`: whether the caches are bf16 */
} Step;

/* Room for the rows from block to block. */
typedef struct {
    float *hidden, *normed, *wide, *mixed, *added, *laid, *zeros;
    float *cosines, *sines; /* of each way to turn [rows, head_width] */
} Room;

/* Where the rows of the model are in bf16, a product in bf16 takes them in one piece of it. */
static void pass_map(const Map *map, const float *x, float *y, const Step *step, int gated,
                     const Room *room) {
    int64_t rows = step->rows;
    if (map->kind == INT4) {
        int64_t depth = (map->inputs + GROUP - 1) / GROUP * GROUP;
        Int4Product job = {.packed = map->weight,
                           .grid = map->worth,
                           .bias = map->bias,
                           .y = y,
                           .rows = rows,
                           .depth = depth,
                           .outputs = map->outputs};
        multiply_int4(&job, x, 0, map->inputs, room->laid);
    } else {
        Product job = {.weight = map->weight,
                       .scales = map->worth,
                       .bias = map->bias,
                       .x = x,
                       .y = y,
                       .rows = rows,
                       .inputs = map->inputs,
                       .outputs = map->outputs,
                       .pieces = step->half ? 1 : 2,
                       .gated = gated};
        multiply(map->kind, &job, room->laid);
    }
}

/* Whether the product into the feed-forward gates what it gives, which saves a pass over it. */
static int gates_by_tiles(const Decoder *model, const Map *up) {
    Product job = {.inputs = up->inputs, .outputs = up->outputs};
    int silu = model->gated && model->activation == SILU && up->outputs % (2 * BLOCK) == 0;
    return silu && up->kind != INT4 && goes_by_tiles(up->kind, &job);
}

/* Rows that lie `apart`, perhaps in place. */
static void pass_norm(const Norm *norm, const float *x, float *y, int64_t rows, int64_t width,
                      int64_t apart, const Room *room) {
    for (int64_t at = 0; at < rows * apart; at += apart)
        if (norm->weight == NULL)
            memmove(y + at, x + at, sizeof(float) * width);
        else if (norm->bias == NULL)
            chosen->norm(x, norm->weight, y, 0, at, width, norm->epsilon, norm->offset);
        else
            chosen->add_norm(x + at, room->zeros, norm->weight, norm->bias, norm->epsilon, width,
                             y + at);
}

static int attend(const Decoder *model, const Step *step, int64_t number, const Room *room) {
    const DecoderLayer *layer = model->layers + number;
    int64_t width = model->head_width, inner = model->heads * width, apart = layer->fused.outputs;
    float *query = room->wide, *key = query + inner, *value = key + model->kv_heads * width;
    for (int64_t row = 0; row < step->rows; row++) {
        float *from = query + row * apart, *shared = key + row * apart;
        pass_norm(&layer->query, from, from, model->heads, width, width, room);
        pass_norm(&layer->key, shared, shared, model->kv_heads, width, width, room);
    }
    Attention job = {
        .query = query,
        .key = key,
        .value = value,
        .out = room->mixed,
        .query_stride = apart,
        .key_stride = apart,
        .value_stride = apart,
        .keys = step->keys[number],
        .values = step->values[number],
        .cosine = step->ways ? room->cosines + layer->turning * step->rows * width : NULL,
        .sine = step->ways ? room->sines + layer->turning * step->rows * width : NULL,
        .places = step->places,
        .ends = step->ends,
        .capacity = step->capacity,
        .rows = step->rows,
        .heads = model->heads,
        .kv_heads = model->kv_heads,
        .width = width,
        .window = layer->window,
        .half = 0,
        .held = step->held,
        .scale = model->scale,
        .softcap = model->softcap,
        .blocks = step->blocks,
        .longest = step->longest,
    };
    return mason_attend(&job);
}

/* The inner rows of a feed-forward, where what the activation gives lies at the front of each. */
static void activate(const Decoder *model, float *wide, int64_t rows, int64_t outputs) {
    int64_t width = model->gated ? outputs / 2 : outputs;
    for (int64_t row = 0; row < rows; row++) {
        float *from = wide + row * outputs, *to = wide + row * width;
        if (model->gated && model->activation == SILU) {
            chosen->gate(from, to, 0, 0, 0, width);
            continue;
        }
        chosen->activate(from, width, model->activation);
        for (int64_t i = 0; i < width; i++)
            to[i] = model->gated ? from[i] * from[width + i] : from[i];
    }
}

static void add(float *hidden, const float *added, int64_t count) {
    for (int64_t i = 0; i < count; i++) hidden[i] += added[i];
}

static int pass_decoder_layer(const Decoder *model, const Step *step, int64_t number,
                              const Room *room) {
    const DecoderLayer *layer = model->layers + number;
    int64_t rows = step->rows, width = model->width;
    pass_norm(layer->before, room->hidden, room->normed, rows, width, width, room);
    pass_map(&layer->fused, room->normed, room->wide, step, 0, room);
    if (attend(model, step, number, room)) return 1;
    pass_map(&layer->output, room->mixed, room->added, step, 0, room);
    pass_norm(layer->after, room->added, room->added, rows, width, width, room);
    add(room->hidden, room->added, rows * width);
    pass_norm(layer->before + 1, room->hidden, room->normed, rows, width, width, room);
    int gated = gates_by_tiles(model, &layer->up);
    pass_map(&layer->up, room->normed, room->wide, step, gated, room);
    if (!gated) activate(model, room->wide, rows, layer->up.outputs);
    pass_map(&layer->down, room->wide, room->added, step, 0, room);
    pass_norm(layer->after + 1, room->added, room->added, rows, width, width, room);
    add(room->hidden, room->added, rows * width);
    return 0;
}

/* Each row's angles, from the tables of all positions. */
static void lay_angles(const Decoder *model, const Step *step, const Room *room) {
    int64_t width = model->head_width;
    for (int64_t i = 0; i < step->ways * step->rows; i++) {
        int64_t way = i / step->rows, from = (step->ends[i % step->rows] - 1) * width;
        memcpy(room->cosines + i * width, step->cosines[way] + from, sizeof(float) * width);
        memcpy(room->sines + i * width, step->sines[way] + from, sizeof(float) * width);
    }
}

/* The most numbers of a row that some map of a layer reads or gives. */
static int64_t widest_row(const Decoder *model) {
    int64_t widest = model->width;
    for (int64_t i = 0; i < model->depth; i++) {
        const DecoderLayer *layer = model->layers + i;
        if (layer->fused.outputs > widest) widest = layer->fused.outputs;
        if (layer->up.outputs > widest) widest = layer->up.outputs;
    }
    return widest;
}

/* Numbers that laying out rows for any map of the model takes. */
static int64_t room_to_lay(int64_t rows, int64_t widest) {
    int64_t int4 = room_of_int4(rows, (widest + GROUP - 1) / GROUP * GROUP);
    int64_t product = room_of_product(rows, widest);
    return int4 > product ? int4 : product;
}

/* Some rows through all layers. */
static int decode(const Decoder *model, const Step *step) {
    int64_t rows = step->rows, width = model->width, widest = widest_row(model);
    int64_t inner = model->heads * model->head_width, laid = room_to_lay(rows, widest);
    int64_t angles = step->ways * rows * model->head_width;
    float *all =
        malloc(sizeof(float) * (rows * (3 * width + widest + inner) + laid + widest + 2 * angles));
    if (all == NULL) return 1;
    Room room = {.hidden = all, .normed = all + rows * width};
    room.added = room.normed + rows * width, room.wide = room.added + rows * width;
    room.mixed = room.wide + rows * widest, room.laid = room.mixed + rows * inner;
    room.zeros = room.laid + laid, room.cosines = room.zeros + widest;
    room.sines = room.cosines + angles;
    lay_angles(model, step, &room);
    memset(room.zeros, 0, sizeof(float) * widest);
    widen(room.hidden, step->x, step->half, rows * width);
    int failed = 0;
    for (int64_t i = 0; i < model->depth && !failed; i++)
        failed = pass_decoder_layer(model, step, i, &room);
    pass_norm(&model->last, room.hidden, room.normed, rows, width, width, &room);
    for (int64_t i = 0; i < rows * width; i++) put(step->out, step->half, i, room.normed[i]);
    free(all);
    return failed;
}

/* How many rows from the first on go through together, so that they stay near: whole sequences, or
 * some of a long one, as many whatever is beside it. */
static int64_t rows_together(const int64_t *places, const int64_t *ends, int64_t rows) {
    int64_t count = 0;
    while (count < rows) {
        int64_t run = run_of(places, ends, count, rows);
        if (count > 0 && count + run > TOGETHER) break;
        count += run < TOGETHER ? run : TOGETHER;
        if (run > TOGETHER) break;
    }
    return count;
}

/* out = the rows behind the last norm; their keys and values are in the caches then. A row sees
 * none that comes after it, so that some go through all layers before the others. */
int mason_decode(const Decoder *model, const Step *step) {
    int64_t size = model->width * (step->half ? 2 : 4), row = 0;
    int failed = 0;
    while (row < step->rows && !failed) {
        Step part = *step;
        part.x = (const char *)step->x + row * size, part.out = (char *)step->out + row * size;
        part.places = step->places + row, part.ends = step->ends + row;
        part.rows = rows_together(part.places, part.ends, step->rows - row);
        failed = decode(model, &part);
        row += part.rows;
    }
    return failed;
}
