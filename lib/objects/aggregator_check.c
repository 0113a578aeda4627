/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/image.h"

#include <inttypes.h>

/* A contribution, and the place that it names. */
static void check_contribution(const struct image *image, uint64_t id, uint64_t current,
			       struct findings *findings)
{
	uint64_t contributors = image->parameters[AGGREGATOR_PARAMETER_CONTRIBUTORS];
	uint64_t offset = aggregator_id_offset(contributors, id);
	uint64_t word = image_word(image, offset), place = word >> 8 & UINT16_MAX;

	if (aggregator_round(word) > current)
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     "id %" PRIu64 " has contributed to round %" PRIu64
			     ", and the current one is %" PRIu64,
			     id, aggregator_round(word), current);
	if (place > aggregator_places(contributors))
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     "the contribution of id %" PRIu64 " is in place %" PRIu64
			     ", and there are %" PRIu64,
			     id, place - 1, aggregator_places(contributors));
	if (word & UINT8_MAX & ~AGGREGATOR_FROZEN)
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     "the contribution of id %" PRIu64 " has flags that none has", id);
}

static void check_place(const struct image *image, uint64_t place, struct findings *findings)
{
	uint64_t contributors = image->parameters[AGGREGATOR_PARAMETER_CONTRIBUTORS];
	uint64_t offset = aggregator_place_offset(place);
	uint64_t word = image_word(image, offset), id = owned_word_token(word) & UINT16_MAX;

	if (id > contributors)
		findings_add(findings, DSO_FINDING_DAMAGE, offset,
			     "place %" PRIu64 " is of id %" PRIu64 ", and there are %" PRIu64,
			     place, id - 1, contributors);
	image_check_word(image, offset, 0, findings);
}

void aggregator_check(const struct image *image, struct findings *findings)
{
	uint64_t contributors = image->parameters[AGGREGATOR_PARAMETER_CONTRIBUTORS];
	uint64_t word = image_word(image, AGGREGATOR_ROUND_OFFSET);

	if (aggregator_round(word) == 0 ||
	    word & UINT8_MAX & ~(AGGREGATOR_BROKEN | AGGREGATOR_CLOSED))
		findings_add(findings, DSO_FINDING_DAMAGE, AGGREGATOR_ROUND_OFFSET,
			     "its round is 0, or has flags that none has");
	if (image_word(image, AGGREGATOR_TAKEN_OFFSET) >= aggregator_round(word))
		findings_add(findings, DSO_FINDING_DAMAGE, AGGREGATOR_TAKEN_OFFSET,
			     "the result of a round was taken that is not over");
	image_check_word(image, AGGREGATOR_REDUCER_OFFSET, 0, findings);
	image_check_event(image, AGGREGATOR_EVENT_OFFSET, false, findings);
	for (uint64_t place = 0; place < aggregator_places(contributors); place++)
		check_place(image, place, findings);
	for (uint64_t id = 0; id < contributors; id++)
		check_contribution(image, id, aggregator_round(word), findings);
}
