/* SPDX-License-Identifier: Apache-2.0 */
/* base: every allocation fails once. */
#include "fault.h"
#include "unit.h"

#include <libvirtcore/implement.h>
#include <libvirtcore/snapshot.h>

#include <errno.h>
#include <unistd.h>

static int make_log(void *opaque)
{
	struct vc_log_config cfg = { .size = sizeof(cfg) };
	struct vc_log *log = NULL;
	int r = vc_log_create(&cfg, &log);

	(void)opaque;
	vc_log_destroy(log);
	return r;
}

/* A stream of 40 sections of 1000 bytes: buffer and list grow several times. */
static int write_stream(struct vc_state_writer *w, const void **buf, size_t *len)
{
	static const uint8_t bytes[1000];
	char name[24];
	int r = 0;

	for (int i = 0; i < 40 && r == 0; i++) {
		snprintf(name, sizeof(name), "section%d", i);
		r = vc_state_begin(w, name, 1);
		if (r == 0)
			vc_state_put_bytes(w, bytes, sizeof(bytes));
		if (r == 0)
			r = vc_state_end(w);
	}
	return r < 0 ? r : vc_state_finish(w, buf, len);
}

static int save_and_load(void *opaque)
{
	struct vc_state_writer *w = NULL;
	struct vc_state_reader *reader = NULL;
	const void *buf = NULL;
	size_t len = 0;
	int r = vc_state_writer_create(VC_ARCH_X86_64, &w);

	(void)opaque;
	if (r == 0)
		r = write_stream(w, &buf, &len);
	if (r == 0)
		r = vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader);
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(w);
	return r;
}

static void log_sink(void **state)
{
	struct fault_config cfg = { .fn = make_log };

	(void)state;
	assert_int_equal(fault_each(&cfg), 1);
}

static void state_streams(void **state)
{
	struct fault_config cfg = { .fn = save_and_load };

	(void)state;
	assert_in_range(fault_each(&cfg), 8, 20);
	assert_int_equal(fault_count("calloc"), 3);
	assert_true(fault_count("realloc") >= 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_sink),
		cmocka_unit_test(state_streams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
