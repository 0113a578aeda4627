/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/dsoctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Part of a sentence on stderr. Names and sentences in it come from elsewhere: a terminal must not
 * obey them. */
__attribute__((format(printf, 1, 0))) static void vsay(const char *format, va_list arguments)
{
	char *text;

	if (vasprintf(&text, format, arguments) < 0)
		return;
	printable_print(stderr, text, PRINTABLE_TERMINAL);
	free(text);
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsay(format, arguments);
	va_end(arguments);
}

/* What the user can try, where the library's sentence does not say it. */
static const char *advice(const struct dsoctl *ctl, int error)
{
	switch (-error) {
	case ECONNREFUSED:
	case ENOTCONN:
	case EPROTO:
	case EOPNOTSUPP:
		return "; dsoctl doctor explains";
	case ETIMEDOUT:
		return ctl->session ? "" : "; dsoctl doctor explains";
	case ENOTRECOVERABLE:
		return "; dsoctl barrier reset NAME, or dsoctl rm NAME, makes it as new";
	case ENOENT:
		return "; dsoctl ls shows what there is";
	case EEXIST:
	case EINVAL:
		return "; dsoctl stat NAME shows what is there";
	case ENOSPC:
	case ENFILE:
		return "; dsoctl rm NAME makes room";
	}
	return "";
}

enum exit_status fail(const struct dsoctl *ctl, int error)
{
	const char *sentence = dso_error(ctl->session);

	/* Before there is a session, advice about objects would mislead. */
	bool advise = ctl->session || error == -ECONNREFUSED || error == -ETIMEDOUT;

	say("dsoctl: %s%s", *sentence ? sentence : strerror(-error),
	    advise ? advice(ctl, error) : "");
	fputc('\n', stderr);
	return STATUS_FAILED;
}

/* Name the holders of the object of the first operand, each after a semicolon. */
static void say_holders(const struct dsoctl *ctl)
{
	struct holds holds;
	const struct dso_hold *hold = NULL;
	char text[HOLD_TEXT_BYTES];

	if (holds_read(ctl, &holds) == 0)
		while ((hold = holds_next(&holds, ctl->operands[0], hold)))
			say("; %s", hold_text(hold, text));
	holds_free(&holds);
}

enum exit_status fail_wait(const struct dsoctl *ctl, int error)
{
	if (error != -ETIMEDOUT)
		return fail(ctl, error);
	say("dsoctl: %s", dso_error(ctl->session));
	say_holders(ctl);
	fputs("; --timeout waits longer\n", stderr);
	return STATUS_TIMED_OUT;
}

enum exit_status fail_because(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("dsoctl: ", stderr);
	vsay(format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	return STATUS_FAILED;
}

enum exit_status fail_missing(const struct dsoctl *ctl, const char *type, const char *command)
{
	return fail_because("there is no %s %s; %s makes one", type, ctl->operands[0], command);
}

enum exit_status wrong_usage(const struct dsoctl *ctl, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("dsoctl: ", stderr);
	vsay(format, arguments);
	va_end(arguments);
	if (ctl->command)
		fprintf(stderr, "; usage: dsoctl %s %s\n", ctl->command->name,
			ctl->command->arguments);
	else
		fputs("; dsoctl help lists the commands\n", stderr);
	return STATUS_USAGE;
}

enum exit_status print_json(json_t *object)
{
	if (!object)
		return fail_because("out of memory");
	json_dumpf(object, stdout, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(object);
	return STATUS_DONE;
}

enum exit_status print_done(const struct dsoctl *ctl, json_t *object)
{
	if (ctl->json)
		return print_json(object);
	json_decref(object);
	return STATUS_DONE;
}

json_t *json_with_text(json_t *object, const char *key)
{
	char key_of_text[32];
	json_t *number = object ? json_object_get(object, key) : NULL;

	if (!json_is_integer(number))
		return object;
	snprintf(key_of_text, sizeof key_of_text, "%s_text", key);
	json_object_set_new(object, key_of_text,
			    json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(number)));
	return object;
}

enum exit_status print_run(const struct dsoctl *ctl, enum exit_status status, bool ran,
			   json_t *object)
{
	enum exit_status printed;

	if (ctl->json && ran)
		putchar('\n');
	json_object_set_new(object, "status", json_integer(status));
	printed = print_done(ctl, object);
	return printed ? printed : status;
}

static void print_text_member(const char *key, const char *value)
{
	printf("%-18s ", key);
	printable_print(stdout, value, PRINTABLE_JSON_ON_TERMINAL);
	putchar('\n');
}

enum exit_status print_members(json_t *object)
{
	const char *key;
	json_t *value;

	if (!object)
		return fail_because("out of memory");
	json_object_foreach(object, key, value)
	{
		if (json_is_string(value))
			print_text_member(key, json_string_value(value));
		else if (json_is_boolean(value))
			printf("%-18s %s\n", key, json_is_true(value) ? "yes" : "no");
		else
			printf("%-18s %" JSON_INTEGER_FORMAT "\n", key, json_integer_value(value));
	}
	json_decref(object);
	return STATUS_DONE;
}

const char *printable(const char *name, char text[static PRINTABLE_BYTES])
{
	return printable_write(name, PRINTABLE_TERMINAL, text);
}

json_t *json_text(const char *text)
{
	char *escaped = malloc(PRINTABLE_BYTES_MAX(strlen(text)));
	json_t *string =
		escaped ? json_string(printable_write(text, PRINTABLE_JSON, escaped)) : NULL;

	free(escaped);
	return string;
}

static const char *scaled(double value, double step, const char *const *units, unsigned count,
			  char text[static DURATION_BYTES])
{
	unsigned unit = 0;

	while (unit + 1 < count && value >= step) {
		value /= step;
		unit++;
	}
	snprintf(text, DURATION_BYTES, "%.4g %s", value, units[unit]);
	return text;
}

const char *duration(int64_t ns, char text[static DURATION_BYTES])
{
	static const char *const units[] = {"ns", "us", "ms", "s"};

	/* From a minute on, seconds are noise. */
	if (ns >= 3600 * DSO_SECOND)
		snprintf(text, DURATION_BYTES, "%.1f h", (double)ns / (3600e9));
	else if (ns >= 60 * DSO_SECOND)
		snprintf(text, DURATION_BYTES, "%.1f min", (double)ns / 60e9);
	else
		return scaled((double)ns, 1000, units, 4, text);
	return text;
}

const char *size(uint64_t bytes, char text[static DURATION_BYTES])
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};

	return scaled((double)bytes, 1024, units, 5, text);
}
