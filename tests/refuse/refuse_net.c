/* SPDX-License-Identifier: Apache-2.0 */
/* Every error that net.h and net_ops.h document, named function_code; -ENOMEM is fault_net's. */
#include "net_script.h"

#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct vc_net *net;

static int open_with(struct vc_net_tap_config cfg)
{
	cfg.size = sizeof(cfg);
	return vc_net_open_tap(&cfg, &net);
}

static void open_tap_einval(void **state)
{
	struct vc_net_tap_config cfg = { .size = sizeof(cfg), .ifname = "vct0" };
	int fd = 0;

	(void)state;
	assert_refused(vc_net_open_tap(NULL, &net), -EINVAL, "");
	assert_refused(vc_net_open_tap(&cfg, NULL), -EINVAL, "ret_net");
	assert_refused(open_with((struct vc_net_tap_config){ .mtu = 0 }), -EINVAL, "needs ifname");
	assert_refused(open_with((struct vc_net_tap_config){ .ifname = "" }), -EINVAL, "no name");
	assert_refused(open_with((struct vc_net_tap_config){ .ifname = "a/b" }), -EINVAL,
		       "a/b: is no name");
	assert_refused(open_with((struct vc_net_tap_config){ .ifname = "x", .nr_queues = 257 }),
		       -EINVAL, "257 queues, at most 256");
	assert_refused(open_with((struct vc_net_tap_config){ .ifname = "x", .mode = 7 }), -EINVAL,
		       "mode 7");
	assert_refused(open_with((struct vc_net_tap_config){ .ifname = "x", .bridge = "b" }),
		       -EINVAL, "used as it is");
	assert_refused(open_with((struct vc_net_tap_config){ .ifname = "x", .has_owner = true }),
		       -EINVAL, "only a persistent tap");
	assert_refused(open_with((struct vc_net_tap_config){
			       .mode = VC_NET_TAP_NEW, .bridge = "b", .vlan = 4095 }),
		       -EINVAL, "vlan 4095");
	assert_refused(open_with((struct vc_net_tap_config){ .mode = VC_NET_TAP_NEW, .vlan = 5 }),
		       -EINVAL, "and a bridge");
	assert_refused(open_with((struct vc_net_tap_config){ .mode = VC_NET_TAP_NEW, .fds = &fd }),
		       -EINVAL, "of an existing tap");
	assert_refused(
		open_with((struct vc_net_tap_config){ .mode = VC_NET_TAP_NEW, .mac = { 1 } }),
		-EINVAL, "multicast");
	assert_refused(open_with((struct vc_net_tap_config){ .mode = VC_NET_TAP_NEW,
							     .has_offloads = true,
							     .offloads = VC_NET_TSO4 }),
		       -EINVAL, "need CSUM");
	assert_refused(open_with((struct vc_net_tap_config){ .ifname = "lo" }), -EINVAL,
		       "lo: is no tap");
	assert_refused(open_with((struct vc_net_tap_config){
			       .mode = VC_NET_TAP_NEW, .ifname = "vct0", .mtu = 70000 }),
		       -EINVAL, "vct0: cannot have an MTU of 70000");
	assert_false(is_interface("vct0"));
	assert_null(net);
}

static void open_tap_names_and_places(void **state)
{
	const int fd = 999;

	(void)state;
	assert_refused(open_with((struct vc_net_tap_config){ .ifname = "vct0" }), -ENODEV,
		       "vct0: there is no such interface");
	assert_refused(open_with((struct vc_net_tap_config){
			       .mode = VC_NET_TAP_NEW, .ifname = "vct0", .bridge = "vcbr0" }),
		       -ENODEV, "vct0: bridge vcbr0");
	assert_false(is_interface("vct0"));
	assert_refused(
		open_with((struct vc_net_tap_config){ .mode = VC_NET_TAP_NEW, .ifname = "lo" }),
		-EEXIST, "lo: is there already");
	assert_refused(open_with((struct vc_net_tap_config){ .ifname = "a_name_too_long_" }),
		       -ENAMETOOLONG, "at most 15 bytes");
	assert_refused(open_with((struct vc_net_tap_config){ .fds = &fd }), -EBADF, "fd 999");
	assert_refused(open_with((struct vc_net_tap_config){
			       .ifname = "x", .has_netns = true, .netns_fd = 999 }),
		       -EBADF, "namespace");
	assert_null(net);
}

static void open_tap_e2big(void **state)
{
	struct {
		struct vc_net_tap_config known;
		uint64_t unknown;
	} cfg = { .known.size = sizeof(cfg), .unknown = 1 };

	(void)state;
	assert_refused(vc_net_open_tap(&cfg.known, &net), -E2BIG, "newer version");
}

static void open_tap_ebusy(void **state)
{
	struct vc_net *first = new_tap((struct vc_net_tap_config){ .ifname = "vct0" });

	(void)state;
	assert_refused(open_with((struct vc_net_tap_config){ .ifname = "vct0" }), -EBUSY,
		       "vct0: is in use");
	assert_refused(
		open_with((struct vc_net_tap_config){ .mode = VC_NET_TAP_NEW, .ifname = "vct0" }),
		-EEXIST, "vct0");
	/* What is no bridge takes nobody in; what was made for it is gone. */
	assert_refused(open_with((struct vc_net_tap_config){
			       .mode = VC_NET_TAP_PERSISTENT, .ifname = "vct1", .bridge = "vct0" }),
		       -EOPNOTSUPP, "vct1: cannot be put into bridge vct0");
	assert_false(is_interface("vct1"));
	assert_result(vc_net_close(first), 0);
}

/* Takes a capability out of those in effect, or puts all back that may be. */
static void set_capability(unsigned int cap, bool is_on)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	if (is_on)
		data[0].effective = data[0].permitted;
	else
		data[0].effective &= ~(1u << cap);
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

static void open_tap_eperm(void **state)
{
	struct vc_net *made = new_tap((struct vc_net_tap_config){ .mode = VC_NET_TAP_PERSISTENT,
								  .ifname = "vct0",
								  .has_owner = true,
								  .owner_uid = 4242 });

	(void)state;
	assert_result(vc_net_close(made), 0);
	set_capability(CAP_NET_ADMIN, false);
	assert_refused(open_with((struct vc_net_tap_config){ .ifname = "vct0" }), -EPERM,
		       "vct0: belongs to somebody else");
	assert_refused(open_with((struct vc_net_tap_config){ .mode = VC_NET_TAP_NEW }), -EPERM,
		       "CAP_NET_ADMIN");
	set_capability(CAP_NET_ADMIN, true);
	assert_int_equal(system("ip link del vct0"), 0);
}

/* Without the device, and without the right to open it: in a child with /dev/net of its own. */
static int try_device(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/dev/net", "tmpfs", 0, NULL) < 0)
		return 77;
	assert_refused(open_with((struct vc_net_tap_config){ .mode = VC_NET_TAP_NEW }), -ENOENT,
		       "/dev/net/tun is not there");
	close(open("/dev/net/tun", O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	assert_int_equal(seteuid(65534), 0);
	assert_refused(open_with((struct vc_net_tap_config){ .mode = VC_NET_TAP_NEW }), -EACCES,
		       "/dev/net/tun");
	return 0;
}

static void open_tap_device(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(try_device());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static void open_pair(void **state)
{
	struct {
		struct vc_net_pair_config known;
		uint64_t unknown;
	} newer = { .known.size = sizeof(newer), .unknown = 1 };
	const struct vc_net_pair_config bad[] = {
		{ .nr_queues = 257 },
		{ .nr_frames = 100 },
		{ .nr_frames = 8192 },
		{ .wait_ms = 60001 },
		{ .mtu = 65536 },
		{ .has_offloads = true, .offloads = 32 },
		{ .macs[1] = { 1 } },
		{ .has_offloads = true, .offloads = VC_NET_CSUM | VC_NET_ECN },
	};
	struct vc_net *nets[2] = { NULL, NULL };
	struct vc_net_pair_config cfg;

	(void)state;
	assert_refused(vc_net_open_pair(NULL, nets), -EINVAL, "");
	assert_refused(vc_net_open_pair(&newer.known, nets), -E2BIG, "newer version");
	cfg = (struct vc_net_pair_config){ .size = sizeof(cfg) };
	assert_refused(vc_net_open_pair(&cfg, NULL), -EINVAL, "ret_nets");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cfg = bad[i];
		cfg.size = sizeof(cfg);
		assert_refused(vc_net_open_pair(&cfg, nets), -EINVAL, "");
	}
	assert_null(nets[0]);
}

static void create(void **state)
{
	struct vc_net_info info = { .size = sizeof(info), .nr_queues = 1 };
	struct vc_net_ops ops = script_ops;
	struct vc_net_end end = { .size = sizeof(end), .ops = &ops, .info = &info };
	struct {
		struct vc_net_end known;
		uint64_t unknown;
	} newer = { .known = end, .unknown = 1 };

	(void)state;
	newer.known.size = sizeof(newer);
	assert_refused(vc_net_create(&newer.known, &net), -E2BIG, "newer version");
	assert_refused(vc_net_create(NULL, &net), -EINVAL, "");
	assert_refused(vc_net_create(&end, NULL), -EINVAL, "ret_net");
	info.nr_queues = 0;
	assert_refused(vc_net_create(&end, &net), -EINVAL, "0 queues");
	info.nr_queues = 1;
	info.offloads = 32;
	assert_refused(vc_net_create(&end, &net), -EINVAL, "offloads 0x20");
	info.offloads = 0;
	ops.cancel = NULL;
	assert_refused(vc_net_create(&end, &net), -EINVAL, "ops need");
	assert_null(net);
}

static void facts_and_changes(void **state)
{
	struct script_end script = { .nr_kept = 0 };
	struct vc_net *made = script_net(&script, NULL, NULL);
	struct vc_net_info info = { .size = 8 };
	struct vc_net_stats stats = { .size = 8 };

	(void)state;
	assert_refused(vc_net_get_info(NULL, &info), -EINVAL, "an end");
	assert_refused(vc_net_get_info(made, &info), -EINVAL, "size");
	assert_refused(vc_net_get_stats(NULL, &stats), -EINVAL, "an end");
	assert_refused(vc_net_get_stats(made, &stats), -EINVAL, "size");
	assert_refused(vc_net_refresh(NULL), -EINVAL, "an end");
	assert_refused(vc_net_set_offloads(NULL, 0), -EINVAL, "an end");
	assert_refused(vc_net_set_offloads(made, VC_NET_TSO4), -EINVAL, "need CSUM");
	assert_refused(vc_net_set_offloads(made, VC_NET_CSUM | VC_NET_USO), -EOPNOTSUPP,
		       "there are only");
	assert_refused(vc_net_set_queues(NULL, 1), -EINVAL, "an end");
	assert_refused(vc_net_set_queues(made, 0), -EINVAL, "0 queues, there are 2");
	assert_refused(vc_net_set_queues(made, 3), -EINVAL, "3 queues, there are 2");
	assert_refused(vc_net_set_steering(NULL, -1), -EINVAL, "an end");
	assert_refused(vc_net_set_steering(made, -1), -EOPNOTSUPP, "chooses queues itself");
	assert_result(vc_net_close(made), 0);
}

static void of_a_tap(void **state)
{
	struct vc_net *tap = new_tap((struct vc_net_tap_config){ .ifname = "vct0" });
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_refused(vc_net_set_steering(tap, 999), -EBADF, "fd 999");
	assert_refused(vc_net_set_steering(tap, fd), -EINVAL, "does not steer");
	close(fd);
	assert_int_equal(system("ip link del vct0"), 0);
	assert_refused(vc_net_refresh(tap), -ENODEV, "vct0: there is no such interface");
	assert_result(vc_net_close(tap), 0);
}

static void queues(void **state)
{
	struct script_end script = { .nr_kept = 0 };
	struct vc_net *made = script_net(&script, NULL, NULL);
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .depth = 8 });
	struct vc_net_queue_config cfg = { .size = sizeof(cfg), .queue_idx = 2 };
	struct {
		struct vc_net_queue_config known;
		uint64_t unknown;
	} newer = { .known.size = sizeof(newer), .unknown = 1 };
	struct vc_net_queue *queue = NULL, *second = NULL;

	(void)state;
	assert_refused(vc_net_attach(made, NULL, ring, &queue), -EINVAL, "");
	assert_refused(vc_net_attach(made, &newer.known, ring, &queue), -E2BIG, "newer version");
	assert_refused(vc_net_attach(made, &cfg, ring, &queue), -EINVAL, "queue 2, there are 2");
	cfg.queue_idx = 0;
	assert_refused(vc_net_attach(NULL, &cfg, ring, &queue), -EINVAL, "an end, a ring");
	assert_refused(vc_net_attach(made, &cfg, NULL, &queue), -EINVAL, "an end, a ring");
	assert_null(queue);
	assert_result(vc_net_attach(made, &cfg, ring, &queue), 0);
	assert_refused(vc_net_attach(made, &cfg, ring, &second), -EBUSY, "attached already");
	assert_refused(vc_net_close(made), -EBUSY, "a queue is attached");
	assert_result(vc_net_detach(queue), 0);
	assert_result(vc_net_close(made), 0);
	ring_end(ring);
}

static void requests(void **state)
{
	struct script_end script = { .nr_kept = 0 };
	struct vc_net *made = script_net(&script, NULL, NULL);
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .depth = 8 });
	struct vc_net_queue *queue = attach_queue(made, ring, 0);
	struct frame in, out;

	(void)state;
	assert_refused(vc_net_receive(NULL, slot(&in, 100)), -EINVAL, "a queue");
	assert_refused(vc_net_receive(queue, NULL), -EINVAL, "a request");
	assert_refused(vc_net_receive(queue, slot(&in, 25)), -EINVAL, "26 bytes or more");
	assert_refused(vc_net_send(NULL, packet(&out, 60, 1)), -EINVAL, "a queue");
	packet(&out, 60, 1)->done = NULL;
	assert_refused(vc_net_send(queue, &out.req), -EINVAL, "with done");
	assert_refused(vc_net_cancel(NULL), -EINVAL, "a queue");
	assert_result(vc_net_receive(queue, slot(&in, 100)), 0);
	assert_refused(vc_net_receive(queue, &in.req), -EBUSY, "in flight already");
	assert_result(vc_net_send(queue, packet(&out, 60, 1)), 0);
	assert_refused(vc_net_send(queue, &out.req), -EBUSY, "in flight already");
	assert_refused(vc_net_detach(queue), -EBUSY, "2 requests");
	assert_result(vc_net_cancel(queue), 0);
	while (in.nr_done + out.nr_done < 2)
		assert_true(vc_ring_step(ring, 5000 * MS) >= 0);
	assert_result(vc_ring_stop(ring), 0);
	while (vc_ring_step(ring, -1) >= 0)
		;
	script.is_instant = true;
	script.instant_result = -ESHUTDOWN;
	assert_refused(vc_net_receive(queue, slot(&in, 100)), -ESHUTDOWN, "stopping");
	assert_refused(vc_net_send(queue, packet(&out, 60, 1)), -ESHUTDOWN, "stopping");
	assert_result(vc_net_detach(queue), 0);
	assert_result(vc_net_close(made), 0);
	vc_ring_put(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_pair),
		cmocka_unit_test(create),
		cmocka_unit_test(queues),
		cmocka_unit_test(requests),
		cmocka_unit_test(facts_and_changes),
		cmocka_unit_test(open_tap_einval),
		cmocka_unit_test(open_tap_names_and_places),
		cmocka_unit_test(open_tap_e2big),
		cmocka_unit_test(open_tap_ebusy),
		cmocka_unit_test(open_tap_eperm),
		cmocka_unit_test(open_tap_device),
		cmocka_unit_test(of_a_tap),
	};

	own_namespace();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
