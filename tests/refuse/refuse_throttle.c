/* SPDX-License-Identifier: Apache-2.0 */
/* Every error that throttle.h documents, named function_code; -ENOMEM is fault_io's. */
#include "unit.h"

#include <libvirtcore/throttle.h>

#include <errno.h>

static struct vc_throttle *throttle;

static int create_with(struct vc_throttle_config cfg)
{
	cfg.size = sizeof(cfg);
	return vc_throttle_create(&cfg, &throttle);
}

static void create_einval(void **state)
{
	struct vc_throttle_config cfg = { .size = sizeof(cfg) };

	(void)state;
	assert_refused(vc_throttle_create(NULL, &throttle), -EINVAL, "");
	assert_refused(vc_throttle_create(&cfg, NULL), -EINVAL, "ret_throttle");
	assert_refused(create_with((struct vc_throttle_config){ .ops_per_s = 1000000001 }), -EINVAL,
		       "1000000001 operations a second are too many");
	assert_refused(create_with((struct vc_throttle_config){ .bytes_per_s = 1000000000001 }),
		       -EINVAL, "bytes a second are too many");
	assert_refused(create_with((struct vc_throttle_config){ .ops_burst = 1 }), -EINVAL,
		       "a burst of 1 operations");
	assert_refused(
		create_with((struct vc_throttle_config){ .bytes_per_s = 1, .bytes_burst = 3601 }),
		-EINVAL, "more than an hour's");
	assert_null(throttle);
}

static void create_e2big(void **state)
{
	struct {
		struct vc_throttle_config known;
		uint64_t unknown;
	} cfg = { .known.size = sizeof(cfg), .unknown = 1 };

	(void)state;
	assert_refused(vc_throttle_create(&cfg.known, &throttle), -E2BIG, "newer version");
	assert_null(throttle);
}

static void set_einval_e2big(void **state)
{
	struct {
		struct vc_throttle_config known;
		uint64_t unknown;
	} newer = { .known.size = sizeof(newer), .unknown = 1 };
	struct vc_throttle_config cfg = { .size = sizeof(cfg) };

	(void)state;
	assert_result(vc_throttle_create(&cfg, &throttle), 0);
	assert_refused(vc_throttle_set(NULL, &cfg), -EINVAL, "throttle is needed");
	assert_refused(vc_throttle_set(throttle, NULL), -EINVAL, "");
	assert_refused(vc_throttle_set(throttle, &newer.known), -E2BIG, "newer version");
	cfg.bytes_burst = 1;
	assert_refused(vc_throttle_set(throttle, &cfg), -EINVAL, "hour");
	vc_throttle_destroy(throttle);
	throttle = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_einval),
		cmocka_unit_test(create_e2big),
		cmocka_unit_test(set_einval_e2big),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
