/* What a file of the exact runtime consists of, section after section, as it lies in memory. */
#ifndef EXACT_H
#define EXACT_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>

#if FLT_EVAL_METHOD != 0 || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "doubles must be computed as doubles, and lie in memory as in the file"
#endif

enum { MOST_WIDTH = 1000, MOST_SLOTS = 65534 };
enum slot_kind { NUMBER, TABLE, SUB_DIV, MUL_ADD, PRESENCE, YEAR, MONTH, DAY, WEEKDAY, HOUR, SINCE, N_SLOT_KINDS };
enum link { NONE, SIGMOID, SOFTMAX, EXP, SOFTMAX_OF_TWO, ONE_VS_REST, EXPM1, SIGMOIDS, N_LINKS };
enum combine { ONLY, WEIGHTED_SUM };
enum { TREES, LINEAR };

#define VECTOR UINT32_MAX /* as the output of a tree: its leaves are vectors */

typedef struct {
    char magic[8];
    uint32_t n_fields, n_slots, n_tables, n_sets, n_members, n_trees, n_nodes, n_values, n_terms;
    uint32_t n_outputs, combine, reserved;
    double divisor;
} Header;

typedef struct {
    uint32_t field, kind, first_table, n_codes;
    double gap, shift, scale, reserved;
} Slot;

typedef struct {
    uint32_t kind, link, width, n_outputs, first_tree, n_trees, first_term, n_terms, first_base;
    uint32_t is_single, has_sets, reserved;
    double divisor, weight;
} Member;

typedef struct {
    uint32_t root, depth, output, reserved;
} Tree;

typedef struct {
    union {
        double threshold; /* of a leaf: its value, or where in values its vector begins */
        struct {
            uint32_t first, n_codes;
        } set;
    };
    uint32_t left; /* the right child is the next; a leaf has itself */
    uint16_t slot, is_set;
} Node;

typedef struct {
    uint32_t slot, first_coefficient;
} Term;

/* A file, taken apart. */
typedef struct {
    const Header *header;
    const Slot *slots;
    const double *tables;
    const uint64_t *sets;
    const Member *members;
    const Tree *trees;
    const Node *nodes;
    const double *values;
    const Term *terms;
    const char *end;
} Model;

static inline Model take_apart(const void *file)
{
    Model m;
    m.header = file;
    m.slots = (const void *)(m.header + 1);
    m.tables = (const void *)(m.slots + m.header->n_slots);
    m.sets = (const void *)(m.tables + m.header->n_tables);
    m.members = (const void *)(m.sets + m.header->n_sets);
    m.trees = (const void *)(m.members + m.header->n_members);
    m.nodes = (const void *)(m.trees + m.header->n_trees);
    m.values = (const void *)(m.nodes + m.header->n_nodes);
    m.terms = (const void *)(m.values + m.header->n_values);
    m.end = (const void *)(m.terms + m.header->n_terms);
    return m;
}

/* A test of a plan: its mask has the leaves of its tree that stay when a record fails it. */
typedef struct {
    double threshold;
    uint32_t mask;
    uint16_t tree, slot;
} Test;

/* Where the tests and rows of a slot begin; its tests end where those of the next begin. */
typedef struct {
    uint32_t first_test, first_row;
} Range;

/* How a member is evaluated without a walk through its trees, unless step is 0. */
typedef struct {
    uint32_t step, n_trees, n_words; /* step: how many tests are between two rows */
    const Test *tests;
    const double *leaves, *thresholds, *edges;
    const Range *ranges;
    const uint32_t *rows; /* a word for each tree */
} Plan;

#define INLINE static inline __attribute__((always_inline))

INLINE void add(double *sum, double value, uint32_t is_single)
{
    *sum = is_single ? (double)((float)*sum + (float)value) : *sum + value;
}

INLINE void add_leaf(const Model *m, const Member *r, const Tree *tree, double value, double *sums)
{
    if (tree->output != VECTOR) {
        add(&sums[tree->output], value, r->is_single);
        return;
    }
    const double *vector = &m->values[(uint32_t)value];
    for (uint32_t k = 0; k < r->width; k++)
        add(&sums[k], vector[k], r->is_single);
}

int exact_check(const void *file, size_t size);
size_t exact_scratch(const void *file);
size_t exact_plan_size(const void *file);
void exact_plan(const void *file, void *room);
void exact_predict(const void *file, const void *plan, const double *records, size_t n_records,
                   size_t record_stride, size_t field_stride, double *outputs, double *scratch);
void sum_leaves(const Model *m, const Member *r, const Plan *plan, const double *x, size_t stride,
                double *sums, double *room);

#endif
