/*
 * Text in a buffer of fixed size, and JSON strings that carry any bytes.
 *
 * Bytes that are not valid UTF-8 become the escapes \udc80 to \udcff (a lone low surrogate: 0xdc00 + the byte). No
 * valid UTF-8 text contains those, so nothing is lost and no input can break the JSON.
 */
#ifndef ENID_JSON_H
#define ENID_JSON_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct text {
    char *bytes;
    size_t length;
    size_t capacity;
};

static void append(struct text *to, const char *bytes, size_t length)
{
    if (length > to->capacity - to->length)
        abort(); /* unreachable: the limits on the input keep every text within its buffer */
    memcpy(to->bytes + to->length, bytes, length);
    to->length += length;
}

static void append_string(struct text *to, const char *string)
{
    append(to, string, strlen(string));
}

/* Length of the valid UTF-8 sequence at `at` (RFC 3629: no overlong forms, no surrogates), 0 if there is none. */
static size_t utf8_length(const unsigned char *at, size_t available)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t length;

    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf)
        length = 2;
    else if (at[0] >= 0xe0 && at[0] <= 0xef)
        length = 3;
    else if (at[0] >= 0xf0 && at[0] <= 0xf4)
        length = 4;
    else
        return 0;
    if (length > available)
        return 0;
    if (at[0] == 0xe0)
        low = 0xa0;
    else if (at[0] == 0xed)
        high = 0x9f;
    else if (at[0] == 0xf0)
        low = 0x90;
    else if (at[0] == 0xf4)
        high = 0x8f;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

static void append_escape(struct text *to, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    char escape[6] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};

    if (byte == '\n') {
        append(to, "\\n", 2);
        return;
    }
    if (byte == '"' || byte == '\\') {
        escape[1] = (char)byte;
        append(to, escape, 2);
        return;
    }
    if (byte >= 0x80) {
        escape[2] = 'd';
        escape[3] = 'c';
    }
    append(to, escape, sizeof escape);
}

/* The bytes as a JSON string with its quotes. */
static void append_json(struct text *to, const char *bytes, size_t length)
{
    const unsigned char *from = (const unsigned char *)bytes;
    size_t at = 0;
    size_t plain = 0; /* start of the run that needs no escape */

    append(to, "\"", 1);
    while (at < length) {
        size_t sequence = utf8_length(from + at, length - at);
        bool escaped = sequence == 0 || from[at] < 0x20 || from[at] == '"' || from[at] == '\\';

        if (!escaped) {
            at += sequence;
            continue;
        }
        append(to, bytes + plain, at - plain);
        append_escape(to, from[at]);
        at++;
        plain = at;
    }
    append(to, bytes + plain, at - plain);
    append(to, "\"", 1);
}

#endif
