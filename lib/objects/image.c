/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/image.h"
#include "lib/objects/slot.h"
#include "proto/map.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Of a type that is not here only the header is looked at: a memory and a counter may have any
 * bytes. */
static void (*const checks[])(const struct image *image, struct findings *findings) = {
	[OBJECT_REGISTER] = register_check,     [OBJECT_MUTEX] = mutex_check,
	[OBJECT_RWLOCK] = rwlock_check,         [OBJECT_SEMAPHORE] = semaphore_check,
	[OBJECT_BARRIER] = barrier_check,       [OBJECT_LATCH] = latch_check,
	[OBJECT_CONDITION] = condition_check,   [OBJECT_ONCE] = once_check,
	[OBJECT_FUTURE] = future_check,         [OBJECT_QUEUE] = queue_check,
	[OBJECT_AGGREGATOR] = aggregator_check, [OBJECT_MAP] = map_head_check,
	[OBJECT_SET] = map_head_check,
};

static bool has_check(const struct image *image)
{
	return image->type < sizeof checks / sizeof *checks && checks[image->type];
}

void findings_add(struct findings *findings, enum dso_finding_kind kind, uint64_t offset,
		  const char *format, ...)
{
	char sentence[200];
	struct dso_finding finding = {.kind = kind, .offset = offset, .sentence = sentence};
	va_list arguments;

	findings->count++;
	if (!findings->tell)
		return;
	va_start(arguments, format);
	vsnprintf(sentence, sizeof sentence, format, arguments);
	va_end(arguments);
	findings->tell(findings, &finding);
}

uint64_t image_bytes_needed(const struct image *image)
{
	const uint64_t *parameters = image->parameters;

	if (!has_check(image))
		return LAYOUT_LINE_BYTES;
	if (image->type == OBJECT_AGGREGATOR)
		return aggregator_result_offset(parameters[AGGREGATOR_PARAMETER_CONTRIBUTORS],
						parameters[AGGREGATOR_PARAMETER_LENGTH], 0);
	if (image->type == OBJECT_MAP || image->type == OBJECT_SET)
		return MAP_ROOT_OFFSET(parameters[MAP_PARAMETER_MEMBERS]);
	return image->length_bytes;
}

/* ---- the header ---- */

static void check_member(struct findings *findings, uint64_t offset, const char *member,
			 uint64_t value, uint64_t expected)
{
	if (value != expected)
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     "its header says %s %" PRIu64 ", storaged says %" PRIu64, member,
			     value, expected);
}

/* The header has the parameters of the creation. The capacity of a future may have been decided
 * since. */
static bool is_kept(const struct image *image, const struct object_header *header, unsigned i)
{
	return image->type != OBJECT_FUTURE || i == FUTURE_PARAMETER_ROOM ||
	       le64_get(header->parameter[FUTURE_PARAMETER_UNDECIDED]) == 0;
}

static bool has_epoch(const struct image *image)
{
	const struct type_words *words = type_words(image->type, 0);

	return words && words->has_token;
}

static void check_epoch(const struct image *image, uint64_t epoch, struct findings *findings)
{
	if (has_epoch(image) ? epoch % FENCING_QUARTER : epoch)
		findings_add(findings, DSO_FINDING_DAMAGE, OBJECT_TOKEN_EPOCH_OFFSET,
			     "its epoch of tokens, %" PRIu64 ", is none that an owner sets", epoch);
}

static void check_header(const struct image *image, struct findings *findings)
{
	static const uint8_t zeros[sizeof((struct object_header *)0)->reserved];
	static const char *const names[] = {"parameter 0", "parameter 1", "parameter 2",
					    "parameter 3"};
	struct object_header header;

	memcpy(&header, image->bytes, sizeof header);
	check_member(findings, offsetof(struct object_header, type), "type", le16_get(header.type),
		     image->type);
	check_member(findings, offsetof(struct object_header, flags), "flags",
		     le16_get(header.flags), 0);
	check_member(findings, offsetof(struct object_header, generation), "generation",
		     le32_get(header.generation), image->generation);
	check_member(findings, offsetof(struct object_header, length_bytes), "length",
		     le64_get(header.length_bytes), image->length_bytes);
	for (unsigned i = 0; i < TYPE_PARAMETERS; i++)
		if (is_kept(image, &header, i))
			check_member(findings, offsetof(struct object_header, parameter) + 8 * i,
				     names[i], le64_get(header.parameter[i]), image->parameters[i]);
	check_epoch(image, le64_get(header.token_epoch), findings);
	if (memcmp(header.reserved, zeros, sizeof zeros))
		findings_add(findings, DSO_FINDING_DAMAGE, offsetof(struct object_header, reserved),
			     "reserved bytes of its header are not zero");
}

/* ---- owners ---- */

static bool has_bit(const uint64_t *bits, uint16_t number)
{
	return bits[number / 64] >> number % 64 & 1;
}

/* Storaged gives a granted word back by itself, and names neither that nor a place as a hold. */
static void check_owner(const struct image *image, const struct type_words *words, uint64_t offset,
			struct findings *findings)
{
	uint64_t word = image_word(image, offset);
	uint16_t owner = owned_word_owner(word);

	if (owner == 0)
		return;
	if (image->is_alone && owner != OWNED_BY_STORAGED)
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     "session %u owns it, and no session has it open", owner);
	else if (!image->owners || words->is_place || word & OWNED_GRANTED)
		return;
	else if (!has_bit(image->owners->named, owner))
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     "session %u owns it, and storaged does not know of that", owner);
	else if (!has_bit(image->owners->live, owner))
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     owner == OWNED_BY_STORAGED
				     ? "storaged holds it, and nobody is waited for"
				     : "session %u owns it, and there is no such session",
			     owner);
}

/* Call @each with the offset of every owned word, until it returns true. */
static bool any_word(const struct image *image,
		     bool (*each)(const struct image *image, const struct type_words *words,
				  uint64_t offset, struct findings *findings),
		     struct findings *findings)
{
	const struct type_words *words;

	for (unsigned part = 0; (words = type_words(image->type, part)); part++) {
		uint64_t count = type_word_count(words, image->parameters);
		uint64_t stride = type_word_stride(words, image->parameters);

		for (uint64_t i = 0; i < count; i++)
			if (each(image, words, words->offset + i * stride, findings))
				return true;
	}
	return false;
}

static bool is_owned(const struct image *image, const struct type_words *words, uint64_t offset,
		     struct findings *findings)
{
	(void)words;
	(void)findings;
	return owned_word_owner(image_word(image, offset));
}

bool image_has_owners(const struct image *image)
{
	return has_check(image) && any_word(image, is_owned, NULL);
}

static bool look_at_owner(const struct image *image, const struct type_words *words,
			  uint64_t offset, struct findings *findings)
{
	check_owner(image, words, offset, findings);
	return false;
}

unsigned image_check(const struct image *image, struct findings *findings)
{
	check_header(image, findings);
	if (has_check(image)) {
		any_word(image, look_at_owner, findings);
		checks[image->type](image, findings);
	}
	return findings->count;
}

/* ---- what the checks of the types have in common ---- */

static const char *flag_name(unsigned flag)
{
	static const char *const names[] = {"WAITED", "DIED",   "LOST",    "DONE",
					    "ERROR",  "QUEUED", "GRANTED", "0x80"};

	return names[__builtin_ctz(flag)];
}

/* Pairs that exclude each other: a word with the first never has the second. */
static const struct {
	unsigned flag, other;
} contradictions[] = {
	{OWNED_DIED, OWNED_LOST},    {OWNED_DIED, OWNED_DONE},    {OWNED_LOST, OWNED_DONE},
	{OWNED_GRANTED, OWNED_LOST}, {OWNED_GRANTED, OWNED_DONE},
};

static void check_together(uint64_t word, uint64_t offset, struct findings *findings)
{
	unsigned for_ever = word & (OWNED_LOST | OWNED_DONE);

	for (unsigned i = 0; i < sizeof contradictions / sizeof *contradictions; i++)
		if (word & contradictions[i].flag && word & contradictions[i].other)
			findings_add(findings, DSO_FINDING_DAMAGE, offset,
				     "its word has the flags %s and %s, which exclude each other",
				     flag_name(contradictions[i].flag),
				     flag_name(contradictions[i].other));
	if (owned_word_owner(word) && for_ever)
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     "its word has the flag %s, and an owner",
			     flag_name(for_ever & -for_ever));
	if (owned_word_owner(word) == 0 && word & OWNED_GRANTED)
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     "its word has the flag GRANTED, and no owner");
	if (word & OWNED_ERROR && !(word & OWNED_DONE))
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     "its word has the flag ERROR without DONE");
}

void image_check_word(const struct image *image, uint64_t offset, unsigned allowed,
		      struct findings *findings)
{
	uint64_t word = image_word(image, offset);
	unsigned wrong = word & UINT8_MAX & ~allowed;

	if (wrong)
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     "its word has the flag %s, which no such word has",
			     flag_name(wrong & -wrong));
	else
		check_together(word, offset, findings);
}

void image_check_event(const struct image *image, uint64_t offset, bool is_weighed,
		       struct findings *findings)
{
	uint64_t waiters = image_word(image, offset + EVENT_WAITERS_OFFSET);
	uint64_t many = waiters / SEMAPHORE_MANY, ones = waiters % SEMAPHORE_MANY;

	offset += EVENT_WAITERS_OFFSET;
	if (ones > INT32_MAX || many > (is_weighed ? INT32_MAX : 0))
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     "more waiters left than came, or there were never so many: 0x%" PRIx64,
			     waiters);
	else if (image->is_alone && waiters)
		findings_add(findings, DSO_FINDING_LEFTOVER, offset,
			     "it counts %" PRIu64 " that wait, and nobody does: they ended before "
			     "they parked, and cost wake-ups in vain",
			     ones + many);
}

void image_check_slot(const struct image *image, uint64_t offset, uint64_t version,
		      const uint8_t *(*place)(const struct image *image, uint64_t offset,
					      uint64_t length_bytes),
		      struct findings *findings)
{
	struct register_slot slot;
	const uint8_t *value;
	uint64_t length;

	memcpy(&slot, image->bytes + offset, sizeof slot);
	length = le64_get(slot.length_bytes);
	value = place(image, offset + sizeof slot, length);
	if (le64_get(slot.header_checksum) != slot_checksum(&slot))
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     "the header of its value is not what a writer wrote");
	else if (le64_get(slot.version) != version)
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     "its value is of version %" PRIu64 ", its word says %" PRIu64,
			     le64_get(slot.version), version);
	else if (!value)
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     "its value has %" PRIu64 " bytes, for which there is no room", length);
	else if (le64_get(slot.checksum) != slot_value_checksum(value, length, version))
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     "its value is not what a writer wrote");
}
