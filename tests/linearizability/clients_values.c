/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of word, counter, register, latch and future; and what all clients have in common. */
#include "tests/linearizability/clients.h"
#include "tests/linearizability/specs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

unsigned draw_below(struct client *client, unsigned n)
{
	return (unsigned)rand_r(&client->random) / 16 % n;
}

int64_t draw_value(struct client *client)
{
	return (client->number + 1) * 1000 + (int64_t)client->drawn;
}

int64_t draw_timeout(struct client *client, bool may_wait)
{
	switch (draw_below(client, 4)) {
	case 0:
		return DSO_MILLISECOND / 1000 * (1 + draw_below(client, 1000));
	case 1:
	case 2:
		return may_wait ? HANG_TIMEOUT : DSO_NOWAIT;
	}
	return DSO_NOWAIT;
}

/* Of one word, of many, or of more than a register reads at the first look. */
size_t value_write(int64_t value, uint8_t *buffer)
{
	size_t words = (size_t)value % 4 == 0 ? 600 : 1 + (size_t)value % 4 * 30;

	for (size_t i = 0; i < words; i++)
		memcpy(buffer + 8 * i, &value, 8);
	return 8 * words;
}

int64_t value_read(const uint8_t *buffer, size_t length_bytes)
{
	uint8_t expected[VALUE_BYTES_MAX];
	int64_t value = 0;

	if (length_bytes == 0)
		return 0;
	if (length_bytes < 8)
		return -1;
	memcpy(&value, buffer, 8);
	return value > 0 && value_write(value, expected) == length_bytes &&
			       !memcmp(buffer, expected, length_bytes)
		       ? value
		       : -1;
}

static int64_t zero(unsigned clients)
{
	return 0;
}

/* ---- word ---- */

static int word_open(struct client *client, const char *name, int64_t parameter)
{
	return dso_memory_open(client->session, name, NULL, &client->memory);
}

static void word_close(struct client *client)
{
	dso_memory_close(client->memory);
}

/* Of compare-and-swaps with what was last seen, some find it. */
static bool word_draw(struct client *client, struct operation *operation, unsigned *ret_count)
{
	if (client->ending)
		return false;
	switch (draw_below(client, 4)) {
	case 0:
		operation->kind = WORD_FETCH_ADD;
		break;
	case 1:
		operation->kind = WORD_FETCH_ADD;
		operation->arguments[0] = 1 + draw_below(client, 3);
		break;
	default:
		operation->kind = WORD_CAS;
		operation->arguments[0] = client->seen[0];
		operation->arguments[1] = draw_value(client);
	}
	return true;
}

static void word_perform(struct client *client, struct operation *operation)
{
	uint64_t before = 0;

	operation->status =
		operation->kind == WORD_CAS
			? dso_memory_cas(client->memory, 8, (uint64_t)operation->arguments[0],
					 (uint64_t)operation->arguments[1], &before)
			: dso_memory_fetch_add(client->memory, 8, (uint64_t)operation->arguments[0],
					       &before);
	operation->results[0] = (int64_t)before;
}

static void learn_result(struct client *client, const struct operation *operation)
{
	client->seen[0] = operation->results[0];
}

const struct object_kind word_kind = {
	.specification = &word_specification,
	.parameter = zero,
	.open = word_open,
	.close = word_close,
	.draw = word_draw,
	.perform = word_perform,
	.learn = learn_result,
};

/* ---- counter ---- */

static int64_t counter_parameter(unsigned clients)
{
	return 100;
}

static int counter_open(struct client *client, const char *name, int64_t parameter)
{
	struct dso_counter_params params = {.initial = parameter};

	return dso_counter_open(client->session, name, &params, &client->counter);
}

static void counter_close(struct client *client)
{
	dso_counter_close(client->counter);
}

static bool counter_draw(struct client *client, struct operation *operation, unsigned *ret_count)
{
	static const uint8_t kinds[] = {COUNTER_ADD, COUNTER_ADD, COUNTER_GET,
					COUNTER_SET, COUNTER_CAS, COUNTER_EXCHANGE};

	operation->kind = kinds[draw_below(client, sizeof kinds)];
	switch (operation->kind) {
	case COUNTER_ADD:
		operation->arguments[0] = (int64_t)draw_below(client, 7) - 3;
		break;
	case COUNTER_SET:
	case COUNTER_EXCHANGE:
		operation->arguments[0] = draw_value(client);
		break;
	case COUNTER_CAS:
		operation->arguments[0] = client->seen[0];
		operation->arguments[1] = draw_value(client);
	}
	return !client->ending;
}

static void counter_perform(struct client *client, struct operation *operation)
{
	struct dso_counter *counter = client->counter;
	const int64_t *arguments = operation->arguments;
	int64_t *result = &operation->results[0];

	switch (operation->kind) {
	case COUNTER_ADD:
		operation->status = dso_counter_add(counter, arguments[0], result);
		break;
	case COUNTER_GET:
		operation->status = dso_counter_get(counter, result);
		break;
	case COUNTER_SET:
		operation->status = dso_counter_set(counter, arguments[0]);
		break;
	case COUNTER_EXCHANGE:
		operation->status = dso_counter_exchange(counter, arguments[0], result);
		break;
	case COUNTER_CAS:
		operation->status = dso_counter_cas(counter, arguments[0], arguments[1], result);
		break;
	}
}

const struct object_kind counter_kind = {
	.specification = &counter_specification,
	.mortal = true,
	.parameter = counter_parameter,
	.open = counter_open,
	.close = counter_close,
	.draw = counter_draw,
	.perform = counter_perform,
	.learn = learn_result,
};

/* ---- register ---- */

static int register_open(struct client *client, const char *name, int64_t parameter)
{
	struct dso_register_params params = {.capacity_bytes = VALUE_BYTES_MAX};

	return dso_register_open(client->session, name, &params, &client->reg);
}

static void register_close(struct client *client)
{
	dso_register_close(client->reg);
}

static bool register_draw(struct client *client, struct operation *operation, unsigned *ret_count)
{
	static const uint8_t kinds[] = {REGISTER_GET,    REGISTER_GET,      REGISTER_SET,
					REGISTER_SET_IF, REGISTER_EXCHANGE, REGISTER_VERSION};

	operation->kind = kinds[draw_below(client, sizeof kinds)];
	switch (operation->kind) {
	case REGISTER_SET:
	case REGISTER_EXCHANGE:
		operation->arguments[0] = draw_value(client);
		break;
	case REGISTER_SET_IF:
		operation->arguments[0] = client->seen[1];
		operation->arguments[1] = draw_value(client);
	}
	return !client->ending;
}

static void register_perform(struct client *client, struct operation *operation)
{
	int64_t given = operation->arguments[operation->kind == REGISTER_SET_IF], *results;
	uint8_t value[VALUE_BYTES_MAX], buffer[VALUE_BYTES_MAX];
	size_t length = 0, given_bytes = given > 0 ? value_write(given, value) : 0;
	uint64_t version = 0;

	results = operation->results;
	switch (operation->kind) {
	case REGISTER_GET:
		operation->status =
			dso_register_get(client->reg, buffer, sizeof buffer, &length, &version);
		results[0] = operation->status ? 0 : value_read(buffer, length);
		results[1] = (int64_t)version;
		break;
	case REGISTER_SET:
		operation->status = dso_register_set(client->reg, value, given_bytes, &version);
		results[0] = (int64_t)version;
		break;
	case REGISTER_SET_IF:
		operation->status =
			dso_register_set_if_version(client->reg, (uint64_t)operation->arguments[0],
						    value, given_bytes, &version);
		results[0] = (int64_t)version;
		break;
	case REGISTER_EXCHANGE:
		operation->status = dso_register_exchange(client->reg, value, given_bytes, buffer,
							  sizeof buffer, &length, &version);
		results[0] = operation->status ? 0 : value_read(buffer, length);
		results[1] = (int64_t)version;
		break;
	case REGISTER_VERSION:
		operation->status = dso_register_version(client->reg, &version);
		results[0] = (int64_t)version;
		break;
	}
}

static void register_learn(struct client *client, const struct operation *operation)
{
	bool is_second = operation->kind == REGISTER_GET || operation->kind == REGISTER_EXCHANGE;

	client->seen[1] = operation->results[is_second];
}

const struct object_kind register_kind = {
	.specification = &register_specification,
	.mortal = true,
	.parameter = zero,
	.open = register_open,
	.close = register_close,
	.draw = register_draw,
	.perform = register_perform,
	.learn = register_learn,
};

/* ---- latch ---- */

#define LATCH_SHARE 2 /* that each client takes off at its end, at least */

/* Without the one that is killed. */
static int64_t latch_parameter(unsigned clients)
{
	return LATCH_SHARE * ((int64_t)clients - 1);
}

static int latch_open(struct client *client, const char *name, int64_t parameter)
{
	struct dso_latch_params params = {.count = parameter};

	return dso_latch_open(client->session, name, &params, &client->latch);
}

static void latch_close(struct client *client)
{
	dso_latch_close(client->latch);
}

static bool latch_draw(struct client *client, struct operation *operation, unsigned *ret_count)
{
	if (client->ending) {
		operation->kind = client->step == 0 ? LATCH_COUNT_DOWN : LATCH_WAIT;
		operation->arguments[0] = client->step == 0 ? LATCH_SHARE : HANG_TIMEOUT;
		return client->step++ < 2;
	}
	switch (draw_below(client, 6)) {
	case 0:
		operation->kind = LATCH_COUNT_DOWN;
		operation->arguments[0] = 1;
		break;
	case 1:
	case 2:
		operation->kind = LATCH_WAIT;
		operation->arguments[0] = draw_timeout(client, false);
		break;
	default:
		operation->kind = LATCH_COUNT;
	}
	return true;
}

static void latch_perform(struct client *client, struct operation *operation)
{
	int64_t *result = &operation->results[0];

	switch (operation->kind) {
	case LATCH_COUNT_DOWN:
		operation->status =
			dso_latch_count_down(client->latch, operation->arguments[0], result);
		break;
	case LATCH_WAIT:
		operation->status = dso_latch_wait(client->latch, operation->arguments[0]);
		break;
	case LATCH_COUNT:
		operation->status = dso_latch_count(client->latch, result);
		break;
	}
}

const struct object_kind latch_kind = {
	.specification = &latch_specification,
	.mortal = true,
	.parameter = latch_parameter,
	.open = latch_open,
	.close = latch_close,
	.draw = latch_draw,
	.perform = latch_perform,
	.learn = learn_result,
};

/* ---- future ---- */

static int future_open(struct client *client, const char *name, int64_t parameter)
{
	struct dso_future_params params = {.capacity_bytes = VALUE_BYTES_MAX};

	return dso_future_open(client->session, name, &params, &client->future);
}

static void future_close(struct client *client)
{
	dso_future_close(client->future);
}

static void draw_set(struct client *client, struct operation *operations, unsigned *ret_count)
{
	int64_t value = draw_value(client);

	operations[0].kind = FUTURE_PROMISE;
	operations[1].kind = FUTURE_SETTLE;
	operations[1].arguments[0] = draw_below(client, 4) ? value : -value;
	*ret_count = 2;
}

/* In the end each sets it, so that whoever promised to does. */
static bool future_draw(struct client *client, struct operation *operations, unsigned *ret_count)
{
	operations->kind = FUTURE_GET;
	if (client->ending) {
		operations->arguments[0] = HANG_TIMEOUT;
		if (client->step == 0)
			draw_set(client, operations, ret_count);
		return client->step++ < 2;
	}
	switch (draw_below(client, 24)) {
	case 0:
		draw_set(client, operations, ret_count);
		break;
	case 1:
		operations->kind = FUTURE_PROMISE;
		break;
	case 2:
	case 3:
	case 4:
	case 5:
	case 6:
	case 7:
		operations->arguments[0] = draw_timeout(client, false);
		break;
	default:
		operations->kind = FUTURE_IS_DONE;
	}
	return true;
}

static int future_set(struct client *client, int64_t value)
{
	uint8_t bytes[VALUE_BYTES_MAX];

	return value < 0 ? dso_future_set_error(client->future, "it is an error")
			 : dso_future_set(client->future, bytes, value_write(value, bytes));
}

static void future_perform(struct client *client, struct operation *operations)
{
	uint8_t buffer[VALUE_BYTES_MAX];
	size_t length = 0;
	int done = 0;

	switch (operations[0].kind) {
	case FUTURE_PROMISE:
		if (operations[1].kind == FUTURE_SETTLE)
			operations[0].status = operations[1].status =
				future_set(client, operations[1].arguments[0]);
		else
			operations[0].status = dso_future_promise(client->future);
		break;
	case FUTURE_GET:
		operations[0].status = dso_future_get(client->future, buffer, sizeof buffer,
						      operations[0].arguments[0], &length);
		operations[0].results[0] = operations[0].status ? 0 : value_read(buffer, length);
		break;
	case FUTURE_IS_DONE:
		operations[0].status = dso_future_is_done(client->future, &done);
		operations[0].results[0] = done;
		break;
	}
}

const struct object_kind future_kind = {
	.specification = &future_specification,
	.mortal = true,
	.parameter = zero,
	.open = future_open,
	.close = future_close,
	.draw = future_draw,
	.perform = future_perform,
	.learn = learn_result,
};
