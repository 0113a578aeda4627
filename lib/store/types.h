/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The types of objects: a table of the ranges of their parameters, their length, the memory of a
 * new one, and the words that can name a session. What other words of an object mean, only the code
 * that uses them knows.
 */
#ifndef LIB_STORE_TYPES_H
#define LIB_STORE_TYPES_H

#include "proto/control.h"
#include "proto/layout.h"

#define TYPE_PARAMETERS 4
#define TYPE_WORDS      2

struct type_parameter {
	const char *name; /* NULL: the type has no such parameter, it is zero */
	uint64_t min;
	uint64_t max;
	uint64_t at_creation; /* the value that zero stands for when an object is created */
	bool initial;   /* used at creation only: it is not compared with an existing object's */
	bool is_stores; /* the store sets it: an open leaves it zero */
	const char *const *value_names; /* by value, 0 to max; NULL: its values are numbers */
};

/* Owned words of a type (proto/layout.h): the sweep takes a session that has ended out of them. */
struct type_words {
	/* of the first; 0: there are none */
	uint64_t offset;
	/* the distance between them, and the parameter that says how many there are; 0: there is
	 * one */
	uint64_t stride;
	unsigned count_parameter;
	/* how many there are for each one that it counts; 0: one */
	unsigned each;
	/* the parameter that says the distance; 0: stride does */
	unsigned stride_parameter;
	/* set in the word when a session is taken out that died */
	uint64_t died_flags;
	/* offset of an event that is raised then; 0: there is none */
	uint64_t event;
	/* the role of a session in one of them */
	enum control_hold_role role;
	/* a hold has a fencing token */
	bool has_token;
	/* a session in one of them keeps others from the object */
	bool keeps_out;
	/* a place of one who waits, and no hold */
	bool is_place;
	/* of a slot of a queue */
	bool is_slot;
};

struct object_type_entry {
	struct type_parameter parameters[TYPE_PARAMETERS];
	/* Fill in the parameters of a new object that the store sets; NULL: there are none. */
	void (*complete)(const uint64_t asked[TYPE_PARAMETERS],
			 uint64_t parameters[TYPE_PARAMETERS]);
	/* The length of the object with its header, a multiple of LAYOUT_LINE_BYTES. */
	uint64_t (*length_bytes)(const uint64_t parameters[TYPE_PARAMETERS]);
	/* Write what is not zero behind the header of a zeroed object; NULL: all is zero. */
	void (*initialise)(uint8_t *object, const uint64_t parameters[TYPE_PARAMETERS]);
	/* Those with places last. */
	struct type_words words[TYPE_WORDS];
};

static inline uint64_t type_word_stride(const struct type_words *words,
					const uint64_t parameters[TYPE_PARAMETERS])
{
	return words->stride_parameter ? parameters[words->stride_parameter] : words->stride;
}

static inline uint64_t type_word_count(const struct type_words *words,
				       const uint64_t parameters[TYPE_PARAMETERS])
{
	uint64_t each = words->each ? words->each : 1;

	return type_word_stride(words, parameters) ? each * parameters[words->count_parameter] : 1;
}

/* What @type is called; "unknown" for a number that no type has. */
const char *type_name(unsigned type);

/* "a", or "an" before the name of @type. */
const char *type_article(unsigned type);

/* The table's entry of @type, which may be any number; NULL where there is none. */
const struct object_type_entry *type_entry(unsigned type);

/* Its words of that index; NULL where there are none. */
const struct type_words *type_words(unsigned type, unsigned index);

/* Whether @parameters are in their ranges and @length_bytes are enough for an object that has
 * them. */
bool type_has_room(const struct object_type_entry *type, const uint64_t parameters[TYPE_PARAMETERS],
		   uint64_t length_bytes);

/*
 * Write a sentence into @detail (of @detail_bytes, may be NULL).
 */
__attribute__((format(printf, 3, 4))) void type_detail(char *detail, size_t detail_bytes,
						       const char *format, ...);

/* @value with a comma before every three digits, for people. */
struct type_digits {
	char text[27];
};
struct type_digits type_digits_of(uint64_t value);

/*
 * Check @asked for a new object and fill in the defaults: *ret_parameters. Returns WIRE_OK, or
 * PARAMETERS with @detail filled.
 */
enum wire_status type_complete(const struct object_type_entry *type,
			       const uint64_t asked[TYPE_PARAMETERS],
			       uint64_t ret_parameters[TYPE_PARAMETERS], char *detail,
			       size_t detail_bytes);

/* Check whether @asked fits an object that has the parameters @actual. Returns as type_complete. */
enum wire_status type_match(const struct object_type_entry *type,
			    const uint64_t asked[TYPE_PARAMETERS],
			    const uint64_t actual[TYPE_PARAMETERS], char *detail,
			    size_t detail_bytes);

#endif
