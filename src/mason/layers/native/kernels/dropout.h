/* Dropout by counted numbers, for one instruction set: nothing is stored for the way back.
 *
 * A value's fate is a byte of a hash of its place and the seed, so that it is the same whatever
 * the threads and the lanes are: byte k of word j of a block is for its value 16 k + j.
 */
typedef uint32_t NAME(words) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define WORDS_ NAME(words)

/* `lowbias32` (Wellons 2018), the seed's halves mixed in before each round. */
FN WORDS_ NAME(hashed)(WORDS_ x, const Dropping *job) {
    x ^= job->low;
    x = (x ^ (x >> 16)) * 0x7feb352du ^ job->high;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return x ^ (x >> 16);
}

/* Store as bf16, to the nearest, ties to even; numbers that are none stay so. */
FN void NAME(narrow)(uint16_t *to, WORDS_ bits) {
    WORDS_ none = (WORDS_)((bits & 0x7fffffffu) > 0x7f800000u);
    bits = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    bits = (bits & ~none) | (none & 0x7fc0u);
#if LANES == 16
    _mm256_storeu_si256((void *)to, _mm512_cvtepi32_epi16((__m512i)bits));
#elif LANES == 8
    __m256i pairs = _mm256_packus_epi32((__m256i)bits, (__m256i)bits);
    pairs = _mm256_permute4x64_epi64(pairs, 0x08);
    _mm_storeu_si128((void *)to, _mm256_castsi256_si128(pairs));
#else
    for (int lane = 0; lane < LANES; lane++) to[lane] = bits[lane];
#endif
}

/* y = x * scale where the byte says so, else 0, for blocks of BYTES values. */
static TARGET void NAME(drop)(const Dropping *job, int64_t first, int64_t last) {
    WORDS_ count;
    for (int lane = 0; lane < LANES; lane++) count[lane] = lane;
    for (int64_t block = first; block < last; block++) {
        int64_t at = block * BYTES;
        for (int part = 0; part < WORDS; part += LANES) {
            WORDS_ words = NAME(hashed)(count + (uint32_t)(block * WORDS + part), job);
            for (int k = 0; k < 4; k++, words >>= 8) {
                WORDS_ kept = (WORDS_)((words & 255) >= job->limit);
                int64_t i = at + k * WORDS + part;
                if (i + LANES <= job->count) {
                    VEC value = NAME(load)(job->x, job->half, i) * job->scale;
                    WORDS_ bits = (WORDS_)value & kept;
                    if (job->half)
                        NAME(narrow)((uint16_t *)job->y + i, bits);
                    else
                        *(WORDS_ *)((float *)job->y + i) = bits;
                } else {
                    for (int lane = 0; lane < LANES && i + lane < job->count; lane++)
                        put(job->y, job->half, i + lane,
                            kept[lane] ? get(job->x, job->half, i + lane) * job->scale : 0);
                }
            }
        }
    }
}
#undef WORDS_
