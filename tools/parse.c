/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_NS_MAX 3600e9

int parse_int64(const char *text, int64_t *ret_value)
{
	const char *digits = text + (*text == '-' || *text == '+');
	long long value;
	char *end;

	/* strtoll() would skip white space. */
	if (!isdigit((unsigned char)*digits))
		return -EINVAL;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || *end)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

/* The digits at the start of @text, and what follows them. */
static int parse_digits(const char *text, uint64_t *ret_value, char **ret_end)
{
	/* strtoull() would also take a minus, and wrap. */
	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*ret_value = strtoull(text, ret_end, 10);
	return errno ? -EINVAL : 0;
}

int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	uint64_t value;
	char *end;

	if (parse_digits(text, &value, &end) || *end || value < min || value > max)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

int parse_size(const char *text, uint64_t min, uint64_t max, uint64_t *ret_bytes)
{
	static const struct {
		const char *name;
		unsigned shift;
	} units[] = {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
	uint64_t value;
	char *end;

	if (parse_digits(text, &value, &end))
		return -EINVAL;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (strcmp(end, units[i].name))
			continue;
		if (value > max >> units[i].shift || value << units[i].shift < min)
			return -EINVAL;
		*ret_bytes = value << units[i].shift;
		return 0;
	}
	return -EINVAL;
}

int parse_duration(const char *text, int64_t unit_ns, int64_t *ret_ns)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {{"ns", 1},
		     {"us", 1000},
		     {"ms", 1000000},
		     {"s", 1000000000},
		     {"m", INT64_C(60000000000)},
		     {"h", INT64_C(3600000000000)}};
	double value;
	char *end;

	/* strtod() would take white space, infinities and hexadecimal too. */
	if (!isdigit((unsigned char)*text) || text[1] == 'x' || text[1] == 'X')
		return -EINVAL;
	value = strtod(text, &end);
	if (*end) {
		size_t i = 0, count = sizeof units / sizeof *units;

		while (i < count && strcmp(end, units[i].name))
			i++;
		if (i == count)
			return -EINVAL;
		unit_ns = units[i].ns;
	}
	value *= (double)unit_ns;
	if (!(value >= 1 && value <= DURATION_NS_MAX))
		return -EINVAL;
	*ret_ns = (int64_t)(value + 0.5);
	return 0;
}
