/* Clears what _gemm.h and _loops.h were told, for the next type. */
#undef NAME
#undef T
#undef V
#undef M
#undef L
#undef LOAD
#undef LOADM
#undef STORE
#undef STOREM
#undef SET1
#undef ADD
#undef FMA
#undef SUM
