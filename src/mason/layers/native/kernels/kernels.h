/* What the kernels work on; numbers are fp32, or bf16 where `half` says so. */
#ifndef MASON_KERNELS_H
#define MASON_KERNELS_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FP32, BF16, INT8, KINDS };
enum { BLOCK = 16 };                    /* outputs that a thread takes at once */
enum { GROUP = 32 };                    /* inputs of weights in 4 bits that share a step */
enum { DIGITS = 3 };                    /* of 8 bits, of a number that meets weights of 4 bits */
enum { WORD = 2 };                      /* digits of a number that meets weights of 8 bits */
enum { WIDE_ROWS = 8 };                 /* rows whose sums of bytes stay in registers of 512 bits */
enum { LINE = 64, TILE = 16 * LINE };   /* bytes that tiles hold (tiles.h) */
enum { DOTTED = 2 };                    /* rows whose digits are multiplied without tiles */
enum { RUN = 8 };                       /* new rows of a sequence that attend by tiles */
enum { SOON = 12 };                     /* keys that are fetched before they are looked at */
enum { AHEAD = 2048 };                  /* bytes that are fetched before they are used */
enum { WORDS = 16, BYTES = 4 * WORDS }; /* of dropout's numbers that are made together */
enum { WIDEST = 256 };                  /* features of a head of whole sequences */
enum { GRADIENT_ROWS = 512 };           /* rows that a weight's gradient is summed over in one go */
enum { PARTS = 64 };                    /* what threads share a pass over values in */

typedef struct {
    const void *weight;  /* [outputs, inputs] */
    const float *scales; /* of each output of int8 weights */
    const void *bias;    /* [outputs] or NULL */
    const float *x;      /* [rows, inputs] */
    void *y;             /* [rows, outputs] */
    int half;            /* of bias and y */
    int64_t rows, inputs, outputs;
    char *laid;   /* x as tiles read it, see tiles.h */
    float *steps; /* what the lowest digit of each row is worth there */
    int pieces;   /* of bf16 that a number of x has there: 1 or 2 */
    int gated;    /* y is silu of its first half times its second; by tiles alone */
} Product;

/* Weights in 4 bits; BLOCK outputs lie together, what is beyond the last is 0. */
typedef struct {
    const int32_t *packed; /* [blocks, depth / 8, BLOCK]: 8 inputs each, the first lowest */
    const uint16_t *grid;  /* [blocks, depth / GROUP, 2, BLOCK]: step and lowest value in fp16 */
    const void *bias;      /* [outputs] or NULL */
    const float *x;        /* [rows, depth] */
    const float *totals;   /* [rows, depth / GROUP]: sums of x */
    const float *steps;    /* [rows, depth / GROUP]: what the lowest digit of x is worth */
    const int8_t *digits;  /* [rows, DIGITS, depth]: x in whole numbers, the lowest first */
    void *y;               /* [rows, outputs] */
    int half;              /* of bias and y */
    int64_t rows, depth, outputs;
} Int4Product;

typedef struct {
    const void *query; /* [rows, heads * width] */
    const void *key;   /* [rows, kv_heads * width], or NULL: nothing to store */
    const void *value;
    void *keys; /* the cache [places, capacity, kv_heads, width] */
    void *values;
    void *out;           /* [rows, heads * width] */
    const float *cosine; /* [rows, width], or NULL: nothing is turned */
    const float *sine;
    const int64_t *places; /* the row of the cache of each row */
    const int64_t *ends;   /* how many keys there are up to the last that each row sees */
    int64_t query_stride, key_stride, value_stride; /* numbers from row to row */
    int64_t rows, heads, kv_heads, width, capacity;
    int64_t window;        /* keys that a row sees at most; 0: all */
    int64_t half, held;    /* `held`: whether the cache is bf16, as `half` says of the rest */
    double scale, softcap; /* softcap 0: none */
    const int64_t *blocks; /* NULL: a row of the cache is a sequence's; else [sequences, longest] of
                            * its rows, each `capacity` keys of one */
    int64_t longest;
} Attention;

/* Weights in 8 bits or bf16; BLOCK outputs lie together (see int8_products.h and bf16_products.h),
 * what is beyond the last is 0. Those in bf16 have biases alone beside them. */
typedef struct {
    const void *packed;  /* [blocks, depth / 4, BLOCK, 4], or by twos */
    const float *scales; /* of each output, as are those below */
    const float *totals; /* sums of its weights */
    const float *biases;
    int64_t inputs, depth, outputs; /* depth: inputs, filled up to whole tiles */
    int64_t kind;                   /* INT8 or BF16 */
} PackedWeights;

typedef struct {
    const int8_t *packed;
    const float *scales, *totals, *biases;
    const uint8_t *x;          /* [rows up to whole tiles, depth] */
    const float *steps, *lows; /* of each row */
    float *y;                  /* [rows, outputs] */
    int64_t rows, depth, outputs, activation;
} Int8Product;

typedef struct {
    PackedWeights fused, output, up, down;
    const float *norm; /* weight and bias after attention, weight and bias after feed-forward */
} EncoderLayer;

/* Rows and weights in bf16. */
typedef struct {
    const uint16_t *packed;
    const float *biases; /* of whole blocks */
    const uint16_t *x;   /* [rows up to whole tiles, depth] */
    void *y;             /* [rows, outputs] */
    int64_t rows, depth, outputs, activation;
    int half; /* whether y is bf16; its outputs are whole pairs of blocks then */
} Bf16Product;

enum { GELU, RELU, GELU_TANH, SILU, PLAIN };

/* An encoder that is normed after every sum (Vaswani et al. 2017). */
typedef struct {
    const EncoderLayer *layers;
    int64_t depth, width, heads, head_width, activation;
    double epsilon, scale;
} Encoder;

/* Dropout by counted numbers: see dropout.h. */
typedef struct {
    const void *x;
    void *y;
    int half;
    int64_t count;
    uint32_t low, high; /* the seed */
    uint32_t limit;     /* bytes below it are dropped */
    float scale;        /* of the others */
} Dropping;

/* A norm of rows, there and back: see training.h. */
typedef struct {
    const void *x;              /* [rows, width] */
    const float *weight, *bias; /* [width]; no bias: NULL */
    void *y;
    float *means, *scales; /* of each row */
    const void *grad;      /* of y, for the way back */
    void *x_grad;
    float *weight_grad, *bias_grad;
    int64_t rows, width;
    int half, to_half; /* of x, of y; gradients are like what they are of */
    int centred;       /* a row's mean is taken off */
    float epsilon, offset;
} NormPass;

/* An activation, gated or not: see training.h. */
typedef struct {
    const void *x, *grad; /* [rows, width or two of them where gated]; gradient: of y, or NULL */
    void *y;              /* [rows, width]; on the way back like x */
    int64_t rows, width;
    int half, kind, gated;
} ActivationPass;

/* The gradient of a weight: see weight_gradient.h. */
typedef struct {
    const uint16_t *grad, *x; /* [rows, outputs], [rows, inputs] */
    float *out;               /* [outputs, inputs] */
    int64_t rows, outputs, inputs;
    int add; /* to what is there */
} WeightGradient;

/* The cross-entropy of rows of logits in bf16: see training.h. */
typedef struct {
    uint16_t *logits;       /* [rows, count] */
    const float *bias;      /* [count] or NULL */
    const int64_t *targets; /* [rows] */
    float *losses;          /* [rows] */
    int64_t rows, count;
    float smoothing; /* spread over all outputs */
    int grads;       /* whether the gradients are to take the logits' place */
} CrossEntropy;

/* Attention of whole sequences in bf16: see varlen_attention.h. `grad` and what follows are for the
 * way back. */
typedef struct {
    const uint16_t *query, *key, *value; /* [rows, heads or kv_heads, width] */
    uint16_t *out;                       /* [rows, heads, width], in one piece like all below */
    float *sums;                         /* [heads, rows]: logarithms of each query's sum */
    const float *cosine, *sine;          /* [rows, width], or NULL: nothing is turned */
    const int64_t *starts, *key_starts;  /* [sequences + 1]: where each begins, and the end */
    const uint16_t *grad;                /* of out */
    uint16_t *query_grad, *key_grad, *value_grad;
    int64_t query_stride, key_stride, value_stride; /* numbers from row to row */
    int64_t sequences, heads, kv_heads, width;
    int64_t causal, window; /* window 0: none */
    float scale;
    Dropping drop; /* of weights; limit 0: none */
} VarlenAttention;

typedef struct {
    const char *name;
    int (*runs)(void);
    void (*product[KINDS])(const Product *, int64_t first, int64_t last);
    void (*int4_product)(const Int4Product *, int64_t first, int64_t last);
    void (*to_digits)(const float *x, int64_t depth, int8_t *digits, float *steps);
    void (*gate)(const void *x, void *y, int half, int64_t from, int64_t to, int64_t width);
    void (*norm)(const void *x, const void *weight, void *y, int half, int64_t at, int64_t width,
                 double epsilon, double offset);
    void (*widen)(const int8_t *weight, float scale, void *wide, int half, int64_t at,
                  int64_t width);
    void (*widen_int4)(const int32_t *packed, float step, float low, void *wide, int half,
                       int64_t at);
    int (*attend)(const Attention *, int64_t row, int64_t kv_head);
    void (*int8_product)(const Int8Product *, int64_t first, int64_t last);
    void (*to_uint8)(const float *x, int64_t width, int64_t depth, uint8_t *to, float *step,
                     float *low);
    void (*add_norm)(const float *x, const float *added, const float *weight, const float *bias,
                     double epsilon, int64_t width, float *y);
    void (*activate)(float *x, int64_t count, int kind);
    void (*encoder_attention)(const Encoder *, const float *fused, int64_t count, int64_t head,
                              int64_t first, int64_t last, float *out, float *room);
    void (*drop)(const Dropping *, int64_t first, int64_t last);
    void (*store)(const Attention *, int64_t row);
    int64_t (*likeliest)(const float *x, int64_t width, float *likely);
    void (*norm_forward)(const NormPass *, int64_t first, int64_t last);
    void (*norm_backward)(const NormPass *, int64_t first, int64_t last, float *sums);
    void (*activation_forward)(const ActivationPass *, int64_t first, int64_t last);
    void (*activation_backward)(const ActivationPass *, int64_t first, int64_t last);
    void (*cross_entropy)(const CrossEntropy *, int64_t first, int64_t last);
    /* Those below are NULL where there are no tiles. */
    void (*lay)(int kind, const Product *, int64_t group);
    void (*tile_product)(int kind, const Product *, int64_t first, int64_t last);
    void (*encoder_attention_tiles)(const Encoder *, const float *fused, int64_t count,
                                    int64_t head, int64_t first, int64_t last, float *out,
                                    float *room);
    int (*attend_run)(const Attention *, int64_t first, int64_t last, int64_t kv_head);
    void (*bf16_product)(const Bf16Product *, int64_t first, int64_t last);
    void (*to_bf16_row)(const float *x, int64_t width, int64_t depth, uint16_t *to);
    int (*varlen_attention)(const VarlenAttention *, int64_t sequence, int64_t head);
    int (*varlen_attention_backward)(const VarlenAttention *, int64_t sequence, int64_t kv_head);
    void (*lay_inputs)(const WeightGradient *, int64_t first, int64_t count, int64_t panel,
                       uint16_t *to);
    void (*weight_gradient)(const WeightGradient *, int64_t first, int64_t count, int64_t output,
                            const uint16_t *laid, int add);
} Variant;

/* What only tiles make worth while. */
#define TILES(set)                                                                                 \
    lay_across_##set, tile_product_##set, encoder_attention_tiles_##set, attend_run_##set,         \
        bf16_product_##set, to_bf16_row_##set, varlen_attention_##set,                             \
        varlen_attention_backward_##set, lay_inputs_##set, weight_gradient_##set
#define NO_TILES NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
#define VARIANT(set, runs, ...)                                                                    \
    {#set,                                                                                         \
     runs,                                                                                         \
     {product_fp32_##set, product_bf16_##set, product_int8_##set},                                 \
     int4_product_##set,                                                                           \
     to_digits_##set,                                                                              \
     gate_##set,                                                                                   \
     norm_##set,                                                                                   \
     widen_##set,                                                                                  \
     widen_int4_##set,                                                                             \
     attend_##set,                                                                                 \
     int8_product_##set,                                                                           \
     to_uint8_##set,                                                                               \
     add_norm_##set,                                                                               \
     activate_##set,                                                                               \
     encoder_attention_##set,                                                                      \
     drop_##set,                                                                                   \
     store_##set,                                                                                  \
     likeliest_##set,                                                                              \
     norm_forward_##set,                                                                           \
     norm_backward_##set,                                                                          \
     activation_forward_##set,                                                                     \
     activation_backward_##set,                                                                    \
     cross_entropy_##set,                                                                          \
     __VA_ARGS__}

/* Numbers that attention by tiles needs room for, for a head of so many keys. */
static inline int64_t room_of_tiles(int64_t count, int64_t width, int pieces) {
    int64_t stride = (count + 31) / 32 * 32;
    return pieces * (stride * width + 8 * (width + stride)) + 16 * (stride + width + 16) + LINE;
}

/* Bytes that 16 rows take as tiles read them. */
static inline int64_t size_of_group(int kind, int64_t inputs, int pieces) {
    return 16 * inputs * (kind == INT8 ? WORD : 2 * pieces);
}

static inline float of_bf16(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, 4);
    return value;
}

/* To the nearest, ties to even, as PyTorch rounds. */
static inline uint16_t to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if (value != value) return 0x7fc0;
    return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}

static inline float get(const void *from, int half, int64_t i) {
    return half ? of_bf16(((const uint16_t *)from)[i]) : ((const float *)from)[i];
}

static inline void put(void *to, int half, int64_t i, float value) {
    if (half)
        ((uint16_t *)to)[i] = to_bf16(value);
    else
        ((float *)to)[i] = value;
}

static inline float rounded(float value, int half) {
    return half ? of_bf16(to_bf16(value)) : value;
}

static inline void widen(float *wide, const void *x, int half, int64_t count) {
    if (!half)
        memcpy(wide, x, sizeof(float) * count);
    else
        for (int64_t i = 0; i < count; i++) wide[i] = of_bf16(((const uint16_t *)x)[i]);
}

/* A number of 16 bits with 5 of exponent, that is not infinite. */
static inline float of_fp16(uint16_t bits) {
    uint32_t wide = (uint32_t)(bits & 0x7fff) << 13;
    float value;
    memcpy(&value, &wide, 4);
    return (bits & 0x8000 ? -0x1p112f : 0x1p112f) * value;
}

static inline float one_fp32(float weight) { return weight; }
static inline float one_bf16(uint16_t weight) { return of_bf16(weight); }
static inline float one_int8(int8_t weight) { return weight; }

/* Scale, bias, and into y, for outputs that lie `apart`. */
static inline void finish(const Product *job, int64_t output, int64_t apart, int64_t row,
                          int outputs, int rows, const float *sums) {
    for (int o = 0; o < outputs; o++, output += apart)
        for (int r = 0; r < rows; r++) {
            float scale = job->scales == NULL ? 1 : job->scales[output];
            float bias = job->bias == NULL ? 0 : get(job->bias, job->half, output);
            /* Rounded once, however many rows there are. */
            put(job->y, job->half, (row + r) * job->outputs + output,
                fmaf(sums[o * rows + r], scale, bias));
        }
}

/* The place of a sequence's key among all places of the cache. */
static inline int64_t place_of(const Attention *job, int64_t row, int64_t key) {
    int64_t place = job->places[row], size = job->capacity;
    if (job->blocks == NULL) return place * size + key;
    return job->blocks[place * job->longest + key / size] * size + key % size;
}

/* Where number `at` of a cache lies. */
static inline const char *place(const Attention *job, const void *cache, int64_t at) {
    return (const char *)cache + at * (job->held ? 2 : 4);
}

#endif
