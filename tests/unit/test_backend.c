/* SPDX-License-Identifier: Apache-2.0 */
/* The table of back ends: what is built in is found, complete, and true to its capabilities. */
#include "unit.h"

#include "backend.h"

static void test_find(void **state)
{
	(void)state;
	assert_ptr_equal(vc__backend_find(VC_BACKEND_KVM), &vc__backend_kvm);
	assert_ptr_equal(vc__backend_find(VC_BACKEND_FAKE), &vc__backend_fake);
	assert_null(vc__backend_find(VC_BACKEND_AUTO));
	assert_null(vc__backend_find((enum vc_backend)99));
}

static void test_mandatory_slots(void **state)
{
	static const enum vc_backend all[] = { VC_BACKEND_KVM, VC_BACKEND_FAKE };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		const struct vc__backend_ops *ops = vc__backend_find(all[i]);

		assert_int_equal(ops->backend, all[i]);
		assert_true(ops->host_bytes >= sizeof(struct vc_host));
		assert_true(ops->partition_bytes >= sizeof(struct vc_partition));
		assert_true(ops->vcpu_bytes >= sizeof(struct vc_vcpu));
		assert_true(ops->host_open && ops->host_close && ops->host_load);
		assert_true(ops->partition_create && ops->partition_destroy);
		assert_true(ops->vcpu_create && ops->vcpu_destroy && ops->vcpu_bind);
		assert_true(ops->vcpu_run && ops->vcpu_wake);
		assert_true(ops->vcpu_get && ops->vcpu_set && ops->vcpu_msrs);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_mandatory_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
