/* All kernels for one instruction set: SET names it, LANES floats make a vector. */
#define FN static inline __attribute__((always_inline)) TARGET

typedef float NAME(vec) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t NAME(ints) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define VEC NAME(vec)

FN VEC NAME(load_fp32)(const float *from) { return *(const VEC *)from; }

/* GCC takes conversions of vectors apart, so that those are named where there are any. */
#if LANES == 16
FN VEC NAME(load_bf16)(const uint16_t *from) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)from));
    return (VEC)_mm512_slli_epi32(wide, 16);
}

FN VEC NAME(load_int8)(const int8_t *from) {
    return (VEC)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)from)));
}

FN float NAME(total)(VEC parts) { return _mm512_reduce_add_ps((__m512)parts); }
#elif LANES == 8
FN VEC NAME(load_bf16)(const uint16_t *from) {
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)from));
    return (VEC)_mm256_slli_epi32(wide, 16);
}

FN VEC NAME(load_int8)(const int8_t *from) {
    return (VEC)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)from)));
}

FN float NAME(total)(VEC parts) {
    __m128 half =
        _mm_add_ps(_mm256_castps256_ps128((__m256)parts), _mm256_extractf128_ps((__m256)parts, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}
#else
FN VEC NAME(load_bf16)(const uint16_t *from) {
    VEC wide;
    for (int i = 0; i < LANES; i++) wide[i] = of_bf16(from[i]);
    return wide;
}

FN VEC NAME(load_int8)(const int8_t *from) {
    VEC wide;
    for (int i = 0; i < LANES; i++) wide[i] = from[i];
    return wide;
}

FN float NAME(total)(VEC parts) { return (parts[0] + parts[2]) + (parts[1] + parts[3]); }
#endif

FN VEC NAME(load)(const void *from, int half, int64_t i) {
    return half ? NAME(load_bf16)((const uint16_t *)from + i)
                : NAME(load_fp32)((const float *)from + i);
}

/* The lesser of the two in each lane. */
FN VEC NAME(least)(VEC x, VEC limit) {
    NAME(ints) over = x > limit;
    return (VEC)((over & (NAME(ints))limit) | (~over & (NAME(ints))x));
}

/* 1 / x to the last place or two. */
FN VEC NAME(inverse)(VEC x) {
#if LANES == 16
    VEC near = (VEC)_mm512_rcp14_ps((__m512)x);
    return near * (2.0f - x * near);
#else
    return 1.0f / x;
#endif
}

/* e^x to a few units of the last place (Cephes); held to what a normal number can be. */
FN VEC NAME(exponential)(VEC x) {
    VEC limit = (VEC){0} + 87.3f;
    x = NAME(least)(-NAME(least)(-x, limit), limit);
    VEC shifted = x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: rounds to an integer */
    VEC power = shifted - 12582912.0f;
    VEC rest = x - power * 0.693359375f + power * 2.12194440e-4f;
    VEC sum = rest * 1.9875691500e-4f + 1.3981999507e-3f;
    sum = sum * rest + 8.3334519073e-3f;
    sum = sum * rest + 4.1665795894e-2f;
    sum = sum * rest + 1.6666665459e-1f;
    sum = sum * rest + 5.0000001201e-1f;
    sum = sum * rest * rest + rest + 1.0f;
    NAME(ints) exponent = (NAME(ints))shifted << 23;
    return (VEC)((NAME(ints))sum + exponent) + (x - x); /* no number stays none */
}

/* An activation and its gradient; P(normal <= x) is to 2e-7 (Abramowitz and Stegun 7.1.26). */
FN void NAME(both)(VEC x, int kind, VEC *value, VEC *grad) {
    VEC zero = {0}, one = zero + 1.0f;
    if (kind == RELU) {
        NAME(ints) above = x > zero;
        *grad = (VEC)(above & (NAME(ints))one), *value = x * *grad;
    } else if (kind == GELU) {
        VEC side = x * 0.70710678f, size = -NAME(least)(side, -side);
        VEC t = NAME(inverse)(one + size * 0.3275911f), bell = NAME(exponential)(-size * size);
        VEC sum = t * 1.061405429f - 1.453152027f;
        sum = sum * t + 1.421413741f;
        sum = sum * t - 0.284496736f;
        sum = sum * t + 0.254829592f;
        VEC beyond = sum * t * bell * 0.5f;
        NAME(ints) below = side < zero;
        VEC share = (VEC)((below & (NAME(ints))beyond) | (~below & (NAME(ints))(one - beyond)));
        *value = x * share, *grad = share + x * bell * 0.39894228f;
    } else {
        VEC inner = x, steep = one;
        if (kind == GELU_TANH) { /* tanh is a logistic curve of twice as much */
            inner = 1.595769122f * (x + 0.044715f * x * x * x);
            steep = 1.595769122f * (1.0f + 0.134145f * x * x);
        }
        VEC share = NAME(inverse)(1.0f + NAME(exponential)(-inner));
        *value = x * share, *grad = share + x * share * (one - share) * steep;
    }
}

FN VEC NAME(activated)(VEC x, int kind) {
    VEC value, grad;
    NAME(both)(x, kind, &value, &grad);
    return value;
}

#define KIND fp32
#define WEIGHT float
#include "product.h"
#define KIND bf16
#define WEIGHT uint16_t
#include "product.h"
#define KIND int8
#define WEIGHT int8_t
#include "product.h"

#include "rows.h"
#include "int4_products.h"
#include "attention.h"
#include "int8_products.h"
#include "tiles.h"
#include "encoder_rows.h"
#include "tile_attention.h"
#include "bf16_products.h"
#include "dropout.h"
#include "training.h"
#include "varlen_attention.h"
#include "weight_gradient.h"

#undef VEC
#undef FN
#undef SET
#undef LANES
#undef TARGET
#undef USE_DOTS
#undef USE_TILES
