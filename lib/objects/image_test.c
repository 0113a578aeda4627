/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of bytes that no store has: what tests/conformance_check_damage.c cannot bring about. */
#include "lib/objects/image.h"
#include "lib/objects/slot.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/runner.h"

static struct image image;
static uint8_t *object;
static char last[200];

static void tell(struct findings *findings, const struct dso_finding *finding)
{
	(void)findings;
	snprintf(last, sizeof last, "%s", finding->sentence);
}

static unsigned check(void)
{
	struct findings findings = {.tell = tell};

	last[0] = 0;
	return image_check(&image, &findings);
}

static void put(uint64_t offset, uint64_t value)
{
	le64_t word = le64_of(value);

	memcpy(object + offset, &word, sizeof word);
}

/* An object as storaged makes it, that other sessions have open. */
static void make(unsigned type, uint64_t parameter)
{
	const struct object_type_entry *entry = type_entry(type);
	uint64_t asked[TYPE_PARAMETERS] = {0};
	struct object_header header = {.type = le16_of((uint16_t)type), .generation = le32_of(1)};

	for (unsigned i = 0; i < TYPE_PARAMETERS; i++)
		if (entry->parameters[i].name)
			asked[i] = entry->parameters[i].min;
	if (entry->parameters[0].name && asked[0] < parameter)
		asked[0] = parameter;
	image = (struct image){.type = type, .generation = 1};
	ck_assert_int_eq(type_complete(entry, asked, image.parameters, NULL, 0), WIRE_OK);
	image.length_bytes = entry->length_bytes(image.parameters);
	header.length_bytes = le64_of(image.length_bytes);
	for (unsigned i = 0; i < TYPE_PARAMETERS; i++)
		header.parameter[i] = le64_of(image.parameters[i]);
	/* Exactly as long as it is: a sanitizer sees what is read behind its end. */
	object = calloc(1, image.length_bytes);
	memcpy(object, &header, sizeof header);
	if (entry->initialise)
		entry->initialise(object, image.parameters);
	image.bytes = object;
}

START_TEST(a_new_object_of_each_type_is_clean)
{
	for (unsigned type = 0; type < 64; type++) {
		if (!type_entry(type))
			continue;
		make(type, 3);
		for (unsigned alone = 0; alone < 2; alone++) {
			image.is_alone = alone;
			ck_assert_uint_eq(check(), 0);
		}
		ck_assert(!image_has_owners(&image));
		free(object);
	}
}
END_TEST

START_TEST(an_owner_is_judged_by_what_storaged_says)
{
	struct image_owners owners = {0};

	make(OBJECT_MUTEX, 0);
	put(MUTEX_WORD_OFFSET, owned_word(1, 70));
	ck_assert(image_has_owners(&image));
	ck_assert_uint_eq(check(), 0); /* storaged was not asked */
	image.owners = &owners;
	ck_assert_uint_eq(check(), 1);
	ck_assert_str_eq(last, "session 70 owns it, and storaged does not know of that");
	owners.named[1] = 1 << 6;
	ck_assert_uint_eq(check(), 1);
	ck_assert_str_eq(last, "session 70 owns it, and there is no such session");
	owners.live[1] = 1 << 6;
	ck_assert_uint_eq(check(), 0);
	/* A word that was given and not taken up is no hold. */
	put(MUTEX_WORD_OFFSET, owned_word(1, 71) | OWNED_GRANTED);
	ck_assert_uint_eq(check(), 0);
	/* After a restart storaged holds what is new, also where nobody else has it open. */
	put(MUTEX_WORD_OFFSET, owned_word(1, OWNED_BY_STORAGED));
	owners.named[IMAGE_OWNERS / 64 - 1] = owners.live[IMAGE_OWNERS / 64 - 1] = UINT64_C(1)
										   << 63;
	image.is_alone = true;
	ck_assert_uint_eq(check(), 0);
	free(object);
}
END_TEST

/* A slot that its own checksum confirms, with a value of @length_bytes. */
static void put_slot(uint64_t offset, uint64_t length_bytes)
{
	struct register_slot slot = {.version = le64_of(1), .length_bytes = le64_of(length_bytes)};

	slot.header_checksum = le64_of(slot_checksum(&slot));
	memcpy(object + offset, &slot, sizeof slot);
}

START_TEST(a_length_beyond_the_room_is_not_followed)
{
	static const uint64_t lengths[] = {65, 1 << 20, UINT64_MAX};

	for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		make(OBJECT_REGISTER, 64);
		put(REGISTER_HEAD_OFFSET, owned_word(1, 0));
		put_slot(REGISTER_SLOT_OFFSET(1, 64), lengths[i]);
		ck_assert_uint_eq(check(), 1);
		ck_assert_ptr_nonnull(strstr(last, "for which there is no room"));
		free(object);
		make(OBJECT_FUTURE, 64);
		put(FUTURE_WORD_OFFSET, owned_word(1, 0) | OWNED_DONE);
		put_slot(FUTURE_SLOT_OFFSET, lengths[i]);
		ck_assert_uint_eq(check(), 1);
		ck_assert_ptr_nonnull(strstr(last, "for which there is no room"));
		free(object);
	}
}
END_TEST

START_TEST(an_item_longer_than_its_slot_is_not_read_whatever_the_parameters_say)
{
	make(OBJECT_QUEUE, 2);
	image.parameters[QUEUE_PARAMETER_ITEM_BYTES] = QUEUE_ITEM_BYTES_MAX;
	put(QUEUE_TAIL_OFFSET, 2);
	put(QUEUE_SLOTS_OFFSET + image.parameters[QUEUE_PARAMETER_STRIDE], OWNED_DONE);
	put(QUEUE_SLOTS_OFFSET + image.parameters[QUEUE_PARAMETER_STRIDE] + 24, 60000);
	ck_assert_uint_eq(check(), 2); /* and the parameter */
	ck_assert_ptr_nonnull(strstr(last, "has 60000 bytes"));
	free(object);
}
END_TEST

START_TEST(a_claim_ahead_of_its_ticket_is_none_beyond_what_was_settled)
{
	make(OBJECT_QUEUE, 2);
	put(QUEUE_SLOTS_OFFSET, owned_word(0, 9));
	ck_assert_uint_eq(check(), 0);
	put(QUEUE_SLOTS_OFFSET, owned_word(1, 9));
	ck_assert_uint_eq(check(), 1);
	put(QUEUE_TAIL_OFFSET, 3);
	ck_assert_uint_eq(check(), 0);
	free(object);
}
END_TEST

/* The laps of a slot have 40 bits, tickets have more. */
START_TEST(a_queue_is_clean_after_more_laps_than_a_slot_counts)
{
	const uint64_t laps = (UINT64_C(1) << 40) + 5;

	make(OBJECT_QUEUE, 2);
	put(QUEUE_HEAD_OFFSET, 2 * laps);
	put(QUEUE_TAIL_OFFSET, 2 * laps);
	for (unsigned i = 0; i < 2; i++)
		put(QUEUE_SLOTS_OFFSET + i * image.parameters[QUEUE_PARAMETER_STRIDE],
		    owned_word(5, 0));
	ck_assert_uint_eq(check(), 0);
	put(QUEUE_SLOTS_OFFSET, owned_word(6, 0));
	ck_assert_uint_eq(check(), 1);
	free(object);
}
END_TEST

START_TEST(any_bytes_are_checked_to_their_end)
{
	uint64_t seed = 1;

	for (unsigned round = 0; round < 2000; round++) {
		unsigned type = 1 + round % OBJECT_QUEUE;

		make(type, 1 + round % 7);
		image.is_alone = round & 1;
		for (uint64_t at = round & 2 ? 64 : 0; at < image.length_bytes; at += 8) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
			if (round & 4 || seed >> 60 == 0)
				put(at, round & 8 ? seed : seed >> 56);
		}
		ck_assert_uint_le(check(), image.length_bytes);
		free(object);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("image");
	TCase *tcase = tcase_create("image");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_new_object_of_each_type_is_clean);
	tcase_add_test(tcase, an_owner_is_judged_by_what_storaged_says);
	tcase_add_test(tcase, a_length_beyond_the_room_is_not_followed);
	tcase_add_test(tcase, an_item_longer_than_its_slot_is_not_read_whatever_the_parameters_say);
	tcase_add_test(tcase, a_claim_ahead_of_its_ticket_is_none_beyond_what_was_settled);
	tcase_add_test(tcase, a_queue_is_clean_after_more_laps_than_a_slot_counts);
	tcase_add_test(tcase, any_bytes_are_checked_to_their_end);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
