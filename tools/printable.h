/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that came from elsewhere, as the name of an object or a sentence of storaged's, for a
 * terminal and for JSON. A byte that may not stand as it is becomes \xNN, and so does every
 * backslash: two different texts never look the same, and printf(1)'s %b makes of each what it was.
 */
#ifndef TOOLS_PRINTABLE_H
#define TOOLS_PRINTABLE_H

#include <stddef.h>
#include <stdio.h>

enum printable_for {
	/* escaped are backslashes, DEL and what is not UTF-8; the other controls JSON escapes
	 * itself */
	PRINTABLE_JSON,
	/* also controls, line ends among them, and what hides text or changes the order in which it
	 * is shown */
	PRINTABLE_TERMINAL,
	/* what was written for JSON, for a terminal: its backslashes stay */
	PRINTABLE_JSON_ON_TERMINAL,
};

/* Room that @bytes of text need at most. */
#define PRINTABLE_BYTES_MAX(bytes) (4 * (bytes) + 1)

/* Write @text to @to, of PRINTABLE_BYTES_MAX(strlen(@text)) bytes. Returns @to. */
char *printable_write(const char *text, enum printable_for whom, char *to);

/* Print @text to @stream. */
void printable_print(FILE *stream, const char *text, enum printable_for whom);

#endif
