/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values from text: one table of fields describes an object, whether its values come from the
 * command line or from a configuration file.
 */
#ifndef VC_RUN_FIELD_H
#define VC_RUN_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What reading values needs: the strings it keeps, and room for one complaint. */
struct reader {
	struct kept *kept; /* all strings that fields point to */
	char fault[256];   /* "what: why", after a function returned -1 */
};

enum field_type {
	FIELD_TEXT,    /* const char * */
	FIELD_NUMBER,  /* int64_t, from min to max */
	FIELD_SIZE,    /* uint64_t: bytes, or with K, M, G, T; not 0 if min is not */
	FIELD_SWITCH,  /* int: enum switch_value */
	FIELD_CHOICE,  /* int: 0 = not given, else 1 + index of the choice */
	FIELD_SET,     /* struct bits: "0-3:8", each up to max */
	FIELD_NUMBERS, /* struct numbers: "10:20:20", each up to max; adds to those there */
	FIELD_WORDS,   /* struct words: adds one to those there */
};

enum switch_value { SWITCH_UNSET = 0, SWITCH_ON = 1, SWITCH_OFF = 2 };
#define BITS_MAX    1024
#define NUMBERS_MAX 64
#define WORDS_MAX   64

struct bits {
	uint64_t words[BITS_MAX / 64];
};
struct numbers {
	uint8_t values[NUMBERS_MAX];
	size_t nr;
};
struct words {
	const char *words[WORDS_MAX];
	size_t nr;
};
struct field {
	const char *name; /* NULL ends a table */
	enum field_type type;
	size_t off; /* of the value in the object */
	int64_t min, max;
	const char *choices; /* "stop|reboot"; of a number: what is told to be valid, or NULL */
};

/* Sets one value of the object. Both: 0, or -1 and reader->fault. */
int field_set(struct reader *reader, const struct field *field, void *object, const char *value);

/*
 * "first,name=value,+word,...": a value without a name belongs to the first field, one that begins
 * with + or - to the field "features".
 */
int fields_set_text(struct reader *reader, const struct field *fields, void *object,
		    const char *text);
const struct field *field_find(const struct field *fields, const char *name);

char *reader_keep(struct reader *reader, const char *text, size_t len);
void reader_fini(struct reader *reader);
int reader_fault(struct reader *reader, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "prefix: " before the complaint; returns -1. */
int reader_prefix(struct reader *reader, const char *prefix);

#endif
