/* What a policy makes of the finds. find.py has the same in Python. */

#ifndef MASQUERADE_JUDGE_H
#define MASQUERADE_JUDGE_H

#include "walk.h"

#include <stdlib.h>

static int in_turn(const void *a, const void *b)
{
    const Found *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    const int kinds = x->what.kind == y->what.kind ? 0 : PyUnicode_Compare(x->what.kind, y->what.kind);
    return kinds ? kinds : x->what.sure < y->what.sure ? -1 : x->what.sure > y->what.sure;
}

static int goes_on_after(const Symbol *t, Place n, Place end)
{
    const Symbol a = end < n ? t[end] : 0, b = end + 1 < n ? t[end + 1] : 0;
    if (is_alnum(a) || a == '@' || a == '_')
        return 1;
    if (is_digit(b) && a < 128 && a && strchr(" ().-/", a))
        return 1;
    return is_alpha(b) && a < 128 && a && strchr(".:/+-", a);
}

static int goes_on_before(const Symbol *t, Place start)
{
    const Symbol b = start > 0 ? t[start - 1] : 0, a = start > 1 ? t[start - 2] : 0;
    if (is_alnum(b) || b == '+' || b == '@' || b == '_')
        return 1;
    if ((is_digit(a) || a == '+') && b < 128 && b && strchr(" ().-/", b))
        return 1;
    return is_alpha(a) && b < 128 && b && strchr("./-", b);
}

/* Sort what is above its threshold and make overlapping ones one: it covers all, and its kind is the one whose
   fate is strictest, then that which covers most, then the surest. */
static void judge(Scan *scan, const double *verdicts)
{
    Found *found = scan->found;
    Place kept = 0;
    for (Place i = 0; i < scan->count; i++)
        if (found[i].what.sure >= verdicts[2 * found[i].what.kind_number])
            found[kept++] = found[i];
    if (kept > 1)
        qsort(found, (size_t)kept, sizeof *found, in_turn);
    Place count = 0;
    for (Place first = 0, last; first < kept; first = last) {
        Found best = found[first];
        Place end = best.end, length = best.end - best.start;
        double strictness = verdicts[2 * best.what.kind_number + 1];
        for (last = first + 1; last < kept && found[last].start < end; last++) {
            const Found *other = &found[last];
            const double strict = verdicts[2 * other->what.kind_number + 1];
            const Place covers = other->end - other->start;
            if (other->end > end)
                end = other->end;
            if (strict > strictness
                || (strict == strictness
                    && (covers > length || (covers == length && other->what.sure > best.what.sure)))) {
                best = *other;
                strictness = strict;
                length = covers;
            }
        }
        best.start = found[first].start;
        best.end = end;
        found[count++] = best;
    }
    scan->count = count;
}

/* Whether a text is in plain form, as far as can be told quickly. */
static int seems_plain(const Scanner *s, PyObject *string)
{
    if (PyUnicode_IS_ASCII(string))
        return 1;
    const int kind = PyUnicode_KIND(string);
    const void *data = PyUnicode_DATA(string);
    for (Place i = 0; i < PyUnicode_GET_LENGTH(string); i++)
        if (!is_usual(s, PyUnicode_READ(kind, data, i)))
            return 0;
    return 1;
}

/* look(text, verdicts, Span, plain) -> (spans, whether one ends where its text seems to go on), or None if the
   text may not be plain and nobody said that it is */
static PyObject *scanner_look(PyObject *self, PyObject *args)
{
    const Scanner *s = (const Scanner *)self;
    PyObject *string, *verdicts, *type, *result = NULL;
    int plain;
    if (!PyArg_ParseTuple(args, "UO!O!p", &string, &PyBytes_Type, &verdicts, &PyType_Type, &type, &plain))
        return NULL;
    if (PyBytes_GET_SIZE(verdicts) != (Py_ssize_t)(2 * sizeof(double) * (size_t)s->kind_count)) {
        PyErr_SetString(PyExc_ValueError, "a threshold and a strictness for each kind");
        return NULL;
    }
    if (!plain && !seems_plain(s, string))
        Py_RETURN_NONE;
    Scan scan;
    if (!walk(&scan, s, string)) {
        judge(&scan, (const double *)PyBytes_AS_STRING(verdicts));
        int ragged = 0;
        for (Place i = 0; i < scan.count && !ragged; i++)
            ragged = goes_on_after(scan.m.text, scan.m.length, scan.found[i].end)
                || goes_on_before(scan.m.text, scan.found[i].start);
        PyObject *spans = listed(&scan, (PyTypeObject *)type);
        if (spans)
            result = Py_BuildValue("NO", spans, ragged ? Py_True : Py_False);
    }
    leave(&scan);
    return result;
}

#endif
