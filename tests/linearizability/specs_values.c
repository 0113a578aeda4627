/* SPDX-License-Identifier: Apache-2.0 */
/* Of the objects that have a value: word, counter, register, latch, future. */
#include "tests/linearizability/specs.h"
#include "tests/linearizability/step.h"

#include <errno.h>

/* ---- word: {value} ---- */

static const struct operation_kind word_kinds[] = {
	[WORD_FETCH_ADD] = {"fetch_add", 1, 1},
	[WORD_CAS] = {"cas", 2, 1},
};

static void begin_with_parameter(struct state *state, int64_t parameter)
{
	state->words[0] = (uint64_t)parameter;
}

static bool cas(struct state *state, const struct operation *operation)
{
	if (!agrees(operation, 0, state->words[0]))
		return false;
	if (state->words[0] == (uint64_t)operation->arguments[0])
		state->words[0] = (uint64_t)operation->arguments[1];
	return true;
}

static bool fetch_add(struct state *state, const struct operation *operation)
{
	if (!agrees(operation, 0, state->words[0]))
		return false;
	state->words[0] += (uint64_t)operation->arguments[0];
	return true;
}

/* A load is a fetch-and-add of 0. A READ is a hint, and promises nothing (see dso_memory_read). */
static bool word_step(struct state *state, const struct operation *operation)
{
	if (failed(operation))
		return false;
	switch (operation->kind) {
	case WORD_FETCH_ADD:
		return fetch_add(state, operation);
	case WORD_CAS:
		return cas(state, operation);
	}
	return false;
}

const struct specification word_specification = {
	.name = "word",
	.kinds = word_kinds,
	.begin = begin_with_parameter,
	.step = word_step,
};

/* ---- counter: {value, who died} ---- */

static const struct operation_kind counter_kinds[] = {
	[DIE] = {"die", 0, 0},
	[COUNTER_ADD] = {"add", 1, 1},
	[COUNTER_GET] = {"get", 0, 1},
	[COUNTER_SET] = {"set", 1, 0},
	[COUNTER_EXCHANGE] = {"exchange", 1, 1},
	[COUNTER_CAS] = {"cas", 2, 1},
};

static bool counter_step(struct state *state, const struct operation *operation)
{
	uint64_t value = state->words[0];

	if (!is_alive(&state->words[1], operation) || failed(operation))
		return false;
	switch (operation->kind) {
	case DIE:
		return true;
	case COUNTER_ADD:
		return fetch_add(state, operation);
	case COUNTER_GET:
		return agrees(operation, 0, value);
	case COUNTER_SET:
		state->words[0] = (uint64_t)operation->arguments[0];
		return true;
	case COUNTER_EXCHANGE:
		state->words[0] = (uint64_t)operation->arguments[0];
		return agrees(operation, 0, value);
	case COUNTER_CAS:
		return cas(state, operation);
	}
	return false;
}

const struct specification counter_specification = {
	.name = "counter",
	.kinds = counter_kinds,
	.begin = begin_with_parameter,
	.step = counter_step,
};

/* ---- register: {value, version, who died} ---- */

static const struct operation_kind register_kinds[] = {
	[DIE] = {"die", 0, 0},
	[REGISTER_GET] = {"get", 0, 2},
	[REGISTER_SET] = {"set", 1, 1},
	[REGISTER_SET_IF] = {"set_if_version", 2, 1},
	[REGISTER_EXCHANGE] = {"exchange", 1, 2},
	[REGISTER_VERSION] = {"version", 0, 1},
};

static void begin_empty(struct state *state, int64_t parameter)
{
	(void)state, (void)parameter;
}

static bool register_step(struct state *state, const struct operation *operation)
{
	uint64_t *value = &state->words[0], *version = &state->words[1], before = *value;

	if (!is_alive(&state->words[2], operation))
		return false;
	switch (operation->kind) {
	case DIE:
		return true;
	case REGISTER_GET:
		return !failed(operation) && agrees(operation, 0, *value) &&
		       agrees(operation, 1, *version);
	case REGISTER_SET:
		*value = (uint64_t)operation->arguments[0];
		return !failed(operation) && agrees(operation, 0, ++*version);
	case REGISTER_SET_IF:
		if (returned(operation, -EAGAIN))
			return (uint64_t)operation->arguments[0] != *version &&
			       agrees(operation, 0, *version);
		if ((uint64_t)operation->arguments[0] != *version)
			return false;
		*value = (uint64_t)operation->arguments[1];
		return !failed(operation) && agrees(operation, 0, ++*version);
	case REGISTER_EXCHANGE:
		*value = (uint64_t)operation->arguments[0];
		return !failed(operation) && agrees(operation, 0, before) &&
		       agrees(operation, 1, ++*version);
	case REGISTER_VERSION:
		return !failed(operation) && agrees(operation, 0, *version);
	}
	return false;
}

const struct specification register_specification = {
	.name = "register",
	.kinds = register_kinds,
	.begin = begin_empty,
	.step = register_step,
};

/* ---- latch: {count, who died} ---- */

static const struct operation_kind latch_kinds[] = {
	[DIE] = {"die", 0, 0},
	[LATCH_COUNT_DOWN] = {"count_down", 1, 1},
	[LATCH_WAIT] = {"wait", 1, 0},
	[LATCH_COUNT] = {"count", 0, 1},
};

static bool latch_step(struct state *state, const struct operation *operation)
{
	uint64_t *count = &state->words[0], n = (uint64_t)operation->arguments[0];

	if (!is_alive(&state->words[1], operation))
		return false;
	switch (operation->kind) {
	case DIE:
		return true;
	case LATCH_COUNT_DOWN:
		*count -= *count < n ? *count : n;
		return !failed(operation) && agrees(operation, 0, *count);
	case LATCH_WAIT:
		if (timed_out(operation, 0))
			return *count > 0;
		return !failed(operation) && *count == 0;
	case LATCH_COUNT:
		return !failed(operation) && agrees(operation, 0, *count);
	}
	return false;
}

const struct specification latch_specification = {
	.name = "latch",
	.kinds = latch_kinds,
	.begin = begin_with_parameter,
	.step = latch_step,
};

/* ---- future: {who has promised + 1, value, broken, who died} ---- */

static const struct operation_kind future_kinds[] = {
	[DIE] = {"die", 0, 0},
	[FUTURE_PROMISE] = {"promise", 0, 0},
	[FUTURE_SETTLE] = {"settle", 1, 0},
	[FUTURE_GET] = {"get", 1, 1},
	[FUTURE_IS_DONE] = {"is_done", 0, 1},
};

static bool future_promise(struct state *state, const struct operation *operation)
{
	uint64_t me = operation->client + 1, *promised = &state->words[0];
	bool is_free =
		state->words[1] == 0 && state->words[2] == 0 && (*promised == 0 || *promised == me);

	if (returned(operation, -EALREADY))
		return !is_free;
	*promised = me;
	return is_free && !failed(operation);
}

static bool future_get(const struct state *state, const struct operation *operation)
{
	int64_t value = (int64_t)state->words[1];

	if (returned(operation, -EREMOTEIO))
		return value < 0;
	if (returned(operation, -EOWNERDEAD))
		return state->words[2];
	if (timed_out(operation, 0))
		return value == 0 && !state->words[2];
	return !failed(operation) && value > 0 && agrees(operation, 0, (uint64_t)value);
}

static bool future_step(struct state *state, const struct operation *operation)
{
	uint64_t me = operation->client + 1, *promised = &state->words[0];
	uint64_t *value = &state->words[1], *broken = &state->words[2];

	if (!is_alive(&state->words[3], operation))
		return false;
	switch (operation->kind) {
	case DIE:
		*broken |= *promised == me && *value == 0;
		return true;
	case FUTURE_PROMISE:
		return future_promise(state, operation);
	case FUTURE_SETTLE:
		if (returned(operation, -EALREADY))
			return true;
		if (failed(operation) || *promised != me || *value)
			return false;
		*value = (uint64_t)operation->arguments[0];
		return true;
	case FUTURE_GET:
		return future_get(state, operation);
	case FUTURE_IS_DONE:
		return !failed(operation) && agrees(operation, 0, *value || *broken);
	}
	return false;
}

const struct specification future_specification = {
	.name = "future",
	.kinds = future_kinds,
	.begin = begin_empty,
	.step = future_step,
};
