/* The walk over a text. rules.py has the same in Python, with the reasons. */

#ifndef MASQUERADE_WALK_H
#define MASQUERADE_WALK_H

#include "checks.h"

static int is_escape(const Scan *scan, Place at)
{
    const Symbol *t = scan->m.text;
    return at > 0 && at < scan->m.length && t[at - 1] == '\\' && (t[at] == 'n' || t[at] == 'r' || t[at] == 't');
}

static Place run_end(const Scan *scan, Place at)
{
    while (at < scan->m.length && is_alnum(scan->m.text[at]))
        at++;
    return at;
}

static int is_joint(Symbol s) { return s == '_' || s == ':' || s == '-'; }

static Place word_start(const Scan *scan, Place digit, Place limit)
{
    const Symbol *t = scan->m.text;
    const Place low = digit - 128 > limit ? digit - 128 : limit;
    Place start = digit;
    for (int part = 0; part < 9; part++) {
        Place at = start;
        for (int joints = 0; joints < 2 && at > low && is_joint(t[at - 1]); joints++)
            at--;
        if (part && at == start)
            break;
        const Place letters = at;
        while (at > low && is_alpha(t[at - 1]) && letters - at < 32)
            at--;
        if (at == letters)
            break;
        start = at;
    }
    return is_escape(scan, start) ? start + 1 : start;
}

/* The form of the given lead that begins at `start`. */
static int form_at(Scan *scan, int lead, Place start, Found *form)
{
    const Scanner *s = scan->s;
    Matcher *m = &scan->m;
    const Entries *forms = &s->forms[lead];
    if (start >= m->length)
        return 0;
    const Place letters = run_end(scan, start) - start;
    for (int i = 0; i < forms->count; i++) {
        const Row *row = &s->rows[forms->all[i].row];
        if (letters < row->program.least || letters > row->program.most
            || !may_begin(m, row->program.first, start))
            continue;
        const Place stop = match(m, row->program.start, start);
        if (stop < 0)
            continue;
        const Place length = length_of(scan, row, start, stop);
        if (scan->failed)
            return 0;
        if (!length && row->check)
            continue;
        Place begin = start - row->left;
        const Place end = start + length;
        if (row->phone && begin > 0 && m->text[begin - 1] == '(')
            for (Place at = begin; at < end; at++)
                if (m->text[at] == ')') {
                    begin--;
                    break;
                }
        *form = (Found){begin, end, row->what};
        return 1;
    }
    return 0;
}

static int after_label(Scan *scan, Place word, Place digit, Found *form)
{
    Place start = digit;
    while (start > word && is_alpha(scan->m.text[start - 1]))
        start--;
    return word < start && start < digit && form_at(scan, 0, start, form);
}

static void find_forms(Scan *scan)
{
    const Scanner *s = scan->s;
    Matcher *m = &scan->m;
    const Symbol *t = m->text;
    const Place n = m->length;
    Place position = 0;
    while (!scan->failed) {
        Place start = position, end = -1;
        for (; start < n; start++)
            if (is_digit(t[start]) && !(start && is_digit(t[start - 1]))
                && (end = match(m, s->digit.start, start)) >= 0)
                break;
        if (end < 0)
            return;
        Found form;
        int there = 0;
        const Symbol before = start ? t[start - 1] : ' ';
        const Symbol second = start > 1 ? t[start - 2] : ' ';
        if (is_alpha(before) && !is_escape(scan, start - 1)) {
            const Place word = word_start(scan, start, position);
            there = form_at(scan, 0, word, &form) || after_label(scan, word, start, &form);
        } else {
            if (is_joint(before) && is_alpha(second))
                there = form_at(scan, 0, word_start(scan, start, position), &form);
            else if (before == '.' && is_digit(second)) {
                position = run_end(scan, end);
                continue;
            }
            if (!there) {
                const Place digits = end - start;
                there = form_at(scan, digits < s->form_count ? (int)digits : s->form_count - 1, start, &form);
            }
        }
        if (!there)
            position = run_end(scan, end);
        else {
            position = form.end;
            if (PyUnicode_GET_LENGTH(form.what.kind))
                report(scan, form);
        }
    }
}

/* Whether a longer ASCII word goes on at `start`; a camelCase hump begins anew. */
static inline int continues(const Scan *scan, Place start)
{
    const Symbol *t = scan->m.text;
    if (!is_alnum(t[start - 1]) || !is_alnum(t[start]))
        return 0;
    return !(is_upper(t[start]) && is_lower(t[start - 1])) && !is_escape(scan, start - 1);
}

/* The longest literal that begins at `at`: its number, or -1. */
static int64_t literal_at(const Scan *scan, Place at, Place *end)
{
    const Scanner *s = scan->s;
    const Symbol *t = scan->m.text;
    const Place n = scan->m.length;
    const uint16_t row = s->root[s->fold[t[at]]];
    int64_t best = -1;
    if (!row || at + 1 >= n)
        return best;
    uint32_t node = s->pairs[row * s->fold_count + s->fold[t[at + 1]]];
    at += 2;
    while (node) {
        if (s->node_literal[node] != NO_LIMIT) {
            best = s->node_literal[node];
            *end = at;
        }
        if (at >= n)
            break;
        const Symbol want = s->fold[t[at++]];
        uint32_t next = 0;
        for (uint32_t i = s->node_first[node]; i < s->node_first[node + 1]; i++)
            if (s->node_symbol[i] == want) {
                next = s->node_target[i];
                break;
            }
        node = next;
    }
    return best;
}

static int find_literals(Scan *scan)
{
    const Scanner *s = scan->s;
    Matcher *m = &scan->m;
    const Symbol *t = m->text;
    const Place n = m->length;
    /* Which find begins at a place, plus one; later ones first, as only forms are asked for. */
    int32_t *known = PyMem_Calloc((size_t)n + 2, sizeof *known);
    if (!known) {
        PyErr_NoMemory();
        return -1;
    }
    for (Place i = 0; i < scan->count && i < INT32_MAX - 1; i++)
        known[scan->found[i].start] = (int32_t)i + 1;
    Place solid = 0, solid_end = 0, tries = 0, waste = 0, done = 0;
    for (Place start = 0, end = 0; start < n && !scan->failed; start = end) {
        if (start < done) { /* within a value; what begins behind it is read from there */
            end = done;
            continue;
        }
        const int64_t which = start && continues(scan, start) ? -1 : literal_at(scan, start, &end);
        if (which < 0) {
            end = start + 1;
            continue;
        }
        const Entries *entries = &s->literals[which];
        if (start >= solid_end) {
            solid = start;
            solid_end = end;
            while (solid_end < n && holds(m, s->solid, t[solid_end]))
                solid_end++;
            tries = waste = 0;
        } else if (waste > s->waste + 4 * (start - solid))
            continue;
        for (int i = 0; i < entries->count; i++) {
            const Row *row = &s->rows[entries->all[i].row];
            const int after = entries->all[i].after;
            if (after) {
                int32_t place = known[end];
                if (!place && end < n)
                    place = known[end + 1];
                if (place) {
                    Found *form = &scan->found[place - 1];
                    if (form->what.kind == row->what.kind) {
                        if (row->what.sure > form->what.sure)
                            form->what = row->what;
                        continue;
                    }
                }
            } else if (++tries > s->tries)
                continue;
            const Place from = after ? end : start;
            if (!may_begin(m, row->program.first, from))
                continue;
            const Place stop = match(m, row->program.start, from);
            if (stop < 0)
                continue;
            const Place begin = m->last_group ? m->marks[2 * m->last_group] : from;
            const Place last = m->last_group ? m->marks[2 * m->last_group + 1] : stop;
            const Place length = length_of(scan, row, begin, last);
            if (length) {
                report(scan, (Found){begin, begin + length, row->what});
                done = begin + length;
            } else
                waste += last - begin;
        }
    }
    PyMem_Free(known);
    return scan->failed ? -1 : 0;
}

/* Where an ASCII character stands next, or -1. */
static Place next_of(const Scan *scan, char c, Place from)
{
    return from < scan->m.length ? PyUnicode_FindChar(scan->string, c, from, scan->m.length, 1) : -1;
}

static void find_emails(Scan *scan)
{
    const Scanner *s = scan->s;
    Matcher *m = &scan->m;
    const Symbol *t = m->text;
    for (int sign = 0; sign < 2; sign++)
        for (Place at = 0; (at = next_of(scan, "@%"[sign], at)) >= 0 && !scan->failed; at++) {
            const Place end = match(m, s->emails[sign].start, at);
            if (end < 0)
                continue;
            Place start = at;
            while (start > 0 && at - start < 64 && holds(m, s->local, t[start - 1]))
                start--;
            while (start < at && (t[start] == '\'' || t[start] == '.'))
                start++;
            if (start < at)
                report(scan, (Found){start, end, s->email});
            at = end - 1;
        }
}

static void find_urls(Scan *scan)
{
    const Scanner *s = scan->s;
    Matcher *m = &scan->m;
    const Symbol *t = m->text;
    for (Place colon = 0; (colon = next_of(scan, ':', colon)) >= 0 && !scan->failed; colon++) {
        if (colon + 2 >= m->length || t[colon + 1] != '/' || t[colon + 2] != '/')
            continue;
        const Place stop = match(m, s->url.start, colon);
        if (stop < 0)
            continue;
        Place start = colon;
        while (start > 0 && colon - start < 20 && holds(m, s->scheme, t[start - 1]))
            start--;
        if (start < colon) {
            const Place end = colon + url_length(scan, t + colon, stop - colon);
            while (start < colon && !is_alpha(t[start]))
                start++;
            const Place whole = m->end;
            m->end = end;
            const int secret = match(m, s->credentials.start, colon) >= 0;
            m->end = whole;
            report(scan, (Found){start, end, secret ? s->secret : s->address});
        }
        colon = stop - 1;
    }
}

static void find_elsewhere(Scan *scan)
{
    Matcher *m = &scan->m;
    for (int i = 0; i < scan->s->elsewhere_count; i++) {
        const Row *row = &scan->s->rows[scan->s->elsewhere[i]];
        for (Place at = 0; at < m->length && !scan->failed; at++) {
            if (!may_begin(m, row->program.first, at))
                continue;
            const Place end = match(m, row->program.start, at);
            if (end <= at)
                continue;
            report(scan, (Found){at, end, row->what});
            at = end - 1;
        }
    }
}

static PyObject *listed(const Scan *scan, PyTypeObject *type)
{
    PyObject *list = PyList_New(scan->count);
    for (Place i = 0; list && i < scan->count; i++) {
        const Found *f = &scan->found[i];
        PyObject *item = type == &PyTuple_Type ? PyTuple_New(4) : new_tuple(type, 4);
        PyObject *start = PyLong_FromSsize_t(f->start), *end = PyLong_FromSsize_t(f->end);
        if (!item || !start || !end) {
            Py_XDECREF(item);
            Py_XDECREF(start);
            Py_XDECREF(end);
            Py_DECREF(list);
            return NULL;
        }
        PyTuple_SET_ITEM(item, 0, start);
        PyTuple_SET_ITEM(item, 1, end);
        PyTuple_SET_ITEM(item, 2, Py_NewRef(f->what.kind));
        PyTuple_SET_ITEM(item, 3, Py_NewRef(f->what.score));
        PyList_SET_ITEM(list, i, item);
    }
    return list;
}

static void read_symbols(const Scanner *s, PyObject *string, Symbol *text)
{
    const Place n = PyUnicode_GET_LENGTH(string);
    const Symbol *symbols = s->symbols;
    if (PyUnicode_IS_ASCII(string)) {
        const Py_UCS1 *from = PyUnicode_1BYTE_DATA(string);
        for (Place i = 0; i < n; i++)
            text[i] = from[i];
    } else if (PyUnicode_KIND(string) == PyUnicode_1BYTE_KIND) {
        const Py_UCS1 *from = PyUnicode_1BYTE_DATA(string);
        for (Place i = 0; i < n; i++)
            text[i] = symbols[from[i]];
    } else if (PyUnicode_KIND(string) == PyUnicode_2BYTE_KIND) {
        const Py_UCS2 *from = PyUnicode_2BYTE_DATA(string);
        for (Place i = 0; i < n; i++)
            text[i] = symbols[from[i]];
    } else {
        const Py_UCS4 *from = PyUnicode_4BYTE_DATA(string);
        for (Place i = 0; i < n; i++)
            text[i] = symbol_of(s, from[i]);
    }
}

/* All forms in a text. Returns 0; or -1, with an exception. To be left by leave(). */
static int walk(Scan *scan, const Scanner *s, PyObject *string)
{
    memset(scan, 0, sizeof *scan);
    const Place n = PyUnicode_GET_LENGTH(string);
    Symbol *text = PyMem_Malloc((size_t)(n + 1) * sizeof *text);
    if (!text) {
        PyErr_NoMemory();
        return -1;
    }
    read_symbols(s, string, text);
    scan->s = s;
    scan->string = string;
    scan->m.code = s->code;
    scan->m.bits = s->bits;
    scan->m.words = s->words;
    scan->m.text = text;
    scan->m.length = scan->m.end = n;
    scan->m.marked = 1;
    find_forms(scan);
    if (!scan->failed && find_literals(scan) == 0) {
        find_emails(scan);
        find_urls(scan);
        if (!PyUnicode_IS_ASCII(string))
            find_elsewhere(scan);
    }
    if (scan->m.out_of_memory)
        PyErr_NoMemory();
    return scan->failed || scan->m.out_of_memory ? -1 : 0;
}

static void leave(Scan *scan)
{
    PyMem_Free(scan->found);
    PyMem_Free(scan->m.choices);
    PyMem_Free((void *)scan->m.text);
}

static PyObject *scanner_find(PyObject *self, PyObject *string)
{
    if (!PyUnicode_Check(string)) {
        PyErr_SetString(PyExc_TypeError, "a text is a str");
        return NULL;
    }
    Scan scan;
    PyObject *result = walk(&scan, (const Scanner *)self, string) ? NULL : listed(&scan, &PyTuple_Type);
    leave(&scan);
    return result;
}

#endif
