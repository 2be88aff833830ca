/* Whether a file of the exact runtime keeps every rule that predictions rely on.
 *
 * Each rule has a number, and exact.py a sentence for it. The work is in proportion to the size
 * of the file, and so is that of a prediction from a file that passes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exact.h"

/* Two parts of the file are one behind the other: the second begins where the first ends. */
static int follows(uint32_t first, uint32_t count, uint32_t *end, uint32_t most)
{
    if (first != *end || count > most - *end)
        return 0;
    *end += count;
    return 1;
}

static int is_within(uint64_t first, uint64_t count, uint32_t most)
{
    return first + count <= most;
}

static int is_divisor(double number)
{
    return isfinite(number) && number != 0.0;
}

static int check_header(const Header *h, size_t size)
{
    if (memcmp(h->magic, "exact 1\n", sizeof h->magic) != 0)
        return 2;
    if (h->n_fields == 0 || h->n_slots > MOST_SLOTS || h->n_members == 0 || h->n_outputs == 0 ||
        h->n_outputs > MOST_WIDTH || h->combine > WEIGHTED_SUM || h->reserved != 0 ||
        (h->combine == ONLY && h->n_members != 1) || !is_divisor(h->divisor))
        return 3;
    uint64_t whole = sizeof *h + (uint64_t)h->n_slots * sizeof(Slot) + (uint64_t)h->n_tables * 8 +
                     (uint64_t)h->n_sets * 8 + (uint64_t)h->n_members * sizeof(Member) +
                     (uint64_t)h->n_trees * sizeof(Tree) + (uint64_t)h->n_nodes * sizeof(Node) +
                     (uint64_t)h->n_values * 8 + (uint64_t)h->n_terms * sizeof(Term);
    return whole == size ? 0 : 4;
}

static int check_slots(const Model *m)
{
    uint32_t tables = 0;
    for (uint32_t i = 0; i < m->header->n_slots; i++) {
        const Slot *s = &m->slots[i];
        int is_table = s->kind == TABLE || (s->kind > PRESENCE && s->kind < SINCE);
        uint32_t n_codes = is_table ? s->n_codes : 0;
        if (s->field >= m->header->n_fields || s->kind >= N_SLOT_KINDS || s->n_codes != n_codes ||
            s->reserved != 0.0 ||
            !isfinite(s->shift) || !isfinite(s->scale) ||
            !is_divisor(s->kind == SUB_DIV || s->kind == SINCE ? s->scale : 1.0) ||
            (s->kind == SINCE && s->first_table >= m->header->n_fields))
            return 5;
        if (n_codes && !follows(s->first_table, n_codes, &tables, m->header->n_tables))
            return 6;
    }
    return tables == m->header->n_tables ? 0 : 6;
}

static uint32_t outputs_of(const Member *member)
{
    return member->link == SIGMOID || member->link == SOFTMAX_OF_TWO ? 2 : member->width;
}

static int check_members(const Model *m)
{
    uint32_t trees = 0, terms = 0;
    for (uint32_t i = 0; i < m->header->n_members; i++) {
        const Member *r = &m->members[i];
        if (r->kind > LINEAR || r->link >= N_LINKS || r->width == 0 || r->width > MOST_WIDTH ||
            r->is_single > 1 || r->has_sets > 1 || r->reserved != 0 || !is_divisor(r->divisor) ||
            !isfinite(r->weight))
            return 7;
        if (r->n_outputs != m->header->n_outputs || r->n_outputs != outputs_of(r) ||
            (r->width != 1 && (r->link == SIGMOID || r->link == SOFTMAX_OF_TWO)))
            return 8;
        if (!is_within(r->first_base, r->width, m->header->n_values))
            return 9;
        if (!follows(r->first_tree, r->n_trees, &trees, m->header->n_trees) ||
            !follows(r->first_term, r->n_terms, &terms, m->header->n_terms) ||
            (r->kind == TREES ? r->n_terms : r->n_trees) != 0)
            return 10;
        for (uint32_t j = r->first_term; j < terms; j++)
            if (m->terms[j].slot >= m->header->n_slots ||
                !is_within(m->terms[j].first_coefficient, r->width, m->header->n_values))
                return 11;
    }
    return trees == m->header->n_trees && terms == m->header->n_terms ? 0 : 10;
}

static int check_leaf(const Model *m, const Tree *tree, const Member *member, const Node *node)
{
    double value = node->threshold;
    if (node->slot != m->header->n_slots || node->is_set || !isfinite(value))
        return 14;
    if (tree->output != VECTOR)
        return 0;
    if (!(value >= 0.0 && value < m->header->n_values) || value != floor(value))
        return 15;
    return is_within((uint64_t)value, member->width, m->header->n_values) ? 0 : 15;
}

/* The nodes of a tree are those from its root up to the next tree's; children come behind
 * their parent, so a walk ends. steps, 0 at first, get the longest way to each node. */
static int check_tree(const Model *m, const Tree *tree, const Member *r, uint32_t end,
                      uint32_t *steps)
{
    if ((tree->output != VECTOR && tree->output >= r->width) || tree->depth >= end - tree->root ||
        tree->reserved != 0)
        return 13;
    for (uint32_t i = tree->root; i < end; i++) {
        const Node *node = &m->nodes[i];
        if (node->left == i) {
            int rule = check_leaf(m, tree, r, node);
            if (rule)
                return rule;
            if (steps[i] > tree->depth)
                return 18;
            continue;
        }
        if (node->left < i || node->left >= end - 1 || node->slot >= m->header->n_slots)
            return 16;
        uint64_t words = node->is_set ? ((uint64_t)node->set.n_codes + 63) / 64 : 0;
        if (node->is_set > r->has_sets || (!node->is_set && isnan(node->threshold)) ||
            (node->is_set && !is_within(node->set.first, words, m->header->n_sets)))
            return 17;
        for (uint32_t child = node->left; child <= node->left + 1; child++)
            if (steps[child] <= steps[i])
                steps[child] = steps[i] + 1;
    }
    return 0;
}

static int check_trees(const Model *m, uint32_t *steps)
{
    const Header *h = m->header;
    if (h->n_trees == 0)
        return h->n_nodes == 0 ? 0 : 12;
    if (m->trees[0].root != 0)
        return 12;
    for (uint32_t i = 0; i < h->n_members; i++) {
        const Member *member = &m->members[i];
        for (uint32_t j = member->first_tree; j < member->first_tree + member->n_trees; j++) {
            uint32_t end = j + 1 < h->n_trees ? m->trees[j + 1].root : h->n_nodes;
            if (end <= m->trees[j].root || end > h->n_nodes)
                return 12;
            int rule = check_tree(m, &m->trees[j], member, end, steps);
            if (rule)
                return rule;
        }
    }
    return 0;
}

/* 0, or the number of the first rule that the file breaks. */
int exact_check(const void *file, size_t size)
{
    if (size < sizeof(Header) || (uintptr_t)file % 8 != 0)
        return 1;
    int rule = check_header(file, size);
    if (rule)
        return rule;
    Model m = take_apart(file);
    if ((rule = check_slots(&m)) || (rule = check_members(&m)))
        return rule;
    for (uint32_t i = 0; i < m.header->n_values; i++)
        if (!isfinite(m.values[i]))
            return 19;
    uint32_t *steps = calloc((size_t)m.header->n_nodes + 1, sizeof *steps);
    if (steps == NULL)
        return 20;
    rule = check_trees(&m, steps);
    free(steps);
    return rule;
}
