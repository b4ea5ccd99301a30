/* Vectorscan (or Hyperscan) on the bytes that it is given: a process of its own, so that the benchmark holds no unsafe code.
 *
 * The library is opened at run time: nothing depends on its package. From standard input: `b PATTERN-NUMBER LENGTH\n` and that many bytes, or
 * `r PASSES\n`; to standard output a line each: the number of matches, or nanoseconds.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { HS_FLAG_DOTALL = 2, HS_MODE_BLOCK = 1 };

/* Match ends only (no start of match), and every end counts: the least that the library can do. */
static const char *const PATTERNS[] = {
    "\\b(?:4[0-9]{15}|5[1-5][0-9]{14}|2[2-7][0-9]{14}|3[47][0-9]{13}|6011[0-9]{12}|65[0-9]{14}|62[0-9]{14})\\b",
    "[0-9]([ -]?[0-9]){12,18}",
};

typedef int (*on_match)(unsigned, unsigned long long, unsigned long long, unsigned, void *);
static int (*compile)(const char *, unsigned, unsigned, const void *, void **, void **);
static int (*alloc_scratch)(const void *, void **);
static int (*scan)(const void *, const char *, unsigned, unsigned, void *, on_match, void *);

static int count(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *matches) {
    (void)id, (void)from, (void)to, (void)flags;
    ++*(unsigned long long *)matches;
    return 0;
}

static int open_library(void) {
    void *library = dlopen("libhs.so.5", RTLD_NOW);
    if (!library)
        return 0;
    *(void **)&compile = dlsym(library, "hs_compile");
    *(void **)&alloc_scratch = dlsym(library, "hs_alloc_scratch");
    *(void **)&scan = dlsym(library, "hs_scan");
    return compile && alloc_scratch && scan;
}

int main(void) {
    void *databases[2] = {0}, *scratch = NULL, *error = NULL;
    if (!open_library())
        return 3;
    for (int i = 0; i < 2; i++)
        if (compile(PATTERNS[i], HS_FLAG_DOTALL, HS_MODE_BLOCK, NULL, &databases[i], &error) ||
            alloc_scratch(databases[i], &scratch))
            return 4;
    printf("ready\n");
    fflush(stdout);
    char command, *bytes = NULL;
    unsigned pattern = 0, length = 0;
    unsigned long long matches = 0;
    while (scanf(" %c", &command) == 1) {
        if (command == 'b') {
            if (scanf("%u %u", &pattern, &length) != 2 || pattern > 1 || getchar() != '\n')
                return 5;
            free(bytes);
            bytes = malloc(length);
            if (!bytes || fread(bytes, 1, length, stdin) != length)
                return 6;
            matches = 0;
            if (scan(databases[pattern], bytes, length, 0, scratch, count, &matches))
                return 7;
            printf("%llu\n", matches);
        } else {
            unsigned passes = 0;
            if (scanf("%u", &passes) != 1)
                return 5;
            struct timespec from, to;
            clock_gettime(CLOCK_MONOTONIC, &from);
            while (passes--)
                scan(databases[pattern], bytes, length, 0, scratch, count, &matches);
            clock_gettime(CLOCK_MONOTONIC, &to);
            printf("%lld\n", (to.tv_sec - from.tv_sec) * 1000000000LL + (to.tv_nsec - from.tv_nsec));
        }
        fflush(stdout);
    }
    return 0;
}
