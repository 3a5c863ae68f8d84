/* The clock of `profile`. */
#ifndef FASTCONV_SECONDS_H
#define FASTCONV_SECONDS_H

#include <time.h>

static inline double fc_seconds(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
