/* The exact runtime: tree ensembles and linear models, evaluated from their own fitted arrays.
 *
 * exact_scratch  tells how many doubles of room a prediction needs
 * exact_predict  answers records
 *
 * A sum is always made in the order of its trees, so a record's answer has the same bits alone
 * and among others. Nothing is allocated, and nothing outlives a call: threads may share a file.
 * The file has passed exact_check. How its numbers come about: engine/training/exact/.
 */
#include <math.h>
#include <string.h>

#include "exact.h"

enum { LANES = 16, MOST_ROWS = 128, BLOCK_DOUBLES = 8192 };

#define MOST_SINGLE_POWER 88.7f

#define FIRST_SECOND -62135596800.0 /* of the years 1 to 9999, from 1970 on */
#define END_SECOND 253402300800.0

/* A part of a date, or -1: Howard Hinnant's civil_from_days, in days from 0000-03-01 on. */
static double date_part(uint32_t kind, double value)
{
    if (!(value >= FIRST_SECOND && value < END_SECOND))
        return -1.0;
    uint64_t seconds = (uint64_t)((int64_t)floor(value) + 719468LL * 86400);
    uint32_t days = (uint32_t)(seconds / 86400), day_of_era = days % 146097;
    if (kind == HOUR)
        return (double)(seconds % 86400 / 3600);
    if (kind == WEEKDAY)
        return (days + 2) % 7;
    uint32_t year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day = day_of_era - (365 * year + year / 4 - year / 100), month = (5 * day + 2) / 153;
    if (kind == DAY)
        return day - (153 * month + 2) / 5 + 1;
    if (kind == MONTH)
        return month < 10 ? month + 3 : month - 9;
    return year + days / 146097 * 400 + (month >= 10);
}

/* What is seen of a value that is no plain number: whether it is there, or a part of a date. What
 * is since another field is their difference, of which whole seconds have no rounding. */
static double part_value(const Model *m, const Slot *s, const double *record, size_t stride)
{
    double value = record[s->field * stride];
    if (s->kind == SINCE) {
        value -= record[s->first_table * stride];
        return ((isnan(value) ? s->gap : value) - s->shift) / s->scale;
    }
    if (s->kind == PRESENCE)
        return isnan(value) ? s->gap : s->shift;
    double code = date_part(s->kind, value) - s->shift;
    return code >= 0.0 && code < s->n_codes ? m->tables[s->first_table + (uint32_t)code] : s->gap;
}

/* What the nodes and terms see of a record's value. */
INLINE double slot_value(const Model *m, const Slot *s, const double *record, size_t stride)
{
    double value = record[s->field * stride];
    if (s->kind == TABLE)
        return value >= 0.0 && value < s->n_codes ? m->tables[s->first_table + (uint32_t)value]
                                                  : s->gap;
    if (s->kind >= PRESENCE)
        return part_value(m, s, record, stride);
    if (isnan(value))
        value = s->gap;
    if (s->kind == SUB_DIV)
        return (value - s->shift) / s->scale;
    return s->kind == MUL_ADD ? value * s->scale + s->shift : value;
}

INLINE int is_in_set(const Model *m, const Node *node, double code)
{
    if (!(code >= 0.0 && code < node->set.n_codes))
        return 0;
    uint32_t place = (uint32_t)code;
    return m->sets[node->set.first + place / 64] >> place % 64 & 1;
}

/* Walk many ways at once, so that one goes on while another waits for memory: the trees of
 * one record, or the records of one tree. */
INLINE void walk(const Model *m, uint32_t at[LANES], const double *x, size_t stride, size_t lane,
                 uint32_t steps, uint32_t has_sets)
{
    for (; steps > 0; steps--)
        for (size_t i = 0; i < LANES; i++) {
            const Node *node = &m->nodes[at[i]];
            double value = x[node->slot * stride + i * lane];
            if (has_sets && node->is_set)
                at[i] = node->left + !is_in_set(m, node, value);
            else
                at[i] = node->left + !(value <= node->threshold);
        }
}

/* The sums of one record: many trees at once, the first of them again where fewer are left. */
INLINE void sum_trees(const Model *m, const Member *r, const double *x, double *sums,
                      uint32_t has_sets)
{
    for (uint32_t first = 0; first < r->n_trees; first += LANES) {
        const Tree *trees = &m->trees[r->first_tree + first];
        uint32_t count = r->n_trees - first < LANES ? r->n_trees - first : LANES;
        uint32_t at[LANES], steps = 0;
        for (uint32_t i = 0; i < LANES; i++) {
            const Tree *tree = &trees[i < count ? i : 0];
            at[i] = tree->root;
            steps = tree->depth > steps ? tree->depth : steps;
        }
        walk(m, at, x, 1, 0, steps, has_sets);
        for (uint32_t i = 0; i < count; i++)
            add_leaf(m, r, &trees[i], m->nodes[at[i]].threshold, sums);
    }
}

/* The sums of a block of records: many at once through a tree, which stays in the cache. */
INLINE void sum_trees_of_block(const Model *m, const Member *r, const double *x, size_t n_groups,
                               double *sums, size_t width, uint32_t has_sets)
{
    size_t group_size = ((size_t)m->header->n_slots + 1) * LANES;
    for (uint32_t t = r->first_tree; t < r->first_tree + r->n_trees; t++)
        for (size_t g = 0; g < n_groups; g++) {
            uint32_t at[LANES];
            for (uint32_t i = 0; i < LANES; i++)
                at[i] = m->trees[t].root;
            walk(m, at, x + g * group_size, LANES, 1, m->trees[t].depth, has_sets);
            for (uint32_t i = 0; i < LANES; i++)
                add_leaf(m, r, &m->trees[t], m->nodes[at[i]].threshold,
                         &sums[(g * LANES + i) * width]);
        }
}

static void sum_terms(const Model *m, const Member *r, const double *x, size_t stride, double *sums)
{
    const double *base = &m->values[r->first_base];
    for (uint32_t k = 0; k < r->width; k++) {
        double sum = 0.0;
        for (uint32_t j = r->first_term; j < r->first_term + r->n_terms; j++)
            sum += x[m->terms[j].slot * stride] * m->values[m->terms[j].first_coefficient + k];
        sums[k] = sum + base[k];
    }
}

/* A number as a member has it, and its power of e: in single precision, or in double. The
 * rounded sum, difference or quotient of two singles is that of single precision. */
static double rounded(const Member *r, double number)
{
    return r->is_single ? (float)number : number;
}

static double power(const Member *r, double number)
{
    return r->is_single ? expf((float)number) : exp(number);
}

static void softmax(const Member *r, double *numbers)
{
    double most = numbers[0], total = 0.0;
    for (uint32_t k = 1; k < r->n_outputs; k++)
        most = numbers[k] > most ? numbers[k] : most;
    for (uint32_t k = 0; k < r->n_outputs; k++)
        total += numbers[k] = power(r, rounded(r, numbers[k] - most));
    for (uint32_t k = 0; k < r->n_outputs; k++)
        numbers[k] = rounded(r, numbers[k] / rounded(r, total));
}

static double sigmoid(const Member *r, double number)
{
    if (r->is_single && number < -MOST_SINGLE_POWER) /* XGBoost's, so that nothing overflows */
        number = -MOST_SINGLE_POWER;
    return rounded(r, 1.0 / rounded(r, 1.0 + power(r, -number)));
}

/* Turn sums into the member's outputs, in place. */
static void link_sums(const Member *r, double *sums)
{
    double total = 0.0;
    for (uint32_t k = 0; k < r->width; k++) {
        if (r->divisor != 1.0)
            sums[k] /= r->divisor;
        if (r->link == EXP)
            sums[k] = power(r, sums[k]);
        if (r->link == EXPM1)
            sums[k] = rounded(r, expm1(sums[k]));
        if (r->link == ONE_VS_REST || r->link == SIGMOIDS)
            total += sums[k] = sigmoid(r, sums[k]);
    }
    for (uint32_t k = 0; r->link == ONE_VS_REST && k < r->width; k++)
        sums[k] = total == 0.0 ? 1.0 / r->width : sums[k] / total;
    if (r->link == SIGMOID) {
        sums[1] = sigmoid(r, sums[0]);
        sums[0] = rounded(r, 1.0 - sums[1]);
    }
    if (r->link == SOFTMAX_OF_TWO) {
        sums[1] = sums[0];
        sums[0] = -sums[0];
    }
    if (r->link == SOFTMAX || r->link == SOFTMAX_OF_TWO)
        softmax(r, sums);
}

/* Answer n_rows records, whose slots are in x: one, or whole groups of LANES. */
static void answer(const Model *m, const Plan *plan, const double *x, size_t n_rows,
                   double *outputs, double *sums, size_t width, double *room)
{
    const Header *h = m->header;
    size_t n_groups = n_rows / LANES, group_size = ((size_t)h->n_slots + 1) * LANES;
    for (uint32_t i = 0; i < h->n_members; i++) {
        const Member *r = &m->members[i];
        for (size_t row = 0; row < n_rows; row++)
            memcpy(&sums[row * width], &m->values[r->first_base], r->width * sizeof *sums);
        if (r->kind == LINEAR || (plan && plan[i].step))
            for (size_t row = 0; row < n_rows; row++) {
                const double *slots = n_groups ? &x[row / LANES * group_size + row % LANES] : x;
                size_t stride = n_groups ? LANES : 1;
                if (r->kind == LINEAR)
                    sum_terms(m, r, slots, stride, &sums[row * width]);
                else
                    sum_leaves(m, r, &plan[i], slots, stride, &sums[row * width], room);
            }
        else if (n_groups && r->has_sets)
            sum_trees_of_block(m, r, x, n_groups, sums, width, 1);
        else if (n_groups)
            sum_trees_of_block(m, r, x, n_groups, sums, width, 0);
        else if (r->has_sets)
            sum_trees(m, r, x, sums, 1);
        else
            sum_trees(m, r, x, sums, 0);
        for (size_t row = 0; row < n_rows; row++) {
            link_sums(r, &sums[row * width]);
            for (uint32_t k = 0; k < h->n_outputs; k++) {
                double *output = &outputs[row * h->n_outputs + k], value = sums[row * width + k];
                if (h->combine == WEIGHTED_SUM) {
                    value = (i ? *output : 0.0) + r->weight * value;
                    value = i + 1 == h->n_members ? value / h->divisor : value;
                }
                *output = value;
            }
        }
    }
}

/* How many sums a record has room for: those of the widest member, or its outputs. */
static size_t widest(const Model *m)
{
    size_t width = m->header->n_outputs;
    for (uint32_t i = 0; i < m->header->n_members; i++)
        width = m->members[i].width > width ? m->members[i].width : width;
    return width;
}

static size_t rows_of_block(const Model *m, size_t width)
{
    size_t rows = BLOCK_DOUBLES / ((size_t)m->header->n_slots + 1 + width) / LANES * LANES;
    return rows > MOST_ROWS ? MOST_ROWS : rows < LANES ? LANES : rows;
}

/* The doubles of room that exact_predict needs; each thread has its own. */
size_t exact_scratch(const void *file)
{
    Model m = take_apart(file);
    size_t width = widest(&m);
    size_t of_plan = m.header->n_trees / 2 + 8 + 3 * (size_t)m.header->n_slots;
    return rows_of_block(&m, width) * ((size_t)m.header->n_slots + 1 + width) + of_plan;
}

/* Answer records of a checked file, by its plan or, where that is NULL, without one: the answers
 * have the same bits. The value of a field in a record lies at
 * records[record * record_stride + field * field_stride]; outputs get n_outputs for each. */
void exact_predict(const void *file, const void *plan, const double *records, size_t n_records,
                   size_t record_stride, size_t field_stride, double *outputs, double *scratch)
{
    Model m = take_apart(file);
    size_t width = widest(&m), most = rows_of_block(&m, width), n_slots = m.header->n_slots;
    double *x = scratch, *sums = x + most * (n_slots + 1), *room = sums + most * width;
    while (n_records > 0) {
        size_t rows = n_records < LANES ? 1 : n_records < most ? n_records / LANES * LANES : most;
        size_t lanes = rows == 1 ? 1 : LANES;
        for (size_t row = 0; row < rows; row++) {
            const double *record = records + row * record_stride;
            double *slots = x + row / lanes * lanes * (n_slots + 1) + row % lanes;
            for (size_t i = 0; i < n_slots; i++)
                slots[i * lanes] = slot_value(&m, &m.slots[i], record, field_stride);
            slots[n_slots * lanes] = -INFINITY; /* a leaf's: it stays where it is */
        }
        answer(&m, plan, x, rows, outputs, sums, width, room);
        records += rows * record_stride;
        outputs += rows * m.header->n_outputs;
        n_records -= rows;
    }
}

/* Addresses that a thread keeps for one record after the other. */
typedef struct {
    const void *file, *plan;
    double *outputs, *scratch;
} Workspace;

/* Answer one record, a double per field. */
void exact_record(const Workspace *workspace, const double *record)
{
    exact_predict(workspace->file, workspace->plan, record, 1, 0, 1, workspace->outputs,
                  workspace->scratch);
}
