/* Damages files of the exact runtime at random, and lets it check, plan and evaluate them.
 *
 *     exact_fuzz FIRST COUNT FILE...
 *
 * Each mutant depends on its number alone: COUNT of them are made, from number FIRST on. One that
 * passes the check must predict without a report of a sanitizer, and the same bits for a record
 * alone and among others, with a plan and without. Otherwise the number of the mutant is shown,
 * and the program aborts.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exact.h"

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

enum { N_RULES = 21, N_SECTIONS = 9, N_COUNTS = 10, MOST_BYTES = 1 << 20, MOST_FIELDS = 100 };

typedef struct {
    char *bytes;
    size_t size;
} Content;

static uint64_t state, mutant;
static unsigned long long refused[N_RULES], other_fields, accepted, planned, rows_answered;

const char *__asan_default_options(void)
{
    return "abort_on_error=1:quarantine_size_mb=4:detect_leaks=0";
}

const char *__ubsan_default_options(void)
{
    return "abort_on_error=1:print_stacktrace=1";
}

static void show_mutant(int number)
{
    fprintf(stderr, "mutant %llu\n", (unsigned long long)mutant);
    signal(number, SIG_DFL);
    raise(number);
}

static uint64_t draw(void) /* splitmix64 */
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static size_t below(size_t most)
{
    return draw() % most;
}

static void *room(size_t size)
{
    void *memory = malloc(size ? size : 1);
    if (memory == NULL)
        abort();
    return memory;
}

static double odd_double(void)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, 0.0, -0.0, 0.5, 1.0, -1.0, 2.0, 63.0,
                                 64.0, 65.0, 1e9, 4294967295.0, 4294967296.0, -4294967297.0,
                                 9007199254740993.0, 1.8e19, DBL_MAX, -DBL_MAX, DBL_MIN, 5e-324};
    size_t place = below(2 * sizeof odd / sizeof *odd);
    if (place < sizeof odd / sizeof *odd)
        return odd[place];
    return (double)below(200) - 60.5 + place % 2 / 2.0;
}

static uint32_t odd_word(const char *bytes, uint32_t before)
{
    static const uint32_t odd[] = {0, 1, 2, 3, 5, 63, 64, 65, 999, 1000, 1001, 65534, 65535, 65536,
                                   INT32_MAX, 1u << 31, UINT32_MAX - 1, UINT32_MAX};
    uint32_t count;
    memcpy(&count, bytes + 8 + 4 * below(12), sizeof count);
    switch (below(4)) {
    case 0:
        return odd[below(sizeof odd / sizeof *odd)];
    case 1:
        return before + (uint32_t)below(7) - 3;
    case 2:
        return count + (uint32_t)below(3) - 1;
    default:
        return (uint32_t)below((size_t)count + 1);
    }
}

/* Where the sections begin, by the header; behind the file's end where the header is wrong. */
static void find_sections(const Content *file, size_t starts[N_SECTIONS + 1])
{
    static const size_t sizes[] = {48, 8, 8, 64, 16, 16, 8, 8};
    starts[0] = 0;
    starts[1] = sizeof(Header);
    for (int i = 0; i + 2 <= N_SECTIONS; i++) {
        uint32_t count;
        memcpy(&count, file->bytes + 12 + 4 * i, sizeof count);
        starts[i + 2] = starts[i + 1] + count * sizes[i];
    }
}

/* A place in a section drawn first, so that small sections are hit as often as large ones. */
static size_t place_of(const Content *file, size_t width)
{
    size_t starts[N_SECTIONS + 1];
    find_sections(file, starts);
    for (;;) {
        size_t section = below(N_SECTIONS), size = starts[section + 1] - starts[section];
        if (starts[section + 1] > file->size)
            return below(file->size / width) * width;
        if (size >= width)
            return starts[section] + below(size / width) * width;
    }
}

/* Another count in the header, and the file longer or shorter by what it counts. */
static void change_count(Content *file)
{
    static const size_t sizes[N_COUNTS] = {0, 48, 8, 8, 64, 16, 16, 8, 8, 0};
    size_t starts[N_SECTIONS + 1], which = below(N_COUNTS), end, part = sizes[which];
    uint32_t count;
    find_sections(file, starts);
    char *place = file->bytes + 8 + 4 * which;
    memcpy(&count, place, sizeof count);
    int grows = count == 0 || below(2);
    count += grows ? 1u : UINT32_MAX;
    end = part ? starts[which + 1] : file->size;
    if (end > file->size || (!grows && end < part))
        return;
    memcpy(place, &count, sizeof count);
    if (grows) {
        memmove(file->bytes + end + part, file->bytes + end, file->size - end);
        memmove(file->bytes + end, file->bytes + end - part, part);
        file->size += part;
    } else {
        memmove(file->bytes + end - part, file->bytes + end, file->size - end);
        file->size -= part;
    }
}

static void swap_parts(Content *file)
{
    char part[256];
    size_t size = (below(sizeof part / 8) + 1) * 8;
    size = size > file->size / 2 ? file->size / 16 * 8 : size;
    char *left = file->bytes + place_of(file, 8), *right = file->bytes + place_of(file, 8);
    size_t room_left = (size_t)(file->bytes + file->size - (left > right ? left : right));
    size = size > room_left ? room_left : size;
    memcpy(part, left, size);
    memmove(left, right, size);
    memcpy(right, part, size);
}

static void damage(Content *file)
{
    uint64_t bits;
    uint32_t word;
    double number = odd_double();
    char *place;
    switch (below(6)) {
    case 0:
        file->bytes[place_of(file, 1)] ^= (char)(1 << below(8));
        return;
    case 1:
        place = file->bytes + place_of(file, 4);
        memcpy(&word, place, sizeof word);
        word = odd_word(file->bytes, word);
        memcpy(place, &word, sizeof word);
        return;
    case 2:
        word = odd_word(file->bytes, 0);
        memcpy(file->bytes + place_of(file, 2), &word, 2); /* its low half */
        return;
    case 3:
        memcpy(&bits, below(2) ? (char *)&number : file->bytes + place_of(file, 8), sizeof bits);
        memcpy(file->bytes + place_of(file, 8), &bits, sizeof bits);
        return;
    case 4:
        swap_parts(file);
        return;
    default:
        if (below(8))
            change_count(file);
        else
            file->size = below(file->size + 1);
    }
}

static void fail_unless_same(const double *left, const double *right, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(&left[i], &right[i], 8) != 0 && !(isnan(left[i]) && isnan(right[i]))) {
            fprintf(stderr, "a record answers %a, and in another way %a\n", left[i], right[i]);
            abort();
        }
}

/* Predict a batch that lies in memory by rows or by columns, and each of its records alone, at
 * random with a plan. */
static void predict(const void *file)
{
    static const size_t batches[] = {1, 3, 16, 21, 32, 40, 40, 137};
    const Header *h = file;
    size_t n_rows = batches[below(8)], by_rows = below(2), size = exact_scratch(file);
    double *records = room(n_rows * h->n_fields * sizeof *records), *scratch = room(size * 8);
    double *outputs = room(n_rows * h->n_outputs * 8), *alone = room(h->n_outputs * sizeof *alone);
    size_t record_stride = by_rows ? h->n_fields : 1, field_stride = by_rows ? 1 : n_rows;
    Plan *plan = room(exact_plan_size(file)); /* no more: a write behind it is seen */
    exact_plan(file, plan);
    planned += plan->step > 0; /* of the first member */
    for (size_t i = 0; i < n_rows * h->n_fields; i++)
        records[i] = odd_double();
    exact_predict(file, below(4) ? plan : NULL, records, n_rows, record_stride, field_stride,
                  outputs, scratch);
    for (size_t row = 0; row < n_rows; row += n_rows > 40 ? 17 : 1) {
        const double *record = records + row * record_stride;
        exact_predict(file, below(4) ? NULL : plan, record, 1, record_stride, field_stride, alone,
                      scratch);
        fail_unless_same(alone, outputs + row * h->n_outputs, h->n_outputs);
        rows_answered++;
    }
    free(records);
    free(scratch);
    free(plan);
    free(outputs);
    free(alone);
}

static Content read_content(const char *path)
{
    Content content = {room(MOST_BYTES), 0};
    FILE *file = fopen(path, "rb");
    if (file) {
        content.size = fread(content.bytes, 1, MOST_BYTES / 2, file);
        fclose(file);
    }
    if (content.size < sizeof(Header)) {
        fprintf(stderr, "%s cannot be read, or is too short\n", path);
        exit(2);
    }
    return content;
}

static void try_mutant(const Content *original, Content *copy)
{
    size_t times = below(4) ? 1 : 2 + below(4);
    memcpy(copy->bytes, original->bytes, original->size);
    copy->size = original->size;
    for (; times > 0 && copy->size >= sizeof(Header); times--)
        damage(copy);
    void *file = room(copy->size); /* of just its size: a read behind it is seen */
    memcpy(file, copy->bytes, copy->size);
    int rule = exact_check(file, copy->size);
    if (rule) {
        refused[rule]++;
    } else if (((const Header *)file)->n_fields > MOST_FIELDS) { /* exact.py refuses it */
        other_fields++;
    } else {
        accepted++;
        predict(file);
    }
    free(file);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    signal(SIGABRT, show_mutant);
    signal(SIGFPE, show_mutant);
    uint64_t first = strtoull(argv[1], NULL, 10), end = first + strtoull(argv[2], NULL, 10);
    size_t n_files = (size_t)argc - 3;
    Content *files = room(n_files * sizeof *files), copy = {room(MOST_BYTES), 0};
    for (size_t i = 0; i < n_files; i++) {
        files[i] = read_content(argv[3 + i]);
        char *file = memcpy(room(files[i].size), files[i].bytes, files[i].size);
        if (exact_check(file, files[i].size) != 0)
            return 3; /* an original must pass */
        predict(file);
        free(file);
    }
    for (mutant = first; mutant < end; mutant++) {
        state = mutant * 0xd1342543de82ef95u;
        try_mutant(&files[below(n_files)], &copy);
    }
    printf("%llu mutants accepted (%llu rows, %llu plans), %llu of other fields; refused by rule:",
           accepted, rows_answered, planned, other_fields);
    for (int i = 1; i < N_RULES; i++)
        printf(" %d: %llu%s", i, refused[i], i + 1 < N_RULES ? "" : "\n");
    return 0;
}
