/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network ends as objects: made, attached to rings, described, changed, closed. What happens to a
 * frame is in net_queue.c, what a limit does to it in net_gate.c.
 *
 * Control thread, but for attach and detach, which also run on the threads of rings: hence a lock for
 * the list of queues, which no frame ever takes. What may change under way (link, MTU, offloads,
 * queues in use) is in atomics of its own.
 */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define MAC_MULTICAST 0x01u
#define MAC_LOCAL     0x02u

int vc__net_random_mac(const uint8_t *wanted, uint8_t *ret_mac)
{
	static const uint8_t none[6];

	if (wanted[0] & MAC_MULTICAST)
		return vc_error_set(-EINVAL, "io", "net", "the MAC address is a multicast one");
	if (memcmp(wanted, none, sizeof(none)) != 0) {
		memcpy(ret_mac, wanted, sizeof(none));
		return 0;
	}
	if (getrandom(ret_mac, sizeof(none), 0) != sizeof(none))
		return vc_error_set(-errno, "io", "net", "no random numbers: %s",
				    strerrordesc_np(errno));
	ret_mac[0] = (uint8_t)((ret_mac[0] & ~MAC_MULTICAST) | MAC_LOCAL);
	return 0;
}

int vc__net_check_offloads(const char *name, uint32_t offloads)
{
	if (offloads & ~VC_NET_OFFLOADS_ALL)
		return vc_error_set(-EINVAL, "io", name, "offloads 0x%x are not all known",
				    offloads);
	if ((offloads & ~(uint32_t)VC_NET_CSUM) && !(offloads & VC_NET_CSUM))
		return vc_error_set(-EINVAL, "io", name, "offloads 0x%x need CSUM as well",
				    offloads);
	if ((offloads & VC_NET_ECN) && !(offloads & (VC_NET_TSO4 | VC_NET_TSO6)))
		return vc_error_set(-EINVAL, "io", name, "offload ECN needs TSO4 or TSO6");
	return 0;
}

static int check_end(const struct vc_net_end *end, const struct vc_net_info *info)
{
	const struct vc_net_ops *ops = end->ops;
	const char *name = end->name ? end->name : "net";

	if (!ops || !ops->type || !ops->attach || !ops->detach || !ops->receive || !ops->send ||
	    !ops->cancel || !ops->close)
		return vc_error_set(-EINVAL, "io", name,
				    "ops need type, attach, detach, receive, send, cancel, close");
	if (info->nr_queues == 0 || info->nr_queues > VC_NET_QUEUES_MAX)
		return vc_error_set(-EINVAL, "io", name, "%u queues, expected 1 to %u",
				    info->nr_queues, VC_NET_QUEUES_MAX);
	return vc__net_check_offloads(name, info->offloads);
}

int vc_net_create(const struct vc_net_end *end, struct vc_net **ret_net)
{
	struct vc_net_end e;
	struct vc_net_info info;
	struct vc_net *net;
	int r = vc_config_copy(&e, sizeof(e), end);

	if (r == 0)
		r = vc_config_copy(&info, sizeof(info), e.info);
	if (r < 0)
		return r;
	if (!ret_net)
		return vc_error_set(-EINVAL, "io", "net", "ret_net is needed");
	r = check_end(&e, &info);
	if (r < 0)
		return r;
	net = calloc(1, sizeof(*net));
	if (!net)
		return vc_error_set(-ENOMEM, "io", e.name, "no memory");
	r = pthread_mutex_init(&net->lock, NULL);
	if (r != 0) {
		free(net);
		return vc_error_set(-r, "io", e.name, "no lock: %s", strerrordesc_np(r));
	}
	(void)snprintf(net->name, sizeof(net->name), "%s", e.name ? e.name : e.ops->type);
	net->ops = e.ops;
	net->end = e.end;
	net->info = info;
	net->rx_limit = e.rx_limit;
	net->tx_limit = e.tx_limit;
	atomic_init(&net->nr_active, info.nr_queues);
	atomic_init(&net->mtu, info.mtu);
	atomic_init(&net->is_link_up, info.is_link_up);
	*ret_net = net;
	return 0;
}

int vc_net_close(struct vc_net *net)
{
	bool has_queues;

	if (!net)
		return 0;
	(void)pthread_mutex_lock(&net->lock);
	has_queues = net->queues != NULL;
	(void)pthread_mutex_unlock(&net->lock);
	if (has_queues)
		return vc_error_set(-EBUSY, "io", net->name, "a queue is attached");
	net->ops->close(net->end);
	(void)pthread_mutex_destroy(&net->lock);
	free(net);
	return 0;
}

/* queues */

/* False: that number is in the list already. */
static bool list_queue(struct vc_net *net, struct vc_net_queue *queue)
{
	const struct vc_net_queue *each;

	(void)pthread_mutex_lock(&net->lock);
	for (each = net->queues; each && each->queue_idx != queue->queue_idx; each = each->next)
		;
	if (!each) {
		queue->next = net->queues;
		net->queues = queue;
	}
	(void)pthread_mutex_unlock(&net->lock);
	return !each;
}

static void unlist_queue(struct vc_net_queue *queue)
{
	struct vc_net_queue **at = &queue->net->queues;

	while (*at != queue)
		at = &(*at)->next;
	*at = queue->next;
}

static int attach_end(struct vc_net_queue *queue)
{
	struct vc_net *net = queue->net;
	int r;

	if (!list_queue(net, queue))
		return vc_error_set(-EBUSY, "io", net->name, "queue %u is attached already",
				    queue->queue_idx);
	r = net->ops->attach(net->end, queue, queue->queue_idx, queue->ring, &queue->lane);
	if (r < 0) {
		(void)pthread_mutex_lock(&net->lock);
		unlist_queue(queue);
		(void)pthread_mutex_unlock(&net->lock);
	}
	return r;
}

int vc_net_attach(struct vc_net *net, const struct vc_net_queue_config *cfg, struct vc_ring *ring,
		  struct vc_net_queue **ret_queue)
{
	struct vc_net_queue_config c;
	struct vc_net_queue *queue;
	int r = vc_config_copy(&c, sizeof(c), cfg);

	if (r < 0)
		return r;
	if (!net || !ring || !ret_queue)
		return vc_error_set(-EINVAL, "io", net ? net->name : "net",
				    "an end, a ring and ret_queue are needed");
	if (c.queue_idx >= net->info.nr_queues)
		return vc_error_set(-EINVAL, "io", net->name, "queue %u, there are %u", c.queue_idx,
				    net->info.nr_queues);
	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return vc_error_set(-ENOMEM, "io", net->name, "no memory");
	*queue = (struct vc_net_queue){ .net = net,
					.ring = ring,
					.ops = net->ops,
					.queue_idx = c.queue_idx,
					.link_changed = c.link_changed,
					.opaque = c.opaque };
	r = vc__net_queue_init(queue);
	if (r == 0)
		r = attach_end(queue);
	if (r < 0) {
		vc__net_queue_fini(queue);
		free(queue);
		return r;
	}
	(void)vc_ring_get(ring);
	*ret_queue = queue;
	return 0;
}

static uint64_t counted(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_counters(struct vc_net_stats *stats, const struct vc__net_counters *counters)
{
	stats->nr_received += counted(&counters->nr_received);
	stats->bytes_received += counted(&counters->bytes_received);
	stats->nr_sent += counted(&counters->nr_sent);
	stats->bytes_sent += counted(&counters->bytes_sent);
	stats->nr_receive_errors += counted(&counters->nr_receive_errors);
	stats->nr_send_errors += counted(&counters->nr_send_errors);
	stats->nr_refused += counted(&counters->nr_refused);
	stats->nr_throttled += counted(&counters->nr_throttled);
	stats->nr_resumed += counted(&counters->nr_resumed);
	stats->nr_link_changes += counted(&counters->nr_link_changes);
}

int vc_net_detach(struct vc_net_queue *queue)
{
	struct vc_net *net;

	if (!queue)
		return 0;
	net = queue->net;
	if (queue->nr_in_flight > 0)
		return vc_error_set(-EBUSY, "io", net->name, "%u requests are in flight",
				    queue->nr_in_flight);
	queue->ops->detach(queue->lane);
	/* Last: from here on somebody else may attach that queue. */
	(void)pthread_mutex_lock(&net->lock);
	unlist_queue(queue);
	add_counters(&net->past, &queue->counters);
	(void)pthread_mutex_unlock(&net->lock);
	vc__net_queue_fini(queue);
	vc_ring_put(queue->ring);
	free(queue);
	return 0;
}

/* facts and changes */

static uint32_t now(const _Atomic uint32_t *fact)
{
	return atomic_load_explicit(fact, memory_order_relaxed);
}

int vc_net_get_info(const struct vc_net *net, struct vc_net_info *ret_info)
{
	struct vc_net_info info;

	if (!net)
		return vc_error_set(-EINVAL, "io", "net", "an end is needed");
	info = net->info;
	info.nr_active = now(&net->nr_active);
	info.offloads_now = now(&net->offloads_now);
	info.mtu = now(&net->mtu);
	info.is_link_up = atomic_load_explicit(&net->is_link_up, memory_order_relaxed);
	info.has_steering = net->ops->set_steering != NULL;
	return vc_result_fill(ret_info, sizeof(info), &info, sizeof(info));
}

int vc_net_refresh(struct vc_net *net)
{
	struct vc_net_info info = { .size = sizeof(info) };
	int r;

	if (!net)
		return vc_error_set(-EINVAL, "io", "net", "an end is needed");
	(void)vc_net_get_info(net, &info);
	r = net->ops->refresh ? net->ops->refresh(net->end, &info) : 0;
	if (r < 0)
		return r;
	atomic_store_explicit(&net->mtu, info.mtu, memory_order_relaxed);
	atomic_store_explicit(&net->is_link_up, info.is_link_up, memory_order_relaxed);
	return 0;
}

int vc_net_set_offloads(struct vc_net *net, uint32_t offloads)
{
	int r;

	if (!net)
		return vc_error_set(-EINVAL, "io", "net", "an end is needed");
	r = vc__net_check_offloads(net->name, offloads);
	if (r < 0)
		return r;
	if (offloads & ~net->info.offloads)
		return vc_error_set(-EOPNOTSUPP, "io", net->name,
				    "offloads 0x%x, there are only 0x%x", offloads,
				    net->info.offloads);
	r = net->ops->set_offloads ? net->ops->set_offloads(net->end, offloads) : 0;
	if (r == 0)
		atomic_store_explicit(&net->offloads_now, offloads, memory_order_relaxed);
	return r;
}

int vc_net_set_queues(struct vc_net *net, uint32_t nr)
{
	int r;

	if (!net)
		return vc_error_set(-EINVAL, "io", "net", "an end is needed");
	if (nr == 0 || nr > net->info.nr_queues)
		return vc_error_set(-EINVAL, "io", net->name, "%u queues, there are %u", nr,
				    net->info.nr_queues);
	if (nr == now(&net->nr_active))
		return 0;
	r = net->ops->set_queues ? net->ops->set_queues(net->end, nr) : 0;
	if (r == 0)
		atomic_store_explicit(&net->nr_active, nr, memory_order_relaxed);
	return r;
}

int vc_net_set_steering(struct vc_net *net, int bpf_fd)
{
	if (!net || bpf_fd < -1)
		return vc_error_set(-EINVAL, "io", net ? net->name : "net",
				    "an end and a program, or -1, are needed");
	if (!net->ops->set_steering)
		return vc_error_set(-EOPNOTSUPP, "io", net->name,
				    "this kind of end (%s) chooses queues itself", net->ops->type);
	return net->ops->set_steering(net->end, bpf_fd);
}

int vc_net_get_stats(const struct vc_net *net, struct vc_net_stats *ret_stats)
{
	const struct vc_net_queue *queue;
	struct vc_net_stats stats;
	struct vc_net *n = (struct vc_net *)net; /* for its lock alone */

	if (!net)
		return vc_error_set(-EINVAL, "io", "net", "an end is needed");
	(void)pthread_mutex_lock(&n->lock);
	stats = net->past;
	for (queue = net->queues; queue; queue = queue->next)
		add_counters(&stats, &queue->counters);
	(void)pthread_mutex_unlock(&n->lock);
	return vc_result_fill(ret_stats, sizeof(stats), &stats, sizeof(stats));
}
