/* Counters that several threads take numbers from. */
#ifndef FASTCONV_QUEUE_H
#define FASTCONV_QUEUE_H

#include <stddef.h>

/* In a cache line of its own, as each is mostly one thread's. */
typedef struct {
    ptrdiff_t next;
    char rest[64 - sizeof(ptrdiff_t)];
} fc_queue;

/* The next number, which nobody else gets. */
static inline ptrdiff_t fc_take(fc_queue *queue)
{
    return __atomic_fetch_add(&queue->next, 1, __ATOMIC_RELAXED);
}

#endif
