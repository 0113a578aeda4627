/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of a queue, each of which pushes and pops, and leases one item at a time. */
#include "tests/linearizability/clients.h"
#include "tests/linearizability/specs.h"

#define CAPACITY 4

static int64_t queue_parameter(unsigned clients)
{
	return CAPACITY;
}

static int queue_open(struct client *client, const char *name, int64_t parameter)
{
	struct dso_queue_params params = {.capacity = (uint64_t)parameter,
					  .item_bytes = VALUE_BYTES_MAX};

	return dso_queue_open(client->session, name, &params, &client->queue);
}

static void queue_close(struct client *client)
{
	dso_queue_close(client->queue);
}

static bool queue_draw(struct client *client, struct operation *operation, unsigned *ret_count)
{
	unsigned lot = draw_below(client, 12);

	if (client->held && (client->ending || lot < 6)) {
		operation->kind = lot % 2 ? QUEUE_ACKNOWLEDGE : QUEUE_GIVE_BACK;
		return true;
	}
	operation->kind = lot < 6 ? QUEUE_PUSH : lot < 10 || client->held ? QUEUE_POP : QUEUE_LEASE;
	if (operation->kind == QUEUE_PUSH)
		operation->arguments[0] = draw_value(client);
	operation->arguments[operation->kind == QUEUE_PUSH] = draw_timeout(client, false);
	return !client->ending;
}

static void queue_perform(struct client *client, struct operation *operation)
{
	uint8_t bytes[VALUE_BYTES_MAX];
	struct dso_queue_item item = {.bytes = bytes, .bytes_max = sizeof bytes};
	size_t popped;

	switch (operation->kind) {
	case QUEUE_PUSH:
		operation->status = dso_queue_push(client->queue, bytes,
						   value_write(operation->arguments[0], bytes),
						   operation->arguments[1]);
		break;
	case QUEUE_POP:
		operation->status = dso_queue_pop_many(client->queue, &item, 1,
						       operation->arguments[0], &popped);
		break;
	case QUEUE_LEASE:
		operation->status = dso_queue_lease(client->queue, &item, operation->arguments[0]);
		operation->results[1] = (int64_t)item.ticket;
		break;
	case QUEUE_ACKNOWLEDGE:
		operation->status = dso_queue_acknowledge(client->queue, (uint64_t)client->seen[1]);
		break;
	case QUEUE_GIVE_BACK:
		operation->status = dso_queue_give_back(client->queue, (uint64_t)client->seen[1]);
		break;
	}
	if ((operation->kind == QUEUE_POP || operation->kind == QUEUE_LEASE) &&
	    operation->status == 0)
		operation->results[0] = value_read(bytes, item.length_bytes);
}

static void queue_learn(struct client *client, const struct operation *operation)
{
	if (operation->kind == QUEUE_LEASE && operation->status == 0) {
		client->held = 1;
		client->seen[1] = operation->results[1];
	} else if (operation->kind == QUEUE_ACKNOWLEDGE || operation->kind == QUEUE_GIVE_BACK) {
		client->held = 0;
	}
}

const struct object_kind queue_kind = {
	.specification = &queue_specification,
	.clients = 8,
	.mortal = true,
	.parameter = queue_parameter,
	.open = queue_open,
	.close = queue_close,
	.draw = queue_draw,
	.perform = queue_perform,
	.learn = queue_learn,
};
