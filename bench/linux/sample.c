/* SPDX-License-Identifier: MIT */
/* The C program whose build is measured, in Linux and by Debian's gcc. To change it is to change that row's figure. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024

struct word {
    struct word *next;
    unsigned long seen;
    char text[];
};

static struct word *table[BUCKETS];
static size_t words;

static unsigned hash(const char *text)
{
    unsigned value = 5381;

    while (*text)
        value = value * 33 ^ (unsigned char)*text++;
    return value % BUCKETS;
}

static struct word *find(const char *text)
{
    struct word **place = &table[hash(text)];
    size_t size = strlen(text) + 1;

    for (struct word *each = *place; each; each = each->next)
        if (!strcmp(each->text, text))
            return each;
    struct word *made = calloc(1, sizeof(*made) + size);

    if (!made) {
        perror("sample");
        exit(1);
    }
    memcpy(made->text, text, size);
    made->next = *place;
    *place = made;
    words++;
    return made;
}

static int read_word(FILE *from, char *text, size_t room)
{
    size_t length = 0;
    int c;

    while ((c = getc(from)) != EOF && !isalpha(c))
        ;
    for (; c != EOF && isalpha(c); c = getc(from))
        if (length + 1 < room)
            text[length++] = (char)tolower(c);
    text[length] = 0;
    return length > 0;
}

static int by_count(const void *left, const void *right)
{
    const struct word *a = *(struct word *const *)left, *b = *(struct word *const *)right;

    if (a->seen != b->seen)
        return a->seen < b->seen ? 1 : -1;
    return strcmp(a->text, b->text);
}

static void print_all(void)
{
    struct word **sorted = calloc(words, sizeof(*sorted));
    size_t n = 0;

    if (!sorted)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct word *each = table[i]; each; each = each->next)
            sorted[n++] = each;
    qsort(sorted, n, sizeof(*sorted), by_count);
    for (size_t i = 0; i < n; i++)
        printf("%7lu %s\n", sorted[i]->seen, sorted[i]->text);
    free(sorted);
}

int main(void)
{
    char text[128];

    while (read_word(stdin, text, sizeof(text)))
        find(text)->seen++;
    print_all();
    return ferror(stdin) != 0;
}
