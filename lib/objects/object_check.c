/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dso_object_check. A READ is no snapshot of an object that changes. So what a look finds is
 * believed only if a second READ, a moment later, brings the same bytes: words count up, so all of
 * them had these values at the time between the two. What storaged says of the owners is asked at
 * that time, too.
 */
#include "lib/client/check.h"
#include "lib/objects/bytes.h"
#include "lib/objects/image.h"
#include "lib/objects/map.h"
#include "lib/objects/map_findings.h"
#include "lib/objects/object.h"

#include <stdlib.h>
#include <time.h>

#define LOOKS_MAX 6
#define PAUSE_NS  (DSO_SECOND / 100) /* between both READs of the first; doubled each time */

/* ---- what storaged says of it ---- */

static int collect_owner(const struct dso_hold *hold, void *context)
{
	const struct image *image = context;
	struct image_owners *owners = (struct image_owners *)image->owners;

	if (hold->generation != image->generation || hold->owner >= IMAGE_OWNERS)
		return 0;
	owners->named[hold->owner / 64] |= UINT64_C(1) << hold->owner % 64;
	if (hold->who[0])
		owners->live[hold->owner / 64] |= UINT64_C(1) << hold->owner % 64;
	return 0;
}

/* Ask who holds it, into @owners. A storaged that is too old does not say. */
static int find_owners(struct dso_session *session, struct image *image,
		       struct image_owners *owners)
{
	int r;

	image->owners = NULL;
	if (!image_has_owners(image))
		return 0;
	memset(owners, 0, sizeof *owners);
	image->owners = owners;
	r = dso_holds(session, collect_owner, image);
	if (r)
		image->owners = NULL;
	return r == -EOPNOTSUPP ? 0 : r;
}

/* How many handles of this session there are to it. */
static uint32_t own_handles(const struct object *object)
{
	struct dso_session *session = object->session;
	uint32_t count = 0;

	pthread_mutex_lock(&session->lock);
	for (const struct object *other = session->objects; other; other = other->next)
		count += other->offset == object->offset && other->generation == object->generation;
	pthread_mutex_unlock(&session->lock);
	return count;
}

/* Whether no other handle to it is open. Returns 0, -ESTALE (it was deleted), or an error. */
static int find_alone(const struct object *object, bool *ret_alone)
{
	struct dso_stat stat;
	int r = dso_object_stat(object->session, object->name, &stat);

	if (r)
		return r == -ENOENT ? -ESTALE : r;
	if (stat.generation != object->generation)
		return -ESTALE;
	*ret_alone = stat.opens == 1 && own_handles(object) == 1;
	return 0;
}

/* ---- a look ---- */

struct look {
	struct object *object;
	struct image image;
	struct image_owners owners;
	uint8_t *bytes, *again; /* of all that is read, twice */
	size_t length_bytes;
};

/* The parts of the region that a future has beside its own memory. */
static void find_extents(const struct object *object, struct image *image)
{
	uint64_t annex = object->parameters[FUTURE_PARAMETER_ANNEX];

	if (object->type == OBJECT_FUTURE && annex)
		image->extents[image->extent_count++] = (struct image_extent){
			.offset = annex,
			.length_bytes = object->parameters[FUTURE_PARAMETER_CAPACITY],
		};
}

static int prepare(struct look *look)
{
	const struct object *object = look->object;
	struct image *image = &look->image;

	*image = (struct image){.type = object->type,
				.generation = object->generation,
				.length_bytes = object->length_bytes};
	memcpy(image->parameters, object->parameters, sizeof image->parameters);
	find_extents(object, image);
	look->length_bytes = image_bytes_needed(image);
	for (unsigned i = 0; i < image->extent_count; i++)
		look->length_bytes += image->extents[i].length_bytes;
	look->bytes = malloc(look->length_bytes);
	look->again = malloc(look->length_bytes);
	return look->bytes && look->again ? 0 : -ENOMEM;
}

/* Read all of it to @to. */
static int read_into(struct look *look, uint8_t *to)
{
	struct image *image = &look->image;
	uint64_t own_bytes = image_bytes_needed(image);
	int r = bytes_transfer(look->object, DATA_READ, look->object->offset, to, own_bytes);

	image->bytes = to;
	to += own_bytes;
	for (unsigned i = 0; r == 0 && i < image->extent_count; i++) {
		struct image_extent *extent = &image->extents[i];

		r = bytes_transfer(look->object, DATA_READ, extent->offset, to,
				   extent->length_bytes);
		extent->bytes = to;
		to += extent->length_bytes;
	}
	return r;
}

struct report {
	struct findings findings;
	const struct image *image;
	int (*each)(const struct dso_finding *finding, void *context);
	void *context;
	int ended; /* what @each returned */
};

static void tell(struct findings *findings, const struct dso_finding *found)
{
	struct report *report = (struct report *)findings;
	struct dso_finding finding = *found;

	finding.type = (enum dso_type)report->image->type;
	finding.generation = report->image->generation;
	if (report->ended == 0)
		report->ended = report->each(&finding, report->context);
}

/* One look, and if there are findings a second READ after @pause_ns. Returns 0 with findings or
 * without, -EAGAIN (it changed), or an error. */
static int look_once(struct look *look, int64_t pause_ns, unsigned *ret_findings)
{
	const struct timespec pause = {.tv_nsec = pause_ns};
	struct image *image = &look->image;
	struct findings findings = {0};
	bool was_alone = false;
	int r = read_into(look, look->bytes);

	if (r == 0)
		r = find_alone(look->object, &was_alone);
	if (r == 0)
		r = find_owners(look->object->session, image, &look->owners);
	if (r)
		return r;
	image->is_alone = was_alone;
	*ret_findings = image_check(image, &findings);
	if (*ret_findings == 0)
		return 0;
	nanosleep(&pause, NULL);
	r = read_into(look, look->again);
	if (r == 0)
		r = find_alone(look->object, &image->is_alone);
	if (r)
		return r;
	return image->is_alone == was_alone && !memcmp(look->bytes, look->again, look->length_bytes)
		       ? 0
		       : -EAGAIN;
}

/* Look until nothing is found, or the same twice. */
static int look_at(struct look *look, unsigned *ret_findings)
{
	int64_t pause_ns = PAUSE_NS;
	int r = -EAGAIN;

	for (unsigned i = 0; r == -EAGAIN && i < LOOKS_MAX; i++, pause_ns *= 2)
		r = look_once(look, pause_ns, ret_findings);
	return r;
}

static bool is_map(unsigned type)
{
	return type == OBJECT_MAP || type == OBJECT_SET;
}

/* What is behind the head of a map, by a handle of its own. */
static int check_map(struct object *object, struct report *report)
{
	struct open_request request = {.is_there = true, .type = object->type};
	struct dso_map *map;
	int r = map_open(object->session, object->name, &request, &map);

	if (r)
		return r == -EEXIST || r == -ENOENT ? -ESTALE : r;
	r = map->object.generation == object->generation
		    ? map_find(map, report->image->is_alone, &report->findings)
		    : -ESTALE;
	map_close(map);
	if (r == -EAGAIN)
		return object_refuse(object, "check", -EBUSY,
				     "it is in use: it changed while it was looked at, each time");
	return r ? object_fail(object, "check", r) : 0;
}

static int check(struct object *object,
		 int (*each)(const struct dso_finding *finding, void *context), void *context)
{
	struct look *look = calloc(1, sizeof *look);
	struct report report = {.findings = {.tell = tell}, .each = each, .context = context};
	unsigned count = 0;
	int r;

	if (!look)
		return object_refuse(object, "check", -ENOMEM, "out of memory");
	look->object = object;
	report.image = &look->image;
	r = prepare(look);
	if (r == 0)
		r = look_at(look, &count);
	if (r == -EAGAIN)
		r = object_refuse(object, "check", -EBUSY,
				  "it is in use: it changed while it was "
				  "looked at, each time");
	else if (r)
		r = object_fail(object, "check", r);
	else if (count)
		image_check(&look->image, &report.findings);
	if (r == 0 && is_map(object->type))
		r = check_map(object, &report);
	free(look->bytes);
	free(look->again);
	free(look);
	return r ? r : report.ended;
}

int dso_object_check(struct dso_session *session, const char *name,
		     int (*each)(const struct dso_finding *finding, void *context), void *context)
{
	INSIDE(session);
	struct open_request request = {.is_there = true};
	struct object *object;
	struct dso_stat stat;
	int r = dso_object_stat(session, name, &stat);

	if (r)
		return r;
	if (!type_entry((unsigned)stat.type))
		return session_fail(session, -EOPNOTSUPP,
				    "cannot check %s at %s: this library does not know its type",
				    name, session->url);
	request.type = (enum object_type)stat.type;
	r = object_open(session, name, &request, sizeof *object, &object);
	if (r)
		return r == -EEXIST ? -ESTALE : r;
	r = check(object, each, context);
	object_close(object);
	return r;
}
