/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/types.h"

#include "lib/core/region.h"
#include "proto/map.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static uint64_t whole_lines(uint64_t bytes)
{
	return (bytes + LAYOUT_LINE_BYTES - 1) & ~(uint64_t)(LAYOUT_LINE_BYTES - 1);
}

static uint64_t memory_length_bytes(const uint64_t parameters[TYPE_PARAMETERS])
{
	return MEMORY_DATA_OFFSET + whole_lines(parameters[MEMORY_PARAMETER_BYTES]);
}

static uint64_t counter_length_bytes(const uint64_t parameters[TYPE_PARAMETERS])
{
	return COUNTER_STRIPE_OFFSET(parameters[COUNTER_PARAMETER_STRIPES]);
}

static void counter_initialise(uint8_t *object, const uint64_t parameters[TYPE_PARAMETERS])
{
	le64_t initial = le64_of(parameters[COUNTER_PARAMETER_INITIAL]);

	region_write(object + COUNTER_STRIPE_OFFSET(0), &initial, sizeof initial);
}

static uint64_t register_length_bytes(const uint64_t parameters[TYPE_PARAMETERS])
{
	return REGISTER_SLOT_OFFSET(2, parameters[REGISTER_PARAMETER_CAPACITY]);
}

static uint64_t one_word_length_bytes(const uint64_t parameters[TYPE_PARAMETERS])
{
	(void)parameters;
	return 2 * LAYOUT_LINE_BYTES;
}

static uint64_t rwlock_length_bytes(const uint64_t parameters[TYPE_PARAMETERS])
{
	return RWLOCK_SLOT_OFFSET(parameters[RWLOCK_PARAMETER_READERS]);
}

static uint64_t semaphore_length_bytes(const uint64_t parameters[TYPE_PARAMETERS])
{
	return whole_lines(SEMAPHORE_PERMIT_OFFSET(parameters[SEMAPHORE_PARAMETER_PERMITS]));
}

static uint64_t barrier_length_bytes(const uint64_t parameters[TYPE_PARAMETERS])
{
	(void)parameters;
	return whole_lines(BARRIER_PARTY_OFFSET(UINT16_MAX));
}

static void latch_initialise(uint8_t *object, const uint64_t parameters[TYPE_PARAMETERS])
{
	le64_t count = le64_of(parameters[LATCH_PARAMETER_COUNT]);

	region_write(object + LATCH_WORD_OFFSET, &count, sizeof count);
}

static uint64_t future_length_bytes(const uint64_t parameters[TYPE_PARAMETERS])
{
	return FUTURE_SLOT_OFFSET + REGISTER_SLOT_BYTES(parameters[FUTURE_PARAMETER_ROOM]);
}

static void future_complete(const uint64_t asked[TYPE_PARAMETERS],
			    uint64_t parameters[TYPE_PARAMETERS])
{
	parameters[FUTURE_PARAMETER_ROOM] = parameters[FUTURE_PARAMETER_CAPACITY];
	parameters[FUTURE_PARAMETER_UNDECIDED] = asked[FUTURE_PARAMETER_CAPACITY] == 0;
}

#define QUEUE_RENDEZVOUS_CAPACITY 64 /* of one that is created with no capacity */

static uint64_t queue_length_bytes(const uint64_t parameters[TYPE_PARAMETERS])
{
	return QUEUE_SLOTS_OFFSET +
	       parameters[QUEUE_PARAMETER_CAPACITY] * parameters[QUEUE_PARAMETER_STRIDE];
}

static void queue_complete(const uint64_t asked[TYPE_PARAMETERS],
			   uint64_t parameters[TYPE_PARAMETERS])
{
	if (asked[QUEUE_PARAMETER_CAPACITY] == 0 && asked[QUEUE_PARAMETER_KIND] == QUEUE_RENDEZVOUS)
		parameters[QUEUE_PARAMETER_CAPACITY] = QUEUE_RENDEZVOUS_CAPACITY;
	parameters[QUEUE_PARAMETER_STRIDE] =
		QUEUE_STRIDE_BYTES(parameters[QUEUE_PARAMETER_ITEM_BYTES]);
}

static uint64_t aggregator_length_bytes(const uint64_t parameters[TYPE_PARAMETERS])
{
	uint64_t contributors = parameters[AGGREGATOR_PARAMETER_CONTRIBUTORS];

	return aggregator_vector_offset(contributors, parameters[AGGREGATOR_PARAMETER_LENGTH],
					aggregator_places(contributors));
}

static void aggregator_initialise(uint8_t *object, const uint64_t parameters[TYPE_PARAMETERS])
{
	le64_t first = le64_of(aggregator_next_round(0, false));

	(void)parameters;
	region_write(object + AGGREGATOR_ROUND_OFFSET, &first, sizeof first);
}

static uint64_t map_length_bytes(const uint64_t parameters[TYPE_PARAMETERS])
{
	return MAP_HEAD_BYTES(parameters[MAP_PARAMETER_MEMBERS]);
}

static const char *const names[] = {
#define X(NAME, name, number) [number] = #name,
	OBJECT_TYPES(X)
#undef X
};

/* clang-format off */
static const char *const queue_kinds[] = {
	[QUEUE_BUFFER] = "buffer",
	[QUEUE_RENDEZVOUS] = "rendezvous",
};

static const char *const aggregator_kinds[] = {
#define KINDS(OPERATION, name) \
	[AGGREGATOR_KIND(OPERATION, AGGREGATOR_INT64)] = name " of int64", \
	[AGGREGATOR_KIND(OPERATION, AGGREGATOR_DOUBLE)] = name " of double",
	KINDS(AGGREGATOR_SUM, "sum")
	KINDS(AGGREGATOR_MIN, "min")
	KINDS(AGGREGATOR_MAX, "max")
	KINDS(AGGREGATOR_MEAN, "mean")
	KINDS(AGGREGATOR_VARIANCE, "variance")
	KINDS(AGGREGATOR_COUNT, "count")
	KINDS(AGGREGATOR_ARGMIN, "argmin")
	KINDS(AGGREGATOR_ARGMAX, "argmax")
#undef KINDS
};

static const struct object_type_entry table[] = {
	[OBJECT_MEMORY] = {
		.parameters[MEMORY_PARAMETER_BYTES] = {
			.name = "size", .min = 1, .max = MEMORY_BYTES_MAX, .at_creation = 4096},
		.length_bytes = memory_length_bytes,
	},
	[OBJECT_COUNTER] = {
		.parameters[COUNTER_PARAMETER_INITIAL] = {
			.name = "initial", .max = UINT64_MAX, .initial = true},
		.parameters[COUNTER_PARAMETER_STRIPES] = {
			.name = "stripes", .min = 1, .max = COUNTER_STRIPES_MAX, .at_creation = 1},
		.length_bytes = counter_length_bytes,
		.initialise = counter_initialise,
	},
	[OBJECT_REGISTER] = {
		.parameters[REGISTER_PARAMETER_CAPACITY] = {
			.name = "capacity", .min = 1, .max = REGISTER_CAPACITY_BYTES_MAX,
			.at_creation = 65536},
		.length_bytes = register_length_bytes,
		.words = {{.offset = REGISTER_HEAD_OFFSET, .role = CONTROL_WRITER}},
	},
	[OBJECT_MUTEX] = {
		.length_bytes = one_word_length_bytes,
		.words = {{.offset = MUTEX_WORD_OFFSET, .died_flags = OWNED_DIED,
			   .has_token = true, .keeps_out = true}},
	},
	[OBJECT_RWLOCK] = {
		.parameters[RWLOCK_PARAMETER_READERS] = {
			.name = "readers", .min = 1, .max = RWLOCK_READERS_MAX, .at_creation = 64},
		.length_bytes = rwlock_length_bytes,
		.words = {{.offset = RWLOCK_WORD_OFFSET, .died_flags = OWNED_DIED,
			   .role = CONTROL_WRITER, .has_token = true, .keeps_out = true},
			  {.offset = RWLOCK_SLOT_OFFSET(0), .stride = LAYOUT_LINE_BYTES,
			   .count_parameter = RWLOCK_PARAMETER_READERS, .role = CONTROL_READER}},
	},
	[OBJECT_SEMAPHORE] = {
		.parameters[SEMAPHORE_PARAMETER_PERMITS] = {
			.name = "permits", .min = 1, .max = SEMAPHORE_PERMITS_MAX},
		.length_bytes = semaphore_length_bytes,
		.words = {{.offset = SEMAPHORE_PERMIT_OFFSET(0), .stride = 8,
			   .count_parameter = SEMAPHORE_PARAMETER_PERMITS,
			   .event = SEMAPHORE_EVENT_OFFSET, .keeps_out = true},
			  {.offset = SEMAPHORE_TURN_OFFSET, .event = SEMAPHORE_EVENT_OFFSET,
			   .is_place = true}},
	},
	[OBJECT_BARRIER] = {
		.parameters[BARRIER_PARAMETER_PARTIES] = {
			.name = "parties", .min = 1, .max = BARRIER_PARTIES_MAX},
		.length_bytes = barrier_length_bytes,
	},
	[OBJECT_LATCH] = {
		.parameters[LATCH_PARAMETER_COUNT] = {
			.name = "count", .min = 1, .max = LATCH_COUNT_MAX},
		.length_bytes = one_word_length_bytes,
		.initialise = latch_initialise,
	},
	[OBJECT_CONDITION] = {.length_bytes = one_word_length_bytes},
	[OBJECT_ONCE] = {
		.length_bytes = one_word_length_bytes,
		.words = {{.offset = ONCE_WORD_OFFSET, .keeps_out = true}},
	},
	[OBJECT_FUTURE] = {
		.parameters[FUTURE_PARAMETER_CAPACITY] = {
			.name = "capacity", .min = 1, .max = FUTURE_CAPACITY_BYTES_MAX,
			.at_creation = 4096},
		.parameters[FUTURE_PARAMETER_ROOM] = {.min = 1,
						     .max = FUTURE_CAPACITY_BYTES_MAX,
						     .is_stores = true},
		.parameters[FUTURE_PARAMETER_ANNEX] = {.max = UINT64_MAX, .is_stores = true},
		.parameters[FUTURE_PARAMETER_UNDECIDED] = {.max = 1, .is_stores = true},
		.complete = future_complete,
		.length_bytes = future_length_bytes,
		.words = {{.offset = FUTURE_WORD_OFFSET, .died_flags = OWNED_DIED}},
	},
	[OBJECT_QUEUE] = {
		.parameters[QUEUE_PARAMETER_CAPACITY] = {
			.name = "capacity", .min = 1, .max = QUEUE_CAPACITY_MAX,
			.at_creation = 1024},
		.parameters[QUEUE_PARAMETER_ITEM_BYTES] = {
			.name = "item_bytes", .min = 1, .max = QUEUE_ITEM_BYTES_MAX,
			.at_creation = 224},
		.parameters[QUEUE_PARAMETER_STRIDE] = {
			.min = QUEUE_STRIDE_BYTES(1),
			.max = QUEUE_STRIDE_BYTES(QUEUE_ITEM_BYTES_MAX), .is_stores = true},
		.parameters[QUEUE_PARAMETER_KIND] = {
			.name = "kind", .max = QUEUE_RENDEZVOUS, .at_creation = QUEUE_BUFFER,
			.value_names = queue_kinds},
		.complete = queue_complete,
		.length_bytes = queue_length_bytes,
		.words = {{.offset = QUEUE_SLOTS_OFFSET,
			   .stride_parameter = QUEUE_PARAMETER_STRIDE,
			   .count_parameter = QUEUE_PARAMETER_CAPACITY, .is_slot = true}},
	},
	[OBJECT_AGGREGATOR] = {
		.parameters[AGGREGATOR_PARAMETER_LENGTH] = {
			.name = "length", .min = 1, .max = AGGREGATOR_LENGTH_MAX},
		.parameters[AGGREGATOR_PARAMETER_KIND] = {
			.name = "kind", .min = 1, .max = AGGREGATOR_KIND_LAST,
			.at_creation = AGGREGATOR_KIND(AGGREGATOR_SUM, AGGREGATOR_DOUBLE),
			.value_names = aggregator_kinds},
		.parameters[AGGREGATOR_PARAMETER_CONTRIBUTORS] = {
			.name = "contributors", .min = 1, .max = AGGREGATOR_CONTRIBUTORS_MAX},
		.parameters[AGGREGATOR_PARAMETER_FLAGS] = {
			.name = "flags", .max = AGGREGATOR_RETRIES | AGGREGATOR_OPEN_END},
		.length_bytes = aggregator_length_bytes,
		.initialise = aggregator_initialise,
		.words = {{.offset = AGGREGATOR_PLACES_OFFSET, .stride = 8,
			   .count_parameter = AGGREGATOR_PARAMETER_CONTRIBUTORS,
			   .each = AGGREGATOR_PLACES_EACH, .event = AGGREGATOR_EVENT_OFFSET,
			   .is_place = true},
			  {.offset = AGGREGATOR_REDUCER_OFFSET, .event = AGGREGATOR_EVENT_OFFSET,
			   .is_place = true}},
	},
	[OBJECT_MAP ... OBJECT_SET] = {
		.parameters[MAP_PARAMETER_MEMBERS] = {
			.name = "members", .min = MAP_MEMBERS_MIN, .max = SPACE_MEMBERS_MAX,
			.at_creation = SPACE_MEMBERS_MAX},
		.length_bytes = map_length_bytes,
		.words = {{.offset = MAP_MEMBERS_OFFSET, .stride = 8,
			   .count_parameter = MAP_PARAMETER_MEMBERS, .event = MAP_EVENT_OFFSET,
			   .died_flags = OWNED_DIED, .is_place = true}},
	},
};
/* clang-format on */
_Static_assert(sizeof table / sizeof *table == sizeof names / sizeof *names,
	       "the last type of the list is in the table");

const char *type_name(unsigned type)
{
	return type < sizeof names / sizeof *names && names[type] ? names[type] : "unknown";
}

static const char *article(const char *name)
{
	return *name == 'a' ? "an" : "a";
}

const char *type_article(unsigned type)
{
	return article(type_name(type));
}

static const char *name_of(const struct object_type_entry *type)
{
	return names[type - table];
}

const struct object_type_entry *type_entry(unsigned type)
{
	if (type >= sizeof table / sizeof table[0] || !table[type].length_bytes)
		return NULL;
	return &table[type];
}

const struct type_words *type_words(unsigned type, unsigned index)
{
	const struct object_type_entry *entry = type_entry(type);

	if (!entry || index >= TYPE_WORDS || entry->words[index].offset == 0)
		return NULL;
	return &entry->words[index];
}

bool type_has_room(const struct object_type_entry *type, const uint64_t parameters[TYPE_PARAMETERS],
		   uint64_t length_bytes)
{
	for (unsigned i = 0; i < TYPE_PARAMETERS; i++)
		if (parameters[i] < type->parameters[i].min ||
		    parameters[i] > type->parameters[i].max)
			return false;
	return length_bytes >= type->length_bytes(parameters);
}

void type_detail(char *detail, size_t detail_bytes, const char *format, ...)
{
	va_list arguments;

	if (!detail)
		return;
	va_start(arguments, format);
	vsnprintf(detail, detail_bytes, format, arguments);
	va_end(arguments);
}

struct type_digits type_digits_of(uint64_t value)
{
	struct type_digits digits;
	char plain[21];
	int count = snprintf(plain, sizeof plain, "%" PRIu64, value);
	char *to = digits.text;

	for (int i = 0; i < count; i++) {
		if (i > 0 && (count - i) % 3 == 0)
			*to++ = ',';
		*to++ = plain[i];
	}
	*to = '\0';
	return digits;
}

/* Whether parameter @index may be @value. Returns WIRE_OK, or PARAMETERS with @detail filled. */
static enum wire_status check_parameter(const struct object_type_entry *type, unsigned index,
					uint64_t value, char *detail, size_t detail_bytes)
{
	const struct type_parameter *parameter = &type->parameters[index];

	if (parameter->is_stores && value == 0)
		return WIRE_OK;
	if (!parameter->name && value)
		type_detail(detail, detail_bytes, "parameter %u: %s asked, %s %s has no such",
			    index, type_digits_of(value).text, article(name_of(type)),
			    name_of(type));
	else if (value < parameter->min || value > parameter->max)
		type_detail(detail, detail_bytes, "%s: %s asked, %s %s has %s to %s",
			    parameter->name, type_digits_of(value).text, article(name_of(type)),
			    name_of(type), type_digits_of(parameter->min).text,
			    type_digits_of(parameter->max).text);
	else
		return WIRE_OK;
	return WIRE_PARAMETERS;
}

enum wire_status type_complete(const struct object_type_entry *type,
			       const uint64_t asked[TYPE_PARAMETERS],
			       uint64_t ret_parameters[TYPE_PARAMETERS], char *detail,
			       size_t detail_bytes)
{
	uint64_t complete[TYPE_PARAMETERS];

	for (unsigned i = 0; i < TYPE_PARAMETERS; i++) {
		enum wire_status status;

		complete[i] = asked[i] ? asked[i] : type->parameters[i].at_creation;
		status = check_parameter(type, i, complete[i], detail, detail_bytes);
		if (status != WIRE_OK)
			return status;
	}
	if (type->complete)
		type->complete(asked, complete);
	memcpy(ret_parameters, complete, sizeof complete);
	return WIRE_OK;
}

/* @digits is room for it. */
static const char *value_text(const struct type_parameter *parameter, uint64_t value,
			      struct type_digits *digits)
{
	if (parameter->value_names && value <= parameter->max && parameter->value_names[value])
		return parameter->value_names[value];
	*digits = type_digits_of(value);
	return digits->text;
}

enum wire_status type_match(const struct object_type_entry *type,
			    const uint64_t asked[TYPE_PARAMETERS],
			    const uint64_t actual[TYPE_PARAMETERS], char *detail,
			    size_t detail_bytes)
{
	for (unsigned i = 0; i < TYPE_PARAMETERS; i++) {
		struct type_digits asked_digits, actual_digits;
		enum wire_status status;

		if (!asked[i])
			continue;
		status = check_parameter(type, i, asked[i], detail, detail_bytes);
		if (status != WIRE_OK)
			return status;
		if (type->parameters[i].initial || asked[i] == actual[i])
			continue;
		type_detail(detail, detail_bytes, "%s: %s asked, the %s has %s",
			    type->parameters[i].name,
			    value_text(&type->parameters[i], asked[i], &asked_digits),
			    name_of(type),
			    value_text(&type->parameters[i], actual[i], &actual_digits));
		return WIRE_PARAMETERS;
	}
	return WIRE_OK;
}
