/* SPDX-License-Identifier: Apache-2.0 */
/* Of a map, whose keys are numbers, and of a set. */
#include "tests/linearizability/specs.h"
#include "tests/linearizability/step.h"

#include <errno.h>

/* ---- map: {the value of each key, 0 where it is absent; who died} ---- */

#define DEAD MAP_KEYS

static const struct operation_kind map_kinds[] = {
	[DIE] = {"die", 0, 0},
	[MAP_GET] = {"get", 1, 1},
	[MAP_PUT] = {"put", 2, 0},
	[MAP_ADD] = {"put_if_absent", 2, 0},
	[MAP_REPLACE] = {"replace", 2, 0},
	[MAP_FIRST] = {"merge_first", 2, 0},
	[MAP_REMOVE] = {"remove", 1, 0},
	[MAP_CONTAINS] = {"contains", 1, 1},
};

static void begin_empty(struct state *state, int64_t parameter)
{
	(void)state, (void)parameter;
}

/* No two writes have the same value, so a value stands for the version that it came with. */
static bool replace(uint64_t *value, const struct operation *operation)
{
	if (returned(operation, -ENOENT))
		return *value == 0;
	if (returned(operation, -EAGAIN))
		return *value && *value != (uint64_t)operation->arguments[0];
	if (failed(operation) || *value != (uint64_t)operation->arguments[0])
		return false;
	*value = (uint64_t)operation->arguments[1];
	return true;
}

static bool write_if_absent(uint64_t *value, const struct operation *operation, int otherwise)
{
	bool is_there = *value;

	if (!is_there)
		*value = (uint64_t)operation->arguments[1];
	return !operation->known || operation->status == (is_there ? otherwise : 0);
}

static bool remove_key(uint64_t *value, const struct operation *operation)
{
	bool was_there = *value;

	*value = 0;
	return !operation->known || operation->status == (was_there ? 0 : -ENOENT);
}

static bool map_step(struct state *state, const struct operation *operation)
{
	bool is_replace = operation->kind == MAP_REPLACE;
	uint64_t *value = &state->words[is_replace ? 0 : operation->arguments[0]];

	if (!is_alive(&state->words[DEAD], operation))
		return false;
	switch (operation->kind) {
	case DIE:
		return true;
	case MAP_GET:
		return !failed(operation) && agrees(operation, 0, *value);
	case MAP_PUT:
		*value = (uint64_t)operation->arguments[1];
		return !failed(operation);
	case MAP_ADD:
		return write_if_absent(value, operation, -EEXIST);
	case MAP_REPLACE:
		return replace(value, operation);
	case MAP_FIRST:
		return write_if_absent(value, operation, 0);
	case MAP_REMOVE:
		return remove_key(value, operation);
	case MAP_CONTAINS:
		return !failed(operation) && agrees(operation, 0, *value != 0);
	}
	return false;
}

const struct specification map_specification = {
	.name = "map",
	.kinds = map_kinds,
	.begin = begin_empty,
	.step = map_step,
};

/* ---- set: {a bit for each key, who died} ---- */

static const struct operation_kind set_kinds[] = {
	[DIE] = {"die", 0, 0},
	[SET_ADD] = {"add", 1, 1},
	[SET_REMOVE] = {"remove", 1, 1},
	[SET_CONTAINS] = {"contains", 1, 1},
};

static bool set_step(struct state *state, const struct operation *operation)
{
	uint64_t bit = UINT64_C(1) << operation->arguments[0];
	bool is_there = state->words[0] & bit;

	if (!is_alive(&state->words[1], operation) || failed(operation))
		return false;
	switch (operation->kind) {
	case DIE:
		return true;
	case SET_ADD:
		state->words[0] |= bit;
		return agrees(operation, 0, !is_there);
	case SET_REMOVE:
		state->words[0] &= ~bit;
		return agrees(operation, 0, is_there);
	case SET_CONTAINS:
		return agrees(operation, 0, is_there);
	}
	return false;
}

const struct specification set_specification = {
	.name = "set",
	.kinds = set_kinds,
	.begin = begin_empty,
	.step = set_step,
};
