/* Memory from the system. Only memory.pyx includes this. */
#ifndef FASTCONV_MEMORY_H
#define FASTCONV_MEMORY_H

#include <stdlib.h>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#endif

enum { FC_HUGE_PAGE = 2 << 20 };

/* Page-aligned memory, `bytes` rounded up to pages; free() releases it. Large filters are streamed
 * through once a call, and would miss the TLB at every small page. */
static char *fc_allocate(size_t bytes)
{
    const size_t page = bytes < FC_HUGE_PAGE ? 4096 : FC_HUGE_PAGE;
    char *memory = (char *)aligned_alloc(page, (bytes + page - 1) / page * page);
#ifdef MADV_HUGEPAGE
    if (memory && page == FC_HUGE_PAGE)
        madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return memory;
}

#endif
