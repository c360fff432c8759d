/* SPDX-License-Identifier: Apache-2.0 */
/* Values from text: see field.h. */
#include "field.h"
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kept {
	struct kept *next;
	char text[];
};

char *reader_keep(struct reader *reader, const char *text, size_t len)
{
	struct kept *kept = malloc(sizeof(*kept) + len + 1);

	if (kept == NULL) {
		(void)reader_fault(reader, "out of memory");
		return NULL;
	}
	memcpy(kept->text, text, len);
	kept->text[len] = '\0';
	kept->next = reader->kept;
	reader->kept = kept;
	return kept->text;
}

void reader_fini(struct reader *reader)
{
	while (reader->kept != NULL) {
		struct kept *next = reader->kept->next;

		free(reader->kept);
		reader->kept = next;
	}
}

int reader_fault(struct reader *reader, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reader->fault, sizeof(reader->fault), fmt, ap);
	va_end(ap);
	/* Whatever was quoted, an error stays one line. */
	for (char *c = reader->fault; *c != '\0'; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	return -1;
}

int reader_prefix(struct reader *reader, const char *prefix)
{
	char was[sizeof(reader->fault)];

	memcpy(was, reader->fault, sizeof(was));
	return reader_fault(reader, "%.120s: %s", prefix, was);
}

static int parse_number(struct reader *reader, const char *text, const struct field *field,
			int64_t *ret)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 0);
	if (end == text || *end != '\0' || isspace((unsigned char)text[0]) || errno != 0 ||
	    value < field->min || value > field->max)
		return field->choices != NULL
			       ? reader_fault(reader, "'%.60s': %s expected", text, field->choices)
			       : reader_fault(reader,
					      "'%.60s': a number from %lld to %lld expected", text,
					      (long long)field->min, (long long)field->max);
	*ret = value;
	return 0;
}

static int parse_size(struct reader *reader, const char *text, int64_t min, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const char *unit;
	unsigned long long value;
	unsigned int shift = 0;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	unit = *end != '\0' ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit != NULL) {
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
	}
	if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 ||
	    value > (UINT64_MAX >> shift) || (value == 0 && min > 0))
		return reader_fault(reader, "'%.60s': a size%s expected: bytes, or with K, M, G, T",
				    text, min > 0 ? " above 0" : "");
	*ret = (uint64_t)value << shift;
	return 0;
}

/* The number there, or one above every maximum. */
static unsigned long scan(const char *at, char **ret_end)
{
	return isdigit((unsigned char)*at) ? strtoul(at, ret_end, 10) : ULONG_MAX;
}

static int parse_bits(struct reader *reader, const char *text, unsigned long max, struct bits *ret)
{
	struct bits bits = { { 0 } };
	const char *at = text;
	char *end = NULL;

	do {
		unsigned long first = scan(at, &end), last = first;

		if (first <= max && *end == '-')
			last = scan(end + 1, &end);
		if (first > last || last > max || strchr(":,", *end) == NULL)
			return reader_fault(reader,
					    "'%.60s': numbers from 0 to %lu expected, as in 0-3:8",
					    text, max);
		for (unsigned long i = first; i <= last; i++)
			bits.words[i / 64] |= 1ull << (i % 64);
		at = end + 1;
	} while (*end != '\0');
	*ret = bits;
	return 0;
}

/* Adds to those that are there: a configuration file gives them one by one. */
static int add_numbers(struct reader *reader, const char *text, int64_t max,
		       struct numbers *numbers)
{
	const char *at = text;
	char *end;

	do {
		unsigned long value = scan(at, &end);

		if (value > (unsigned long)max || numbers->nr == NUMBERS_MAX ||
		    strchr(":", *end) == NULL)
			return reader_fault(reader,
					    "'%.60s': at most %d numbers from 0 to %lld expected, "
					    "as in 10:20",
					    text, NUMBERS_MAX, (long long)max);
		numbers->values[numbers->nr++] = (uint8_t)value;
		at = end + 1;
	} while (*end != '\0');
	return 0;
}

static int parse_choice(struct reader *reader, const char *choices, const char *text, int *ret)
{
	size_t len = strlen(text);
	const char *at = choices;

	for (int nr = 1; at != NULL; nr++) {
		if (len > 0 && strncmp(at, text, len) == 0 && strchr("|", at[len]) != NULL) {
			*ret = nr;
			return 0;
		}
		at = strchr(at, '|');
		at = at != NULL ? at + 1 : NULL;
	}
	return reader_fault(reader, "'%.60s': %s expected", text, choices);
}

static int add_word(struct reader *reader, struct words *words, const char *text)
{
	if (words->nr == WORDS_MAX)
		return reader_fault(reader, "'%.60s': more than %d of them", text, WORDS_MAX);
	words->words[words->nr] = reader_keep(reader, text, strlen(text));
	return words->words[words->nr] != NULL ? (words->nr++, 0) : -1;
}

int field_set(struct reader *reader, const struct field *field, void *object, const char *value)
{
	void *at = (char *)object + field->off;

	switch (field->type) {
	case FIELD_TEXT:
		*(const char **)at = reader_keep(reader, value, strlen(value));
		return *(const char **)at != NULL ? 0 : -1;
	case FIELD_NUMBER:
		return parse_number(reader, value, field, at);
	case FIELD_SIZE:
		return parse_size(reader, value, field->min, at);
	case FIELD_SWITCH:
		return parse_choice(reader, "on|off", value, at);
	case FIELD_CHOICE:
		return parse_choice(reader, field->choices, value, at);
	case FIELD_SET:
		return parse_bits(reader, value, (unsigned long)field->max, at);
	case FIELD_NUMBERS:
		return add_numbers(reader, value, field->max, at);
	case FIELD_WORDS:
		return add_word(reader, at, value);
	}
	return -1;
}

const struct field *field_find(const struct field *fields, const char *name)
{
	for (; fields->name != NULL; fields++)
		if (strcmp(fields->name, name) == 0)
			return fields;
	return NULL;
}

int fields_set_text(struct reader *reader, const struct field *fields, void *object,
		    const char *text)
{
	char *copy = reader_keep(reader, text, strlen(text)), *first = copy, *name;

	if (copy == NULL)
		return -1;
	while ((name = strsep(&copy, ",")) != NULL) {
		const struct field *field =
			name[0] == '+' || name[0] == '-' ? field_find(fields, "features") : NULL;
		char *value = field != NULL ? name : strchr(name, '=');

		if (field == NULL && value != NULL)
			*value++ = '\0';
		else if (name == first)
			value = name;
		if (field == NULL)
			field = value == name ? &fields[0] : field_find(fields, name);
		if (field == NULL || value == NULL)
			return reader_fault(reader, "'%.60s': %s", name,
					    field != NULL ? "a value is missing, as in KEY=VALUE"
							  : "no such key");
		if (field_set(reader, field, object, value) < 0)
			return reader_prefix(reader, field->name);
	}
	return 0;
}
