/* The words of a text, what is to be seen of each, and which of them are names by what a network said.
   words.py has the same in Python, and says why. */

#ifndef MASQUERADE_WORDS_H
#define MASQUERADE_WORDS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LETTERS, DIGITS, HAN, OTHER_MARK };
enum { ROW_GAP = 0, ROW_SHAPE = 4, ROW_LENGTH = 20, ROW_LINE = 26, ROW_LIST = 30, ROW_HASHED = 128 };
enum { LONGEST_ENTRY = 7, LONGEST_GRAMS = 14, WIDEST = 256, HASHED_ROWS = 1 << 16, LABELS_A_KIND = 4 };
enum { MOST_KINDS = 8 };

typedef struct {
    PyObject_HEAD
    PyObject *held;
    const int8_t *table;
    Py_ssize_t width;
    double scale;
    uint32_t *hashes;
    uint16_t *masks;
    uint32_t slots; /* a power of two */
} Words;

typedef struct {
    int32_t start, end;
    int32_t class, line;
} Word;

static int is_han(Py_UCS4 c)
{
    return (0x3400 <= c && c <= 0x9fff) || c == 0x3005 || c == 0x3007 ||
           (0x3040 <= c && c <= 0x30ff && c != 0x30fb) || (0xf900 <= c && c <= 0xfaff) ||
           (0x20000 <= c && c <= 0x3ffff);
}

static Py_UCS4 lower_of(Py_UCS4 c)
{
    if (c < 128)
        return 'A' <= c && c <= 'Z' ? c + 32 : c;
    return c == 0x130 ? c : Py_UNICODE_TOLOWER(c);
}

#define BEGUN(kind) ((2166136261u ^ (uint32_t)(kind)) * 16777619u)
#define WITH(hash, c) (((hash) ^ (uint32_t)(c)) * 16777619u)
#define ENDED(hash) ((hash) ^ ((hash) >> 15))
#define ROW_OF(hash) (ROW_HASHED + (ENDED(hash) & (HASHED_ROWS - 1)))

static uint16_t lists_of(const Words *s, uint32_t hash)
{
    hash = ENDED(hash);
    for (uint32_t at = hash & (s->slots - 1);; at = (at + 1) & (s->slots - 1)) {
        if (!s->masks[at])
            return 0;
        if (s->hashes[at] == hash)
            return s->masks[at];
    }
}

static void add_row(const Words *s, int32_t *sum, uint32_t row)
{
    const int8_t *from = s->table + (size_t)row * (size_t)s->width;
    for (Py_ssize_t i = 0; i < s->width; i++)
        sum[i] += from[i];
}

static void add_flags(const Words *s, int32_t *sum, uint64_t flags)
{
    for (int bit = 0; flags; flags >>= 1, bit++)
        if (flags & 1)
            add_row(s, sum, (uint32_t)(ROW_LIST + bit));
}

/* The four flags of a list, as far apart as the lists of a mask. */
static uint64_t spread(uint16_t mask, int place)
{
    uint64_t flags = 0;
    for (int list = 0; mask; mask >>= 1, list++)
        if (mask & 1)
            flags |= (uint64_t)1 << (4 * list + place);
    return flags;
}

static void see_letters(const Words *s, int32_t *sum, int kind, const void *data, const Word *word)
{
    const int32_t length = word->end - word->start;
    int32_t upper = 0, lower = 0;
    uint32_t whole = BEGUN(1), entry = BEGUN(0), heads[3] = {BEGUN(3), BEGUN(4), BEGUN(5)};
    for (int32_t i = 0; i < length; i++) {
        const Py_UCS4 c = PyUnicode_READ(kind, data, word->start + i), low = lower_of(c);
        upper += Py_UNICODE_ISUPPER(c) != 0;
        lower += Py_UNICODE_ISLOWER(c) != 0;
        whole = WITH(whole, low);
        entry = WITH(entry, low);
        for (int m = 0; m < 3; m++)
            if (i < m + 2)
                heads[m] = WITH(heads[m], low);
    }
    const int first = Py_UNICODE_ISUPPER(PyUnicode_READ(kind, data, word->start)) != 0;
    const int shape = !upper && !lower       ? 5
                      : !upper               ? 0
                      : length == 1          ? 3
                      : first && upper == 1  ? 1
                      : !lower               ? 2
                                             : 4;
    add_row(s, sum, (uint32_t)(ROW_SHAPE + shape));
    add_row(s, sum, (uint32_t)(ROW_LENGTH + (length < 4 ? length - 1 : length < 6 ? 3 : length < 9 ? 4 : 5)));
    add_row(s, sum, ROW_OF(whole));
    for (int m = 2; m < 5; m++) {
        if (length <= m)
            break;
        add_row(s, sum, ROW_OF(heads[m - 2]));
        uint32_t tail = BEGUN(8 + m);
        for (int32_t i = length - m; i < length; i++)
            tail = WITH(tail, lower_of(PyUnicode_READ(kind, data, word->start + i)));
        add_row(s, sum, ROW_OF(tail));
    }
    const int32_t most = length < LONGEST_GRAMS ? length : LONGEST_GRAMS;
    Py_UCS4 before = '^', here = lower_of(PyUnicode_READ(kind, data, word->start));
    for (int32_t i = 1; i <= most; i++) {
        const Py_UCS4 next = i < most ? lower_of(PyUnicode_READ(kind, data, word->start + i)) : '$';
        add_row(s, sum, ROW_OF(WITH(WITH(WITH(BEGUN(30), before), here), next)));
        before = here;
        here = next;
    }
    add_flags(s, sum, spread(lists_of(s, entry), 3));
}

static void see_digits(const Words *s, int32_t *sum, int kind, const void *data, const Word *word)
{
    const int32_t length = word->end - word->start;
    add_row(s, sum, (uint32_t)(ROW_SHAPE + 6 + (length < 6 ? length : 6) - 1));
    if (length > 4)
        return;
    uint32_t hash = BEGUN(20);
    for (int32_t i = word->start; i < word->end; i++)
        hash = WITH(hash, PyUnicode_READ(kind, data, i));
    add_row(s, sum, ROW_OF(hash));
}

static void see_han(const Words *s, int32_t *sum, int kind, const void *data, Py_ssize_t n, const Word *word)
{
    const Py_UCS4 c = PyUnicode_READ(kind, data, word->start);
    Py_UCS4 before = word->start ? PyUnicode_READ(kind, data, word->start - 1) : 0;
    Py_UCS4 after = word->end < n ? PyUnicode_READ(kind, data, word->end) : 0;
    before = is_han(before) ? before : 0;
    after = is_han(after) ? after : 0;
    add_row(s, sum, ROW_SHAPE + 12);
    add_row(s, sum, ROW_OF(WITH(BEGUN(21), c)));
    add_row(s, sum, ROW_OF(before ? WITH(WITH(BEGUN(22), before), c) : WITH(BEGUN(22), c)));
    add_row(s, sum, ROW_OF(after ? WITH(WITH(BEGUN(23), c), after) : WITH(BEGUN(23), c)));
    if (before && after)
        add_row(s, sum, ROW_OF(WITH(WITH(WITH(BEGUN(24), before), c), after)));
}

/* Where entries of the lists begin, go on and end among words that are single characters: whatever touches the
   words from first to last. */
static void see_entries(const Words *s, uint64_t *flags, int kind, const void *data, const Word *words,
                        Py_ssize_t count, Py_ssize_t first, Py_ssize_t last)
{
    for (Py_ssize_t k = first < LONGEST_ENTRY ? 0 : first - LONGEST_ENTRY; k < last; k++) {
        if (words[k].class != HAN)
            continue;
        uint32_t hash = BEGUN(0);
        for (int length = 1; length <= LONGEST_ENTRY && k + length <= count; length++) {
            const Word *last = &words[k + length - 1];
            if (last->class != HAN || last->start != words[k].start + length - 1)
                break;
            hash = WITH(hash, PyUnicode_READ(kind, data, last->start));
            const uint16_t mask = lists_of(s, hash);
            if (!mask)
                continue;
            if (length == 1) {
                flags[k] |= spread(mask, 3);
                continue;
            }
            flags[k] |= spread(mask, 0);
            for (int i = 1; i < length - 1; i++)
                flags[k + i] |= spread(mask, 1);
            flags[k + length - 1] |= spread(mask, 2);
        }
    }
}

/* Cut a text in words; their count, or -1 with an exception. */
static Py_ssize_t cut(int kind, const void *data, Py_ssize_t n, Word *words)
{
    Py_ssize_t count = 0;
    int32_t line = 0;
    for (Py_ssize_t i = 0; i < n;) {
        const Py_UCS4 c = PyUnicode_READ(kind, data, i);
        Py_ssize_t end = i + 1;
        int class = OTHER_MARK;
        if (is_han(c))
            class = HAN;
        else if (Py_UNICODE_ISALPHA(c)) {
            class = LETTERS;
            for (; end < n; end++) {
                const Py_UCS4 next = PyUnicode_READ(kind, data, end);
                if (!Py_UNICODE_ISALPHA(next) || is_han(next))
                    break;
            }
        } else if (Py_UNICODE_ISDECIMAL(c)) {
            class = DIGITS;
            while (end < n && Py_UNICODE_ISDECIMAL(PyUnicode_READ(kind, data, end)))
                end++;
        } else if (Py_UNICODE_ISSPACE(c)) {
            line += c == '\n';
            i++;
            continue;
        }
        words[count++] = (Word){(int32_t)i, (int32_t)end, class, line};
        i = end;
    }
    return count;
}

/* Of each line, whether its letters are small, capitals, both or none. */
static uint8_t *line_cases(int kind, const void *data, Py_ssize_t n)
{
    uint8_t *cases = PyMem_Malloc((size_t)n + 1); /* a text of line breaks has that many lines, and no words */
    if (!cases)
        return NULL;
    Py_ssize_t upper = 0, lower = 0, line = 0;
    for (Py_ssize_t i = 0; i <= n; i++) {
        const Py_UCS4 c = i < n ? PyUnicode_READ(kind, data, i) : '\n';
        upper += Py_UNICODE_ISUPPER(c) != 0;
        lower += Py_UNICODE_ISLOWER(c) != 0;
        if (c != '\n')
            continue;
        cases[line++] = !upper && !lower ? 3 : !upper ? 1 : !lower || upper > 3 * lower ? 2 : 0;
        upper = lower = 0;
    }
    return cases;
}

/* see(text, first, most) -> (where each word begins and ends as 32-bit numbers, what is seen of at most so many
   from the first on, as float32) */
static PyObject *words_see(PyObject *self, PyObject *args)
{
    const Words *s = (const Words *)self;
    PyObject *text;
    Py_ssize_t first = 0, most = PY_SSIZE_T_MAX;
    if (!PyArg_ParseTuple(args, "O|nn", &text, &first, &most))
        return NULL;
    if (!PyUnicode_Check(text)) {
        PyErr_SetString(PyExc_TypeError, "a text is a str");
        return NULL;
    }
    const Py_ssize_t n = PyUnicode_GET_LENGTH(text);
    if (n > INT32_MAX / 2) {
        PyErr_SetString(PyExc_OverflowError, "a text this long is cut before");
        return NULL;
    }
    const int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    Word *words = PyMem_Malloc(((size_t)n + 1) * sizeof *words);
    PyObject *places = NULL, *sums = NULL, *result = NULL;
    uint64_t *flags = NULL;
    uint8_t *cases = NULL;
    if (!words)
        return PyErr_NoMemory();
    const Py_ssize_t count = cut(kind, data, n, words);
    first = first < 0 ? 0 : first > count ? count : first;
    const Py_ssize_t last = most < 0 ? first : most < count - first ? first + most : count;
    cases = line_cases(kind, data, n);
    flags = PyMem_Calloc((size_t)count + 1, sizeof *flags);
    places = PyBytes_FromStringAndSize(NULL, count * 8);
    sums = PyBytes_FromStringAndSize(NULL, (last - first) * s->width * (Py_ssize_t)sizeof(float));
    if (!cases || !flags || !places || !sums) {
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        goto done;
    }
    see_entries(s, flags, kind, data, words, count, first, last);
    int32_t *place = (int32_t *)PyBytes_AS_STRING(places);
    float *out = (float *)PyBytes_AS_STRING(sums);
    for (Py_ssize_t k = 0; k < count; k++, place += 2) {
        place[0] = words[k].start;
        place[1] = words[k].end;
    }
    for (Py_ssize_t k = first; k < last; k++, out += s->width) {
        int32_t sum[WIDEST] = {0};
        const Word *word = &words[k];
        int gap = 3;
        if (k)
            gap = word->line != words[k - 1].line ? 2 : word->start > words[k - 1].end;
        add_row(s, sum, (uint32_t)(ROW_GAP + gap));
        add_row(s, sum, (uint32_t)(ROW_LINE + cases[word->line]));
        if (word->class == LETTERS)
            see_letters(s, sum, kind, data, word);
        else if (word->class == DIGITS)
            see_digits(s, sum, kind, data, word);
        else if (word->class == HAN)
            see_han(s, sum, kind, data, n, word);
        else {
            add_row(s, sum, ROW_SHAPE + 13);
            add_row(s, sum, ROW_OF(WITH(BEGUN(25), PyUnicode_READ(kind, data, word->start))));
        }
        add_flags(s, sum, flags[k]);
        for (Py_ssize_t i = 0; i < s->width; i++)
            out[i] = (float)(sum[i] * s->scale);
    }
    result = PyTuple_Pack(2, places, sums);
done:
    PyMem_Free(words);
    PyMem_Free(flags);
    PyMem_Free(cases);
    Py_XDECREF(places);
    Py_XDECREF(sums);
    return result;
}

/* How sure it is that words first to last are of some kind: the mean over them. */
static double sure_of(const float *scores, Py_ssize_t labels, Py_ssize_t first, Py_ssize_t last)
{
    double sum = 0;
    for (Py_ssize_t i = first; i <= last; i++) {
        const float *own = scores + i * labels;
        double whole = 0;
        for (Py_ssize_t k = 0; k < labels; k++)
            whole += exp((double)own[k] - own[0]);
        sum += 1 - 1 / whole;
    }
    return sum / (double)(last - first + 1);
}

/* decode(scores, kinds) -> [(first word, last word, kind, how sure), ...]: the best sequence that is one.
   scores: float32, for each word that of none and then, of each kind, of begin, inside, end and single. */
static PyObject *decode(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer scores;
    int kinds;
    if (!PyArg_ParseTuple(args, "y*i", &scores, &kinds))
        return NULL;
    const Py_ssize_t labels = 1 + LABELS_A_KIND * (Py_ssize_t)kinds;
    PyObject *found = NULL;
    uint8_t *back = NULL;
    if (kinds < 1 || kinds > MOST_KINDS || scores.len % (labels * (Py_ssize_t)sizeof(float))) {
        PyErr_SetString(PyExc_ValueError, "scores are of whole words");
        goto done;
    }
    const Py_ssize_t count = scores.len / (labels * (Py_ssize_t)sizeof(float));
    back = PyMem_Malloc((size_t)count * 2 + 1);
    found = back ? PyList_New(0) : NULL;
    if (!found) {
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        goto done;
    }
    const float *score = scores.buf;
    double closed = 0, begun[MOST_KINDS], inside[MOST_KINDS];
    for (int k = 0; k < kinds; k++)
        begun[k] = inside[k] = -INFINITY;
    /* back[2 i]: the label that is best after word i where nothing is open (0, or kind * 2 + 1 for an end and
       + 2 for a single one); back[2 i + 1]: a bit for each kind, whether it was inside before word i. */
    for (Py_ssize_t i = 0; i < count; i++, score += labels) {
        double best = closed + score[0];
        uint8_t which = 0, bits = 0;
        for (int k = 0; k < kinds; k++) {
            const float *own = score + 1 + LABELS_A_KIND * k;
            const int was_inside = inside[k] > begun[k];
            const double open = was_inside ? inside[k] : begun[k];
            bits |= (uint8_t)(was_inside << k);
            if (open + own[2] > best) {
                best = open + own[2];
                which = (uint8_t)(2 * k + 1);
            }
            if (closed + own[3] > best) {
                best = closed + own[3];
                which = (uint8_t)(2 * k + 2);
            }
            inside[k] = open + own[1];
            begun[k] = closed + own[0];
        }
        back[2 * i] = which;
        back[2 * i + 1] = bits;
        closed = best;
    }
    for (Py_ssize_t i = count - 1; i >= 0; i--) {
        const uint8_t which = back[2 * i];
        if (!which)
            continue;
        const int k = (which - 1) / 2;
        const Py_ssize_t last = i;
        if (which % 2) { /* an end: back over what was inside, to the beginning */
            int more = back[2 * i + 1] >> k & 1;
            i--;
            while (more) {
                more = back[2 * i + 1] >> k & 1;
                i--;
            }
        }
        PyObject *one = Py_BuildValue("nnid", i, last, k, sure_of(scores.buf, labels, i, last));
        if (!one || PyList_Append(found, one)) {
            Py_XDECREF(one);
            Py_CLEAR(found);
            goto done;
        }
        Py_DECREF(one);
    }
    if (PyList_Reverse(found))
        Py_CLEAR(found);
done:
    PyMem_Free(back);
    PyBuffer_Release(&scores);
    return found;
}

static void words_free(PyObject *self)
{
    Words *s = (Words *)self;
    PyMem_Free(s->hashes);
    PyMem_Free(s->masks);
    Py_XDECREF(s->held);
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Words(table, width, scale, hashes, masks) */
static PyObject *words_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    PyObject *table, *hashes, *masks;
    Py_ssize_t width;
    double scale;
    if (names && PyDict_Size(names)) {
        PyErr_SetString(PyExc_TypeError, "Words takes no named arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "SndSS", &table, &width, &scale, &hashes, &masks))
        return NULL;
    const Py_ssize_t entries = PyBytes_GET_SIZE(masks) / 2;
    if (width < 1 || width > WIDEST || PyBytes_GET_SIZE(table) != (ROW_HASHED + HASHED_ROWS) * width ||
        PyBytes_GET_SIZE(hashes) != 4 * entries || PyBytes_GET_SIZE(masks) != 2 * entries || entries > 1 << 24) {
        PyErr_SetString(PyExc_ValueError, "a table and lists have the sizes that words.py gives them");
        return NULL;
    }
    Words *s = (Words *)type->tp_alloc(type, 0);
    if (!s)
        return NULL;
    s->held = Py_NewRef(args);
    s->table = (const int8_t *)PyBytes_AS_STRING(table);
    s->width = width;
    s->scale = scale;
    s->slots = 16;
    while (s->slots < 2 * entries)
        s->slots *= 2;
    s->hashes = PyMem_Calloc(s->slots, sizeof *s->hashes);
    s->masks = PyMem_Calloc(s->slots, sizeof *s->masks);
    if (!s->hashes || !s->masks) {
        Py_DECREF(s);
        return PyErr_NoMemory();
    }
    const char *hash_at = PyBytes_AS_STRING(hashes), *mask_at = PyBytes_AS_STRING(masks);
    for (Py_ssize_t i = 0; i < entries; i++) {
        uint32_t hash;
        uint16_t mask;
        memcpy(&hash, hash_at + 4 * i, 4);
        memcpy(&mask, mask_at + 2 * i, 2);
        uint32_t at = hash & (s->slots - 1);
        while (s->masks[at])
            at = (at + 1) & (s->slots - 1);
        s->hashes[at] = hash;
        s->masks[at] = mask;
    }
    return (PyObject *)s;
}

static PyMethodDef words_methods[] = {
    {"see", words_see, METH_VARARGS,
     "see(text, first, most) -> (places, sums): the words, and what is to be seen of some of them."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot words_slots[] = {
    {Py_tp_new, words_new},
    {Py_tp_dealloc, words_free},
    {Py_tp_methods, words_methods},
    {Py_tp_doc, "Words(table, width, scale, hashes, masks): see words.py."},
    {0, NULL},
};

static PyType_Spec words_spec = {"masquerade.mask._scan.Words", sizeof(Words), 0, Py_TPFLAGS_DEFAULT, words_slots};

#endif
