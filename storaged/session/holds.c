/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/session/holds.h"
#include "lib/core/clock.h"

void holds_init(struct holds *holds, struct sessions *sessions, struct namespaces *namespaces)
{
	*holds = (struct holds){.sessions = sessions, .namespaces = namespaces};
}

/* Collect the words of the next look. *looks is moved behind them. Returns how many; *ret_over: the
 * round ends with them. */
static unsigned gather(const struct store *store, struct looks *looks,
		       struct sweep_word words[LOOK_WORDS_MAX], bool *ret_over)
{
	struct store_object_stat stat;
	unsigned count = 0;

	*ret_over = false;
	for (unsigned passed = 0; count < LOOK_WORDS_MAX && passed < LOOK_WORDS_MAX; passed++) {
		uint32_t next = looks->object;
		uint64_t own;

		if (!store_next_open(store, &next, &stat)) {
			*ret_over = true;
			break;
		}
		/* The object may be another than the one at which the last look ended. */
		if (next - 1 != looks->object || stat.generation != looks->generation)
			looks->word = 0;
		looks->object = next - 1;
		looks->generation = stat.generation;
		own = sweep_count(stat.type, stat.parameters);
		while (looks->word < own && count < LOOK_WORDS_MAX) {
			words[count] =
				sweep_word(stat.type, stat.parameters, stat.offset, looks->word++);
			words[count++].tag = stat.generation;
		}
		if (looks->word == own) {
			looks->object = next;
			looks->word = 0;
		}
	}
	return count;
}

/* Look once at a namespace. Returns 0, or a negative errno: its words cannot be read. */
static int look_at_some(struct holds *holds, unsigned place, int64_t now_ns, bool *ret_over)
{
	struct sweep_word words[LOOK_WORDS_MAX];
	const struct name_space *space = &holds->namespaces->table[place];
	struct looks looks = holds->looks[place];
	unsigned count = gather(space->store, &looks, words, ret_over);
	int r = sweep_load(space->transport, words, count);

	if (r)
		return r;
	for (unsigned i = 0; i < count; i++) {
		struct session *session =
			sessions_owner(holds->sessions, space, owned_word_holder(words[i].value));

		if (session && session->state == SESSION_LIVE)
			sightings_see(&session->sightings, &words[i], looks.behind_ns, now_ns);
	}
	if (*ret_over)
		looks = (struct looks){.began_ns = now_ns, .behind_ns = looks.began_ns};
	holds->looks[place] = looks;
	return 0;
}

void holds_look(struct holds *holds, int64_t now_ns)
{
	int64_t due = (now_ns - holds->looked_ns) / LOOK_NS, begin_ns, spent_ns = 0;
	unsigned spaces = holds->namespaces->count;

	if (due < 1 || holds->sessions->live_count == 0)
		return;
	if (due > LOOK_BATCHES_MAX)
		due = LOOK_BATCHES_MAX;
	begin_ns = clock_now_ns();
	while (due-- > 0 && spaces > 0 && spent_ns < LOOK_TURN_NS) {
		bool over = false;
		int r = look_at_some(holds, holds->turn, now_ns, &over);

		spent_ns = clock_now_ns() - begin_ns;
		if (r)
			break;
		if (!over)
			continue;
		holds->turn = (holds->turn + 1) % holds->namespaces->count;
		spaces--;
	}
	/* A device may be slow, and a device that does not answer is given up only after a
	 * while. */
	holds->looked_ns = spent_ns < LOOK_TURN_NS ? now_ns : now_ns + LOOK_PAUSE_NS - LOOK_NS;
}

void holds_time(const struct holds *holds, const struct session *session, const struct hold *hold,
		int64_t now_ns, int64_t *ret_min_ns, int64_t *ret_max_ns)
{
	unsigned place = namespaces_place(holds->namespaces, session->space);
	int64_t behind_ns = holds->looks[place].behind_ns;
	const struct sighting *sighting = sightings_find(&session->sightings, hold);
	bool missed = session->state != SESSION_LIVE ||
		      sightings_are_missing(&session->sightings, behind_ns);
	int64_t after_ns = missed ? 0 : behind_ns;

	/* Of several words, an older one may be among those that were missed. */
	if (sighting && (hold->count == 1 || !missed))
		after_ns = sighting->before_ns;
	if (after_ns < session->begun_ns)
		after_ns = session->begun_ns;
	*ret_min_ns = sighting ? now_ns - sighting->first_ns : 0;
	*ret_max_ns = now_ns - after_ns;
}
