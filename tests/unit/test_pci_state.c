/* SPDX-License-Identifier: Apache-2.0 */
/* The bridge's section: round trips, and every byte of it made bad. */
#include "pci_unit.h"

#define MAX 8192u

static struct vc_pci_function_config small_function(void)
{
	struct vc_pci_function_config cfg = usual_function();

	cfg.nr_vectors = 3;
	return cfg;
}

/* What a guest has set up, with one vector pending and INTx high. */
static void set_up(struct rig *rig, struct tester *t)
{
	place_bars(rig, 1);
	wr(rig, ENTRY(1, 1), 4, 0xfee01000);
	wr(rig, ENTRY(1, 1) + 8, 4, 0x61);
	set_msix(rig, 1, MSIX_CONTROL_ENABLED);
	assert_int_equal(vc_pci_function_raise(t->pci, 1), 1);
	assert_true(vc_pci_function_vector_fd(t->pci, 2) >= 0);
	assert_int_equal(eventfd_write(vc_pci_function_vector_fd(t->pci, 2), 1), 0);
	assert_result(vc_pci_function_set_intx(t->pci, true), 0);
}

static void goes_on_elsewhere(void **state)
{
	struct vc_pci_doorbell bell = { .size = sizeof(bell), .bar = 2, .len = 4 };
	struct vc_pci_function_config cfg = small_function();
	struct tester *a = make_tester("a", &cfg), *b = make_tester("a", &cfg);
	uint8_t buf[MAX], after[MAX];
	struct rig from, to;
	size_t len;

	(void)state;
	assert_true(vc_pci_function_add_doorbell(a->pci, &bell) >= 0);
	assert_true(vc_pci_function_add_doorbell(b->pci, &bell) >= 0);
	rig_make(&from);
	rig_make(&to);
	assert_result(vc_pci_bridge_attach(from.bridge, a->pci, 1), 0);
	assert_result(vc_pci_bridge_attach(to.bridge, b->pci, 1), 0);
	set_up(&from, a);
	len = save_payload(from.bridge, buf, sizeof(buf));
	assert_result(load_payload(to.bridge, 1, buf, len), 0);
	assert_int_equal(save_payload(to.bridge, after, sizeof(after)), len);
	assert_memory_equal(buf, after, len);
	expect_silence(&to);
	assert_true(vc_pci_function_is_master(b->pci));
	assert_true(vc_pci_function_has_msix(b->pci));
	assert_non_null(b->pci->doorbells[0].wired);
	assert_int_equal(rd(&to, BAR2(1) + 0x800, 8), 0x5a00000200000800);
	assert_int_equal(rd(&to, BAR2(1) + 0x1000 + 48, 8), 6); /* both wait */
	wr(&to, ENTRY(1, 1) + 12, 4, 0);
	expect_record(to.bed.partition, VC_FAKE_MSI, 0xfee01000, 0x61);
	set_msix(&to, 1, 0);
	expect_line(&to, 1, true);
	rig_free(&from);
	rig_free(&to);
	vc_device_destroy(&a->dev);
	vc_device_destroy(&b->dev);
}

/* An open vector with something pending, as a stream may say, is sent at once. */
static void open_and_pending(void **state)
{
	struct vc_pci_function_config cfg = small_function();
	uint8_t buf[MAX];
	struct tester *t;
	struct rig rig;
	size_t len;

	(void)state;
	rig_make(&rig);
	t = rig_add(&rig, "a", 1, &cfg);
	set_up(&rig, t);
	len = save_payload(rig.bridge, buf, sizeof(buf));
	/* from the end: pending bits, vectors 2 and 1 */
	buf[len - 8 - 16 - 4] = 0;
	assert_result(load_payload(rig.bridge, 1, buf, len), 0);
	expect_record(rig.bed.partition, VC_FAKE_MSI, 0xfee01000, 0x61);
	expect_silence(&rig);
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

/* A byte of another value is refused, or it is a value that the guest could have written itself. */
static void each_byte_flipped(void **state)
{
	struct vc_pci_function_config cfg = small_function();
	uint8_t good[MAX], bad[MAX], fresh[MAX], after[MAX];
	size_t len, at, nr_refused = 0;
	struct tester *t;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	t = rig_add(&rig, "a", 1, &cfg);
	len = save_payload(rig.bridge, fresh, sizeof(fresh));
	set_up(&rig, t);
	assert_int_equal(save_payload(rig.bridge, good, sizeof(good)), len);
	for (at = 0; at < len; at++)
		for (unsigned int bit = 0; bit < 8; bit++) {
			int r;

			memcpy(bad, good, len);
			bad[at] ^= (uint8_t)(1u << bit);
			r = load_payload(rig.bridge, 1, bad, len);
			assert_true(r == 0 || r == -EBADMSG);
			assert_int_equal(save_payload(rig.bridge, after, sizeof(after)), len);
			/* vectors that are open send: their pending bits go */
			if (r == 0)
				assert_memory_equal(after, bad, len - 8);
			else
				assert_memory_equal(after, fresh, len);
			nr_refused += r < 0;
		}
	assert_true(nr_refused > len * 5);
	rig_free(&rig);
	vc_device_destroy(&t->dev);
}

static void other_shapes(void **state)
{
	struct vc_pci_function_config cfg = small_function();
	uint8_t one[MAX], two[MAX], buf[MAX];
	size_t len_one, len_two, i;
	struct tester *a, *b;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	a = rig_add(&rig, "a", 1, &cfg);
	refuse_shapes(rig.bridge);
	len_one = save_payload(rig.bridge, one, sizeof(one));
	b = rig_add(&rig, "b", 2, &cfg);
	len_two = save_payload(rig.bridge, two, sizeof(two));
	assert_refused(load_payload(rig.bridge, 1, one, len_one), -EBADMSG, "2 functions");
	vc_device_destroy(&a->dev);
	assert_refused(load_payload(rig.bridge, 1, two, len_two), -EBADMSG, "3 functions");
	assert_refused(load_payload(rig.bridge, 1, one, len_one), -EBADMSG, "slot 1");
	for (i = 0; i < 5000; i++) {
		size_t len = i % (len_two + 1);

		memcpy(buf, two, len_two);
		buf[i * 7919 % len_two] ^= (uint8_t)i;
		assert_int_equal(load_payload(rig.bridge, 1, buf, len), -EBADMSG);
	}
	rig_free(&rig);
	vc_device_destroy(&b->dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_on_elsewhere),
		cmocka_unit_test(open_and_pending),
		cmocka_unit_test(each_byte_flipped),
		cmocka_unit_test(other_shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
