/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/session/fence.h"

static struct fence *fence_of(struct list *link)
{
	return container_of(link, struct fence, link);
}

void fences_init(struct fences *fences, void (*all_closed)(struct fences *fences))
{
	*fences = (struct fences){.all_closed = all_closed};
	list_init(&fences->open);
}

void fence_open(struct fences *fences, struct fence *fence, const struct fence_ops *ops,
		enum control_transport transport)
{
	*fence = (struct fence){.ops = ops, .fences = fences, .transport = transport};
	list_append(&fences->open, &fence->link);
}

static void look_whether_all_closed(struct fences *fences)
{
	if (fences->were_asked && list_empty(&fences->open))
		fences->all_closed(fences);
}

void fence_closed(struct fence *fence)
{
	list_remove(&fence->link);
	look_whether_all_closed(fence->fences);
}

void fences_close(struct fences *fences, enum session_end why)
{
	for (struct list *link = fences->open.next, *next; link != &fences->open; link = next) {
		struct fence *fence = fence_of(link);

		next = link->next;
		fence->ops->close(fence, why);
	}
	/* Only now: a fence that closed at once was not the last as long as others had not been
	 * asked. */
	fences->were_asked = true;
	look_whether_all_closed(fences);
}

void fences_expect(const struct fences *fences)
{
	for (struct list *link = fences->open.next; link != &fences->open; link = link->next) {
		struct fence *fence = fence_of(link);

		if (fence->ops->expect && !fence->has_ended)
			fence->ops->expect(fence);
	}
}

unsigned fences_count(const struct fences *fences, const struct fence_ops *ops)
{
	unsigned count = 0;

	for (struct list *link = fences->open.next; link != &fences->open; link = link->next)
		count += fence_of(link)->ops == ops;
	return count;
}

struct fence *fences_find(const struct fences *fences, const struct fence_ops *ops)
{
	for (struct list *link = fences->open.next; link != &fences->open; link = link->next)
		if (fence_of(link)->ops == ops)
			return fence_of(link);
	return NULL;
}

bool fences_carry(const struct fences *fences, enum control_transport transport)
{
	for (struct list *link = fences->open.next; link != &fences->open; link = link->next)
		if (fence_of(link)->transport == transport && !fence_of(link)->has_ended)
			return true;
	return false;
}

bool fences_are_closing(const struct fences *fences)
{
	for (struct list *link = fences->open.next; link != &fences->open; link = link->next)
		if (!fence_of(link)->ops->open_while)
			return true;
	return false;
}

const char *fences_open_while(const struct fences *fences)
{
	for (struct list *link = fences->open.next; link != &fences->open; link = link->next)
		if (fence_of(link)->ops->open_while)
			return fence_of(link)->ops->open_while;
	return NULL;
}
