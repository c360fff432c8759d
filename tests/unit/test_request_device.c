/* SPDX-License-Identifier: Apache-2.0 */
/* What the devices that only ask share: creation, names, state of their latches. */
#include "device_unit.h"

#include "request_device.h"

static void nothing(struct vc_device *dev, struct vc_access *access)
{
	(void)dev;
	(void)access;
}

static const struct vc_device_ops ops = {
	.type = "asker",
	.access = nothing,
	.reset = vc__request_device_reset,
	.save = vc__request_device_save,
	.load = vc__request_device_load,
	.destroy = vc__request_device_destroy,
};

static void keeps_latches(void **state)
{
	struct wishes wishes = { 0 };
	struct vc_request_config cfg = { .size = sizeof(cfg),
					 .fn = record_wish,
					 .opaque = &wishes };
	struct vc__request_device *a, *b;
	uint8_t buf[PAYLOAD_MAX];
	size_t len;

	(void)state;
	assert_result(vc__request_device_create(&cfg, &ops, &a), 0);
	assert_string_equal(a->dev.name, "asker");
	cfg.name = "other";
	assert_result(vc__request_device_create(&cfg, &ops, &b), 0);
	assert_string_equal(b->dev.name, "other");
	a->masks[0] = b->masks[0] = 0x0f;
	a->masks[1] = b->masks[1] = 0xf0;
	a->latches[0] = 0x05;
	a->latches[1] = 0xa0;
	len = save_payload(&a->dev, buf, sizeof(buf));
	assert_int_equal(len, 2);
	assert_result(load_payload(&b->dev, 1, buf, len), 0);
	assert_int_equal(b->latches[0], 0x05);
	assert_int_equal(b->latches[1], 0xa0);
	refuse_byte(&b->dev, buf, len, 0, 0x10);
	refuse_byte(&b->dev, buf, len, 1, 0x01);
	refuse_shapes(&b->dev);
	vc_device_reset(&a->dev);
	assert_int_equal(a->latches[0] | a->latches[1], 0);
	assert_int_equal(wishes.nr, 0);
	vc_device_destroy(&a->dev);
	vc_device_destroy(&b->dev);
}

typedef int (*create_fn)(const struct vc_request_config *cfg, struct vc_device **ret_dev);

static void refuses(void **state)
{
	static const create_fn creates[] = { vc_i8042_create, vc_pm_create, vc_debug_exit_create,
					     vc_pvpanic_create };
	struct {
		struct vc_request_config cfg;
		uint64_t newer;
	} c = { .newer = 1 };
	struct vc_device *dev = (struct vc_device *)&c;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(creates); i++) {
		c.cfg = (struct vc_request_config){ .size = sizeof(c.cfg), .fn = record_wish };
		assert_int_equal(creates[i](NULL, &dev), -EINVAL);
		assert_int_equal(creates[i](&c.cfg, NULL), -EINVAL);
		c.cfg.fn = NULL;
		assert_refused(creates[i](&c.cfg, &dev), -EINVAL, "fn");
		c.cfg.fn = record_wish;
		c.cfg.name = "";
		assert_refused(creates[i](&c.cfg, &dev), -EINVAL, "name");
		c.cfg.name = NULL;
		c.cfg.size = sizeof(c);
		assert_int_equal(creates[i](&c.cfg, &dev), -E2BIG);
		c.cfg.size = 1;
		assert_int_equal(creates[i](&c.cfg, &dev), -EINVAL);
		assert_ptr_equal(dev, &c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_latches),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
