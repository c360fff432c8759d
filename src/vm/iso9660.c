/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A read-only disk for a few small files, as every system can mount it: two descriptors of the same
 * files, one with short names and one (Joliet) with the real ones. Pure function of its arguments, no
 * times in it, so that equal files make equal images. Leaves out subdirectories, Rock Ridge, booting.
 *
 *	sector   16 primary descriptor   17 Joliet descriptor   18 end of descriptors
 *	         19, 20 path table of the first, little- and big-endian   21, 22 of the second
 *	         23 root directory of the first   24 of the second   25 ... the files
 *
 * [ECMA-119 8.4, 9.1, 9.4] [Joliet 1995]
 */
#include "iso9660.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR VC__ISO_SECTOR_BYTES

enum {
	FIRST_DESCRIPTOR = 16,
	END_DESCRIPTOR = 18,
	FIRST_PATH_TABLE = 19, /* two for each descriptor */
	FIRST_ROOT = 23,
	FIRST_FILE = 25,

	TYPE_PRIMARY = 1,
	TYPE_SUPPLEMENTARY = 2,
	TYPE_END = 255,
	IS_DIRECTORY = 1 << 1,
	RECORD_HEAD = 33,      /* of a directory record, before the name */
	PATH_TABLE_BYTES = 10, /* the root alone */
};

/* One of the two views of the same files. */
struct view {
	bool is_joliet;
	uint32_t path_table, root; /* sectors */
};

static void put_le32(uint8_t *at, uint32_t v)
{
	for (unsigned int i = 0; i < 4; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

static void put_be32(uint8_t *at, uint32_t v)
{
	for (unsigned int i = 0; i < 4; i++)
		at[3 - i] = (uint8_t)(v >> 8 * i);
}

/* Numbers stand twice, little- and big-endian. */
static void put_both16(uint8_t *at, uint16_t v)
{
	at[0] = at[3] = (uint8_t)v;
	at[1] = at[2] = (uint8_t)(v >> 8);
}

static void put_both32(uint8_t *at, uint32_t v)
{
	put_le32(at, v);
	put_be32(at + 4, v);
}

/* Text of a fixed width, filled with spaces; in Joliet each character has two bytes, high one first. */
static void put_text(uint8_t *at, size_t width, const char *text, bool is_joliet)
{
	size_t step = is_joliet ? 2 : 1, i = 0;

	for (; i + step <= width; i += step) {
		if (is_joliet)
			at[i] = 0;
		at[i + step - 1] = *text != '\0' ? (uint8_t)*text++ : ' ';
	}
}

struct extent {
	uint32_t sector, len;
	uint8_t flags;
};

/* Returns the record's length. @name of one byte 0 or 1 is the directory itself or its parent. */
static size_t put_record(uint8_t *at, struct extent what, const uint8_t *name, size_t name_len)
{
	size_t record = (RECORD_HEAD + name_len + 1) & ~(size_t)1;

	at[0] = (uint8_t)record;
	put_both32(at + 2, what.sector);
	put_both32(at + 10, what.len);
	at[18] = 80; /* the date, 1980-01-01: the earliest that every reader takes */
	at[19] = at[20] = 1;
	at[25] = what.flags;
	put_both16(at + 28, 1);
	at[32] = (uint8_t)name_len;
	memcpy(at + RECORD_HEAD, name, name_len);
	return record;
}

static size_t put_dot(uint8_t *at, const struct view *view, uint8_t which)
{
	return put_record(at, (struct extent){ view->root, SECTOR, IS_DIRECTORY }, &which, 1);
}

static uint32_t nr_sectors(uint32_t len)
{
	return len / SECTOR + (len % SECTOR != 0);
}

static void put_root(uint8_t *at, const struct view *view, const struct vc__iso_file *files,
		     size_t nr_files)
{
	uint32_t sector = FIRST_FILE;
	uint8_t name[128] = { 0 };

	at += put_dot(at, view, 0);
	at += put_dot(at, view, 1);
	for (size_t i = 0; i < nr_files; i++) {
		const char *text = view->is_joliet ? files[i].name : files[i].short_name;
		size_t len = strlen(text) * (view->is_joliet ? 2 : 1);

		put_text(name, len, text, view->is_joliet);
		if (!view->is_joliet) { /* the version, which Joliet readers would show */
			memcpy(name + len, ";1", 2);
			len += 2;
		}
		at += put_record(at, (struct extent){ sector, files[i].len, 0 }, name, len);
		sector += nr_sectors(files[i].len);
	}
}

static void put_path_tables(uint8_t *image, const struct view *view)
{
	uint8_t *le = image + (size_t)view->path_table * SECTOR, *be = le + SECTOR;

	le[0] = be[0] = 1; /* length of the root's name, which is a zero byte */
	put_le32(le + 2, view->root);
	put_be32(be + 2, view->root);
	le[6] = be[7] = 1; /* its parent: itself */
}

static void put_head(uint8_t *at, uint8_t type)
{
	at[0] = type;
	memcpy(at + 1, "CD001", 5);
	at[6] = 1;
}

static void put_descriptor(uint8_t *at, const struct view *view, const char *label, uint32_t all)
{
	put_head(at, view->is_joliet ? TYPE_SUPPLEMENTARY : TYPE_PRIMARY);
	put_text(at + 8, 32, "", view->is_joliet); /* system */
	put_text(at + 40, 32, label, view->is_joliet);
	put_both32(at + 80, all);
	if (view->is_joliet)
		memcpy(at + 88, "%/E", 3); /* UCS-2, level 3 */
	put_both16(at + 120, 1);	   /* volumes in the set, and which this is */
	put_both16(at + 124, 1);
	put_both16(at + 128, SECTOR);
	put_both32(at + 132, PATH_TABLE_BYTES);
	put_le32(at + 140, view->path_table);
	put_be32(at + 148, view->path_table + 1);
	(void)put_dot(at + 156, view, 0);
	put_text(at + 190, 4 * 128, "",
		 view->is_joliet);			 /* set, publisher, preparer, application */
	put_text(at + 702, 3 * 37, "", view->is_joliet); /* names of files: none */
	for (unsigned int time = 0; time < 4; time++)	 /* created, changed, expires, effective: */
		memset(at + 813 + (size_t)time * 17, '0', 16); /* not known */
	at[881] = 1;
}

int vc__iso_make(const char *label, const struct vc__iso_file *files, size_t nr_files,
		 uint8_t **ret_image, size_t *ret_len)
{
	static const struct view views[] = {
		{ false, FIRST_PATH_TABLE, FIRST_ROOT },
		{ true, FIRST_PATH_TABLE + 2, FIRST_ROOT + 1 },
	};
	uint32_t all = FIRST_FILE;
	uint8_t *image, *at;

	for (size_t i = 0; i < nr_files; i++)
		all += nr_sectors(files[i].len);
	image = calloc(all, SECTOR);
	if (image == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		put_descriptor(image + (FIRST_DESCRIPTOR + i) * SECTOR, &views[i], label, all);
		put_path_tables(image, &views[i]);
		put_root(image + (size_t)views[i].root * SECTOR, &views[i], files, nr_files);
	}
	put_head(image + (size_t)END_DESCRIPTOR * SECTOR, TYPE_END);
	at = image + (size_t)FIRST_FILE * SECTOR;
	for (size_t i = 0; i < nr_files; i++) {
		if (files[i].len > 0)
			memcpy(at, files[i].data, files[i].len);
		at += (size_t)nr_sectors(files[i].len) * SECTOR;
	}
	*ret_image = image;
	*ret_len = (size_t)all * SECTOR;
	return 0;
}
