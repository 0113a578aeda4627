/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of an object whose bytes are any bytes: a new object of any type and parameters, over
 * which words are written. It reads nothing beside the bytes, ends, and says of each word only so
 * much.
 */
#include "lib/objects/image.h"
#include "tests/fuzz/feed.h"

#define WORDS_MAX            64 /* that are written over */
#define FINDINGS_OF_WORD_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void tell(struct findings *findings, const struct dso_finding *finding)
{
	(void)findings;
	MUST(finding->sentence[0] && strlen(finding->sentence) < 200);
}

/* Small parameters, so that there are many words that matter. */
static void choose_parameters(struct feed *feed, const struct object_type_entry *type,
			      uint64_t parameters[TYPE_PARAMETERS])
{
	uint64_t asked[TYPE_PARAMETERS] = {0};

	for (unsigned i = 0; i < TYPE_PARAMETERS; i++) {
		const struct type_parameter *parameter = &type->parameters[i];

		if (!parameter->name)
			continue;
		asked[i] = 1 + feed8(feed);
		if (asked[i] > parameter->max || asked[i] < parameter->min)
			asked[i] = parameter->min;
	}
	MUST(type_complete(type, asked, parameters, NULL, 0) == WIRE_OK);
}

static void write_over(struct feed *feed, uint8_t *object, uint64_t length_bytes)
{
	for (unsigned i = feed8(feed) % WORDS_MAX; i > 0; i--) {
		uint64_t at = feed16(feed) % (length_bytes / 8) * 8;
		le64_t word = le64_of(feed8(feed) & 1 ? feed64(feed) : feed8(feed));

		memcpy(object + at, &word, sizeof word);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static struct image_owners owners;
	struct feed feed = {bytes, bytes + count};
	struct image image = {.type = feed8(&feed) % 16, .generation = 1};
	const struct object_type_entry *type = type_entry(image.type);
	struct findings findings = {.tell = tell};
	uint8_t annex[64] = {0}, *object;
	uint8_t flags = feed8(&feed);

	if (!type)
		return 0;
	choose_parameters(&feed, type, image.parameters);
	image.length_bytes = type->length_bytes(image.parameters);
	object = calloc(1, image.length_bytes);
	if (type->initialise)
		type->initialise(object, image.parameters);
	write_over(&feed, object, image.length_bytes);
	image.bytes = object;
	image.is_alone = flags & 1;
	image.owners = flags & 2 ? &owners : NULL;
	if (flags & 4)
		image.extents[image.extent_count++] =
			(struct image_extent){.length_bytes = sizeof annex, .bytes = annex};
	image_has_owners(&image);
	image_check(&image, &findings);
	MUST(findings.count <= FINDINGS_OF_WORD_MAX * (image.length_bytes / 8));
	free(object);
	return 0;
}
