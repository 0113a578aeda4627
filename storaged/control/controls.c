/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/control/controls.h"

#define DROP_STEPS 16

void controls_init(struct controls *controls, struct loop *loop, struct room *room,
		   const struct control_handler *handlers, unsigned handler_count,
		   struct context *context)
{
	*controls = (struct controls){.loop = loop,
				      .room = room,
				      .context = context,
				      .handlers = handlers,
				      .handler_count = handler_count,
				      .hellos.whole_ns = CONTROL_HELLO_NS};
	list_init(&controls->all);
	list_init(&controls->ready);
	list_init(&controls->doomed);
	list_init(&controls->unflushed);
	deadlines_init(&controls->closings, CONTROL_CLOSING_NS);
}

void controls_close(struct controls *controls)
{
	while (!list_empty(&controls->all))
		control_close(container_of(controls->all.next, struct control, link));
}

int64_t controls_due_ns(const struct controls *controls)
{
	const struct deadline *closing = deadline_first(&controls->closings);
	int64_t hello_ns = peer_timers_due_ns(&controls->hellos);

	if (!list_empty(&controls->ready) || !list_empty(&controls->doomed))
		return 0;
	return closing && closing->at_ns < hello_ns ? closing->at_ns : hello_ns;
}

void controls_expire(struct controls *controls, int64_t now_ns)
{
	struct deadline *deadline;
	struct peer_timer *timer;

	while ((timer = peer_timers_over(&controls->hellos, now_ns))) {
		peer_timer_end(&controls->hellos, timer);
		control_doom(container_of(timer, struct control, hello),
			     "it did not say HELLO in time");
	}
	while ((deadline = deadline_first(&controls->closings)) && deadline->at_ns <= now_ns) {
		list_remove(&deadline->link);
		control_doom(container_of(deadline, struct control, deadline), NULL);
	}
}

bool controls_resume(struct controls *controls, struct budget *budget)
{
	struct list turn;

	list_init(&turn);
	list_splice(&turn, &controls->ready);
	while (!list_empty(&turn)) {
		struct control *control = container_of(turn.next, struct control, ready);

		if (!budget_take(budget, control_steps(control)))
			break;
		control_resume(control);
	}
	/* Before connections that queue themselves meanwhile. */
	list_splice(&turn, &controls->ready);
	list_splice(&controls->ready, &turn);
	return !list_empty(&controls->ready);
}

void controls_flush(struct controls *controls)
{
	while (!list_empty(&controls->unflushed))
		control_flush(container_of(controls->unflushed.next, struct control, unflushed));
}

bool controls_drop(struct controls *controls, struct budget *budget)
{
	while (!list_empty(&controls->doomed) && budget_take(budget, DROP_STEPS))
		control_close(container_of(controls->doomed.next, struct control, doomed));
	return !list_empty(&controls->doomed);
}

void controls_drain(struct controls *controls, int64_t closing_ns)
{
	struct list *link;

	controls->closings.duration_ns = closing_ns;
	for (link = controls->all.next; link != &controls->all; link = link->next) {
		struct control *control = container_of(link, struct control, link);

		if (control->session)
			session_fence(control->session, END_drained);
		else
			control_doom(control, NULL);
	}
}
