/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file: a JSON object with the names of the command line, read as text like that.
 * Complaints name the place: LINE:COLUMN where the text is no JSON, else a path as memory[1].size.
 */
#include "options.h"
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#define CONFIG_BYTES_MAX (1u << 20)

static const char *expected(enum field_type type)
{
	if (type == FIELD_NUMBER || type == FIELD_NUMBERS || type == FIELD_SWITCH)
		return type == FIELD_SWITCH ? "boolean" : "int";
	return type == FIELD_SIZE || type == FIELD_SET ? "string or int"
						       : "string without a zero byte";
}

/* The text of a value, or NULL when its type cannot stand for the field's. */
static const char *text_of(enum field_type type, struct json_object *value, char *buf, size_t size)
{
	bool is_number = type == FIELD_NUMBER || type == FIELD_NUMBERS;
	const char *text;

	switch (json_object_get_type(value)) {
	case json_type_string:
		text = json_object_get_string(value);
		/* A zero byte inside would cut the text short. */
		if (strlen(text) != (size_t)json_object_get_string_len(value))
			return NULL;
		return is_number || type == FIELD_SWITCH ? NULL : text;
	case json_type_int:
		snprintf(buf, size, "%" PRId64, json_object_get_int64(value));
		return is_number || type == FIELD_SIZE || type == FIELD_SET ? buf : NULL;
	case json_type_boolean:
		return type != FIELD_SWITCH ? NULL : json_object_get_boolean(value) ? "on" : "off";
	default:
		return NULL;
	}
}

static int set_members(struct options *options, const struct field *fields, void *object,
		       struct json_object *value);

/* A field of the object, or at the top level one more object of a list. */
static int set_one(struct options *options, const struct field *field, const struct list *list,
		   void *object, struct json_object *value)
{
	bool is_object = field == NULL && json_object_is_type(value, json_type_object);
	char buf[32];
	const char *text =
		text_of(field != NULL ? field->type : FIELD_TEXT, value, buf, sizeof(buf));
	int r;

	if (text == NULL && !is_object)
		return reader_fault(&options->reader, "%s: %s found, %s expected", options->place,
				    json_type_to_name(json_object_get_type(value)),
				    field != NULL ? expected(field->type) : "string or object");
	if (field == NULL)
		object = list_begin(options, list);
	if (is_object && object != NULL)
		return set_members(options, list->fields, object, value);
	if (field != NULL)
		r = field_set(&options->reader, field, object, text);
	else
		r = object != NULL ? list_set_text(options, list, object, text) : -1;
	return r < 0 ? reader_prefix(&options->reader, options->place) : 0;
}

static int set_each(struct options *options, const struct field *field, const struct list *list,
		    void *object, struct json_object *array)
{
	size_t len = strlen(options->place);
	int r = 0;

	for (size_t i = 0; i < json_object_array_length(array) && r == 0; i++) {
		snprintf(options->place + len, sizeof(options->place) - len, "[%zu]", i);
		r = set_one(options, field, list, object, json_object_array_get_idx(array, i));
	}
	options->place[len] = '\0';
	return r;
}

static int set_members(struct options *options, const struct field *fields, void *object,
		       struct json_object *value)
{
	struct json_object_iterator it = json_object_iter_begin(value);
	struct json_object_iterator end = json_object_iter_end(value);
	size_t len = strlen(options->place);
	int r = 0;

	for (; r == 0 && !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
		const char *key = json_object_iter_peek_name(&it);
		struct json_object *member = json_object_iter_peek_value(&it);
		const struct field *field = field_find(fields, key);
		const struct list *list = len == 0 && field == NULL ? list_find(key) : NULL;
		bool is_several = (list != NULL && list->max > 1) ||
				  (field != NULL &&
				   (field->type == FIELD_NUMBERS || field->type == FIELD_WORDS));

		snprintf(options->place + len, sizeof(options->place) - len, "%s%.40s",
			 len ? "." : "", key);
		if (field == NULL && list == NULL)
			r = reader_fault(&options->reader, "%s: no such key", options->place);
		else if (is_several && json_object_is_type(member, json_type_array))
			r = set_each(options, field, list, object, member);
		else
			r = set_one(options, field, list, object, member);
	}
	options->place[len] = '\0';
	return r;
}

/* LINE:COLUMN of an offset, both from 1. */
static int bad_syntax(struct options *options, const char *text, size_t off, const char *why)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < off; i++) {
		column = text[i] == '\n' ? 1 : column + 1;
		line += text[i] == '\n';
	}
	return reader_fault(&options->reader, "%zu:%zu: %s", line, column, why);
}

/* @text ends with a zero byte behind @len others. */
int config_json_parse(struct options *options, const char *path, const char *text, size_t len)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *root;
	enum json_tokener_error error;
	size_t end;
	int r;

	if (tokener == NULL || len > CONFIG_BYTES_MAX) {
		json_tokener_free(tokener);
		return reader_fault(&options->reader, "%.120s: out of memory, or above 1 MiB",
				    path);
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	root = json_tokener_parse_ex(tokener, text, (int)len + 1);
	error = json_tokener_get_error(tokener);
	end = json_tokener_get_parse_end(tokener);
	end = end < len ? end + strspn(text + end, " \t\r\n") : len;
	if (error == json_tokener_continue)
		r = bad_syntax(options, text, len, "the text ends too early");
	else if (error != json_tokener_success)
		r = bad_syntax(options, text, end, json_tokener_error_desc(error));
	else if (end < len)
		r = bad_syntax(options, text, end, "more text behind the object");
	else if (!json_object_is_type(root, json_type_object))
		r = bad_syntax(options, text, 0, "an object expected");
	else
		r = set_members(options, option_fields, options, root);
	json_object_put(root);
	json_tokener_free(tokener);
	return r < 0 ? reader_prefix(&options->reader, path) : 0;
}

int config_json_load(struct options *options, const char *path)
{
	static char text[CONFIG_BYTES_MAX + 2]; /* of which only pages in use come to be */
	FILE *file = fopen(path, "re");
	size_t len = file != NULL ? fread(text, 1, CONFIG_BYTES_MAX + 1, file) : 0;
	int r = file == NULL || ferror(file)
			? reader_fault(&options->reader, "%.120s: %s", path, strerror(errno))
			: config_json_parse(options, path, text, len);

	if (file != NULL)
		fclose(file);
	return r;
}
