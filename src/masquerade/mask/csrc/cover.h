/* Stand-ins, and the texts with them in place. surrogate.py, text.py and restore.py have the same in Python. */

#ifndef MASQUERADE_COVER_H
#define MASQUERADE_COVER_H

#include "scanner.h"

static const char ALPHABET[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
enum { BODY_LENGTH = 10 };

/* Multiply by alpha in GF(32). */
static unsigned doubled(unsigned v) { return v & 16 ? (v << 1 ^ 37) & 31 : v << 1; }

static void write_body(uint32_t entity, uint32_t form, char *out)
{
    unsigned symbols[9], check = 0;
    for (int i = 0; i < 6; i++)
        symbols[i] = entity >> (25 - 5 * i) & 31;
    for (int i = 0; i < 3; i++)
        symbols[6 + i] = form >> (10 - 5 * i) & 31;
    for (int i = 0; i < 9; i++) {
        check = doubled(check ^ symbols[i]);
        out[i] = ALPHABET[symbols[i]];
    }
    out[9] = ALPHABET[check];
}

static int all_digits(const char *s, int n)
{
    for (int i = 0; i < n; i++)
        if (s[i] < '0' || s[i] > '9')
            return 0;
    return 1;
}

/* The value without case, spaces, hyphens and parentheses, if it is ASCII; returns its length. */
static Place write_canonical(const Py_UCS1 *value, Place n, char *out)
{
    Place count = 0;
    for (Place i = 0; i < n; i++) {
        const Py_UCS1 c = value[i];
        if (c == ' ' || c == '-' || c == '(' || c == ')' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31))
            continue;
        out[count++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return count;
}

/* -- what callers give ------------------------------------------------------------------------------------- */

typedef struct {
    Place start, end;
    PyObject *kind; /* borrowed from `held` */
} Covered;

/* Texts and what was found in them, looked at once: a list may change while Python code runs. */
typedef struct {
    PyObject *texts, *held; /* borrowed; owned: the lists as tuples */
    Place count;
    Covered *all;
    Place *first; /* the spans of text i: all[first[i]] to all[first[i + 1]] */
} Places;

static int take_span(PyObject *span, Covered *out)
{
    if (!PyTuple_Check(span) || PyTuple_GET_SIZE(span) < 3 || !PyUnicode_Check(PyTuple_GET_ITEM(span, 2))) {
        PyErr_SetString(PyExc_TypeError, "a span is a tuple of start, end, kind and score");
        return -1;
    }
    out->start = PyNumber_AsSsize_t(PyTuple_GET_ITEM(span, 0), PyExc_ValueError);
    if (out->start == -1 && PyErr_Occurred())
        return -1;
    out->end = PyNumber_AsSsize_t(PyTuple_GET_ITEM(span, 1), PyExc_ValueError);
    out->kind = PyTuple_GET_ITEM(span, 2);
    return out->end == -1 && PyErr_Occurred() ? -1 : 0;
}

static int take_places(Places *places, PyObject *texts, PyObject *found)
{
    const Place count = PyTuple_GET_SIZE(texts);
    Place all = 0;
    if (PyTuple_GET_SIZE(found) != count) {
        PyErr_SetString(PyExc_ValueError, "as many lists of spans as texts");
        return -1;
    }
    places->texts = texts;
    places->count = count;
    places->held = PyTuple_New(count);
    places->first = PyMem_Malloc((size_t)(count + 1) * sizeof *places->first);
    if (!places->held || !places->first)
        goto no_memory;
    for (Place i = 0; i < count; i++) {
        PyObject *spans = PyTuple_GET_ITEM(found, i);
        if (!PyUnicode_Check(PyTuple_GET_ITEM(texts, i)) || !(PyList_Check(spans) || PyTuple_Check(spans))) {
            PyErr_SetString(PyExc_TypeError, "a text is a str, and what was found in it a list");
            return -1;
        }
        PyObject *copy = PySequence_Tuple(spans);
        if (!copy)
            return -1;
        PyTuple_SET_ITEM(places->held, i, copy);
        places->first[i] = all;
        all += PyTuple_GET_SIZE(copy);
    }
    places->first[count] = all;
    places->all = PyMem_Malloc((size_t)(all + 1) * sizeof *places->all);
    if (!places->all)
        goto no_memory;
    for (Place i = 0; i < count; i++) {
        const Place n = PyUnicode_GET_LENGTH(PyTuple_GET_ITEM(texts, i)), from = places->first[i];
        Place done = 0;
        for (Place k = from; k < places->first[i + 1]; k++) {
            Covered *one = &places->all[k];
            if (take_span(PyTuple_GET_ITEM(PyTuple_GET_ITEM(places->held, i), k - from), one))
                return -1;
            if (one->start < done || one->end < one->start || one->end > n) {
                PyErr_SetString(PyExc_ValueError, "spans are sorted, disjoint and within their text");
                return -1;
            }
            done = one->end;
        }
    }
    return 0;
no_memory:
    PyErr_NoMemory();
    return -1;
}

static void leave_places(Places *places)
{
    Py_XDECREF(places->held);
    PyMem_Free(places->all);
    PyMem_Free(places->first);
}

/* -- stand-ins --------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject *kind, *value, *text; /* borrowed, owned, owned */
    Py_hash_t hash;
} Shown;

typedef struct {
    PyObject *inner, *outer, *copy, *update, *finish, *canonical, *surrogate, *fates, *token, *redact;
    PyObject *minted;
    char *room;
    Place size;
    Shown *shown; /* by hash of kind and value; `mask` is its size less one */
    size_t mask;
    uint64_t *taken; /* bodies, likewise */
} Cover;

/* A hash state that has read some bytes more: its digest. The state stays as it was. */
static PyObject *hashed(const Cover *c, PyObject *state, PyObject *message)
{
    PyObject *copy = PyObject_CallOneArg(c->copy, state), *digest = NULL;
    PyObject *both[] = {copy, message};
    PyObject *none = copy ? PyObject_Vectorcall(c->update, both, 2, NULL) : NULL;
    if (none)
        digest = PyObject_CallOneArg(c->finish, copy);
    Py_XDECREF(none);
    Py_XDECREF(copy);
    return digest;
}

/* The PRF (crypto.py, Prf) of `kind mark value mark \0 [\0]`, as bytes. */
static PyObject *digest_of(const Cover *c, PyObject *kind, const char *value, Place n, char mark)
{
    Place length;
    const char *name = PyUnicode_AsUTF8AndSize(kind, &length);
    if (!name)
        return NULL;
    const Place zeros = mark + 1;
    PyObject *message = PyBytes_FromStringAndSize(NULL, length + n + 2 + zeros);
    if (!message)
        return NULL;
    char *at = PyBytes_AS_STRING(message);
    memcpy(at, name, (size_t)length);
    at += length;
    *at++ = mark;
    memcpy(at, value, (size_t)n);
    at += n;
    *at++ = mark;
    memset(at, 0, (size_t)zeros);
    PyObject *inner = hashed(c, c->inner, message);
    PyObject *answer = inner ? hashed(c, c->outer, inner) : NULL;
    Py_DECREF(message);
    Py_XDECREF(inner);
    if (answer && (!PyBytes_Check(answer) || PyBytes_GET_SIZE(answer) < 6)) {
        Py_DECREF(answer);
        PyErr_SetString(PyExc_TypeError, "a digest is bytes");
        return NULL;
    }
    return answer;
}

/* A new token for `value`, as a Surrogate; `kind` is ASCII. */
static PyObject *mint(Cover *c, PyObject *kind, PyObject *value)
{
    Place n, k;
    const char *exact = PyUnicode_AsUTF8AndSize(value, &n), *plain;
    if (!exact)
        return NULL;
    PyObject *form = NULL, *other = NULL, *result = NULL;
    if (PyUnicode_IS_ASCII(value)) {
        if (n > c->size) {
            char *more = PyMem_Realloc(c->room, (size_t)n);
            if (!more)
                return PyErr_NoMemory();
            c->room = more;
            c->size = n;
        }
        k = write_canonical(PyUnicode_1BYTE_DATA(value), n, c->room);
        plain = c->room;
    } else {
        other = PyObject_CallOneArg(c->canonical, value);
        plain = other ? PyUnicode_AsUTF8AndSize(other, &k) : NULL;
        if (!plain)
            goto done;
    }
    form = digest_of(c, kind, plain, k, 0);
    if (!form)
        goto done;
    const unsigned char *d = (const unsigned char *)PyBytes_AS_STRING(form);
    const uint64_t head = (uint64_t)d[0] << 40 | (uint64_t)d[1] << 32 | (uint64_t)d[2] << 24 | (uint64_t)d[3] << 16
        | (uint64_t)d[4] << 8 | d[5];
    const uint32_t entity = (uint32_t)(head >> 18) & 0x3FFFFFFF;
    uint32_t last = (uint32_t)head & 0x7FFF;
    if (k != n || memcmp(plain, exact, (size_t)n)) {
        Py_SETREF(form, digest_of(c, kind, exact, n, 1));
        if (!form)
            goto done;
        d = (const unsigned char *)PyBytes_AS_STRING(form);
        last = ((uint32_t)d[0] << 8 | d[1]) & 0x7FFF;
    }
    char body[BODY_LENGTH];
    write_body(entity, last, body);
    if (all_digits(body, BODY_LENGTH))
        write_body(entity ^ 0x3FFFFFFF, last, body);
    const Place length = PyUnicode_GET_LENGTH(kind);
    PyObject *text = PyUnicode_New(length + BODY_LENGTH + 3, 127);
    PyObject *needle = PyUnicode_New(BODY_LENGTH, 127);
    if (text && needle) {
        Py_UCS1 *at = PyUnicode_1BYTE_DATA(text);
        *at++ = '[';
        memcpy(at, PyUnicode_1BYTE_DATA(kind), (size_t)length);
        at += length;
        *at++ = '_';
        memcpy(at, body, BODY_LENGTH);
        at[BODY_LENGTH] = ']';
        memcpy(PyUnicode_1BYTE_DATA(needle), body, BODY_LENGTH);
        PyTypeObject *type = (PyTypeObject *)c->surrogate;
        result = new_tuple(type, 5);
        if (result) {
            PyTuple_SET_ITEM(result, 0, Py_NewRef(text));
            PyTuple_SET_ITEM(result, 1, Py_NewRef(needle));
            PyTuple_SET_ITEM(result, 2, Py_NewRef(value));
            PyTuple_SET_ITEM(result, 3, Py_NewRef(kind));
            PyTuple_SET_ITEM(result, 4, Py_NewRef(c->token));
        }
    }
    Py_XDECREF(text);
    Py_XDECREF(needle);
done:
    Py_XDECREF(form);
    Py_XDECREF(other);
    return result;
}

/* Whether a body is taken already; it is from now on. */
static int take(Cover *c, const char *body)
{
    uint64_t value = 1;
    for (int i = 0; i < BODY_LENGTH; i++)
        value = value << 5 ^ (uint64_t)(strchr(ALPHABET, body[i]) - ALPHABET);
    size_t at = (size_t)(value * 0x9E3779B97F4A7C15ull >> 20) & c->mask;
    for (; c->taken[at]; at = (at + 1) & c->mask)
        if (c->taken[at] == value)
            return 1;
    c->taken[at] = value;
    return 0;
}

/* What stands for (kind, value): a borrowed reference. Sets *again where the Python way must decide. */
static PyObject *stand_in(Cover *c, PyObject *kind, PyObject *value, int *again)
{
    const Py_hash_t hash = PyObject_Hash(value) ^ (Py_hash_t)((uintptr_t)kind >> 4);
    size_t at = (size_t)hash & c->mask;
    for (; c->shown[at].text; at = (at + 1) & c->mask) {
        const Shown *known = &c->shown[at];
        if (known->hash == hash && (known->kind == kind || PyUnicode_Compare(known->kind, kind) == 0)
            && PyUnicode_Compare(known->value, value) == 0)
            return known->text;
    }
    PyObject *text = NULL, *fate = PyDict_GetItemWithError(c->fates, kind);
    if (fate == c->redact)
        text = PyUnicode_FromFormat("[%U_REDACTED]", kind);
    else if (fate != c->token || !PyUnicode_IS_ASCII(kind))
        *again = !PyErr_Occurred();
    else {
        PyObject *surrogate = mint(c, kind, value);
        if (surrogate) {
            if (take(c, (const char *)PyUnicode_1BYTE_DATA(PyTuple_GET_ITEM(surrogate, 1))))
                *again = 1;
            else if (PyList_Append(c->minted, surrogate) == 0)
                text = Py_NewRef(PyTuple_GET_ITEM(surrogate, 0));
            Py_DECREF(surrogate);
        }
    }
    if (text)
        c->shown[at] = (Shown){kind, Py_NewRef(value), text, hash};
    return text;
}

/* A text with `shown`, a list, in its places. */
static PyObject *part_of(PyObject *text, const Covered *places, Place count, PyObject *shown)
{
    Py_UCS4 most = 0;
    Place total = 0, at = 0;
    const int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    const Place n = PyUnicode_GET_LENGTH(text);
    const int ascii = PyUnicode_IS_ASCII(text);
    for (Place i = 0; i <= count; i++) {
        const Place start = i < count ? places[i].start : n;
        total += start - at;
        if (!ascii)
            for (Place k = at; k < start; k++) {
                const Py_UCS4 c = PyUnicode_READ(kind, data, k);
                most = c > most ? c : most;
            }
        if (i < count) {
            PyObject *stand = PyList_GET_ITEM(shown, i);
            at = places[i].end;
            total += PyUnicode_GET_LENGTH(stand);
            if (PyUnicode_MAX_CHAR_VALUE(stand) > most)
                most = PyUnicode_MAX_CHAR_VALUE(stand);
        }
    }
    PyObject *out = PyUnicode_New(total, ascii && most < 128 ? 127 : most);
    if (!out)
        return NULL;
    const int to_kind = PyUnicode_KIND(out);
    void *to = PyUnicode_DATA(out);
    Place put = 0;
    at = 0;
    for (Place i = 0; i <= count; i++) {
        const Place start = i < count ? places[i].start : n;
        if (kind == to_kind)
            memcpy((char *)to + put * kind, (const char *)data + at * kind, (size_t)((start - at) * kind));
        else
            for (Place k = at; k < start; k++)
                PyUnicode_WRITE(to_kind, to, put + k - at, PyUnicode_READ(kind, data, k));
        put += start - at;
        if (i < count) {
            PyObject *stand = PyList_GET_ITEM(shown, i);
            const Place length = PyUnicode_GET_LENGTH(stand);
            if (PyUnicode_KIND(stand) == to_kind)
                memcpy((char *)to + put * to_kind, PyUnicode_DATA(stand), (size_t)(length * to_kind));
            else
                for (Place k = 0; k < length; k++)
                    PyUnicode_WRITE(to_kind, to, put + k, PyUnicode_READ_CHAR(stand, k));
            put += length;
            at = places[i].end;
        }
    }
    return out;
}

/* -- what a restorer could read in a text: restore.py, shadow() -------------------------------------------- */

/* Whether no escape can stand in it, nor a character that stands for others; else Python reads it. */
static int is_simple(const Scanner *s, PyObject *text)
{
    const int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    const Place n = PyUnicode_GET_LENGTH(text);
    for (Place i = 0; i < n; i++) {
        const Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (c > 127) {
            if (c == 0x131 || !is_usual(s, c)) /* a dotless i may be read as 1 */
                return 0;
        } else if (c == '&' || c == '\\' || c == '%' || c == '<') {
            Symbol next[2];
            for (int k = 0; k < 2; k++) {
                const Py_UCS4 after = i + 1 + k < n ? PyUnicode_READ(kind, data, i + 1 + k) : ' ';
                next[k] = after < 128 ? (Symbol)after : ' ';
            }
            if (c == '%' && is_hex(next[0]) && is_hex(next[1]))
                return 0;
            if (c == '\\' && (next[0] == 'u' || next[0] == 'n' || next[0] == 'r' || next[0] == 't'))
                return 0;
            if (c == '<' && (is_alpha(next[0]) || next[0] == '/'))
                return 0;
            if (c == '&')
                for (Place k = i + 1; k < n; k++) { /* a character reference ends with a semicolon */
                    const Py_UCS4 after = PyUnicode_READ(kind, data, k);
                    if (after == ';')
                        return 0;
                    if (after > 127 || !(is_alnum((Symbol)after) || after == '#'))
                        break;
                }
        }
    }
    return 1;
}

/* The needles that were minted, by the hash of their first symbols. */
typedef struct {
    PyObject *minted;
    int32_t *heads, *next; /* numbers of needles, from 1 */
    uint32_t mask;
} Needles;

static inline uint32_t needle_hash(const char *symbols)
{
    uint64_t head;
    memcpy(&head, symbols, sizeof head);
    return (uint32_t)(head * 0x9E3779B97F4A7C15ull >> 32);
}

static const char *needle_at(const Needles *needles, Place i)
{
    return (const char *)PyUnicode_1BYTE_DATA(PyTuple_GET_ITEM(PyList_GET_ITEM(needles->minted, i), 1));
}

static int index_needles(Needles *needles, PyObject *minted)
{
    const Place count = PyList_GET_SIZE(minted);
    uint32_t size = 256;
    while (size < 8 * (uint64_t)count && size < 1u << 30)
        size *= 2;
    needles->minted = minted;
    needles->mask = size - 1;
    needles->heads = PyMem_Calloc(size, sizeof *needles->heads);
    needles->next = PyMem_Calloc((size_t)count + 1, sizeof *needles->next);
    if (!needles->heads || !needles->next) {
        PyErr_NoMemory();
        return -1;
    }
    for (Place i = 0; i < count; i++) {
        const uint32_t hash = needle_hash(needle_at(needles, i)) & needles->mask;
        needles->next[i + 1] = needles->heads[hash];
        needles->heads[hash] = (int32_t)(i + 1);
    }
    return 0;
}

/* Whether one of the needles stands in symbols that a restorer could read; their room ends 8 bytes later. */
static int stands_in(const Needles *needles, const char *symbols, Place n)
{
    for (Place at = 0; at + BODY_LENGTH <= n; at++)
        for (int32_t one = needles->heads[needle_hash(symbols + at) & needles->mask]; one; one = needles->next[one])
            if (!memcmp(needle_at(needles, one - 1), symbols + at, BODY_LENGTH))
                return 1;
    return 0;
}

/* What the restorer reads in a text, for whoever looks for needles: other letters are left out. Returns how many
   symbols it wrote. */
static Place write_symbols(const Scanner *s, PyObject *text, char *out)
{
    const int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    const Place n = PyUnicode_GET_LENGTH(text);
    Place count = 0;
    for (Place k = 0; k < n; k++) {
        const Py_UCS4 c = PyUnicode_READ(kind, data, k);
        const char symbol = c < 128 ? (char)s->projection[c] : 0;
        out[count] = symbol;
        count += symbol != 0;
    }
    return count;
}

static int clash(const Scanner *s, PyObject *minted, PyObject *texts, PyObject *shadow)
{
    Needles needles = {0};
    int answer = index_needles(&needles, minted);
    for (Place i = 0; i < PyTuple_GET_SIZE(texts) && !answer; i++) {
        PyObject *text = PyTuple_GET_ITEM(texts, i), *read = NULL;
        if (is_simple(s, text))
            read = Py_NewRef(text);
        else {
            PyObject *one = PyTuple_Pack(1, text);
            read = one ? PyObject_CallOneArg(shadow, one) : NULL;
            Py_XDECREF(one);
        }
        char *symbols = read ? PyMem_Calloc((size_t)PyUnicode_GET_LENGTH(read) + 8, 1) : NULL;
        if (symbols)
            answer = stands_in(&needles, symbols, write_symbols(s, read, symbols));
        else {
            if (read)
                PyErr_NoMemory();
            answer = -1;
        }
        PyMem_Free(symbols);
        Py_XDECREF(read);
    }
    PyMem_Free(needles.heads);
    PyMem_Free(needles.next);
    return answer;
}

/* replace(texts, found, fates, (inner, outer, copy, update, digest), canonical, shadow, Surrogate, token, redact)
   -> (masked texts, surrogates), or None where stand-ins clash or another fate is met */
static PyObject *scanner_replace(PyObject *self, PyObject *args)
{
    PyObject *texts, *found, *shadow, *result = NULL, *outputs = NULL;
    Cover c = {0};
    Places places = {0};
    if (!PyArg_ParseTuple(args, "O!O!O!(OOOOO)OOOOO", &PyTuple_Type, &texts, &PyTuple_Type, &found, &PyDict_Type,
                          &c.fates, &c.inner, &c.outer, &c.copy, &c.update, &c.finish, &c.canonical, &shadow,
                          &c.surrogate, &c.token, &c.redact))
        return NULL;
    if (take_places(&places, texts, found)) {
        leave_places(&places);
        return NULL;
    }
    const Place count = places.count;
    int again = 0;
    size_t size = 64;
    while (size < 2 * (size_t)places.first[count])
        size *= 2;
    c.mask = size - 1;
    c.shown = PyMem_Calloc(size, sizeof *c.shown);
    c.taken = PyMem_Calloc(size, sizeof *c.taken);
    c.minted = PyList_New(0);
    outputs = PyTuple_New(count);
    if (!c.shown || !c.taken || !c.minted || !outputs) {
        PyErr_NoMemory();
        goto done;
    }
    for (Place i = 0; i < count && !again; i++) {
        PyObject *text = PyTuple_GET_ITEM(texts, i), *masked;
        const Covered *spans = &places.all[places.first[i]];
        const Place number = places.first[i + 1] - places.first[i];
        if (!number) {
            masked = PyUnicode_FromObject(text); /* the very text, and of a subclass a copy */
            if (!masked)
                goto done;
            PyTuple_SET_ITEM(outputs, i, masked);
            continue;
        }
        PyObject *stands = PyList_New(number);
        for (Place k = 0; stands && k < number && !again; k++) {
            PyObject *value = PyUnicode_Substring(text, spans[k].start, spans[k].end);
            PyObject *stand = value ? stand_in(&c, spans[k].kind, value, &again) : NULL;
            Py_XDECREF(value);
            if (!stand)
                Py_CLEAR(stands);
            else
                PyList_SET_ITEM(stands, k, Py_NewRef(stand));
        }
        masked = stands ? part_of(text, spans, number, stands) : NULL;
        Py_XDECREF(stands);
        if (!masked)
            goto done;
        PyTuple_SET_ITEM(outputs, i, masked);
    }
    if (!again && PyList_GET_SIZE(c.minted))
        again = clash((const Scanner *)self, c.minted, texts, shadow);
    if (!again)
        result = PyTuple_Pack(2, outputs, c.minted);
done:
    /* Half a character has no bytes: the Python way knows what to do. */
    if (again > 0 || (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))) {
        PyErr_Clear();
        result = Py_NewRef(Py_None);
    }
    Py_XDECREF(outputs);
    for (size_t i = 0; c.shown && i < size; i++) {
        Py_XDECREF(c.shown[i].value);
        Py_XDECREF(c.shown[i].text);
    }
    Py_XDECREF(c.minted);
    PyMem_Free(c.shown);
    PyMem_Free(c.taken);
    PyMem_Free(c.room);
    leave_places(&places);
    return result;
}

/* -- the same value elsewhere --------------------------------------------------------------------------- */

enum { SHORTEST_ELSEWHERE = 6, LONGEST_CHAIN = 32 };

typedef struct {
    PyObject *text; /* borrowed: where the value stands */
    Place start, length, offset; /* offset: of the six characters that it is found by */
    int32_t next;
} Known;

static int same_value(const Known *known, PyObject *text, Place at)
{
    const int kind = PyUnicode_KIND(text), own = PyUnicode_KIND(known->text);
    const void *data = PyUnicode_DATA(text), *value = PyUnicode_DATA(known->text);
    if (at + known->length > PyUnicode_GET_LENGTH(text))
        return 0;
    if (kind == own)
        return !memcmp((const char *)data + at * kind, (const char *)value + known->start * own,
                       (size_t)(known->length * own));
    for (Place i = 0; i < known->length; i++)
        if (PyUnicode_READ(kind, data, at + i) != PyUnicode_READ(own, value, known->start + i))
            return 0;
    return 1;
}

/* The same six characters have the same hash, however wide those of their text are stored. */
static inline uint32_t hash_six(int kind, const void *data, Place at, Place n)
{
    uint64_t hash = 0;
    if (kind == PyUnicode_1BYTE_KIND && at + 8 <= n) {
        memcpy(&hash, (const char *)data + at, 8);
#if PY_BIG_ENDIAN
        hash >>= 16;
#else
        hash <<= 16;
#endif
    } else
        for (int i = 0; i < SHORTEST_ELSEWHERE; i++) {
            const uint64_t c = PyUnicode_READ(kind, data, at + i);
#if PY_BIG_ENDIAN
            hash ^= c << (40 - 8 * i);
#else
            hash ^= c << (16 + 8 * i);
#endif
        }
    return (uint32_t)(hash * 0x9E3779B97F4A7C15ull >> 32);
}

/* Values by six of their characters: those, of three places in each, that fewest others have. */
typedef struct {
    Known *known;
    int32_t *heads, count;
    uint32_t mask;
    uint8_t *lengths;
} Values;

enum { KNOWN, NEW, CROWDED };

static int remember_value(Values *values, PyObject *text, Place start, Place end)
{
    const int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    const Place n = PyUnicode_GET_LENGTH(text), last = end - start - SHORTEST_ELSEWHERE;
    const Place offsets[] = {last, last / 2, 0};
    Place offset = 0;
    uint32_t best = 0;
    int shortest = 256;
    for (int i = 0; i < 3; i++) {
        const uint32_t hash = hash_six(kind, data, start + offsets[i], n) & values->mask;
        for (int32_t at = values->heads[hash]; at; at = values->known[at - 1].next) {
            const Known *other = &values->known[at - 1];
            if (other->length == end - start && other->offset == offsets[i] && same_value(other, text, start))
                return KNOWN;
        }
        if (values->lengths[hash] < shortest) {
            shortest = values->lengths[hash];
            best = hash;
            offset = offsets[i];
        }
    }
    if (shortest >= LONGEST_CHAIN || values->count == INT32_MAX - 1)
        return CROWDED;
    values->known[values->count] = (Known){text, start, end - start, offset, values->heads[best]};
    values->heads[best] = ++values->count;
    values->lengths[best]++;
    return NEW;
}

static int is_span(const Covered *spans, Place count, Place start, Place end)
{
    Place low = 0, high = count;
    while (low < high) {
        const Place middle = (low + high) / 2;
        if (spans[middle].start < start)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && spans[low].start == start && spans[low].end == end;
}

static int has_digit(PyObject *text, Place start, Place end)
{
    const int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    for (Place at = start; at < end; at++) {
        const Py_UCS4 c = PyUnicode_READ(kind, data, at);
        if (c >= '0' && c <= '9')
            return 1;
    }
    return 0;
}

static int stands_elsewhere(const Values *values, PyObject *text, const Covered *spans, Place count)
{
    const int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    const Place n = PyUnicode_GET_LENGTH(text);
    for (Place at = 0; at + SHORTEST_ELSEWHERE <= n; at++)
        for (int32_t one = values->heads[hash_six(kind, data, at, n) & values->mask]; one;
             one = values->known[one - 1].next) {
            const Known *known = &values->known[one - 1];
            const Place start = at - known->offset;
            if (start >= 0 && same_value(known, text, start) && !is_span(spans, count, start, start + known->length))
                return 1;
        }
    return 0;
}

/* repeats(texts, found) -> whether a value with a digit in it may stand in a place that is not among the
   found ones: never no where there is one. ValueError for spans that are not sorted, disjoint and within their
   text. */
static PyObject *scanner_repeats(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *texts, *found;
    if (!PyArg_ParseTuple(args, "O!O!", &PyTuple_Type, &texts, &PyTuple_Type, &found))
        return NULL;
    Places places = {0};
    if (take_places(&places, texts, found)) {
        leave_places(&places);
        return NULL;
    }
    const Place all = places.first[places.count];
    uint32_t size = 256;
    while (size < 16 * (uint64_t)all && size < 1u << 30)
        size *= 2;
    Values values = {0};
    values.mask = size - 1;
    values.known = PyMem_Malloc((size_t)(all + 1) * sizeof *values.known);
    values.heads = PyMem_Calloc(size, sizeof *values.heads);
    values.lengths = PyMem_Calloc(size, 1);
    int answer = 0;
    if (!values.known || !values.heads || !values.lengths)
        PyErr_NoMemory();
    else {
        for (Place i = 0; i < places.count && !answer; i++) {
            PyObject *text = PyTuple_GET_ITEM(texts, i);
            for (Place k = places.first[i]; k < places.first[i + 1] && !answer; k++) {
                const Place start = places.all[k].start, end = places.all[k].end;
                if (end - start >= SHORTEST_ELSEWHERE && has_digit(text, start, end))
                    answer = remember_value(&values, text, start, end) == CROWDED; /* the Python way decides */
            }
        }
        for (Place i = 0; i < places.count && !answer && values.count; i++)
            answer = stands_elsewhere(&values, PyTuple_GET_ITEM(texts, i), &places.all[places.first[i]],
                                      places.first[i + 1] - places.first[i]);
    }
    leave_places(&places);
    PyMem_Free(values.known);
    PyMem_Free(values.heads);
    PyMem_Free(values.lengths);
    return PyErr_Occurred() ? NULL : PyBool_FromLong(answer);
}

#endif
