/* SPDX-License-Identifier: Apache-2.0 */
/* Copies for O_DIRECT: the buffers, and gathering and scattering over any cut of an iovec. */
#include "block_unit.h"

#include "blk_file.h"

static void buffers(void **state)
{
	void *bufs[VC__BOUNCE_NR];
	struct vc__bounce bounce;

	(void)state;
	assert_int_equal(vc__bounce_init(&bounce), 0);
	for (unsigned int i = 0; i < VC__BOUNCE_NR; i++) {
		bufs[i] = vc__bounce_take(&bounce);
		assert_non_null(bufs[i]);
		assert_int_equal((uintptr_t)bufs[i] % 4096, 0);
		memset(bufs[i], (int)i, VC__BOUNCE_BYTES);
	}
	assert_null(vc__bounce_take(&bounce));
	vc__bounce_give(&bounce, bufs[3]);
	assert_ptr_equal(vc__bounce_take(&bounce), bufs[3]);
	for (unsigned int i = 0; i < VC__BOUNCE_NR; i++) {
		assert_int_equal(((char *)bufs[i])[VC__BOUNCE_BYTES - 1], (int)i);
		vc__bounce_give(&bounce, bufs[i]);
	}
	vc__bounce_fini(&bounce);
	vc__bounce_fini(&bounce);
}

#define LEN 100u

static void every_cut(void **state)
{
	char from[LEN], to[LEN + 1], buf[LEN + 1];
	struct vc_block_request req = { .len = LEN };
	struct iovec iov[4];

	(void)state;
	for (unsigned int i = 0; i < LEN; i++)
		from[i] = (char)i;
	req.iov = iov;
	req.nr_iov = ARRAY_LEN(iov);
	for (unsigned int a = 0; a <= LEN; a += 3)
		for (unsigned int b = a; b <= LEN; b += 5)
			for (unsigned int off = 0; off < LEN; off += 7) {
				unsigned int len = (LEN - off + 1) / 2;

				iov[0] = (struct iovec){ from, a };
				iov[1] = (struct iovec){ from + a, 0 };
				iov[2] = (struct iovec){ from + a, b - a };
				iov[3] = (struct iovec){ from + b, LEN - b };
				memset(buf, -1, sizeof(buf));
				vc__bounce_gather(buf, &req, off, len);
				assert_memory_equal(buf, from + off, len);
				assert_int_equal(buf[len], -1);
				iov[0].iov_base = to;
				iov[2].iov_base = to + a;
				iov[3].iov_base = to + b;
				memset(to, -1, sizeof(to));
				vc__bounce_scatter(buf, &req, off, len);
				assert_memory_equal(to + off, from + off, len);
				assert_int_equal(to[off + len], -1);
				assert_true(off == 0 || to[off - 1] == -1);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffers),
		cmocka_unit_test(every_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
