/* Within the functions of a target that has AVX2. */

/* b = the transpose of a, 8 x 8: two rows of 4 in a register, four rows apart. */
INLINE void transpose_8x8(const float *a, wide lda, float *b, wide ldb)
{
    for (int half = 0; half < 8; half += 4, a += 4, b += 4 * ldb) {
        __m256 row[4];
        UNROLL
        for (int i = 0; i < 4; i++)
            row[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(a + i * lda)),
                                          _mm_loadu_ps(a + (i + 4) * lda), 1);
        __m256 low01 = _mm256_unpacklo_ps(row[0], row[1]);
        __m256 low23 = _mm256_unpacklo_ps(row[2], row[3]);
        __m256 high01 = _mm256_unpackhi_ps(row[0], row[1]);
        __m256 high23 = _mm256_unpackhi_ps(row[2], row[3]);
        _mm256_storeu_ps(b, _mm256_shuffle_ps(low01, low23, 0x44));
        _mm256_storeu_ps(b + ldb, _mm256_shuffle_ps(low01, low23, 0xee));
        _mm256_storeu_ps(b + 2 * ldb, _mm256_shuffle_ps(high01, high23, 0x44));
        _mm256_storeu_ps(b + 3 * ldb, _mm256_shuffle_ps(high01, high23, 0xee));
    }
}
