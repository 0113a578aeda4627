/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/payload.h"

#include "lib/functions/loaded/jansson.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEX_BYTES (2 * MESSAGE_BUILD_BYTES)

static void hex_of(const uint8_t build[MESSAGE_BUILD_BYTES], char hex[HEX_BYTES + 1])
{
	for (int i = 0; i < MESSAGE_BUILD_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", build[i]);
}

static bool read_hex(const char *hex, uint8_t ret_build[MESSAGE_BUILD_BYTES])
{
	if (strlen(hex) != HEX_BYTES || strspn(hex, "0123456789abcdef") != HEX_BYTES)
		return false;
	for (int i = 0; i < MESSAGE_BUILD_BYTES; i++) {
		char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};

		ret_build[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return true;
}

static char *write_and_delete(json_t *root)
{
	char *text = root ? jansson.dumps(root, JSON_COMPACT) : NULL;

	if (root)
		jansson.delete(root);
	return text;
}

char *payload_write(const struct payload *payload)
{
	char build[HEX_BYTES + 1];

	hex_of(payload->build, build);
	return write_and_delete(jansson.pack(
		"{s:{s:i,s:s,s:s,s:s,s:I,s:I}}", "dso", "version", PAYLOAD_VERSION, "url",
		payload->url, "prefix", payload->prefix, "build", build, "idle_ms",
		(json_int_t)payload->idle_ms, "serve_ms", (json_int_t)payload->serve_ms));
}

static int refuse(char *why, const char *sentence)
{
	snprintf(why, SENTENCE_BYTES_MAX + 1, "the payload %s", sentence);
	return -EINVAL;
}

static bool copy(char *to, size_t to_bytes, const char *text)
{
	size_t length = strlen(text);

	if (length < to_bytes)
		memcpy(to, text, length + 1);
	return length < to_bytes;
}

static bool is_time(json_int_t ms)
{
	return ms >= 0 && ms <= PAYLOAD_MS_MAX;
}

static int read_members(json_t *root, struct payload *payload, char *why)
{
	const char *url = "", *prefix, *build;
	json_int_t version, idle_ms = 0, serve_ms = 0;
	char sentence[300];
	json_error_t error;

	if (jansson.unpack_ex(root, &error, 0, "{s:{s:I,s?:s,s:s,s:s,s?:I,s?:I}}", "dso", "version",
			      &version, "url", &url, "prefix", &prefix, "build", &build, "idle_ms",
			      &idle_ms, "serve_ms", &serve_ms)) {
		snprintf(sentence, sizeof sentence, "is not a driver's: %s", error.text);
		return refuse(why, sentence);
	}
	if (version != PAYLOAD_VERSION)
		return refuse(why, "has another version; deploy driver and functions from one "
				   "build");
	if (!copy(payload->url, sizeof payload->url, url))
		return refuse(why, "has a URL that is too long");
	if (strncmp(prefix, "run/", 4) != 0 ||
	    !copy(payload->prefix, sizeof payload->prefix, prefix))
		return refuse(why, "names no executor");
	if (!read_hex(build, payload->build))
		return refuse(why, "has a build that is no hash");
	if (!is_time(idle_ms) || !is_time(serve_ms))
		return refuse(why, "has a time of less than nothing or of more than a day");
	payload->idle_ms = idle_ms;
	payload->serve_ms = serve_ms;
	return 0;
}

int payload_read(const char *text, size_t bytes, struct payload *ret_payload, char *why)
{
	struct payload payload;
	json_error_t error;
	json_t *root;
	int r;

	if (bytes > PAYLOAD_BYTES_MAX)
		return refuse(why, "has more than 1 MiB");
	root = jansson.loadb(text, bytes, 0, &error);
	if (!root)
		return refuse(why, "is no JSON");
	r = read_members(root, &payload, why);
	jansson.delete(root);
	if (r == 0)
		*ret_payload = payload;
	return r;
}

char *answer_write(const struct answer *answer)
{
	if (!*answer->error)
		return write_and_delete(
			jansson.pack("{s:I}", "served", (json_int_t)answer->served));
	return write_and_delete(jansson.pack("{s:I,s:s,s:b}", "served", (json_int_t)answer->served,
					     "error", answer->error, "refused",
					     answer->is_refused));
}

int answer_read(const char *text, size_t bytes, struct answer *ret_answer)
{
	struct answer answer = {0};
	const char *sentence = "";
	int is_refused = 0;
	json_int_t served;
	json_error_t error;
	json_t *root = bytes <= PAYLOAD_BYTES_MAX ? jansson.loadb(text, bytes, 0, &error) : NULL;
	int r = -EINVAL;

	if (root &&
	    jansson.unpack_ex(root, &error, 0, "{s:I,s?:s,s?:b}", "served", &served, "error",
			      &sentence, "refused", &is_refused) == 0 &&
	    served >= 0) {
		answer.served = (uint64_t)served;
		answer.is_refused = is_refused;
		snprintf(answer.error, sizeof answer.error, "%s", sentence);
		*ret_answer = answer;
		r = 0;
	}
	if (root)
		jansson.delete(root);
	return r;
}
