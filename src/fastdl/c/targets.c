/* Which targets this machine runs, and the names of what their tables have. */
#include "kernels.h"

#define ADDRESS(name) &fastdl_##name,
#define NAME_OF(name) #name,

static int runs(const fastdl_target *target)
{
    return target->runs_here && target->runs_here();
}

const fastdl_target *fastdl_target_at(int i)
{
    static const fastdl_target *const targets[] = {FASTDL_TARGETS(ADDRESS) NULL};
    for (int t = 0; targets[t]; t++)
        if (runs(targets[t]) && i-- == 0)
            return targets[t];
    return NULL;
}

const char *const fastdl_losses[] = {FASTDL_LOSSES(NAME_OF) NULL};
const char *const fastdl_activations[] = {FASTDL_ACTIVATIONS(NAME_OF) NULL};
const char *const fastdl_masks[] = {FASTDL_MASKS(NAME_OF) NULL};
const char *const fastdl_optimisers[] = {FASTDL_OPTIMISERS(NAME_OF) NULL};
