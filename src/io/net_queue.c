/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path of a frame through the front: checked, held back by a limit, handed to the end, counted,
 * given back. Runs on the ring's thread; no lock, no allocation, no system call.
 *
 * done() never runs within a call of the user's: what an end completes at once waits for the end of
 * the batch, so that a done() which hands its slot over again does not pile up on the stack. A limit
 * is met on the way to the end by what is sent, and on the way back by what was received.
 */
#include "net.h"

#include <errno.h>
#include <limits.h>

enum state {
	IDLE = 0, /* the caller's; what was zeroed is so */
	IN_FLIGHT,
	COMPLETED, /* result is set, done() follows */
	UNDELIVERABLE,
};

/* After this neither @req nor, if it was the last one, its queue may exist any more. */
static void give_back(struct vc_net_request *req, int result)
{
	struct vc_net_queue *queue = req->queue;
	struct vc__net_counters *counters = &queue->counters;

	if (result >= 0 && req->is_send) {
		vc__net_count(&counters->nr_sent, 1);
		vc__net_count(&counters->bytes_sent, req->len - VC_NET_HDR_LEN);
	} else if (result >= 0) {
		vc__net_count(&counters->nr_received, 1);
		vc__net_count(&counters->bytes_received, (uint32_t)result - VC_NET_HDR_LEN);
	} else if (result != -ECANCELED && req->is_send) {
		vc__net_count(&counters->nr_send_errors, 1);
	}
	queue->nr_in_flight--;
	req->state = IDLE;
	req->done(req, result);
}

static void run_deliver(struct vc_ring_task *task)
{
	struct vc__net_deliver *deliver = vc_container_of(task, struct vc__net_deliver, task);
	struct vc_net_queue *queue = deliver->queue;
	struct vc_net_request *req, *next;

	deliver->is_queued = false;
	if (!queue) {
		free(deliver);
		return;
	}
	/* From the first callback on the queue is there as long as it has requests. */
	req = queue->completed.first;
	vc__net_list_init(&queue->completed);
	if (queue->is_link_told != queue->is_link_up) {
		queue->is_link_told = queue->is_link_up;
		if (queue->link_changed)
			queue->link_changed(queue->opaque, queue->is_link_up);
	}
	for (; req; req = next) {
		next = req->next;
		give_back(req, req->result);
	}
}

static int defer(struct vc_net_queue *queue)
{
	int r = vc_ring_defer(queue->ring, &queue->deliver->task);

	queue->deliver->is_queued = r >= 0;
	return r;
}

/* Past all gates. */
static void finish(struct vc_net_queue *queue, struct vc_net_request *req)
{
	if (queue->depth == 0) {
		give_back(req, req->result);
		return;
	}
	req->state = COMPLETED;
	if ((req == queue->taking && req->result == -ESHUTDOWN) || defer(queue) < 0)
		req->state = UNDELIVERABLE;
	else
		vc__net_list_add(&queue->completed, req);
}

void vc_net_complete(struct vc_net_request *req, int result)
{
	struct vc_net_queue *queue = req->queue;

	vc_assert(req->state == IN_FLIGHT);
	req->result = result;
	if (req->is_send || result < 0)
		finish(queue, req);
	else
		vc__net_gate_pass(&queue->rx, req);
}

void vc_net_tell_link(struct vc_net_queue *queue, bool is_up)
{
	struct vc_net *net = queue->net;

	if (atomic_load_explicit(&net->is_link_up, memory_order_relaxed) != is_up)
		atomic_store_explicit(&net->is_link_up, is_up, memory_order_relaxed);
	if (queue->is_link_up == is_up)
		return;
	queue->is_link_up = is_up;
	vc__net_count(&queue->counters.nr_link_changes, 1);
	(void)defer(queue);
}

/* Behind the gate of what is sent; result: 0, or cancelled there. */
static void hand_over(struct vc_net_queue *queue, struct vc_net_request *req)
{
	queue->depth++;
	if (req->result < 0)
		finish(queue, req);
	else
		queue->ops->send(queue->lane, req);
	queue->depth--;
}

/* False: no iov, or more than fits a number of 31 bits. */
static bool measure(struct vc_net_request *req)
{
	uint64_t sum = 0;
	uint32_t i;

	if (!req->iov || req->nr_iov == 0 || req->nr_iov > IOV_MAX)
		return false;
	for (i = 0; i < req->nr_iov; i++)
		if (!vc_add_u64(sum, req->iov[i].iov_len, &sum))
			return false;
	if (sum > INT_MAX)
		return false;
	req->len = (uint32_t)sum;
	return true;
}

static int take(struct vc_net_queue *queue, struct vc_net_request *req)
{
	if (!queue || !req || !req->done || !vc_ring_is_current(queue->ring))
		return vc_error_set(-EINVAL, "io", queue ? queue->net->name : "net",
				    "a queue, a request with done, and the ring's thread are "
				    "needed");
	if (req->state != IDLE)
		return vc_error_set(-EBUSY, "io", queue->net->name,
				    "the request is in flight already");
	return 0;
}

static void fly(struct vc_net_queue *queue, struct vc_net_request *req, bool is_send)
{
	req->queue = queue;
	req->is_send = is_send;
	req->result = 0;
	req->state = IN_FLIGHT;
	req->end_tries = req->end_step = 0;
	queue->nr_in_flight++;
	queue->taking = req;
	queue->depth++;
}

/* done() has not run: the request is still ours to look at. */
static int landed(struct vc_net_queue *queue, struct vc_net_request *req)
{
	queue->depth--;
	queue->taking = NULL;
	if (req->state != UNDELIVERABLE)
		return 0;
	req->state = IDLE;
	queue->nr_in_flight--;
	return vc_error_set(-ESHUTDOWN, "io", queue->net->name, "the ring is stopping");
}

int vc_net_receive(struct vc_net_queue *queue, struct vc_net_request *req)
{
	int r = take(queue, req);

	if (r < 0)
		return r;
	if (!measure(req) || req->len < VC_NET_HDR_LEN + VC_NET_FRAME_MIN)
		return vc_error_set(-EINVAL, "io", queue->net->name,
				    "a slot needs an iov of %u bytes or more, 1 to %u entries",
				    VC_NET_HDR_LEN + VC_NET_FRAME_MIN, IOV_MAX);
	fly(queue, req, false);
	queue->ops->receive(queue->lane, req);
	return landed(queue, req);
}

int vc_net_send(struct vc_net_queue *queue, struct vc_net_request *req)
{
	int r = take(queue, req);

	if (r < 0)
		return r;
	fly(queue, req, true);
	if (!measure(req) || req->len < VC_NET_HDR_LEN + VC_NET_FRAME_MIN ||
	    req->len > VC_NET_HDR_LEN + VC_NET_FRAME_MAX) {
		vc__net_count(&queue->counters.nr_refused, 1);
		vc_net_complete(req, -EINVAL);
	} else {
		vc__net_gate_pass(&queue->tx, req);
	}
	return landed(queue, req);
}

int vc_net_cancel(struct vc_net_queue *queue)
{
	if (!queue || !vc_ring_is_current(queue->ring))
		return vc_error_set(-EINVAL, "io", queue ? queue->net->name : "net",
				    "a queue and the ring's thread are needed");
	vc__net_gate_cancel(&queue->rx);
	vc__net_gate_cancel(&queue->tx);
	queue->depth++;
	queue->ops->cancel(queue->lane);
	queue->depth--;
	return 0;
}

int vc__net_queue_init(struct vc_net_queue *queue)
{
	struct vc_net *net = queue->net;
	int r;

	vc__net_list_init(&queue->completed);
	queue->is_link_up = queue->is_link_told = true;
	queue->deliver = calloc(1, sizeof(*queue->deliver));
	if (!queue->deliver)
		return vc_error_set(-ENOMEM, "io", net->name, "no memory");
	queue->deliver->task.run = run_deliver;
	queue->deliver->queue = queue;
	r = vc__net_gate_init(&queue->rx, queue, net->rx_limit, finish);
	return r < 0 ? r : vc__net_gate_init(&queue->tx, queue, net->tx_limit, hand_over);
}

void vc__net_queue_fini(struct vc_net_queue *queue)
{
	struct vc__net_deliver *deliver = queue->deliver;

	vc__net_gate_fini(&queue->rx);
	vc__net_gate_fini(&queue->tx);
	if (deliver && deliver->is_queued)
		deliver->queue = NULL;
	else
		free(deliver);
}
