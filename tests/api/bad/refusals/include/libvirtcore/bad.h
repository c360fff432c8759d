/* SPDX-License-Identifier: Apache-2.0 */
/**
 * vc_bad_get() - title.
 * Context: any thread; does not block.
 * Returns: 0, or -EINVAL (tested), -EBUSY (not tested), -EEXIST (asserted of another function),
 *          -ENOMEM.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_bad_get(void);
