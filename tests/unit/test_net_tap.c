/* SPDX-License-Identifier: Apache-2.0 */
/* Taps opened, made, given by descriptor, in another namespace; what they can do; what is left of them
 * afterwards: nothing, or a persistent interface. */
#include "net_unit.h"

#include <linux/bpf.h>
#include <linux/filter.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static uint32_t mtu_of(const char *ifname)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_mtu = 0 };

	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	assert_int_equal(ioctl(sock, SIOCGIFMTU, &ifr), 0);
	close(sock);
	return (uint32_t)ifr.ifr_mtu;
}

static int run(const char *command)
{
	return system(command); /* fixed text of this file, in a namespace of its own */
}

static void made_and_gone(void **state)
{
	unsigned int before = nr_open_fds();
	struct vc_net_info info;
	struct vc_net *net;

	(void)state;
	net = new_tap((struct vc_net_tap_config){ .ifname = "vct1", .mtu = 9000 });
	assert_true(is_interface("vct1"));
	assert_int_equal(mtu_of("vct1"), 9000);
	info = net_info(net);
	assert_string_equal(info.ifname, "vct1");
	assert_int_equal(info.mtu, 9000);
	assert_true(info.is_link_up);
	assert_true(info.has_steering);
	assert_int_equal(info.nr_queues, 1);
	assert_int_equal(info.offloads & (VC_NET_CSUM | VC_NET_TSO4 | VC_NET_TSO6),
			 VC_NET_CSUM | VC_NET_TSO4 | VC_NET_TSO6);
	assert_int_equal(info.mac[0] & 3, 2);
	assert_result(vc_net_close(net), 0);
	assert_false(is_interface("vct1"));
	assert_int_equal(nr_open_fds(), before);
	/* A name of the kernel's choice; down. */
	net = new_tap((struct vc_net_tap_config){ .is_down = true });
	info = net_info(net);
	assert_int_equal(strncmp(info.ifname, "vcnet", 5), 0);
	assert_false(info.is_link_up);
	assert_result(vc_net_close(net), 0);
}

static void persistent(void **state)
{
	struct vc_net_tap_config cfg = { .size = sizeof(cfg), .ifname = "vct2" };
	struct vc_net *net, *second;

	(void)state;
	net = new_tap((struct vc_net_tap_config){ .mode = VC_NET_TAP_PERSISTENT,
						  .ifname = "vct2",
						  .has_owner = true,
						  .owner_uid = 65534 });
	assert_refused(vc_net_open_tap(&cfg, &second), -EBUSY, "vct2: is in use");
	assert_result(vc_net_close(net), 0);
	assert_true(is_interface("vct2"));
	/* Found again, used as it is, and still there. */
	assert_result(vc_net_open_tap(&cfg, &net), 0);
	assert_result(vc_net_close(net), 0);
	assert_true(is_interface("vct2"));
	assert_int_equal(run("ip link del vct2"), 0);
}

static void made_by_others(void **state)
{
	struct vc_net_tap_config cfg = { .size = sizeof(cfg) };
	struct vc_net *net = NULL;

	(void)state;
	assert_int_equal(run("ip tuntap add vct3 mode tap && ip tuntap add vct4 mode tun &&"
			     "ip tuntap add vct5 mode tap multi_queue && ip link set vct5 up"),
			 0);
	cfg.ifname = "vct3";
	assert_result(vc_net_open_tap(&cfg, &net), 0);
	assert_false(net_info(net).is_link_up);
	assert_result(vc_net_close(net), 0);
	cfg.nr_queues = 2;
	assert_refused(vc_net_open_tap(&cfg, &net), -EINVAL, "vct3: is a tap made for one queue");
	cfg.ifname = "vct4";
	assert_refused(vc_net_open_tap(&cfg, &net), -EINVAL, "vct4: is a tun device");
	cfg.ifname = "lo";
	assert_refused(vc_net_open_tap(&cfg, &net), -EINVAL, "lo: is no tap");
	cfg.ifname = "vct5";
	assert_result(vc_net_open_tap(&cfg, &net), 0);
	assert_int_equal(net_info(net).nr_queues, 2);
	assert_result(vc_net_close(net), 0);
	cfg.nr_queues = 1;
	assert_result(vc_net_open_tap(&cfg, &net), 0);
	assert_true(net_info(net).is_link_up);
	assert_result(vc_net_close(net), 0);
	assert_int_equal(run("ip link del vct3 && ip link del vct4 && ip link del vct5"), 0);
}

static int open_raw(const char *ifname, int flags)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct ifreq ifr = { .ifr_flags = (short)flags };

	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

static void by_descriptor(void **state)
{
	const int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	int fds[2] = { open_raw("vct6", flags | IFF_MULTI_QUEUE),
		       open_raw("vct6", flags | IFF_MULTI_QUEUE) };
	int wrong[2] = { fds[0], open_raw("vct7", flags) };
	int plain = open_raw("vct8", IFF_TAP), null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct vc_net_tap_config cfg = { .size = sizeof(cfg), .fds = wrong, .nr_queues = 2 };
	struct vc_net *net = NULL;

	(void)state;
	assert_refused(vc_net_open_tap(&cfg, &net), -EINVAL, "is of vct7");
	cfg.nr_queues = 1;
	cfg.fds = &plain;
	assert_refused(vc_net_open_tap(&cfg, &net), -EINVAL, "IFF_VNET_HDR");
	cfg.fds = &null;
	assert_refused(vc_net_open_tap(&cfg, &net), -EINVAL, "is no tap");
	/* None of them was closed. */
	assert_true(fcntl(fds[0], F_GETFD) >= 0 && fcntl(null, F_GETFD) >= 0);
	cfg.fds = fds;
	cfg.nr_queues = 2;
	assert_result(vc_net_open_tap(&cfg, &net), 0);
	assert_string_equal(net_info(net).ifname, "vct6");
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	assert_result(vc_net_close(net), 0);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	assert_false(is_interface("vct6"));
	close(wrong[1]);
	close(plain);
	close(null);
}

/* Made in a namespace that this process is not in, and moving frames there. */
static void in_another_namespace(void **state)
{
	int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), other, back;
	struct vc_net *net;

	(void)state;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	other = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(setns(own, CLONE_NEWNET), 0);
	net = new_tap((struct vc_net_tap_config){
		.ifname = "vct9", .has_netns = true, .netns_fd = other, .mtu = 1400 });
	assert_false(is_interface("vct9"));
	assert_int_equal(net_info(net).mtu, 1400);
	assert_int_equal(setns(other, CLONE_NEWNET), 0);
	assert_true(is_interface("vct9"));
	assert_int_equal(setns(own, CLONE_NEWNET), 0);
	assert_result(vc_net_refresh(net), 0);
	assert_int_equal(net_info(net).mtu, 1400);
	assert_result(vc_net_close(net), 0);
	assert_int_equal(setns(other, CLONE_NEWNET), 0);
	assert_false(is_interface("vct9"));
	assert_int_equal(setns(own, CLONE_NEWNET), 0);
	/* The calling thread is where it was, also when the descriptor was no namespace. */
	back = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_refused(
		vc_net_open_tap(
			&(struct vc_net_tap_config){ .size = sizeof(struct vc_net_tap_config),
						     .mode = VC_NET_TAP_NEW,
						     .has_netns = true,
						     .netns_fd = back },
			&net),
		-EBADF, "namespace");
	close(back);
	close(other);
	close(own);
}

/* Killed with reads in flight: what was made is gone, what is to stay can be opened again. */
static void killed(void **state)
{
	struct vc_net_tap_config cfg = { .size = sizeof(cfg), .ifname = "vct1" };
	struct vc_net *net = new_tap(
		(struct vc_net_tap_config){ .mode = VC_NET_TAP_PERSISTENT, .ifname = "vct1" });

	(void)state;
	assert_result(vc_net_close(net), 0);
	for (unsigned int i = 0; i < 50; i++) {
		int status, tries, ready[2];
		uint8_t byte;
		pid_t pid;

		assert_int_equal(pipe(ready), 0);
		pid = fork();
		if (pid == 0) {
			struct vc_ring *ring = ring_here((struct vc_ring_config){ .depth = 8 });
			struct frame in[2];

			assert_result(vc_net_open_tap(&cfg, &net), 0);
			assert_result(
				vc_net_receive(attach_queue(net, ring, 0), slot(&in[0], 1526)), 0);
			net = new_tap((struct vc_net_tap_config){ .ifname = "vct2" });
			assert_result(
				vc_net_receive(attach_queue(net, ring, 0), slot(&in[1], 1526)), 0);
			assert_true(vc_ring_step(ring, 0) >= 0);
			(void)!write(ready[1], "", 1);
			for (;;)
				(void)vc_ring_step(ring, -1);
		}
		assert_int_equal(read(ready[0], &byte, 1), 1);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		close(ready[0]);
		close(ready[1]);
		/* The kernel lets go of a dead ring's files a moment after its process. */
		for (tries = 0; tries < 5000 && is_interface("vct2"); tries++)
			(void)poll(NULL, 0, 1);
		assert_true(tries < 5000);
		for (tries = 0; tries < 5000 && vc_net_open_tap(&cfg, &net) == -EBUSY; tries++)
			(void)poll(NULL, 0, 1);
		assert_true(tries < 5000);
		assert_result(vc_net_close(net), 0);
	}
	assert_int_equal(run("ip link del vct1"), 0);
}

static void offloads(void **state)
{
	struct vc_net *net = new_tap((struct vc_net_tap_config){ .ifname = "vct1" });
	uint32_t all = net_info(net).offloads;

	(void)state;
	assert_result(vc_net_set_offloads(net, all), 0);
	assert_int_equal(net_info(net).offloads_now, all);
	assert_result(vc_net_set_offloads(net, 0), 0);
	assert_result(vc_net_close(net), 0);
	net = new_tap((struct vc_net_tap_config){
		.ifname = "vct1", .has_offloads = true, .offloads = VC_NET_CSUM });
	assert_int_equal(net_info(net).offloads, VC_NET_CSUM);
	assert_refused(vc_net_set_offloads(net, VC_NET_CSUM | VC_NET_TSO4), -EOPNOTSUPP,
		       "there are only 0x1");
	assert_result(vc_net_close(net), 0);
}

/* A program that always says queue 1: BPF_MOV64_IMM(R0, 1), BPF_EXIT. */
static int steer_to_1(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
				.insns = (uintptr_t)insns,
				.insn_cnt = 2,
				.license = (uintptr_t) "GPL" };

	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

/* Frames go to one queue, or to the one that a program says; queues go out of use and come back. */
static void queues(void **state)
{
	struct vc_ring *ring = ring_here((struct vc_ring_config){ .depth = 64 });
	struct vc_net *net =
		new_tap((struct vc_net_tap_config){ .ifname = "vct1", .nr_queues = 2 });
	struct vc_net_queue *queue[2] = { attach_queue(net, ring, 0), attach_queue(net, ring, 1) };
	int host = host_of("vct1"), prog = steer_to_1();
	struct frame in[2];

	(void)state;
	assert_int_equal(net_info(net).nr_active, 2);
	for (unsigned int i = 0; i < 2; i++)
		assert_result(vc_net_receive(queue[i], slot(&in[i], 1526)), 0);
	assert_result(vc_net_set_queues(net, 1), 0);
	host_sends(host, 60, 1);
	assert_int_equal(wait_frame(ring, &in[0]), 72);
	assert_result(vc_net_set_queues(net, 2), 0);
	assert_result(vc_net_receive(queue[0], slot(&in[0], 1526)), 0);
	if (prog >= 0) {
		assert_result(vc_net_set_steering(net, prog), 0);
		host_sends(host, 60, 2);
		assert_int_equal(wait_frame(ring, &in[1]), 72);
		assert_int_equal(tag_of(&in[1]), 2);
		assert_result(vc_net_set_steering(net, -1), 0);
		close(prog);
	}
	for (unsigned int i = 0; i < 2; i++) {
		assert_result(vc_net_cancel(queue[i]), 0);
		while (vc_net_detach(queue[i]) == -EBUSY)
			assert_true(vc_ring_step(ring, 5000 * MS) >= 0);
	}
	assert_result(vc_net_close(net), 0);
	close(host);
	ring_end(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_and_gone),
		cmocka_unit_test(persistent),
		cmocka_unit_test(made_by_others),
		cmocka_unit_test(by_descriptor),
		cmocka_unit_test(in_another_namespace),
		cmocka_unit_test(killed),
		cmocka_unit_test(offloads),
		cmocka_unit_test(queues),
	};

	own_namespace();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
