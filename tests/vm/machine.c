/* SPDX-License-Identifier: Apache-2.0 */
/* The machine around a small guest; see machine.h. */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint32_t nr_skipped;

void need_kvm(void)
{
	struct vc_host_config cfg = { .size = sizeof(cfg), .backend = VC_BACKEND_KVM };
	struct vc_host *host;

	if (vc_host_open(&cfg, &host) < 0) {
		printf("SKIP all cases: %s\n", vc_error_message());
		exit(77);
	}
	vc_host_close(host);
}

bool is_in_lab(void)
{
	return getenv("LAB_BED") != NULL;
}

void skip_case(const char *why)
{
	printf("SKIP: %s\n", why);
	nr_skipped++;
	skip();
}

int end_program(int failed)
{
	if (nr_skipped > 0)
		printf("%u cases skipped\n", nr_skipped);
	return failed;
}

uint64_t now_ms(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000 + (uint64_t)at.tv_nsec / 1000000;
}

static ssize_t console_write(void *opaque, const void *buf, size_t len)
{
	struct console *c = opaque;

	pthread_mutex_lock(&c->lock);
	if (c->len + len + 1 > c->max) {
		size_t max = 2 * c->max + len + 256;
		char *text = max <= MIB(1) ? realloc(c->text, max) : NULL;

		c->text = text != NULL ? text : c->text;
		c->max = text != NULL ? max : c->max;
	}
	if (c->len + len + 1 <= c->max) {
		memcpy(c->text + c->len, buf, len);
		c->len += len;
		c->text[c->len] = '\0';
	} else {
		c->nr_lost += len;
	}
	pthread_cond_broadcast(&c->grown);
	pthread_mutex_unlock(&c->lock);
	return (ssize_t)len;
}

static const struct vc_stream_ops console_ops = { .write = console_write };

size_t console_wait(struct machine *m, const char *text)
{
	struct console *c = &m->console;
	struct timespec at;
	const char *found;
	size_t pos = 0;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += WAIT_MS / 1000;
	pthread_mutex_lock(&c->lock);
	while ((found = c->text != NULL ? strstr(c->text, text) : NULL) == NULL)
		if (pthread_cond_timedwait(&c->grown, &c->lock, &at) != 0)
			break;
	if (found != NULL)
		pos = (size_t)(found - c->text) + strlen(text);
	else
		print_error("console lacks \"%s\": %s\n", text, c->text ? c->text : "");
	pthread_mutex_unlock(&c->lock);
	assert_true(pos > 0);
	return pos;
}

bool console_has(struct machine *m, const char *text)
{
	bool has;

	pthread_mutex_lock(&m->console.lock);
	has = m->console.text != NULL && strstr(m->console.text, text) != NULL;
	pthread_mutex_unlock(&m->console.lock);
	return has;
}

uint64_t console_number(struct machine *m, const char *key)
{
	const char *at, *last = NULL;
	uint64_t value = 0;

	pthread_mutex_lock(&m->console.lock);
	for (at = m->console.text; at && (at = strstr(at, key)) != NULL; at++)
		last = at + strlen(key);
	if (last != NULL)
		value = strtoull(last, NULL, 0);
	else
		print_error("console lacks \"%s\": %s\n", key, m->console.text);
	pthread_mutex_unlock(&m->console.lock);
	assert_non_null(last);
	return value;
}

static void box_access(struct vc_device *dev, struct vc_access *a)
{
	struct box *box = vc_container_of(dev, struct box, dev);
	uint64_t state;

	if (a->range == 1) {
		if (a->is_write)
			box->last_ack = a->value;
		if (box->acked != NULL)
			box->acked(box->opaque, a);
		return;
	}
	box->sum = guest_sum(box->sum, a->range << 24 | (uint64_t)a->is_write << 16 | a->size);
	box->sum = guest_sum(box->sum, a->off);
	state = box->sum;
	if (a->is_write) {
		box->sum = guest_sum(box->sum, a->value);
	} else {
		a->value = guest_prng(&state);
		if (a->size < 8)
			a->value &= (1ull << (8 * a->size)) - 1;
		box->read_sum = guest_sum(box->read_sum, a->value);
	}
	box->nr++;
	box->nr_seen[a->range == 2][a->size]++;
	if (box->accessed != NULL)
		box->accessed(box->opaque);
}

static void box_reset(struct vc_device *dev)
{
	struct box *box = vc_container_of(dev, struct box, dev);

	box->sum = box->read_sum = GUEST_SUM_INIT;
	box->nr = 0;
	box->nr_resets++;
}

static int box_save(struct vc_device *dev, struct vc_state_writer *writer)
{
	struct box *box = vc_container_of(dev, struct box, dev);
	int r = vc_state_begin(writer, "box", 1);

	if (r < 0)
		return r;
	vc_state_put_u64(writer, box->sum, 8);
	vc_state_put_u64(writer, box->read_sum, 8);
	vc_state_put_u64(writer, box->nr, 8);
	return vc_state_end(writer);
}

static int box_load(struct vc_device *dev, struct vc_state_reader *reader)
{
	struct box *box = vc_container_of(dev, struct box, dev);
	uint32_t version;
	int r = vc_state_open(reader, "box", 1, &version);

	if (r < 0)
		return r;
	box->sum = vc_state_get_u64(reader, 8);
	box->read_sum = vc_state_get_u64(reader, 8);
	box->nr = vc_state_get_u64(reader, 8);
	return vc_state_close(reader);
}

static void box_destroy(struct vc_device *dev)
{
	vc_device_fini(dev);
}

static const struct vc_device_ops box_ops = { .type = "box",
					      .access = box_access,
					      .reset = box_reset,
					      .save = box_save,
					      .load = box_load,
					      .destroy = box_destroy };

static void add_devices(struct machine *m, const struct machine_config *cfg)
{
	static const struct vc_place places[] = { { VC_SPACE_PIO, BOX_PORT, 8, 0 },
						  { VC_SPACE_PIO, BOX_ACK, 8, 1 },
						  { VC_SPACE_MMIO, BOX_ADDR, BOX_BYTES, 2 } };
	const uint32_t platform = VC_PLATFORM_RTC | VC_PLATFORM_I8042 | VC_PLATFORM_PM |
				  VC_PLATFORM_DEBUG_EXIT | VC_PLATFORM_PVPANIC;
	struct vc_stream_config scfg = { .size = sizeof(scfg),
					 .kind = VC_STREAM_OPS,
					 .ops = &console_ops,
					 .opaque = &m->console };
	struct vc_stream *stream;

	assert_result(vc_stream_open(&scfg, &stream), 0);
	assert_result(vc_vm_add_serial(m->vm, stream), 0);
	assert_result(vc_vm_add_platform(m->vm, platform & ~cfg->no_platform), 0);
	assert_result(vc_device_init(&m->box.dev, &box_ops, "box"), 0);
	box_reset(&m->box.dev);
	assert_result(vc_vm_add_device(m->vm, &m->box.dev, places, ARRAY_LEN(places)), 0);
	if (cfg->is_fixture_irq)
		assert_result(vc_vm_irq(m->vm, cfg->gsi, &m->irq), 0);
}

void machine_make(struct machine *m, const struct machine_config *cfg)
{
	struct vc_host_config host = { .size = sizeof(host), .backend = VC_BACKEND_KVM };
	struct vc_region_config ram = { .size = sizeof(ram),
					.len_bytes = cfg->ram_bytes ? cfg->ram_bytes : MIB(32) };
	struct vc_vm_config vm = cfg->vm;
	struct vc_boot_config boot = { .size = sizeof(boot), .cmdline = cfg->cmdline };
	char path[512];

	memset(m, 0, sizeof(*m));
	pthread_mutex_init(&m->console.lock, NULL);
	pthread_cond_init(&m->console.grown, NULL);
	assert_result(vc_host_open(&host, &m->host), 0);
	vm.size = sizeof(vm);
	vm.nr_vcpus = vm.nr_vcpus ? vm.nr_vcpus : 1;
	assert_result(vc_vm_create(m->host, &vm, &m->vm), 0);
	assert_result(vc_vm_add_ram(m->vm, &ram, 0), 0);
	add_devices(m, cfg);
	snprintf(path, sizeof(path), "%s/%s", GUESTS_DIR, cfg->guest);
	boot.kernel.path = path;
	assert_result(vc_vm_set_boot(m->vm, &boot), 0);
}

void machine_build(struct machine *m, const struct machine_config *cfg)
{
	machine_make(m, cfg);
	assert_result(vc_vm_build(m->vm), 0);
}

void machine_start(struct machine *m, const struct machine_config *cfg)
{
	machine_build(m, cfg);
	assert_result(vc_vm_start(m->vm), 0);
}

void machine_free(struct machine *m)
{
	vc_vm_destroy(m->vm);
	vc_host_close(m->host);
	pthread_cond_destroy(&m->console.grown);
	pthread_mutex_destroy(&m->console.lock);
	free(m->console.text);
	memset(m, 0, sizeof(*m));
}

static void say_line(void *opaque, const char *line)
{
	(void)opaque;
	print_error("  %s\n", line);
}

/* Says what the machine was about, for a case that is about to fail. */
static void say_state(struct machine *m)
{
	print_error("state %s, box %llu accesses, console: %s\n",
		    vc_vm_state_name(vc_vm_get_state(m->vm)), (unsigned long long)m->box.nr,
		    m->console.text ? m->console.text : "");
	(void)vc_vm_report_stats(m->vm, say_line, NULL);
	(void)vc_vm_stop(m->vm);
	(void)vc_vm_explain(m->vm, say_line, NULL);
}

struct vc_event machine_end(struct machine *m, enum vc_event_kind kind)
{
	struct vc_event event = { .size = sizeof(event), .kind = VC_EVENT_STOPPED };
	int r = vc_vm_wait(m->vm, WAIT_MS);

	if (r == 0)
		r = vc_vm_next_event(m->vm, &event) == 1 ? 0 : -ENOENT;
	if (r < 0 || event.kind != kind) {
		print_error("ended with %s: %s (wait gave %d)\n", vc_event_name(event.kind),
			    event.text, r);
		say_state(m);
	}
	assert_int_equal(r, 0);
	assert_int_equal(event.kind, kind);
	return event;
}

void machine_done(struct machine *m, uint64_t code)
{
	struct vc_event event = machine_end(m, VC_EVENT_DEBUG_EXIT);

	if (event.code != code)
		say_state(m);
	assert_int_equal(event.code, code);
}

void machine_run(const struct machine_config *cfg, const char *text)
{
	struct machine m;

	machine_start(&m, cfg);
	machine_done(&m, 0);
	if (!console_has(&m, text))
		say_state(&m);
	assert_true(console_has(&m, text));
	machine_free(&m);
}
