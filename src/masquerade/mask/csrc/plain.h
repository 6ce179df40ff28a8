/* The plain form of a text. normal.py has the same in Python, and says what the form of a character is. */

#ifndef MASQUERADE_PLAIN_H
#define MASQUERADE_PLAIN_H

#include "matcher.h"

enum { LATELY = 256 };

typedef struct {
    Py_UCS4 *text;
    int64_t *offsets;
    Place count, room;
} Plain;

static int put_plain(Plain *plain, Py_UCS4 c, Place from)
{
    if (plain->count == plain->room) {
        const Place room = plain->room ? 2 * plain->room : 256;
        Py_UCS4 *text = PyMem_Realloc(plain->text, (size_t)room * sizeof *text);
        if (text)
            plain->text = text;
        int64_t *offsets = PyMem_Realloc(plain->offsets, (size_t)room * sizeof *offsets);
        if (offsets)
            plain->offsets = offsets;
        if (!text || !offsets) {
            PyErr_NoMemory();
            return -1;
        }
        plain->room = room;
    }
    plain->text[plain->count] = c;
    plain->offsets[plain->count++] = from;
    return 0;
}

/* plain(text, forms) -> (plain form, where each of its characters stood as 64-bit numbers, or None: in place).
   `forms` has the form of each character beyond ASCII by its code point. */
static PyObject *plain(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *text, *forms, *lately[LATELY] = {0}, *result = NULL;
    Py_UCS4 codes[LATELY] = {0};
    if (!PyArg_ParseTuple(args, "UO", &text, &forms))
        return NULL;
    const int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    const Place n = PyUnicode_GET_LENGTH(text);
    Plain out = {0};
    int in_place = 1, failed = 0;
    for (Place i = 0; i < n && !failed; i++) {
        const Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (c < 128) {
            failed = put_plain(&out, c, i);
            continue;
        }
        const Py_UCS4 slot = c % LATELY;
        if (!lately[slot] || codes[slot] != c) {
            PyObject *key = PyLong_FromUnsignedLong(c), *form = key ? PyObject_GetItem(forms, key) : NULL;
            Py_XDECREF(key);
            if (!form || !PyUnicode_Check(form)) {
                Py_XDECREF(form);
                failed = -1;
                break;
            }
            Py_XSETREF(lately[slot], form);
            codes[slot] = c;
        }
        const Place length = PyUnicode_GET_LENGTH(lately[slot]);
        in_place &= length == 1;
        for (Place k = 0; k < length && !failed; k++)
            failed = put_plain(&out, PyUnicode_READ_CHAR(lately[slot], k), i);
    }
    if (!failed) {
        PyObject *form = PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, out.text, out.count);
        PyObject *offsets = in_place ? Py_NewRef(Py_None)
                                     : PyBytes_FromStringAndSize((const char *)out.offsets,
                                                                 out.count * (Place)sizeof *out.offsets);
        if (form && offsets)
            result = PyTuple_Pack(2, form, offsets);
        Py_XDECREF(form);
        Py_XDECREF(offsets);
    } else if (!PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "a form is a str");
    for (int i = 0; i < LATELY; i++)
        Py_XDECREF(lately[i]);
    PyMem_Free(out.text);
    PyMem_Free(out.offsets);
    return result;
}

#endif
