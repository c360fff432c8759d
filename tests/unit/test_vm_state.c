/* SPDX-License-Identifier: Apache-2.0 */
/* Saving and loading a whole VM: the same bytes again, other machines and broken streams refused. */
#include "vm_fixture.h"

struct stream {
	struct vc_state_writer *writer;
	const void *buf;
	size_t len;
};

static void pause_vm(struct fixture *f)
{
	assert_result(vc_vm_start(f->vm), 0);
	assert_result(vc_vm_pause(f->vm), 0);
}

static void save(struct fixture *f, struct stream *ret)
{
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &ret->writer), 0);
	assert_result(vc_vm_save(f->vm, ret->writer), 0);
	assert_result(vc_state_finish(ret->writer, &ret->buf, &ret->len), 0);
}

/* A usual VM, paused: something to save. */
static void make_paused(struct fixture *f)
{
	struct vc_vm_config cfg = basic_config();

	open_host(f, NULL, 0);
	build_vm(f, &cfg);
	pause_vm(f);
}

/* The same, built: something to load into. */
static void make_built(struct fixture *f)
{
	struct vc_vm_config cfg = basic_config();

	open_host(f, NULL, 0);
	build_vm(f, &cfg);
}

static int load(struct fixture *f, const void *buf, size_t len)
{
	struct vc_state_reader *reader;
	int r = vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader);

	if (r < 0)
		return r;
	r = vc_vm_load(f->vm, reader);
	vc_state_reader_destroy(reader);
	return r;
}

static void round_trip(void **state)
{
	struct stream first, second;
	struct fixture a, b;

	(void)state;
	make_paused(&a);
	save(&a, &first);
	make_built(&b);
	assert_result(load(&b, first.buf, first.len), 0);
	assert_int_equal(vc_vm_get_state(b.vm), VC_VM_BUILT);
	pause_vm(&b);
	save(&b, &second);
	assert_true(first.len > 200);
	assert_int_equal(first.len, second.len);
	vc_state_writer_destroy(first.writer);
	vc_state_writer_destroy(second.writer);
	close_all(&a);
	close_all(&b);
}

static void another_machine_is_refused(void **state)
{
	struct vc_vm_config cfg = basic_config(), other = basic_config();
	struct stream stream;
	struct fixture a, b;

	(void)state;
	make_paused(&a);
	save(&a, &stream);
	open_host(&b, NULL, 0);
	other.nr_vcpus = 2;
	build_vm(&b, &other);
	assert_refused(load(&b, stream.buf, stream.len), -EXDEV, "number of vCPUs is 1");
	assert_int_equal(vc_vm_get_state(b.vm), VC_VM_BUILT);
	vc_vm_destroy(b.vm);
	other = basic_config();
	other.has_pit = true;
	build_vm(&b, &other);
	assert_refused(load(&b, stream.buf, stream.len), -EXDEV, "PIT is 0");
	vc_vm_destroy(b.vm);
	make_vm(&b, &cfg);
	assert_result(vc_vm_add_platform(b.vm, VC_PLATFORM_I8042), 0);
	assert_result(vc_vm_build(b.vm), 0);
	assert_refused(load(&b, stream.buf, stream.len), -EXDEV, "platform devices");
	vc_state_writer_destroy(stream.writer);
	close_all(&a);
	close_all(&b);
}

static void broken_streams_are_refused(void **state)
{
	struct stream stream;
	struct fixture a, b;

	(void)state;
	make_paused(&a);
	save(&a, &stream);
	make_built(&b);
	uint8_t *copy = malloc(stream.len);
	assert_non_null(copy);
	for (size_t i = 0; i < stream.len; i += 7) {
		memcpy(copy, stream.buf, stream.len);
		copy[i] ^= 0x10;
		assert_true(load(&b, copy, stream.len) < 0);
		assert_int_equal(vc_vm_get_state(b.vm), VC_VM_BUILT);
	}
	/* After every refusal it can still be loaded. */
	assert_result(load(&b, stream.buf, stream.len), 0);
	free(copy);
	vc_state_writer_destroy(stream.writer);
	close_all(&a);
	close_all(&b);
}

static void unknown_sections_are_refused(void **state)
{
	struct stream stream;
	struct fixture a, b;

	(void)state;
	make_paused(&a);
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &stream.writer), 0);
	assert_result(vc_vm_save(a.vm, stream.writer), 0);
	assert_result(vc_state_begin(stream.writer, "stranger", 1), 0);
	assert_result(vc_state_end(stream.writer), 0);
	assert_result(vc_state_finish(stream.writer, &stream.buf, &stream.len), 0);
	make_built(&b);
	assert_true(load(&b, stream.buf, stream.len) < 0);
	assert_non_null(strstr(vc_error_message(), "stranger"));
	vc_state_writer_destroy(stream.writer);
	close_all(&a);
	close_all(&b);
}

static void states(void **state)
{
	struct vc_vm_config cfg = basic_config();
	struct vc_state_writer *writer;
	struct stream stream;
	struct fixture f;

	(void)state;
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	open_host(&f, NULL, 0);
	make_vm(&f, &cfg);
	assert_refused(vc_vm_save(f.vm, writer), -EBUSY, "new");
	assert_result(vc_vm_build(f.vm), 0);
	assert_refused(vc_vm_save(f.vm, writer), -EBUSY, "built");
	assert_refused(vc_vm_save(NULL, writer), -EINVAL, "needed");
	assert_refused(vc_vm_save(f.vm, NULL), -EINVAL, "needed");
	assert_refused(vc_vm_load(f.vm, NULL), -EINVAL, "needed");
	pause_vm(&f);
	save(&f, &stream);
	assert_refused(load(&f, stream.buf, stream.len), -EBUSY, "paused");
	vc_state_writer_destroy(stream.writer);
	vc_state_writer_destroy(writer);
	close_all(&f);
}

/* A VM that took half of a stream is not started, until a whole one was loaded. */
static void half_loaded_is_not_started(void **state)
{
	struct vc_state_writer *writer;
	struct stream whole, more;
	struct fixture a, b;

	(void)state;
	make_paused(&a);
	save(&a, &whole);
	assert_result(vc_state_writer_create(VC_ARCH_X86_64, &writer), 0);
	assert_result(vc_vm_save(a.vm, writer), 0);
	assert_result(vc_state_begin(writer, "stranger", 1), 0);
	assert_result(vc_state_end(writer), 0);
	assert_result(vc_state_finish(writer, &more.buf, &more.len), 0);
	make_built(&b);
	assert_refused(load(&b, more.buf, more.len), -EBADMSG, "stranger");
	assert_refused(vc_vm_start(b.vm), -EBUSY, "half-way");
	assert_result(load(&b, whole.buf, whole.len), 0);
	pause_vm(&b);
	vc_state_writer_destroy(writer);
	vc_state_writer_destroy(whole.writer);
	close_all(&a);
	close_all(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(another_machine_is_refused),
		cmocka_unit_test(broken_streams_are_refused),
		cmocka_unit_test(unknown_sections_are_refused),
		cmocka_unit_test(states),
		cmocka_unit_test(half_loaded_is_not_started),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
