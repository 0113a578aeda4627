/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/session/holds.h"
#include "storaged/control/control.h"
#include "storaged/control/handlers.h"
#include "storaged/server.h"
#include "lib/core/clock.h"
#include "lib/core/holds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* The session that @owner, read from a word that clients write, stands for; or NULL. */
static struct session *session_of(struct server *server, const struct name_space *space,
				  uint16_t owner)
{
	struct session *session = &server->sessions.table[owner];

	if (owner == 0 || owner > server->sessions.max || session->state == SESSION_FREE ||
	    session->space != space)
		return NULL;
	return session;
}

/* ---- looking ---- */

/* The sighting of @word; else one that is not needed any more; else NULL. */
static struct sighting *place_for(const struct session *session, uint64_t word)
{
	struct sighting *vacant = NULL;

	for (unsigned i = 0; i < SIGHTINGS_MAX; i++) {
		struct sighting *sighting = &session->sightings.seen[i];

		if (sighting->word == word)
			return sighting;
		/* The last whole round did not see the session there. */
		if (sighting->word == 0 || sighting->last_ns < session->space->looks.behind_ns)
			vacant = sighting;
	}
	return vacant;
}

/* Whether some holds of it may be older than they seem, because nobody was there to remember
 * them. */
static bool has_missed(const struct session *session)
{
	const struct sightings *sightings = &session->sightings;

	return session->state != SESSION_LIVE ||
	       (sightings->missed_ns && sightings->missed_ns >= session->space->looks.behind_ns);
}

static void see(struct session *session, const struct sweep_word *word, int64_t now_ns)
{
	struct sightings *sightings = &session->sightings;
	uint64_t token = owned_word_token(word->value);
	struct sighting *sighting;

	if (!sightings->seen)
		sightings->seen = calloc(SIGHTINGS_MAX, sizeof *sightings->seen);
	sighting = sightings->seen ? place_for(session, word->offset) : NULL;
	if (!sighting) {
		sightings->missed_ns = now_ns;
		return;
	}
	if (sighting->word != word->offset || sighting->token != token ||
	    sighting->generation != (uint32_t)word->tag)
		*sighting = (struct sighting){
			.word = word->offset,
			.token = token,
			.generation = (uint32_t)word->tag,
			.first_ns = now_ns,
			.before_ns = has_missed(session) ? 0 : session->space->looks.behind_ns,
		};
	sighting->last_ns = now_ns;
}

/* Name the words of the next look. *looks is moved behind them. Returns how many; *ret_over: the
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
		/* It may be another one than where the last look ended. */
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

/* One look at a namespace. Returns 0, or a negative errno: its words cannot be read. */
static int look_at_some(struct server *server, struct name_space *space, int64_t now_ns,
			bool *ret_over)
{
	struct sweep_word words[LOOK_WORDS_MAX];
	struct looks looks = space->looks;
	unsigned count = gather(space->store, &looks, words, ret_over);
	int r = sweep_load(space->transport, words, count);

	if (r)
		return r;
	for (unsigned i = 0; i < count; i++) {
		struct session *session =
			session_of(server, space, owned_word_holder(words[i].value));

		if (session && session->state == SESSION_LIVE)
			see(session, &words[i], now_ns);
	}
	if (*ret_over)
		looks = (struct looks){.began_ns = now_ns, .behind_ns = looks.began_ns};
	space->looks = looks;
	return 0;
}

void holds_look(struct server *server, int64_t now_ns)
{
	int64_t due = (now_ns - server->looked_ns) / LOOK_NS, begin_ns, spent_ns = 0;
	unsigned spaces = server->namespace_count;

	if (due < 1 || server->sessions.live_count == 0)
		return;
	if (due > LOOK_BATCHES_MAX)
		due = LOOK_BATCHES_MAX;
	begin_ns = clock_now_ns();
	while (due-- > 0 && spaces > 0 && spent_ns < LOOK_TURN_NS) {
		bool over = false;
		int r = look_at_some(server, &server->namespaces[server->look_space], now_ns,
				     &over);

		spent_ns = clock_now_ns() - begin_ns;
		if (r)
			break;
		if (!over)
			continue;
		server->look_space = (server->look_space + 1) % server->namespace_count;
		spaces--;
	}
	/* A device may be slow, and one that does not answer is given up only after a while. */
	server->looked_ns = spent_ns < LOOK_TURN_NS ? now_ns : now_ns + LOOK_PAUSE_NS - LOOK_NS;
}

void holds_forget(struct session *session)
{
	free(session->sightings.seen);
	session->sightings = (struct sightings){0};
}

/* ---- the message ---- */

struct answer {
	struct server *server;
	const struct name_space *space;
	int64_t now_ns;
	uint32_t count;
	size_t fill;
	uint8_t body[CONTROL_BODY_BYTES_MAX];
};

/* The oldest sighting of @session that is this hold still, or NULL. */
static const struct sighting *sighting_of(const struct session *session, const struct hold *hold)
{
	const struct sighting *oldest = NULL;

	for (unsigned i = 0; session->sightings.seen && i < SIGHTINGS_MAX; i++) {
		const struct sighting *sighting = &session->sightings.seen[i];

		if (sighting->generation != hold->stat->generation ||
		    (oldest && oldest->first_ns <= sighting->first_ns))
			continue;
		for (uint32_t j = 0; j < hold->count; j++) {
			const struct sweep_word *word = &hold->words[j];

			if (sighting->word == word->offset &&
			    sighting->token == owned_word_token(word->value))
				oldest = sighting;
		}
	}
	return oldest;
}

/* How long @session has had it, at least and at most. */
static void time_hold(const struct session *session, const struct hold *hold, int64_t now_ns,
		      struct control_hold *entry)
{
	const struct sighting *sighting = sighting_of(session, hold);
	bool missed = has_missed(session);
	int64_t after_ns = missed ? 0 : session->space->looks.behind_ns;

	if (sighting)
		entry->held_min_ns = le64_of((uint64_t)(now_ns - sighting->first_ns));
	/* Of several words an older one may be among those missed. */
	if (sighting && (hold->count == 1 || !missed))
		after_ns = sighting->before_ns;
	if (after_ns < session->begun_ns)
		after_ns = session->begun_ns;
	entry->held_max_ns = le64_of((uint64_t)(now_ns - after_ns));
}

static bool put_hold(const struct hold *hold, void *context)
{
	struct answer *answer = context;
	const struct store_object_stat *stat = hold->stat;
	const struct session *session = session_of(answer->server, answer->space, hold->owner);
	struct control_hold entry = {
		.type = le16_of(stat->type),
		.name_bytes = stat->name_bytes,
		.role = (uint8_t)hold->role,
		.generation = le32_of(stat->generation),
		.owner = le32_of(hold->owner),
		.count = le32_of(hold->count),
		.token = le64_of(hold->token),
		.held_max_ns = le64_of(CONTROL_HELD_UNKNOWN),
	};

	if (sizeof entry + stat->name_bytes > sizeof answer->body - answer->fill)
		return false;
	if (session) {
		time_hold(session, hold, answer->now_ns, &entry);
		snprintf((char *)entry.who, sizeof entry.who, "%s%s", session->who,
			 session_state_note(session));
	}
	if (hold->owner == OWNED_BY_STORAGED && answer->space->restart.until_ns)
		strcpy((char *)entry.who, RESTART_WHO);
	memcpy(answer->body + answer->fill, &entry, sizeof entry);
	memcpy(answer->body + answer->fill + sizeof entry, stat->name, stat->name_bytes);
	answer->fill += sizeof entry + stat->name_bytes;
	answer->count++;
	return true;
}

void handle_held(struct control *control, const struct control_header *header, const uint8_t *body)
{
	const struct control_held *held = (const void *)body;
	const struct name_space *space = control->session->space;
	struct answer answer = {.server = control->server,
				.space = space,
				.now_ns = clock_now_ns(),
				.fill = sizeof(struct control_holds)};
	uint64_t cursor = le64_get(held->cursor);
	struct control_holds holds = {0};
	int r = holds_page(space->store, space->transport, &cursor, put_hold, &answer);

	if (r) {
		control_refuse(control, header, r == -ENOMEM ? WIRE_INTERNAL : WIRE_DEVICE, NULL);
		return;
	}
	holds.cursor = le64_of(cursor);
	holds.count = le32_of(answer.count);
	memcpy(answer.body, &holds, sizeof holds);
	control_reply(control, header, answer.body, answer.fill);
}
