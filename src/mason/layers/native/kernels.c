/* The products and the attention of a decoding step, for one to a few rows.
 *
 * Plain C without Python's headers: `library.py` loads it by ctypes. What a processor has is
 * asked when it runs, so that one build serves every machine of an architecture: each kernel is
 * compiled once for each instruction set (`lanes.h`), and `variants` holds them, best first.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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
#define TARGET \
    __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,fma,amx-tile,amx-int8")))
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
    if (!(d >> 24 & 1) || !(d >> 25 & 1)) return 0;
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
    VARIANT(amx, has_amx),
#endif
    VARIANT(vnni, has_vnni),
    VARIANT(avx512, has_avx512),
    VARIANT(avx2, has_avx2),
#endif
    VARIANT(portable, always),
};
static const Variant *chosen = NULL;

/* The name of variant `number`, or NULL beyond the last; an empty name: not on this machine. */
const char *mason_variant(int number) {
    if (number < 0 || number >= (int)(sizeof variants / sizeof *variants)) return NULL;
    return variants[number].runs() ? variants[number].name : "";
}

void mason_choose(int number) { chosen = &variants[number]; }

#include "encoder.h"

/* y[rows, outputs] = x[rows, inputs] weight^T + bias. */
int mason_product(int kind, const void *weight, const float *scales, const void *bias,
                  const void *x, void *y, int half, int64_t rows, int64_t inputs,
                  int64_t outputs) {
    float *wide = malloc(sizeof(float) * rows * inputs);
    if (wide == NULL) return 1;
    widen(wide, x, half, rows * inputs);
    Product job = {weight, scales, bias, wide, y, half, rows, inputs, outputs};
    int64_t blocks = (outputs + BLOCK - 1) / BLOCK;
    /* Starting threads takes longer than a small product. */
#pragma omp parallel for schedule(static) if (rows * inputs * outputs > 1 << 17)
    for (int64_t block = 0; block < blocks; block++) {
        int64_t last = (block + 1) * BLOCK;
        chosen->product[kind](&job, block * BLOCK, last < outputs ? last : outputs);
    }
    free(wide);
    return 0;
}

/* y[rows, outputs] = x[rows, inputs] weight^T + bias, of weights in 4 bits. */
int mason_product_of_quarters(const int32_t *packed, const uint16_t *grid, const void *bias,
                              const void *x, void *y, int half, int64_t rows, int64_t inputs,
                              int64_t outputs) {
    int64_t groups = (inputs + GROUP - 1) / GROUP, depth = groups * GROUP;
    float *wide = calloc(rows * (depth + groups), sizeof(float)), *totals = wide + rows * depth;
    if (wide == NULL) return 1;
    for (int64_t row = 0; row < rows; row++) {
        const char *from = (const char *)x + row * inputs * (half ? 2 : 4);
        widen(wide + row * depth, from, half, inputs);
        for (int64_t i = 0; i < depth; i++)
            totals[row * groups + i / GROUP] += wide[row * depth + i];
    }
    Quarters job = {packed, grid, bias, wide, totals, y, half, rows, depth, outputs};
    int64_t blocks = (outputs + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static) if (rows * inputs * outputs > 1 << 17)
    for (int64_t block = 0; block < blocks; block++) chosen->quarters(&job, block, block + 1);
    free(wide);
    return 0;
}

/* wide[outputs, inputs] = code * step + low, as fp32 or bf16. */
void mason_widen_quarters(const int32_t *packed, const uint16_t *grid, void *wide, int half,
                          int64_t inputs, int64_t outputs) {
    int64_t groups = (inputs + GROUP - 1) / GROUP;
#pragma omp parallel for schedule(static) if (inputs * outputs > 1 << 17)
    for (int64_t o = 0; o < outputs; o++)
        for (int64_t g = 0; g < groups; g++) {
            int64_t at = o / BLOCK * groups + g, lane = o % BLOCK;
            float step = of_fp16(grid[2 * at * BLOCK + lane]);
            float low = of_fp16(grid[(2 * at + 1) * BLOCK + lane]);
            for (int64_t i = 0; i < GROUP && g * GROUP + i < inputs; i++) {
                int32_t eight = packed[(at * (GROUP / 8) + i / 8) * BLOCK + lane];
                put(wide, half, o * inputs + g * GROUP + i, (eight >> 4 * (i % 8) & 15) * step + low);
            }
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
void mason_norm(const void *x, const void *weight, void *y, int half, int64_t rows,
                int64_t width, double epsilon, double offset) {
    for (int64_t row = 0; row < rows; row++)
        chosen->norm(x, weight, y, half, row * width, width, epsilon, offset);
}

/* y[rows, width] = silu(x[:, :width]) * x[:, width:]. */
void mason_gate(const void *x, void *y, int half, int64_t rows, int64_t width) {
    for (int64_t row = 0; row < rows; row++)
        chosen->gate(x, y, half, 2 * row * width, row * width, width);
}

/* y = x with a share of limit / 256 of its values 0 and the others scaled to the same mean. */
void mason_drop(const void *x, void *y, int half, int64_t count, uint64_t seed, int limit) {
    Dropping job = {x, y, half, count, (uint32_t)seed, seed >> 32, limit, 256.0f / (256 - limit)};
    int64_t blocks = (count + BYTES - 1) / BYTES;
#pragma omp parallel for schedule(static) if (count > 1 << 17)
    for (int64_t part = 0; part < PARTS; part++)
        chosen->drop(&job, blocks * part / PARTS, blocks * (part + 1) / PARTS);
}

/* Store the rows' keys and values, then let each row look at what its sequence has. */
int mason_attend(const Attention *job) {
    for (int64_t row = 0; row < job->rows; row++) store(job, row);
    int failed = 0;
    int64_t parts = job->rows * job->kv_heads, work = 0;
    for (int64_t row = 0; row < job->rows; row++) work += job->ends[row] * job->heads * job->width;
#pragma omp parallel for schedule(static) reduction(| : failed) if (parts > 1 && work > 1 << 16)
    for (int64_t part = 0; part < parts; part++)
        failed |= chosen->attend(job, part / job->kv_heads, part % job->kv_heads);
    return failed;
}
