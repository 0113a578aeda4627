/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/store.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bytes.h"
#include "tests/runner.h"

#define REGION_BYTES (16ULL << 20)

static struct store *store;
static struct store_opener opener;
static char detail[200];
static unsigned deleted_count;
static uint32_t deleted_handle;

static bool note_deleted(struct store_opener *who, uint32_t handle)
{
	ck_assert_ptr_eq(who->store, store);
	deleted_count++;
	deleted_handle = handle;
	return true;
}

/* Delete, and have everybody told. */
static void delete_and_tell(const char *name)
{
	ck_assert_int_eq(store_delete(store, name, strlen(name), NULL), WIRE_OK);
	ck_assert(!store_tell(store, UINT_MAX));
}

static void begin(uint64_t region_bytes, uint32_t objects_max, uint32_t opens_max)
{
	struct store_limits limits = {
		.region_bytes = region_bytes, .objects_max = objects_max, .opens_max = opens_max};

	ck_assert_int_eq(store_new(&limits, &store), 0);
	store_opener_begin(store, &opener, note_deleted);
}

static void set_up(void)
{
	begin(REGION_BYTES, 1024, 1024);
}

static void tear_down(void)
{
	store_opener_end(&opener);
	store_free(store);
}

static enum wire_status open_with(enum object_type type, const char *name, unsigned flags,
				  uint64_t parameter_0, uint64_t parameter_1,
				  struct store_reference *ret_reference)
{
	uint64_t parameters[4] = {parameter_0, parameter_1};

	return store_open(&opener, type, name, strlen(name), flags, parameters, ret_reference,
			  detail, sizeof detail);
}

static struct store_reference create_with(enum object_type type, const char *name,
					  uint64_t parameter_0, uint64_t parameter_1)
{
	struct store_reference reference;

	ck_assert_int_eq(open_with(type, name, CONTROL_OPEN_CREATE | CONTROL_OPEN_PARAMETERS,
				   parameter_0, parameter_1, &reference),
			 WIRE_OK);
	return reference;
}

static uint8_t *memory_of(const struct store_reference *reference)
{
	return (uint8_t *)store_base(store) + reference->offset;
}

static uint64_t word_at(const struct store_reference *reference, uint64_t offset)
{
	le64_t word;

	memcpy(&word, memory_of(reference) + offset, sizeof word);
	return le64_get(word);
}

/* ---- the arena ---- */

START_TEST(limits_out_of_range_are_refused)
{
	static const struct store_limits wrong[] = {
		{0, 1, 1},
		{STORE_REGION_BYTES_MIN - 1, 1, 1},
		{STORE_REGION_BYTES_MAX + 1, 1, 1},
		{UINT64_MAX, 1, 1},
		{REGION_BYTES, 0, 1},
		{REGION_BYTES, STORE_OBJECTS_MAX + 1, 1},
		{REGION_BYTES, 1, 0},
		{REGION_BYTES, 1, STORE_OPENS_MAX + 1},
	};
	struct store *none = NULL;

	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		ck_assert_int_eq(store_new(&wrong[i], &none), -EINVAL);
	ck_assert_ptr_null(none);
}
END_TEST

START_TEST(a_store_at_its_widest_limits_is_made_without_touching_its_memory)
{
#ifdef __SANITIZE_THREAD__ /* leaves 1.5 TiB of addresses, not always in one piece */
	const uint64_t region_bytes = 1ULL << 38;
#else
	const uint64_t region_bytes = STORE_REGION_BYTES_MAX / 64;
#endif

	begin(region_bytes, STORE_OBJECTS_MAX, STORE_OPENS_MAX);
	create_with(OBJECT_MEMORY, "big", region_bytes / 2, 0);
	tear_down();
}
END_TEST

START_TEST(the_region_is_rounded_up_to_pages_and_begins_with_its_header)
{
	struct region_header header;

	begin(REGION_BYTES + 1, 16, 16);
	memcpy(&header, store_base(store), sizeof header);
	ck_assert_uint_eq(store_region_bytes(store), REGION_BYTES + 4096);
	ck_assert_mem_eq(header.magic, LAYOUT_MAGIC, 8);
	ck_assert_uint_eq(le16_get(header.version), LAYOUT_VERSION);
	ck_assert_uint_eq(le64_get(header.region_bytes), REGION_BYTES + 4096);
	tear_down();
}
END_TEST

START_TEST(nobody_can_change_the_size_or_the_seals_of_the_memfd)
{
	struct stat status;
	int fd = store_fd(store);

	ck_assert_int_eq(fstat(fd, &status), 0);
	ck_assert_int_eq((int64_t)status.st_size, (int64_t)store_region_bytes(store));
	ck_assert_int_eq(ftruncate(fd, 4096), -1);
	ck_assert_int_eq(ftruncate(fd, (off_t)(2 * REGION_BYTES)), -1);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
}
END_TEST

START_TEST(a_fresh_object_costs_no_memory_until_it_is_written)
{
	struct store_reference small = create_with(OBJECT_COUNTER, "small", 0, 0);
	struct stat status;

	/* Where the small one was, and on into what was never used: only the former is zeroed. */
	ck_assert_int_eq(store_close(&opener, small.handle), WIRE_OK);
	delete_and_tell("small");
	ck_assert_uint_eq(create_with(OBJECT_MEMORY, "fresh", 8 << 20, 0).offset, small.offset);
	ck_assert_int_eq(fstat(store_fd(store), &status), 0);
	/* Header page and object header, a huge page each at most. */
	ck_assert_int_le(status.st_blocks * 512, 4 << 20);
}
END_TEST

/* ---- types ---- */

START_TEST(an_object_begins_with_its_header)
{
	struct store_reference counter = create_with(OBJECT_COUNTER, "hits", 5, 3);
	struct object_header header;

	memcpy(&header, memory_of(&counter), sizeof header);
	ck_assert_uint_eq(le16_get(header.type), OBJECT_COUNTER);
	ck_assert_uint_eq(le16_get(header.flags), 0);
	ck_assert_uint_eq(le32_get(header.generation), counter.generation);
	ck_assert_uint_eq(le64_get(header.length_bytes), counter.length_bytes);
	ck_assert_uint_eq(le64_get(header.parameter[0]), 5);
	ck_assert_uint_eq(le64_get(header.parameter[1]), 3);
	ck_assert_uint_eq(counter.offset % LAYOUT_LINE_BYTES, 0);
	ck_assert_uint_ge(counter.offset, LAYOUT_REGION_HEADER_BYTES);
}
END_TEST

START_TEST(defaults_are_filled_in_and_told)
{
	struct store_reference reference;
	enum wire_status status;

	status = store_open(&opener, OBJECT_MEMORY, "m", 1, CONTROL_OPEN_CREATE, NULL, &reference,
			    NULL, 0);
	ck_assert_int_eq(status, WIRE_OK);
	ck_assert_uint_eq(reference.parameters[MEMORY_PARAMETER_BYTES], 4096);
	ck_assert_uint_eq(reference.length_bytes, 64 + 4096);
	reference = create_with(OBJECT_COUNTER, "c", 0, 0);
	ck_assert_uint_eq(reference.parameters[COUNTER_PARAMETER_STRIPES], 1);
	ck_assert_uint_eq(reference.length_bytes, 128);
	reference = create_with(OBJECT_REGISTER, "r", 0, 0);
	ck_assert_uint_eq(reference.parameters[REGISTER_PARAMETER_CAPACITY], 65536);
	ck_assert_uint_eq(reference.length_bytes, 128 + 2 * (64 + 65536));
}
END_TEST

START_TEST(lengths_are_rounded_up_to_lines)
{
	ck_assert_uint_eq(create_with(OBJECT_MEMORY, "m1", 1, 0).length_bytes, 128);
	ck_assert_uint_eq(create_with(OBJECT_MEMORY, "m65", 65, 0).length_bytes, 192);
	ck_assert_uint_eq(create_with(OBJECT_REGISTER, "r1", 1, 0).length_bytes, 128 + 256);
	ck_assert_uint_eq(create_with(OBJECT_COUNTER, "c64", 0, 64).length_bytes, 65 * 64);
}
END_TEST

START_TEST(a_counter_has_its_initial_value_in_the_first_stripe_and_zero_in_the_rest)
{
	struct store_reference counter =
		create_with(OBJECT_COUNTER, "debt", (uint64_t)-42, COUNTER_STRIPES_MAX);

	ck_assert_int_eq((int64_t)word_at(&counter, COUNTER_STRIPE_OFFSET(0)), -42);
	for (unsigned stripe = 1; stripe < COUNTER_STRIPES_MAX; stripe++)
		ck_assert_uint_eq(word_at(&counter, COUNTER_STRIPE_OFFSET(stripe)), 0);
}
END_TEST

START_TEST(parameters_out_of_range_are_refused_with_their_name_and_range)
{
	const unsigned flags = CONTROL_OPEN_CREATE | CONTROL_OPEN_PARAMETERS;
	struct store_reference reference;

	ck_assert_int_eq(open_with(OBJECT_COUNTER, "c", flags, 0, 65, &reference), WIRE_PARAMETERS);
	ck_assert_str_eq(detail, "stripes: 65 asked, a counter has 1 to 64");
	ck_assert_int_eq(open_with(OBJECT_REGISTER, "r", flags, 65 << 20, 0, &reference),
			 WIRE_PARAMETERS);
	ck_assert_str_eq(detail, "capacity: 68,157,440 asked, a register has 1 to 67,108,864");
	ck_assert_int_eq(open_with(OBJECT_MEMORY, "m", flags, UINT64_MAX, 0, &reference),
			 WIRE_PARAMETERS);
	ck_assert_str_eq(detail, "size: 18,446,744,073,709,551,615 asked, "
				 "a memory has 1 to 1,099,511,627,776");
	ck_assert_int_eq(open_with(OBJECT_MEMORY, "m", flags, 64, 7, &reference), WIRE_PARAMETERS);
	ck_assert_str_eq(detail, "parameter 1: 7 asked, a memory has no such");
	ck_assert_uint_eq(store_object_count(store), 0);
}
END_TEST

START_TEST(parameters_of_an_existing_object_are_compared_but_for_zero_and_the_initial_value)
{
	struct store_reference made = create_with(OBJECT_COUNTER, "c", 5, 8), found;

	ck_assert_int_eq(open_with(OBJECT_COUNTER, "c", CONTROL_OPEN_PARAMETERS, 6, 0, &found),
			 WIRE_OK);
	ck_assert_uint_eq(found.offset, made.offset);
	ck_assert_uint_eq(found.parameters[COUNTER_PARAMETER_INITIAL], 5);
	ck_assert_uint_eq(found.parameters[COUNTER_PARAMETER_STRIPES], 8);
	ck_assert_int_eq(open_with(OBJECT_COUNTER, "c", CONTROL_OPEN_PARAMETERS, 0, 4, &found),
			 WIRE_PARAMETERS);
	ck_assert_str_eq(detail, "stripes: 4 asked, the counter has 8");
	ck_assert_int_eq(open_with(OBJECT_COUNTER, "c", 0, 0, 4, &found), WIRE_OK);
	ck_assert_str_eq(detail, "");
}
END_TEST

static bool is_listed(unsigned type)
{
#define X(NAME, name, number) || type == number
	return false OBJECT_TYPES(X);
#undef X
}

START_TEST(an_object_of_another_type_and_a_type_that_does_not_exist_are_refused)
{
	struct store_reference reference;

	create_with(OBJECT_COUNTER, "c", 0, 0);
	ck_assert_int_eq(open_with(OBJECT_REGISTER, "c", CONTROL_OPEN_CREATE, 0, 0, &reference),
			 WIRE_TYPE);
	ck_assert_str_eq(detail, "a register was asked for, it is a counter");
	for (unsigned type = 0; type < 65536; type++)
		if (!is_listed(type))
			ck_assert_int_eq(open_with((enum object_type)type, "x", CONTROL_OPEN_CREATE,
						   0, 0, &reference),
					 WIRE_MALFORMED);
}
END_TEST

/* ---- names ---- */

START_TEST(an_absent_object_is_not_found_unless_it_is_to_be_created)
{
	struct store_reference reference;
	struct store_object_stat stat;

	ck_assert_int_eq(open_with(OBJECT_COUNTER, "no", 0, 0, 0, &reference), WIRE_NOT_FOUND);
	ck_assert_int_eq(store_stat(store, "no", 2, &stat), WIRE_NOT_FOUND);
	ck_assert_int_eq(store_delete(store, "no", 2, NULL), WIRE_NOT_FOUND);
}
END_TEST

START_TEST(names_have_1_to_255_bytes_and_no_zero)
{
	char name[CONTROL_NAME_BYTES_MAX + 1];
	struct store_reference reference;
	struct store_object_stat stat;

	memset(name, 0xff, sizeof name);
	ck_assert_int_eq(store_open(&opener, OBJECT_COUNTER, name, 255, CONTROL_OPEN_CREATE, NULL,
				    &reference, NULL, 0),
			 WIRE_OK);
	ck_assert_int_eq(store_stat(store, name, 255, &stat), WIRE_OK);
	ck_assert_uint_eq(stat.name_bytes, 255);
	ck_assert_uint_eq(strlen(stat.name), 255);
	ck_assert_int_eq(store_open(&opener, OBJECT_COUNTER, name, 256, CONTROL_OPEN_CREATE, NULL,
				    &reference, NULL, 0),
			 WIRE_NAME);
	ck_assert_int_eq(store_delete(store, name, 0, NULL), WIRE_NAME);
	ck_assert_int_eq(store_stat(store, "a\0b", 3, &stat), WIRE_NAME);
	ck_assert_int_eq(store_delete(store, "a\0b", 3, NULL), WIRE_NAME);
}
END_TEST

START_TEST(a_name_that_begins_with_another_is_another)
{
	struct store_reference one = create_with(OBJECT_COUNTER, "name", 0, 0);
	struct store_reference two = create_with(OBJECT_COUNTER, "names", 0, 0);

	ck_assert_uint_ne(one.offset, two.offset);
	ck_assert_uint_ne(one.generation, two.generation);
}
END_TEST

START_TEST(a_listing_shows_every_object_once_and_passes_over_gaps)
{
	struct store_object_stat stat;
	uint32_t cursor = 0;
	bool seen[500] = {false};
	unsigned count = 0, number;
	char name[16];

	for (unsigned i = 0; i < 500; i++) {
		snprintf(name, sizeof name, "%u", i);
		create_with(OBJECT_COUNTER, name, i, 0);
	}
	for (unsigned i = 100; i < 400; i++) {
		snprintf(name, sizeof name, "%u", i);
		delete_and_tell(name);
	}
	while (store_next(store, &cursor, &stat)) {
		number = (unsigned)strtoul(stat.name, NULL, 10);
		ck_assert_uint_eq(stat.parameters[COUNTER_PARAMETER_INITIAL], number);
		ck_assert_uint_eq(stat.opens, 1);
		ck_assert(!seen[number] && (number < 100 || number >= 400));
		seen[number] = true;
		count++;
	}
	ck_assert_uint_eq(count, 200);
	ck_assert_uint_eq(store_object_count(store), 200);
	cursor = UINT32_MAX;
	ck_assert(!store_next(store, &cursor, &stat));
}
END_TEST

START_TEST(objects_that_nobody_has_open_or_that_are_deleted_are_not_among_the_open_ones)
{
	struct store_reference first = create_with(OBJECT_MUTEX, "first", 0, 0), again, second;
	struct store_object_stat stat;
	uint32_t cursor = 0;

	ck_assert_int_eq(open_with(OBJECT_MUTEX, "first", 0, 0, 0, &again), WIRE_OK);
	second = create_with(OBJECT_MUTEX, "second", 0, 0);
	ck_assert_int_eq(store_close(&opener, first.handle), WIRE_OK);
	ck_assert(store_next_open(store, &cursor, &stat));
	ck_assert_str_eq(stat.name, "first");
	cursor--;
	ck_assert(store_next_open(store, &cursor, &stat));
	ck_assert_uint_eq(stat.offset, first.offset);
	ck_assert_int_eq(store_close(&opener, again.handle), WIRE_OK);
	cursor = 0;
	ck_assert(store_next_open(store, &cursor, &stat));
	ck_assert_str_eq(stat.name, "second");
	delete_and_tell("second");
	cursor = 0;
	ck_assert(!store_next_open(store, &cursor, &stat));
	ck_assert_int_eq(open_with(OBJECT_MUTEX, "first", 0, 0, 0, &again), WIRE_OK);
	ck_assert(store_next_open(store, &cursor, &stat));
	ck_assert_int_eq(store_close(&opener, second.handle), WIRE_OK);
}
END_TEST

/* ---- delete ---- */

START_TEST(a_deleted_objects_memory_is_reused_only_when_its_last_handle_is_back)
{
	struct store_reference first = create_with(OBJECT_MEMORY, "m", 1000, 0), second, other;
	uint64_t used = store_used_bytes(store);

	ck_assert_int_eq(open_with(OBJECT_MEMORY, "m", 0, 0, 0, &second), WIRE_OK);
	ck_assert_uint_ne(second.handle, first.handle);
	delete_and_tell("m");
	ck_assert_uint_eq(deleted_count, 2);
	ck_assert_uint_eq(store_object_count(store), 0);
	ck_assert_uint_eq(store_used_bytes(store), used);
	ck_assert_int_eq(store_close(&opener, first.handle), WIRE_OK);
	ck_assert_uint_eq(store_used_bytes(store), used);
	other = create_with(OBJECT_MEMORY, "m", 1000, 0);
	ck_assert_uint_ne(other.offset, first.offset);
	ck_assert_int_eq(store_close(&opener, second.handle), WIRE_OK);
	ck_assert_uint_eq(store_used_bytes(store), used);
	ck_assert_uint_eq(create_with(OBJECT_MEMORY, "n", 1000, 0).offset, first.offset);
}
END_TEST

START_TEST(a_deleted_name_can_be_created_anew_at_once_as_another_object)
{
	struct store_reference old = create_with(OBJECT_COUNTER, "c", 1, 0), new;

	delete_and_tell("c");
	ck_assert_uint_eq(deleted_handle, old.handle);
	new = create_with(OBJECT_REGISTER, "c", 10, 0);
	ck_assert_uint_ne(new.generation, old.generation);
	ck_assert_uint_ne(new.offset, old.offset);
	ck_assert_uint_eq(word_at(&old, COUNTER_STRIPE_OFFSET(0)), 1);
}
END_TEST

START_TEST(long_memory_is_cleaned_in_turns_before_it_is_used_again)
{
	uint64_t bytes = 10 << 20;
	struct store_reference old = create_with(OBJECT_MEMORY, "old", bytes, 0), new;
	uint64_t used = store_used_bytes(store);

	memset(memory_of(&old) + MEMORY_DATA_OFFSET, 0xff, bytes);
	ck_assert_int_eq(store_close(&opener, old.handle), WIRE_OK);
	delete_and_tell("old");
	ck_assert(store_is_dirty(store));
	for (int turn = 0; turn < 10; turn++) {
		ck_assert_uint_eq(store_used_bytes(store), used);
		ck_assert_int_eq(open_with(OBJECT_MEMORY, "new",
					   CONTROL_OPEN_CREATE | CONTROL_OPEN_PARAMETERS, bytes, 0,
					   &new),
				 WIRE_NO_MEMORY);
		ck_assert(store_clean(store, 1 << 20));
	}
	ck_assert(!store_clean(store, 1 << 20));
	ck_assert_uint_eq(store_used_bytes(store), 0);
	new = create_with(OBJECT_MEMORY, "new", bytes, 0);
	ck_assert_uint_eq(new.offset, old.offset);
	ck_assert(bytes_are(memory_of(&new) + MEMORY_DATA_OFFSET, bytes, 0));
}
END_TEST

START_TEST(a_short_object_deleted_while_a_long_one_is_half_cleaned_harms_no_neighbour)
{
	uint64_t bytes = 4 << 20;
	struct store_reference old = create_with(OBJECT_MEMORY, "old", bytes, 0);
	struct store_reference brief = create_with(OBJECT_MEMORY, "brief", 1000, 0);
	struct store_reference near = create_with(OBJECT_MEMORY, "near", bytes, 0);

	memset(memory_of(&old) + MEMORY_DATA_OFFSET, 0xff, bytes);
	memset(memory_of(&brief) + MEMORY_DATA_OFFSET, 0xff, 1000);
	memset(memory_of(&near) + MEMORY_DATA_OFFSET, 0xff, bytes);
	ck_assert_int_eq(store_close(&opener, old.handle), WIRE_OK);
	delete_and_tell("old");
	ck_assert(store_clean(store, 1 << 20));
	ck_assert_int_eq(store_close(&opener, brief.handle), WIRE_OK);
	delete_and_tell("brief");
	ck_assert(bytes_are(memory_of(&brief) + MEMORY_DATA_OFFSET, 1000, 0));
	while (store_clean(store, 1 << 20))
		;
	ck_assert(bytes_are(memory_of(&old) + MEMORY_DATA_OFFSET, bytes, 0));
	ck_assert(bytes_are(memory_of(&near) + MEMORY_DATA_OFFSET, bytes, 0xff));
}
END_TEST

START_TEST(reused_memory_is_zeroed)
{
	struct store_reference old = create_with(OBJECT_MEMORY, "m", 5000, 0), new;

	memset(memory_of(&old), 0xa5, old.length_bytes);
	ck_assert_int_eq(store_close(&opener, old.handle), WIRE_OK);
	delete_and_tell("m");
	ck_assert_uint_eq(deleted_count, 0);
	new = create_with(OBJECT_MEMORY, "m", 9000, 0); /* over its end into what is untouched */
	ck_assert_uint_eq(new.offset, old.offset);
	ck_assert(bytes_are(memory_of(&new) + MEMORY_DATA_OFFSET,
			    new.length_bytes - MEMORY_DATA_OFFSET, 0));
}
END_TEST

START_TEST(an_opener_that_ends_gives_everything_back)
{
	struct store_opener other;
	struct store_reference reference;

	store_opener_begin(store, &other, NULL);
	for (unsigned i = 0; i < 300; i++)
		ck_assert_int_eq(store_open(&other, OBJECT_COUNTER, i % 2 ? "a" : "b", 1,
					    CONTROL_OPEN_CREATE, NULL, &reference, NULL, 0),
				 WIRE_OK);
	delete_and_tell("a");
	ck_assert_uint_eq(store_used_bytes(store), 2 * 128);
	store_opener_end(&other);
	ck_assert_uint_eq(store_used_bytes(store), 128);
	ck_assert_uint_eq(store_object_count(store), 1);
	store_opener_end(&other);
}
END_TEST

START_TEST(a_store_is_freed_with_objects_open_and_deleted_ones_among_them)
{
	struct store_opener idle, other;
	struct store_reference reference;

	begin(REGION_BYTES, 16, 16);
	store_opener_begin(store, &idle, NULL);
	store_opener_begin(store, &other, NULL);
	create_with(OBJECT_COUNTER, "a", 0, 0);
	create_with(OBJECT_COUNTER, "b", 0, 0);
	ck_assert_int_eq(store_open(&other, OBJECT_COUNTER, "a", 1, 0, NULL, &reference, NULL, 0),
			 WIRE_OK);
	ck_assert_int_eq(store_open(&idle, OBJECT_COUNTER, "a", 1, 0, NULL, &reference, NULL, 0),
			 WIRE_OK);
	ck_assert_int_eq(store_close(&idle, reference.handle), WIRE_OK);
	delete_and_tell("a");
	store_free(store);
	ck_assert_ptr_null(opener.store);
	ck_assert_uint_eq(other.open_count, 0);
	store_opener_end(&opener);
	store_opener_end(&other);
	store_opener_end(&idle);
	store_free(NULL);
}
END_TEST

/* ---- handles ---- */

START_TEST(handles_that_nobody_gave_are_stale)
{
	struct store_reference reference = create_with(OBJECT_COUNTER, "c", 0, 0);

	for (unsigned bit = 0; bit < 32; bit++)
		ck_assert_int_eq(store_close(&opener, reference.handle ^ 1u << bit), WIRE_STALE);
	ck_assert_int_eq(store_close(&opener, 0), WIRE_STALE);
	ck_assert_int_eq(store_close(&opener, UINT32_MAX), WIRE_STALE);
	ck_assert_int_eq(store_close(&opener, reference.handle), WIRE_OK);
	ck_assert_int_eq(store_close(&opener, reference.handle), WIRE_STALE);
}
END_TEST

START_TEST(a_late_close_of_an_old_handle_does_not_close_a_new_one)
{
	struct store_reference first = create_with(OBJECT_COUNTER, "c", 0, 0), next;

	ck_assert_int_eq(store_close(&opener, first.handle), WIRE_OK);
	for (unsigned use = 1; use < 4096; use++) {
		ck_assert_int_eq(open_with(OBJECT_COUNTER, "c", 0, 0, 0, &next), WIRE_OK);
		ck_assert_int_eq(store_close(&opener, first.handle), WIRE_STALE);
		ck_assert_int_eq(store_close(&opener, next.handle), WIRE_OK);
	}
}
END_TEST

START_TEST(a_sweep_sees_every_open_handle_deleted_objects_too_and_may_close_them)
{
	struct store_reference made[3], seen;
	uint32_t cursor = 0;
	unsigned count = 0;

	made[0] = create_with(OBJECT_COUNTER, "a", 0, 0);
	made[1] = create_with(OBJECT_REGISTER, "b", 0, 0);
	made[2] = create_with(OBJECT_MEMORY, "c", 0, 0);
	ck_assert_int_eq(store_close(&opener, made[0].handle), WIRE_OK);
	delete_and_tell("b");
	while (store_opener_next(&opener, &cursor, &seen)) {
		count++;
		ck_assert_uint_eq(seen.handle, made[count].handle);
		ck_assert_uint_eq(seen.offset, made[count].offset);
		ck_assert_int_eq(seen.type, made[count].type);
		ck_assert_int_eq(store_close(&opener, seen.handle), WIRE_OK);
	}
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(opener.open_count, 0);
	ck_assert(!store_opener_next(&opener, &cursor, &seen));
}
END_TEST

/* ---- limits ---- */

START_TEST(an_opener_has_only_so_many_objects_open)
{
	struct store_reference reference;

	begin(REGION_BYTES, 16, 3);
	for (unsigned i = 0; i < 3; i++)
		reference = create_with(OBJECT_COUNTER, "c", 0, 0);
	ck_assert_int_eq(open_with(OBJECT_COUNTER, "d", CONTROL_OPEN_CREATE, 0, 0, &reference),
			 WIRE_OPENS_MAX);
	ck_assert_str_eq(detail, "3 of 3");
	ck_assert_uint_eq(store_object_count(store), 1);
	ck_assert_int_eq(store_close(&opener, reference.handle), WIRE_OK);
	create_with(OBJECT_COUNTER, "d", 0, 0);
	tear_down();
}
END_TEST

START_TEST(deleted_objects_that_are_open_count_towards_objects_max)
{
	struct store_reference first, reference;

	begin(REGION_BYTES, 2, 16);
	first = create_with(OBJECT_COUNTER, "a", 0, 0);
	create_with(OBJECT_COUNTER, "b", 0, 0);
	delete_and_tell("a");
	ck_assert_int_eq(open_with(OBJECT_COUNTER, "c", CONTROL_OPEN_CREATE, 0, 0, &reference),
			 WIRE_OBJECTS_MAX);
	ck_assert_str_eq(detail, "2 objects of 2, 1 of them deleted and still open, or "
				 "memory of others");
	ck_assert_int_eq(store_close(&opener, first.handle), WIRE_OK);
	create_with(OBJECT_COUNTER, "c", 0, 0);
	tear_down();
}
END_TEST

START_TEST(a_full_arena_says_what_was_wanted_and_what_there_is)
{
	const unsigned flags = CONTROL_OPEN_CREATE | CONTROL_OPEN_PARAMETERS;
	struct store_reference reference;

	create_with(OBJECT_MEMORY, "most", REGION_BYTES - 4096 - 64 - 65536, 0);
	ck_assert_int_eq(open_with(OBJECT_MEMORY, "m", flags, 1048640, 0, &reference),
			 WIRE_NO_MEMORY);
	ck_assert_str_eq(detail,
			 "wants 1,048,704 bytes, the largest free extent is 65,536 of 16,777,216");
	ck_assert_uint_eq(store_object_count(store), 1);
	create_with(OBJECT_MEMORY, "last", 65536 - 64, 0);
	ck_assert_int_eq(open_with(OBJECT_COUNTER, "c", flags, 0, 0, &reference), WIRE_NO_MEMORY);
	ck_assert_int_eq(open_with(OBJECT_MEMORY, "m", flags, MEMORY_BYTES_MAX, 0, &reference),
			 WIRE_NO_MEMORY);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store");
	TCase *fresh = tcase_create("fresh"), *limited = tcase_create("limited");

	tcase_add_checked_fixture(fresh, set_up, tear_down);
	tcase_add_test(fresh, nobody_can_change_the_size_or_the_seals_of_the_memfd);
	tcase_add_test(fresh, a_fresh_object_costs_no_memory_until_it_is_written);
	tcase_add_test(fresh, an_object_begins_with_its_header);
	tcase_add_test(fresh, defaults_are_filled_in_and_told);
	tcase_add_test(fresh, lengths_are_rounded_up_to_lines);
	tcase_add_test(fresh,
		       a_counter_has_its_initial_value_in_the_first_stripe_and_zero_in_the_rest);
	tcase_add_test(fresh, parameters_out_of_range_are_refused_with_their_name_and_range);
	tcase_add_test(
		fresh,
		parameters_of_an_existing_object_are_compared_but_for_zero_and_the_initial_value);
	tcase_add_test(fresh, an_object_of_another_type_and_a_type_that_does_not_exist_are_refused);
	tcase_add_test(fresh, an_absent_object_is_not_found_unless_it_is_to_be_created);
	tcase_add_test(fresh, long_memory_is_cleaned_in_turns_before_it_is_used_again);
	tcase_add_test(fresh, names_have_1_to_255_bytes_and_no_zero);
	tcase_add_test(fresh, a_name_that_begins_with_another_is_another);
	tcase_add_test(fresh, a_listing_shows_every_object_once_and_passes_over_gaps);
	tcase_add_test(
		fresh,
		objects_that_nobody_has_open_or_that_are_deleted_are_not_among_the_open_ones);
	tcase_add_test(fresh, a_deleted_objects_memory_is_reused_only_when_its_last_handle_is_back);
	tcase_add_test(fresh, a_deleted_name_can_be_created_anew_at_once_as_another_object);
	tcase_add_test(fresh,
		       a_short_object_deleted_while_a_long_one_is_half_cleaned_harms_no_neighbour);
	tcase_add_test(fresh, reused_memory_is_zeroed);
	tcase_add_test(fresh, an_opener_that_ends_gives_everything_back);
	tcase_add_test(fresh, handles_that_nobody_gave_are_stale);
	tcase_add_test(fresh, a_late_close_of_an_old_handle_does_not_close_a_new_one);
	tcase_add_test(fresh,
		       a_sweep_sees_every_open_handle_deleted_objects_too_and_may_close_them);
	tcase_add_test(fresh, a_full_arena_says_what_was_wanted_and_what_there_is);
	suite_add_tcase(suite, fresh);
	tcase_add_test(limited, limits_out_of_range_are_refused);
	tcase_add_test(limited, a_store_at_its_widest_limits_is_made_without_touching_its_memory);
	tcase_add_test(limited, the_region_is_rounded_up_to_pages_and_begins_with_its_header);
	tcase_add_test(limited, a_store_is_freed_with_objects_open_and_deleted_ones_among_them);
	tcase_add_test(limited, an_opener_has_only_so_many_objects_open);
	tcase_add_test(limited, deleted_objects_that_are_open_count_towards_objects_max);
	suite_add_tcase(suite, limited);
	return run_suite_forked(suite);
}
