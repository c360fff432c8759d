/* SPDX-License-Identifier: Apache-2.0 */
static void refuses(void **state)
{
	assert_refused(vc_bad_get(), -EINVAL, "text");
	assert_int_equal(vc_other_get(), -EEXIST);
	vc_bad_get(); /* -EBUSY */
}
