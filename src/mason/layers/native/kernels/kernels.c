/* Kernels for decoding, for encoders and for a step of training.
 *
 * Plain C without Python's headers: `library.py` loads it by ctypes. What a processor has is
 * asked when it runs, so that one build serves every machine of an architecture: each kernel is
 * compiled once for each instruction set (`variant.h`), and `variants` holds them, best first.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#else
static int omp_get_max_threads(void) { return 1; }
#endif

#include "kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#include <immintrin.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define NAME(stem) PASTE(stem, SET)

#if defined(__x86_64__) && defined(__GNUC__)
#if defined(__linux__) && __GNUC__ >= 12
#define HAS_TILES
#define SET amx
#define LANES 16
#define USE_TILES
#define USE_DOTS
#define TARGET                                                                                     \
    __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,avx512bf16,fma,amx-tile," \
                          "amx-int8,amx-bf16")))
#include "variant.h"
#endif

#define SET vnni
#define LANES 16
#define USE_DOTS
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,fma")))
#include "variant.h"

#define SET avx512
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,fma")))
#include "variant.h"

#define SET avx2
#define LANES 8
#define TARGET __attribute__((target("avx2,fma")))
#include "variant.h"
#endif

#define SET portable
#define LANES 4
#define TARGET
#include "variant.h"

static int always(void) { return 1; }

#if defined(__x86_64__) && defined(__GNUC__)
static int has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}
static int has_vnni(void) { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
#ifdef HAS_TILES
/* Linux gives a process its tiles when it asks for them. */
static int has_amx(void) {
    unsigned a, b, c, d;
    if (!has_vnni() || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if (!(d >> 22 & 1) || !(d >> 24 & 1) || !(d >> 25 & 1)) return 0; /* bf16, tiles, int8 */
    if (!__builtin_cpu_supports("avx512bf16")) return 0;
    return syscall(SYS_arch_prctl, 0x1023, 18) == 0; /* ARCH_REQ_XCOMP_PERM, of tile data */
}
#endif
static int has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

static const Variant variants[] = {
#if defined(__x86_64__) && defined(__GNUC__)
#ifdef HAS_TILES
    VARIANT(amx, has_amx, TILES(amx)),
#endif
    VARIANT(vnni, has_vnni, NO_TILES),   VARIANT(avx512, has_avx512, NO_TILES),
    VARIANT(avx2, has_avx2, NO_TILES),
#endif
    VARIANT(portable, always, NO_TILES),
};
static const Variant *chosen = NULL;

/* The name of variant `number`, or NULL beyond the last; an empty name: not on this machine. */
const char *mason_variant(int number) {
    if (number < 0 || number >= (int)(sizeof variants / sizeof *variants)) return NULL;
    return variants[number].runs() ? variants[number].name : "";
}

void mason_choose(int number) { chosen = &variants[number]; }

/* Whether the variant in use multiplies many rows as well as few: see tiles.h. */
int mason_tiles(void) { return chosen->tile_product != NULL; }

/* How many blocks of outputs are taken at once. Rows that go through together read a weight once
 * and take all that a thread has; the weights of others should stay near for the next rows. */
static int64_t blocks_at_once(int64_t blocks, int together) {
    int64_t threads = omp_get_max_threads();
    return together ? (blocks + threads - 1) / threads : 1;
}

/* Whether a product goes by tiles, which have to be whole; single precision never does. */
static int goes_by_tiles(int kind, const Product *job) {
    int whole = job->inputs % LINE == 0 && job->outputs >= BLOCK;
    return kind != FP32 && whole && chosen->tile_product != NULL;
}

/* Numbers that `multiply` needs room for: rows as tiles read them, and their steps. */
static int64_t room_of_product(int64_t rows, int64_t inputs) {
    return (rows + 15) / 16 * 16 * (inputs + 1) + LINE;
}

static void multiply_by_tiles(int kind, Product *job, float *room) {
    int64_t groups = (job->rows + 15) / 16, blocks = job->outputs / BLOCK / (job->gated ? 2 : 1);
    int64_t part = blocks_at_once(blocks, 1), work = job->rows * job->inputs * job->outputs;
    job->laid = (char *)(((uintptr_t)room + LINE - 1) / LINE * LINE);
    job->steps = (float *)(job->laid + groups * size_of_group(kind, job->inputs, job->pieces));
#pragma omp parallel for schedule(static) if (work > 1 << 22)
    for (int64_t group = 0; group < groups; group++) chosen->lay(kind, job, group);
#pragma omp parallel for schedule(static) if (work > 1 << 17)
    for (int64_t first = 0; first < blocks; first += part) {
        int64_t last = first + part;
        chosen->tile_product(kind, job, first, last < blocks ? last : blocks);
    }
    if (!job->gated && blocks * BLOCK < job->outputs)
        chosen->product[kind](job, blocks * BLOCK, job->outputs);
}

/* Outputs are shared among threads; starting those takes longer than a small product. */
static void multiply(int kind, Product *job, float *room) {
    if (goes_by_tiles(kind, job)) {
        multiply_by_tiles(kind, job, room);
        return;
    }
    int64_t blocks = (job->outputs + BLOCK - 1) / BLOCK, rows = job->rows;
    int64_t part = BLOCK * blocks_at_once(blocks, rows == 1 || rows == 2 || rows == 4);
#pragma omp parallel for schedule(static) if (rows * job->inputs * job->outputs > 1 << 17)
    for (int64_t first = 0; first < job->outputs; first += part) {
        int64_t last = first + part;
        chosen->product[kind](job, first, last < job->outputs ? last : job->outputs);
    }
}

/* Numbers that `multiply_int4` needs room for: rows, totals, steps and digits. */
static int64_t room_of_int4(int64_t rows, int64_t depth) {
    int64_t attend_block =
        (rows + 15) / 16 * 16; /* tiles read 16 rows of digits, wherever they end */
    return rows * (depth + 2 * (depth / GROUP)) + attend_block * DIGITS * (depth / 4);
}

/* The same in 4 bits; x is `inputs` wide. */
static void multiply_int4(Int4Product *job, const void *x, int half, int64_t inputs, float *room) {
    int64_t rows = job->rows, depth = job->depth, groups = depth / GROUP;
    float *totals = room + rows * depth, *steps = totals + rows * groups;
    int8_t *digits = (int8_t *)(steps + rows * groups);
    memset(room, 0, sizeof(float) * rows * depth);
    for (int64_t row = 0; row < rows; row++) {
        float *wide = room + row * depth;
        widen(wide, (const char *)x + row * inputs * (half ? 2 : 4), half, inputs);
        chosen->to_digits(wide, depth, digits + row * DIGITS * depth, steps + row * groups);
    }
    for (int64_t group = 0; group < rows * groups; group++) {
        float sums[8] = {0};
        for (int64_t i = 0; i < GROUP; i++) sums[i % 8] += room[group * GROUP + i];
        totals[group] = ((sums[0] + sums[4]) + (sums[1] + sums[5])) +
                        ((sums[2] + sums[6]) + (sums[3] + sums[7]));
    }
    job->x = room, job->totals = totals, job->steps = steps, job->digits = digits;
    int64_t blocks = (job->outputs + BLOCK - 1) / BLOCK,
            part = blocks_at_once(blocks, rows == 1 || rows > 4);
#pragma omp parallel for schedule(static) if (rows * depth * job->outputs > 1 << 17)
    for (int64_t first = 0; first < blocks; first += part)
        chosen->int4_product(job, first, first + part < blocks ? first + part : blocks);
}

/* y[rows, outputs] = x[rows, inputs] weight^T + bias. */
int mason_product(int kind, const void *weight, const float *scales, const void *bias,
                  const void *x, void *y, int half, int64_t rows, int64_t inputs, int64_t outputs) {
    float *wide = malloc(sizeof(float) * (rows * inputs + room_of_product(rows, inputs)));
    if (wide == NULL) return 1;
    widen(wide, x, half, rows * inputs);
    Product job = {.weight = weight,
                   .scales = scales,
                   .bias = bias,
                   .x = wide,
                   .y = y,
                   .half = half,
                   .rows = rows,
                   .inputs = inputs,
                   .outputs = outputs,
                   .pieces = half ? 1 : 2};
    multiply(kind, &job, wide + rows * inputs);
    free(wide);
    return 0;
}

/* y[rows, outputs] = x[rows, inputs] weight^T + bias, of weights in 4 bits. */
int mason_product_int4(const int32_t *packed, const uint16_t *grid, const void *bias, const void *x,
                       void *y, int half, int64_t rows, int64_t inputs, int64_t outputs) {
    int64_t depth = (inputs + GROUP - 1) / GROUP * GROUP;
    float *room = malloc(sizeof(float) * room_of_int4(rows, depth));
    if (room == NULL) return 1;
    Int4Product job = {.packed = packed,
                       .grid = grid,
                       .bias = bias,
                       .y = y,
                       .half = half,
                       .rows = rows,
                       .depth = depth,
                       .outputs = outputs};
    multiply_int4(&job, x, half, inputs, room);
    free(room);
    return 0;
}

/* wide[outputs, inputs] = code * step + low, as fp32 or bf16. */
void mason_dequantise_int4(const int32_t *packed, const uint16_t *grid, void *wide, int half,
                           int64_t inputs, int64_t outputs) {
    int64_t groups = (inputs + GROUP - 1) / GROUP;
#pragma omp parallel for schedule(static) if (inputs * outputs > 1 << 17)
    for (int64_t o = 0; o < outputs; o++)
        for (int64_t g = 0; g < groups; g++) {
            int64_t at = o / BLOCK * groups + g, lane = o % BLOCK;
            float step = of_fp16(grid[2 * at * BLOCK + lane]);
            float low = of_fp16(grid[(2 * at + 1) * BLOCK + lane]);
            const int32_t *codes = packed + at * (GROUP / 8) * BLOCK + lane;
            int64_t to = o * inputs + g * GROUP, count = inputs - g * GROUP;
            if (count >= GROUP) {
                chosen->widen_int4(codes, step, low, wide, half, to);
                continue;
            }
            for (int64_t i = 0; i < count; i++)
                put(wide, half, to + i, (codes[i / 8 * BLOCK] >> 4 * (i % 8) & 15) * step + low);
        }
}

/* wide[outputs, inputs] = weight * scale, as fp32 or bf16. */
void mason_dequantise(const int8_t *weight, const float *scales, void *wide, int half,
                      int64_t inputs, int64_t outputs) {
#pragma omp parallel for schedule(static) if (inputs * outputs > 1 << 17)
    for (int64_t row = 0; row < outputs; row++)
        chosen->widen(weight, scales[row], wide, half, row * inputs, inputs);
}

/* y = weight * x / rms(x), each of `rows`; `offset` is added to the weight. */
void mason_norm(const void *x, const void *weight, void *y, int half, int64_t rows, int64_t width,
                double epsilon, double offset) {
    for (int64_t row = 0; row < rows; row++)
        chosen->norm(x, weight, y, half, row * width, width, epsilon, offset);
}

/* y[rows, width] = silu(x[:, :width]) * x[:, width:]. */
void mason_gate(const void *x, void *y, int half, int64_t rows, int64_t width) {
    for (int64_t row = 0; row < rows; row++)
        chosen->gate(x, y, half, 2 * row * width, row * width, width);
}

/* Of each of `rows`, which token is the likeliest by its logits, and how likely. */
void mason_likeliest(const float *logits, int64_t rows, int64_t width, int64_t *tokens,
                     float *likely) {
#pragma omp parallel for schedule(static) if (rows > 1 && rows * width > 1 << 17)
    for (int64_t row = 0; row < rows; row++)
        tokens[row] = chosen->likeliest(logits + row * width, width, likely + row);
}

/* y = x with a share of limit / 256 of its values 0 and the others scaled to the same mean. */
void mason_drop(const void *x, void *y, int half, int64_t count, uint64_t seed, int limit) {
    Dropping job = {x, y, half, count, (uint32_t)seed, seed >> 32, limit, 256.0f / (256 - limit)};
    int64_t blocks = (count + BYTES - 1) / BYTES;
#pragma omp parallel for schedule(static) if (count > 1 << 17)
    for (int64_t part = 0; part < PARTS; part++)
        chosen->drop(&job, blocks * part / PARTS, blocks * (part + 1) / PARTS);
}

/* Rows of part `number` of PARTS begin here. */
static int64_t part_of(int64_t rows, int64_t number) { return rows * number / PARTS; }

void mason_norm_forward(const NormPass *job) {
#pragma omp parallel for schedule(static) if (job->rows * job->width > 1 << 15)
    for (int64_t part = 0; part < PARTS; part++)
        chosen->norm_forward(job, part_of(job->rows, part), part_of(job->rows, part + 1));
}

/* Weights' gradients are summed part by part: the same whatever the threads are. */
int mason_norm_backward(const NormPass *job) {
    int64_t width = job->width;
    float *sums = calloc(PARTS * 2 * width, sizeof(float));
    if (sums == NULL) return 1;
#pragma omp parallel for schedule(static) if (job->rows * width > 1 << 15)
    for (int64_t part = 0; part < PARTS; part++)
        chosen->norm_backward(job, part_of(job->rows, part), part_of(job->rows, part + 1),
                              sums + 2 * part * width);
    for (int64_t i = 0; i < 2 * width; i++) {
        float sum = 0;
        for (int64_t part = 0; part < PARTS; part++) sum += sums[2 * part * width + i];
        if (i < width)
            job->weight_grad[i] = sum;
        else if (job->bias_grad)
            job->bias_grad[i - width] = sum;
    }
    free(sums);
    return 0;
}

/* There, or back where there is a gradient. */
void mason_activation(const ActivationPass *job) {
    void (*pass)(const ActivationPass *, int64_t, int64_t) =
        job->grad ? chosen->activation_backward : chosen->activation_forward;
#pragma omp parallel for schedule(static) if (job->rows * job->width > 1 << 15)
    for (int64_t part = 0; part < PARTS; part++)
        pass(job, part_of(job->rows, part), part_of(job->rows, part + 1));
}

void mason_cross_entropy(const CrossEntropy *job) {
#pragma omp parallel for schedule(static) if (job->rows * job->count > 1 << 15)
    for (int64_t part = 0; part < PARTS; part++)
        chosen->cross_entropy(job, part_of(job->rows, part), part_of(job->rows, part + 1));
}

/* out = gradient^T x, or more by it. */
int mason_weight_gradient(const WeightGradient *job) {
    int64_t panels = (job->inputs + 31) / 32, blocks = (job->outputs + 31) / 32;
    uint16_t *laid = malloc(sizeof(uint16_t) * panels * 32 * GRADIENT_ROWS);
    if (laid == NULL) return 1;
    for (int64_t first = 0; first < job->rows; first += GRADIENT_ROWS) {
        int64_t count = job->rows - first < GRADIENT_ROWS ? job->rows - first : GRADIENT_ROWS;
        int64_t apart = (count + 31) / 32 * 1024;
#pragma omp parallel for schedule(static) if (count * job->inputs > 1 << 15)
        for (int64_t panel = 0; panel < panels; panel++)
            chosen->lay_inputs(job, first, count, panel, laid + panel * apart);
#pragma omp parallel for schedule(static) if (count * job->inputs * job->outputs > 1 << 20)
        for (int64_t block = 0; block < blocks; block++)
            chosen->weight_gradient(job, first, count, 32 * block, laid, job->add || first);
    }
    free(laid);
    return 0;
}

/* Each query's mean of the values it sees, and the logarithms of its sums. */
int mason_varlen_attention(const VarlenAttention *job) {
    int failed = 0;
#pragma omp parallel for schedule(dynamic) reduction(| : failed)
    for (int64_t part = 0; part < job->sequences * job->heads; part++)
        failed |= chosen->varlen_attention(job, part / job->heads, part % job->heads);
    return failed;
}

/* The gradients of queries, keys and values. */
int mason_varlen_attention_backward(const VarlenAttention *job) {
    int failed = 0;
#pragma omp parallel for schedule(dynamic) reduction(| : failed)
    for (int64_t part = 0; part < job->sequences * job->kv_heads; part++)
        failed |=
            chosen->varlen_attention_backward(job, part / job->kv_heads, part % job->kv_heads);
    return failed;
}

/* How many rows from `row` on are one sequence's, each the next. */
static int64_t run_of(const int64_t *places, const int64_t *ends, int64_t row, int64_t rows) {
    int64_t next = row + 1;
    while (next < rows && places[next] == places[row] && ends[next] == ends[next - 1] + 1) next++;
    return next - row;
}

/* Some rows of a run from `row` on, or that row alone. */
static int attend_to(const Attention *job, int64_t row, int64_t run, int64_t kv_head) {
    if (run > 1) return chosen->attend_run(job, row, row + run, kv_head);
    return chosen->attend(job, row, kv_head);
}

/* Store the rows' keys and values, then let each row look at what its sequence has. */
int mason_attend(const Attention *job) {
    int64_t *runs = malloc(sizeof(int64_t) * job->rows), work = 0;
    if (runs == NULL) return 1;
    int tiles = chosen->attend_run != NULL && job->width % 32 == 0;
    for (int64_t row = 0; row < job->rows; row++) {
        if (job->key != NULL) chosen->store(job, row);
        work += job->ends[row] * job->heads * job->width;
    }
    for (int64_t row = 0; row < job->rows;) {
        int64_t run = run_of(job->places, job->ends, row, job->rows),
                long_one = tiles && run >= RUN;
        for (int64_t i = 0; i < run; i++) runs[row + i] = !long_one ? 1 : i == 0 ? run : 0;
        row += run;
    }
    int failed = 0;
    int64_t parts = job->rows * job->kv_heads;
#pragma omp parallel for schedule(dynamic) reduction(| : failed) if (parts > 1 && work > 1 << 16)
    for (int64_t part = 0; part < parts; part++) {
        int64_t row = part / job->kv_heads;
        if (runs[row]) failed |= attend_to(job, row, runs[row], part % job->kv_heads);
    }
    free(runs);
    return failed;
}

#include "encoder.h"
#include "decoder.h"
