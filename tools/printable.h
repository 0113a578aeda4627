/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text from elsewhere, such as the name of an object or a sentence of storaged's, for a terminal
 * and for JSON. A byte that may not be written as it is becomes \xNN, and so does every backslash.
 * So two different texts never look the same, and printf(1)'s %b turns each into what it was.
 */
#ifndef TOOLS_PRINTABLE_H
#define TOOLS_PRINTABLE_H

#include <stddef.h>
#include <stdio.h>

enum printable_for {
	/* escapes backslashes, DEL and what is not UTF-8; JSON escapes the other controls itself */
	PRINTABLE_JSON,
	/* also escapes controls, line ends among them, and what hides text or changes its order */
	PRINTABLE_TERMINAL,
	/* for a terminal what was written for JSON: its backslashes stay */
	PRINTABLE_JSON_ON_TERMINAL,
};

/* The most room that @bytes of text need. */
#define PRINTABLE_BYTES_MAX(bytes) (4 * (bytes) + 1)

/* Write @text to @to, of PRINTABLE_BYTES_MAX(strlen(@text)) bytes. Returns @to. */
char *printable_write(const char *text, enum printable_for whom, char *to);

/* Print @text to @stream. */
void printable_print(FILE *stream, const char *text, enum printable_for whom);

#endif
