/* SPDX-License-Identifier: Apache-2.0 */
/* Every error that error.h and implement.h document, named function_code. */
#include "unit.h"

#include <libvirtcore/implement.h>

#include <errno.h>

static void log_create_einval(void **state)
{
	struct vc_log_config cfg = { .size = sizeof(cfg) };
	struct vc_log *log = NULL;

	(void)state;
	assert_refused(vc_log_create(&cfg, NULL), -EINVAL, "log: no place");
	assert_refused(vc_log_create(NULL, &log), -EINVAL, "NULL");
	cfg.size = 4;
	assert_refused(vc_log_create(&cfg, &log), -EINVAL, "size 4");
	cfg.size = sizeof(cfg);
	cfg.level = VC_LOG_DEBUG + 1;
	assert_refused(vc_log_create(&cfg, &log), -EINVAL, "level 4, expected 0 to 3");
	assert_null(log);
}

static void log_create_e2big(void **state)
{
	struct {
		struct vc_log_config known;
		uint64_t unknown;
	} cfg = { .known.size = sizeof(cfg), .unknown = 1 };
	struct vc_log *log = NULL;

	(void)state;
	assert_refused(vc_log_create(&cfg.known, &log), -E2BIG, "newer version");
	assert_null(log);
	cfg.unknown = 0;
	assert_result(vc_log_create(&cfg.known, &log), 0);
	vc_log_destroy(log);
}

static void config_copy_einval_e2big(void **state)
{
	struct vc_log_config dst = { .burst = 7 }, src = { .size = 0 };

	(void)state;
	assert_refused(vc_config_copy(&dst, sizeof(dst), NULL), -EINVAL, "NULL");
	assert_refused(vc_config_copy(&dst, sizeof(dst), &src), -EINVAL, "size 0");
	src.size = 4097;
	assert_refused(vc_config_copy(&dst, sizeof(dst), &src), -E2BIG, "4097");
	assert_int_equal(dst.burst, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_create_einval),
		cmocka_unit_test(log_create_e2big),
		cmocka_unit_test(config_copy_einval_e2big),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
