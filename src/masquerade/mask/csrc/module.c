/* Finding and masking in C.

   program.py compiles the expressions of patterns.py, scanner.py makes a scanner of them. The Python
   code beside it does the same and is the reference: what this does otherwise is a fault here, and tests look
   for it. Nothing of the table is written down twice; only check digits are. Nothing is kept between calls. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "cover.h"
#include "judge.h"
#include "plain.h"
#include "words.h"

#define FORMAT 9 /* program.py has the same number */

/* -- what the table was compiled to: references are borrowed, for the arguments are held -- */

static PyObject *object_named(PyObject *tables, const char *name)
{
    PyObject *item = PyDict_GetItemString(tables, name);
    if (!item)
        PyErr_Format(PyExc_ValueError, "nothing called %s", name);
    return item;
}

static const void *bytes_named(PyObject *tables, const char *name)
{
    PyObject *item = object_named(tables, name);
    return item ? PyBytes_AsString(item) : NULL;
}

static long number_named(PyObject *tables, const char *name)
{
    PyObject *item = object_named(tables, name);
    return item ? PyLong_AsLong(item) : -1;
}

static long number_at(PyObject *sequence, Py_ssize_t i)
{
    PyObject *item = PySequence_GetItem(sequence, i);
    const long value = item ? (long)PyLong_AsUnsignedLongMask(item) : -1;
    Py_XDECREF(item);
    return value;
}

static Program program_of(PyObject *four)
{
    return (Program){(uint32_t)number_at(four, 0), (uint32_t)number_at(four, 1), number_at(four, 2),
                     number_at(four, 3)};
}

static Program program_named(PyObject *tables, const char *name)
{
    PyObject *four = object_named(tables, name);
    return four ? program_of(four) : (Program){0};
}

/* tuple: (number of kind, score, ...), or NULL with an exception */
static What what_of(const Scanner *s, PyObject *tuple)
{
    What what = {0};
    const long number = tuple ? number_at(tuple, 0) : -1;
    if (number >= 0 && number < s->kind_count) {
        what.kind = s->kinds[number];
        what.kind_number = (int)number;
        what.score = PyTuple_GetItem(tuple, 1);
        what.sure = PyFloat_AsDouble(what.score);
    } else if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "a kind is one of those listed");
    return what;
}

static int native_check(PyObject *check)
{
    PyObject *name = PyObject_GetAttrString(check, "__name__");
    int found = -1;
    if (!name) {
        PyErr_Clear();
        return -1;
    }
    for (int i = 0; i < CHECK_COUNT && found < 0; i++)
        if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, CHECKS[i].name) == 0)
            found = i;
    Py_DECREF(name);
    return found;
}

/* Room for as many as a list has, and this number; NULL, with an exception, where there is none. */
static void *room_for(PyObject *list, size_t size, int *count)
{
    *count = (int)PyList_Size(list);
    void *room = *count < 0 ? NULL : PyMem_Calloc((size_t)*count + 1, size);
    if (!room && !PyErr_Occurred())
        PyErr_NoMemory();
    return room;
}

/* kinds: their names. rows: (number of kind, score, check or None, left, program) */
static int take_rows(Scanner *s, PyObject *kinds, PyObject *rows)
{
    s->kinds = room_for(kinds, sizeof *s->kinds, &s->kind_count);
    s->rows = room_for(rows, sizeof *s->rows, &s->row_count);
    if (!s->kinds || !s->rows)
        return -1;
    for (int i = 0; i < s->kind_count; i++)
        s->kinds[i] = PyList_GetItem(kinds, i);
    for (int i = 0; i < s->row_count; i++) {
        PyObject *item = PyList_GetItem(rows, i), *check = PyTuple_GetItem(item, 2);
        Row *row = &s->rows[i];
        row->what = what_of(s, item);
        if (!row->what.kind)
            return -1;
        row->check = check == Py_None ? NULL : check;
        row->native = row->check ? native_check(check) : -1;
        row->left = (int)PyLong_AsLong(PyTuple_GetItem(item, 3));
        row->phone = PyUnicode_CompareWithASCIIString(row->what.kind, "PHONE") == 0;
        row->program = program_of(PyTuple_GetItem(item, 4));
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* lists: [(after, row), ...] each */
static Entries *entries_of(PyObject *lists, int *count)
{
    Entries *result = room_for(lists, sizeof *result, count);
    for (int i = 0; result && i < *count; i++) {
        PyObject *list = PyList_GetItem(lists, i);
        Entries *entries = &result[i];
        entries->all = room_for(list, sizeof *entries->all, &entries->count);
        for (int k = 0; entries->all && k < entries->count; k++) {
            PyObject *entry = PyList_GetItem(list, k);
            entries->all[k] = (Entry){(int)number_at(entry, 0), (int)number_at(entry, 1)};
        }
    }
    return result;
}

static void free_entries(Entries *entries, int count)
{
    for (int i = 0; entries && i < count; i++)
        PyMem_Free(entries[i].all);
    PyMem_Free(entries);
}

static int take_tables(Scanner *s, PyObject *tables)
{
    s->code = bytes_named(tables, "code");
    s->bits = bytes_named(tables, "bits");
    s->symbols = bytes_named(tables, "symbols");
    s->fold = bytes_named(tables, "fold");
    s->words = number_named(tables, "words");
    s->node_literal = bytes_named(tables, "node_literal");
    s->node_first = bytes_named(tables, "node_first");
    s->node_symbol = bytes_named(tables, "node_symbol");
    s->node_target = bytes_named(tables, "node_target");
    s->digit = program_named(tables, "digit");
    s->emails[0] = program_named(tables, "email_at");
    s->emails[1] = program_named(tables, "email_percent");
    s->url = program_named(tables, "url");
    s->credentials = program_named(tables, "credentials");
    s->issuer = program_named(tables, "issuer");
    s->calling = program_named(tables, "calling");
    s->placeholder = program_named(tables, "placeholder");
    s->projection = bytes_named(tables, "projection");
    s->usual = (uint32_t)number_named(tables, "usual");
    s->local = (uint32_t)number_named(tables, "local");
    s->scheme = (uint32_t)number_named(tables, "scheme");
    s->solid = (uint32_t)number_named(tables, "solid");
    s->in_ext = (uint32_t)number_named(tables, "extension");
    s->tries = number_named(tables, "tries");
    s->waste = number_named(tables, "waste");
    s->email = what_of(s, object_named(tables, "email"));
    s->address = what_of(s, object_named(tables, "address"));
    s->secret = what_of(s, object_named(tables, "secret"));
    s->iban = bytes_named(tables, "iban");
    s->countries = bytes_named(tables, "countries");
    s->provinces = bytes_named(tables, "provinces");
    s->most_digits = bytes_named(tables, "most_digits");
    s->double_sha256 = object_named(tables, "double_sha256");
    PyObject *elsewhere = object_named(tables, "elsewhere");
    if (PyErr_Occurred())
        return -1;
    const Py_ssize_t count = PyList_Size(elsewhere);
    if (count > (Py_ssize_t)(sizeof s->elsewhere / sizeof *s->elsewhere)) {
        PyErr_SetString(PyExc_ValueError, "too many rows without lead, place or label");
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        s->elsewhere[s->elsewhere_count++] = (int)number_at(elsewhere, i);
    s->fold_count = PyBytes_Size(object_named(tables, "fold")) / (Py_ssize_t)sizeof(Symbol);
    const uint32_t branches = s->node_first[1] - s->node_first[0];
    s->root = PyMem_Calloc((size_t)s->fold_count, sizeof *s->root);
    s->pairs = PyMem_Calloc((size_t)(branches + 1) * (size_t)s->fold_count, sizeof *s->pairs);
    if (!s->root || !s->pairs) {
        PyErr_NoMemory();
        return -1;
    }
    for (uint32_t i = 0; i < branches; i++) {
        const uint32_t edge = s->node_first[0] + i, node = s->node_target[edge];
        s->root[s->node_symbol[edge]] = (uint16_t)(i + 1);
        if (s->node_literal[node] != NO_LIMIT) {
            PyErr_SetString(PyExc_ValueError, "a literal has two characters or more");
            return -1;
        }
        for (uint32_t k = s->node_first[node]; k < s->node_first[node + 1]; k++) {
            if (s->node_target[k] > UINT16_MAX) {
                PyErr_SetString(PyExc_ValueError, "too many literals");
                return -1;
            }
            s->pairs[(i + 1) * s->fold_count + s->node_symbol[k]] = (uint16_t)s->node_target[k];
        }
    }
    return 0;
}

static void scanner_free(PyObject *self)
{
    Scanner *s = (Scanner *)self;
    free_entries(s->forms, s->form_count);
    free_entries(s->literals, s->literal_count);
    PyMem_Free(s->rows);
    PyMem_Free(s->kinds);
    PyMem_Free(s->root);
    PyMem_Free(s->pairs);
    Py_XDECREF(s->held);
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *scanner_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    PyObject *tables, *kinds, *rows, *forms, *literals;
    if (names && PyDict_Size(names)) {
        PyErr_SetString(PyExc_TypeError, "Scanner takes no named arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!O!O!O!O!", &PyDict_Type, &tables, &PyList_Type, &kinds, &PyList_Type, &rows,
                          &PyList_Type, &forms, &PyList_Type, &literals))
        return NULL;
    Scanner *s = (Scanner *)type->tp_alloc(type, 0);
    if (!s)
        return NULL;
    s->held = Py_NewRef(args);
    if (!take_rows(s, kinds, rows) && !take_tables(s, tables)) {
        s->forms = entries_of(forms, &s->form_count);
        s->literals = entries_of(literals, &s->literal_count);
    }
    if (PyErr_Occurred()) {
        Py_DECREF(s);
        return NULL;
    }
    return (PyObject *)s;
}

static PyMethodDef scanner_methods[] = {
    {"find", scanner_find, METH_O, "find(text) -> [(start, end, kind, score), ...]: every form, as the rules know it."},
    {"look", scanner_look, METH_VARARGS, "What a policy makes of a text: see find.py."},
    {"repeats", scanner_repeats, METH_VARARGS, "Whether a found value may stand elsewhere too: see text.py."},
    {"replace", scanner_replace, METH_VARARGS, "Masked texts and surrogates, or None where stand-ins clash."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot scanner_slots[] = {
    {Py_tp_new, scanner_new},
    {Py_tp_dealloc, scanner_free},
    {Py_tp_methods, scanner_methods},
    {Py_tp_doc, "Scanner(tables, kinds, rows, forms, literals): made by scanner.py, from what program.py compiled."},
    {0, NULL},
};

static PyType_Spec scanner_spec = {
    "masquerade.mask._scan.Scanner", sizeof(Scanner), 0, Py_TPFLAGS_DEFAULT, scanner_slots};

static PyMethodDef functions[] = {
    {"plain", plain, METH_VARARGS, "The plain form of a text, and where its characters stood: see normal.py."},
    {"decode", decode, METH_VARARGS, "decode(scores, kinds) -> [(first, last, kind, how sure), ...]: see best in words.py."},
    {NULL, NULL, 0, NULL},
};

static int module_exec(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&scanner_spec);
    if (!type || PyModule_AddObjectRef(module, "Scanner", type) < 0)
        return -1;
    Py_DECREF(type);
    type = PyType_FromSpec(&words_spec);
    if (!type || PyModule_AddObjectRef(module, "Words", type) < 0)
        return -1;
    Py_DECREF(type);
    return PyModule_AddIntConstant(module, "FORMAT", FORMAT);
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_scan", "Finding and masking in C.", 0, functions, module_slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__scan(void) { return PyModuleDef_Init(&module); }
