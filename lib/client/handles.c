/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/client/handles.h"

#include <stdlib.h>

void object_link(struct object *object)
{
	struct dso_session *session = object->session;

	object->next = session->objects;
	if (object->next)
		object->next->previous = object;
	session->objects = object;
}

void object_unlink(struct object *object)
{
	if (object->previous)
		object->previous->next = object->next;
	else
		object->session->objects = object->next;
	if (object->next)
		object->next->previous = object->previous;
}

void object_free(struct object *object)
{
	for (size_t i = 0; i < sizeof object->memory / sizeof *object->memory; i++)
		free(object->memory[i]);
	free(object);
}
