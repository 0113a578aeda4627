/* SPDX-License-Identifier: Apache-2.0 */
/* How a platform of functions reaches a worker: what dso_function_main() runs where its environment
 * says that it is one. */
#ifndef LIB_FUNCTIONS_ENTRY_H
#define LIB_FUNCTIONS_ENTRY_H

/* Which entry: "stdin", "http", "lambda", or "none" (a driver all the same). */
#define ENTRY_VARIABLE "DSO_FUNCTION"
/* A payload: one invocation, by a platform that sets nothing but the environment. */
#define ENTRY_PAYLOAD_VARIABLE "DSO_INVOCATION"
/* HOST:PORT of the AWS Lambda Runtime API; its functions need no ENTRY_VARIABLE. */
#define ENTRY_LAMBDA_VARIABLE "AWS_LAMBDA_RUNTIME_API"
/* The errorType of an answer there that is an error: of one that will come again, and of others. */
#define ENTRY_LAMBDA_REFUSED "Dso.Refused"
#define ENTRY_LAMBDA_FAILED  "Dso.Failed"

/* Each serves until its platform ends it or has no more for it. Blocks. Returns the exit status. */

/* One invocation: the payload is standard input, the answer is written to standard output. */
int entry_stdin(void);
/* The same with @payload. */
int entry_environment(const char *payload);
/* A server of HTTP on $PORT, one invocation at a time: a POST is an invocation, a GET tells that it
 * is healthy. */
int entry_http(void);
/* A client of the AWS Lambda Runtime API at @api. */
int entry_lambda(const char *api);

/* Say on stderr why this function cannot serve. Returns EXIT_FAILURE. */
int entry_fail(const char *what, const char *why);

/* SIGTERM ends the process, also where it is the first one of a container, which a signal without a
 * handler does not reach: what it was running is run again elsewhere. */
void entry_end_by_sigterm(void);

#endif
