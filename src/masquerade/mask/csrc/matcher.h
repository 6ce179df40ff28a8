/* The matcher: runs one program of program.py at one place of a text of symbols.

   It goes back where it must, as Python's re does, and finds what re finds; that nothing costs more than in
   proportion is a property of the expressions. It keeps no state between two calls but room for choices. */

#ifndef MASQUERADE_MATCHER_H
#define MASQUERADE_MATCHER_H

#include <Python.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t Symbol;
typedef Py_ssize_t Place;

enum { MATCH, CHAR, SET, REPEAT, ALT, JUMP, MARK, LOOK, BACK, END, ATOMIC, LOOP, PEEK };
enum { MOST_SLOTS = 20 };
#define ANY_SET 0xFFFFFFFFu
#define NO_LIMIT 0xFFFFFFFFu

/* What to try when the way on fails: another place in the program, a repetition that gives back one symbol,
   or a mark as it was. */
typedef enum { OTHER, GIVE_BACK, UNMARK } Resort;

typedef struct {
    Resort kind;
    uint32_t pc;
    Place at, least;
} Choice;

typedef struct {
    const uint32_t *code;
    const uint64_t *bits;
    Py_ssize_t words;
    const Symbol *text;
    Place length, end;
    Choice *choices;
    size_t top, room;
    Place marks[MOST_SLOTS];
    uint32_t last_group;
    int marked, out_of_memory;
} Matcher;

static inline int is_in(const uint64_t *bits, Py_ssize_t words, uint32_t set, Symbol symbol)
{
    return bits[set * words + (symbol >> 6)] >> (symbol & 63) & 1;
}

static inline int holds(const Matcher *m, uint32_t set, Symbol symbol) { return is_in(m->bits, m->words, set, symbol); }

static inline int may_begin(const Matcher *m, uint32_t set, Place at)
{
    return set == ANY_SET || (at < m->end && holds(m, set, m->text[at]));
}

static int remember(Matcher *m, Resort kind, uint32_t pc, Place at, Place least)
{
    if (m->top == m->room) {
        size_t room = m->room ? 2 * m->room : 256;
        Choice *more = PyMem_Realloc(m->choices, room * sizeof *more);
        if (!more) {
            m->out_of_memory = 1;
            return 0;
        }
        m->choices = more;
        m->room = room;
    }
    m->choices[m->top++] = (Choice){kind, pc, at, least};
    return 1;
}

/* Run the program at `pc` from place `at`. Returns where its match ends, or -1. */
static Place run(Matcher *m, uint32_t pc, Place at)
{
    const uint32_t *code = m->code;
    const Symbol *text = m->text;
    const Place end = m->end;
    const size_t bottom = m->top;
#if defined(__GNUC__)
    /* A jump of its own behind each instruction: the processor learns which follows which. */
    static const void *const WAYS[] = {&&do_MATCH, &&do_CHAR, &&do_SET, &&do_REPEAT, &&do_ALT, &&do_JUMP, &&do_MARK,
                                       &&do_LOOK, &&do_BACK, &&do_END, &&do_ATOMIC, &&do_LOOP, &&do_PEEK};
#define WAY(op) do_##op:
#define NEXT goto *WAYS[code[pc]]
    NEXT;
#else
#define WAY(op) case op:
#define NEXT continue
#endif
    for (;;) {
#if !defined(__GNUC__)
        switch (code[pc]) {
#endif
        WAY(MATCH)
            m->top = bottom;
            return at;
        WAY(CHAR)
            if (at >= end || text[at] != code[pc + 1])
                goto fail;
            at++;
            pc += 2;
            NEXT;
        WAY(SET)
            if (at >= end || !holds(m, code[pc + 1], text[at]))
                goto fail;
            at++;
            pc += 2;
            NEXT;
        WAY(REPEAT) {
            const uint32_t set = code[pc + 1], most = code[pc + 3];
            const Place least = at + code[pc + 2];
            Place stop = most == NO_LIMIT || end - at < (Place)most ? end : at + (Place)most;
            while (at < stop && holds(m, set, text[at]))
                at++;
            if (at < least)
                goto fail;
            pc += 5;
            if (at > least && !code[pc - 1] && !remember(m, GIVE_BACK, pc, at, least))
                goto fail;
            NEXT;
        }
        WAY(ALT)
            if (may_begin(m, code[pc + 1], at)) {
                if (!remember(m, OTHER, code[pc + 2], at, 0))
                    goto fail;
                pc += 3;
            } else
                pc = code[pc + 2];
            NEXT;
        WAY(JUMP)
            pc = code[pc + 1];
            NEXT;
        WAY(MARK) {
            const uint32_t slot = code[pc + 1];
            if (!remember(m, UNMARK, slot, m->marks[slot], m->last_group))
                goto fail;
            m->marks[slot] = at;
            m->marked = 1;
            if (slot & 1)
                m->last_group = slot >> 1;
            pc += 2;
            NEXT;
        }
        WAY(LOOK) {
            const uint32_t how = code[pc + 1];
            const Place from = how & 2 ? at - (Place)code[pc + 2] : at;
            const int there = from >= 0 && run(m, pc + 4, from) >= 0;
            if (m->out_of_memory || there == (int)(how & 1))
                goto fail;
            pc = code[pc + 3];
            NEXT;
        }
        WAY(PEEK) {
            const uint32_t how = code[pc + 1];
            const Place there = how & 2 ? at - 1 : at;
            const int yes = there >= 0 && there < end && holds(m, code[pc + 2], text[there]);
            if (yes == (int)(how & 1))
                goto fail;
            pc += 3;
            NEXT;
        }
        WAY(BACK) {
            const Place from = m->marks[2 * code[pc + 1]], to = m->marks[2 * code[pc + 1] + 1];
            const Place long_ = to - from;
            if (from < 0 || to < 0 || end - at < long_ || memcmp(text + from, text + at, long_ * sizeof *text))
                goto fail;
            at += long_;
            pc += 2;
            NEXT;
        }
        WAY(END)
            if (at != end)
                goto fail;
            pc++;
            NEXT;
        WAY(ATOMIC)
            at = run(m, pc + 2, at);
            if (at < 0)
                goto fail;
            pc = code[pc + 1];
            NEXT;
        WAY(LOOP) {
            const uint32_t least = code[pc + 1], most = code[pc + 2];
            uint32_t times = 0;
            while (times < most) {
                const Place next = run(m, pc + 4, at);
                if (next < 0 || (next == at && times >= least))
                    break;
                at = next;
                times++;
            }
            if (times < least || m->out_of_memory)
                goto fail;
            pc = code[pc + 3];
            NEXT;
        }
#if !defined(__GNUC__)
        }
#endif
    fail:
        for (;;) {
            if (m->top == bottom || m->out_of_memory) {
                m->top = bottom;
                return -1;
            }
            Choice *last = &m->choices[m->top - 1];
            if (last->kind == UNMARK) {
                m->marks[last->pc] = last->at;
                m->last_group = (uint32_t)last->least;
                m->top--;
                continue;
            }
            pc = last->pc;
            at = last->at;
            if (last->kind == OTHER)
                m->top--;
            else {
                at = --last->at;
                if (at == last->least)
                    m->top--;
            }
            break;
        }
#if defined(__GNUC__)
        NEXT;
#endif
    }
}

/* Run from the start: no group has matched yet. */
static Place match(Matcher *m, uint32_t pc, Place at)
{
    m->last_group = 0;
    if (m->marked) {
        for (int i = 0; i < MOST_SLOTS; i++)
            m->marks[i] = -1;
        m->marked = 0;
    }
    return run(m, pc, at);
}

/* -- characters ------------------------------------------------------------------------------------- */

enum { DIGIT = 1, UPPER = 2, LOWER = 4 };

static const uint8_t CLASS[128] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0,
    0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0,
    0, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 0, 0, 0, 0, 0};

static inline int is_of(Symbol s, int class) { return s < 128 && (CLASS[s] & class); }
static inline int is_digit(Symbol s) { return is_of(s, DIGIT); }
static inline int is_upper(Symbol s) { return is_of(s, UPPER); }
static inline int is_lower(Symbol s) { return is_of(s, LOWER); }
static inline int is_alpha(Symbol s) { return is_of(s, UPPER | LOWER); }
static inline int is_alnum(Symbol s) { return is_of(s, DIGIT | UPPER | LOWER); }
static inline int is_hex(Symbol s) { return is_digit(s) || (s >= 'a' && s <= 'f') || (s >= 'A' && s <= 'F'); }
static inline Symbol upper(Symbol s) { return is_lower(s) ? s - 32 : s; }

#endif
