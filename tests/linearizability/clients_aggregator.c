/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of an aggregator. There are more of them than ids, so some contribute for one id. */
#include "tests/linearizability/clients.h"
#include "tests/linearizability/specs.h"

#include <errno.h>

#define CONTRIBUTORS_MAX 3
#define ROUNDS           10 /* in a round that is not rough */
#define LENGTH           300

/* The id of the client that may be killed is another's too: nobody waits for it alone. */
static int64_t aggregator_parameter(unsigned clients)
{
	int64_t contributors = clients > CONTRIBUTORS_MAX ? CONTRIBUTORS_MAX : clients - 1;

	return contributors | (clients % 2 ? AGGREGATOR_HAS_RETRIES : 0);
}

/* seen: {the last round that it knows of, contributors}. */
static int aggregator_open(struct client *client, const char *name, int64_t parameter)
{
	struct dso_aggregator_params params = {
		.length = LENGTH,
		.element = DSO_INT64,
		.contributors = (uint8_t)parameter,
		.flags = parameter & AGGREGATOR_HAS_RETRIES ? DSO_AGGREGATOR_RETRIES : 0,
	};

	client->seen[1] = params.contributors;
	return dso_aggregator_open(client->session, name, &params, &client->aggregator);
}

static void aggregator_close(struct client *client)
{
	dso_aggregator_close(client->aggregator);
}

/* ---- what is next ---- */

static void draw_contribution(struct client *client, struct operation *operation, int64_t round,
			      int64_t timeout)
{
	operation->kind = AGGREGATOR_CONTRIBUTE;
	operation->arguments[0] = draw_value(client);
	operation->arguments[1] = round;
	operation->arguments[2] = timeout;
}

static void draw_wait(struct operation *operation, int64_t round, int64_t timeout)
{
	operation->kind = AGGREGATOR_WAIT;
	operation->arguments[0] = round;
	operation->arguments[1] = timeout;
}

/* Contribute to a round and wait for it, one round after the other, in one call or in two. */
static bool draw_next_of_all(struct client *client, struct operation *operations,
			     unsigned *ret_count)
{
	int64_t round = 1 + client->step / 2;

	if (client->step >= 2 * ROUNDS)
		return false;
	if (client->step++ % 2) {
		draw_wait(operations, round, HANG_TIMEOUT);
		return true;
	}
	draw_contribution(client, operations, round, HANG_TIMEOUT);
	if (draw_below(client, 2)) {
		draw_wait(&operations[1], round, HANG_TIMEOUT);
		*ret_count = 2;
		client->step++;
	}
	return true;
}

/* To the current round, the last one known, or the one after that. */
static void draw_rough_contribution(struct client *client, struct operation *operations,
				    unsigned *ret_count)
{
	int64_t lot = draw_below(client, 4), round = lot < 2 ? 0 : client->seen[0] + lot - 2;

	draw_contribution(client, operations, round, draw_timeout(client, false));
	/* What fails may have made it a contributor, whose death breaks the round. */
	operations[1].kind = AGGREGATOR_JOIN;
	*ret_count = client->doomed ? 2 : 1;
}

static bool aggregator_draw(struct client *client, struct operation *operations,
			    unsigned *ret_count)
{
	int64_t known = client->seen[0] > 1 ? client->seen[0] - draw_below(client, 2) : 1;

	if (!client->rough)
		return draw_next_of_all(client, operations, ret_count);
	switch (draw_below(client, 12)) {
	case 0:
		operations[0].kind = AGGREGATOR_GET;
		break;
	case 1:
		operations[0].kind = AGGREGATOR_STAT;
		break;
	case 2:
		operations[0].kind = AGGREGATOR_FINISH;
		break;
	case 3:
		operations[0].kind = AGGREGATOR_RESET;
		operations[1].kind = AGGREGATOR_RESETTING;
		operations[2].kind = AGGREGATOR_END;
		operations[1].arguments[0] = operations[2].arguments[0] = client->step++;
		*ret_count = 3;
		break;
	case 4:
		operations[1].kind = AGGREGATOR_TAKE;
		operations[1].arguments[0] = known;
		*ret_count = 2;
		/* fallthrough */
	case 5:
	case 6:
		draw_wait(operations, known, draw_timeout(client, false));
		break;
	default:
		draw_rough_contribution(client, operations, ret_count);
	}
	return !client->ending;
}

/* ---- calling ---- */

static void write_vector(const struct client *client, int64_t value, int64_t *vector)
{
	unsigned id = client->number % (unsigned)client->seen[1];

	for (unsigned i = 0; i < LENGTH; i++)
		vector[i] = (int64_t)AGGREGATOR_VALUE(id, (uint64_t)value);
}

/* The sum, -1: the vector is none of whole contributions, of as many as was said. */
static int64_t read_vector(const int64_t *vector, uint32_t contributors)
{
	uint32_t count = 0;

	for (unsigned id = 0; id < CONTRIBUTORS_MAX; id++)
		count += ((uint64_t)vector[0] & AGGREGATOR_FIELD(id)) != 0;
	for (unsigned i = 1; i < LENGTH; i++)
		if (vector[i] != vector[0])
			return -1;
	return count == contributors ? vector[0] : -1;
}

static void contribute(struct client *client, struct operation *operation)
{
	int64_t vector[LENGTH];
	uint64_t round = 0;

	write_vector(client, operation->arguments[0], vector);
	operation->status = dso_aggregator_contribute(
		client->aggregator, client->number % (uint32_t)client->seen[1], vector,
		sizeof vector, (uint64_t)operation->arguments[1], operation->arguments[2], &round);
	operation->results[0] = (int64_t)round;
}

/* Where it fails, one of its two steps has: what is late contributes nothing, and else that is not
 * known. */
static void all_reduce(struct client *client, struct operation *operations)
{
	int64_t vector[LENGTH], result[LENGTH];
	uint64_t round = 0;
	int r;

	write_vector(client, operations[0].arguments[0], vector);
	r = dso_aggregator_all_reduce(
		client->aggregator, client->number % (uint32_t)client->seen[1], vector,
		sizeof vector, (uint64_t)operations[0].arguments[1], result, HANG_TIMEOUT, &round);
	operations[0].status = r == 0 || r == -EALREADY ? r : -ECONNRESET;
	operations[1].status = r == -EALREADY ? -ECONNRESET : r;
	operations[0].results[0] = (int64_t)round;
	/* It is not told how many there were, and all were to come. */
	operations[1].results[0] = r ? 0 : read_vector(result, (uint32_t)client->seen[1]);
}

static void wait_for(struct client *client, struct operation *operations)
{
	bool takes = operations[1].kind == AGGREGATOR_TAKE;
	int64_t result[LENGTH];
	uint32_t contributors;
	int r;

	r = (takes ? dso_aggregator_reduce_wait : dso_aggregator_round_wait)(
		client->aggregator, (uint64_t)operations[0].arguments[0], result, sizeof result,
		operations[0].arguments[1], &contributors);
	operations[0].status = operations[1].status = r;
	operations[0].results[0] = r ? 0 : read_vector(result, contributors);
}

static void get(struct client *client, struct operation *operation)
{
	int64_t result[LENGTH];
	uint32_t contributors;
	uint64_t round = 0;

	operation->status = dso_aggregator_get(client->aggregator, result, sizeof result, &round,
					       &contributors);
	operation->results[0] = operation->status ? 0 : read_vector(result, contributors);
	operation->results[1] = (int64_t)round;
}

static void stat(struct client *client, struct operation *operation)
{
	uint32_t contributed = 0;
	uint64_t round = 0;
	int is_broken = 0;

	operation->status =
		dso_aggregator_stat(client->aggregator, &round, &contributed, &is_broken);
	operation->results[0] = (int64_t)round;
	operation->results[1] = contributed | (is_broken ? AGGREGATOR_SHOWS_BROKEN : 0);
}

static void aggregator_perform(struct client *client, struct operation *operations)
{
	uint64_t round = 0;

	switch (operations[0].kind) {
	case AGGREGATOR_CONTRIBUTE:
		if (operations[1].kind == AGGREGATOR_WAIT) {
			all_reduce(client, operations);
			break;
		}
		contribute(client, operations);
		operations[1].status = -ECONNRESET;
		break;
	case AGGREGATOR_WAIT:
		wait_for(client, operations);
		break;
	case AGGREGATOR_GET:
		get(client, operations);
		break;
	case AGGREGATOR_STAT:
		stat(client, operations);
		break;
	case AGGREGATOR_FINISH:
		operations[0].status = dso_aggregator_finish(client->aggregator, 0, &round);
		operations[0].results[0] = (int64_t)round;
		break;
	case AGGREGATOR_RESET:
		operations[0].status = dso_aggregator_reset(client->aggregator);
		operations[1].status = operations[2].status = -ECONNRESET;
		break;
	}
}

/* Be a contributor: where nobody waits for less than it takes, the others would else wait for one
 * that has died before it was one. */
static void aggregator_settle(struct client *client, struct operation *operation)
{
	draw_contribution(client, operation, 1, HANG_TIMEOUT);
	operation->arguments[0] += DRAWN_MAX;
	contribute(client, operation);
}

static void aggregator_learn(struct client *client, const struct operation *operations)
{
	int64_t round = operations[0].results[0];

	if (operations[0].status)
		return;
	switch (operations[0].kind) {
	case AGGREGATOR_WAIT:
		round = operations[0].arguments[0] + 1;
		break;
	case AGGREGATOR_GET:
		round = operations[0].results[1] + 1;
		break;
	case AGGREGATOR_RESET:
		round = client->seen[0] + 1;
		break;
	}
	client->seen[0] = round;
}

const struct object_kind aggregator_kind = {
	.specification = &aggregator_specification,
	.mortal = true,
	.parameter = aggregator_parameter,
	.open = aggregator_open,
	.close = aggregator_close,
	.draw = aggregator_draw,
	.settle = aggregator_settle,
	.perform = aggregator_perform,
	.learn = aggregator_learn,
};
