/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile state stream loaded into a whole VM on the fake back end. The input says what is done to
 * a stream that a VM of the same shape has saved: bytes replaced, cut off, put in (checksums are made
 * right again, so that the values come through); or it is taken for a stream as it is. Whatever
 * comes, the VM stays BUILT, and can be started, saved again, and destroyed.
 *
 * Input: byte 0: bit 0 = raw stream, bits 1-2 = irqchip, bits 3-7 = 0: run the VM afterwards; then
 * raw bytes, or records of 4 bytes: offset (16 bits), operation and value.
 */
#include <libvirtcore/fake.h>
#include <libvirtcore/implement.h>
#include <libvirtcore/libvirtcore.h>
#include <libvirtcore/snapshot.h>

#include "state.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORD 4u

static void must(bool holds)
{
	if (!holds)
		abort();
}

static struct vc_vm *make_vm(struct vc_host *host, enum vc_irqchip irqchip)
{
	struct vc_vm_config cfg = {
		.size = sizeof(cfg), .nr_vcpus = 1, .irqchip = irqchip, .runner = VC_RUNNER_CALLER
	};
	struct vc_region_config ram = { .size = sizeof(ram), .len_bytes = 1 << 20 };
	struct vc_vm *vm = NULL;

	must(vc_vm_create(host, &cfg, &vm) == 0);
	must(vc_vm_add_ram(vm, &ram, 0) == 0);
	must(vc_vm_add_serial(vm, NULL) == 0);
	must(vc_vm_add_platform(vm, VC_PLATFORM_RTC | VC_PLATFORM_I8042 | VC_PLATFORM_PM |
					    VC_PLATFORM_DEBUG_EXIT | VC_PLATFORM_PVPANIC) == 0);
	must(vc_vm_build(vm) == 0);
	return vm;
}

/* What a VM of this shape saves; to be freed. */
static uint8_t *save(struct vc_vm *vm, size_t *ret_len)
{
	struct vc_state_writer *w = NULL;
	const void *buf;
	uint8_t *copy;

	must(vc_vm_start(vm) == 0);
	must(vc_vm_pause(vm) == 0);
	must(vc_state_writer_create(VC_ARCH_X86_64, &w) == 0);
	must(vc_vm_save(vm, w) == 0);
	must(vc_state_finish(w, &buf, ret_len) == 0);
	copy = malloc(*ret_len);
	must(copy != NULL);
	memcpy(copy, buf, *ret_len);
	vc_state_writer_destroy(w);
	return copy;
}

/* Makes the checksums of every section right, at the places where they are in @pristine. */
static void sign(uint8_t *buf, const uint8_t *pristine, size_t len)
{
	size_t off = VC__STATE_HEADER_BYTES;

	vc__le_store(buf + 16, vc_crc32c_update(0, buf, 16), 4);
	while (off < len) {
		size_t head = VC__STATE_SECTION_BYTES + vc__le_load(pristine + off + 8, 2);
		size_t payload = vc__le_load(pristine + off + 16, 8);
		const uint8_t *at = buf + off + head + 4;

		vc__le_store(buf + off + 12, vc_crc32c_update(0, at, payload), 4);
		vc__le_store(buf + off + head, vc_crc32c_update(0, buf + off, head), 4);
		off += head + 4 + payload;
	}
}

static void change(uint8_t *buf, size_t len, const uint8_t *ops, size_t nr_ops)
{
	for (; nr_ops >= RECORD; ops += RECORD, nr_ops -= RECORD) {
		size_t at = (ops[0] | (size_t)ops[1] << 8) % len;

		if (ops[2] & 1)
			buf[at] = ops[3];
		else
			buf[at] ^= (uint8_t)(1u << (ops[3] & 7));
	}
}

/* VMs that are loaded again and again, as the interface allows, and what a fresh one saves. */
struct shape {
	struct vc_vm *vm;
	uint8_t *pristine;
	size_t len;
	int loaded; /* what the last load gave */
};

static struct shape *get_shape(unsigned int idx)
{
	static const enum vc_irqchip chips[] = { VC_IRQCHIP_NONE, VC_IRQCHIP_KERNEL,
						 VC_IRQCHIP_SPLIT, VC_IRQCHIP_KERNEL };
	static struct shape shapes[4];
	static struct vc_host *host;
	struct vc_host_config cfg = { .size = sizeof(cfg), .backend = VC_BACKEND_FAKE };
	struct shape *shape = &shapes[idx];

	if (host == NULL)
		must(vc_host_open(&cfg, &host) == 0);
	if (shape->vm == NULL)
		shape->vm = make_vm(host, chips[idx]);
	if (shape->pristine == NULL) {
		shape->pristine = save(shape->vm, &shape->len);
		vc_vm_destroy(shape->vm);
		shape->vm = make_vm(host, chips[idx]);
	}
	return shape;
}

static void load(struct shape *shape, const uint8_t *buf, size_t len, bool is_pristine)
{
	struct vc_state_reader *reader = NULL;
	int r;

	if (vc_state_reader_create(buf, len, VC_ARCH_X86_64, &reader) < 0)
		return;
	r = vc_vm_load(shape->vm, reader);
	must(r == 0 || !is_pristine);
	must(r <= 0 && (r == 0 || vc_error_message()[0] != '\0'));
	must(vc_vm_get_state(shape->vm) == VC_VM_BUILT);
	vc_state_reader_destroy(reader);
	shape->loaded = r;
}

/*
 * Now and then, as the input says: a VM that was loaded runs and can be saved. One whose load failed
 * half-way does not start before it was loaded well, which it takes.
 */
static void use_up(struct shape *shape)
{
	size_t len;

	if (shape->loaded < 0)
		load(shape, shape->pristine, shape->len, true);
	free(save(shape->vm, &len));
	vc_vm_destroy(shape->vm);
	shape->vm = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct shape *shape;
	uint8_t *buf;
	size_t len;

	if (size < 1)
		return 0;
	shape = get_shape(data[0] >> 1 & 3);
	len = data[0] & 1 ? size - 1 : shape->len;
	buf = malloc(len ? len : 1);
	must(buf != NULL);
	memcpy(buf, data[0] & 1 ? data + 1 : shape->pristine, len);
	if (!(data[0] & 1)) {
		change(buf, len, data + 1, size - 1);
		sign(buf, shape->pristine, len);
	}
	load(shape, buf, len, size == 1 && !(data[0] & 1));
	if ((data[0] & 0xf8) == 0)
		use_up(shape);
	free(buf);
	return 0;
}
