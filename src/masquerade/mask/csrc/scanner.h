/* What a scanner is made of, and what one walk over a text carries along. */

#ifndef MASQUERADE_SCANNER_H
#define MASQUERADE_SCANNER_H

#include "matcher.h"

typedef struct {
    uint32_t start, first;
    Place least, most; /* letters and digits that a match begins with */
} Program;

typedef struct { /* what something is, and how sure that is: the score as a number too */
    PyObject *kind, *score;
    double sure;
    int kind_number;
} What;

typedef struct {
    What what;
    PyObject *check; /* a callable, or NULL */
    int native; /* number of the check in checks.h, or -1 */
    int left, phone;
    Program program;
} Row;

typedef struct { /* a row to be tried, at a place or after a label that ends there */
    int after, row;
} Entry;

typedef struct {
    int count;
    Entry *all;
} Entries;

typedef struct {
    PyObject_HEAD
    PyObject *held; /* what the pointers below point into */
    const uint32_t *code;
    const uint64_t *bits;
    const Symbol *symbols, *fold;
    Py_ssize_t words;
    const uint32_t *node_literal, *node_first, *node_target;
    const Symbol *node_symbol;
    uint16_t *root; /* by folded symbol: which row of pairs, from 1 */
    uint16_t *pairs; /* by row and folded symbol: the node two symbols down */
    Py_ssize_t fold_count;
    Row *rows;
    Entries *forms, *literals; /* by lead, and by literal */
    int row_count, form_count, literal_count, elsewhere_count, elsewhere[8];
    Program digit, emails[2], url, credentials, issuer, calling, placeholder;
    PyObject *double_sha256;
    const uint8_t *projection;
    uint32_t usual, local, scheme, solid, in_ext;
    PyObject **kinds;
    int kind_count;
    What email, address, secret; /* found in ways of their own */
    const uint8_t *iban, *countries, *provinces, *most_digits;
    Place tries, waste;
} Scanner;

typedef struct {
    Place start, end;
    What what; /* borrowed from the scanner */
} Found;

typedef struct {
    Matcher m;
    const Scanner *s;
    PyObject *string;
    Found *found;
    Place count, room;
    int failed;
} Scan;

static inline Symbol symbol_of(const Scanner *s, Py_UCS4 c) { return s->symbols[c < 0x10000 ? c : 0x10000]; }

/* Whether a character is one that stands for no other: normal.py, USUAL. */
static inline int is_usual(const Scanner *s, Py_UCS4 c) { return is_in(s->bits, s->words, s->usual, symbol_of(s, c)); }

/* A tuple of a subclass, to be filled. */
static PyObject *new_tuple(PyTypeObject *type, Place size)
{
    PyObject *tuple = type->tp_alloc(type, size);
#if PY_VERSION_HEX >= 0x030E0000
    if (tuple)
        ((PyTupleObject *)tuple)->ob_hash = -1; /* it is not known yet; tp_alloc says that it is 0 */
#endif
    return tuple;
}

static void report(Scan *scan, Found found)
{
    if (scan->count == scan->room) {
        Place room = scan->room ? 2 * scan->room : 64;
        Found *more = PyMem_Realloc(scan->found, room * sizeof *more);
        if (!more) {
            scan->failed = 1;
            PyErr_NoMemory();
            return;
        }
        scan->found = more;
        scan->room = room;
    }
    scan->found[scan->count++] = found;
}

#endif
