/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames of a pair, copied once, from the sender's buffers to the receiver's, by the receiver's
 * ring. No lock, no allocation; the only system call is the wake-up of the other ring, at most one a
 * batch. For each queue and way there is a row of cells, in which requests lie.
 *
 * The request behind a cell is the receiver's while BUSY only, so the sender can take back what has
 * not been begun, whatever the receiver is doing. What finds no cell waits with the sender; what finds
 * no slot for too long is dropped by the receiver. A lane can be called from the other side only
 * while it is published; withdrawing it waits for a call that is under way, which never blocks.
 * Leaves out: computing what a receiver has not accepted to do itself. [virtio 1.3 §5.1.6]
 */
#include "net_pair.h"

#include <errno.h>
#include <sched.h>

#include "net_frame.h"

/*
 * For each queue and way there is a row of cells, used in turn:
 *
 *      sender        receiver       receiver        sender
 *   FREE --> FULL --> BUSY (copies) --> DONE --> FREE, request given back
 *              |                         ^
 *              +--> CANCELLED (sender) --+ passed over by the receiver
 */
enum { FREE = 0, FULL, BUSY, DONE, CANCELLED };

struct vc__pair_lane {
	struct vc__pair_end *end;
	struct vc__pair_side *side, *peer;
	struct vc_net_queue *queue;
	struct vc_ring *ring;
	bool is_published, is_over, is_detached;
	uint32_t nr_holds; /* attached, timers, starter, loops of callbacks */
	struct vc__net_list slots, backlog;
	struct vc_ring_task starter;
	/* A timer that never fires tells of the ring's stop; the other one drops frames. */
	struct vc_ring_request stop, drop;
	bool is_stop_armed, is_drop_armed;
	uint32_t drop_end; /* frames before this one waited when the timer was armed */
};

static uint32_t state_of(const struct vc__pair_cell *cell)
{
	/* Acquire: pairs with set_state() and with claim() of the other side. */
	return atomic_load_explicit(&cell->state, memory_order_acquire);
}

static void set_state(struct vc__pair_cell *cell, uint32_t state)
{
	atomic_store_explicit(&cell->state, state, memory_order_release);
}

/* Takes a cell that is FULL for one side; false: the other one has it. */
static bool claim(struct vc__pair_cell *cell, uint32_t state)
{
	uint32_t full = FULL;

	return atomic_compare_exchange_strong_explicit(&cell->state, &full, state,
						       memory_order_acq_rel, memory_order_acquire);
}

static struct vc__pair_cell *cell_at(const struct vc__pair *pair, const struct vc__pair_row *row,
				     uint32_t i)
{
	return &row->cells[i & (pair->nr_frames - 1)];
}

static void put(struct vc__pair_lane *lane)
{
	struct vc__pair *pair = lane->side->pair;

	if (--lane->nr_holds > 0)
		return;
	free(lane);
	vc__pair_put(pair);
}

/* The other side */

/* Sequentially consistent, as in withdraw(): either the caller sees that the lane is gone, or the
 * one that withdraws it sees the caller. */
static struct vc__pair_lane *look_at(struct vc__pair_side *side)
{
	atomic_fetch_add_explicit(&side->nr_callers, 1, memory_order_seq_cst);
	return atomic_load_explicit(&side->lane, memory_order_seq_cst);
}

static void look_away(struct vc__pair_side *side)
{
	atomic_fetch_sub_explicit(&side->nr_callers, 1, memory_order_release);
}

static bool is_there(const struct vc__pair_side *side)
{
	return atomic_load_explicit(&side->lane, memory_order_seq_cst) != NULL;
}

/* Has work() run on the ring of that side's lane; what was written before is seen there. */
static void ring_bell(struct vc__pair_side *side)
{
	struct vc__pair_lane *lane = look_at(side);

	if (lane) {
		atomic_fetch_add_explicit(&side->pair->nr_refs, 1, memory_order_relaxed);
		if (vc_ring_post(lane->ring, &side->bell) != 0) /* queued already, or drained */
			vc__pair_put(side->pair);
	}
	look_away(side);
}

static void withdraw(struct vc__pair_lane *lane)
{
	struct vc__pair_side *side = lane->side;

	if (!lane->is_published)
		return;
	lane->is_published = false;
	atomic_store_explicit(&side->lane, NULL, memory_order_seq_cst);
	/* A caller posts to the ring, no more. Acquire: pairs with look_away(). */
	while (atomic_load_explicit(&side->nr_callers, memory_order_seq_cst) != 0)
		(void)sched_yield();
	ring_bell(lane->peer); /* which takes back what it has sent */
}

/* Sending */

/* Each loop over requests ends when a callback has detached the lane: the row is another's then. */

static void give_back_done(struct vc__pair_lane *lane)
{
	struct vc__pair_row *row = &lane->side->row;

	while (!lane->is_detached && row->tail != row->head) {
		struct vc__pair_cell *cell = cell_at(lane->side->pair, row, row->tail);
		struct vc_net_request *req;
		int result;

		if (state_of(cell) != DONE)
			return;
		req = cell->req;
		result = cell->result;
		cell->req = NULL;
		set_state(cell, FREE);
		row->tail++;
		if (req)
			vc_net_complete(req, result);
	}
}

/* Those in the list now: a callback may bring more. */
static void empty(struct vc__net_list *list, int result)
{
	struct vc_net_request *req = list->first, *next;

	vc__net_list_init(list);
	for (; req; req = next) {
		next = req->next;
		vc_net_complete(req, result);
	}
}

/* What the receiver has not begun. */
static void take_back(struct vc__pair_lane *lane, int result)
{
	const struct vc__pair_row *row = &lane->side->row;

	for (uint32_t i = row->tail; !lane->is_detached && i != row->head; i++) {
		struct vc__pair_cell *cell = cell_at(lane->side->pair, row, i);
		struct vc_net_request *req = cell->req;

		if (!req || !claim(cell, CANCELLED))
			continue;
		cell->req = NULL;
		vc_net_complete(req, result);
	}
	empty(&lane->backlog, result);
}

/* True when there is something for the other side. */
static bool fill_cells(struct vc__pair_lane *lane)
{
	const struct vc__pair *pair = lane->side->pair;
	struct vc__pair_row *row = &lane->side->row;
	bool is_new = false;

	while (lane->backlog.first && row->head - row->tail < pair->nr_frames) {
		struct vc__pair_cell *cell = cell_at(pair, row, row->head);

		cell->req = vc__net_list_pop(&lane->backlog);
		set_state(cell, FULL);
		row->head++;
		is_new = true;
	}
	return is_new;
}

/* Receiving */

static void start_soon(struct vc__pair_lane *lane)
{
	if (vc_ring_defer(lane->ring, &lane->starter) == 0)
		lane->nr_holds++;
}

static void arm_drop(struct vc__pair_lane *lane)
{
	const struct vc__pair_row *row = &lane->peer->row;

	if (lane->is_drop_armed)
		return;
	lane->drop_end = row->next;
	while (lane->drop_end - row->next < lane->side->pair->nr_frames &&
	       state_of(cell_at(lane->side->pair, row, lane->drop_end)) == FULL)
		lane->drop_end++;
	lane->is_drop_armed = vc_ring_submit(lane->ring, &lane->drop) == 0;
	lane->nr_holds += lane->is_drop_armed;
}

/* The frame in @cell, which is BUSY; what the sender is told, and the slot's result. */
static int move_frame(const struct vc__pair_lane *lane, const struct vc__pair_cell *cell,
		      const struct vc_net_request *slot)
{
	uint32_t accepted = atomic_load_explicit(&lane->end->offloads, memory_order_relaxed);
	const struct vc_net_request *req = cell->req;

	if (req->len > slot->len)
		return -EMSGSIZE;
	return vc__net_frame_copy(slot, req, accepted);
}

/* The cell that is next, if there is something to do about it. */
static struct vc__pair_cell *next_cell(struct vc__pair_lane *lane, bool is_late)
{
	const struct vc__pair_row *row = &lane->peer->row;
	struct vc__pair_cell *cell = cell_at(lane->side->pair, row, row->next);
	bool is_dropped = is_late && (int32_t)(lane->drop_end - row->next) > 0;
	uint32_t state = state_of(cell);

	if (state == CANCELLED)
		return cell;
	if (state != FULL)
		return NULL;
	if (lane->slots.first || is_dropped)
		return cell;
	arm_drop(lane);
	return NULL;
}

/* Fills a slot, or drops the frame for want of one, or passes over what was taken back. */
static void take_frame(struct vc__pair_lane *lane, struct vc__pair_cell *cell)
{
	struct vc_net_request *slot = lane->slots.first;
	int len = -ENOBUFS;

	lane->peer->row.next++;
	if (claim(cell, BUSY)) {
		if (slot)
			len = move_frame(lane, cell, slot);
		cell->result = len < 0 ? len : 0;
	}
	set_state(cell, DONE);
	if (len < 0)
		return;
	(void)vc__net_list_pop(&lane->slots);
	vc_net_complete(slot, len);
}

/* True when the sender is to be told. With @is_late what has waited too long is dropped. */
static bool take_frames(struct vc__pair_lane *lane, bool is_late)
{
	uint32_t budget = lane->side->pair->nr_frames;
	struct vc__pair_cell *cell;
	bool is_any = false;

	while (lane->is_published && (cell = next_cell(lane, is_late)) != NULL) {
		take_frame(lane, cell);
		is_any = true;
		if (--budget == 0) {
			start_soon(lane); /* others have their turn */
			break;
		}
	}
	return is_any;
}

/* The lane as a whole */

static void work(struct vc__pair_lane *lane, bool is_late)
{
	bool has_news = false;

	lane->nr_holds++;
	if (lane->is_published) {
		bool is_up = is_there(lane->peer);

		vc_net_tell_link(lane->queue, is_up);
		give_back_done(lane);
		if (!is_up)
			take_back(lane, -ENETDOWN);
	}
	/* A callback may have detached the lane. */
	if (lane->is_published)
		has_news = take_frames(lane, is_late);
	if (lane->is_published)
		has_news |= fill_cells(lane);
	if (lane->is_published && has_news)
		ring_bell(lane->peer);
	put(lane);
}

void vc__pair_run_bell(struct vc_ring_task *task)
{
	struct vc__pair_side *side = vc_container_of(task, struct vc__pair_side, bell);
	struct vc__pair *pair = side->pair;
	struct vc__pair_lane *lane = look_at(side);
	bool is_ours = lane && vc_ring_is_current(lane->ring);

	/* It was meant for an earlier lane on another ring. */
	if (lane && !is_ours && vc_ring_post(lane->ring, &side->bell) == 0) {
		look_away(side);
		return;
	}
	look_away(side);
	if (is_ours) /* it is withdrawn on this thread only */
		work(lane, false);
	vc__pair_put(pair);
}

static void run_starter(struct vc_ring_task *task)
{
	struct vc__pair_lane *lane = vc_container_of(task, struct vc__pair_lane, starter);

	work(lane, false);
	put(lane);
}

static void drop_done(struct vc_ring_request *io, int res)
{
	struct vc__pair_lane *lane = vc_container_of(io, struct vc__pair_lane, drop);

	lane->is_drop_armed = false;
	if (res == 0)
		work(lane, true); /* nothing, once the lane is withdrawn */
	put(lane);
}

static void cancel_all(struct vc__pair_lane *lane)
{
	take_back(lane, -ECANCELED);
	empty(&lane->slots, -ECANCELED);
}

/* The ring stops, or the lane is detached and has nothing. A frame that the other side is just
 * copying is waited for: nobody could tell of it later. */
static void stop_done(struct vc_ring_request *io, int res)
{
	struct vc__pair_lane *lane = vc_container_of(io, struct vc__pair_lane, stop);
	const struct vc__pair_row *row = &lane->side->row;

	(void)res;
	lane->is_stop_armed = false;
	lane->is_over = true;
	if (!lane->is_detached) {
		withdraw(lane);
		cancel_all(lane);
	}
	for (uint32_t i = row->tail; !lane->is_detached && i != row->head; i++)
		while (state_of(cell_at(lane->side->pair, row, i)) == BUSY)
			(void)sched_yield();
	give_back_done(lane);
	put(lane);
}

/* On its ring's thread at last: the other side may call. */
static void publish(struct vc__pair_lane *lane)
{
	if (lane->is_published || lane->is_over)
		return;
	lane->is_stop_armed = vc_ring_submit(lane->ring, &lane->stop) == 0;
	if (!lane->is_stop_armed) {
		lane->is_over = true;
		return;
	}
	lane->nr_holds++;
	lane->is_published = true;
	/* Sequentially consistent: with both sides coming up at once, one of them sees the other. */
	atomic_store_explicit(&lane->side->lane, lane, memory_order_seq_cst);
	ring_bell(lane->peer);
}

void vc__pair_receive(void *opaque, struct vc_net_request *req)
{
	struct vc__pair_lane *lane = opaque;

	publish(lane);
	if (lane->is_over) {
		vc_net_complete(req, -ESHUTDOWN);
		return;
	}
	vc__net_list_add(&lane->slots, req);
	start_soon(lane);
}

void vc__pair_send(void *opaque, struct vc_net_request *req)
{
	struct vc__pair_lane *lane = opaque;

	publish(lane);
	if (lane->is_over) {
		vc_net_complete(req, -ESHUTDOWN);
		return;
	}
	vc__net_list_add(&lane->backlog, req);
	start_soon(lane);
}

void vc__pair_cancel(void *opaque)
{
	cancel_all(opaque);
}

int vc__pair_attach(void *opaque, struct vc_net_queue *queue, uint32_t queue_idx,
		    struct vc_ring *ring, void **ret_lane)
{
	struct vc__pair_end *end = opaque;
	struct vc__pair_lane *lane = calloc(1, sizeof(*lane));

	if (!lane)
		return vc_error_set(-ENOMEM, "io", queue->net->name, "no memory");
	lane->end = end;
	lane->side = &end->sides[queue_idx];
	lane->peer = &end->peer->sides[queue_idx];
	lane->queue = queue;
	lane->ring = ring;
	lane->nr_holds = 1;
	vc__net_list_init(&lane->slots);
	vc__net_list_init(&lane->backlog);
	lane->starter.run = run_starter;
	lane->stop.op = lane->drop.op = VC_RING_TIMER;
	lane->stop.off = INT64_MAX;
	lane->stop.done = stop_done;
	lane->drop.off = end->pair->wait_ns;
	lane->drop.done = drop_done;
	atomic_fetch_add_explicit(&end->pair->nr_refs, 1, memory_order_relaxed);
	*ret_lane = lane;
	return 0;
}

void vc__pair_detach(void *opaque)
{
	struct vc__pair_lane *lane = opaque;

	withdraw(lane);
	lane->is_over = lane->is_detached = true;
	if (lane->is_stop_armed)
		(void)vc_ring_cancel(lane->ring, &lane->stop);
	if (lane->is_drop_armed)
		(void)vc_ring_cancel(lane->ring, &lane->drop);
	put(lane);
}
