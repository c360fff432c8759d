/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a keyboard controller that resets the machine: the pulse command, the output port's
 * reset bit, and the fast reset of system control port A. vCPU threads, under the device's lock.
 *
 * There is no keyboard, and drivers should find out at once: the status register always says "output
 * full", so a driver that empties the controller first gives up after a few reads instead of waiting
 * half a second for a self-test; and never "input full", so that whoever waits to send the reset
 * pulse does not wait. A20 is always on. Leaves out: keyboard, mouse, all other commands.
 * Spec: [IBM PS/2 HITR, Keyboard and Auxiliary Device Controller]
 */
#include <libvirtcore/implement.h>

#include <errno.h>

#include "device_private.h"
#include "request_device.h"

#define RANGE_DATA    0u
#define RANGE_COMMAND 1u
#define RANGE_PORT_A  2u

/* Output full, system flag (self-test passed), keyboard not locked. */
#define STATUS 0x15u

#define COMMAND_WRITE_OUTPUT 0xd1u
#define COMMAND_PULSE	     0xf0u /* low nibble: lines not to pulse */
#define OUTPUT_NO_RESET	     0x01u

#define PORT_A_RESET 0x01u
#define PORT_A_A20   0x02u

/* latches[0]: the next data byte is the output port; latches[1]: port A */
#define LATCH_OUTPUT 0u
#define LATCH_PORT_A 1u

static void ask_reset(const struct vc__request_device *d)
{
	d->fn(d->opaque, VC_REQUEST_RESET, 0);
}

static void write_data(struct vc__request_device *d, uint8_t value)
{
	bool is_output = d->latches[LATCH_OUTPUT];

	d->latches[LATCH_OUTPUT] = 0;
	if (is_output && !(value & OUTPUT_NO_RESET))
		ask_reset(d);
}

static void write_command(struct vc__request_device *d, uint8_t value)
{
	d->latches[LATCH_OUTPUT] = value == COMMAND_WRITE_OUTPUT;
	if ((value & 0xf0) == COMMAND_PULSE && !(value & OUTPUT_NO_RESET))
		ask_reset(d);
}

/* The reset is an edge: a guest that writes back what it read is not reset. */
static void write_port_a(struct vc__request_device *d, uint8_t value)
{
	bool was_set = d->latches[LATCH_PORT_A] & PORT_A_RESET;

	d->latches[LATCH_PORT_A] = value & PORT_A_RESET;
	if (!was_set && (value & PORT_A_RESET))
		ask_reset(d);
}

static void i8042_access(struct vc_device *dev, struct vc_access *access)
{
	struct vc__request_device *d = vc__request_device_of(dev);
	uint8_t value = (uint8_t)access->value;

	if (access->off != 0 || access->size != 1)
		return;
	if (access->range == RANGE_DATA && access->is_write)
		write_data(d, value);
	else if (access->range == RANGE_COMMAND && access->is_write)
		write_command(d, value);
	else if (access->range == RANGE_PORT_A && access->is_write)
		write_port_a(d, value);
	else if (access->range == RANGE_COMMAND)
		access->value = STATUS;
	else if (access->range == RANGE_PORT_A)
		access->value = d->latches[LATCH_PORT_A] | PORT_A_A20;
}

static const struct vc_device_ops i8042_ops = {
	.type = "i8042",
	.access = i8042_access,
	.reset = vc__request_device_reset,
	.save = vc__request_device_save,
	.load = vc__request_device_load,
	.destroy = vc__request_device_destroy,
};

int vc_i8042_create(const struct vc_request_config *cfg, struct vc_device **ret_dev)
{
	struct vc__request_device *d;
	int r;

	if (!ret_dev)
		return vc_error_set(-EINVAL, "devices", "i8042", "ret_dev is needed");
	r = vc__request_device_create(cfg, &i8042_ops, &d);
	if (r < 0)
		return r;
	d->masks[LATCH_OUTPUT] = 1;
	d->masks[LATCH_PORT_A] = PORT_A_RESET;
	*ret_dev = &d->dev;
	return 0;
}
