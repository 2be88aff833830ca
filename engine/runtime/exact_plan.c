/* A second way through the trees of a member, for many that are small but deep: boosting.
 *
 * exact_plan_size  tells how many bytes of room the plan of a file needs
 * exact_plan       makes it, once
 * sum_leaves       answers a record by it
 *
 * A walk makes as many steps as a tree is deep. Here no tree is walked: it has a bit for each leaf,
 * and a test that a record fails clears the bits of the leaves on its left. The leaf that a walk
 * would reach is the lowest bit that stays (QuickScorer, Lucchese and others, 2015). The tests of
 * a slot are sorted by threshold, so a record fails the first ones, up to a place that is found
 * by counting. What every so many of them leave of all trees is stored, a row with a word for each
 * tree: one row per slot is combined, and the tests behind it follow one by one.
 */
#include <stdlib.h>
#include <string.h>

#include "exact.h"

enum { MOST_LEAVES = 32, LEAST_TREES = 16, MOST_TREES = UINT16_MAX, LINE = 16 };

typedef double Two __attribute__((vector_size(16), aligned(8), may_alias));
typedef int64_t Both __attribute__((vector_size(16)));
typedef uint32_t Four __attribute__((vector_size(16), aligned(4), may_alias));

/* The tests behind its row that a record fails, of a slot; and where a row begins. */
typedef struct {
    const Test *from, *to;
    size_t row;
} Found;

/* The leaves below a node and those before it, or more than MOST_LEAVES. */
static uint32_t count_leaves(const Model *m, uint32_t at, uint32_t leaves)
{
    if (leaves > MOST_LEAVES)
        return leaves;
    const Node *node = &m->nodes[at];
    if (node->left == at)
        return leaves + 1;
    return count_leaves(m, node->left + 1, count_leaves(m, node->left, leaves));
}

/* How many tests the trees of a member have; 0 where they are walked. With more slots than three
 * times the mean depth, to combine the rows takes longer. */
static uint32_t count_tests(const Model *m, const Member *r)
{
    uint64_t tests = 0, depths = 0;
    if (r->has_sets || r->n_trees < LEAST_TREES || r->n_trees > MOST_TREES)
        return 0;
    for (uint32_t i = r->first_tree; i < r->first_tree + r->n_trees; i++) {
        if (m->trees[i].depth >= MOST_LEAVES)
            return 0;
        uint32_t leaves = count_leaves(m, m->trees[i].root, 0);
        if (leaves > MOST_LEAVES)
            return 0;
        tests += leaves - 1;
        depths += m->trees[i].depth;
    }
    return (uint64_t)m->header->n_slots * r->n_trees > 3 * depths ? 0 : (uint32_t)tests;
}

/* The rows take 64 bytes for each test, however many trees there are. */
static uint32_t step_of(const Member *r)
{
    return r->n_trees / 16;
}

static uint32_t words_of(const Member *r)
{
    return (r->n_trees + LINE - 1) / LINE * LINE;
}

static size_t bytes_of(const Model *m, const Member *r, uint32_t n_tests)
{
    size_t n_rows = n_tests / step_of(r);
    return ((size_t)m->header->n_slots + 1) * sizeof(Range) + n_tests * sizeof(Test) +
           ((size_t)r->n_trees * MOST_LEAVES + n_tests + n_rows) * sizeof(double) +
           n_rows * words_of(r) * sizeof(uint32_t);
}

/* The bytes of a file's plan: those of each member behind one another. */
size_t exact_plan_size(const void *file)
{
    Model m = take_apart(file);
    size_t bytes = m.header->n_members * sizeof(Plan);
    for (uint32_t i = 0; i < m.header->n_members; i++) {
        uint32_t n_tests = count_tests(&m, &m.members[i]);
        bytes += n_tests ? bytes_of(&m, &m.members[i], n_tests) : 0;
    }
    return bytes;
}

/* Write down the tests and leaves below a node, the leaves from left to right. */
static uint32_t unfold(const Model *m, uint32_t at, uint16_t tree, uint32_t leaf, double *leaves,
                       Test **tests)
{
    const Node *node = &m->nodes[at];
    if (node->left == at) {
        leaves[leaf] = node->threshold;
        return leaf + 1;
    }
    Test *test = (*tests)++;
    uint32_t middle = unfold(m, node->left, tree, leaf, leaves, tests);
    uint64_t below = ((uint64_t)1 << middle) - ((uint64_t)1 << leaf);
    *test = (Test){node->threshold, (uint32_t)~below, tree, node->slot};
    return unfold(m, node->left + 1, tree, middle, leaves, tests);
}

static int compare(const void *left, const void *right)
{
    const Test *a = left, *b = right;
    if (a->slot != b->slot)
        return a->slot < b->slot ? -1 : 1;
    return (a->threshold > b->threshold) - (a->threshold < b->threshold);
}

/* Store for every so many tests of a slot what the first ones leave, and the last threshold. */
static uint32_t write_rows(const Plan *plan, const Range *range, double *edges, uint32_t *rows)
{
    uint32_t n_rows = (range[1].first_test - range->first_test) / plan->step;
    const Test *test = &plan->tests[range->first_test];
    for (uint32_t i = 0; i < n_rows; i++) {
        uint32_t *row = rows + (size_t)(range->first_row + i) * plan->n_words;
        if (i)
            memcpy(row, row - plan->n_words, plan->n_words * sizeof *row);
        else
            memset(row, 0xff, plan->n_words * sizeof *row);
        for (uint32_t j = 0; j < plan->step; j++, test++)
            row[test->tree] &= test->mask;
        edges[range->first_row + i] = test[-1].threshold;
    }
    return range->first_row + n_rows;
}

static void make_plan(const Model *m, const Member *r, uint32_t n_tests, Plan *plan, char *room)
{
    uint32_t n_slots = m->header->n_slots;
    Test *tests = (Test *)room, *test = tests;
    double *leaves = (double *)(tests + n_tests);
    double *thresholds = leaves + (size_t)r->n_trees * MOST_LEAVES;
    double *edges = thresholds + n_tests;
    Range *ranges = (Range *)(edges + n_tests / step_of(r));
    uint32_t *rows = (uint32_t *)(ranges + n_slots + 1);
    *plan = (Plan){step_of(r), r->n_trees, words_of(r), tests, leaves, thresholds, edges, ranges, rows};
    for (uint32_t i = 0; i < r->n_trees; i++)
        unfold(m, m->trees[r->first_tree + i].root, (uint16_t)i, 0,
               leaves + (size_t)i * MOST_LEAVES, &test);
    qsort(tests, n_tests, sizeof *tests, compare);
    for (uint32_t s = 0, i = 0; s <= n_slots; s++) {
        while (i < n_tests && tests[i].slot < s)
            i++;
        ranges[s].first_test = i;
    }
    for (uint32_t i = 0; i < n_tests; i++)
        thresholds[i] = tests[i].threshold;
    ranges[0].first_row = 0;
    for (uint32_t s = 0; s < n_slots; s++)
        ranges[s + 1].first_row = write_rows(plan, &ranges[s], edges, rows);
}

/* Make the plan of a checked file, in room that begins at a multiple of 8. */
void exact_plan(const void *file, void *room)
{
    Model m = take_apart(file);
    Plan *plans = room;
    char *rest = (char *)(plans + m.header->n_members);
    for (uint32_t i = 0; i < m.header->n_members; i++) {
        uint32_t n_tests = count_tests(&m, &m.members[i]);
        plans[i] = (Plan){0};
        if (n_tests == 0)
            continue;
        make_plan(&m, &m.members[i], n_tests, &plans[i], rest);
        rest += bytes_of(&m, &m.members[i], n_tests);
    }
}

/* How many of the thresholds a value does not reach: without branches, which would be guessed. */
static uint32_t count_failed(const double *thresholds, uint32_t count, double value)
{
    Two values = {value, value};
    Both reached = {0, 0}; /* -1 for each */
    uint32_t i = 0;
    for (; i + 2 <= count; i += 2)
        reached += values <= *(const Two *)(thresholds + i);
    uint32_t last = i < count && value <= thresholds[i];
    return count - last - (uint32_t)-(reached[0] + reached[1]);
}

/* Find the bits of each tree that a record leaves. */
static void find_leaves(const Plan *plan, const double *x, size_t stride, uint32_t n_slots,
                        uint32_t *bits, Found *found)
{
    uint32_t n_rows = 0;
    for (uint32_t s = 0; s < n_slots; s++) {
        const Range *range = &plan->ranges[s];
        uint32_t row = count_failed(plan->edges + range->first_row,
                                    range[1].first_row - range->first_row, x[s * stride]);
        uint32_t first = range->first_test + row * plan->step, rest = range[1].first_test - first;
        rest = rest < plan->step ? rest : plan->step;
        found[s].from = plan->tests + first;
        found[s].to = found[s].from + count_failed(plan->thresholds + first, rest, x[s * stride]);
        found[n_rows].row = (size_t)(range->first_row + row - 1) * plan->n_words;
        n_rows += row > 0;
    }
    for (uint32_t i = 0; i < plan->n_words; i += LINE) {
        Four *to = (Four *)(bits + i), a = ~(Four){0}, b = a, c = a, d = a;
        for (uint32_t r = 0; r < n_rows; r++) {
            const Four *row = (const Four *)(plan->rows + found[r].row + i);
            a &= row[0], b &= row[1], c &= row[2], d &= row[3];
        }
        to[0] = a, to[1] = b, to[2] = c, to[3] = d;
    }
    for (uint32_t s = 0; s < n_slots; s++)
        for (const Test *test = found[s].from; test < found[s].to; test++)
            bits[test->tree] &= test->mask;
}

/* The sums of one record by a plan. */
void sum_leaves(const Model *m, const Member *r, const Plan *plan, const double *x, size_t stride,
                double *sums, double *room)
{
    const Tree *tree = &m->trees[r->first_tree];
    const double *leaves = plan->leaves;
    uint32_t n_slots = m->header->n_slots, *bits = (uint32_t *)(room + 3 * n_slots);
    find_leaves(plan, x, stride, n_slots, bits, (Found *)room);
    if (r->width > 1) {
        for (uint32_t i = 0; i < r->n_trees; i++, leaves += MOST_LEAVES)
            add_leaf(m, r, &tree[i], leaves[__builtin_ctz(bits[i])], sums);
        return;
    }
    double sum = sums[0]; /* in a register it takes half the time */
    for (uint32_t i = 0; i < r->n_trees; i++, leaves += MOST_LEAVES) {
        double value = leaves[__builtin_ctz(bits[i])];
        add(&sum, tree[i].output == VECTOR ? m->values[(uint32_t)value] : value, r->is_single);
    }
    sums[0] = sum;
}
