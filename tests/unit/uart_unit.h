/* SPDX-License-Identifier: Apache-2.0 */
/* A UART with a recorded interrupt pin and a far end of the test's own. */
#ifndef VC_TESTS_UART_UNIT_H
#define VC_TESTS_UART_UNIT_H

#include "device_unit.h"
#include "serial8250.h"

#include <libvirtcore/irq.h>

struct rig {
	struct vc_device *dev;
	struct vc_irq *irq;
	struct vc_stream *stream;
	/* interrupt pin */
	bool level;
	unsigned int nr_raised;
	/* far end */
	size_t window; /* bytes that it takes */
	char out[4096];
	size_t nr_out;
	const char *in;
	unsigned int nr_wakes;
};

static inline int rig_set_level(void *opaque, uint32_t pin, bool is_high)
{
	struct rig *rig = opaque;

	assert_int_equal(pin, 4);
	rig->nr_raised += is_high && !rig->level;
	rig->level = is_high;
	return 0;
}

static inline ssize_t rig_read(void *opaque, void *buf, size_t len)
{
	struct rig *rig = opaque;
	size_t n = strlen(rig->in);

	n = n < len ? n : len;
	memcpy(buf, rig->in, n);
	rig->in += n;
	return n ? (ssize_t)n : -EAGAIN;
}

static inline ssize_t rig_write(void *opaque, const void *buf, size_t len)
{
	struct rig *rig = opaque;

	len = len < rig->window ? len : rig->window;
	assert_true(rig->nr_out + len <= sizeof(rig->out));
	memcpy(rig->out + rig->nr_out, buf, len);
	rig->nr_out += len;
	rig->window -= len;
	return len ? (ssize_t)len : -EAGAIN;
}

static inline void rig_wake(void *opaque)
{
	((struct rig *)opaque)->nr_wakes++;
}

static const struct vc_irq_ops rig_irq_ops = { .set_level = rig_set_level };
/* The far end has no descriptor: turn() says that it is ready. */
static inline size_t rig_pollfds(void *opaque, bool want_read, bool want_write, struct pollfd *fds,
				 size_t nr)
{
	(void)opaque, (void)want_read, (void)want_write;
	if (nr > 0)
		fds[0] = (struct pollfd){ .fd = -1 };
	return nr > 0;
}

static const struct vc_stream_ops rig_stream_ops = {
	.read = rig_read,
	.write = rig_write,
	.pollfds = rig_pollfds,
};

static inline struct rig *make_rig(void)
{
	struct vc_serial8250_config cfg = { .size = sizeof(cfg) };
	struct vc_stream_config far = {
		.size = sizeof(far),
		.kind = VC_STREAM_OPS,
		.ops = &rig_stream_ops,
	};
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig->window = 4096;
	rig->in = "";
	far.opaque = rig;
	assert_result(vc_stream_open(&far, &rig->stream), 0);
	assert_result(vc_irq_create_ops(&rig_irq_ops, rig, 4, &rig->irq), 0);
	cfg.stream = rig->stream;
	cfg.irq = rig->irq;
	assert_result(vc_serial8250_create(&cfg, &rig->dev), 0);
	vc_device_set_wake(rig->dev, rig_wake, rig);
	return rig;
}

static inline void free_rig(struct rig *rig)
{
	vc_device_destroy(rig->dev);
	vc_irq_destroy(rig->irq);
	free(rig);
}

/* One turn of the polling thread. */
static inline void turn(struct rig *rig)
{
	struct pollfd fds[VC_DEVICE_POLLFDS_MAX];
	size_t nr = vc_device_pollfds(rig->dev, fds, VC_DEVICE_POLLFDS_MAX);

	assert_int_equal(nr, 1);
	fds[0].revents = POLLIN | POLLOUT;
	vc_device_dispatch(rig->dev, fds, nr);
}

static inline void type_in(struct rig *rig, const char *text)
{
	rig->in = text;
	turn(rig);
}

#endif /* VC_TESTS_UART_UNIT_H */
