/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/settings_value.h"
#include "storaged/memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit sizes[] = {{"", 1},
				    {"KiB", UINT64_C(1) << 10},
				    {"MiB", UINT64_C(1) << 20},
				    {"GiB", UINT64_C(1) << 30},
				    {"TiB", UINT64_C(1) << 40},
				    {NULL, 0}};
static const struct unit durations[] = {
	{"ms", 1000000}, {"s", 1000000000}, {"m", UINT64_C(60000000000)}, {NULL, 0}};
static const struct unit numbers[] = {{"", 1}, {NULL, 0}};

/* What is being parsed, for all functions below. */
struct parse {
	const struct settings_value *value;
	const char *text, *origin;
	char *reason;
	size_t reason_bytes;
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct parse *parse,
							const char *format, ...)
{
	char expected[200];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(expected, sizeof expected, format, arguments);
	va_end(arguments);
	snprintf(parse->reason, parse->reason_bytes, "%s: `%.60s' is not %s", parse->origin,
		 parse->text, expected);
	return -EINVAL;
}

/* Parse a decimal (or octal) number and a unit after it. Returns 0 or -EINVAL, without a
 * sentence. */
static int parse_units(const char *text, int base, const struct unit *units, uint64_t *ret_number)
{
	uint64_t number;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &end, base);
	if (errno)
		return -EINVAL;
	for (; units->name; units++)
		if (!strcmp(end, units->name))
			return __builtin_mul_overflow(number, units->factor, ret_number) ? -EINVAL
											 : 0;
	return -EINVAL;
}

static int parse_size(const struct parse *parse, uint64_t *ret_bytes)
{
	static const struct unit percent[] = {{"%", 1}, {NULL, 0}};
	const struct settings_value *value = parse->value;
	struct memory memory;
	uint64_t bytes;

	if (parse_units(parse->text, 10, percent, &bytes) == 0 && bytes <= 100) {
		memory_look("", &memory);
		/* UINT64_MAX: it is unknown how much there is. */
		bytes = memory.available_bytes == UINT64_MAX ? 0
							     : memory.available_bytes / 100 * bytes;
	} else if (parse_units(parse->text, 10, sizes, &bytes))
		return refuse(parse,
			      "a size: a number of bytes, KiB, MiB, GiB or TiB, or 1%% to 100%%");
	if (bytes < value->min || bytes > value->max)
		return refuse(parse, "between %lluKiB and %lluGiB (it is %llu bytes)",
			      (unsigned long long)value->min >> 10,
			      (unsigned long long)value->max >> 30, (unsigned long long)bytes);
	*ret_bytes = bytes;
	return 0;
}

static int parse_duration(const struct parse *parse, uint64_t *ret_ns)
{
	const struct settings_value *value = parse->value;
	uint64_t ns;

	if (parse_units(parse->text, 10, durations, &ns) || ns < value->min || ns > value->max)
		return refuse(parse, "a duration from %llums to %llum: a number of ms, s or m",
			      (unsigned long long)(value->min / 1000000),
			      (unsigned long long)(value->max / 60000000000));
	*ret_ns = ns;
	return 0;
}

static int parse_number(const struct parse *parse, uint64_t *ret_number)
{
	const struct settings_value *value = parse->value;
	bool octal = value->kind == SETTINGS_OCTAL;
	uint64_t number;

	if (parse_units(parse->text, octal ? 8 : 10, numbers, &number) || number < value->min ||
	    number > value->max)
		return octal ? refuse(parse, "an octal number up to %llo",
				      (unsigned long long)value->max)
			     : refuse(parse, "a number from %llu to %llu",
				      (unsigned long long)value->min,
				      (unsigned long long)value->max);
	*ret_number = number;
	return 0;
}

static int parse_flag(const struct parse *parse, uint64_t *ret_flag)
{
	static const char *const words[] = {"no", "yes", "off", "on", "false", "true", "0", "1"};

	for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
		if (!strcmp(parse->text, words[i])) {
			*ret_flag = i % 2;
			return 0;
		}
	}
	return refuse(parse, "yes or no");
}

static int refuse_choice(const struct parse *parse)
{
	char all[160] = "";

	for (const char *const *choice = parse->value->choices; *choice; choice++) {
		strncat(all, all[0] ? ", " : "", sizeof all - strlen(all) - 1);
		strncat(all, *choice, sizeof all - strlen(all) - 1);
	}
	return refuse(parse, "one of %s", all);
}

static int parse_choice(const struct parse *parse, const char *text, uint64_t *ret_index)
{
	for (unsigned i = 0; parse->value->choices[i]; i++) {
		if (!strcmp(text, parse->value->choices[i])) {
			*ret_index = i;
			return 0;
		}
	}
	return refuse_choice(parse);
}

/* Call @take with each text between commas. */
static int split(const struct parse *parse, void *field,
		 int (*take)(const struct parse *parse, const char *item, void *field))
{
	char *copy = strdup(parse->text), *rest = copy, *item;
	int r = copy ? 0 : -ENOMEM;

	while (r == 0 && (item = strsep(&rest, ",")))
		r = take(parse, item, field);
	free(copy);
	return r;
}

static int take_choice(const struct parse *parse, const char *item, void *field)
{
	uint64_t index, *set = field;
	int r = parse_choice(parse, item, &index);

	if (r == 0)
		*set |= UINT64_C(1) << index;
	return r;
}

static int take_item(const struct parse *parse, const char *item, void *field)
{
	struct settings_list *list = field;

	if (strlen(item) < parse->value->min || strlen(item) > parse->value->max)
		return refuse(parse, "a list of texts of %llu to %llu bytes",
			      (unsigned long long)parse->value->min,
			      (unsigned long long)parse->value->max);
	if (list->count == SETTINGS_ITEMS_MAX)
		return refuse(parse, "possible: there are %d already", SETTINGS_ITEMS_MAX);
	list->item[list->count] = strdup(item);
	return list->item[list->count++] ? 0 : -ENOMEM;
}

static int parse_text(const struct parse *parse, const char **ret_text)
{
	size_t bytes = strlen(parse->text);

	if (bytes < parse->value->min || bytes > parse->value->max)
		return refuse(parse, "a text of %llu to %llu bytes",
			      (unsigned long long)parse->value->min,
			      (unsigned long long)parse->value->max);
	free((char *)*ret_text);
	*ret_text = strdup(parse->text);
	return *ret_text ? 0 : -ENOMEM;
}

int settings_value_parse(const struct settings_value *value, struct settings *settings,
			 const char *text, const char *origin, char *reason, size_t reason_bytes)
{
	struct parse parse = {value, text, origin, reason, reason_bytes};
	void *field = (char *)settings + value->field;

	switch (value->kind) {
	case SETTINGS_TEXT:
		return parse_text(&parse, field);
	case SETTINGS_LIST:
		return split(&parse, field, take_item);
	case SETTINGS_NUMBER:
	case SETTINGS_OCTAL:
		return parse_number(&parse, field);
	case SETTINGS_SIZE:
		return parse_size(&parse, field);
	case SETTINGS_DURATION:
		return parse_duration(&parse, field);
	case SETTINGS_FLAG:
		return parse_flag(&parse, field);
	case SETTINGS_CHOICE:
		return parse_choice(&parse, text, field);
	case SETTINGS_SET:
		*(uint64_t *)field = 0;
		return split(&parse, field, take_choice);
	}
	return -EINVAL;
}

void settings_value_free(const struct settings_value *value, struct settings *settings)
{
	void *field = (char *)settings + value->field;

	if (value->kind == SETTINGS_TEXT) {
		free(*(char **)field);
		*(char **)field = NULL;
	} else if (value->kind == SETTINGS_LIST) {
		struct settings_list *list = field;

		while (list->count)
			free((char *)list->item[--list->count]);
	}
}
