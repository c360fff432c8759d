/* SPDX-License-Identifier: Apache-2.0 */
VC_API int vc_bad_none(int a);

/**
 * vc_bad_param() - title.
 * @buf: bytes.
 * Context: any thread; does not block.
 * Returns: 0.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_bad_param(const void *buf, unsigned long len);

/**
 * vc_bad_extra() - title.
 * @buf: bytes.
 * @flags: none.
 * Context: any thread; does not block.
 * Returns: 0.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_bad_extra(const void *buf);

/**
 * vc_bad_context() - title.
 * Returns: 0.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_bad_context(void);

/**
 * vc_bad_since() - title.
 * Context: any thread; does not block.
 * Returns: 0.
 * Spec: none.
 */
VC_API int vc_bad_since(void);

/**
 * vc_bad_order() - title.
 * @b: second.
 * @a: first.
 * Context: any thread; does not block.
 * Returns: 0.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_bad_order(int a, int b);

/**
 * Some other title
 * Context: any thread; does not block.
 * Returns: 0.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_bad_title(void);

/**
 * vc_badname() - title.
 * Context: any thread; does not block.
 * Returns: 0.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_badname(void);

/**
 * vc_bad_thread() - title.
 * Context: does not block.
 * Returns: 0.
 * Spec: none.   Since: 0.1
 */
VC_API int vc_bad_thread(void);
