/* SPDX-License-Identifier: Apache-2.0 */
/* Every error that virtq.h documents, named function_code; -ENOMEM is fault_devices'. */
#include "virtq_unit.h"

#include <libvirtcore/snapshot.h>

static void make(struct pair *p)
{
	struct driver_config cfg = { .nr = 4 };

	pair_make(p, &cfg);
}

/* One request in the device's hands. */
static struct vc_virtq_chain pop(struct pair *p)
{
	struct driver_buf buf = { DATA_GPA, 8, true };
	struct vc_virtq_chain chain = { .slices = p->slices, .max_slices = MAX_SLICES };

	assert_true(driver_add(&p->driver, &buf, 1) >= 0);
	(void)driver_publish(&p->driver);
	assert_result(vc_virtq_pop(p->vq, &chain), 1);
	return chain;
}

static void create_einval_e2big(void **state)
{
	struct {
		struct vc_virtq_config cfg;
		uint64_t newer;
	} c = { .cfg = { .size = sizeof(c), .max_size = 4 }, .newer = 1 };
	struct vc_virtq *vq = NULL;
	struct pair p;

	(void)state;
	make(&p);
	assert_refused(vc_virtq_create(NULL, &vq), -EINVAL, "NULL");
	assert_refused(vc_virtq_create(&c.cfg, &vq), -E2BIG, "newer");
	c.newer = 0;
	assert_refused(vc_virtq_create(&c.cfg, &vq), -EINVAL, "mem");
	c.cfg.mem = p.mem;
	assert_refused(vc_virtq_create(&c.cfg, NULL), -EINVAL, "ret_vq");
	c.cfg.max_size = 0;
	assert_refused(vc_virtq_create(&c.cfg, &vq), -EINVAL, "max_size is 0");
	c.cfg.max_size = VC_VIRTQ_SIZE_MAX + 1;
	assert_refused(vc_virtq_create(&c.cfg, &vq), -EINVAL, "1 to 32768");
	assert_null(vq);
	pair_drop(&p);
}

static void enable_einval_ebusy_e2big_efault(void **state)
{
	struct {
		struct vc_virtq_layout layout;
		uint64_t newer;
	} l = { .newer = 1 };
	struct pair p;

	(void)state;
	make(&p);
	assert_refused(vc_virtq_enable(p.vq, NULL), -EINVAL, "NULL");
	assert_refused(vc_virtq_enable(NULL, &p.layout), -EINVAL, "queue");
	assert_refused(vc_virtq_enable(p.vq, &p.layout), -EBUSY, "enabled");
	l.layout = p.layout;
	l.layout.size = sizeof(l);
	assert_refused(vc_virtq_enable(p.vq, &l.layout), -E2BIG, "newer");
	vc_virtq_disable(p.vq);
	p.layout.device++;
	assert_int_equal(vc_virtq_enable(p.vq, &p.layout), -EFAULT);
	assert_int_equal(vc_virtq_get_fault(p.vq), VC_VIRTQ_BAD_RING);
	pair_drop(&p);
}

static void pop_eio(void **state)
{
	struct pair p;

	(void)state;
	make(&p);
	vc_virtq_break(p.vq, VC_VIRTQ_BAD_REQUEST);
	assert_int_equal(vc_virtq_pop(p.vq, &(struct vc_virtq_chain){ 0 }), -EIO);
	pair_drop(&p);
}

static void push_einval_eio_estale(void **state)
{
	struct vc_virtq_chain chain;
	struct pair p;

	(void)state;
	make(&p);
	chain = pop(&p);
	assert_refused(vc_virtq_push(p.vq, &chain, 9), -EINVAL, "9 bytes");
	vc_virtq_break(p.vq, VC_VIRTQ_BAD_REQUEST);
	assert_int_equal(vc_virtq_push(p.vq, &chain, 8), -EIO);
	assert_refused(vc_virtq_push(p.vq, &chain, 8), -EINVAL, "not in flight");
	vc_virtq_disable(p.vq);
	driver_restart(&p.driver);
	assert_result(vc_virtq_enable(p.vq, &p.layout), 0);
	chain = pop(&p);
	vc_virtq_disable(p.vq);
	assert_int_equal(vc_virtq_push(p.vq, &chain, 8), -ESTALE);
	pair_drop(&p);
}

static void save_einval_ebusy(void **state)
{
	struct vc_state_writer *writer;
	struct vc_virtq_chain chain;
	struct pair p;

	(void)state;
	make(&p);
	chain = pop(&p);
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_refused(vc_virtq_save(NULL, writer), -EINVAL, "queue");
	assert_refused(vc_virtq_save(p.vq, NULL), -EINVAL, "writer");
	assert_refused(vc_virtq_save(p.vq, writer), -EBUSY, "in flight");
	assert_result(vc_virtq_push(p.vq, &chain, 0), 0);
	vc_state_writer_destroy(writer);
	pair_drop(&p);
}

static void load_einval_ebusy_ebadmsg(void **state)
{
	struct vc_state_writer *writer;
	struct vc_state_reader *reader;
	const void *bytes;
	uint32_t version;
	struct pair p;
	size_t len;

	(void)state;
	make(&p);
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_state_begin(writer, "q", 1), 0);
	vc_state_put_u64(writer, 2, 1);
	assert_result(vc_state_end(writer), 0);
	assert_result(vc_state_finish(writer, &bytes, &len), 0);
	assert_result(vc_state_reader_create(bytes, len, VC_ARCH_X86_64, &reader), 0);
	assert_result(vc_state_open(reader, "q", 1, &version), 0);
	assert_refused(vc_virtq_load(NULL, reader), -EINVAL, "queue");
	assert_refused(vc_virtq_load(p.vq, NULL), -EINVAL, "reader");
	assert_refused(vc_virtq_load(p.vq, reader), -EBUSY, "enabled");
	vc_virtq_disable(p.vq);
	assert_refused(vc_virtq_load(p.vq, reader), -EBADMSG, "impossible value");
	assert_refused(vc_virtq_load(p.vq, reader), -EBADMSG, "ends");
	vc_state_reader_destroy(reader);
	vc_state_writer_destroy(writer);
	pair_drop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_einval_e2big),
		cmocka_unit_test(enable_einval_ebusy_e2big_efault),
		cmocka_unit_test(pop_eio),
		cmocka_unit_test(push_einval_eio_estale),
		cmocka_unit_test(save_einval_ebusy),
		cmocka_unit_test(load_einval_ebusy_ebadmsg),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
