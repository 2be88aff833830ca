/* Writes the bits of what the exact runtime answers, to compare machines and compilers.
 *
 *     exact_answers MODEL RECORDS ANSWERS ...
 *
 * Each model, a checked file, answers the doubles in RECORDS: all together, then one by one.
 */
#include <stdio.h>
#include <stdlib.h>

#include "exact.h"

static void *room(size_t size)
{
    void *memory = malloc(size ? size : 1);
    if (memory == NULL)
        abort();
    return memory;
}

static void *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        abort();
    *size = (size_t)ftell(file);
    rewind(file);
    void *content = room(*size);
    if (fread(content, 1, *size, file) != *size)
        abort();
    fclose(file);
    return content;
}

static int write_answers(char **paths)
{
    size_t model_size, records_size;
    void *model = read_file(paths[0], &model_size);
    double *records = read_file(paths[1], &records_size);
    if (exact_check(model, model_size) != 0)
        return 3;
    const Header *h = model;
    size_t n_rows = records_size / (h->n_fields * sizeof *records), n_doubles = n_rows * h->n_outputs;
    double *outputs = room(2 * n_doubles * sizeof *outputs), *alone = outputs + n_doubles;
    double *scratch = room(exact_scratch(model) * sizeof *scratch);
    void *plan = room(exact_plan_size(model));
    exact_plan(model, plan);
    exact_predict(model, plan, records, n_rows, h->n_fields, 1, outputs, scratch);
    for (size_t row = 0; row < n_rows; row++)
        exact_predict(model, plan, records + row * h->n_fields, 1, 0, 1, alone + row * h->n_outputs,
                      scratch);
    FILE *file = fopen(paths[2], "wb");
    if (file == NULL || fwrite(outputs, sizeof *outputs, 2 * n_doubles, file) != 2 * n_doubles)
        abort();
    fclose(file);
    free(model);
    free(records);
    free(outputs);
    free(scratch);
    free(plan);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 2 < argc; i += 3)
        if (write_answers(argv + i) != 0) {
            fprintf(stderr, "%s is refused\n", argv[i]);
            return 3;
        }
    return 0;
}
