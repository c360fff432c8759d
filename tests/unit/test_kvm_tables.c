/* SPDX-License-Identifier: Apache-2.0 */
/* What a KVM host says of its CPUID leaves and MSRs, and that it is asked once. */
#include "cpu_fixture.h"

#include "backend.h"

static void test_host_tables(void **state)
{
	const struct vc__cpuid_leaf *leaves = NULL, *again = NULL;
	struct vc_host *host = open_host();
	bool has_lapic = false;
	size_t nr = 0;

	(void)state;
	assert_result(vc__host_cpuid(host, &leaves, &nr), 0);
	assert_true(nr > 10 && nr <= VC__CPUID_LEAVES_MAX);
	for (size_t i = 0; i < nr; i++)
		has_lapic |= leaves[i].function == 1 && leaves[i].edx & 1u << 9;
	assert_true(has_lapic);
	assert_result(vc__host_cpuid(host, &again, &nr), 0);
	assert_ptr_equal(leaves, again); /* asked once */
	assert_result(vc__host_load(host, VC__TABLE_MSRS), 0);
	assert_true(host->nr_msrs > 10);
	vc_host_close(host);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_tables),
	};
	int skip = rig_skip();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
